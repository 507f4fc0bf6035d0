"""Every kind of bad table gives one message with file, row and what mends it, and no response text."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from psyalign.foundation.errors import DataError
from psyalign.responses import load_dataset

BANK = {"late-report": (0, 1, 2), "night-shift": (0, 1, 2, 3, 4)}
SECRET = "zebra"

RESPONSES = f"""person,item,response,gender
01,late-report,I would tell my {SECRET},f
01,night-shift,"I would wait, and ask",f
02,late-report,Nothing,m
"""
RATINGS = """person,item,rater,score
01,late-report,ana,2
01,night-shift,ana,4
02,late-report,ana,0
"""
PERSONS = """person,age
01,31
02,44
"""


@pytest.fixture
def load(tmp_path: Path):
    """Load the tables given as texts; the good ones where none is given."""

    def run(responses: str = RESPONSES, ratings: str = RATINGS, persons: str | None = PERSONS):
        paths = {}
        for name, text in (("responses", responses), ("ratings", ratings), ("persons", persons)):
            paths[name] = None if text is None else tmp_path / f"{name}.csv"
            if text is not None:
                paths[name].write_text(text, encoding="utf-8")
        return load_dataset(paths["responses"], paths["ratings"], paths["persons"], BANK)

    return run


def refused(load, file: str, place: str, message: str, mend: str, **tables: str | None) -> None:
    with pytest.raises(DataError) as caught:
        load(**tables)
    error = caught.value
    assert message in error.message
    assert error.where is not None and error.where.endswith(place) and f"{file}.csv" in error.where
    assert error.mend is not None and mend in error.mend
    assert SECRET not in str(error)
    assert error.exit_code == 3


RESPONSE_CASES = {
    "missing column": (
        RESPONSES.replace("person,item", "Person,item"),
        "header",
        "Column 'person' is missing",
        "Did you mean 'Person'?",
    ),
    "no rows": ("person,item,response\n", "responses.csv", "no rows", "export"),
    "empty file": ("\n", "responses.csv", "empty", "header"),
    "semicolons": (
        RESPONSES.replace(",", ";"),
        "header",
        "separated by semicolons",
        "comma-separated",
    ),
    "tabs": (RESPONSES.replace(",", "\t"), "header", "separated by tabs", "comma-separated"),
    "column twice": (RESPONSES.replace("gender", "person"), "header", "more than once", "Rename"),
    "column twice but for space": (
        RESPONSES.replace("gender", " person"),
        "header",
        "more than once",
        "Rename",
    ),
    "column without a name": (
        RESPONSES.replace(",gender", ","),
        "column 4",
        "no name",
        "delete",
    ),
    "unquoted comma": (RESPONSES + "02,night-shift,well, no,m\n", "row 5", "5 cells", "Quote"),
    "open quote": (RESPONSES + '02,night-shift,"well,m\n', "row 5", "cannot be parsed", "Quote"),
    "unknown item": (
        RESPONSES.replace("02,late-report", "02,Late_Reports"),
        "row 4, column 'item'",
        "Item 'Late_Reports' is not in the item bank",
        "Did you mean 'late-report'?",
    ),
    "duplicate": (
        RESPONSES + "01,late-report,Again,f\n",
        "row 5",
        "Person '01' has more than one response to item 'late-report'. The first is in row 2.",
        "Keep one row",
    ),
    "duplicate but for space": (
        RESPONSES + "01 , late-report,Again,f\n",
        "row 5",
        "more than one response",
        "one row",
    ),
    "empty response": (
        RESPONSES + "02,night-shift,,m\n",
        "row 5, column 'response'",
        "empty",
        "Delete the row",
    ),
    "blank response": (
        RESPONSES + '02,night-shift," \u200b\n ",m\n',
        "row 5, column 'response'",
        "empty",
        "Delete the row",
    ),
    "row after a blank line": (
        RESPONSES + "\n02,night-shift,,m\n",
        "row 6, column 'response'",
        "empty",
        "Delete the row",
    ),
    "missing mark of R": (
        RESPONSES + "02,night-shift,NA,m\n",
        "row 5, column 'response'",
        "mark of a missing value",
        "Delete",
    ),
    "formula error": (
        RESPONSES + "02,night-shift,#NAME?,m\n",
        "row 5, column 'response'",
        "error code of a spreadsheet",
        "import the column as text",
    ),
    "lost characters": (
        RESPONSES + "02,night-shift,caf\ufffd,m\n",
        "row 5, column 'response'",
        "lost in a change of encoding",
        "UTF-8",
    ),
    "no person": (
        RESPONSES + ",night-shift,Well,m\n",
        "row 5, column 'person'",
        "'person' is empty",
        "delete",
    ),
    "person is NA": (RESPONSES + "NA,night-shift,Well,m\n", "row 5, column 'person'", "empty", "delete"),
    "no item": (RESPONSES + "02,,Well,m\n", "row 5, column 'item'", "'item' is empty", "delete"),
    "bar in id": (RESPONSES + "0|2,night-shift,Well,m\n", "row 5, column 'person'", "'|'", "ids"),
    "bar in wording": (
        RESPONSES.replace("gender", "wording").replace(",m\n", ",a|b\n"),
        "row 4, column 'wording'",
        "'|'",
        "ids",
    ),
    "rounded id": (
        RESPONSES + "1.23E+11,night-shift,Well,m\n",
        "row 5, column 'person'",
        "rounded",
        "as text",
    ),
    "attribute not constant": (
        RESPONSES + "02,night-shift,Well,f\n",
        "row 5, column 'gender'",
        "'gender' differs from an earlier row of the same person",
        "one value",
    ),
    "levels in two cases": (
        RESPONSES.replace("Nothing,m", "Nothing,F"),
        "row 4, column 'gender'",
        "'f' in some rows and 'F' in others",
        "one way",
    ),
    "score beside the response": (
        RESPONSES.replace("gender", "score"),
        "header",
        "'score' cannot be a person attribute",
        "ratings table",
    ),
    "foreign response id": (
        RESPONSES.replace("gender", "response_id"),
        "row 2, column 'response_id'",
        "not 'person|item'",
        "Delete the column",
    ),
}

RATING_CASES = {
    "no rater": (
        RATINGS.replace(",rater", ",judge"),
        "header",
        "Column 'rater' is missing",
        "one row per rating",
    ),
    "wide": (
        "person,item,ana,ben\n01,late-report,1,2\n",
        "header",
        "'rater' is missing",
        "one row per rating",
    ),
    "rater in capitals": (RATINGS.replace("rater", "Rater"), "header", "missing", "Did you mean 'Rater'?"),
    "empty rater": (RATINGS + "02,late-report,,0\n", "row 5, column 'rater'", "'rater' is empty", "delete"),
    "two spellings of a rater": (
        RATINGS + "02,late-report,Ana,0\n",
        "row 5, column 'rater'",
        "'ana' in some rows and 'Ana' in others",
        "one way",
    ),
    "outside": (
        RATINGS.replace("ana,2", "ana,3"),
        "row 2, column 'score'",
        "score 3 is outside the rubric of 'late-report' (0 to 2)",
        "Correct the score",
    ),
    "negative": (
        RATINGS.replace("ana,0", "ana,-1"),
        "row 4, column 'score'",
        "score -1 is outside",
        "Correct",
    ),
    "code for missing": (RATINGS.replace("ana,0", "ana,-99"), "row 4, column 'score'", "outside", "Correct"),
    "from one": (
        RATINGS.replace("ana,2", "ana,3").replace("ana,0", "ana,1"),
        "row 2, column 'score'",
        "outside",
        "run from 1 to 3: subtract 1",
    ),
    "half": (RATINGS.replace("ana,2", "ana,1.5"), "row 2, column 'score'", "not a whole number", "own score"),
    "decimal comma": (
        RATINGS.replace("ana,2", 'ana,"2,0"'),
        "row 2, column 'score'",
        "not a number",
        "whole",
    ),
    "word": (RATINGS.replace("ana,2", "ana,two"), "row 2, column 'score'", "'two' is not a number", "whole"),
    "infinite": (RATINGS.replace("ana,2", "ana,inf"), "row 2, column 'score'", "not a number", "whole"),
    "missing score": (RATINGS.replace("ana,2", "ana,"), "row 2, column 'score'", "missing", "Delete"),
    "NaN score": (RATINGS.replace("ana,2", "ana,NaN"), "row 2, column 'score'", "missing", "Delete"),
    "several": (
        RATINGS.replace("ana,2", "ana,").replace("ana,4", "ana,"),
        "row 2, column 'score'",
        "The same holds for 1 more row.",
        "Delete",
    ),
    "unknown item": (
        RATINGS + "02,tardy,ana,0\n",
        "row 5, column 'item'",
        "'tardy' is not in",
        "The bank has",
    ),
    "no response": (
        RATINGS + "02,night-shift,ana,0\n",
        "row 5",
        "Person '02' has a rating but no response for item 'night-shift'",
        "Add the response or delete",
    ),
    "lost zeros": (
        RATINGS.replace("\n0", "\n"),
        "row 2",
        "Person '1' has a rating but no response",
        "'7', '07' and '7.0' differ",
    ),
    "duplicate": (
        RATINGS + "01,late-report,ana,1\n",
        "row 5",
        "Rater 'ana' has scored person '01' on item 'late-report' more than once. The first is in row 2.",
        "rater name of its own",
    ),
}

PERSON_CASES = {
    "no person column": (
        PERSONS.replace("person", "id"),
        "persons",
        "header",
        "'person' is missing",
        "The table has",
    ),
    "person twice": (PERSONS + "01,31\n", "persons", "row 4", "Person '01' has more than one row", "one row"),
    "person absent": (
        PERSONS.replace("02", "2"),
        "responses",
        "row 4, column 'person'",
        "Person '02' has no row in the persons table (persons.csv)",
        "compared as text",
    ),
    "attribute in both": (
        PERSONS.replace("age", "gender"),
        "persons",
        "header",
        "'gender' is in",
        "Keep it in one",
    ),
    "reserved attribute": (
        PERSONS.replace("age", "split"),
        "persons",
        "header",
        "'split' cannot be",
        "Rename",
    ),
}


@pytest.mark.parametrize("name", RESPONSE_CASES)
def test_bad_responses(load, name: str) -> None:
    text, place, message, mend = RESPONSE_CASES[name]
    refused(load, "responses", place, message, mend, responses=text)


@pytest.mark.parametrize("name", RATING_CASES)
def test_bad_ratings(load, name: str) -> None:
    text, place, message, mend = RATING_CASES[name]
    refused(load, "ratings", place, message, mend, ratings=text)


@pytest.mark.parametrize("name", PERSON_CASES)
def test_bad_persons(load, name: str) -> None:
    text, file, place, message, mend = PERSON_CASES[name]
    refused(load, file, place, message, mend, persons=text)


def test_wrong_encodings(load, tmp_path: Path) -> None:
    good = load()
    assert len(good.responses) == 3
    for encoding in ("cp1252", "utf-16"):
        path = tmp_path / "responses.csv"
        path.write_text(RESPONSES.replace("Nothing", "Café"), encoding=encoding)
        with pytest.raises(DataError, match="not UTF-8"):
            load_dataset(path, tmp_path / "ratings.csv", None, BANK)


def test_files_that_are_none(tmp_path: Path) -> None:
    for name, message in (
        ("absent.csv", "not found"),
        ("absent.parquet", "not found"),
        ("table.xlsx", "not from '.xlsx'"),
    ):
        with pytest.raises(DataError, match=message):
            load_dataset(tmp_path / name, tmp_path / "ratings.csv", None, BANK)
    (tmp_path / "broken.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="Parquet"):
        load_dataset(tmp_path / "broken.parquet", tmp_path / "ratings.csv", None, BANK)


def test_row_of_a_parquet_file_counts_the_data(tmp_path: Path) -> None:
    table = pd.DataFrame({"person": [1, 2], "item": ["late-report"] * 2, "response": ["Yes", None]})
    table.to_parquet(tmp_path / "responses.parquet")
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path / "responses.parquet", tmp_path / "ratings.csv", None, BANK)
    assert caught.value.where is not None and "row 2 of the data" in caught.value.where
