"""Losses that hold the policy to something given: scores, a teacher's distribution, or π*."""

from __future__ import annotations

import torch

from psyalign.align.losses.ppo import kl_divergence

__all__ = ["distillation_loss", "equivalence_loss", "supervised_loss"]


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


def distillation_loss(log_probs: torch.Tensor, optimum: torch.Tensor) -> torch.Tensor:
    """KL(π* ‖ π): soft labels from the known optimum of the KL-regularised objective.

    Its gradient is that of the cross-entropy to π*; less π*'s entropy, the loss is 0 at the
    optimum. The other direction, β·KL(π ‖ π*), is the optimality gap, which PPO closes.

    Parameters
    ----------
    log_probs : (B, K)
    optimum : (B, K)
        log π* of `psyalign.align.optimal_log_probs`, without gradient.

    References
    ----------
    Hinton, Vinyals & Dean (2015), Distilling the Knowledge in a Neural Network. Korbak et al.
    (2022), On Reinforcement Learning and Distribution Matching, for the two directions.
    """
    return kl_divergence(optimum, log_probs).mean()


def supervised_loss(log_probs: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Cross-entropy to given scores (B,): the loss of fine-tuning, and of the refit arm.

    Added to DPO or PPO with a weight, it is the SFT anchor.

    References
    ----------
    Liu et al. (2024), Provably Mitigating Overoptimization in RLHF: Your SFT Loss is Implicitly an
    Adversarial Regularizer. Pang et al. (2024), Iterative Reasoning Preference Optimization.
    """
    return torch.nn.functional.nll_loss(log_probs, scores)
