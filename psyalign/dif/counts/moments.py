"""Sums over the cells that all methods on mean scores share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from psyalign.dif.counts.cells import Cells, ItemCells
from psyalign.dif.counts.points import ItemCounts

__all__ = ["Moments", "item_moments", "moments_of", "too_few", "why_not"]

Array = npt.NDArray[np.float64]

# Differences below this share of the item's largest score are rounding, not variation.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Moments:
    """Counts, sums and sums of squares of one item's scores, or of one item in many resamples.

    Attributes
    ----------
    n, sums, squares : arrays (..., K, G)
        By stratum and group (0 is the reference group), over all strata; scores are
        centred on `centre`, so that squares keep their digits and a shift changes nothing.
    stratum : array (K,)
        Value of the matching variable, ascending.
    centre : float
    """

    n: Array
    sums: Array
    squares: Array
    stratum: Array
    centre: float = 0.0

    @property
    def both(self) -> npt.NDArray[np.bool_]:
        """(..., K): strata that hold all groups; only these are compared."""
        return np.asarray((self.n > 0).all(axis=-1))

    @property
    def used(self) -> Array:
        """(..., G): persons in strata with all groups."""
        return np.asarray((self.n * self.both[..., None]).sum(axis=-2))

    @property
    def n_all(self) -> Array:
        """(..., G): persons in all strata."""
        return np.asarray(self.n.sum(axis=-2))

    @property
    def share_used(self) -> float:
        """Share of the item's persons who are in strata with all groups."""
        size = float(self.n.sum())
        return float(self.used.sum()) / size if size else 0.0

    @property
    def means(self) -> Array:
        """(..., K, G): mean scores (centred); 0 where nobody is."""
        return np.divide(self.sums, self.n, out=np.zeros_like(self.sums), where=self.n > 0)

    @property
    def sd(self) -> Array:
        """(...): SD (n - 1) of all the item's scores; NaN below two."""
        axes = (-2, -1)
        size = self.n.sum(axis=axes)
        spread = self.squares.sum(axis=axes) - self.sums.sum(axis=axes) ** 2 / np.maximum(size, 1)
        spread = np.where(spread <= ROUNDING * self.squares.sum(axis=axes), 0.0, spread)
        return np.asarray(np.sqrt(np.where(size > 1, spread / np.maximum(size - 1, 1), np.nan)))

    @property
    def variance(self) -> Array:
        """(..., K): hypergeometric variance V_k of the focal sum given the margins; two groups.

        0 in strata that lack a group (Mantel, 1963).
        """
        total = self.n.sum(axis=-1)
        sums = self.sums.sum(axis=-1)
        spread = total * self.squares.sum(axis=-1) - sums**2
        spread = np.where(spread <= ROUNDING * (np.abs(spread) + sums**2), 0.0, spread)
        below = np.where(self.both, total**2 * (total - 1), 1.0)
        return np.asarray(np.where(self.both, self.n.prod(axis=-1) * spread / below, 0.0))


def item_moments(counts: Cells) -> dict[str, Moments]:
    """Moments of each item of a cell table."""
    return {item: _moments(found, len(counts.groups)) for item, found in counts.by_item.items()}


def _moments(found: ItemCells, n_groups: int) -> Moments:
    values, k = np.unique(found.stratum, return_inverse=True)
    size = found.count.sum()
    centre = float(found.count @ found.score / size) if size else 0.0
    y = found.score - centre
    y = np.where(np.abs(y) <= ROUNDING * np.abs(found.score).max(initial=0.0), 0.0, y)
    place = k * n_groups + found.group
    sums = [
        np.bincount(place, weights=found.count * y**power, minlength=len(values) * n_groups)
        .reshape(len(values), n_groups)
        .astype(float)
        for power in (0, 1, 2)
    ]
    return Moments(sums[0], sums[1], sums[2], values, centre)


def moments_of(counts: ItemCounts) -> Moments:
    """Moments of dense counts, resample by resample; centred on the mean over all of them."""
    size = counts.n.sum()
    by_score = counts.n.sum(axis=tuple(range(counts.n.ndim - 1)))
    centre = float(by_score @ counts.score / size) if size else 0.0
    y = counts.score - centre
    return Moments(counts.n.sum(axis=-1), counts.n @ y, counts.n @ y**2, counts.stratum, centre)


def why_not(moments: Moments, counts: Cells) -> str:
    """Why one item (no leading axes) cannot be tested, in words; "" if it can."""
    few = too_few(moments.n_all, counts)
    if few:
        return few
    if moments.sd == 0:
        return "all persons have the same score"
    if not moments.both.any():
        return "no stratum holds both groups" if len(counts.groups) == 2 else "no stratum holds all groups"
    few = too_few(moments.used, counts)
    if few:
        return f"{few} in strata with both groups"
    spread = moments.squares.sum(axis=-1) - moments.sums.sum(axis=-1) ** 2 / np.maximum(
        moments.n.sum(axis=-1), 1
    )
    spread = np.where(spread <= ROUNDING * moments.squares.sum(axis=-1), 0.0, spread)
    return "" if (spread * moments.both).sum() > 0 else "scores do not vary within strata"


def too_few(n: Sequence[float] | Array, counts: Cells) -> str:
    """What is wrong with the groups' numbers of persons; "" if they suffice."""
    for label, size in zip(counts.groups, n, strict=True):
        if size == 0:
            return f"no scores for the {label} group"
        if size < counts.min_group:
            return f"only {int(size)} persons in the {label} group"
    return ""
