"""Losses of the alignment arms: pure functions on (B, K) tensors of log-probabilities.

B responses, K score points; `log_probs` are the policy's, `reference` the frozen reference
scorer's. Score points that an item lacks have probability 0 in both and drop out of all sums.
"""

from psyalign.align.losses.dpo import DpoVariant, dpo_loss
from psyalign.align.losses.fairness import (
    contrast_penalty,
    distribution_gap,
    expected_gap,
    expected_scores,
    spread_guard,
)
from psyalign.align.losses.ppo import entropy, kl_divergence, ppo_loss, sampled_ppo_loss
from psyalign.align.losses.targets import distillation_loss, equivalence_loss, supervised_loss

__all__ = [
    "DpoVariant",
    "contrast_penalty",
    "distillation_loss",
    "distribution_gap",
    "dpo_loss",
    "entropy",
    "equivalence_loss",
    "expected_gap",
    "expected_scores",
    "kl_divergence",
    "ppo_loss",
    "sampled_ppo_loss",
    "spread_guard",
    "supervised_loss",
]
