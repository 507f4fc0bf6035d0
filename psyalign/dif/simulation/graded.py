"""Items of the graded response model: plausible ones, or ones like those of a real table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, special, stats

from psyalign.foundation.errors import DataError, UsageError

__all__ = [
    "GRID",
    "GradedItems",
    "category_probabilities",
    "checked_items",
    "default_items",
    "items_like",
    "logits",
]

Array = npt.NDArray[np.float64]

# Ability is integrated over an even grid, which is exact to rounding for smooth functions of a normal.
GRID = np.linspace(-7.0, 7.0, 141)
# Slopes between which `items_like` looks for the reliability that it was asked for.
SLOPES = (0.05, 10.0)


class GradedItems(NamedTuple):
    """Item parameters: `slopes` (I,) and ascending `thresholds` (I, S - 1), on the scale of the ability.

    P(Y >= j) = 1 / (1 + exp(-a (theta - b_j))). An item with fewer points than others ends in
    thresholds of infinity.
    """

    slopes: Array
    thresholds: Array


def default_items(
    n_items: int = 20, n_points: int = 5, *, seed: int | np.random.Generator = 1
) -> GradedItems:
    """Plausible items for constructed responses scored 0 to n_points - 1.

    Slopes are log-normal around 1.3 and kept within .8 and 2; thresholds are 1.5 times the
    normal quantiles of 1/S, 2/S, ..., moved by the item's difficulty (normal, SD .5, within
    1.5) and by up to .2 each.

    Returns
    -------
    GradedItems
    """
    if n_items < 1 or n_points < 2:
        raise UsageError("At least one item with two score points is needed.")
    rng = np.random.default_rng(seed)
    slopes = np.clip(1.3 * np.exp(0.25 * rng.standard_normal(n_items)), 0.8, 2.0)
    difficulty = np.clip(0.5 * rng.standard_normal(n_items), -1.5, 1.5)
    spread = 1.5 * stats.norm.ppf(np.arange(1, n_points) / n_points)
    jitter = rng.uniform(-0.2, 0.2, (n_items, n_points - 1))
    return GradedItems(slopes, np.sort(difficulty[:, None] + spread + jitter, axis=1))


def items_like(scores: pd.DataFrame, *, alpha: float | None = None) -> GradedItems:
    """Items with the score distribution and the reliability of a table of scores.

    Thresholds reproduce each item's proportions of scores; one slope for all items reproduces
    Cronbach's alpha. Score points are the whole numbers 0 to the item's maximum (after the
    item's minimum is taken off); fractions are rounded, halves up. Group differences are not
    taken from the table: they are asked for as `impact`.

    Parameters
    ----------
    scores : pandas.DataFrame
        Persons x items; NaN is missing.
    alpha : float, optional
        Reliability to reproduce; default that of the table (from pairwise covariances).

    Raises
    ------
    DataError
        Fewer than two items with different scores, or a reliability that no slope yields.
    """
    whole = scores.astype(float).add(0.5).floordiv(1)
    whole = (whole - whole.min()).loc[:, whole.nunique() > 1]
    if whole.shape[1] < 2:
        raise DataError("Two items with differing scores are needed.", where="scores")
    top = int(whole.max().max())
    above = np.column_stack([(whole >= j).sum() / whole.notna().sum() for j in range(1, top + 1)])
    wanted = _alpha(whole.cov().to_numpy()) if alpha is None else alpha

    def miss(log_slope: float) -> float:
        return _model_alpha(_thresholds(above, float(np.exp(log_slope)))) - wanted

    low, high = np.log(SLOPES)
    if not (miss(low) < 0 < miss(high)):
        raise DataError(f"No slope gives these items a reliability of {wanted:.2f}.", where="scores")
    return _thresholds(above, float(np.exp(optimize.brentq(miss, low, high, xtol=1e-6))))


def category_probabilities(theta: Array, loading: Array, intercepts: Array) -> Array:
    """P(Y = s), (Q, I, S)."""
    above = special.expit(theta[:, None, None] * loading[:, None] - intercepts)
    ends = np.ones((*above.shape[:2], 1))
    return -np.diff(np.concatenate([ends, above, 0 * ends], axis=-1), axis=-1)


def logits(
    items: GradedItems,
    shift: npt.ArrayLike = 0.0,
    slope_ratio: npt.ArrayLike = 1.0,
    noise: npt.ArrayLike = 1.0,
) -> tuple[Array, Array]:
    """Loading (I,) and intercepts (I, S - 1): logit P(Y >= j) = loading theta - intercept_j."""
    moved = np.asarray(shift, dtype=float)
    if moved.ndim == 1:
        moved = moved[:, None]
    ratio, scale = np.asarray(slope_ratio, dtype=float), np.asarray(noise, dtype=float)
    if (scale <= 0).any():
        raise UsageError("noise is a scale: it must be above 0.")
    loading = items.slopes * ratio / scale
    steps = items.slopes / scale
    return loading, steps[:, None] * (items.thresholds + moved)


def checked_items(slopes: npt.ArrayLike, thresholds: npt.ArrayLike) -> GradedItems:
    items = GradedItems(np.asarray(slopes, dtype=float), np.asarray(thresholds, dtype=float))
    if items.slopes.ndim != 1 or items.thresholds.ndim != 2 or len(items.slopes) != len(items.thresholds):
        raise UsageError("Give one slope an item and a row of thresholds an item.")
    if (items.slopes <= 0).any() or (items.thresholds[:, 1:] < items.thresholds[:, :-1]).any():
        raise UsageError("Slopes must be above 0, and each item's thresholds must ascend.")
    return items


def _thresholds(above: Array, slope: float) -> GradedItems:
    """Thresholds (I, S - 1) at which P(Y >= j) over N(0, 1) is `above`; 0 becomes infinity."""
    weight = stats.norm.pdf(GRID) / stats.norm.pdf(GRID).sum()
    # P(Y >= j) falls with b: tabulate it finely and invert by interpolation
    b = np.linspace(-12, 12, 4801)
    reached = special.expit(slope * (GRID[:, None] - b)).T @ weight
    found = np.interp(above, reached[::-1], b[::-1])
    return GradedItems(np.full(len(above), slope), np.where(above <= 0, np.inf, found))


def _model_alpha(items: GradedItems) -> float:
    """Cronbach's alpha of the items in N(0, 1)."""
    weight = stats.norm.pdf(GRID) / stats.norm.pdf(GRID).sum()
    given = category_probabilities(GRID, *logits(items))
    points = np.arange(given.shape[-1])
    mean = given @ points
    within = given @ points**2 - mean**2
    centred = mean - weight @ mean
    covariance = (centred * weight[:, None]).T @ centred
    np.fill_diagonal(covariance, covariance.diagonal() + weight @ within)
    return _alpha(covariance)


def _alpha(covariance: Array) -> float:
    size = len(covariance)
    if not covariance.sum() > 0:
        return float("nan")
    return float(size / (size - 1) * (1 - covariance.trace() / covariance.sum()))
