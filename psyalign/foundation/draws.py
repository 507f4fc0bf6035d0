"""Intervals and p values from the draws of a bootstrap."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from psyalign.foundation.errors import UsageError

__all__ = ["ENOUGH", "check_level", "inverted_p", "percentile_interval"]

# With a smaller share of draws than this an interval would describe the lucky ones.
ENOUGH = 0.5


def check_level(level: float) -> None:
    """Raise a UsageError unless it can be the coverage of an interval."""
    if not 0 < level < 1:
        raise UsageError("The coverage of an interval lies between 0 and 1.", where="level")


def percentile_interval(draws: npt.NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """Two-sided percentile interval of the draws.

    Parameters
    ----------
    draws : array (B,)
        Those that are NaN or infinite are left out.
    level : float
        Coverage.

    Returns
    -------
    (float, float)
        Quantiles (1 - level) / 2 and (1 + level) / 2, interpolated; NaN without any draw.

    References
    ----------
    Davison, A. C., & Hinkley, D. V. (1997). Bootstrap methods and their application, section 5.3.
    """
    known = draws[np.isfinite(draws)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, np.array([(1 - level) / 2, (1 + level) / 2]))
    return float(low), float(high)


def inverted_p(draws: npt.NDArray[np.float64], null: float = 0.0) -> float:
    """Two-sided p by inversion of the percentile interval.

    Parameters
    ----------
    draws : array (B,)
        Those that are NaN or infinite are left out.
    null : float
        The value of the hypothesis.

    Returns
    -------
    float
        Twice the smaller share of draws on one side of `null`, at most 1; the sample counts as a draw on
        that side, so that p is never 0. NaN without any draw.

    References
    ----------
    Davison, A. C., & Hinkley, D. V. (1997). Bootstrap methods and their application, chapter 4.
    """
    known = draws[np.isfinite(draws)]
    if not len(known):
        return float("nan")
    side = min(int((known <= null).sum()), int((known >= null).sum()))
    return min(2 * (1 + side) / (1 + len(known)), 1.0)
