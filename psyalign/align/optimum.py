"""The known optimum of KL-regularised alignment, and how far a policy is from it.

J(π) = E[Σ_s π(s) r(s)] − β E[KL(π ‖ π_ref)] is maximised by π*(s) ∝ π_ref(s) exp(r(s)/β), and
J(π*) − J(π) = β E[KL(π ‖ π*)] (Rafailov et al., 2023, eq. 4; Korbak et al., 2022). With K actions
all of it is a sum.

With a bonus η for the policy's entropy, J gains η E[H(π)]; then π*(s) ∝ (π_ref(s)^β exp r(s))^{1/(β+η)}
and the shortfall is (β+η) E[KL(π ‖ π*)]: both follow from writing J as one KL.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

__all__ = ["PRESENT", "mean_kl", "objective", "optimal_log_probs", "optimality_gap"]

# A log-probability below this is not a small one: the item has no such score point.
PRESENT = -5e3


def optimal_log_probs(
    reference: np.ndarray, rewards: np.ndarray, beta: float, entropy_weight: float = 0.0
) -> np.ndarray:
    """log π*, shape (N, K).

    Parameters
    ----------
    reference : (N, K)
        Log-probabilities of the reference scorer.
    rewards : (N, K)
    beta : float
    entropy_weight : float
        η, of a bonus for the policy's entropy.
    """
    logits = reference + rewards / beta
    if entropy_weight:  # flatter, but a score point that an item lacks gains nothing
        logits = np.where(reference > PRESENT, beta / (beta + entropy_weight) * logits, logits)
    return np.asarray(log_softmax(logits, axis=1))


def mean_kl(log_probs: np.ndarray, other: np.ndarray) -> float:
    """Mean over N responses of KL(π ‖ other), nats; both (N, K) log-probabilities."""
    return float(np.mean(np.sum(np.exp(log_probs) * (log_probs - other), axis=1)))


def objective(
    log_probs: np.ndarray,
    reference: np.ndarray,
    rewards: np.ndarray,
    beta: float,
    entropy_weight: float = 0.0,
) -> float:
    """J(π): mean expected reward minus β times the mean KL to the reference plus η times the mean entropy."""
    reward = float(np.mean(np.sum(np.exp(log_probs) * rewards, axis=1)))
    kept = reward - beta * mean_kl(log_probs, reference)
    if not entropy_weight:
        return kept
    return kept - entropy_weight * float(np.mean(np.sum(np.exp(log_probs) * log_probs, axis=1)))


def optimality_gap(
    log_probs: np.ndarray,
    reference: np.ndarray,
    rewards: np.ndarray,
    beta: float,
    entropy_weight: float = 0.0,
) -> float:
    """J(π*) − J(π) = (β+η)·E[KL(π ‖ π*)], in units of reward; 0 is the optimum."""
    best = optimal_log_probs(reference, rewards, beta, entropy_weight)
    return (beta + entropy_weight) * mean_kl(log_probs, best)
