"""The cell table: item x stratum x group x score -> count. Every DIF statistic starts from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.dif.counts.checks import (
    LARGEST,
    check_groups,
    check_levels,
    check_once,
    numbers,
    refuse_twice,
)
from psyalign.dif.counts.points import ItemCounts, points_of
from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.tables import require_columns

__all__ = [
    "FOCAL",
    "GROUPS",
    "MIN_GROUP",
    "REFERENCE",
    "Array",
    "Cells",
    "ItemCells",
    "cells",
]

Array = npt.NDArray[np.float64]

REFERENCE = "reference"
FOCAL = "focal"
GROUPS = (REFERENCE, FOCAL)
# With fewer persons than this in a group nothing is computed: a z of three persons is noise.
MIN_GROUP = 4


@dataclass(frozen=True)
class ItemCells:
    """One item's cells that hold somebody: parallel arrays; `group` is the position in `Cells.groups`."""

    stratum: Array
    group: npt.NDArray[np.int64]
    score: Array
    count: Array

    @classmethod
    def empty(cls) -> ItemCells:
        nothing = np.zeros(0)
        return cls(nothing, nothing.astype(np.int64), nothing, nothing)


@dataclass(frozen=True, repr=False)
class Cells:
    """Counts of persons by item, stratum, group and score.

    Attributes
    ----------
    by_item : mapping of str to ItemCells
        All items that were asked for, also those without a usable score. Strata with
        one group are kept: they are in the total sample's SD, though no comparison uses them.
    left_out : pandas.Series
        By item: rows that were not counted (no score, no group or no stratum).
    groups : tuple of str
        The first is the reference group.
    min_group : int
        Methods call an item "not estimable" with fewer persons than this in a group.
    """

    by_item: Mapping[str, ItemCells]
    left_out: pd.Series
    groups: tuple[str, ...] = GROUPS
    min_group: int = MIN_GROUP

    @property
    def items(self) -> tuple[str, ...]:
        return tuple(self.by_item)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Columns item, stratum, group, score (float), count (int), sorted within items."""
        parts = []
        for item, found in self.by_item.items():
            order = np.lexsort((found.score, found.group, found.stratum))
            columns = {
                "stratum": found.stratum[order],
                "group": np.array(self.groups, dtype=object)[found.group[order]],
                "score": found.score[order],
                "count": found.count[order].astype(np.int64),
            }
            parts.append(pd.DataFrame({"item": item, **columns}))
        return pd.concat(parts, ignore_index=True).astype({"item": "str", "group": "str"})

    def points(self, item: str) -> ItemCounts:
        """The item's dense counts by stratum, group and score point.

        Score points are the distinct scores; where there are more than `MAX_POINTS`
        (expected scores), scores are rounded to whole numbers first, halves up.
        """
        found = self.by_item[item]
        return points_of(found.stratum, found.group, found.score, found.count, len(self.groups))

    def pair(self, focal: str) -> Cells:
        """The same counts of the reference group and one focal group alone."""
        if focal not in self.groups[1:]:
            raise UsageError(
                f"There is no focal group '{focal}'.", mend=f"Use one of: {', '.join(self.groups[1:])}."
            )
        code = self.groups.index(focal)
        kept = {}
        for item, found in self.by_item.items():
            mine = (found.group == 0) | (found.group == code)
            group = (found.group[mine] == code).astype(np.int64)
            kept[item] = ItemCells(found.stratum[mine], group, found.score[mine], found.count[mine])
        return replace(self, by_item=kept, groups=(self.groups[0], focal))

    def pairs(self) -> Iterator[tuple[str, Cells]]:
        """Each focal group and its counts beside the reference group's."""
        for focal in self.groups[1:]:
            yield focal, (self if len(self.groups) == 2 else self.pair(focal))

    def need_two(self, method: str) -> None:
        """Raise a UsageError unless there are exactly two groups."""
        if len(self.groups) != 2:
            raise UsageError(
                f"{method} compares two groups, and the cells have {len(self.groups)}.",
                mend="Take one focal group at a time: cells.pair(focal).",
            )

    @classmethod
    def from_table(
        cls, table: pd.DataFrame, *, groups: tuple[str, ...] = GROUPS, items: Sequence[str] = ()
    ) -> Cells:
        """Cells from a table of counts: columns item, stratum, group, score, count."""
        require_columns(table, ["item", "stratum", "group", "score", "count"], "cells")
        check_groups(groups)
        code = pd.Categorical(table["group"], categories=list(groups)).codes.astype(np.int64)
        check_levels(table["group"], groups)
        values = _finite(table[["stratum", "score", "count"]])
        item_names = table["item"].astype("str")
        names = list(items) or list(pd.unique(item_names))
        where = table.groupby(item_names, sort=False).indices
        by_item = {}
        for item in names:
            rows = where.get(item, np.zeros(0, dtype=np.int64))
            stratum, score, count = values[rows].T
            by_item[item] = ItemCells(stratum, code[rows], score, count)
        return cls(by_item, pd.Series(0, index=names, dtype=int), groups)

    def __repr__(self) -> str:
        n = sum(len(found.count) for found in self.by_item.values())
        scores = int(sum(found.count.sum() for found in self.by_item.values()))
        who = " and ".join(self.groups) if len(self.groups) == 2 else f"{len(self.groups)} groups"
        return f"Cells: {len(self.by_item)} items, {n} cells, {scores} scores of {who}"


def cells(
    scores: pd.DataFrame,
    group: pd.Series,
    stratum: pd.Series | pd.DataFrame,
    *,
    groups: tuple[str, ...] = GROUPS,
    min_group: int = MIN_GROUP,
) -> Cells:
    """Count persons by item, stratum, group and score.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns person, item, score; one row a person and item. Scores may be
        fractions (expected scores). NaN is no score.
    group : pandas.Series
        Indexed by person: one of `groups`, or missing. Who is missing is left out.
    stratum : pandas.Series or pandas.DataFrame
        Matching stratum: a number indexed by person, or columns person, item,
        stratum where it differs between items (a rest score, say).
    groups : tuple of str
        Names of the groups, the reference group first.
    min_group : int
        See `Cells`.

    Returns
    -------
    Cells

    Raises
    ------
    DataError
        Missing column, person x item twice, person twice in `group` or `stratum`,
        a group called otherwise, no rows, an item without a name, scores or strata that are not
        numbers or infinite.
    UsageError
        Fewer than two groups, or a group named twice.
    """
    check_groups(groups)
    rows = _checked_scores(scores)
    items = list(pd.unique(rows["item"]))
    check_once(group, "group")
    check_levels(group.dropna(), groups)
    rows["group"] = rows["person"].map(group)
    rows = _with_stratum(rows, stratum)
    usable = rows[["score", "group", "stratum"]].notna().all(axis=1)
    left_out = (~usable).groupby(rows["item"], sort=False).sum().astype(int)
    kept = rows[usable]
    table = (
        kept.groupby(["item", "stratum", "group", "score"], sort=True).size().rename("count").reset_index()
    )
    counted = Cells.from_table(table, groups=groups, items=items)
    return replace(counted, left_out=left_out, min_group=min_group)


def _checked_scores(scores: pd.DataFrame) -> pd.DataFrame:
    require_columns(scores, ["person", "item", "score"], "scores")
    if scores.empty:
        raise DataError("There are no scores.", where="scores")
    rows = scores[["person", "item", "score"]].copy()
    rows["score"] = numbers(rows["score"], "scores, column 'score'")
    if rows["item"].isna().any():
        raise DataError("An item has no name.", where="scores, column 'item'")
    rows["item"] = rows["item"].astype("str")
    refuse_twice(rows.duplicated(["person", "item"]).to_numpy(), rows)
    return rows


def _finite(columns: pd.DataFrame) -> Array:
    """Strata, scores and counts as numbers."""
    try:
        values: Array = columns.to_numpy(dtype=float)
    except (TypeError, ValueError):
        values = np.full(1, np.nan)
    if not (np.abs(values) <= LARGEST).all():
        raise DataError("Strata, scores and counts must be finite numbers.", where="cells")
    return values


def _with_stratum(rows: pd.DataFrame, stratum: pd.Series | pd.DataFrame) -> pd.DataFrame:
    if isinstance(stratum, pd.DataFrame):
        require_columns(stratum, ["person", "item", "stratum"], "stratum")
        if stratum.duplicated(["person", "item"]).any():
            raise DataError("A person and item is there twice.", where="stratum")
        named = stratum[["person", "item", "stratum"]].astype({"item": "str"})
        return rows.merge(named, on=["person", "item"], how="left")
    check_once(stratum, "stratum")
    return rows.assign(stratum=rows["person"].map(stratum))
