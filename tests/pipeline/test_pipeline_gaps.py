"""What an arm's optimality gap is measured against, and where there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from psyalign.pipeline import load_study_bank
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.gaps import yardstick
from psyalign.study import load_study

Change = Callable[..., None]


@pytest.fixture
def run_with(small_study: Path, change: Change) -> Callable[..., Run]:
    def build(options: str = "", arms: str = "", **facts: Any) -> Run:
        listed = f"\narms = [{arms}]" if arms else ""
        change(small_study, "beta = 0.1", f"beta = 0.1{listed}\n{options}")
        study = load_study(small_study)
        done = {f"align/{arm}": {"facts": said} for arm, said in facts.items()}
        done["feedback"] = {"facts": {"scores": 8}}
        return Run(small_study.parent, study, load_study_bank(study), done)

    return build


def test_by_default_every_gap_is_against_the_optimum_at_the_studys_beta(run_with: Callable[..., Run]) -> None:
    run = run_with()
    kinds = {arm: yardstick(run, arm) for arm in (*run.study.align.arms, "distill", "closed_form")}
    own = {arm for arm, found in kinds.items() if found.kind == "own"}
    assert own == {"dpo", "ppo", "distill", "closed_form"}
    assert {arm for arm, found in kinds.items() if found.kind == "none"} == {"ceiling"}
    assert all(found.beta == 0.1 and found.entropy_weight == 0 for found in kinds.values())
    assert not any(kinds[arm].note for arm in own)
    assert "equivalence term" in kinds["dpo+equivalence"].note
    assert "does not follow the reward" in kinds["refit"].note == kinds["equivalence"].note


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ('dpo = "ipo"', "IPO"),
        ('dpo = "conservative"\nlabel_noise = 0.1', "conservative"),
        ('dpo = "robust"\nlabel_noise = 0.1', "robust"),
    ],
)
def test_variants_of_dpo_with_another_optimum_have_no_gap(
    run_with: Callable[..., Run], options: str, words: str
) -> None:
    run = run_with(options)
    for arm in ("dpo", "dpo+equivalence"):
        found = yardstick(run, arm)
        assert found.kind == "none" and words in found.note
    assert yardstick(run, "ppo").kind == "own"


def test_ppo_is_measured_where_its_penalty_ended_and_with_its_bonus(run_with: Callable[..., Run]) -> None:
    run = run_with('kl = "adaptive"\nkl_target = 0.02\nentropy = 0.05', ppo={"beta": 0.0734})
    found = yardstick(run, "ppo")
    assert (found.kind, found.beta, found.entropy_weight) == ("own", 0.0734, 0.05)
    assert "0.0734" in found.note and "entropy bonus" in found.note
    assert yardstick(run, "dpo").beta == yardstick(run, "baseline").beta == 0.1
    mixed = yardstick(run, "ppo+equivalence")
    assert mixed.kind == "described" and mixed.entropy_weight == 0.05


def test_what_an_anchor_or_a_penalty_asks_for_is_no_shortcoming(run_with: Callable[..., Run]) -> None:
    run = run_with("sft_anchor = 0.3\ndif_penalty = 0.5", '"baseline", "dpo", "distill"')
    assert yardstick(run, "dpo").kind == yardstick(run, "distill").kind == "described"
    assert "SFT anchor and the conditional-DIF penalty" in yardstick(run, "dpo").note
    assert "SFT anchor" not in yardstick(run, "distill").note
