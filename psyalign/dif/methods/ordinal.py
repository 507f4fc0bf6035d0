"""DIF by cumulative-logit regression: total, uniform and non-uniform, by likelihood ratio."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special, stats

from psyalign.dif.counts.cells import FOCAL, GROUPS, REFERENCE, Cells
from psyalign.dif.counts.moments import too_few
from psyalign.dif.result import DifResult

__all__ = ["ordinal"]

Array = npt.NDArray[np.float64]

# A log-odds of 15 per SD (or between groups) is no estimate but separation: the
# likelihood has no maximum and the ratio no chi-square distribution.
SEPARATED = 15.0
NUMBERS = (
    "lr_total",
    "lr_total_p",
    "lr_uniform",
    "lr_uniform_p",
    "lr_nonuniform",
    "lr_nonuniform_p",
    "nagelkerke_change",
    "group_effect",
)


class _Logistic(stats.rv_continuous):  # type: ignore[misc]
    """The logistic distribution: scipy.stats' own spends most of a fit's time on checking arguments."""

    def cdf(self, x: Array) -> Array:
        return np.asarray(special.expit(x))

    def pdf(self, x: Array) -> Array:
        return np.asarray(special.expit(x) * special.expit(-x))

    def ppf(self, q: Array) -> Array:
        return np.asarray(special.logit(q))


LOGISTIC = _Logistic(name="logistic")


class _NotEstimableError(Exception):
    """Carries the reason to the item's row."""


def ordinal(counts: Cells) -> DifResult:
    """Ordinal logistic DIF: M1 match; M2 + group; M3 + group x match.

    The strata are the matching variable, so they must be numbers: count cells with the
    unbinned total. Scores are rounded to whole numbers, halves up; score points that
    nobody got are left out. All persons with both group and match are used.

    Parameters
    ----------
    counts : Cells
        With numeric strata.

    Returns
    -------
    DifResult
        Columns n_reference, n_focal, lr_total (M3 - M1, 2 df), lr_uniform (M2 - M1,
        1 df), lr_nonuniform (M3 - M2, 1 df), their p, nagelkerke_change (R^2 of M3
        minus M1), group_effect (M2's log-odds, focal minus reference), estimable, reason.

    Notes
    -----
    statsmodels' OrderedModel by Newton's method, each model from the one before it, BFGS
    where Newton fails; the matching variable is standardised, which leaves the ratios
    as they are. Under impact the non-uniform test rejects too often (METHODS.md: .16
    at 1 SD and 1,000 a group).

    References
    ----------
    Zumbo, B. D. (1999). A handbook on the theory and methods of DIF. Nagelkerke, N. J. D.
    (1991). Biometrika 78, 691-692.
    """
    by_item = dict(list(counts.table.groupby("item", sort=False)))
    rows = {item: _row(by_item.get(item, counts.table.iloc[:0]), counts) for item in counts.items}
    return DifResult("ordinal logistic", pd.DataFrame.from_dict(rows, orient="index").rename_axis("item"))


def _row(table: pd.DataFrame, cells: Cells) -> dict[str, object]:
    counts = table.groupby("group")["count"].sum()
    n = (int(counts.get(REFERENCE, 0)), int(counts.get(FOCAL, 0)))
    row: dict[str, object] = {"n_reference": n[0], "n_focal": n[1], **dict.fromkeys(NUMBERS, float("nan"))}
    try:
        y, match, focal = _persons(table, n, cells)
        row |= _ratios(y, match, focal)
        reason = ""
    except _NotEstimableError as problem:
        reason = str(problem)
    return {**row, "estimable": not reason, "reason": reason}


def _persons(
    table: pd.DataFrame, n: tuple[int, int], cells: Cells
) -> tuple[npt.NDArray[np.int64], Array, Array]:
    """Cells back to persons (OrderedModel takes no weights): score rank, match (standardised), focal."""
    few = too_few(n, cells)
    if few:
        raise _NotEstimableError(few)
    spread = table.loc[table.index.repeat(table["count"].to_numpy())]
    points, y = np.unique(np.floor(spread["score"].to_numpy(dtype=float) + 0.5), return_inverse=True)
    if len(points) == 1:
        raise _NotEstimableError("all persons have the same (rounded) score")
    match = spread["stratum"].to_numpy(dtype=float)
    focal: Array = np.where(spread["group"] == FOCAL, 1.0, 0.0)
    for label, member in zip(GROUPS, (focal == 0, focal == 1), strict=True):
        if np.ptp(match[member]) == 0:
            raise _NotEstimableError(f"the matching variable does not vary in the {label} group")
    standardised = np.asarray((match - match.mean()) / match.std(), dtype=float)
    return y.astype(np.int64), standardised, focal


def _ratios(y: npt.NDArray[np.int64], match: Array, focal: Array) -> dict[str, float]:
    """Likelihood ratios of the three nested models."""
    columns = [match, focal, match * focal]
    counts = np.bincount(y)
    null = float(counts @ np.log(counts / len(y)))
    start: Array | None = None
    logliks: list[float] = []
    effects: list[Array] = []
    for size in (1, 2, 3):
        params, loglik = _fit(y, np.column_stack(columns[:size]), start)
        # the next model starts here: its new coefficient 0, before the thresholds
        start = np.concatenate([params[:size], [0.0], params[size:]])
        logliks.append(loglik)
        effects.append(params[:size])
    m1, m2, m3 = logliks
    if m2 < m1 - 1e-6 or m3 < m2 - 1e-6:
        raise _NotEstimableError("the larger model fits worse: no convergence")
    total, uniform, nonuniform = (max(2 * value, 0.0) for value in (m3 - m1, m2 - m1, m3 - m2))
    return {
        "lr_total": total,
        "lr_total_p": float(stats.chi2.sf(total, 2)),
        "lr_uniform": uniform,
        "lr_uniform_p": float(stats.chi2.sf(uniform, 1)),
        "lr_nonuniform": nonuniform,
        "lr_nonuniform_p": float(stats.chi2.sf(nonuniform, 1)),
        "nagelkerke_change": _nagelkerke(m3, null, len(y)) - _nagelkerke(m1, null, len(y)),
        "group_effect": float(effects[1][1]),
    }


def _nagelkerke(loglik: float, null: float, n: int) -> float:
    return float(np.expm1(2 * (null - loglik) / n) / np.expm1(2 * null / n))


def _fit(y: npt.NDArray[np.int64], design: Array, start: Array | None) -> tuple[Array, float]:
    """Parameters (slopes, then thresholds as statsmodels codes them) and log-likelihood."""
    from statsmodels.miscmodels.ordinal_model import OrderedModel  # 1 s to import, and needed only here

    # statsmodels warns of trial steps that overflow; what counts is checked below
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        model = OrderedModel(y, design, distr=LOGISTIC)
        for method, iterations in (("newton", 30), ("bfgs", 200)):
            try:
                fit = model.fit(
                    start_params=start, method=method, maxiter=iterations, disp=0, skip_hessian=True
                )
            except (np.linalg.LinAlgError, ValueError, FloatingPointError):
                continue
            params = np.asarray(fit.params, dtype=float)
            loglik = float(fit.llf)
            if not (fit.mle_retvals["converged"] and np.isfinite(params).all() and np.isfinite(loglik)):
                continue
            if np.abs(params[: design.shape[1]]).max() > SEPARATED:
                raise _NotEstimableError("scores are separated by the matching variable or the group")
            return params, loglik
    raise _NotEstimableError("the ordinal model does not converge")
