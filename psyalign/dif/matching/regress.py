"""Matching on the regressed (Kelley) estimate of the true score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from psyalign.foundation.errors import UsageError

__all__ = ["kelley", "reliabilities"]

Array = npt.NDArray[np.float64]


def reliabilities(reliability: float | Mapping[str, float], groups: Sequence[str]) -> tuple[float, ...]:
    """One reliability a group, checked.

    Raises
    ------
    UsageError
        A group without a value, a name that is no group, or a value outside 0 to 1.
    """
    if isinstance(reliability, Mapping):
        for name in (*groups, *reliability):
            if name not in reliability or name not in groups:
                raise UsageError(
                    f"'{name}' needs a reliability and must be a group.",
                    where="reliability",
                    mend=f"Give one for each of: {', '.join(groups)}.",
                )
        found = tuple(float(reliability[name]) for name in groups)
    else:
        found = (float(reliability),) * len(groups)
    if not all(0 < value <= 1 for value in found):
        raise UsageError("A reliability lies above 0 and is at most 1.", where="reliability")
    return found


def kelley(values: Array, counts: Array, reliability: Sequence[float]) -> Array:
    """Each group's estimate of the true score, mean + reliability x (value - mean), on a common grid.

    Regressed values of the groups interleave and would never be the same stratum. So they are
    rounded (halves up) to multiples of the median step between neighbouring values: one score
    point for totals. The estimates of both groups then meet within half a step, high as often
    as low, where merging neighbour with neighbour would always pair one group's value
    with a higher one of the other.

    Parameters
    ----------
    values : array (V,)
        Distinct matching values, ascending.
    counts : array (V, G)
        Persons by value and group.
    reliability : sequence of float, length G
        Of the matching variable in each group.

    Returns
    -------
    array (V, G)

    References
    ----------
    Kelley, T. L. (1947). Fundamentals of statistics. Shealy, R., & Stout, W. (1993).
    Psychometrika 58, 159-194 (why groups of unequal ability need it).
    """
    rho = np.asarray(reliability, dtype=float)
    mean = values @ counts / np.maximum(counts.sum(axis=0), 1)
    estimate = mean + rho * (values[:, None] - mean)
    step = float(np.median(np.diff(values))) if len(values) > 1 else 1.0
    return np.asarray(np.floor(estimate / step + 0.5) * step)
