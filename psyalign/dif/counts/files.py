"""Scores in a file that need not fit into memory: DuckDB counts them, the rows are never loaded."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from psyalign.dif.counts.cells import GROUPS, MIN_GROUP, Array, Cells, ItemCells
from psyalign.dif.counts.checks import check_groups
from psyalign.dif.counts.matrix import anchors_of
from psyalign.dif.counts.narrow import Columns, arrays, ask, read_rows
from psyalign.dif.matching.spec import MatchSpec
from psyalign.dif.matching.strata import prorate, stratify
from psyalign.foundation.errors import UsageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

__all__ = ["ScoreFile"]

Layout = Literal["wide", "long"]

# Items counted in one scan: all of a usual test; few where scores are fractions and cells many.
BATCH, BATCH_FRACTIONS = 50, 4


class ScoreFile:
    """Scores in a CSV or Parquet file or a DuckDB relation, counted by any matching.

    At the start the source is read, without loading it, into a compressed temporary table on disk (one
    row a person) that later counts scan; it goes with the object, or by `close`. DuckDB's
    memory stays within `memory_limit`. Fractional scores give nearly as many cells as
    scores, and cells are in memory.

    Parameters
    ----------
    source : Path, str or DuckDBPyRelation
        .csv (UTF-8, commas, a header; empty cells are missing) or .parquet.
    group : str
        Column of the groups.
    levels : mapping, optional
        Value of that column -> name in `groups`; default: the values are the names. Persons
        with another value or none are left out: see `left_out_groups`.
    groups : tuple of str
        The first is the reference group.
    min_group : int
        See `Cells`.
    layout : {"wide", "long"}
        One row a person and one column an item, or one row a person and item.
    items : sequence of str, optional
        Columns (wide) or values of the item column (long). Default all: the columns that
        are not the person, the group or the external value; the values, sorted.
    person : str, optional
        Column of the person's id. Long tables need it ("person" if not given); in wide
        ones it is checked that nobody is there twice.
    item, score : str
        Columns of a long table.
    external : str, optional
        Column of an external matching value.
    memory_limit : str
        DuckDB's, such as "1GB"; what exceeds it is written to the temporary directory.
    threads : int
    temp_directory : Path or str, optional
        Default the system's.

    Attributes
    ----------
    items, groups : tuple of str
    n_persons : int
        Also those in no group.

    Raises
    ------
    DataError
        No such file, or not CSV or Parquet; missing column; scores that are not numbers or
        infinite; a person, or a person and item, twice; a group or external value that
        differs within a person; no rows.
    UsageError
        Unknown layout, level or setting; no items.
    """

    def __init__(
        self,
        source: Path | str | DuckDBPyRelation,
        *,
        group: str,
        levels: Mapping[Any, str] | None = None,
        groups: tuple[str, ...] = GROUPS,
        min_group: int = MIN_GROUP,
        layout: Layout = "wide",
        items: Sequence[str] | None = None,
        person: str | None = None,
        item: str = "item",
        score: str = "score",
        external: str | None = None,
        memory_limit: str = "1GB",
        threads: int = 2,
        temp_directory: Path | str | None = None,
    ) -> None:
        if layout not in ("wide", "long"):
            raise UsageError(f"Layout '{layout}' is unknown.", mend="Use wide or long.")
        check_groups(groups)
        self.groups = tuple(groups)
        self.min_group = min_group
        self._group, self._external = group, external
        codes = _codes(levels, self.groups)
        columns = Columns(group, codes, layout == "long", items, person, item, score, external)
        home = tempfile.mkdtemp(prefix="psyalign-dif-", dir=temp_directory)
        self._discard = weakref.finalize(self, shutil.rmtree, home, ignore_errors=True)
        self._con = _connect(Path(home), memory_limit, threads)
        self._rows = read_rows(self._con, source, columns)
        self.items = self._rows.items
        self.n_persons = self._rows.n_persons

    @classmethod
    def from_relation(cls, relation: DuckDBPyRelation, *, group: str, **options: Any) -> ScoreFile:
        """From a DuckDB relation (a query, say), which runs once, on its own connection."""
        return cls(relation, group=group, **options)

    def close(self) -> None:
        """Delete the temporary table; nothing can be counted any more."""
        self._con.close()
        self._discard()

    def __enter__(self) -> ScoreFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def count(self, spec: MatchSpec) -> Cells:
        """Cells by the strata of `spec`: the same as `ScoreMatrix.count` of the same scores.

        Parameters
        ----------
        spec : MatchSpec

        Raises
        ------
        UsageError
            Anchors that are no items, or no external value to match on.
        """
        anchors = anchors_of(spec, self.items)
        if spec.variable == "external" and self._external is None:
            raise UsageError(
                "There is no external value to match on.", where="match", mend="Give `external`."
            )
        by_item = {}
        for item, table in self._tables(spec, anchors):
            value = _value(table, spec, item in anchors, len(anchors))
            by_item[item] = _cells(value, table, spec, self.groups)
        left = [self.n_persons - int(found.count.sum()) for found in by_item.values()]
        left_out = pd.Series(left, index=pd.Index(self.items, name="item"), dtype=int)
        return Cells(by_item, left_out, self.groups, self.min_group)

    @property
    def left_out_groups(self) -> pd.Series:
        """Persons by value of the group column that is no group, most frequent first; "" is missing."""
        query = "SELECT coalesce(other, ''), count(*) FROM rows WHERE g < 0 GROUP BY 1 ORDER BY 2 DESC, 1"
        found = ask(self._con, query, self._rows.where)
        index = pd.Index([value for value, _ in found], name=self._group, dtype="str")
        return pd.Series([n for _, n in found], index=index, name="persons", dtype=int)

    def __repr__(self) -> str:
        return f"Scores of {self.n_persons} persons on {len(self.items)} items in {self._rows.where}"

    def _tables(self, spec: MatchSpec, anchors: Sequence[str]) -> Iterator[tuple[str, dict[str, Array]]]:
        """Per item: persons by group g, sum a and number n of the anchors answered, and score s of the item.

        The sum and the item's score give every matching value there is, so that
        prorating and binning happen afterwards, on few rows, by the code of `ScoreMatrix`.
        """
        inside = [f"s{j}" for j, name in enumerate(self.items) if name in anchors]
        sums = " + ".join(f"coalesce({name}, 0)" for name in inside) or "0"
        answered = " + ".join(f"({name} IS NOT NULL)::INT" for name in inside) or "0"
        if spec.variable == "external":
            sums, answered = "e", "1"
        step = BATCH if self._rows.whole else BATCH_FRACTIONS
        for start in range(0, len(self.items), step):
            batch = range(start, min(start + step, len(self.items)))
            scores = ", ".join(f"s{j}" for j in batch)
            which = " ".join(f"WHEN grouping(s{j}) = 0 THEN {j}" for j in batch)
            sets = ", ".join(f"(g, a, n, s{j})" for j in batch)
            query = (
                f"SELECT CASE {which} END AS j, g, a, n, coalesce({scores}) AS s, count(*) AS count FROM "
                f"(SELECT g, ({sums})::DOUBLE AS a, {answered} AS n, {scores} FROM rows WHERE g >= 0) "
                f"GROUP BY GROUPING SETS ({sets})"
            )
            whole = arrays(self._con, query, self._rows.where)
            order = np.argsort(whole["j"], kind="stable")
            ends = np.searchsorted(whole["j"][order], [*batch, batch.stop])
            for place, j in enumerate(batch):
                mine = order[ends[place] : ends[place + 1]]
                yield self.items[j], {name: column[mine] for name, column in whole.items()}


def _value(table: Mapping[str, Array], spec: MatchSpec, is_anchor: bool, n_anchors: int) -> Array:
    """Matching value of each row of an item's table."""
    sums, answered = table["a"], table["n"].astype(np.int64)
    if spec.variable == "external":
        return sums
    if is_anchor == (spec.variable == "total"):
        return prorate(sums, answered, n_anchors)
    sign = 1 if spec.variable == "total" else -1
    there = ~np.isnan(table["s"])
    mine = sums + sign * np.where(there, table["s"], 0.0)
    return prorate(mine, answered + sign * there, n_anchors + sign)


def _cells(value: Array, table: Mapping[str, Array], spec: MatchSpec, groups: Sequence[str]) -> ItemCells:
    """Cells of one item from its table and the matching values of the table's rows."""
    known = ~np.isnan(value)
    group, score, count = table["g"][known].astype(np.int64), table["s"][known], table["count"][known]
    values, place = np.unique(value[known], return_inverse=True)
    persons = np.zeros((len(values), len(groups)))
    np.add.at(persons, (place, group), count)
    stratum = stratify(values, persons, spec, groups)[place, group]
    scored = ~np.isnan(score)
    if not scored.any():
        return ItemCells.empty()
    strata, k = np.unique(stratum[scored], return_inverse=True)
    scores, s = np.unique(score[scored], return_inverse=True)
    shape = (len(strata), len(groups), len(scores))
    cell, back = np.unique(np.ravel_multi_index((k, group[scored], s), shape), return_inverse=True)
    k, of_group, s = np.unravel_index(cell, shape)
    held = np.bincount(back, weights=count[scored]).astype(float)
    return ItemCells(strata[k], of_group, scores[s], held)


def _codes(levels: Mapping[Any, str] | None, groups: Sequence[str]) -> dict[str, int]:
    """Value of the group column, as text -> position in `groups`."""
    named = dict(zip(groups, groups, strict=True)) if levels is None else levels
    for name in named.values():
        if name not in groups:
            raise UsageError(
                f"There is no group '{name}'.", where="levels", mend=f"Groups are: {', '.join(groups)}."
            )
    return {
        str(value).lower() if isinstance(value, bool) else str(value): groups.index(name)
        for value, name in named.items()
    }


def _connect(home: Path, memory_limit: str, threads: int) -> DuckDBPyConnection:
    import duckdb

    settings: dict[str, Any] = {
        "memory_limit": memory_limit,
        "threads": threads,
        "temp_directory": str(home / "spill"),
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
    }
    try:
        return duckdb.connect(str(home / "rows.duckdb"), config=settings)
    except duckdb.Error:
        raise UsageError(
            f"DuckDB cannot use a memory limit of '{memory_limit}' with {threads} threads.",
            where="memory_limit, threads",
            mend="Write memory as 1GB; use at least one thread.",
        ) from None
