"""Tables: what is read, what is refused with which message, and what is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from psyalign.foundation.errors import DataError
from psyalign.foundation.tables import (
    defuse,
    read_table,
    require_columns,
    write_csv,
    write_json_table,
    write_parquet,
)


def csv_file(folder: Path, content: bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content)
    return path


READABLE = {
    "plain": b"person,score\n007,2\n",
    "byte order mark": b"\xef\xbb\xbfperson,score\n007,2\n",
    "Windows line ends": b"person,score\r\n007,2\r\n",
    "old Mac line ends": b"person,score\r007,2\r",
    "no last line end": b"person,score\n007,2",
    "blank first lines": b"\n\r\nperson,score\n007,2\n",
    "blank lines between and after": b"person,score\n\n007,2\n\n\n",
    "quoted": b'"person","score"\n"007","2"\n',
}


@pytest.mark.parametrize("content", READABLE.values(), ids=READABLE.keys())
def test_csv_is_read(tmp_path: Path, content: bytes) -> None:
    table = read_table(csv_file(tmp_path, content), text_columns=["person"])
    assert table.to_dict("list") == {"person": ["007"], "score": [2]}


REFUSED = {
    "empty": (b"", "The table is empty", ""),
    "blank lines only": (b"\n\n\n", "The table is empty", ""),
    "header of blanks": (b"\n , \n007,2\n", "The header row is blank", "header"),
    "row too long": (b"person,score\n007,2\n008,1,0\n", "3 cells, the header has 2", "row 3"),
    "row too short": (b"person,score\n007\n", "1 cells, the header has 2", "row 2"),
    "short after a quoted line break": (b'person,score\n"0\n7",2\n3\n', "1 cells", "row 3"),
    "column twice": (
        b"\nperson,score,person\n007,2,3\n",
        "'person' appears more than once",
        "header",
    ),
    "quote not closed": (b'person,score\n007,"2\n', "cannot be parsed", "row 2"),
    "quote not closed in the header": (b'person,"score\n007,2\n', "cannot be parsed", "row 1"),
    "text after a quote": (b'person,score\n007,"2"3\n', "cannot be parsed", "row 2"),
    "cell of 200,000 characters": (b"person,score\n007," + b"x" * 200_000, "field larger", "row 2"),
    "header of 200,000 characters": (b"person," + b"x" * 200_000, "field larger", "row 1"),
    "Latin-1": ("person,score\nZoë,2\n".encode("latin-1"), "not UTF-8", "byte 15"),
    "UTF-16": ("person,score\n".encode("utf-16"), "not UTF-8", "byte 0"),
}


@pytest.mark.parametrize(("content", "message", "place"), REFUSED.values(), ids=REFUSED.keys())
def test_csv_is_refused(tmp_path: Path, content: bytes, message: str, place: str) -> None:
    path = csv_file(tmp_path, content)
    with pytest.raises(DataError, match=message) as problem:
        read_table(path)
    assert problem.value.where is not None
    assert problem.value.where.startswith(str(path)) and problem.value.where.endswith(place)


def test_errors_never_quote_a_cell(tmp_path: Path) -> None:
    path = csv_file(tmp_path, b"person,response\n007,my secret, spilt\n")
    with pytest.raises(DataError) as problem:
        read_table(path)
    assert "secret" not in str(problem.value)


def test_header_without_rows_is_a_table_without_rows(tmp_path: Path) -> None:
    table = read_table(csv_file(tmp_path, b"person,score\n"))
    assert list(table.columns) == ["person", "score"] and len(table) == 0


def test_text_columns_keep_ids_and_the_word_na(tmp_path: Path) -> None:
    path = csv_file(tmp_path, b"person,response,score\n007,NA,1\n1e3,,2\n")
    table = read_table(path, text_columns=["person", "response", "not there"])
    assert table["person"].tolist() == ["007", "1e3"]
    assert table["response"][0] == "NA" and pd.isna(table["response"][1])
    assert table["score"].tolist() == [1, 2]


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not from '\.xlsx'"):
        read_table(tmp_path / "table.xlsx")


@pytest.mark.parametrize("name", ["none.csv", "none.parquet"])
def test_missing_table(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="File not found"):
        read_table(tmp_path / name)


def test_parquet_round_trip_and_text_columns(tmp_path: Path) -> None:
    table = pd.DataFrame({"person": [7, 8], "score": [1.5, np.nan]})
    write_parquet(tmp_path / "t.parquet", table)
    pd.testing.assert_frame_equal(read_table(tmp_path / "t.parquet"), table)
    assert read_table(tmp_path / "t.parquet", text_columns=["person"])["person"].tolist() == ["7", "8"]
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_broken_parquet(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"not Parquet")
    with pytest.raises(DataError, match="not valid Parquet"):
        read_table(tmp_path / "t.parquet")


def test_missing_column_is_guessed() -> None:
    table = pd.DataFrame(columns=["person", "scores"])
    require_columns(table, ["person", "scores"], "ratings.csv")
    with pytest.raises(DataError, match="Column 'score' is missing") as problem:
        require_columns(table, ["person", "score"], "ratings.csv")
    assert problem.value.where == "ratings.csv, header"
    assert problem.value.mend == "Did you mean 'scores'? The table has: person, scores."


def test_missing_column_without_a_near_name() -> None:
    with pytest.raises(DataError) as problem:
        require_columns(pd.DataFrame(columns=["x"]), ["rater"], "ratings.csv")
    assert problem.value.mend == "The table has: x."


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_formulas_are_defused(text: str) -> None:
    assert defuse(text) == "'" + text


@pytest.mark.parametrize("value", ["", "1-2", "a=b", " =1", -1.5, -2, None, True])
def test_what_is_no_formula_passes(value: object) -> None:
    assert defuse(value) == value


def test_csv_is_defused_in_cells_and_header_but_numbers_stay(tmp_path: Path) -> None:
    table = pd.DataFrame({"=item": ["-sf1", None, "sf,2"], "es": [-0.25, np.nan, 1.0], "n": [1, -2, 3]})
    write_csv(tmp_path / "t.csv", table)
    text = (tmp_path / "t.csv").read_text(encoding="utf-8")
    assert text == "'=item,es,n\n'-sf1,-0.25,1\n,,-2\n\"sf,2\",1.0,3\n"
    assert list(table.columns) == ["=item", "es", "n"] and table["=item"][0] == "-sf1"  # left alone


def test_csv_round_trip_keeps_every_digit(tmp_path: Path) -> None:
    values = [1 / 3, -1e-20, 123456.123456789]
    write_csv(tmp_path / "t.csv", pd.DataFrame({"x": values}))
    assert read_table(tmp_path / "t.csv")["x"].tolist() == values


def test_json_table_round_trip(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            "item": ["é", None, "NA"],
            "es": [-0.123456789012345, float("nan"), float("inf")],
            "p": [1e-20, 0.5, 1.0],
            "n": [1, 2, 2**53],
            "estimable": [True, False, True],
        }
    )
    write_json_table(tmp_path / "t.json", table)
    text = (tmp_path / "t.json").read_text(encoding="utf-8")
    assert "é" in text
    assert json.loads(text) == [
        {"item": "é", "es": -0.123456789012345, "p": 1e-20, "n": 1, "estimable": True},
        {"item": None, "es": None, "p": 0.5, "n": 2, "estimable": False},
        {"item": "NA", "es": None, "p": 1.0, "n": 2**53, "estimable": True},
    ]
