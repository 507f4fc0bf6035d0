"""The standardised mean difference of Dorans and Schmitt, and its effect size."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy.special import ndtr

from psyalign.dif.counts.cells import Array, Cells
from psyalign.dif.counts.moments import ROUNDING, Moments, item_moments, why_not
from psyalign.dif.judgement.classes import ES_LARGE, ES_MODERATE, classify_es
from psyalign.dif.result import DifResult
from psyalign.foundation.errors import UsageError

__all__ = ["smd", "smd_kernel"]

Variance = Literal["hypergeometric", "multinomial"]


def smd(
    counts: Cells,
    *,
    sd: pd.Series | None = None,
    variance: Variance = "hypergeometric",
    alpha: float = 0.05,
    moderate: float = ES_MODERATE,
    large: float = ES_LARGE,
) -> DifResult:
    """Mean difference of both groups within strata, weighted by the focal group.

    SMD = sum_k w_k (m_Fk - m_Rk) with w_k = n_Fk / n_F over strata with both groups:
    score points, focal minus reference. ES = SMD / SD of the item.

    Parameters
    ----------
    counts : Cells
        Scores may be fractions.
    sd : pandas.Series, optional
        SD by item for the effect size; default the SD (n - 1) of the scores
        themselves over both groups. An item without one above 0 is not estimable.
    variance : {"hypergeometric", "multinomial"}
        sum w_k^2 (1/n_Fk + 1/n_Rk)^2 V_k with Mantel's V_k, or sum w_k^2 times the
        variances of the two means. The multinomial one rejects too often in small
        groups (Type I .15 at 100 per group, METHODS.md).
    alpha, moderate, large : float
        For the classes AA, BB, CC: see `classify_es`.

    Returns
    -------
    DifResult
        Columns n_reference, n_focal, n_strata, share_used, smd, se, z, p, sd, es,
        es_own (against the scores' own SD), es_class, estimable, reason.

    References
    ----------
    Dorans, N. J., & Schmitt, A. P. (1991). ETS Research Report RR-91-47.
    Zwick, R., & Thayer, D. T. (1996). Journal of Educational and Behavioral
    Statistics 21, 187-201.
    """
    if variance not in ("hypergeometric", "multinomial"):
        raise UsageError(f"Variance '{variance}' is unknown.", mend="Use hypergeometric or multinomial.")
    counts.need_two("The SMD")
    rows = {}
    for item, moments in item_moments(counts).items():
        unit = float(moments.sd) if sd is None else float(sd.get(item, np.nan))
        reason = why_not(moments, counts) or _why_no_test(moments, unit, variance)
        row = _row(moments, unit, variance, reason)
        row["es_class"] = classify_es(row["es"], row["p"], alpha=alpha, moderate=moderate, large=large)
        rows[item] = {**row, "estimable": not reason, "reason": reason}
    return DifResult.of("SMD", rows)


def smd_kernel(moments: Moments, *, variance: Variance = "hypergeometric") -> dict[str, Array]:
    """SMD and its standard error for any leading axes: {"smd": (...), "se": (...)}; NaN without a stratum."""
    both = moments.both
    n_focal = np.where(both, moments.n[..., 1], 0.0)
    size = n_focal.sum(axis=-1)
    weight = n_focal / np.where(size > 0, size, np.nan)[..., None]
    means = moments.means
    value = (weight * (means[..., 1] - means[..., 0])).sum(axis=-1)
    se = np.sqrt((weight**2 * _spread(moments, variance)).sum(axis=-1))
    return {"smd": np.asarray(value), "se": np.asarray(se)}


def _spread(moments: Moments, variance: Variance) -> Array:
    """Variance of the difference of the two means, (..., K)."""
    n = np.maximum(moments.n, 1.0)
    if variance == "hypergeometric":
        return np.asarray((1 / n).sum(axis=-1) ** 2 * moments.variance)
    within = moments.squares - moments.sums**2 / n
    within = np.where(within <= ROUNDING * moments.squares, 0.0, within) / np.maximum(n - 1, 1.0) / n
    return np.asarray(np.where(moments.both, within.sum(axis=-1), 0.0))


def _why_no_test(moments: Moments, unit: float, variance: Variance) -> str:
    """What keeps an SMD without an error or an effect size, in words; "" if nothing."""
    if not unit > 0:
        return "no SD to express the effect size in"
    if smd_kernel(moments, variance=variance)["se"] > 0:
        return ""
    return "scores do not vary within strata and groups: the multinomial variance is 0"


def _row(moments: Moments, unit: float, variance: Variance, reason: str) -> dict[str, Any]:
    found = smd_kernel(moments, variance=variance)
    nothing = float("nan")
    value, se = (nothing, nothing) if reason else (float(found["smd"]), float(found["se"]))
    z = value / se if se > 0 else nothing
    own = float(moments.sd)
    return {
        "n_reference": int(moments.used[0]),
        "n_focal": int(moments.used[1]),
        "n_strata": int(moments.both.sum()),
        "share_used": moments.share_used,
        "smd": value,
        "se": se,
        "z": z,
        "p": float(2 * ndtr(-abs(z))),
        "sd": unit,
        "es": value / unit if unit > 0 else nothing,
        "es_own": value / own if own > 0 else nothing,
    }
