"""Tables from and to disk: CSV and Parquet in, CSV (defused), JSON and Parquet out."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from psyalign.foundation.errors import DataError
from psyalign.foundation.files import atomic_path, read_text, write_text

__all__ = ["defuse", "read_table", "require_columns", "write_csv", "write_json_table", "write_parquet"]

# A cell that starts with one of these is run as a formula by spreadsheet programs
# (OWASP, "CSV Injection"); a leading apostrophe makes it text.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def read_table(path: Path, *, text_columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV or Parquet file.

    Parameters
    ----------
    path : Path
        File that ends in .csv or .parquet.
    text_columns : sequence of str
        Columns kept as text (ids such as "007" stay as they are). Empty cells in
        them are missing values; the word "NA" is text.

    Raises
    ------
    DataError
        Missing file, other ending, not UTF-8, no header, ragged rows, repeated columns.
    """
    if path.suffix.lower() == ".parquet":
        return _read_parquet(path, text_columns)
    if path.suffix.lower() == ".csv":
        return _read_csv(path, text_columns)
    raise DataError(
        f"Tables are read from .csv and .parquet, not from '{path.suffix}'.",
        where=str(path),
        mend="Save the table as CSV (UTF-8) or Parquet.",
    )


def _read_csv(path: Path, text_columns: Sequence[str]) -> pd.DataFrame:
    text = read_text(path)
    names = _checked_header(text, path)
    return pd.read_csv(
        io.StringIO(text),
        dtype={name: str for name in text_columns if name in names},
        keep_default_na=False,
        na_values={name: [""] for name in names},
    )


def _checked_header(text: str, path: Path) -> list[str]:
    """Column names, after a look at all rows: pandas takes rows that are too long for an index and
    fills short ones without a word. Blank lines do not count, before the header neither."""
    reader = csv.reader(io.StringIO(text), strict=True)
    names: list[str] = []
    row = 0
    try:
        for row, cells in enumerate(reader, start=1):
            if cells and not names:
                names = cells
                _check_names(names, f"{path}, header")
            elif cells and len(cells) != len(names):
                raise DataError(
                    f"The row has {len(cells)} cells, the header has {len(names)}.",
                    where=f"{path}, row {row}",
                    mend="Quote every cell that holds a comma, a quote or a line break.",
                )
    except csv.Error as problem:
        raise DataError(
            f"The CSV cannot be parsed: {problem}.",
            where=f"{path}, row {row + 1}",
            mend="Quote every cell that holds a comma, a quote or a line break.",
        ) from None
    if not names:
        raise DataError("The table is empty.", where=str(path), mend="Write a header row and data.")
    return names


def _check_names(names: list[str], where: str) -> None:
    if not any(name.strip() for name in names):
        raise DataError("The header row is blank.", where=where, mend="Write the column names there.")
    for name in names:
        if names.count(name) > 1:
            raise DataError(
                f"Column '{name}' appears more than once.",
                where=where,
                mend="Rename or drop one of them.",
            )


def _read_parquet(path: Path, text_columns: Sequence[str]) -> pd.DataFrame:
    if not path.is_file():
        raise DataError("File not found.", where=str(path), mend="Check the path.")
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError):
        raise DataError("The file is not valid Parquet.", where=str(path)) from None
    for name in text_columns:
        if name in table.columns:
            column = table[name]
            table[name] = column.where(column.isna(), column.astype(str))
    return table


def require_columns(table: pd.DataFrame, columns: Sequence[str], where: Path | str) -> None:
    """Raise DataError naming the first missing column and the columns that are there."""
    for name in columns:
        if name not in table.columns:
            present = [str(column) for column in table.columns]
            near = difflib.get_close_matches(name, present, n=1)
            guess = f"Did you mean '{near[0]}'? " if near else ""
            raise DataError(
                f"Column '{name}' is missing.",
                where=f"{where}, header",
                mend=f"{guess}The table has: {', '.join(present)}.",
            )


def defuse(value: object) -> object:
    """Make a text cell harmless to spreadsheet programs; numbers pass as they are."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return "'" + value
    return value


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table for people: UTF-8 CSV, formulas defused in cells and header, atomically."""
    safe = table.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = safe[name].map(defuse, na_action="ignore")
    safe.columns = [str(defuse(str(name))) for name in safe.columns]
    write_text(path, safe.to_csv(index=False, lineterminator="\n"))


def write_json_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as a JSON list of records; missing values become null, 15 digits are kept."""
    records = json.loads(table.to_json(orient="records", double_precision=15, force_ascii=False))
    write_text(path, json.dumps(records, indent=1, ensure_ascii=False) + "\n")


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """Write a table for psyalign itself: Parquet, atomically."""
    with atomic_path(path) as temporary:
        table.to_parquet(temporary, index=False)
