"""Alignment of the scorer with rater feedback: refit, DPO, PPO, their optimum, and equivalence."""

from psyalign.align.closed_form import ClosedFormScorer
from psyalign.align.control import KLControl
from psyalign.align.fairness import GroupPenalty, smd_contrast
from psyalign.align.group_weights import GroupWeights
from psyalign.align.inputs import AlignSettings, EquivalencePairs, Objective, ScoredFeedback
from psyalign.align.losses import (
    DpoVariant,
    distillation_loss,
    distribution_gap,
    dpo_loss,
    entropy,
    equivalence_loss,
    expected_gap,
    kl_divergence,
    ppo_loss,
    sampled_ppo_loss,
    spread_guard,
    supervised_loss,
)
from psyalign.align.optimum import mean_kl, objective, optimal_log_probs, optimality_gap
from psyalign.align.policy import align
from psyalign.align.sampling import SampledActions

__all__ = [
    "AlignSettings",
    "ClosedFormScorer",
    "DpoVariant",
    "EquivalencePairs",
    "GroupPenalty",
    "GroupWeights",
    "KLControl",
    "Objective",
    "SampledActions",
    "ScoredFeedback",
    "align",
    "distillation_loss",
    "distribution_gap",
    "dpo_loss",
    "entropy",
    "equivalence_loss",
    "expected_gap",
    "kl_divergence",
    "mean_kl",
    "objective",
    "optimal_log_probs",
    "optimality_gap",
    "ppo_loss",
    "sampled_ppo_loss",
    "smd_contrast",
    "spread_guard",
    "supervised_loss",
]
