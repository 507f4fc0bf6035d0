"""Alignment of the scorer with rater feedback: refit, DPO, PPO and anchored equivalence."""

from psyalign.align.losses import dpo_loss, equivalence_loss, kl_divergence, ppo_loss, supervised_loss
from psyalign.align.optimum import mean_kl, objective, optimal_log_probs, optimality_gap
from psyalign.align.policy import AlignSettings, EquivalencePairs, ScoredFeedback, align

__all__ = [
    "AlignSettings",
    "EquivalencePairs",
    "ScoredFeedback",
    "align",
    "dpo_loss",
    "equivalence_loss",
    "kl_divergence",
    "mean_kl",
    "objective",
    "optimal_log_probs",
    "optimality_gap",
    "ppo_loss",
    "supervised_loss",
]
