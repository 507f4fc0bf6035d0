"""Effects that sum to zero, and damped steps to a maximum: what the tabular rater models share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import cho_factor, cho_solve, helmert

__all__ = ["climb", "sum_to_zero"]

# Steps below this, in logits, change no figure that is printed.
SMALL_STEP = 1e-8


def sum_to_zero(levels: int) -> np.ndarray:
    """Orthonormal basis of the effects of `levels` levels that sum to 0, shape (levels, levels − 1)."""
    return np.asarray(helmert(levels).T) if levels > 1 else np.zeros((levels, 0))


def climb(
    start: np.ndarray,
    value: Callable[[np.ndarray], float],
    slope_and_information: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    *,
    most: int = 200,
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Maximise by scoring steps, halved until they do not lead down.

    Parameters
    ----------
    start : (P,)
    value : callable
        Penalised log-likelihood.
    slope_and_information : callable
        Its gradient (P,) and positive definite information (P, P).
    most : int
        Steps at most.

    Returns
    -------
    tuple
        The maximum, the variance–covariance matrix there, and whether the steps came to an end.
    """
    at, height = start, value(start)
    for _ in range(most):
        slope, information = slope_and_information(at)
        step = cho_solve(cho_factor(information), slope)
        length = 1.0
        while (there := value(at + length * step)) < height - 1e-10 and length > 1e-8:
            length /= 2
        at, height = at + length * step, there
        if np.abs(length * step).max(initial=0.0) < SMALL_STEP:
            break
    else:
        return at, np.linalg.inv(slope_and_information(at)[1]), False
    return at, np.linalg.inv(slope_and_information(at)[1]), True
