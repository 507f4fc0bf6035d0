"""Breslow-Day test of equal odds ratios across strata: non-uniform DIF of items with two score points."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc

from psyalign.dif.counts.cells import Array, Cells
from psyalign.dif.counts.moments import item_moments, why_not
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.mantel_haenszel import two_by_two, why_not_binary
from psyalign.dif.result import DifResult

__all__ = ["breslow_day", "breslow_day_kernel"]


def breslow_day(counts: Cells, *, tarone: bool = True) -> DifResult:
    """Breslow-Day test that the odds ratio is the same in all strata, and its trend version.

    E_k is the count of reference persons with the higher score that has the stratum's
    margins and the Mantel-Haenszel odds ratio, V_k its variance: bd_chi2 =
    sum (A_k - E_k)^2 / V_k on n_strata - 1 df. The trend test looks for odds ratios that
    rise or fall with the matching value x_k: [sum x (A - E)]^2 / [sum x^2 V - (sum x V)^2 /
    sum V] on 1 df. With thin strata the first one is only roughly a chi-square; the trend
    test is the better test of non-uniform DIF.

    Parameters
    ----------
    counts : Cells
        Of two groups.
    tarone : bool
        The formulas above suppose that sum A = sum E, as with the maximum-likelihood odds
        ratio. With the Mantel-Haenszel one it is not so; Tarone's correction subtracts
        (sum A - sum E)^2 / sum V from bd_chi2 and, in the trend, measures x from its mean
        sum x V / sum V, without which adding a constant to the matching score would
        change the test. False gives the formulas as printed, which is what difR computes.

    Returns
    -------
    DifResult
        Columns n_reference, n_focal, n_strata (strata with both groups and both scores: only
        those tell an odds ratio, and only those count in the df, as in difR;
        statsmodels counts all strata that it is given), bd_chi2, bd_df, bd_p,
        bd_trend_chi2, bd_trend_p, estimable, reason.

    References
    ----------
    Breslow, N. E., & Day, N. E. (1980). Statistical methods in cancer research I, 142-146.
    Tarone, R. E. (1985). Biometrika 72, 91-95.
    Penfield, R. D. (2003). Applying the Breslow-Day test of trend in odds ratio heterogeneity to the
    analysis of nonuniform DIF. Alberta Journal of Educational Research 49, 231-243.
    """
    counts.need_two("The Breslow-Day test")
    rows = {}
    for item, moments in item_moments(counts).items():
        points = counts.points(item)
        found = {name: float(value) for name, value in breslow_day_kernel(points, tarone=tarone).items()}
        reason = why_not(moments, counts) or why_not_binary(points)
        if not reason and not found["bd_df"] >= 1:
            reason = "only one stratum holds both groups and both scores"
        if reason:
            found = dict.fromkeys(found, float("nan"))
        rows[item] = {
            "n_reference": int(moments.used[0]),
            "n_focal": int(moments.used[1]),
            "n_strata": int(_telling(*two_by_two(points)).sum()),
            "bd_chi2": found["bd_chi2"],
            "bd_df": found["bd_df"],
            "bd_p": float(chdtrc(max(found["bd_df"], 1), found["bd_chi2"])),
            "bd_trend_chi2": found["bd_trend_chi2"],
            "bd_trend_p": float(chdtrc(1, found["bd_trend_chi2"])),
            "estimable": not reason,
            "reason": reason,
        }
    return DifResult.of("Breslow-Day", rows)


def breslow_day_kernel(points: ItemCounts, *, tarone: bool = True) -> dict[str, Array]:
    """bd_chi2, bd_df and bd_trend_chi2 for any leading axes; NaN where there is no finite odds ratio.

    Parameters
    ----------
    points : ItemCounts
        With two score points.
    tarone : bool
        See `breslow_day`.
    """
    a, b, c, d = two_by_two(points)
    used = _telling(a, b, c, d)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(used, a + b + c + d, 1.0)
        above, below = (a * d / t).sum(axis=-1), (b * c / t).sum(axis=-1)
        ratio = np.where((above > 0) & (below > 0), above / below, np.nan)[..., None]
        expected = _expected(ratio, a + b, c + d, a + c)
        cells = (expected, a + b - expected, a + c - expected, d - a + expected)
        variance = np.where(used, 1 / sum(1 / cell for cell in cells), 0.0)
        excess = np.where(used, a - expected, 0.0)
        chi2 = np.where(used, excess**2 / variance, 0.0).sum(axis=-1)
        total = variance.sum(axis=-1)
        middle = ((points.stratum * variance).sum(axis=-1) / total)[..., None]
        spread = ((points.stratum - middle) ** 2 * variance).sum(axis=-1)
        moved = ((points.stratum - (middle if tarone else 0.0)) * excess).sum(axis=-1)
        if tarone:
            chi2 = chi2 - excess.sum(axis=-1) ** 2 / total
        df = np.where(np.isnan(chi2), np.nan, used.sum(axis=-1) - 1.0)
        some = df >= 1
        return {
            "bd_chi2": np.asarray(np.where(some, chi2, np.nan)),
            "bd_df": np.asarray(df),
            "bd_trend_chi2": np.asarray(np.where(some, moved**2 / spread, np.nan)),
        }


def _telling(a: Array, b: Array, c: Array, d: Array) -> np.ndarray:
    """(..., K): strata with both groups and both scores."""
    return np.asarray((a + b > 0) & (c + d > 0) & (a + c > 0) & (b + d > 0))


def _expected(ratio: Array, reference: Array, focal: Array, higher: Array) -> Array:
    """Count of reference persons with the higher score that has these margins and this odds ratio.

    The admissible root of (r - 1) E^2 - s E + r n m = 0, in the form that loses no digits and
    stays finite at r = 1.
    """
    s = ratio * (reference + higher) + focal - higher
    root = np.sqrt(s**2 - 4 * (ratio - 1) * ratio * reference * higher)
    return np.where(s >= 0, 2 * ratio * reference * higher / (s + root), (s - root) / (2 * (ratio - 1)))
