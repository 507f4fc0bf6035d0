"""Standardisation (Dorans & Kulick, 1986): the weighted difference of both groups' means, STD P-DIF."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import ndtr

from psyalign.dif.counts.cells import Array, Cells
from psyalign.dif.counts.moments import Moments, item_moments, why_not
from psyalign.dif.result import DifResult
from psyalign.foundation.errors import UsageError

__all__ = ["standardisation", "standardisation_kernel"]

Weights = Literal["focal", "reference", "total"]

# Dorans & Holland (1993): within .05 negligible, .05 to .10 to be looked at, beyond .10 unusual.
MODERATE, LARGE = 0.05, 0.10


def standardisation(
    counts: Cells, *, weights: Weights = "focal", moderate: float = MODERATE, large: float = LARGE
) -> DifResult:
    """STD P-DIF: sum_k w_k (m_Fk - m_Rk) / sum_k w_k over strata with both groups.

    Focal minus reference: below 0 where the focal group does worse. For scores 0 and 1
    a difference of proportions; for other scores of means, in score points, and with
    focal weights the SMD.

    Parameters
    ----------
    counts : Cells
        Of two groups. Scores may be fractions.
    weights : {"focal", "reference", "total"}
        Whose counts w_k are. Dorans and Kulick's, and the default, are the focal group's.
    moderate, large : float
        For the class: A up to `moderate`, B up to `large`, C above (Dorans & Holland).

    Returns
    -------
    DifResult
        Columns n_reference, n_focal, n_strata, share_used, std_p_dif, std_se
        (hypergeometric, as for the SMD), std_z, std_p, std_class (by size alone; "" unless all
        scores lie between 0 and 1), estimable, reason.

    References
    ----------
    Dorans, N. J., & Kulick, E. (1986). Journal of Educational Measurement 23, 355-368.
    Dorans, N. J., & Holland, P. W. (1993). In Differential item functioning, 35-66. Erlbaum.
    """
    counts.need_two("Standardisation")
    if weights not in ("focal", "reference", "total"):
        raise UsageError(f"Weights '{weights}' are unknown.", mend="Use focal, reference or total.")
    rows = {}
    for item, moments in item_moments(counts).items():
        reason = why_not(moments, counts)
        found = standardisation_kernel(moments, weights=weights)
        nothing = float("nan")
        value, se = (nothing, nothing) if reason else (float(found["std_p_dif"]), float(found["std_se"]))
        z = value / se if se > 0 else nothing
        score = counts.by_item[item].score
        proportions = not reason and score.min() >= 0 and score.max() <= 1
        rows[item] = {
            "n_reference": int(moments.used[0]),
            "n_focal": int(moments.used[1]),
            "n_strata": int(moments.both.sum()),
            "share_used": moments.share_used,
            "std_p_dif": value,
            "std_se": se,
            "std_z": z,
            "std_p": float(2 * ndtr(-abs(z))),
            "std_class": _class(abs(value), moderate, large) if proportions else "",
            "estimable": not reason,
            "reason": reason,
        }
    return DifResult.of("Standardisation", rows)


def standardisation_kernel(moments: Moments, *, weights: Weights = "focal") -> dict[str, Array]:
    """std_p_dif and std_se for any leading axes; NaN without a stratum that holds both groups."""
    n = np.where(moments.both[..., None], moments.n, 0.0)
    w = n.sum(axis=-1) if weights == "total" else n[..., 0 if weights == "reference" else 1]
    size = w.sum(axis=-1, keepdims=True)
    w = w / np.where(size > 0, size, np.nan)
    means = moments.means
    spread = (1 / np.maximum(n, 1.0)).sum(axis=-1) ** 2 * moments.variance
    return {
        "std_p_dif": np.asarray((w * (means[..., 1] - means[..., 0])).sum(axis=-1)),
        "std_se": np.asarray(np.sqrt((w**2 * spread).sum(axis=-1))),
    }


def _class(size: float, moderate: float, large: float) -> str:
    if size <= moderate:
        return "A"
    return "B" if size <= large else "C"
