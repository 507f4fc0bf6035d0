"""Sums that every statistic of two scores is made of, and the statistics from them.

One kernel for the sample and for its resamples: sums of persons, times weights, are the sums of a resample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["KERNEL", "PairSums", "pair_kernel", "pair_sums", "ratio"]

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

# What `pair_kernel` returns; the statistics of score points only from sums that have them.
KERNEL = (
    "n", "human_mean", "human_sd", "score_mean", "score_sd", "r", "qwk", "r2", "kappa", "kappa_linear",
    "exact", "adjacent", "smd", "smd_pooled", "rmse", "mse", "sd_ratio",
)  # fmt: skip
POINTWISE = ("kappa", "kappa_linear", "exact", "adjacent")
MOMENTS = ("n", "h", "hh", "m", "mm", "hm", "d", "dd", "exact", "adjacent", "same", "apart")
# Rounding leaves a constant with a variance of about 1e-32.
NOTHING = 1e-14


@dataclass(frozen=True)
class PairSums:
    """Sums by person of one set of pairs (human, machine).

    Attributes
    ----------
    table : array (P, C)
        Eight sums of moments; with `points` four of agreement, then counts of the human score at each
        score point, then of the machine's.
    points : array (K,), optional
        Score points that occur (rounded).
    centre : (float, float)
        Subtracted from the human and the machine score before squaring.
    """

    table: Array
    points: Array | None
    centre: tuple[float, float]


def pair_sums(
    human: Array, score: Array, person: Codes, n_persons: int, *, pointwise: bool = True
) -> PairSums:
    """Sums over a person's pairs; pairs with a missing or infinite score are left out.

    Parameters
    ----------
    human, score : array (n,)
        Human score; machine score (or another human's). Fractions allowed.
    person : array (n,) of int
        Codes from 0 to n_persons − 1.
    pointwise : bool
        With the sums that `POINTWISE` takes. Without them the table has a third of the columns.
    """
    known = np.isfinite(human) & np.isfinite(score)
    h, m, who = human[known], score[known], person[known]
    centre = (float(h.mean()), float(m.mean())) if len(h) else (0.0, 0.0)
    gap, a, b = m - h, h - centre[0], m - centre[1]
    columns = [np.ones_like(h), a, a * a, b, b * b, a * b, gap, gap * gap]
    if not pointwise:
        sums = [np.bincount(who, weights=column, minlength=n_persons) for column in columns]
        return PairSums(np.column_stack(sums), None, centre)
    h_point, m_point = np.rint(h), np.rint(m)
    points = np.unique(np.concatenate([h_point, m_point]))
    step = np.abs(h_point - m_point)
    columns += [(gap == 0).astype(float), (np.abs(gap) <= 1).astype(float), (step == 0).astype(float), step]
    sums = [np.bincount(who, weights=column, minlength=n_persons) for column in columns]
    k = len(points)
    for values in (h_point, m_point):
        cells = who * k + np.searchsorted(points, values)
        sums += list(np.bincount(cells, minlength=n_persons * k).reshape(n_persons, k).T.astype(float))
    return PairSums(np.column_stack(sums), points, centre)


def pair_kernel(sums: PairSums, weights: Array, unit: Mapping[str, Array] | None = None) -> dict[str, Array]:
    """Statistics of two scores for each row of person weights.

    Parameters
    ----------
    weights : array (B, P)
        How often each person counts.
    unit : mapping, optional
        human_sd and score_sd, (B,), of the population that smd and smd_pooled are standardised by;
        default: those of these pairs.

    Returns
    -------
    dict of str to array (B,)
        Keys `KERNEL`, without `POINTWISE` from sums that have no points; NaN where undefined.
        Conventions: see `pair_metrics`.
    """
    total = weights @ sums.table
    with np.errstate(invalid="ignore", divide="ignore"):
        n = np.where(total[:, 0] > 0, total[:, 0], np.nan)
        means = {name: total[:, column] / n for column, name in enumerate(MOMENTS[: total.shape[1]])}
        h, m, bias, mse = means["h"], means["m"], means["d"], means["dd"]
        var_h, var_m = np.maximum(means["hh"] - h * h, 0), np.maximum(means["mm"] - m * m, 0)
        cov = means["hm"] - h * m
        spread = np.where(n > 1, n / (n - 1), np.nan)
        sd_h, sd_m = np.sqrt(var_h * spread), np.sqrt(var_m * spread)
        unit_h, unit_m = (sd_h, sd_m) if unit is None else (unit["human_sd"], unit["score_sd"])
        return {
            "n": total[:, 0],
            "human_mean": h + sums.centre[0],
            "human_sd": sd_h,
            "score_mean": m + sums.centre[1],
            "score_sd": sd_m,
            "r": ratio(cov, np.sqrt(var_h * var_m)),
            "qwk": ratio(2 * cov, var_h + var_m + bias**2),
            "r2": 1 - ratio(mse, var_h),
            **({} if sums.points is None else _pointwise(total, n, means, sums.points)),
            "smd": ratio(bias, unit_h),
            "smd_pooled": ratio(bias, np.sqrt((unit_h**2 + unit_m**2) / 2)),
            "rmse": np.sqrt(mse),
            "mse": mse,
            "sd_ratio": ratio(sd_m, sd_h),
        }


def _pointwise(total: Array, n: Array, means: dict[str, Array], points: Array) -> dict[str, Array]:
    """`POINTWISE`; kappas from margins; chance disagreement 0 (one score point) leaves them NaN."""
    start, k = len(MOMENTS), len(points)
    by_h, by_m = total[:, start : start + k] / n[:, None], total[:, start + k :] / n[:, None]
    apart = np.einsum("bi,ij,bj->b", by_h, np.abs(points[:, None] - points[None, :]), by_m)
    by_chance = 1 - (by_h * by_m).sum(axis=1)
    return {
        "kappa": 1 - ratio(1 - means["same"], by_chance),
        "kappa_linear": 1 - ratio(means["apart"], apart),
        "exact": means["exact"],
        "adjacent": means["adjacent"],
    }


def ratio(above: Array, below: Array) -> Array:
    """Quotient, NaN where the denominator is 0 but for rounding."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > NOTHING)
