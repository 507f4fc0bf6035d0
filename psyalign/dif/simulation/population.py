"""The exact cell probabilities that the graded response model implies."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.simulation.graded import GRID, category_probabilities, checked_items, logits

__all__ = ["expected_counts"]

Array = npt.NDArray[np.float64]


def expected_counts(
    n_reference: float,
    n_focal: float,
    *,
    slopes: npt.ArrayLike,
    thresholds: npt.ArrayLike,
    studied: int = 0,
    match: Literal["total", "rest"] = "total",
    impact: float = 0.0,
    shift: npt.ArrayLike = 0.0,
    slope_ratio: npt.ArrayLike = 1.0,
    noise: npt.ArrayLike = 1.0,
) -> ItemCounts:
    """Expected counts of one item by matching score, group and score: the population, exactly.

    Given ability, scores are independent, so that the distribution of the other items' sum follows
    by Lord and Wingersky's recursion; ability is integrated out over a grid. A statistic's kernel
    on these counts, with many persons, gives its population value without sampling error.

    Parameters
    ----------
    n_reference, n_focal : float
        Persons per group; 1 for probabilities.
    studied, match
        See `count_item`.
    slopes, thresholds, impact, shift, slope_ratio, noise
        See `simulate_grm`.

    Returns
    -------
    ItemCounts
        n (K, 2, S), not whole numbers.

    References
    ----------
    Lord, F. M., & Wingersky, M. S. (1984). Applied Psychological Measurement 8, 453-461.
    """
    items = checked_items(slopes, thresholds)
    parts = []
    for size, mean, (loading, intercepts) in (
        (n_reference, 0.0, logits(items)),
        (n_focal, -impact, logits(items, shift, slope_ratio, noise)),
    ):
        weight = stats.norm.pdf(GRID)
        given = category_probabilities(GRID + mean, loading, intercepts)
        parts.append(size * _joint(given, weight / weight.sum(), studied, match))
    n = np.stack(parts, axis=1)
    return ItemCounts(n, np.arange(len(n), dtype=float), np.arange(n.shape[-1], dtype=float))


def _joint(given: Array, weight: Array, studied: int, match: str) -> Array:
    """P(matching score, studied item's score), (K, S), from P(Y = s | theta) (Q, I, S)."""
    points = given.shape[-1]
    rest = np.ones((len(given), 1))
    for item in range(given.shape[1]):
        if item == studied:
            continue
        longer = np.zeros((len(given), rest.shape[1] + points - 1))
        for s in range(points):
            longer[:, s : s + rest.shape[1]] += given[:, item, s, None] * rest
        rest = longer
    mine = weight[:, None] * given[:, studied]
    by_rest: Array = rest.T @ mine
    if match == "rest":
        return by_rest
    total = np.zeros((len(by_rest) + points - 1, points))
    for s in range(points):
        total[s : s + len(by_rest), s] = by_rest[:, s]
    return total
