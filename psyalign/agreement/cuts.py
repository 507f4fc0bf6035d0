"""Machine against human decisions at cut scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.agreement.sums import ratio
from psyalign.foundation.errors import DataError, UsageError

__all__ = ["DECISION_METRICS", "categories", "checked_cuts", "decision_kernel", "decision_sums", "decisions"]

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

DECISION_METRICS = (
    "n", "human_rate", "rate", "accuracy", "sensitivity", "specificity", "ppv", "npv", "kappa",
)  # fmt: skip
ALL_CUTS = "all"


def decisions(human: npt.ArrayLike, score: npt.ArrayLike, cuts: Sequence[float]) -> pd.DataFrame:
    """How machine decisions agree with human ones: at each cut, and in all categories that the cuts make.

    A score at or above a cut passes it. Machine scores are taken as they are: round them first if
    decisions are made on rounded scores.

    Parameters
    ----------
    human, score : array_like, shape (n,)
        Pairs with a missing score are left out.
    cuts : sequence of float
        Increasing.

    Returns
    -------
    pandas.DataFrame
        A row a cut, and "all": cut, n, human_rate and rate (shares that pass, by human and machine
        score), accuracy (share of equal decisions), sensitivity (of those who pass by human
        score, the share who pass by machine), specificity (the same of those who fail), ppv,
        npv, kappa (unweighted). "all": accuracy and kappa over the categories. NaN where undefined.

    Raises
    ------
    UsageError
        No cut, or cuts that do not increase.
    """
    cuts = checked_cuts(cuts)
    h, m = (np.asarray(values, dtype=float).ravel() for values in (human, score))
    if len(h) != len(m):
        raise DataError("Human and machine scores differ in number.", where=f"{len(h)}, {len(m)}")
    sums = decision_sums(h, m, cuts, np.zeros(len(h), dtype=np.int64), 1)
    found = decision_kernel(sums, np.ones((1, 1)), cuts)
    places: tuple[float | str, ...] = (*cuts, ALL_CUTS)
    rows = [{"cut": cut, **{name: float(found[cut, name][0]) for name in DECISION_METRICS}} for cut in places]
    return pd.DataFrame(rows).astype({"n": int})


def categories(scores: npt.ArrayLike, cuts: Sequence[float]) -> Codes:
    """Category of each score: how many cuts it reaches."""
    return np.searchsorted(
        np.asarray(cuts, dtype=float), np.asarray(scores, dtype=float), side="right"
    ).astype(np.int64)


def decision_sums(human: Array, score: Array, cuts: Sequence[float], person: Codes, n_persons: int) -> Array:
    """Counts by person of human × machine category, (P, K²)."""
    known = np.isfinite(human) & np.isfinite(score)
    k = len(cuts) + 1
    cell = (person[known] * k + categories(human[known], cuts)) * k + categories(score[known], cuts)
    return np.bincount(cell, minlength=n_persons * k * k).reshape(n_persons, -1).astype(float)


def decision_kernel(
    sums: Array, weights: Array, cuts: Sequence[float]
) -> dict[tuple[float | str, str], Array]:
    """`DECISION_METRICS` by cut and for "all" categories, for each row of person weights (B, P)."""
    k = len(cuts) + 1
    table = (weights @ sums).reshape(len(weights), k, k)
    n = table.sum(axis=(1, 2))
    out: dict[tuple[float | str, str], Array] = {}
    for place, cut in enumerate(cuts, 1):
        yes, no = slice(place, None), slice(None, place)
        both, human, machine, neither = (
            table[:, rows, columns].sum(axis=(1, 2))
            for rows, columns in ((yes, yes), (yes, no), (no, yes), (no, no))
        )
        figures = {
            "n": n,
            "human_rate": ratio(both + human, n),
            "rate": ratio(both + machine, n),
            "accuracy": ratio(both + neither, n),
            "sensitivity": ratio(both, both + human),
            "specificity": ratio(neither, machine + neither),
            "ppv": ratio(both, both + machine),
            "npv": ratio(neither, human + neither),
        }
        by_chance = figures["human_rate"] * figures["rate"]
        by_chance = by_chance + (1 - figures["human_rate"]) * (1 - figures["rate"])
        figures["kappa"] = 1 - ratio(1 - figures["accuracy"], 1 - by_chance)
        out |= {(cut, name): value for name, value in figures.items()}
    accuracy = ratio(np.einsum("bii->b", table), n)
    by_chance = ratio((table.sum(axis=1) * table.sum(axis=2)).sum(axis=1), n * n)
    overall = dict.fromkeys(DECISION_METRICS, np.full(len(n), np.nan))
    overall |= {"n": n, "accuracy": accuracy, "kappa": 1 - ratio(1 - accuracy, 1 - by_chance)}
    return out | {(ALL_CUTS, name): value for name, value in overall.items()}


def checked_cuts(cuts: Sequence[float]) -> tuple[float, ...]:
    """Cuts as floats; a UsageError unless there is one and they increase."""
    found = tuple(float(cut) for cut in cuts)
    if not found or not all(np.isfinite(found)) or np.any(np.diff(found) <= 0):
        raise UsageError("Cut scores must be finite and increase.", where="cuts")
    return found
