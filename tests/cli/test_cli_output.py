"""Tables as text, JSON and CSV."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from psyalign.cli.output import records_of, show_findings, show_table, text_table
from psyalign.items import Finding

ROWS = [
    {"item": "late", "smd": -0.1234, "p_adjusted": 0.0004, "n": 12, "ok": True},
    {"item": "a\x1b[31mb\n", "smd": float("nan"), "p_adjusted": 0.5, "n": None, "ok": False},
]


def test_text_table_aligns_numbers_right_and_words_left() -> None:
    lines = text_table(ROWS).splitlines()
    assert lines == [
        "item         smd  p adjusted   n  ok",
        "────────  ──────  ──────────  ──  ───",
        "late      -0.123      <0.001  12  yes",
        "a [31mb        –       0.500   –  no",
    ]


def test_text_table_lets_no_control_character_through() -> None:
    assert "\x1b" not in text_table(ROWS)
    assert len(text_table(ROWS).splitlines()) == 4


def test_text_table_of_nothing() -> None:
    assert text_table([]) == "(no rows)"


def test_zero_has_no_sign() -> None:
    assert text_table([{"es": -0.0001}]).splitlines()[-1] == "0.000"


def test_long_cells_are_cut() -> None:
    assert max(len(line) for line in text_table([{"what": "x" * 500}]).splitlines()) == 88


def test_columns_chosen_for_people_do_not_narrow_json(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(ROWS, columns=["item", "smd"])
    assert "adjusted" not in capsys.readouterr().out
    show_table(ROWS, columns=["item", "smd"], as_json=True)
    records = json.loads(capsys.readouterr().out)
    assert records[0] == ROWS[0]
    assert records[1]["smd"] is None


def test_csv_is_defused_and_complete(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    show_table([{"item": "=1+1", "smd": 0.1}], csv=tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "item,smd\n'=1+1,0.1\n"


def test_records_of_a_frame_are_plain_python() -> None:
    records = records_of(
        pd.DataFrame({"item": ["a", None], "n": [1, 2], "x": [0.5, None], "ok": [True, False]})
    )
    assert records == [
        {"item": "a", "n": 1, "x": 0.5, "ok": True},
        {"item": None, "n": 2, "x": None, "ok": False},
    ]
    assert [type(value) for value in records[0].values()] == [str, int, float, bool]


def test_findings_are_counted_by_errors(capsys: pytest.CaptureFixture[str]) -> None:
    findings = [Finding("error", "late: rubric", "Wrong."), Finding("note", "bank", "Fine.")]
    assert show_findings(findings) == 1
    assert capsys.readouterr().out == "late: rubric: error: Wrong.\nbank: note: Fine.\n"
    assert show_findings([], silence="None.") == 0
    assert capsys.readouterr().out == "None.\n"
    show_findings(findings, as_json=True)
    assert json.loads(capsys.readouterr().out)[0] == {
        "level": "error",
        "where": "late: rubric",
        "message": "Wrong.",
    }
