"""The known optimum of KL-regularised alignment, and how far a policy is from it.

J(π) = E[Σ_s π(s) r(s)] − β E[KL(π ‖ π_ref)] is maximised by π*(s) ∝ π_ref(s) exp(r(s)/β), and
J(π*) − J(π) = β E[KL(π ‖ π*)] (Rafailov et al., 2023, eq. 4; Korbak et al., 2022). With K actions
all of it is a sum.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

__all__ = ["mean_kl", "objective", "optimal_log_probs", "optimality_gap"]


def optimal_log_probs(reference: np.ndarray, rewards: np.ndarray, beta: float) -> np.ndarray:
    """log π*, shape (N, K).

    Parameters
    ----------
    reference : (N, K)
        Log-probabilities of the reference scorer.
    rewards : (N, K)
    beta : float
    """
    return np.asarray(log_softmax(reference + rewards / beta, axis=1))


def mean_kl(log_probs: np.ndarray, other: np.ndarray) -> float:
    """Mean over N responses of KL(π ‖ other), nats; both (N, K) log-probabilities."""
    return float(np.mean(np.sum(np.exp(log_probs) * (log_probs - other), axis=1)))


def objective(log_probs: np.ndarray, reference: np.ndarray, rewards: np.ndarray, beta: float) -> float:
    """J(π): mean expected reward minus β times the mean KL to the reference."""
    reward = float(np.mean(np.sum(np.exp(log_probs) * rewards, axis=1)))
    return reward - beta * mean_kl(log_probs, reference)


def optimality_gap(log_probs: np.ndarray, reference: np.ndarray, rewards: np.ndarray, beta: float) -> float:
    """J(π*) − J(π) = β·E[KL(π ‖ π*)], in units of reward; 0 is the optimum."""
    return beta * mean_kl(log_probs, optimal_log_probs(reference, rewards, beta))
