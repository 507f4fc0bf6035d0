"""`psyalign init` lays out a study that only lacks its data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import Result

from psyalign.items import check_bank, load_bank
from psyalign.study import check_study, load_study

Invoke = Callable[..., Result]


def test_scaffold_is_valid(invoke: Invoke, tmp_path: Path) -> None:
    folder = tmp_path / "My first study"
    result = invoke("init", folder, "--group", "native language")
    assert result.exit_code == 0, result.stderr
    study = load_study(folder)
    assert study.study.name == "my-first-study"
    assert list(study.groups) == ["native language"]
    assert check_study(study) == []
    bank = load_bank(folder / "items")
    assert check_bank(bank) == []
    assert {path.name for path in (folder / "data").iterdir()} == {
        "responses.csv",
        "ratings.csv",
        "persons.csv",
    }
    for path in (folder / "data").iterdir():
        assert len(pd.read_csv(path)) == 2
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "psyalign study check" in readme and "$" not in readme
    assert (folder / ".gitignore").is_file() and (folder / "reports").is_dir()


def test_own_tables_are_named_and_read(invoke: Invoke, small_study: Path, tmp_path: Path) -> None:
    persons = pd.read_csv(small_study / "persons.csv")
    persons["gender"] = ["women"] * 90 + ["men"] * 130 + ["other"] * 20
    persons.to_csv(small_study / "persons.csv", index=False)
    tables = [f"--{kind}={small_study / kind}.csv" for kind in ("responses", "ratings", "persons")]
    result = invoke("init", tmp_path / "new", "--name", "own", *tables)
    assert result.exit_code == 0, result.stderr
    study = load_study(tmp_path / "new")
    assert study.data.responses == "../work/small/responses.csv"
    assert (study.groups["gender"].reference, study.groups["gender"].focal) == ("men", "women")
    text = study.path.read_text(encoding="utf-8")
    assert "# In your data: men (130), women (90), other (20)." in text
    assert "# Raters in your ratings: r1." in text
    bank = load_bank(tmp_path / "new" / "items")
    assert list(bank.items) == ["first", "second"]
    assert bank.items["first"].scores == (0, 1, 2)
    assert not any(finding.level == "error" for finding in check_bank(bank))


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--name", "My Study"], 2, "cannot be a study's name"),
        (["--ratings", "ratings.csv"], 2, "Give --responses too"),
        (["--responses", "gone.csv"], 3, "gone.csv"),
        (["--responses", "{small}/ratings.csv"], 3, "Column 'response' is missing."),
        (["--responses", "{small}/responses.csv", "--group", "gendr"], 3, "Column 'gendr' is missing."),
        (["--responses", "{small}/responses.csv"], 2, "No column looks like a person attribute"),
    ],
)
def test_bad_arguments(
    invoke: Invoke, small_study: Path, tmp_path: Path, *, arguments: list[str], code: int, says: str
) -> None:
    filled = [argument.format(small=small_study) for argument in arguments]
    result = invoke("init", tmp_path / "new", *filled)
    assert result.exit_code == code
    assert says in result.stderr
    assert not (tmp_path / "new").exists()


def test_folder_that_is_not_empty_is_left_alone(invoke: Invoke, small_study: Path) -> None:
    before = sorted(small_study.iterdir())
    result = invoke("init", small_study)
    assert result.exit_code == 2
    assert "new or empty folder" in result.stderr
    assert sorted(small_study.iterdir()) == before
