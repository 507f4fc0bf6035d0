"""`--gate`: exit code 1 where a gate of the study is missed, and only there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import typer

from psyalign.agreement import Figure, judge_gates
from psyalign.cli.gates import hold_to_gates
from psyalign.foundation.errors import RunError

MET = Figure("qwk", value=0.9, low=0.8, high=1.0, n_persons=99)
MISSED = Figure("qwk", value=0.5, low=0.4, high=0.6, n_persons=99)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def make(*figures: Figure, binding: bool = True) -> Path:
        path = tmp_path / "tables" / "gates.parquet"
        path.parent.mkdir(exist_ok=True)
        table: pd.DataFrame = judge_gates(figures).assign(binding=binding)
        table.to_parquet(path)
        return tmp_path

    return make


def test_a_missed_gate_ends_with_1_and_is_named(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as caught:
        hold_to_gates(write(MISSED))
    assert caught.value.exit_code == 1
    said = capsys.readouterr().err
    assert "missed: QWK with the human scores: 0.50, asked at least .70." in said
    assert "not assessable: Impact ratio at the cut score: no cut score is given." in said


def test_not_assessable_does_not_fail_but_is_said(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    hold_to_gates(write(MET))
    said = capsys.readouterr().err
    assert "not assessable: Degradation" in said and "missed" not in said


def test_defaults_alone_fail_nothing(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    hold_to_gates(write(MISSED, binding=False))
    assert "no [gates], so nothing fails" in capsys.readouterr().err


def test_a_run_of_before_the_gates_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no table of gates"):
        hold_to_gates(tmp_path)
