"""Generalised Mantel-Haenszel tests for any number of groups: of all score points, and of mean scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from psyalign.dif.counts.cells import Array, Cells
from psyalign.dif.counts.moments import ROUNDING, Moments, item_moments, too_few
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.result import DifResult

__all__ = ["generalised_mantel", "generalised_mantel_kernel", "gmh", "gmh_kernel"]

# Eigenvalues below this, of a covariance scaled to unit variances, are 0 but for rounding.
SINGULAR = 1e-9


def gmh(counts: Cells) -> DifResult:
    """Generalised Mantel-Haenszel test that groups share the distribution of score points.

    Scores count as names, not numbers: the test also sees differences that cancel in the mean
    (non-uniform DIF, noise in one group), and has no sign.

    Parameters
    ----------
    counts : Cells
        Of two groups or more.

    Returns
    -------
    DifResult
        Columns n_reference, n_focal (more than two groups: n_ and the group's name; persons in
        strata that hold two groups or more), n_strata, gmh_chi2, gmh_df, gmh_p, estimable,
        reason.

    Notes
    -----
    chi2 = r' V^- r, where r sums observed minus expected counts over strata and V their
    hypergeometric covariances. gmh_df is V's rank: (G - 1)(S - 1) for G groups and S score
    points, less where a point occurs in no used stratum. With more than two groups a
    stratum that lacks one still compares the others, as in R's mantelhaen.test.

    References
    ----------
    Landis, J. R., Heyman, E. R., & Koch, G. G. (1978). Average partial association in three-way
    contingency tables. International Statistical Review 46, 237-254. Zwick, R., Donoghue, J. R.,
    & Grima, A. (1993). Journal of Educational Measurement 30, 233-251.
    """
    rows = {}
    for item, moments in item_moments(counts).items():
        rows[item] = _row("gmh", moments, gmh_kernel(counts.points(item)), counts)
    return DifResult.of("generalised Mantel-Haenszel", rows)


def generalised_mantel(counts: Cells) -> DifResult:
    """Test that groups share the mean score within strata; Mantel's test for any number of groups.

    Parameters
    ----------
    counts : Cells
        Of two groups or more. Scores may be fractions.

    Returns
    -------
    DifResult
        Columns n_reference, n_focal (more than two groups: n_ and the group's name; persons in
        strata that hold two groups or more), n_strata, gm_chi2, gm_df (groups - 1), gm_p,
        estimable, reason.

    References
    ----------
    Landis, J. R., Heyman, E. R., & Koch, G. G. (1978). Average partial association in three-way
    contingency tables. International Statistical Review 46, 237-254.
    """
    rows = {}
    for item, moments in item_moments(counts).items():
        rows[item] = _row("gm", moments, generalised_mantel_kernel(moments), counts)
    return DifResult.of("generalised Mantel", rows)


def gmh_kernel(counts: ItemCounts) -> dict[str, Array]:
    """{"gmh_chi2": (...), "gmh_df": (...)} for any leading axes; chi2 NaN where df is 0."""
    n = counts.n * _shared(counts.n.sum(axis=-1))[..., None, None]
    by_group, by_score = n.sum(axis=-1), n.sum(axis=-2)
    total = by_group.sum(axis=-1)
    share = by_score / np.maximum(total, 1.0)[..., None]
    excess = (n - by_group[..., None] * share[..., None, :]).sum(axis=-3)[..., 1:, :]
    between = _scatter(by_group)[..., 1:, 1:] / _size(total)[..., None, None]
    g, s = between.shape[-1], n.shape[-1]
    # sum over strata of between (x) (T diag(score) - score score'), without the (K, gs, gs) array
    flat = between.reshape(*between.shape[:-2], g * g)
    names = (*flat.shape[:-2], g, g, s)
    alone = (np.swapaxes(flat, -1, -2) @ (total[..., None] * by_score)).reshape(names)
    weighted = (flat[..., :, None] * by_score[..., None, :]).reshape(*flat.shape[:-1], g * g * s)
    pairs = (np.swapaxes(weighted, -1, -2) @ by_score).reshape(*names, s)
    within = alone[..., None] * np.eye(s) - pairs
    # counts of a point that all persons of its strata have do not vary, but for rounding
    within = np.where(np.abs(within) <= ROUNDING * np.abs(alone[..., None]), 0.0, within)
    covariance = np.swapaxes(within, -3, -2).reshape(*names[:-3], g * s, g * s)
    chi2, df = _quadratic(excess.reshape(*names[:-3], g * s), covariance)
    return {"gmh_chi2": chi2, "gmh_df": df}


def generalised_mantel_kernel(moments: Moments) -> dict[str, Array]:
    """{"gm_chi2": (...), "gm_df": (...)} for any leading axes; chi2 NaN where df is 0."""
    used = _shared(moments.n)
    n, sums = moments.n * used[..., None], moments.sums * used[..., None]
    total, whole = n.sum(axis=-1), sums.sum(axis=-1)
    excess = (sums - n * (whole / np.maximum(total, 1.0))[..., None]).sum(axis=-2)
    squares = moments.squares.sum(axis=-1) * used
    spread = total * squares - whole**2
    spread = np.where(spread <= ROUNDING * (total * squares + whole**2), 0.0, spread)
    covariance = (_scatter(n) * (spread / _size(total))[..., None, None]).sum(axis=-3)
    chi2, df = _quadratic(excess[..., 1:], covariance[..., 1:, 1:])
    return {"gm_chi2": chi2, "gm_df": df}


def _shared(n: Array) -> npt.NDArray[np.bool_]:
    """(..., K): strata that hold two groups or more, from persons (..., K, G)."""
    return np.asarray((n > 0).sum(axis=-1) > 1)


def _scatter(n: Array) -> Array:
    """T diag(n) - n n' of counts (..., G): (..., G, G)."""
    total = n.sum(axis=-1)[..., None, None]
    return np.asarray(total * n[..., None] * np.eye(n.shape[-1]) - n[..., :, None] * n[..., None, :])


def _size(total: Array) -> Array:
    """T^2 (T - 1), at least 1."""
    return np.asarray(np.maximum(total**2 * (total - 1), 1.0))


def _quadratic(excess: Array, covariance: Array) -> tuple[Array, Array]:
    """excess' covariance^- excess and the rank, for (..., Q) and (..., Q, Q)."""
    variance = np.diagonal(covariance, axis1=-2, axis2=-1)
    unit = np.divide(1.0, np.sqrt(variance), out=np.zeros_like(variance), where=variance > 0)
    values, vectors = np.linalg.eigh(covariance * unit[..., :, None] * unit[..., None, :])
    kept = values > SINGULAR
    along = (vectors * (excess * unit)[..., :, None]).sum(axis=-2)
    chi2 = np.where(kept, along**2 / np.where(kept, values, 1.0), 0.0).sum(axis=-1)
    rank = kept.sum(axis=-1).astype(float)
    return np.asarray(np.where(rank > 0, chi2, np.nan)), rank


def _row(prefix: str, moments: Moments, found: dict[str, Array], counts: Cells) -> dict[str, object]:
    reason = _why_not(moments, counts)
    chi2, df = float(found[f"{prefix}_chi2"]), float(found[f"{prefix}_df"])
    if not reason and df == 0:
        reason = "scores do not vary within strata"
    if reason:
        chi2 = df = float("nan")
    shared = _shared(moments.n)
    sizes = (moments.n * shared[..., None]).sum(axis=-2)
    names = ("reference", "focal") if len(counts.groups) == 2 else counts.groups
    return {
        **{f"n_{name}": int(size) for name, size in zip(names, sizes, strict=True)},
        "n_strata": int(shared.sum()),
        f"{prefix}_chi2": chi2,
        f"{prefix}_df": df,
        f"{prefix}_p": float(chdtrc(df, chi2)),
        "estimable": not reason,
        "reason": reason,
    }


def _why_not(moments: Moments, counts: Cells) -> str:
    """Why the groups cannot be compared, in words; "" if they can."""
    few = too_few(moments.n_all, counts)
    if few:
        return few
    if moments.sd == 0:
        return "all persons have the same score"
    shared = _shared(moments.n)
    if not shared.any():
        return f"no stratum holds {'both' if len(counts.groups) == 2 else 'two'} groups"
    few = too_few((moments.n * shared[..., None]).sum(axis=-2), counts)
    where = "both groups" if len(counts.groups) == 2 else "two groups or more"
    return f"{few} in strata with {where}" if few else ""
