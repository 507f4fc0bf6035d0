"""Proximal policy optimisation against a table of rewards, over all score points or drawn ones."""

from __future__ import annotations

import torch

__all__ = ["entropy", "kl_divergence", "ppo_loss", "sampled_ppo_loss"]


def kl_divergence(log_probs: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Exact KL(π ‖ π_ref) in nats, shape (B,)."""
    return (log_probs.exp() * (log_probs - reference)).sum(dim=-1)


def entropy(log_probs: torch.Tensor) -> torch.Tensor:
    """Exact entropy of π in nats, shape (B,)."""
    return -(log_probs.exp() * log_probs).sum(dim=-1)


def ppo_loss(
    log_probs: torch.Tensor,
    old: torch.Tensor,
    reference: torch.Tensor,
    rewards: torch.Tensor,
    *,
    beta: float,
    clip: float,
    entropy_weight: float = 0.0,
) -> torch.Tensor:
    """Clipped surrogate of PPO, summed over all actions, with the exact KL penalty.

    With K actions nothing needs to be sampled: the value of a response is V = Σ π_old r, the
    advantage r − V is exact, and responses whose best score is rarely sampled learn too.

    Parameters
    ----------
    log_probs : (B, K)
        Of the policy that is updated.
    old : (B, K)
        Of the policy at the start of this batch's inner epochs, without gradient.
    reference, rewards : (B, K)
    beta : float
        Weight of KL(π ‖ π_ref).
    clip : float
        ε of the clipped ratio.
    entropy_weight : float
        Weight of a bonus for the policy's entropy. The optimum is then not π* but
        ∝ (π_ref^β e^r)^{1/(β + weight)}, which is flatter.

    References
    ----------
    Schulman et al. (2017), Proximal Policy Optimization Algorithms, eq. 7 and 9.
    """
    weights = old.exp()
    advantage = rewards - (weights * rewards).sum(dim=-1, keepdim=True)
    ratio = (log_probs - old).exp()
    surrogate = (weights * _clipped(ratio, advantage, clip)).sum(dim=-1)
    return _with_penalty(log_probs, reference, surrogate, beta, entropy_weight)


def sampled_ppo_loss(
    log_probs: torch.Tensor,
    old: torch.Tensor,
    reference: torch.Tensor,
    actions: torch.Tensor,
    advantages: torch.Tensor,
    *,
    beta: float,
    clip: float,
    entropy_weight: float = 0.0,
) -> torch.Tensor:
    """PPO on one drawn score point a response, as general RLHF libraries do it.

    Scoring is an episode of one step, where generalised advantage estimation (Schulman et al.,
    2016) is r − V whatever its λ. Only the surrogate is sampled; KL and entropy stay exact, so
    that all that differs from `ppo_loss` is the drawing. Over actions drawn from `old`, with
    V = Σ π_old r, its expectation is `ppo_loss`. It stalls where the best score is never drawn.

    Parameters
    ----------
    log_probs, old, reference : (B, K)
        As in `ppo_loss`.
    actions : (B,) int64
        Drawn from `old`.
    advantages : (B,)
        r(action) − V.
    beta, clip, entropy_weight : float
        As in `ppo_loss`.
    """
    place = actions[:, None]
    ratio = (log_probs - old).gather(1, place).squeeze(1).exp()
    surrogate = _clipped(ratio, advantages, clip)
    return _with_penalty(log_probs, reference, surrogate, beta, entropy_weight)


def _clipped(ratio: torch.Tensor, advantage: torch.Tensor, clip: float) -> torch.Tensor:
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def _with_penalty(
    log_probs: torch.Tensor,
    reference: torch.Tensor,
    surrogate: torch.Tensor,
    beta: float,
    entropy_weight: float,
) -> torch.Tensor:
    loss = (beta * kl_divergence(log_probs, reference) - surrogate).mean()
    return loss - entropy_weight * entropy(log_probs).mean() if entropy_weight else loss
