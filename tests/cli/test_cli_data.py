"""`psyalign data` and `psyalign study check` on data that are in order."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import Result

Invoke = Callable[..., Result]
SECRET = "a private sentence nobody may log"


def test_data_check_counts(invoke: Invoke, small_study: Path) -> None:
    result = invoke("data", "check", small_study, "--json")
    assert result.exit_code == 0, result.stderr
    counts = {(row["what"], row["which"]): row["count"] for row in json.loads(result.stdout)}
    assert counts["persons", "all"] == 240
    assert counts["missing responses", "all"] == 0
    assert counts["gender", "women"] == 120
    assert counts["rater r1", "score 2"] == 160
    assert counts["rater r1", "not scored"] == 0


def test_attributes_with_many_values_and_gaps_are_summed_up(invoke: Invoke, small_study: Path) -> None:
    persons = pd.read_csv(small_study / "persons.csv")
    persons["age"] = [None, *range(1, 240)]
    persons.to_csv(small_study / "persons.csv", index=False)
    result = invoke("data", "check", small_study)
    assert "age                239 different values    239" in result.stdout
    assert "age                missing                   1" in result.stdout


def test_study_check_finds_nothing_and_prints_no_response(invoke: Invoke, small_study: Path) -> None:
    result = invoke("study", "check", small_study)
    assert result.exit_code == 0, result.output
    assert result.stdout == "Study, items and data: no findings.\n"
    assert SECRET not in invoke("data", "check", small_study).output


def test_scaffold_lacks_only_data(invoke: Invoke, tmp_path: Path) -> None:
    invoke("init", tmp_path / "new")
    result = invoke("study", "check", tmp_path / "new")
    assert result.exit_code == 3
    errors = [line for line in result.stdout.splitlines() if ": error: " in line]
    assert len(errors) == 2
    assert all("audit persons; DIF needs at least 4." in line for line in errors)


def test_import_mindca(invoke: Invoke, tmp_path: Path) -> None:
    source = tmp_path / "mindca_two_scores.csv"
    source.write_text(
        "child_id,item,answer,score_original,score_relabel,age,gender\n"
        f"1,SFQuestion_1_Text,{SECRET},2,1,9,0\n2,SFQuestion_1_Text,{SECRET} too,0,0,9,1\n"
    )
    out = tmp_path / "data"
    result = invoke("data", "import", "mindca", tmp_path, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[0] == f"mindca → {out}"
    assert {"responses.csv", "ratings.csv", "persons.csv", "source.json"} == {p.name for p in out.iterdir()}
    assert SECRET not in result.output
    assert (
        json.loads(invoke("data", "import", "mindca", source, "--out", out, "--json").stdout)[0]["persons"]
        == 2
    )


@pytest.mark.parametrize(("source", "path", "code"), [("midca", ".", 2), ("mindca", "gone.csv", 3)])
def test_import_of_nothing(invoke: Invoke, tmp_path: Path, source: str, path: str, code: int) -> None:
    result = invoke("data", "import", source, path, "--out", tmp_path / "data")
    assert result.exit_code == code
    assert not (tmp_path / "data").exists()
