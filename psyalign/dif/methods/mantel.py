"""The Mantel test (1963) for ordered scores."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from psyalign.dif.counts.cells import Array, Cells
from psyalign.dif.counts.moments import Moments, item_moments, why_not
from psyalign.dif.result import DifResult

__all__ = ["mantel", "mantel_kernel"]


def mantel(counts: Cells) -> DifResult:
    """Mantel's test of equal mean scores of both groups within strata, 1 df.

    F_k is the focal group's sum of scores in stratum k, E_k and V_k its mean and
    variance given the margins; z = sum(F_k - E_k) / sqrt(sum V_k). No continuity
    correction. For scores 0 and 1 its square is the Mantel-Haenszel chi-square.

    Parameters
    ----------
    counts : Cells
        Of two groups. Scores may be fractions.

    Returns
    -------
    DifResult
        Columns n_reference, n_focal (persons in strata with both groups), n_strata,
        share_used, mantel_z (above 0: focal scored higher), mantel_chi2, mantel_p,
        estimable, reason.

    Raises
    ------
    UsageError
        More than two groups: see `generalised_mantel`.

    References
    ----------
    Mantel, N. (1963). Chi-square tests with one degree of freedom. JASA 58, 690-700.
    Zwick, R., Donoghue, J. R., & Grima, A. (1993). Journal of Educational
    Measurement 30, 233-251.
    """
    counts.need_two("The Mantel test")
    rows = {item: _row(moments, counts) for item, moments in item_moments(counts).items()}
    return DifResult.of("Mantel", rows)


def mantel_kernel(moments: Moments) -> dict[str, Array]:
    """Mantel's z for any leading axes: {"mantel_z": (...)}; NaN where scores do not vary within strata."""
    both = moments.both
    total = moments.n.sum(axis=-1)
    share = np.divide(moments.n[..., 1], total, out=np.zeros_like(total), where=both)
    excess = np.where(both, moments.sums[..., 1] - share * moments.sums.sum(axis=-1), 0.0)
    spread = moments.variance.sum(axis=-1)
    root = np.sqrt(np.where(spread > 0, spread, np.nan))
    return {"mantel_z": np.asarray(excess.sum(axis=-1) / root)}


def _row(moments: Moments, counts: Cells) -> dict[str, object]:
    reason = why_not(moments, counts)
    z = float("nan") if reason else float(mantel_kernel(moments)["mantel_z"])
    n_reference, n_focal = moments.used
    return {
        "n_reference": int(n_reference),
        "n_focal": int(n_focal),
        "n_strata": int(moments.both.sum()),
        "share_used": moments.share_used,
        "mantel_z": z,
        "mantel_chi2": z**2,
        "mantel_p": float(2 * ndtr(-abs(z))),
        "estimable": not reason,
        "reason": reason,
    }
