"""Dense counts of one item by stratum, group and score point: what kernels on categories take."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["MAX_POINTS", "ItemCounts", "points_of"]

Array = npt.NDArray[np.float64]

# More distinct scores than this are expected scores, not score points.
MAX_POINTS = 12


@dataclass(frozen=True)
class ItemCounts:
    """Counts of one item, or of one item in many resamples.

    Attributes
    ----------
    n : array (..., K, G, S)
        Persons (or weights) by stratum, group and score point; leading axes are resamples.
        Group 0 is the reference group.
    stratum : array (K,)
        Value of the matching variable, ascending.
    score : array (S,)
        Score points, ascending.
    """

    n: Array
    stratum: Array
    score: Array

    def shared(self) -> ItemCounts:
        """The same without strata that lack a group; for counts without leading axes."""
        keep = (self.n.sum(axis=-1) > 0).all(axis=-1)
        return ItemCounts(self.n[keep], self.stratum[keep], self.score)


def points_of(
    stratum: Array, group: npt.NDArray[np.int64], score: Array, count: Array, n_groups: int
) -> ItemCounts:
    """Dense counts from parallel arrays; too many distinct scores are rounded first, halves up."""
    levels, s = np.unique(score, return_inverse=True)
    if len(levels) > MAX_POINTS:
        levels, s = np.unique(np.floor(score + 0.5), return_inverse=True)
    values, k = np.unique(stratum, return_inverse=True)
    shape = (len(values), n_groups, len(levels))
    place = np.ravel_multi_index((k, group, s), shape) if len(score) else np.zeros(0, dtype=np.int64)
    n = np.bincount(place, weights=count, minlength=int(np.prod(shape))).reshape(shape)
    return ItemCounts(n.astype(float), values, levels)
