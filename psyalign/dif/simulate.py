"""Simulated scores by the graded response model, and the exact cell probabilities that it implies.

Nothing here describes real persons: the scores serve to show what the DIF methods do where the
truth is known, and how many persons a planned analysis needs.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, special, stats

from psyalign.dif.counts.points import ItemCounts
from psyalign.foundation.errors import DataError, UsageError

__all__ = [
    "GradedItems",
    "count_item",
    "default_items",
    "expected_counts",
    "grade",
    "items_like",
    "simulate_grm",
]

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Scores = npt.NDArray[np.int8]

# Scores drawn at a time: the working arrays of a block stay in the processor's cache.
BLOCK = 250_000
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


def simulate_grm(
    n_reference: int,
    n_focal: int,
    *,
    slopes: npt.ArrayLike,
    thresholds: npt.ArrayLike,
    impact: float = 0.0,
    shift: npt.ArrayLike = 0.0,
    slope_ratio: npt.ArrayLike = 1.0,
    noise: npt.ArrayLike = 1.0,
    replications: int = 1,
    seed: int | np.random.Generator = 1,
) -> tuple[Scores, Counts]:
    """Simulated scores by the graded response model, with DIF of known kind and size.

    The reference group's ability is N(0, 1), the focal group's N(-impact, 1). For a focal person
    logit P(Y >= j) = (slope_ratio x a x theta - a x (b_j + shift)) / noise; for a reference person
    a x theta - a x b_j.

    Parameters
    ----------
    n_reference, n_focal : int
        Persons per group.
    slopes, thresholds : array_like (I,), (I, S - 1)
        See `GradedItems`; `**default_items()._asdict()` supplies both.
    impact : float
        How far the focal group's mean ability lies below the reference group's, in SD.
    shift : array_like, scalar, (I,) or (I, S - 1)
        Added to the focal thresholds: uniform DIF (above 0: harder for focal), or for single score
        points.
    slope_ratio : array_like, scalar or (I,)
        How much ability counts in the focal group; the points where theta = 0 stands stay where
        they are. Non-uniform DIF: what group x match sees.
    noise : array_like, scalar or (I,)
        Scale of the error of the focal group's scores. 2 is half the discrimination around the same
        thresholds: scale DIF, what the location-scale model sees.
    replications : int
        Samples R.
    seed : int or numpy.random.Generator

    Returns
    -------
    scores : array of int8, (R, N, I)
        The reference group's persons first.
    group : array of int, (N,)
        0 reference, 1 focal.

    References
    ----------
    Samejima, F. (1969). Psychometrika Monograph 17.

    Examples
    --------
    >>> scores, group = simulate_grm(3, 2, **default_items(4)._asdict(), replications=10)
    >>> scores.shape, group.tolist()
    ((10, 5, 4), [0, 0, 0, 1, 1])
    """
    rng = np.random.default_rng(seed)
    items = _checked(slopes, thresholds)
    parameters = [_logits(items), _logits(items, shift, slope_ratio, noise)]
    sizes, means = (n_reference, n_focal), (0.0, -impact)
    parts = [
        grade(rng.standard_normal((replications, size)) + mean, loading, intercepts, rng)
        for size, mean, (loading, intercepts) in zip(sizes, means, parameters, strict=True)
    ]
    return np.concatenate(parts, axis=1), np.repeat([0, 1], sizes)


def grade(theta: Array, loading: Array, intercepts: Array, rng: np.random.Generator) -> Scores:
    """Scores (..., I) of persons of ability theta (...): logit P(Y >= j) = loading theta - intercept_j."""
    flat = np.asarray(theta, dtype=np.float32).ravel()
    load, cuts = loading.astype(np.float32), intercepts.astype(np.float32)
    out: Scores = np.zeros((len(flat), len(load)), dtype=np.int8)
    step = max(BLOCK // max(len(load), 1), 1)
    for start in range(0, len(flat), step):
        block = flat[start : start + step, None]
        # a logistic error; uniform numbers are kept off 0, whose logarithm is infinite
        draws = np.maximum(rng.random((len(block), len(load)), dtype=np.float32), np.float32(2**-25))
        latent = np.log(draws) - np.log1p(-draws) + block * load
        for j in range(cuts.shape[1]):
            out[start : start + step] += latent > cuts[:, j]
    return out.reshape(*np.shape(theta), len(load))


def count_item(
    scores: npt.NDArray[np.integer],
    group: npt.NDArray[np.integer],
    studied: int = 0,
    *,
    match: Literal["total", "rest"] | npt.NDArray[np.integer] = "total",
    n_points: int | None = None,
) -> ItemCounts:
    """Counts of one item in every replication, for the kernels.

    Parameters
    ----------
    scores : array of int, (R, N, I)
        Scores from 0.
    group : array of int, (N,)
        0 reference, 1 focal.
    studied : int
        Position of the item.
    match : {"total", "rest"} or array of int (R, N)
        Sum of all scores, the same without the studied item, or a given stratum.
    n_points : int, optional
        Score points S; default the largest score + 1.

    Returns
    -------
    ItemCounts
        n (R, K, 2, S); strata are the matching values that anybody has in any replication.
    """
    y = scores[..., studied].astype(np.int64)
    if isinstance(match, str):
        matched = scores.sum(axis=-1, dtype=np.int64) - (y if match == "rest" else 0)
    else:
        matched = np.asarray(match, dtype=np.int64)
    lowest = int(matched.min())
    points = n_points or int(y.max()) + 1
    shape = (len(y), int(matched.max()) - lowest + 1, 2, points)
    place = np.arange(len(y))[:, None] * shape[1] + matched - lowest
    place = (place * 2 + group) * points + y
    n = np.bincount(place.ravel(), minlength=int(np.prod(shape))).reshape(shape).astype(float)
    there = n.any(axis=(0, 2, 3))
    return ItemCounts(
        n[:, there], (lowest + np.flatnonzero(there)).astype(float), np.arange(points, dtype=float)
    )


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
    items = _checked(slopes, thresholds)
    parts = []
    for size, mean, (loading, intercepts) in (
        (n_reference, 0.0, _logits(items)),
        (n_focal, -impact, _logits(items, shift, slope_ratio, noise)),
    ):
        weight = stats.norm.pdf(GRID)
        given = _category_probabilities(GRID + mean, loading, intercepts)
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


def _category_probabilities(theta: Array, loading: Array, intercepts: Array) -> Array:
    """P(Y = s), (Q, I, S)."""
    above = special.expit(theta[:, None, None] * loading[:, None] - intercepts)
    ends = np.ones((*above.shape[:2], 1))
    return -np.diff(np.concatenate([ends, above, 0 * ends], axis=-1), axis=-1)


def _logits(
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


def _checked(slopes: npt.ArrayLike, thresholds: npt.ArrayLike) -> GradedItems:
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
    given = _category_probabilities(GRID, *_logits(items))
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
