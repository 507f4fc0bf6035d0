"""Reward models learned from rater feedback; what it says about its raters: `psyalign.feedback.raters`."""

from psyalign.reward.bradley_terry import bradley_terry_loss, pair_accuracy, win_counts
from psyalign.reward.calibration import Calibration, calibration
from psyalign.reward.davidson import davidson_loss
from psyalign.reward.ensemble import RewardEnsemble
from psyalign.reward.fitting import Comparisons
from psyalign.reward.reward_model import RewardModel

__all__ = [
    "Calibration",
    "Comparisons",
    "RewardEnsemble",
    "RewardModel",
    "bradley_terry_loss",
    "calibration",
    "davidson_loss",
    "pair_accuracy",
    "win_counts",
]
