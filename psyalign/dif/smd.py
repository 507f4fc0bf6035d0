"""The standardised mean difference of Dorans and Schmitt, and its effect size."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

from psyalign.dif.cells import Cells
from psyalign.dif.classify import ES_LARGE, ES_MODERATE, classify_es
from psyalign.dif.moments import Array, Moments, item_moments, why_not
from psyalign.dif.result import DifResult
from psyalign.foundation.errors import UsageError

__all__ = ["smd"]

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
        themselves over both groups.
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
    rows = {}
    for item, moments in item_moments(counts).items():
        unit = moments.sd if sd is None else float(sd.get(item, np.nan))
        row = _row(moments, unit, variance)
        row["es_class"] = classify_es(row["es"], row["p"], alpha=alpha, moderate=moderate, large=large)
        reason = why_not(moments)
        rows[item] = {**row, "estimable": not reason, "reason": reason}
    return DifResult("SMD", pd.DataFrame.from_dict(rows, orient="index").rename_axis("item"))


def _row(moments: Moments, unit: float, variance: Variance) -> dict[str, Any]:
    value = se = float("nan")
    if not why_not(moments):
        weight = moments.n_focal / moments.n_focal.sum()
        means = moments.sum_focal / moments.n_focal - moments.sum_reference / moments.n_reference
        value = float(weight @ means)
        se = float(np.sqrt(weight**2 @ _spread(moments, variance)))
    z = value / se if se > 0 else float("nan")
    return {
        "n_reference": moments.used[0],
        "n_focal": moments.used[1],
        "n_strata": len(moments.total),
        "share_used": moments.share_used,
        "smd": value,
        "se": se,
        "z": z,
        "p": float(2 * stats.norm.sf(abs(z))),
        "sd": unit,
        "es": value / unit if unit > 0 else float("nan"),
        "es_own": value / moments.sd if moments.sd > 0 else float("nan"),
    }


def _spread(moments: Moments, variance: Variance) -> Array:
    """Variance of the difference of the two means, by stratum."""
    if variance == "hypergeometric":
        return np.asarray((1 / moments.n_focal + 1 / moments.n_reference) ** 2 * moments.variance)
    sides = (
        (moments.n_focal, moments.sum_focal, moments.squares_focal),
        (moments.n_reference, moments.sum_reference, moments.squares_reference),
    )
    return np.asarray(
        sum(np.maximum(squares - sums**2 / n, 0.0) / np.maximum(n - 1, 1) / n for n, sums, squares in sides)
    )
