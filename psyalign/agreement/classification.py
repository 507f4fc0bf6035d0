"""Decision consistency and accuracy from one administration (Livingston and Lewis, 1995)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import bdtrc, betainc, betaincinv, roots_legendre

from psyalign.agreement.cuts import ALL_CUTS, checked_cuts
from psyalign.agreement.sums import ratio
from psyalign.foundation.errors import UsageError

__all__ = ["DecisionModel", "livingston_lewis"]

Array = npt.NDArray[np.float64]

# Nodes between two cuts, on the scale of the true scores' cumulative probability.
NODES = 400


@dataclass(frozen=True, repr=False)
class DecisionModel:
    """Result of `livingston_lewis`.

    Attributes
    ----------
    table : pandas.DataFrame
        A row a cut, and "all" for the categories that all cuts make: cut, rate (share expected at or
        above it), true_rate, accuracy (chance that the decision is the one of the true score),
        false_positive, false_negative (shares of all), consistency (chance of the same decision on a
        parallel form), kappa (consistency beyond chance), reason.
    effective_length : int
        Number of binomial trials as reliable as the test.
    true : tuple of float
        Beta distribution of true scores: shapes a, b; lower and upper end, as shares of the range.
    model : str
        "four-parameter beta", "beta with one end fixed" or "two-parameter beta" (both ends fixed).
    """

    table: pd.DataFrame
    effective_length: int
    true: tuple[float, float, float, float]
    model: str

    def __repr__(self) -> str:
        head = f"Livingston-Lewis: effective length {self.effective_length}, {self.model}"
        return head + "\n" + self.table.to_string(index=False, float_format=lambda value: f"{value:.3f}")


def livingston_lewis(
    scores: npt.ArrayLike, reliability: float, cuts: Sequence[float], *, low: float, high: float
) -> DecisionModel:
    """Decision accuracy and consistency at cut scores, from one set of scores and their reliability.

    Parameters
    ----------
    scores : array_like, shape (n,)
        A person's score that is decided on (say, a total or mean over items); one a person.
    reliability : float
        Of that score, above 0 and below 1.
    cuts : sequence of float
        Increasing, above `low` and at most `high`; a score at or above a cut passes it.
    low, high : float
        Lowest and highest possible score.

    Raises
    ------
    UsageError
        Reliability or cuts out of range; a score outside of [low, high].

    Notes
    -----
    Effective length: ((mean − low)(high − mean) − reliability · var) / (var (1 − reliability)), rounded;
    var with ddof 1. Scores moved to 0..effective length have binomial errors given a true score; its
    first four moments come from factorial moments (Lord, 1965; Hanson, 1991) and give a four-parameter
    beta distribution; where an end lies outside of [0, 1] it is fixed there and three moments give
    the rest, and where they do not, both ends are fixed. A cut is
    placed at its share of the range; of a number of trials it takes the next whole one. The margins are
    the model's: the final adjustment to the observed margins in the paper's section on
    the joint table is not made.

    References
    ----------
    Livingston, S. A., & Lewis, C. (1995). Estimating the consistency and accuracy of classifications
    based on test scores. JEM 32, 179-197. Hanson, B. A. (1991). Method of moments estimates for the
    four-parameter beta compound binomial model. ACT Research Report 91-5.
    """
    x, cuts = _checked(scores, reliability, cuts, low, high)
    share = (x - low) / (high - low)
    mean, var = (float(share.mean()), float(share.var(ddof=1))) if len(x) > 1 else (float("nan"), 0.0)
    if not var > 1e-14:
        return _none(cuts, "the scores do not vary" if len(x) > 1 else "too few scores")
    length = max(round((mean * (1 - mean) - reliability * var) / (var * (1 - reliability))), 1)
    shapes = _beta(_true_moments(share, length))
    if shapes is None:
        return _none(cuts, "the moments of the scores give no distribution of true scores")
    true, model = shapes
    places = [(cut - low) / (high - low) for cut in cuts]
    passed = [int(np.ceil(length * place - 1e-9)) for place in places]
    return DecisionModel(_figures(cuts, places, passed, length, true), length, true, model)


def _checked(
    scores: npt.ArrayLike, reliability: float, cuts: Sequence[float], low: float, high: float
) -> tuple[Array, tuple[float, ...]]:
    cuts = checked_cuts(cuts)
    if not 0 < reliability < 1:
        raise UsageError("The reliability lies above 0 and below 1.", where=f"reliability {reliability}")
    if not low < high or cuts[0] <= low or cuts[-1] > high:
        raise UsageError("Cuts lie above the lowest and at most at the highest score.", where="cuts")
    x = np.asarray(scores, dtype=float).ravel()
    x = x[np.isfinite(x)]
    if len(x) and (x.min() < low - 1e-9 or x.max() > high + 1e-9):
        raise UsageError(
            "A score lies outside of the range.", where=f"{low} to {high}", mend="Trim the scores."
        )
    return x, cuts


def _true_moments(share: Array, length: int) -> Array:
    """First four raw moments of the true share: E[x(x − 1)...] over N(N − 1)..., as far as N allows."""
    x, above, below, out = share * length, np.ones_like(share), 1.0, []
    for k in range(min(4, length)):
        above, below = above * (x - k), below * (length - k)
        out.append(above.mean() / below)
    return np.array(out)


def _beta(raw: Array) -> tuple[tuple[float, float, float, float], str] | None:
    """Beta distribution of these moments; None if the variance allows none."""
    if len(raw) < 2:
        return None
    mean, var = float(raw[0]), float(raw[1] - raw[0] ** 2)
    if not (0 < mean < 1 and 0 < var < mean * (1 - mean)):
        return None
    four = _four(mean, var, raw) if len(raw) == 4 else None
    if four is not None and four[2] >= 0 and four[3] <= 1:
        return four, "four-parameter beta"
    if four is not None:
        third = float(raw[2] - 3 * mean * raw[1] + 2 * mean**3)
        three = _one_end_free(mean, var, third, low_free=four[2] >= 0)
        if three is not None:
            return three, "beta with one end fixed"
    a, b = _shapes(mean, var)
    return (a, b, 0.0, 1.0), "two-parameter beta"


def _shapes(mean: float, var: float) -> tuple[float, float]:
    """Shapes of the beta distribution on [0, 1] with this mean and variance."""
    total = mean * (1 - mean) / var - 1
    return mean * total, (1 - mean) * total


def _one_end_free(
    mean: float, var: float, third: float, *, low_free: bool
) -> tuple[float, float, float, float] | None:
    """Three moments, the low end fixed at 0 or (`low_free`) the high end at 1; None if they don't fit."""
    if low_free:  # the mirror image
        mirrored = _one_end_free(1 - mean, var, -third, low_free=False)
        return None if mirrored is None else (mirrored[1], mirrored[0], 1 - mirrored[3], 1.0)

    from scipy.optimize import brentq  # takes as long to load as pandas

    def excess(high: float) -> float:
        a, b = _shapes(mean / high, var / high**2)
        skew = 2 * (b - a) * np.sqrt(a + b + 1) / ((a + b + 2) * np.sqrt(a * b))
        return float(skew - third / var**1.5)

    least = (mean + var / mean) * (1 + 1e-9)  # below it no beta has this variance
    if least >= 1 or excess(least) * excess(1.0) > 0:
        return None
    high = float(brentq(excess, least, 1.0))
    return (*_shapes(mean / high, var / high**2), 0.0, high)


def _four(mean: float, var: float, raw: Array) -> tuple[float, float, float, float] | None:
    """Hanson's (1991) solution by skewness and kurtosis; its ends may lie outside of [0, 1]."""
    third = raw[2] - 3 * mean * raw[1] + 2 * mean**3
    fourth = raw[3] - 4 * mean * raw[2] + 6 * mean**2 * raw[1] - 3 * mean**4
    skew2, kurt = third**2 / var**3, fourth / var**2
    below = 6 + 3 * skew2 - 2 * kurt
    if not below > 0:
        return None
    r = 6 * (kurt - skew2 - 1) / below
    if not r > 0:
        return None
    root = 24 * (r + 1) / ((r + 2) * (r + 3) * kurt - 3 * (r - 6) * (r + 1))
    if not 0 <= root <= 1:
        return None
    small, large = r / 2 * (1 - np.sqrt(1 - root)), r / 2 * (1 + np.sqrt(1 - root))
    a, b = (small, large) if third > 0 else (large, small)
    if not min(a, b) > 0:
        return None
    width = (a + b) * np.sqrt(var * (a + b + 1) / (a * b))
    low = mean - width * a / (a + b)
    return float(a), float(b), float(low), float(low + width)


def _figures(
    cuts: tuple[float, ...],
    places: list[float],
    passed: list[int],
    length: int,
    true: tuple[float, float, float, float],
) -> pd.DataFrame:
    """Integrals over the true scores, by Gauss-Legendre between cuts, in cumulative probability."""
    a, b, lower, upper = true
    edges = [betainc(a, b, np.clip((place - lower) / (upper - lower), 0, 1)) for place in places]
    tau, weight, category = _nodes(np.array([0.0, *edges, 1.0]), a, b, lower, upper)
    reach = [bdtrc(c - 1, length, tau) for c in passed]  # P(pass | true score)
    rows: list[dict[str, object]] = []
    for place, (cut, p) in enumerate(zip(cuts, reach, strict=True), 1):
        is_in = category >= place
        rate = float(weight @ p)
        figures = {
            "rate": rate,
            "true_rate": float(weight @ is_in),
            "accuracy": float(weight @ np.where(is_in, p, 1 - p)),
            "false_positive": float(weight @ np.where(is_in, 0, p)),
            "false_negative": float(weight @ np.where(is_in, 1 - p, 0)),
            "consistency": float(weight @ (p * p + (1 - p) ** 2)),
        }
        rows.append(
            {"cut": cut, **figures, "kappa": _kappa(figures["consistency"], np.array([rate, 1 - rate]))}
        )
    steps = np.vstack([np.ones_like(tau), *reach, np.zeros_like(tau)])
    chance = steps[:-1] - steps[1:]
    consistency = float(weight @ (chance**2).sum(axis=0))
    overall = {
        "accuracy": float(weight @ chance[category, np.arange(len(tau))]),
        "consistency": consistency,
        "kappa": _kappa(consistency, chance @ weight),
    }
    table = pd.DataFrame([*rows, {"cut": ALL_CUTS, **overall}])
    return table.assign(reason="")


def _nodes(
    edges: Array, a: float, b: float, lower: float, upper: float
) -> tuple[Array, Array, npt.NDArray[np.int64]]:
    """True scores, their weights and their categories."""
    nodes, weights = roots_legendre(NODES)
    tau, mass, category = [], [], []
    for place, (start, end) in enumerate(pairwise(edges)):
        if end > start:
            u = start + (end - start) * (nodes + 1) / 2
            tau.append(lower + (upper - lower) * betaincinv(a, b, u))
            mass.append(weights * (end - start) / 2)
            category.append(np.full(NODES, place))
    return np.concatenate(tau), np.concatenate(mass), np.concatenate(category)


def _kappa(agree: float, margins: Array) -> float:
    by_chance = float((margins**2).sum())
    return float(1 - ratio(np.array([1 - agree]), np.array([1 - by_chance]))[0])


def _none(cuts: tuple[float, ...], reason: str) -> DecisionModel:
    names = ("rate", "true_rate", "accuracy", "false_positive", "false_negative", "consistency", "kappa")
    rows = [{"cut": cut, **dict.fromkeys(names, float("nan")), "reason": reason} for cut in (*cuts, ALL_CUTS)]
    nan = float("nan")
    return DecisionModel(pd.DataFrame(rows), 0, (nan, nan, nan, nan), "none")
