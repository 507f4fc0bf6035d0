"""The Mantel test (1963) for ordered scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from psyalign.dif.cells import Cells
from psyalign.dif.moments import Moments, item_moments, why_not
from psyalign.dif.result import DifResult

__all__ = ["mantel"]


def mantel(counts: Cells) -> DifResult:
    """Mantel's test of equal mean scores of both groups within strata, 1 df.

    F_k is the focal group's sum of scores in stratum k, E_k and V_k its mean and
    variance given the margins; z = sum(F_k - E_k) / sqrt(sum V_k). No continuity
    correction. For scores 0 and 1 its square is the Mantel-Haenszel chi-square.

    Parameters
    ----------
    counts : Cells
        Scores may be fractions.

    Returns
    -------
    DifResult
        Columns n_reference, n_focal (persons in strata with both groups), n_strata,
        share_used, mantel_z (above 0: focal scored higher), mantel_chi2, mantel_p,
        estimable, reason.

    References
    ----------
    Mantel, N. (1963). Chi-square tests with one degree of freedom. JASA 58, 690-700.
    Zwick, R., Donoghue, J. R., & Grima, A. (1993). Journal of Educational
    Measurement 30, 233-251.
    """
    rows = {item: _row(moments) for item, moments in item_moments(counts).items()}
    return DifResult("Mantel", pd.DataFrame.from_dict(rows, orient="index").rename_axis("item"))


def _row(moments: Moments) -> dict[str, object]:
    reason = why_not(moments)
    z = float("nan")
    if not reason:
        share = moments.n_focal / moments.total
        excess = moments.sum_focal - share * (moments.sum_reference + moments.sum_focal)
        z = float(excess.sum() / np.sqrt(moments.variance.sum()))
    return {
        "n_reference": moments.used[0],
        "n_focal": moments.used[1],
        "n_strata": len(moments.total),
        "share_used": moments.share_used,
        "mantel_z": z,
        "mantel_chi2": z**2,
        "mantel_p": float(2 * stats.norm.sf(abs(z))),
        "estimable": not reason,
        "reason": reason,
    }
