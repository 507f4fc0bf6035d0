"""Optimality gaps in the report: which are what training left, and the reasons of those that are not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from psyalign.report import build_report
from psyalign.report.load import load_run
from psyalign.report.schema import COLUMNS
from psyalign.report.sections.limits import limits_section

RunMaker = Callable[..., Path]
ARMS = ["baseline", "refit", "dpo", "ppo", "equivalence", "ppo+equivalence"]


def gap_entry(run: Path) -> str:
    (bullets,) = limits_section(load_run(run)).blocks
    return next((text for lead, text in bullets.entries if lead == "Optimality gaps."), "")  # type: ignore[union-attr]


@pytest.fixture
def with_gaps(make_run: RunMaker) -> Callable[..., Path]:
    """A run whose arms have the given columns, and a row of alignment_kl each."""

    def build(**columns: list[Any]) -> Path:
        run = make_run(arms=ARMS)
        path = run / "tables" / "arms.parquet"
        arms = pd.read_parquet(path).assign(**columns)
        arms.to_parquet(path, index=False)
        numbers = [240, 0.1, 0.4, 0.05, 3.1, 0.2, 0.3, 0.11, 0.15, 0.9, 0.3]
        rows = [[arm, "all", "all", *numbers] for arm in ARMS]
        moved = pd.DataFrame(rows, columns=list(COLUMNS["alignment_kl"]))
        moved.assign(optimality_gap=arms["optimality_gap"], origin="simulated").to_parquet(
            run / "tables" / "alignment_kl.parquet", index=False
        )
        return run

    return build


def test_runs_of_before_list_dpo_and_ppo_but_no_arm_with_a_further_term(make_run: RunMaker) -> None:
    entry = gap_entry(make_run())
    assert "DPO 0.036; PPO 0.048." in entry and "quivalence" not in entry


def test_only_an_arms_own_gap_is_called_what_its_training_left(with_gaps: Callable[..., Path]) -> None:
    entry = gap_entry(
        with_gaps(
            optimality_gap=[0.3, 0.2, np.nan, 0.01, 0.2, 0.15],
            gap_kind=["described", "described", "none", "own", "described", "described"],
        )
    )
    assert "PPO 0.010. What" in entry and "DPO" not in entry and "quivalence" not in entry


def test_a_distilled_arm_is_listed_too(make_run: RunMaker) -> None:
    run = make_run(arms=ARMS)
    path = run / "tables" / "arms.parquet"
    arms = pd.read_parquet(path)
    extra = arms[arms["arm"] == "ppo"].assign(arm="distill", label="Distilled", optimality_gap=0.007)
    pd.concat([arms, extra]).to_parquet(path, index=False)
    assert "Distilled 0.007" in gap_entry(run)


def test_reasons_stand_under_the_table(with_gaps: Callable[..., Path], tmp_path: Path) -> None:
    ended = "Measured at β = 0.07, where the adaptive KL penalty ended."
    described = "A description: the arm does not follow the reward."
    run = with_gaps(
        optimality_gap=[0.3, 0.2, np.nan, 0.01, 0.2, 0.15],
        gap_kind=["described", "described", "none", "own", "described", "described"],
        gap_note=["", described, "Not defined for IPO: another optimum.", ended, described, ""],
    )
    page = build_report(run, tmp_path / "out").read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "DPO: not defined for IPO: another optimum." in text
    assert f"PPO: m{ended[1:]}" in text
    assert "Refit, Equivalence: a description: the arm does not follow the reward." in text
