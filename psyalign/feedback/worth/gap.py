"""The expected optimality gap of a policy that has to go by uncertain rewards.

With Φ(r) = β ln Σ_s π_ref(s) exp(r(s)/β), the optimal policy is Φ's gradient, π_r = ∇Φ(r), and J* = Φ(r).
What the policy that is optimal for r̄ loses where r is true is Φ's Bregman divergence,

    β KL(π_r̄ ‖ π_r) = Φ(r) − Φ(r̄) − ⟨π_r̄, r − r̄⟩,

whose mean over a posterior of r with mean r̄ is E Φ(r) − Φ(r̄), as the last term has mean 0. Φ has the
Hessian H = (diag π − π πᵀ)/β, so that for small δ = r − r̄ the loss is Var_π(δ)/(2β), and its mean tr(H C)/2
with C the posterior covariance: the second-order gap. Here N responses, K score points; rewards are logits
of a preference.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp, ndtri, softmax
from scipy.stats import qmc

__all__ = ["DRAWS", "hessian", "members_gap", "optimal_value", "second_order_gap", "smoothed"]

Array = npt.NDArray[np.float64]

# Points of the integral over a response's K rewards: twice as many change a gap by less than 1%.
DRAWS = 128


def optimal_value(reference: Array, rewards: Array, beta: float) -> Array:
    """Φ(r) = J* of each response, in units of reward.

    Parameters
    ----------
    reference : (N, K)
        Log-probabilities of the reference scorer; far below 0 where an item has no such score point.
    rewards : (..., N, K)
    beta : float

    Returns
    -------
    (..., N)

    References
    ----------
    Rafailov et al. (2023), Direct Preference Optimization, eq. 4 and 5: Φ = β ln Z.
    """
    return np.asarray(beta * logsumexp(reference + rewards / beta, axis=-1))


def members_gap(members: Array, reference: Array, beta: float) -> Array:
    """Expected gap β KL(π_r̄ ‖ π_r) of each response over the members of an ensemble, shape (N,).

    Exact, but for the factor M/(M − 1): the members' own mean is nearer to them than the posterior's is.

    Parameters
    ----------
    members : (M, N, K)
        Rewards by each of M members, M at least 2.
    reference, beta
        See `optimal_value`.
    """
    count = len(members)
    middle = optimal_value(reference, members.mean(axis=0), beta)
    return np.asarray((optimal_value(reference, members, beta).mean(axis=0) - middle) * count / (count - 1))


def hessian(policy: Array, beta: float) -> Array:
    """(diag π − π πᵀ)/β of each response, (N, K) → (N, K, K)."""
    return np.asarray(
        (policy[..., None] * np.eye(policy.shape[-1]) - policy[..., None] * policy[..., None, :]) / beta
    )


def second_order_gap(policy: Array, covariance: Array, beta: float) -> Array:
    """Mean of Var_π(δ)/(2β), the expected gap where δ/β is small, shape (N,).

    Parameters
    ----------
    policy : (N, K)
        π_r̄, probabilities.
    covariance : (N, K, K)
        Of each response's rewards.
    beta : float
    """
    return np.asarray(np.einsum("nkl,nkl->n", hessian(policy, beta), covariance) / 2)


def smoothed(mean: Array, covariance: Array, reference: Array, beta: float) -> tuple[Array, Array]:
    """E Φ(r) and E H(r) of each response for r ~ N(mean, covariance), by quasi-random points.

    The same points serve every covariance, so that differences between them are smooth.

    Parameters
    ----------
    mean : (N, K)
    covariance : (N, K, K)
        May be singular, or 0: then Φ(mean) and H(mean).
    reference, beta
        See `optimal_value`.

    Returns
    -------
    tuple of (N,), (N, K, K)
    """
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))[:, None, :]) @ vectors.swapaxes(1, 2)
    value, bend = np.empty(len(mean)), np.empty_like(covariance)
    points = _points(mean.shape[1])
    for rows in np.array_split(np.arange(len(mean)), max(1, len(mean) // 1000)):
        logits = reference[rows, None] + (mean[rows, None] + points @ root[rows]) / beta  # (rows, D, K)
        policy = softmax(logits, axis=-1)
        value[rows] = beta * logsumexp(logits, axis=-1).mean(axis=1)
        both = policy.swapaxes(1, 2) @ policy / len(points)
        bend[rows] = (policy.mean(axis=1)[..., None] * np.eye(policy.shape[-1]) - both) / beta
    return value, bend


@cache
def _points(dimension: int) -> Array:
    """(DRAWS, K) points that stand for independent standard normal numbers: mean 0, variance 1."""
    half = ndtri(qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng(0)).random(DRAWS // 2))
    points = np.concatenate([half, -half])
    return np.asarray(points / np.sqrt((points**2).mean(axis=0)))
