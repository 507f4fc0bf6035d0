"""Simulated scores by the graded response model, and their counts by matching score."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.simulation.graded import checked_items, logits

__all__ = ["count_item", "grade", "simulate_grm"]

Array = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Scores = npt.NDArray[np.int8]

# Scores drawn at a time: the working arrays of a block stay in the processor's cache.
BLOCK = 250_000


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
    >>> from psyalign.dif.simulation.graded import default_items
    >>> scores, group = simulate_grm(3, 2, **default_items(4)._asdict(), replications=10)
    >>> scores.shape, group.tolist()
    ((10, 5, 4), [0, 0, 0, 1, 1])
    """
    rng = np.random.default_rng(seed)
    items = checked_items(slopes, thresholds)
    parameters = [logits(items), logits(items, shift, slope_ratio, noise)]
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
