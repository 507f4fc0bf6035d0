"""Effect-size classes and correction for many items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from psyalign.foundation.errors import UsageError

__all__ = [
    "CORRECTIONS",
    "DELTA_LARGE",
    "DELTA_MODERATE",
    "ES_LARGE",
    "ES_MODERATE",
    "adjust_p",
    "classify_es",
    "classify_ets",
]

# Thresholds on |SMD / SD|. .25 is the "rough criterion" of NAEP's technical documentation ("The
# Standardization Method"); .17 is METHODS.md's. No official policy for polytomous items: settings.
ES_MODERATE = 0.17
ES_LARGE = 0.25
# Thresholds on |delta|, the Mantel-Haenszel log odds ratio times -2.35: see `classify_ets`.
DELTA_MODERATE = 1.0
DELTA_LARGE = 1.5

EtsRule = Literal["ets", "size"]


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


def classify_ets(
    delta: float,
    se: float,
    p: float,
    *,
    alpha: float = 0.05,
    moderate: float = DELTA_MODERATE,
    large: float = DELTA_LARGE,
    rule: EtsRule = "ets",
) -> str:
    """ETS class of a dichotomous item's DIF: "A", "B", "C", or "" where not estimable.

    A (negligible): not significant at `alpha`, or |delta| < `moderate`. C (large):
    |delta| >= `large` and significantly above `moderate`, one-sided at `alpha`:
    |delta| - 1.645 SE > `moderate`. B (slight to moderate): all others.

    Parameters
    ----------
    delta, se : float
        Mantel-Haenszel delta, -2.35 times the log odds ratio, and its standard error
        (2.35 times that of the log odds ratio). The sign does not matter here.
    p : float
        Two-sided p of delta = 0, the item's own, not corrected for the number of items.
    alpha : float
        .05 in the rule. The normal quantile for C is rounded to three decimals: 1.645.
    moderate, large : float
        1 and 1.5 delta units in the rule (Zieky, 1993, p. 342; the same in Dorans &
        Holland, 1993). On the log odds ratio: .43 and .64.
    rule : {"ets", "size"}
        "size" asks for no significance, as difR's letters do.

    Raises
    ------
    UsageError
        Unknown rule.

    References
    ----------
    Zieky, M. (1993). Practical questions in the use of DIF statistics in test development.
    In P. W. Holland & H. Wainer (Eds.), Differential item functioning (pp. 337-347).
    Dorans, N. J., & Holland, P. W. (1993). DIF detection and description: Mantel-Haenszel
    and standardization. In the same book, pp. 35-66.

    Examples
    --------
    >>> classify_ets(-1.7, 0.3, 1e-6), classify_ets(-1.7, 0.5, 0.001), classify_ets(0.9, 0.1, 1e-9)
    ('C', 'B', 'A')
    """
    if rule not in ("ets", "size"):
        raise UsageError(f"Rule '{rule}' is unknown.", mend="Use ets or size.")
    if np.isnan([delta, se, p]).any():
        return ""
    size = abs(delta)
    if size < moderate or (rule == "ets" and p >= alpha):
        return "A"
    sure = rule == "size" or size - round(float(-ndtri(alpha)), 3) * se > moderate
    return "C" if size >= large and sure else "B"


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

    References
    ----------
    Holm, S. (1979). Scandinavian Journal of Statistics 6, 65-70. Benjamini, Y., & Hochberg, Y.
    (1995). Journal of the Royal Statistical Society B 57, 289-300.
    """
    if method not in CORRECTIONS:
        raise UsageError(
            f"Correction '{method}' is unknown.",
            where="correction",
            mend="Use " + ", ".join(CORRECTIONS) + ".",
        )
    values = np.array(p, dtype=float)
    known = ~np.isnan(values)
    if known.any():
        values[known] = CORRECTIONS[method](values[known])
    return values


def _holm(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    # by hand: statsmodels' collects garbage at each call, which takes longer than all DIF tests of 20 items
    order = np.argsort(p, kind="stable")
    out = np.empty_like(p)
    out[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return out


def _benjamini_hochberg(p: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    from scipy.stats import false_discovery_control  # takes longer to load than pandas, and needed only here

    return np.asarray(false_discovery_control(p), dtype=float)


CORRECTIONS: Mapping[str, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]] = {
    "holm": _holm,
    "BH": _benjamini_hochberg,
    "none": lambda p: p,
}
