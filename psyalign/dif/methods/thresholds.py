"""Differential step functioning: the group effect at each step between score points (Penfield, 2007)."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import chdtrc, ndtr

from psyalign.dif.counts.cells import Array, Cells
from psyalign.dif.counts.moments import item_moments, too_few, why_not
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.liu_agresti import (
    Fourfold,
    cumulative_covariance,
    cumulative_steps,
    no_odds,
)
from psyalign.dif.result import DifResult
from psyalign.foundation.errors import UsageError

__all__ = ["Steps", "thresholds", "thresholds_kernel"]

Steps = Literal["cumulative", "adjacent"]

# Below this an eigenvalue of the steps' correlation matrix is rounding, or the matrix no covariance.
SINGULAR = 1e-9


def thresholds(counts: Cells, *, steps: Steps = "cumulative") -> DifResult:
    """Mantel-Haenszel log odds ratio at each step of the score, and whether they are the same.

    Parameters
    ----------
    counts : Cells
        Of two groups.
    steps : {"cumulative", "adjacent"}
        Step j compares persons at score point j or above with all below, or persons at
        j with those at the point before it alone.

    Returns
    -------
    DifResult
        One row an item and step, the index repeats the item. Columns step (score point
        reached), n_reference, n_focal, n_strata (of the step's tables that hold both groups),
        dsf_log_or (**above 0: the step favours the reference group**), dsf_se, dsf_z, dsf_p,
        estimable, reason; and for the item as a whole, the same in all its rows,
        dsf_homogeneity_chi2, dsf_homogeneity_df, dsf_homogeneity_p.

    Raises
    ------
    UsageError
        More than two groups, or steps of another name.

    Notes
    -----
    Standard errors: Robins, Breslow and Greenland. Homogeneity: Wald's chi-square that all
    estimable steps have one log odds ratio, df one less than there are of them, with the
    covariance between steps by Liu and Agresti's argument. Its approximation wants many
    persons. NaN where fewer than two steps are estimable (an item of two score points has one).

    References
    ----------
    Penfield, R. D. (2007). Assessing differential step functioning in polytomous items using a
    common odds ratio estimator. Journal of Educational Measurement 44, 187-210.
    """
    counts.need_two("Differential step functioning")
    rows: list[dict[str, object]] = []
    for item, moments in item_moments(counts).items():
        overall = why_not(moments, counts)
        rows += [{"item": item, **row} for row in _rows(counts.points(item), overall, counts, steps)]
    table = pd.DataFrame(rows).astype({"item": "str"}).set_index("item")
    return DifResult(f"differential step functioning ({steps})", table)


def thresholds_kernel(counts: ItemCounts, *, steps: Steps = "cumulative") -> dict[str, Array]:
    """Step effects for any leading axes.

    Returns
    -------
    dict
        dsf_log_or (above 0: favours the reference group), dsf_se and dsf_z, each (..., S - 1) by
        position of the score point reached; dsf_homogeneity_chi2 and dsf_homogeneity_df (...).
        NaN under separation, and where nobody is at the score point.
    """
    tables = _tables(counts.n, steps)
    value = tables.log_odds(-2)
    se = np.where(np.isfinite(value), np.sqrt(tables.binary_variance(-2)), np.nan)
    covariance = _covariance(tables, np.exp(value), steps)
    chi2, df = _homogeneity(value, covariance)
    return {
        "dsf_log_or": value,
        "dsf_se": np.asarray(se),
        "dsf_z": np.asarray(value / se),
        "dsf_homogeneity_chi2": chi2,
        "dsf_homogeneity_df": df,
    }


def _tables(n: Array, steps: Steps) -> Fourfold:
    if steps == "cumulative":
        return cumulative_steps(n)
    if steps != "adjacent":
        raise UsageError(f"Steps '{steps}' are unknown.", mend="Use cumulative or adjacent.")
    high, low = n[..., 1:], n[..., :-1]
    both = ((high + low) > 0).all(axis=-2, keepdims=True)
    high, low = high * both, low * both
    return Fourfold(high[..., 0, :], low[..., 0, :], high[..., 1, :], low[..., 1, :])


def _covariance(tables: Fourfold, psi: Array, steps: Steps) -> Array:
    """Covariance of the steps' log odds ratios, (..., J, J); rows and columns NaN where psi is."""
    made = cumulative_covariance if steps == "cumulative" else _adjacent_covariance
    ours = tables.for_reference.sum(axis=-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(made(tables, psi) / (ours[..., :, None] * ours[..., None, :]))


def _adjacent_covariance(tables: Fourfold, psi: Array) -> Array:
    """Covariance of sum_k (A_j D_j - psi_j B_j C_j) / T_j between adjacent-category steps.

    As `cumulative_covariance`: neighbouring steps share the persons at the point between them,
    who are above step j (A_j, C_j) and below step j + 1; other steps share nobody.
    """
    a, b, c, d, w = tables.a, tables.b, tables.c, tables.d, tables.weight
    square = psi**2
    own = (w**2 * (a * d * (a + d - 1))).sum(axis=-2) + square * (w**2 * (b * c * (b + c - 1))).sum(axis=-2)
    w_next, c_next, a_next = w[..., 1:], c[..., 1:], a[..., 1:]
    both = w[..., :-1] * w_next
    reference = (both * a[..., :-1] * d[..., :-1] * c_next).sum(axis=-2)
    focal = (both * c[..., :-1] * b[..., :-1] * a_next).sum(axis=-2)
    beside = -psi[..., 1:] * reference - psi[..., :-1] * focal
    found = np.zeros((*own.shape, own.shape[-1]))
    place = np.arange(own.shape[-1])
    found[..., place, place] = own
    found[..., place[:-1], place[1:]] = found[..., place[1:], place[:-1]] = beside
    return found


def _homogeneity(value: Array, covariance: Array) -> tuple[Array, Array]:
    """Wald's chi-square of equal values and its df; NaN with fewer than two, or no covariance matrix.

    sum of v^-1-weighted squares about the best common value: x' P x with
    P = V^-1 - V^-1 1 1' V^-1 / 1' V^-1 1, the same as any set of contrasts gives.
    """
    kept = np.isfinite(value)
    pair = kept[..., :, None] & kept[..., None, :]
    eye = np.eye(value.shape[-1])
    proper = np.where(pair, covariance, eye)
    variance = np.diagonal(proper, axis1=-2, axis2=-1)
    unit = 1 / np.sqrt(np.where(variance > 0, variance, 1.0))
    values, vectors = np.linalg.eigh(proper * unit[..., :, None] * unit[..., None, :])
    fine = (values > SINGULAR).all(axis=-1) & (variance > 0).all(axis=-1) & (kept.sum(axis=-1) > 1)
    root = vectors / np.sqrt(np.where(values > SINGULAR, values, 1.0))[..., None, :]
    x = ((np.where(kept, value, 0.0) * unit)[..., :, None] * root).sum(axis=-2)
    one = ((kept * unit)[..., :, None] * root).sum(axis=-2)
    weight = (one**2).sum(axis=-1)
    chi2 = (x**2).sum(axis=-1) - (x * one).sum(axis=-1) ** 2 / np.where(weight > 0, weight, 1.0)
    df = kept.sum(axis=-1) - 1.0
    return np.asarray(np.where(fine, np.maximum(chi2, 0.0), np.nan)), np.asarray(np.where(fine, df, np.nan))


def _rows(points: ItemCounts, overall: str, counts: Cells, steps: Steps) -> list[dict[str, object]]:
    tables = _tables(points.n, steps)
    found = thresholds_kernel(points, steps=steps)
    rows: list[dict[str, object]] = []
    value = found["dsf_log_or"].copy()
    for j, step in enumerate(points.score[1:]):
        mine = Fourfold(*(part[:, j : j + 1] for part in (tables.a, tables.b, tables.c, tables.d)))
        reason = overall or _why_not(mine, counts)
        rows.append({"step": float(step), **_numbers(mine, found, j, reason)})
        value[j] = np.nan if reason else value[j]
    if not rows:
        nothing = Fourfold(*(np.zeros((0, 1)),) * 4)
        rows = [{"step": float("nan"), **_numbers(nothing, found, 0, overall or "scores do not vary")}]
    # steps that too few persons make are no part of the item's test either
    chi2, df = map(float, _homogeneity(value, _covariance(tables, np.exp(value), steps)))
    whole = {
        "dsf_homogeneity_chi2": chi2,
        "dsf_homogeneity_df": df,
        "dsf_homogeneity_p": float(chdtrc(df, chi2)),
    }
    return [row | whole for row in rows]


def _numbers(mine: Fourfold, found: dict[str, Array], j: int, reason: str) -> dict[str, object]:
    value, se, z = (
        float("nan") if reason else float(found[name][j]) for name in ("dsf_log_or", "dsf_se", "dsf_z")
    )
    return {
        "n_reference": int((mine.a + mine.b).sum()),
        "n_focal": int((mine.c + mine.d).sum()),
        "n_strata": int((mine.weight > 0).sum()),
        "dsf_log_or": value,
        "dsf_se": se,
        "dsf_z": z,
        "dsf_p": float(2 * ndtr(-abs(z))),
        "estimable": not reason,
        "reason": reason,
    }


def _why_not(mine: Fourfold, counts: Cells) -> str:
    """Why one step's tables (K, 1) give no odds ratio, in words; "" if they do."""
    n = np.array([(mine.a + mine.b).sum(), (mine.c + mine.d).sum()])
    if not n.any():
        return "no stratum with both groups has this step"
    few = too_few(n, counts)
    if few:
        return f"{few} in the step's tables with both groups"
    return no_odds(mine)
