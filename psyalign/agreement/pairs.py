"""Agreement of two columns of scores: one row of RSMTool's evaluation, with its formulas."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.agreement.sums import KERNEL, pair_kernel, pair_sums
from psyalign.foundation.errors import DataError

__all__ = ["PAIR_METRICS", "confusion_table", "distribution_table", "dsm", "pair_metrics", "why_undefined"]

Array = npt.NDArray[np.float64]

PAIR_METRICS = (*KERNEL[:3], "human_min", "human_max", *KERNEL[3:5], "score_min", "score_max", *KERNEL[5:])
# What a metric needs to vary; `qwk` is 0 where only one side is constant, and undefined where both are
# and agree.
HUMAN_VARIES = ("r", "r2", "smd", "sd_ratio")


def pair_metrics(
    human: npt.ArrayLike,
    score: npt.ArrayLike,
    *,
    human_sd: float | None = None,
    score_sd: float | None = None,
) -> dict[str, float]:
    """Agreement of machine scores (or a second human's) with human scores.

    Parameters
    ----------
    human, score : array_like, shape (n,)
        Pairs with a missing or infinite score are left out.
    human_sd, score_sd : float, optional
        SDs of the population that smd and smd_pooled are standardised by: RSMTool's "johnson" and
        "williamson"; default those of these pairs: its "unpooled" and "pooled".

    Returns
    -------
    dict
        `PAIR_METRICS`, NaN where undefined (`why_undefined` says why):

        - n; mean, sd (ddof 1), min and max of human and score
        - r: Pearson
        - qwk: 2 Cov / (Var + Var + (difference of means)²), ddof 0: for whole scores the quadratically
          weighted kappa, for fractions Haberman's (2019) extension (`qwk_continuous` elsewhere)
        - r2: 1 − SSE / SST of the human score, not r² (it can be negative)
        - kappa, kappa_linear: Cohen's, of both scores rounded (ties to even)
        - exact, adjacent: shares (0 to 1) of equal scores and of scores at most 1 apart, *not*
          rounded; RSMTool prints percent
        - smd: (mean score − mean human) / SD of human; smd_pooled: over sqrt((SD² + SD²) / 2)
        - rmse, mse (divisor n), sd_ratio: SD of score / SD of human

    Raises
    ------
    DataError
        Columns of different length.

    References
    ----------
    Madnani, N., & Loukina, A. (2016). RSMTool. JOSS 1(3), 33. Haberman, S. J. (2019). ETS Research
    Report RR-19-46. Williamson, D. M., Xi, X., & Breyer, F. J. (2012). EM:IP 31, 2-13.
    """
    h, m = _pairs(human, score)
    sums = pair_sums(h, m, np.zeros(len(h), dtype=np.int64), 1)
    unit = None
    if human_sd is not None or score_sd is not None:
        plain = pair_kernel(sums, np.ones((1, 1)))
        given = {"human_sd": human_sd, "score_sd": score_sd}
        unit = {k: plain[k] if v is None else np.array([float(v)]) for k, v in given.items()}
    found = {name: float(value[0]) for name, value in pair_kernel(sums, np.ones((1, 1)), unit).items()}
    for name, values in (("human", h), ("score", m)):
        found[f"{name}_min"] = float(values.min()) if len(values) else float("nan")
        found[f"{name}_max"] = float(values.max()) if len(values) else float("nan")
    return {name: found[name] for name in PAIR_METRICS}


def why_undefined(found: Mapping[str, float]) -> dict[str, str]:
    """Reason for each metric of `pair_metrics` that is NaN, in words.

    RSMTool reports 1 for kappa where both columns hold one and the same score point; here it is
    undefined, as 0 of 0 says nothing about agreement beyond chance.
    """
    return {name: _reason(name, found) for name, value in found.items() if np.isnan(value)}


def _reason(name: str, found: Mapping[str, float]) -> str:
    if not found["n"] > 0:
        return "no pair of scores"
    if not found["n"] > 1 and name not in ("qwk", "kappa", "kappa_linear"):
        return "only one pair of scores"
    constant = [side for side in ("human", "score") if found[f"{side}_min"] == found[f"{side}_max"]]
    if name in HUMAN_VARIES and "human" in constant:
        return "the human scores do not vary"
    if name == "r" and constant:
        return "the machine scores do not vary"
    return "neither score varies" if len(constant) == 2 else "no disagreement is possible by chance"


def dsm(
    human: npt.ArrayLike,
    score: npt.ArrayLike,
    *,
    human_mean: float,
    human_sd: float,
    score_mean: float,
    score_sd: float,
) -> float:
    """Difference of standardised means: mean of z(score) − z(human) over the pairs of a group.

    Means and SDs (ddof 1) are those of the population (RSMTool: the whole evaluation set), so that a
    machine with another mean and spread than the humans' still has DSM 0 if groups keep their places.
    NaN without pairs, or with an SD of 0.

    References
    ----------
    Madnani & Loukina (2016), RSMTool's `difference_of_standardized_means`.
    """
    h, m = _pairs(human, score)
    if not len(h) or not (human_sd > 1e-7 and score_sd > 1e-7):
        return float("nan")
    return float(((m - score_mean) / score_sd - (h - human_mean) / human_sd).mean())


def confusion_table(human: npt.ArrayLike, score: npt.ArrayLike) -> pd.DataFrame:
    """Counts of rounded score points: human scores in rows, machine scores in columns, both complete."""
    h, m = (np.rint(values) for values in _pairs(human, score))
    points = np.unique(np.concatenate([h, m]))
    k = len(points)
    cells = np.searchsorted(points, h) * k + np.searchsorted(points, m)
    counts = np.bincount(cells, minlength=k * k).reshape(k, k)
    labels = points.astype(np.int64)
    return pd.DataFrame(counts, pd.Index(labels, name="human"), pd.Index(labels, name="score"))


def distribution_table(human: npt.ArrayLike, score: npt.ArrayLike) -> pd.DataFrame:
    """Percent of human and of machine scores at each rounded score point, and machine minus human.

    Columns point, human, score, difference. RSMTool flags a difference above 5 points of percent.
    """
    counts = confusion_table(human, score)
    n = max(int(counts.to_numpy().sum()), 1)
    by_human = 100 * counts.sum(axis=1).to_numpy() / n
    by_score = 100 * counts.sum(axis=0).to_numpy() / n
    return pd.DataFrame(
        {"point": counts.index, "human": by_human, "score": by_score, "difference": by_score - by_human}
    )


def _pairs(human: npt.ArrayLike, score: npt.ArrayLike) -> tuple[Array, Array]:
    h, m = (np.asarray(values, dtype=float).ravel() for values in (human, score))
    if len(h) != len(m):
        raise DataError("Human and machine scores differ in number.", where=f"{len(h)}, {len(m)}")
    known = np.isfinite(h) & np.isfinite(m)
    return h[known], m[known]
