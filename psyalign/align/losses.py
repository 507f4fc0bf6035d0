"""Losses of the alignment arms: pure functions on (B, K) tensors of log-probabilities.

B responses, K score points; `log_probs` are the policy's, `reference` the frozen reference
scorer's. Score points that an item lacks have probability 0 in both and drop out of all sums.
"""

from __future__ import annotations

import torch

from psyalign.reward.bradley_terry import bradley_terry_loss

__all__ = ["dpo_loss", "equivalence_loss", "kl_divergence", "ppo_loss", "supervised_loss"]


def dpo_loss(
    log_probs: torch.Tensor, reference: torch.Tensor, wins: torch.Tensor, beta: float
) -> torch.Tensor:
    """Direct preference optimisation: Bradley–Terry on the implied rewards β·log(π/π_ref).

    Parameters
    ----------
    log_probs, reference : (B, K)
    wins : (B, K, K)
        Judgements "i over j"; all pairs of a response share its one forward pass.
    beta : float
        Strength of the KL penalty that the loss stands for.

    Returns
    -------
    scalar tensor
        ln 2 when the policy is the reference.

    References
    ----------
    Rafailov et al. (2023), Direct Preference Optimization, eq. 7.
    """
    return bradley_terry_loss(beta * (log_probs - reference), wins)


def kl_divergence(log_probs: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
    """Exact KL(π ‖ π_ref) in nats, shape (B,)."""
    return (log_probs.exp() * (log_probs - reference)).sum(dim=-1)


def ppo_loss(
    log_probs: torch.Tensor,
    old: torch.Tensor,
    reference: torch.Tensor,
    rewards: torch.Tensor,
    *,
    beta: float,
    clip: float,
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

    References
    ----------
    Schulman et al. (2017), Proximal Policy Optimization Algorithms, eq. 7.
    """
    weights = old.exp()
    advantage = rewards - (weights * rewards).sum(dim=-1, keepdim=True)
    ratio = (log_probs - old).exp()
    clipped = ratio.clamp(1 - clip, 1 + clip)
    surrogate = (weights * torch.minimum(ratio * advantage, clipped * advantage)).sum(dim=-1)
    return (beta * kl_divergence(log_probs, reference) - surrogate).mean()


def equivalence_loss(log_probs: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Anchored equivalence: cross-entropy from the teacher's distribution to the policy's.

    For a pair of wordings that raters judged to show the same intention, the teacher is the
    frozen reference scorer on the neutral wording, and the policy is held to it on *both*
    wordings. A plain penalty on the difference of the two can be bought by shrinking the
    score range (QWK .78 → .44 on real text); this one cannot.

    Parameters
    ----------
    log_probs : (2, B, K)
        The policy on the two wordings of B pairs.
    teacher : (B, K)
        Log-probabilities, without gradient.
    """
    return -(teacher.exp() * log_probs).sum(dim=-1).mean()


def supervised_loss(log_probs: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Cross-entropy to given scores (B,): the loss of fine-tuning, and of the refit arm."""
    return torch.nn.functional.nll_loss(log_probs, scores)
