"""Reward models learned from rater feedback."""

from psyalign.reward.bradley_terry import bradley_terry_loss, pair_accuracy, win_counts
from psyalign.reward.reward_model import RewardModel

__all__ = ["RewardModel", "bradley_terry_loss", "pair_accuracy", "win_counts"]
