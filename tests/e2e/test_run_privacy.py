"""Response text lies in one file of a run, and leaves the house nowhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pandas as pd
import pytest

from psyalign.foundation.tables import read_table

Finished = Any  # the fixture's class, in conftest.py

LONG = 18  # letters: shorter pieces of an answer could stand in an item's text as well


def sentences(run: Finished) -> set[str]:
    """Every sentence that a person wrote."""
    texts = run.table("data", "texts")["response"]
    pieces = {piece.strip(" .!?") for text in texts for piece in re.split(r"(?<=[.!?])\s+|\n", text)}
    found = {piece for piece in pieces if len(piece) >= LONG}
    assert len(found) >= 6
    return found


def told(found: set[str], text: str) -> list[str]:
    return [piece for piece in found if piece in text]


@pytest.fixture(params=["unbroken", "filed"])
def run(request: pytest.FixtureRequest) -> Finished:
    return request.getfixturevalue(request.param)


def content(path: Path) -> str:
    """A file as text; of Parquet and Word, which are compressed, their cells and parts."""
    if path.suffix == ".parquet":
        table = read_table(path)
        words = table.select_dtypes(["str", "object"])
        return "\n".join([*map(str, table.columns), *map(str, words.to_numpy().ravel())])
    if path.suffix == ".docx":
        with ZipFile(path) as parts:
            return "\n".join(parts.read(name).decode("utf-8", errors="replace") for name in parts.namelist())
    return path.read_bytes().decode("utf-8", errors="replace")


def test_the_test_can_find_a_sentence(run: Finished) -> None:
    assert told(sentences(run), content(run.folder / "data" / "texts.parquet"))


def test_events_manifest_and_progress_hold_no_answer(run: Finished) -> None:
    found = sentences(run)
    for name in ("events.jsonl", "manifest.json", "study.resolved.toml"):
        assert told(found, content(run.folder / name)) == [], name
    assert "tables: finished" in run.stderr
    assert told(found, run.stderr) == []


def test_only_the_text_table_of_the_run_holds_answers(run: Finished) -> None:
    found = sentences(run)
    files = [path for path in run.folder.rglob("*") if path.is_file()]
    assert len(files) > 30
    holding = [path.relative_to(run.folder).as_posix() for path in files if told(found, content(path))]
    assert holding == ["data/texts.parquet"]


def test_nothing_that_leaves_the_house_holds_an_answer(run: Finished) -> None:
    found = sentences(run)
    files = [path for path in run.report.parent.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".html", ".docx", ".csv", ".json", ".svg"}
    assert [path.name for path in files if told(found, content(path))] == []


def test_no_table_has_a_column_of_responses(run: Finished) -> None:
    for path in run.folder.rglob("*.parquet"):
        columns = pd.read_parquet(path).columns
        assert ("response" in columns) == (path.name == "texts.parquet"), path


def test_simulated_says_so_in_every_file_that_people_open(unbroken: Finished) -> None:
    folder = unbroken.report.parent
    for path in [unbroken.report, *(folder / "tables").glob("*.csv")]:
        assert "simulated" in path.read_text(encoding="utf-8").lower(), path.name
