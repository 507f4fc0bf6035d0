"""Resampled persons: counts of every cell of every item in many resamples at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from psyalign.dif.counts.moments import Moments
from psyalign.dif.counts.points import MAX_POINTS, ItemCounts
from psyalign.foundation.errors import UsageError
from psyalign.foundation.seeds import generator

__all__ = ["Layer", "Resampled", "person_bootstrap"]

Array = npt.NDArray[np.float64]
Weights = npt.NDArray[np.float32]

# Bytes that one chunk's weights and counts may take; kernels need a few times the counts.
WEIGHT_BYTES = 32_000_000
COUNT_BYTES = 16_000_000
LARGEST_CHUNK = 200
# Scores this close to the centre, relative to the largest, are at it but for rounding (see `Moments`).
ROUNDING = 1e-12


@dataclass(frozen=True)
class Layer:
    """Scores and strata of the persons: what one set of counts is made of.

    Attributes
    ----------
    values : array (N, I)
        Scores; NaN is no score.
    strata : array (N,) or (N, I)
        Matching stratum, one for all items or one for each; NaN is none. It stays with the person.
    """

    values: Array
    strata: Array


@dataclass(frozen=True)
class Resampled:
    """Items with the same score points in one chunk of B resamples.

    Attributes
    ----------
    items : array (J,)
        Positions of the items in the layer.
    counts : ItemCounts
        n (J, B, K, G, S). Expected scores (more than `MAX_POINTS` distinct ones) are rounded here.
    """

    items: npt.NDArray[np.int64]
    counts: ItemCounts
    _centre: float
    _exact: Array | None = field(default=None, repr=False)

    @cached_property
    def moments(self) -> Moments:
        """n, sums, squares (J, B, K, G) of the scores as they are, fractions included."""
        found = self._exact
        if found is None:
            y = self.counts.score - self._centre
            powers = np.column_stack([np.ones_like(y), y, y**2])
            n = self.counts.n
            flat = n.reshape(prod(n.shape[:-1]), n.shape[-1]) @ powers
            found = np.moveaxis(flat.reshape(*n.shape[:-1], 3), -1, 0)
        return Moments(found[0], found[1], found[2], self.counts.stratum, self._centre)


def person_bootstrap(
    group: npt.NDArray[np.int64],
    layers: Sequence[Layer],
    *,
    replicates: int,
    seed: int,
    n_groups: int = 2,
    chunk: int | None = None,
) -> Iterator[tuple[slice, list[tuple[Resampled, ...]]]]:
    """Counts of the sample and of resamples of its persons.

    Persons are drawn with replacement within each group, as many as it has, with all their
    scores and strata; all layers see the same draws. The result depends on `seed` and the
    data alone: not on the order of the persons, their names, or `chunk`.

    Parameters
    ----------
    group : array (N,)
        Position of the person's group, -1 for none. Drawn are persons with a group who have
        a score with a stratum in some layer.
    layers : sequence of Layer
        One for each matching, or each set of scores of the same persons.
    replicates : int
        Number of resamples, at least 1.
    seed : int
    n_groups : int
        2 or more; all of them are on the groups' axis.
    chunk : int, optional
        Resamples at a time; default so that a chunk takes some 50 MB.

    Yields
    ------
    rows : slice
        Which of the replicates + 1 draws these are; draw 0 is the sample itself.
    counts : list of tuple of Resampled
        By layer, then by block of items that share score points.
    """
    if replicates < 1:
        raise UsageError("At least one replicate is needed.", where="replicates")
    kept = _order(group, layers)
    member = group[kept]
    tallies = [_Tally.of(layer.values[kept], layer.strata[kept], member, n_groups) for layer in layers]
    size = chunk or _chunk(len(kept), sum(tally.n_cells for tally in tallies))
    done = 0
    for weights in _weights(member, n_groups, replicates, seed, size):
        yield slice(done, done + weights.shape[1]), [tally.count(weights) for tally in tallies]
        done += weights.shape[1]


def _order(group: npt.NDArray[np.int64], layers: Sequence[Layer]) -> npt.NDArray[np.int64]:
    """Persons in use, sorted by group and scores, so that the draws do not depend on the file's order."""
    used = np.zeros(len(group), dtype=bool)
    keys: list[Array] = []
    for layer in layers:
        strata = layer.strata if layer.strata.ndim == 2 else layer.strata[:, None]
        used |= (np.isfinite(layer.values) & np.isfinite(strata)).any(axis=1)
        keys += [*layer.values.T, *strata.T]
    # neighbours in total sit in the same cells: their weights are then neighbours in memory, too
    keys += [np.where(np.isfinite(layers[0].values), layers[0].values, 0.0).sum(axis=1), group.astype(float)]
    order = np.lexsort(keys)
    return np.asarray(order[(used & (group >= 0))[order]], dtype=np.int64)


def _chunk(persons: int, cells: int) -> int:
    by_weights = WEIGHT_BYTES // (4 * max(persons, 1))
    by_counts = COUNT_BYTES // (8 * max(cells, 1))
    return int(np.clip(min(by_weights, by_counts), 1, LARGEST_CHUNK))


def _weights(
    member: npt.NDArray[np.int64], n_groups: int, replicates: int, seed: int, chunk: int
) -> Iterator[Weights]:
    """How often each person (sorted by group) was drawn, (N, B); the first column is the sample."""
    rng = generator(seed, "dif", "bootstrap")
    ends = np.searchsorted(member, np.arange(n_groups + 1))
    for start in range(0, replicates + 1, chunk):
        rows = np.ones((min(chunk, replicates + 1 - start), len(member)), dtype=np.float32)
        for number, row in enumerate(rows, start):
            if number:
                for first, last in pairwise(ends):
                    drawn = rng.integers(0, max(last - first, 1), last - first, dtype=np.int32)
                    row[first:last] = np.bincount(drawn, minlength=last - first)
        yield np.ascontiguousarray(rows.T)


class _Axes(NamedTuple):
    """What the counts of a block are by: items (J,), stratum (K,), score (S,) and the number of groups."""

    items: npt.NDArray[np.int64]
    stratum: Array
    score: Array
    n_groups: int


@dataclass(frozen=True)
class _Block:
    """Counters of J items: `cells` (K G J S, N) of ones; `exact` (3 K G J, N) for fractional scores."""

    axes: _Axes
    centre: float
    cells: sparse.csr_array
    exact: sparse.csr_array | None

    def count(self, weights: Weights) -> Resampled:
        items, stratum, score, n_groups = self.axes
        shape = (len(stratum), n_groups, len(items), len(score))
        found = (self.cells @ weights).reshape(*shape, weights.shape[1])
        n = np.ascontiguousarray(found.transpose(2, 4, 0, 1, 3), dtype=float)
        exact = None
        if self.exact is not None:
            sums = (self.exact @ weights.astype(float)).reshape(3, *shape[:-1], weights.shape[1])
            exact = np.ascontiguousarray(sums.transpose(0, 3, 4, 1, 2))
        return Resampled(items, ItemCounts(n, stratum, score), self.centre, exact)


@dataclass(frozen=True)
class _Tally:
    """Counters of one layer."""

    blocks: tuple[_Block, ...]

    @classmethod
    def of(cls, values: Array, strata: Array, member: npt.NDArray[np.int64], n_groups: int) -> _Tally:
        """Items with the same score points form a block.

        Its strata are those of any of its items; where one variable serves all items, all blocks
        have the same strata, so that items can be summed.
        """
        common = np.unique(strata[np.isfinite(strata)]) if strata.ndim == 1 else None
        by_points: dict[tuple[bool, tuple[float, ...]], list[int]] = {}
        strata = np.broadcast_to(strata if strata.ndim == 2 else strata[:, None], values.shape)
        usable = np.isfinite(values) & np.isfinite(strata)
        for item in range(values.shape[1]):
            points = np.unique(values[usable[:, item], item])
            fractional = len(points) > MAX_POINTS
            if fractional:
                points = np.unique(np.floor(points + 0.5))
            by_points.setdefault((fractional, tuple(points.tolist())), []).append(item)
        blocks = []
        for (fractional, score), items in by_points.items():
            person, j = np.nonzero(usable[:, items])
            column = np.array(items)[j]
            rows = _Rows(person, j, member[person], values[person, column], strata[person, column])
            axes = _Axes(
                np.array(items),
                np.unique(rows.stratum) if common is None else common,
                np.array(score),
                n_groups,
            )
            blocks.append(_block(rows, axes, len(member), fractional))
        return cls(tuple(blocks))

    @property
    def n_cells(self) -> int:
        return sum(block.cells.shape[0] for block in self.blocks)

    def count(self, weights: Weights) -> tuple[Resampled, ...]:
        return tuple(block.count(weights) for block in self.blocks)


class _Rows(NamedTuple):
    """Scores of a block's items in parallel arrays; `item` is the position in the block."""

    person: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    group: npt.NDArray[np.int64]
    score: Array
    stratum: Array


def _block(rows: _Rows, axes: _Axes, persons: int, fractional: bool) -> _Block:
    items, stratum, points, n_groups = axes
    y = rows.score
    # item within stratum and group: a person's cells are close together, which keeps weights in the cache
    place = (np.searchsorted(stratum, rows.stratum) * n_groups + rows.group) * len(items) + rows.item
    n_places = len(stratum) * n_groups * len(items)
    s = np.searchsorted(points, np.floor(y + 0.5) if fractional else y)
    ones = np.ones(len(y), dtype=np.float32)
    cells = sparse.csr_array(
        (ones, (place * len(points) + s, rows.person)), shape=(n_places * len(points), persons)
    )
    centre = float(y.mean()) if len(y) else 0.0
    exact = None
    if fractional:
        off = y - centre
        off = np.where(np.abs(off) <= ROUNDING * np.abs(y).max(initial=0.0), 0.0, off)
        data = np.concatenate([np.ones_like(off), off, off**2])
        power = np.concatenate([place, place + n_places, place + 2 * n_places])
        exact = sparse.csr_array((data, (power, np.tile(rows.person, 3))), shape=(3 * n_places, persons))
    return _Block(axes, centre, cells, exact)
