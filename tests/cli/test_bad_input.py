"""Bad input, one kind a case: one clear message, the right exit code, no response text."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import Result

Invoke = Callable[..., Result]
Break = Callable[[Path], None]
SECRET = "a private sentence nobody may log"


def edit(file: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Break:
    """Change a table of the study."""

    def apply(study: Path) -> None:
        change(pd.read_csv(study / file, dtype=object)).to_csv(study / file, index=False)

    return apply


def cell(file: str, row: int, column: str, value: str | None) -> Break:
    """Change one cell of a table."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[row, column] = value
        return table

    return edit(file, change)


def text(file: str, old: str, new: str) -> Break:
    """Replace a piece of a text file."""

    def apply(study: Path) -> None:
        before = (study / file).read_text(encoding="utf-8")
        assert old in before
        (study / file).write_text(before.replace(old, new), encoding="utf-8")

    return apply


def latin_1(study: Path) -> None:
    path = study / "responses.csv"
    path.write_bytes(path.read_text(encoding="utf-8").replace(SECRET, "naïve", 1).encode("latin-1"))


def empty_responses(study: Path) -> None:
    (study / "responses.csv").write_text("")


def no_study_file(study: Path) -> None:
    (study / "study.toml").unlink()


def not_json(study: Path) -> None:
    records(preference(2, 1))(study)
    (study / "feedback.jsonl").write_text("{\n")


def records(*lines: dict[str, object]) -> Break:
    """Let the study's feedback come from these records."""

    def apply(study: Path) -> None:
        (study / "feedback.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        text("study.toml", 'source = "panel"', 'source = "records"\nrecords = "feedback.jsonl"')(study)

    return apply


def preference(preferred: int, rejected: int, **changes: object) -> dict[str, object]:
    record = {"kind": "score_preference", "item": "first", "response_id": "p000|first"}
    return {
        **record,
        "preferred": preferred,
        "rejected": rejected,
        "rater": "r9",
        "source": "panel",
        **changes,
    }


def one_group(persons: pd.DataFrame) -> pd.DataFrame:
    return persons.assign(gender="men")


def three_women(persons: pd.DataFrame) -> pd.DataFrame:
    return persons.assign(gender=["women"] * 3 + ["men"] * (len(persons) - 3))


RESPONSES, RATINGS, PERSONS, STUDY = "responses.csv", "ratings.csv", "persons.csv", "study.toml"

# what is wrong: (how to break the study, exit code, words of the message)
CASES: dict[str, tuple[Break, int, tuple[str, ...]]] = {
    "missing column": (
        edit(RESPONSES, lambda table: table.rename(columns={"response": "respnse"})),
        3,
        ("Column 'response' is missing.", "responses.csv", "Did you mean 'respnse'?"),
    ),
    "repeated column": (
        text(RESPONSES, "person,item,response", "person,item,item"),
        3,
        ("Column 'item' appears more than once.", "responses.csv, header"),
    ),
    "unknown item": (
        cell(RESPONSES, 0, "item", "frist"),
        3,
        ("Item 'frist' is not in the item bank.", "row 2", "Did you mean 'first'?"),
    ),
    "person x item twice": (
        edit(RESPONSES, lambda table: pd.concat([table, table.head(1)])),
        3,
        ("Person 'p000' has more than one response to item 'first'.", "row 482"),
    ),
    "empty response": (cell(RESPONSES, 4, "response", " "), 3, ("The response is empty.", "row 6")),
    "wrong encoding": (latin_1, 3, ("The file is not UTF-8.", "responses.csv")),
    "empty file": (empty_responses, 3, ("The table is empty.",)),
    "ragged rows": (
        text(RESPONSES, "p003,second,", "p003,second,,,,"),
        3,
        ("The row has 6 cells, the header has 3.", "row 9"),
    ),
    "missing person": (cell(RESPONSES, 2, "person", None), 3, ("The cell of 'person' is empty.", "row 4")),
    "score outside the rubric": (
        cell(RATINGS, 1, "score", "7"),
        3,
        ("The score 7 is outside the rubric of 'second' (0 to 2).", "row 3"),
    ),
    "score NaN": (cell(RATINGS, 1, "score", "NaN"), 3, ("The score is missing.", "row 3")),
    "score not whole": (
        cell(RATINGS, 1, "score", "1.5"),
        3,
        ("The score '1.5' is not a whole number.", "row 3"),
    ),
    "score is text": (cell(RATINGS, 1, "score", "good"), 3, ("The score 'good' is not a number.", "row 3")),
    "rating without response": (
        edit(RESPONSES, lambda table: table.drop(index=1)),
        3,
        ("Person 'p000' has a rating but no response for item 'second'.", "ratings.csv"),
    ),
    "rating twice": (
        edit(RATINGS, lambda table: pd.concat([table, table.head(1)])),
        3,
        ("Rater 'r1' has scored person 'p000' on item 'first' more than once.",),
    ),
    "person not in the persons table": (
        edit(PERSONS, lambda table: table.drop(index=5)),
        3,
        ("Person 'p005' has no row in the persons table",),
    ),
    "person twice in the persons table": (
        edit(PERSONS, lambda table: pd.concat([table, table.head(1)])),
        3,
        ("Person 'p000' has more than one row.",),
    ),
    "one group only": (edit(PERSONS, one_group), 3, ("No person has gender = 'women'",)),
    "group of three persons": (edit(PERSONS, three_women), 3, ("The focal group 'women' has", "at least 4")),
    "attribute missing": (
        text(STUDY, "[groups.gender]", "[groups.gendr]"),
        2,
        ("The persons have no attribute 'gendr'.", "Did you mean 'gender'?"),
    ),
    "data file missing": (
        text(STUDY, '"ratings.csv"', '"scores.csv"'),
        3,
        ("The ratings file is not there.", "scores.csv"),
    ),
    "data file of another kind": (text(STUDY, '"ratings.csv"', '"study.toml"'), 3, ("not from '.toml'",)),
    "unknown rater": (
        text(STUDY, 'source = "panel"', 'source = "panel"\nrater = "r2"'),
        2,
        ("No rating is by rater 'r2'.", "There are: r1."),
    ),
    "study file missing": (no_study_file, 2, ("File not found.", "study.toml")),
    "study file not TOML": (text(STUDY, "[groups.gender]", "[groups.gender"), 2, ("not valid TOML", "line ")),
    "unknown study key": (
        text(STUDY, "seed = 1", "sede = 1"),
        2,
        ("Unknown key 'sede' in [study].", "Did you mean 'seed'?"),
    ),
    "study key of the wrong type": (
        text(STUDY, "seed = 1", 'seed = "one"'),
        2,
        ("'seed' must be a whole number",),
    ),
    "shares that do not sum to 1": (
        text(STUDY, "[groups.gender]", "[split]\ntrain = 0.9\n[groups.gender]"),
        2,
        ("must sum to 1",),
    ),
    "reference is focal": (
        text(STUDY, '"women"', '"men"'),
        2,
        ("Reference and focal group are both 'men'.",),
    ),
    "no baseline": (text(STUDY, '"baseline", ', ""), 2, ("The arm 'baseline' is missing",)),
    "missing bank": (
        text(STUDY, 'bank = "items"', 'bank = "mindka"'),
        3,
        ("There is no item bank 'mindka'.",),
    ),
    "gap in the rubric": (
        text("items/first.toml", "{score = 2, label", "{score = 3, label"),
        3,
        ("first.toml",),
    ),
    "item key misspelt": (
        text("items/first.toml", "construct =", "construkt ="),
        3,
        ("construkt", "construct"),
    ),
    "missing model": (
        text(STUDY, "[align]", '[scorer]\nbase = "./no-model"\n[align]'),
        2,
        ("The model './no-model' cannot be found or read", "[scorer] base"),
    ),
    "feedback not JSON": (
        not_json,
        3,
        ("not valid JSON", "feedback.jsonl, line 1"),
    ),
    "feedback on an unknown response": (
        records(preference(2, 1, response_id="p999|first")),
        3,
        ("There is no response 'p999|first'.", "feedback record 1"),
    ),
    "feedback on no score point": (
        records(preference(5, 1)),
        3,
        ("Score 5 is no score point of item 'first'.",),
    ),
    "preference graph without cycles, but disconnected": (
        records(preference(2, 1)),
        3,
        ("leave some score points incomparable", "'p000|first', in 2 parts", "feedback.jsonl"),
    ),
}


@pytest.mark.parametrize("kind", CASES)
def test_study_check(invoke: Invoke, small_study: Path, kind: str) -> None:
    apply, code, words = CASES[kind]
    apply(small_study)
    result = invoke("study", "check", small_study)
    assert result.exit_code == code, result.output
    for word in words:
        assert word in result.output
    told = result.stderr.count("error: ") + result.stdout.count(": error: ")
    assert told == 1, "one message, no more"
    assert "Traceback" not in result.output and SECRET not in result.output


def test_there_are_twenty_kinds() -> None:
    assert len(CASES) >= 20


def test_report_of_no_run(invoke: Invoke, small_study: Path, tmp_path: Path) -> None:
    result = invoke("report", "build", small_study, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert str(small_study) in result.stderr
    assert not (tmp_path / "out").exists()
