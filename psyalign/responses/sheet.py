"""A table as it was handed in: every cell text, every row traceable to the row that its owner sees."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow.parquet

from psyalign.foundation.errors import DataError
from psyalign.foundation.files import read_text
from psyalign.foundation.tables import read_table, require_columns

__all__ = ["MISSING_MARKS", "Sheet", "read_sheet"]

# What R, pandas, SQL and Excel write for a missing value
MISSING_MARKS = ("NA", "NaN", "nan", "<NA>", "#N/A", "NULL")


@dataclass(frozen=True)
class Sheet:
    """A table from a file.

    Attributes
    ----------
    path : Path
        The file.
    table : DataFrame
        All columns text, cells missing where empty; the index holds each row's position
        in the file (0 for the first row of data; blank lines are not counted).
    """

    path: Path
    table: pd.DataFrame

    def place(self, position: int, column: str | None = None) -> str:
        """Where a row is, in the words of a spreadsheet: the header is row 1."""
        suffix = f", column '{column}'" if column else ""
        if self.path.suffix.lower() == ".parquet":
            return f"{self.path}, row {position + 1} of the data{suffix}"
        return f"{self.path}, row {self.csv_row(position)}{suffix}"

    def csv_row(self, position: int) -> int:
        """Row in the CSV file, the header being 1 and blank lines counted."""
        filled = (
            row for row, cells in enumerate(csv.reader(io.StringIO(read_text(self.path))), start=1) if cells
        )
        return list(filled)[position + 1]

    def refuse(self, bad: pd.Series, message: str, mend: str, column: str | None = None) -> None:
        """Raise DataError for the first row that `bad` marks, and count the others; pass if there is none.

        `message` and `mend` may hold ``{value}``, the cell of `column` in that row.
        """
        if not bad.any():
            return
        position = int(bad.index[bad.to_numpy()][0])
        value = self.table.at[position, column] if column and "{value}" in message + mend else ""
        more = int(bad.sum()) - 1
        tail = f" The same holds for {more} more row{'s' if more > 1 else ''}." if more else ""
        raise DataError(
            message.replace("{value}", str(value)) + tail,
            where=self.place(position, column),
            mend=mend.replace("{value}", str(value)),
        )


def read_sheet(
    path: Path,
    required: Sequence[str],
    mends: dict[str, str] | None = None,
    *,
    verbatim: str = "response",
) -> Sheet:
    """Read a table as text, tidy its names and cells, and check that it has rows and the `required` columns.

    White space around names and cells goes, empty cells and the marks of other programs for
    them become missing values, rows without any value go. Only the column `verbatim` stays as
    it is.

    Parameters
    ----------
    path : Path
        CSV or Parquet file.
    required : sequence of str
        Columns that must be there.
    mends : dict, optional
        What to advise where a required column is missing.
    verbatim : str
        Column of the persons' own words.

    Raises
    ------
    DataError
        The file cannot be read as a table, has no rows, or lacks a column.
    """
    names = _column_names(path)
    _check_separator(names, path)
    table = read_table(path, text_columns=names)
    table.columns = pd.Index([str(name).strip() for name in table.columns])
    table = _without_row_numbers(table, path)
    for name, mend in (mends or {}).items():
        if name not in table.columns and not _has_near_name(name, table):
            raise DataError(f"Column '{name}' is missing.", where=f"{path}, header", mend=mend)
    require_columns(table, required, path)
    if table.columns.has_duplicates:
        name = table.columns[table.columns.duplicated()][0]
        raise DataError(
            f"Column '{name}' appears more than once.", where=f"{path}, header", mend="Rename or drop one."
        )
    table = pd.DataFrame({name: _tidy(table[name], keep=name == verbatim) for name in table.columns})
    table = table[table.notna().any(axis=1)]
    if table.empty:
        raise DataError(
            "The table has a header and no rows.", where=str(path), mend="Check that the export is complete."
        )
    return Sheet(path, table)


def _column_names(path: Path) -> list[str]:
    """Names in the header, so that all columns can be read as text; none where `read_table` will refuse."""
    try:
        if path.suffix.lower() == ".parquet":
            return list(pyarrow.parquet.read_schema(path).names)
        return [str(name) for name in pd.read_csv(path, nrows=0, encoding_errors="replace").columns]
    except (OSError, ValueError):
        return []


def _check_separator(names: Sequence[str], path: Path) -> None:
    for mark, word in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and mark in names[0]:
            raise DataError(
                f"The cells are separated by {word}, not by commas.",
                where=f"{path}, header",
                mend="Save the table as comma-separated CSV (UTF-8).",
            )


def _without_row_numbers(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Drop nameless columns that are empty or count the rows (R and pandas write them); refuse others."""
    for name in [name for name in table.columns if name == "" or name.startswith("Unnamed: ")]:
        column = table[name]
        counted = pd.to_numeric(column, errors="coerce")
        first = counted.iloc[0] if len(counted) else 0
        counts = bool((counted == [first + step for step in range(len(counted))]).all()) and first in (0, 1)
        if not (counts or column.isna().all()):
            raise DataError(
                "A column has no name.",
                where=f"{path}, header, column {list(table.columns).index(name) + 1}",
                mend="Name the column or delete it.",
            )
        table = table.drop(columns=name)
    return table


def _has_near_name(name: str, table: pd.DataFrame) -> bool:
    return any(name == str(column).lower() for column in table.columns)


def _tidy(column: pd.Series, *, keep: bool) -> pd.Series:
    """Text cells; `keep` leaves every character of a response where it is."""
    text = column.astype("str")
    if keep:
        return text
    text = text.str.strip().str.normalize("NFC")
    return text.mask(text.isin(["", *MISSING_MARKS]))
