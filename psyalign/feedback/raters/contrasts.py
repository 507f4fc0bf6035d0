"""Effects that sum to zero, and damped steps to a maximum: what the tabular rater models share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import cho_factor, cho_solve, helmert

__all__ = ["climb", "effect_errors", "sum_to_zero"]

# Steps below this, in logits, change no figure that is printed.
SMALL_STEP = 1e-8


def sum_to_zero(levels: int) -> np.ndarray:
    """Orthonormal basis of the effects of `levels` levels that sum to 0, shape (levels, levels − 1)."""
    return np.asarray(helmert(levels).T) if levels > 1 else np.zeros((levels, 0))


def effect_errors(
    basis: np.ndarray, block: slice, variance: np.ndarray, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors of effects, and the sampling error that a test refers them to.

    The prior shrinks an effect and its posterior SD alike, but the sampling SD of a shrunken effect is
    smaller than the posterior SD: an effect over that would be flagged far too seldom. The sampling
    variance of a penalised estimate is V (V⁻¹ − P) V = V − V P V, V the posterior variance, P the
    prior's precision (the sandwich formula; Gray, 1992, Journal of the American Statistical Association
    87, 942–951).

    Parameters
    ----------
    basis : (R, Q)
        From free parameters to effects.
    block : slice
        Where the Q parameters stand among the P.
    variance : (P, P)
        Inverse of the penalised information.
    prior : (P,)
        Precisions of the priors.

    Returns
    -------
    tuple of (R,)
        Posterior SD and sampling SD; NaN where there is no parameter.
    """
    if not basis.shape[1]:
        nothing = np.full(len(basis), np.nan)
        return nothing, nothing.copy()
    rows = basis @ variance[block]
    own = np.einsum("ij,ij->i", rows[:, block], basis)
    return np.sqrt(own), np.sqrt(np.maximum(own - (rows**2 * prior).sum(axis=1), 1e-12))


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
