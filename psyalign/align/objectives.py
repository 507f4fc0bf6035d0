"""What each objective asks of a batch of judged responses: one loss, from the batch's tables."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch

from psyalign.align.inputs import AlignSettings, Objective
from psyalign.align.losses import (
    distillation_loss,
    dpo_loss,
    kl_divergence,
    ppo_loss,
    sampled_ppo_loss,
    supervised_loss,
)

__all__ = ["ScoreBatch", "score_loss", "score_risk"]


@dataclass(frozen=True)
class ScoreBatch:
    """The tables of B judged responses, without gradient.

    Attributes
    ----------
    scores : (B,) int64
    wins : (B, K, K)
    reference, rewards, optimum : (B, K)
        Log-probabilities of the reference scorer, rewards, and log π*.
    old : (B, K)
        The policy's log-probabilities at the start of the step.
    actions, advantages : (B,)
        What sampled PPO drew from `old`; zeros for everyone else.
    """

    scores: torch.Tensor
    wins: torch.Tensor
    reference: torch.Tensor
    rewards: torch.Tensor
    optimum: torch.Tensor
    old: torch.Tensor
    actions: torch.Tensor
    advantages: torch.Tensor

    def part(self, chosen: torch.Tensor) -> ScoreBatch:
        """The same tables for some of the responses."""
        return ScoreBatch(*(getattr(self, field.name)[chosen] for field in fields(self)))


def score_loss(
    objective: Objective, log_probs: torch.Tensor, batch: ScoreBatch, settings: AlignSettings, beta: float
) -> torch.Tensor:
    """Loss of an objective on a batch, with the SFT anchor if there is one.

    Parameters
    ----------
    objective : {"refit", "dpo", "ppo", "distill"}
    log_probs : (B, K)
        The policy's.
    batch : ScoreBatch
    settings : AlignSettings
    beta : float
        Weight of the KL now; another than ``settings.beta`` when PPO's is steered.
    """
    if objective == "refit":
        return supervised_loss(log_probs, batch.scores)
    if objective == "distill":
        return distillation_loss(log_probs, batch.optimum)
    if objective == "dpo":
        loss = dpo_loss(
            log_probs,
            batch.reference,
            batch.wins,
            beta,
            variant=settings.dpo,
            label_noise=settings.label_noise,
        )
    else:
        loss = _ppo(log_probs, batch, settings, beta)
    if settings.sft_anchor:
        loss = loss + settings.sft_anchor * supervised_loss(log_probs, batch.scores)
    return loss


def score_risk(objective: Objective, log_probs: torch.Tensor, loss: torch.Tensor, batch: ScoreBatch) -> float:
    """How badly a group is served, for group-robust weighting.

    DPO's loss says it. PPO's is near 0 wherever the policy stands, because advantages are
    centred; there it is KL(π ‖ π*), which is the optimality gap over β.
    """
    if objective == "ppo":
        return float(kl_divergence(log_probs.detach(), batch.optimum).mean())
    return float(loss.detach())


def _ppo(log_probs: torch.Tensor, batch: ScoreBatch, settings: AlignSettings, beta: float) -> torch.Tensor:
    if settings.ppo_actions == "sampled":
        return sampled_ppo_loss(
            log_probs,
            batch.old,
            batch.reference,
            batch.actions,
            batch.advantages,
            beta=beta,
            clip=settings.ppo_clip,
            entropy_weight=settings.entropy,
        )
    return ppo_loss(
        log_probs,
        batch.old,
        batch.reference,
        batch.rewards,
        beta=beta,
        clip=settings.ppo_clip,
        entropy_weight=settings.entropy,
    )
