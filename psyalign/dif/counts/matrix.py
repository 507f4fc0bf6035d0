"""Scores of persons x items in memory: the fast way from scores to cells, for any matching."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.dif.counts.cells import GROUPS, MIN_GROUP, Array, Cells, ItemCells
from psyalign.dif.counts.checks import check_groups, check_levels, check_once, numbers, refuse_twice
from psyalign.dif.matching.spec import MatchSpec
from psyalign.dif.matching.strata import prorate, stratify
from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.tables import require_columns

__all__ = ["ScoreMatrix", "anchors_of"]

Numbers = npt.NDArray[np.int64]

# Whole numbers within this range are counted by position, others by sorting.
NARROW = 10_000


@dataclass(frozen=True)
class _Coded:
    """A float variable as positions in its distinct values, ascending; -1 is missing."""

    levels: Array
    code: Numbers


@dataclass(frozen=True, repr=False)
class ScoreMatrix:
    """Scores, groups and an external matching value of N persons on I items.

    Attributes
    ----------
    persons : pandas.Index (N,)
    items : tuple of str, length I
    values : array (N, I)
        Scores; NaN is missing. Fractions are allowed.
    group : int array (N,)
        Position in `groups`; -1: in none of them, the person is left out.
    groups : tuple of str
        The first is the reference group.
    external : array (N,), optional
        A matching value that does not come from the items; NaN is missing.
    min_group : int
        See `Cells`.
    """

    persons: pd.Index
    items: tuple[str, ...]
    values: Array
    group: Numbers
    groups: tuple[str, ...] = GROUPS
    external: Array | None = None
    min_group: int = MIN_GROUP

    @classmethod
    def from_long(
        cls,
        scores: pd.DataFrame,
        group: pd.Series,
        *,
        external: pd.Series | None = None,
        groups: tuple[str, ...] = GROUPS,
        min_group: int = MIN_GROUP,
    ) -> ScoreMatrix:
        """From one row a person and item.

        Parameters
        ----------
        scores : pandas.DataFrame
            Columns person, item, score; a missing row or NaN is a missing score.
        group : pandas.Series
            By person: one of `groups`, or missing.
        external : pandas.Series, optional
            By person: a number, or missing.
        groups, min_group
            See `Cells`.

        Raises
        ------
        DataError
            As `cells` does, and for an external value that is no number or infinite.
        UsageError
            As `cells` does.
        """
        require_columns(scores, ["person", "item", "score"], "scores")
        if scores.empty:
            raise DataError("There are no scores.", where="scores")
        score = numbers(scores["score"], "scores, column 'score'")
        row, persons = pd.factorize(scores["person"])
        column, items = pd.factorize(scores["item"])
        if min(row.min(), column.min()) < 0:
            raise DataError("A person or an item has no name.", where="scores")
        place = row * len(items) + column
        refuse_twice(pd.Index(place).duplicated(), scores)
        values = np.full(len(persons) * len(items), np.nan)
        values[place] = score
        return cls._of(
            pd.Index(persons),
            tuple(map(str, items)),
            values.reshape(len(persons), len(items)),
            group,
            external,
            groups,
            min_group,
        )

    @classmethod
    def from_wide(
        cls,
        scores: pd.DataFrame,
        group: pd.Series,
        *,
        external: pd.Series | None = None,
        groups: tuple[str, ...] = GROUPS,
        min_group: int = MIN_GROUP,
    ) -> ScoreMatrix:
        """From one row a person (the index) and one column an item; the rest as in `from_long`."""
        if scores.empty:
            raise DataError("There are no scores.", where="scores")
        for what, index in (("person", scores.index), ("item", scores.columns)):
            if index.has_duplicates:
                name = index[index.duplicated()][0]
                raise DataError(
                    f"The {what} '{name}' is there twice.", where="scores", mend=f"Keep one of each {what}."
                )
        columns = [numbers(scores[name], f"scores, column '{name}'") for name in scores.columns]
        items = tuple(map(str, scores.columns))
        return cls._of(scores.index, items, np.column_stack(columns), group, external, groups, min_group)

    @classmethod
    def _of(
        cls,
        persons: pd.Index,
        items: tuple[str, ...],
        values: Array,
        group: pd.Series,
        external: pd.Series | None,
        groups: tuple[str, ...],
        min_group: int,
    ) -> ScoreMatrix:
        """With group and external by person brought into the order of `persons`."""
        check_groups(groups)
        if len(set(items)) < len(items):
            raise DataError("Two items have the same name.", where="scores")
        brought = None
        if external is not None:
            check_once(external, "external")
            brought = numbers(external, "external").reindex(persons).to_numpy()
        return cls(persons, items, values, _codes(group, groups, persons), groups, brought, min_group)

    def strata(self, spec: MatchSpec) -> Array:
        """Matching stratum of each person.

        Parameters
        ----------
        spec : MatchSpec

        Returns
        -------
        array (N,) or (N, I)
            (N,) where one variable serves all items: an external one, or the total over all
            items; (N, I) where it differs: a rest score, or anchors that are not all items (an
            item outside them is matched on the anchors and itself). NaN: no stratum,
            because the person is in no group or has no matching value.

        Raises
        ------
        UsageError
            Anchors that are no items, or no external value to match on.
        """
        coded = self._strata(spec)
        if all(each is coded[0] for each in coded):
            return _floats(coded[0])
        return np.column_stack([_floats(each) for each in coded])

    def count(self, spec: MatchSpec) -> Cells:
        """Cells by the strata of `spec`; the same as `cells` of the long table with `strata(spec)`.

        `left_out` counts the persons of each item without a score, a group or a stratum.
        """
        strata = self._strata(spec)
        by_item = {item: self._cells(strata[j], self._scores[j]) for j, item in enumerate(self.items)}
        counted = [len(self.persons) - int(found.count.sum()) for found in by_item.values()]
        left_out = pd.Series(counted, index=pd.Index(self.items, name="item"), dtype=int)
        return Cells(by_item, left_out, self.groups, self.min_group)

    def pair(self, focal: str) -> ScoreMatrix:
        """The same scores with the reference group and one focal group alone; others are left out."""
        if focal not in self.groups[1:]:
            raise UsageError(
                f"There is no focal group '{focal}'.", mend=f"Use one of: {', '.join(self.groups[1:])}."
            )
        code = self.groups.index(focal)
        group = np.where(self.group == code, 1, np.where(self.group == 0, 0, -1))
        return replace(self, group=group, groups=(self.groups[0], focal))

    @cached_property
    def _by_item(self) -> Array:
        """(I, N): each item's scores side by side in memory."""
        return np.ascontiguousarray(self.values.T)

    @cached_property
    def _scores(self) -> tuple[_Coded, ...]:
        return tuple(_coded(scores) for scores in self._by_item)

    @cached_property
    def _answered(self) -> npt.NDArray[np.bool_]:
        return ~np.isnan(self._by_item)

    @cached_property
    def _filled(self) -> Array:
        return np.where(self._answered, self._by_item, 0.0)

    def _strata(self, spec: MatchSpec) -> list[_Coded]:
        """Strata by item; items with the same matching variable share one object."""
        if spec.variable == "external":
            if self.external is None:
                raise UsageError(
                    "There is no external value to match on.", where="match", mend="Give `external`."
                )
            return [self._binned(self.external, spec)] * len(self.items)
        inside = np.isin(self.items, anchors_of(spec, self.items))
        size = int(inside.sum())
        sums, answered = self._filled[inside].sum(axis=0), self._answered[inside].sum(axis=0)
        shared = self._binned(prorate(sums, answered, size), spec)
        changed, sign = (inside, -1) if spec.variable == "rest" else (~inside, 1)
        found = []
        for j, changes in enumerate(changed):
            if changes:
                mine, there = sums + sign * self._filled[j], answered + sign * self._answered[j]
                found.append(self._binned(prorate(mine, there, size + sign), spec))
            else:
                found.append(shared)
        return found

    def _binned(self, value: Array, spec: MatchSpec) -> _Coded:
        """Strata of one matching variable over the persons with a group."""
        coded = _coded(np.where(self.group >= 0, value, np.nan))
        n_groups, n_values = len(self.groups), len(coded.levels)
        known = coded.code >= 0
        place = coded.code[known] * n_groups + self.group[known]
        counts = np.bincount(place, minlength=n_values * n_groups).reshape(n_values, n_groups)
        strata = stratify(coded.levels, counts.astype(float), spec, self.groups)
        held = counts > 0
        levels, position = np.unique(strata[held], return_inverse=True)
        code_of = np.zeros(counts.shape, dtype=np.int64)
        code_of[held] = position
        code = np.full(len(value), -1)
        code[known] = code_of.ravel()[place]
        return _Coded(levels, code)

    def _cells(self, stratum: _Coded, score: _Coded) -> ItemCells:
        used = (stratum.code >= 0) & (score.code >= 0)
        shape = (len(stratum.levels), len(self.groups), len(score.levels))
        place = (stratum.code * shape[1] + self.group) * shape[2] + score.code
        found, count = _tally(place[used], int(np.prod(shape)))
        if not len(found):
            return ItemCells.empty()
        k, group, s = np.unravel_index(found, shape)
        return ItemCells(stratum.levels[k], group.astype(np.int64), score.levels[s], count)

    def __repr__(self) -> str:
        sizes = np.bincount(self.group[self.group >= 0], minlength=len(self.groups))
        who = ", ".join(f"{size} {name}" for name, size in zip(self.groups, sizes, strict=True))
        missing = 1 - self._answered.mean() if self.values.size else 0.0
        return (
            f"Scores of {len(self.persons)} persons ({who}) on {len(self.items)} items; {missing:.1%} missing"
        )


def anchors_of(spec: MatchSpec, items: Sequence[str]) -> list[str]:
    """The anchor items of `spec`, all of them items; UsageError otherwise."""
    if spec.anchors is None:
        return list(items)
    for name in spec.anchors:
        if name not in items:
            raise UsageError(
                f"The anchor '{name}' is no item.", where="anchors", mend=f"Items are: {', '.join(items)}."
            )
    return list(dict.fromkeys(spec.anchors))


def _coded(values: Array) -> _Coded:
    """Fast for whole numbers in a narrow range, which scores and totals mostly are."""
    known = ~np.isnan(values)
    present = values if known.all() else values[known]
    levels, found = _positions(present)
    if present is values:
        return _Coded(levels, found)
    code = np.full(len(values), -1)
    code[known] = found
    return _Coded(levels, code)


def _positions(present: Array) -> tuple[Array, Numbers]:
    """Distinct values, ascending, and each value's position among them; no NaN."""
    if len(present):
        low = present.min()
        if present.max() - low < NARROW:
            shifted = (present - low).astype(np.int64)
            if low == np.floor(low) and (shifted + low == present).all():
                held = np.bincount(shifted) > 0
                return np.nonzero(held)[0] + low, (np.cumsum(held) - 1)[shifted]
    levels, found = np.unique(present, return_inverse=True)
    return levels, found


def _tally(place: Numbers, size: int) -> tuple[Numbers, Array]:
    """Occupied places, ascending, and how often each occurs."""
    if size > 4 * len(place) + NARROW:  # fractional scores: far more places than persons
        found, times = np.unique(place, return_counts=True)
        return found, times.astype(float)
    count = np.bincount(place, minlength=size)
    found = np.nonzero(count)[0]
    return found, count[found].astype(float)


def _floats(coded: _Coded) -> Array:
    return np.where(coded.code >= 0, np.append(coded.levels, np.nan)[coded.code], np.nan)


def _codes(group: pd.Series, groups: tuple[str, ...], persons: pd.Index) -> Numbers:
    check_once(group, "group")
    check_levels(group.dropna(), groups)
    return pd.Categorical(group.reindex(persons), categories=list(groups)).codes.astype(np.int64)
