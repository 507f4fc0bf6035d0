"""Evaluation against the human true score: the mean of endless ratings of the same response."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.agreement.sums import NOTHING, ratio
from psyalign.foundation.errors import DataError, UsageError

__all__ = ["TRUE_METRICS", "TrueScore", "true_kernel", "true_score", "true_sums"]

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

TRUE_METRICS = ("error_variance", "true_variance", "reliability", "mse_true", "rmse_true", "prmse")


@dataclass(frozen=True)
class TrueScore:
    """Result of `true_score`.

    Attributes
    ----------
    n, n_raters, n_single, n_multiple : int
        Responses; most ratings of one response; responses with one rating, with more.
    error_variance : float
        Variance of the error of one rating.
    true_variance : float
        Variance of the true scores; can be estimated below 0 (then there is no prmse).
    reliability : float
        Of one rating: true_variance / (true_variance + error_variance).
    mse_true, rmse_true : float
        (Root) mean squared error of the machine against the true score; the former can be below 0.
    prmse : float
        1 − mse_true / true_variance: R² of the machine score, as it is, against the true score.
    reason : str
        Why figures are NaN; "" if none is.
    """

    n: int
    n_raters: int
    n_single: int
    n_multiple: int
    error_variance: float
    true_variance: float
    reliability: float
    mse_true: float
    rmse_true: float
    prmse: float
    reason: str

    @property
    def table(self) -> pd.DataFrame:
        """One row."""
        return pd.DataFrame([asdict(self)])


def true_score(
    ratings: npt.ArrayLike, score: npt.ArrayLike, *, error_variance: float | None = None
) -> TrueScore:
    """PRMSE and its parts from any number of raters and any pattern of missing ratings.

    Parameters
    ----------
    ratings : array_like, shape (n, R) or (n,)
        Human ratings, NaN where there is none; `ratings_matrix` makes it from a long table.
    score : array_like, shape (n,)
        Machine scores. Responses without a score or without any rating are left out.
    error_variance : float, optional
        Variance of rater errors, taken as known. Default: from the responses with two ratings or
        more, Σ (c_i − 1) V_i / Σ (c_i − 1), V_i with ddof 1.

    Raises
    ------
    DataError
        Ratings and scores of different number.
    UsageError
        A negative error variance.

    Notes
    -----
    With c_i ratings of response i, their mean H_i, all ratings' mean H, N responses, C ratings:
    true_variance = (Σ c_i (H_i − H)² − (N − 1) error) / (C − Σ c_i² / C) and
    mse_true = (Σ c_i (H_i − M_i)² − N error) / C. Ratings' errors are taken to be independent, of one
    variance, and independent of the machine's.

    References
    ----------
    Loukina, A., Madnani, N., Cahill, A., Yao, L., Johnson, M. S., Riordan, B., & McCaffrey, D. F.
    (2020). Using PRMSE to evaluate automated scoring systems in the presence of label noise. BEA 15,
    18-29. Haberman, S. J. (2008). JEBS 33, 204-229.
    """
    rated, m = _checked(ratings, score)
    if error_variance is not None and not error_variance >= 0:
        raise UsageError("The variance of rater errors is 0 or above.", where=f"{error_variance}")
    sums = true_sums(rated, m, np.zeros(len(m), dtype=np.int64), 1)
    found = {k: float(v[0]) for k, v in true_kernel(sums, np.ones((1, 1)), error_variance).items()}
    counts = np.isfinite(rated).sum(axis=1)[np.isfinite(m)]
    counts = counts[counts > 0]
    single, multiple = int((counts == 1).sum()), int((counts > 1).sum())
    return TrueScore(
        n=len(counts),
        n_raters=int(counts.max()) if len(counts) else 0,
        n_single=single,
        n_multiple=multiple,
        **found,
        reason=_reason(found, len(counts), multiple if error_variance is None else 1),
    )


def true_sums(ratings: Array, score: Array, person: Codes, n_persons: int) -> Array:
    """Sums by person, (P, 8), that `true_kernel` takes; rows without score or rating are left out."""
    there = np.isfinite(ratings)
    known = there.any(axis=1) & np.isfinite(score)
    x, there, m, who = ratings[known], there[known], score[known], person[known]
    c = there.sum(axis=1).astype(float)
    filled = np.where(there, x, 0.0)
    mean = filled.sum(axis=1) / c if len(c) else c
    centre = float((c * mean).sum() / c.sum()) if len(c) else 0.0
    within = (np.where(there, x - mean[:, None], 0.0) ** 2).sum(axis=1)
    h = mean - centre
    columns = [np.ones_like(c), c, c * c, c * h, c * h * h, c * (mean - m) ** 2, within, c - 1]
    return np.column_stack([np.bincount(who, weights=column, minlength=n_persons) for column in columns])


def true_kernel(sums: Array, weights: Array, error_variance: float | None = None) -> dict[str, Array]:
    """`TRUE_METRICS` for each row of person weights (B, P); NaN where undefined."""
    with np.errstate(invalid="ignore", divide="ignore"):
        n, c, cc, h, hh, gap, within, free = (weights @ sums).T
        c = np.where(c > 0, c, np.nan)
        error = ratio(within, free) if error_variance is None else np.full_like(c, error_variance)
        true = ratio(hh - h * h / c - (n - 1) * error, c - cc / c)
        mse = (gap - n * error) / c
        return {
            "error_variance": error,
            "true_variance": true,
            "reliability": ratio(np.maximum(true, 0), np.maximum(true, 0) + error),
            "mse_true": mse,
            "rmse_true": np.sqrt(np.where(mse >= 0, mse, np.nan)),
            "prmse": 1 - ratio(mse, true),
        }


def _checked(ratings: npt.ArrayLike, score: npt.ArrayLike) -> tuple[Array, Array]:
    rated, m = np.asarray(ratings, dtype=float), np.asarray(score, dtype=float).ravel()
    if rated.ndim == 1:
        rated = rated[:, None]
    if rated.ndim != 2 or len(rated) != len(m):
        raise DataError("Ratings and machine scores differ in number.", where=f"{rated.shape}, {m.shape}")
    return rated, m


def _reason(found: dict[str, float], n: int, multiple: int) -> str:
    if not n:
        return "no response with a rating and a machine score"
    if not multiple:
        return "no response has two ratings, so the raters' error variance is unknown"
    if n == 1:
        return "only one response"
    if not found["true_variance"] > NOTHING:
        return "the raters' errors leave no variance of true scores"
    return (
        "the machine is nearer to the true score than the error variance allows"
        if found["mse_true"] < 0
        else ""
    )
