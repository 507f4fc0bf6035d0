"""Effect-size classes and correction for many items."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from psyalign.foundation.errors import UsageError

__all__ = ["CORRECTIONS", "ES_LARGE", "ES_MODERATE", "adjust_p", "classify_es"]

# Thresholds on |SMD / SD|. .25 is the "rough criterion" of NAEP's technical documentation ("The
# Standardization Method"); .17 is METHODS.md's. No official policy for polytomous items: settings.
ES_MODERATE = 0.17
ES_LARGE = 0.25

CORRECTIONS = {"holm": "holm", "BH": "fdr_bh", "none": None}


def classify_es(
    es: float, p: float, *, alpha: float = 0.05, moderate: float = ES_MODERATE, large: float = ES_LARGE
) -> str:
    """Class of a polytomous item's DIF: "AA", "BB", "CC", or "" where not estimable.

    AA (negligible) if p >= alpha or |ES| <= moderate; BB up to `large`; CC above. The
    p is the item's own, not corrected for the number of items.
    """
    if np.isnan(es) or np.isnan(p):
        return ""
    if p >= alpha or abs(es) <= moderate:
        return "AA"
    return "BB" if abs(es) <= large else "CC"


def adjust_p(p: npt.ArrayLike, method: str) -> npt.NDArray[np.float64]:
    """Correct p values for testing many items.

    Parameters
    ----------
    p : array_like
        p values; NaN (not estimable) stay NaN and do not count as tests.
    method : {"holm", "BH", "none"}
        Holm's step-down (family-wise error), Benjamini-Hochberg (false discovery
        rate), or no correction.

    Raises
    ------
    UsageError
        Unknown method.
    """
    from statsmodels.stats.multitest import multipletests  # 1 s to import, and needed only here

    if method not in CORRECTIONS:
        raise UsageError(
            f"Correction '{method}' is unknown.",
            where="correction",
            mend="Use " + ", ".join(CORRECTIONS) + ".",
        )
    values = np.array(p, dtype=float)
    known = ~np.isnan(values)
    name = CORRECTIONS[method]
    if name is not None and known.any():
        values[known] = multipletests(values[known], method=name)[1]
    return values
