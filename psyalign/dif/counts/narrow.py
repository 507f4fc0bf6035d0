"""Any table of scores as one narrow DuckDB table: a row a person, read once and never held in memory.

The table `rows` has the columns g (position of the group, -1 in none), other (the group column's value where
it is none), e (external value), and s0, s1, ... (items). Names and values from outside enter SQL quoted only.
"""

from __future__ import annotations

import csv
import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.dif.counts.checks import LARGEST
from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.tables import require_columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

__all__ = ["Columns", "Rows", "arrays", "ask", "read_rows"]

NUMERIC = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(.*\)|BOOLEAN)$")
FRACTIONAL = ("FLOAT", "DOUBLE", "DECIMAL")
# Items in one 64-bit number.
WORD = 60


@dataclass(frozen=True)
class Columns:
    """What the columns of a score table are: see `ScoreFile`. `codes`: value of `group` -> position."""

    group: str
    codes: Mapping[str, int]
    long: bool
    items: Sequence[str] | None
    person: str | None
    item: str
    score: str
    external: str | None

    @property
    def outside(self) -> list[str]:
        return [self.external] if self.external is not None else []


@dataclass(frozen=True)
class Rows:
    """What became of it: the items, the number of persons, whether all scores are whole numbers."""

    where: str
    items: tuple[str, ...]
    n_persons: int
    whole: bool


@dataclass(frozen=True)
class _Source:
    """SQL that reads the source, its columns' types, and whether they are all text (CSV).

    SQL knows no upper and lower case in names, so the columns of a CSV are called c0, c1, ... there.
    """

    con: DuckDBPyConnection
    where: str
    sql: str
    types: Mapping[str, str]
    text: bool

    def name(self, column: str) -> str:
        return f"c{list(self.types).index(column)}" if self.text else '"' + column.replace('"', '""') + '"'

    def number(self, column: str) -> str:
        """A column as numbers, NaN as NULL."""
        if self.text:
            return f"nullif(TRY_CAST({self.name(column)} AS DOUBLE), 'nan'::DOUBLE)"
        if not NUMERIC.match(self.types[column]):
            raise DataError(
                "Scores and external values must be numbers.",
                where=f"{self.where}, column '{column}'",
                mend="Name the items if other columns were taken for items.",
            )
        return f"nullif({self.name(column)}::DOUBLE, 'nan'::DOUBLE)"

    def bad(self, column: str) -> str:
        """Whether the cell holds something that is no number."""
        name = self.name(column)
        return f"({name} IS NOT NULL AND TRY_CAST({name} AS DOUBLE) IS NULL)" if self.text else "FALSE"

    def level(self, column: str) -> str:
        """A column as text; whole numbers without decimals, whatever their type."""
        name = self.name(column)
        if self.types[column].startswith(FRACTIONAL):
            whole = f"CASE WHEN {name} = floor({name}) THEN TRY_CAST({name} AS BIGINT)::VARCHAR END"
            return f"coalesce({whole}, {name}::VARCHAR)"
        return f"{name}::VARCHAR"

    def require(self, columns: Sequence[str]) -> None:
        require_columns(pd.DataFrame(columns=list(self.types)), columns, self.where)

    def refuse(self, count: str, what: str, mend: str) -> None:
        """DataError if the SQL counts anything."""
        n = ask(self.con, count, self.where)[0][0]
        if n:
            raise DataError(f"{int(n)} {what}.", where=self.where, mend=mend)


def read_rows(con: DuckDBPyConnection, source: Path | str | DuckDBPyRelation, columns: Columns) -> Rows:
    """Create the table `rows`; see `ScoreFile` for what is refused."""
    found = _source(con, source)
    items = _read_long(found, columns) if columns.long else _read_wide(found, columns)
    ask(con, "DROP TABLE IF EXISTS copied", found.where)
    names = [f"s{j}" for j in range(len(items))] + ["e"]
    infinite = ", ".join(f"count_if(abs({name}) > {LARGEST})" for name in names)
    fractions = ", ".join(f"count_if({name} <> floor({name}))" for name in names[:-1])
    n, *counts = ask(con, f"SELECT count(*), {infinite}, {fractions} FROM rows", found.where)[0]
    if not n:
        raise DataError("There are no scores.", where=found.where)
    for name, count in zip([*items, *columns.outside], counts, strict=False):
        if count:
            raise DataError(f"{count} values are infinite or above 1e50.", where=f"{found.where}, '{name}'")
    return Rows(found.where, items, int(n), not any(counts[len(names) :]))


def ask(con: DuckDBPyConnection, query: str, where: str) -> list[tuple[Any, ...]]:
    """Rows of a query's result."""
    with _told(where):
        return con.execute(query).fetchall()


def arrays(con: DuckDBPyConnection, query: str, where: str) -> dict[str, npt.NDArray[np.float64]]:
    """Columns of a query's result as floats, NULL as NaN."""
    with _told(where):
        found = con.execute(query).fetchnumpy()
    return {name: np.ma.filled(np.ma.asarray(column, dtype=float), np.nan) for name, column in found.items()}


@contextmanager
def _told(where: str) -> Iterator[None]:
    """DuckDB's errors as ours, without its message: that quotes data."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException:
        raise UsageError(
            "DuckDB's memory does not suffice.", where="memory_limit", mend="Raise it."
        ) from None
    except (duckdb.DataError, duckdb.OperationalError, duckdb.InvalidInputException) as problem:
        line = re.search(r"Line: (\d+)", str(problem))
        raise DataError(
            "The table cannot be read.",
            where=where + (f", row {line[1]}" if line else ""),
            mend="Save it as Parquet, or as CSV: UTF-8, commas, rows of equal length.",
        ) from None


def _source(con: DuckDBPyConnection, source: Path | str | DuckDBPyRelation) -> _Source:
    from duckdb import DuckDBPyRelation

    text = False
    if isinstance(source, DuckDBPyRelation):
        # it lives on the user's connection: it runs once, in batches
        con.register("given", source.to_arrow_reader(100_000))
        where, sql = "the relation", "copied"
        ask(con, "CREATE TABLE copied AS SELECT * FROM given", where)
        con.unregister("given")
    else:
        path = Path(source)
        where, text = str(path), path.suffix.lower() == ".csv"
        if not path.is_file():
            raise DataError("File not found.", where=where, mend="Check the path.")
        literal = _text(glob.escape(str(path.resolve())))
        if text:
            header = _header(path)
            names = ", ".join(f"c{j}: 'VARCHAR'" for j in range(len(header)))
            form = "auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"'"
            sql = f"read_csv({literal}, {form}, columns = {{{names}}})"
        elif path.suffix.lower() == ".parquet":
            sql = f"read_parquet({literal})"
        else:
            raise DataError(
                f"Tables are read from .csv and .parquet, not from '{path.suffix}'.",
                where=where,
                mend="Save the table as CSV (UTF-8) or Parquet.",
            )
    if text:
        return _Source(con, where, sql, dict.fromkeys(header, "VARCHAR"), text)
    described = ask(con, f"DESCRIBE SELECT * FROM {sql}", where)
    return _Source(con, where, sql, {str(row[0]): str(row[1]) for row in described}, text)


def _header(path: Path) -> list[str]:
    """Column names of a CSV file."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            names = next((row for row in csv.reader(lines, strict=True) if row), [])
    except (csv.Error, UnicodeDecodeError):
        raise DataError(
            "The header cannot be read.", where=f"{path}, row 1", mend="Save the table as CSV in UTF-8."
        ) from None
    if not any(name.strip() for name in names):
        raise DataError("The table is empty.", where=str(path), mend="Write a header row and data.")
    for name in names:
        if names.count(name) > 1:
            raise DataError(
                f"Column '{name}' appears more than once.",
                where=f"{path}, header",
                mend="Rename one of them.",
            )
    return names


def _read_wide(source: _Source, columns: Columns) -> tuple[str, ...]:
    no_items = {columns.group, columns.person, columns.external}
    chosen = source.types if columns.items is None else columns.items
    items = tuple(name for name in chosen if columns.items is not None or name not in no_items)
    person = [columns.person] if columns.person is not None else []
    source.require([columns.group, *person, *columns.outside, *items])
    _check_items(items)
    for name in person:
        source.refuse(
            f"SELECT count(*) FROM "
            f"(SELECT 1 FROM {source.sql} GROUP BY {source.name(name)} HAVING count(*) > 1)",
            "persons have more than one row",
            "Keep one row a person.",
        )
    numbers = [*items, *columns.outside]
    bad = " ".join(f"WHEN {source.bad(name)} THEN {j}" for j, name in enumerate(numbers))
    scores = ", ".join(f"{source.number(name)} AS s{j}" for j, name in enumerate(items))
    external = source.number(columns.external) if columns.external is not None else "NULL::DOUBLE"
    codes = _codes(source.level(columns.group), columns.codes)
    query = f"SELECT {codes}, {external} AS e, {scores}, CASE {bad} END AS bad FROM {source.sql}"
    ask(source.con, f"CREATE TABLE rows AS {query}", source.where)
    found = ask(source.con, "SELECT bad, count(*) FROM rows WHERE bad >= 0 GROUP BY bad ORDER BY bad", "")
    for j, n in found:
        raise DataError(
            f"{n} cells are not numbers.",
            where=f"{source.where}, column '{numbers[j]}'",
            mend="Leave missing scores empty; name the items if other columns were taken for items.",
        )
    return items


def _read_long(source: _Source, columns: Columns) -> tuple[str, ...]:
    person, item = columns.person or "person", columns.item
    source.require([person, item, columns.score, columns.group, *columns.outside])
    source.refuse(
        f"SELECT count(*) FROM {source.sql} "
        f"WHERE {source.name(person)} IS NULL OR {source.name(item)} IS NULL",
        "rows have no person or no item",
        "Fill them in.",
    )
    names = ask(
        source.con, f"SELECT DISTINCT {source.name(item)}::VARCHAR FROM {source.sql} ORDER BY 1", source.where
    )
    present = [str(name) for (name,) in names]
    items = tuple(present if columns.items is None else columns.items)
    _check_items(items)
    for name in items:
        if name not in present:
            raise DataError(f"The item '{name}' has no rows.", where=f"{source.where}, column '{item}'")
    ask(source.con, f"CREATE TABLE rows AS {_by_person(source, columns, person, items)}", source.where)
    for count, what, mend in (
        ("sum(bad)", "cells are not numbers", "Leave missing scores empty."),
        (
            "sum(twice)",
            "scores are there twice for the same person and item",
            "Keep one score for each person and item.",
        ),
        (
            "count_if(mixed)",
            "persons have different groups or external values in their rows",
            "Give each person one value.",
        ),
    ):
        source.refuse(f"SELECT {count} FROM rows", what, mend)
    return items


def _by_person(source: _Source, columns: Columns, person: str, items: Sequence[str]) -> str:
    """SQL: long rows brought together by person, with what is wrong counted.

    A person's rows are more than the items they name if an item is there twice; the items are
    collected as bits, which is four times as fast as a count for each.
    """
    external = source.number(columns.external) if columns.external is not None else "NULL::DOUBLE"
    bad = " OR ".join(source.bad(name) for name in (columns.score, *columns.outside))
    place = " ".join(f"WHEN {_text(name)} THEN {j}" for j, name in enumerate(items))
    long = (
        f"SELECT {source.name(person)} AS p, CASE {source.name(columns.item)}::VARCHAR {place} END AS i, "
        f"{source.number(columns.score)} AS s, {external} AS e, "
        f"{source.level(columns.group)} AS level, {bad} AS bad FROM {source.sql}"
    )
    scores = ", ".join(f"max(CASE WHEN i = {j} THEN s END) AS s{j}" for j in range(len(items)))
    different = " + ".join(
        f"bit_count(bit_or(CASE WHEN i // {WORD} = {word} THEN 1::BIGINT << (i % {WORD}) ELSE 0 END))::INT"
        for word in range(-(-len(items) // WORD))
    )
    mixed = " OR ".join(
        f"coalesce(min({name}) <> max({name}), FALSE) OR count({name}) NOT IN (0, count(*))"
        for name in ("level", "e")
    )
    grouped = (
        f"SELECT min(level) AS level, min(e) AS e, {scores}, count_if(bad) AS bad, "
        f"count(*) - ({different}) AS twice, {mixed} AS mixed FROM ({long}) WHERE i IS NOT NULL GROUP BY p"
    )
    return f"SELECT {_codes('level', columns.codes)}, * EXCLUDE (level) FROM ({grouped})"


def _check_items(items: Sequence[str]) -> None:
    if not items or len(set(items)) < len(items):
        raise UsageError("There must be items, each named once.", where="items")


def _codes(level: str, codes: Mapping[str, int]) -> str:
    known = " ".join(f"WHEN {_text(value)} THEN {code}" for value, code in codes.items())
    code = f"(CASE {level} {known} ELSE -1 END)::SMALLINT"
    return f"{code} AS g, CASE WHEN {code} < 0 THEN {level} END AS other"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
