"""Reward models learned from rater feedback, and what the feedback says about its raters."""

from psyalign.reward.bradley_terry import bradley_terry_loss, pair_accuracy, win_counts
from psyalign.reward.calibration import Calibration, calibration
from psyalign.reward.davidson import DavidsonResult, davidson_loss, fit_davidson
from psyalign.reward.ensemble import RewardEnsemble
from psyalign.reward.fitting import Comparisons
from psyalign.reward.rasch import RATING, FacetsResult, adjusted_scores, fit_facets
from psyalign.reward.raters import fit_raters, pair_agreement, rater_groups, rater_table
from psyalign.reward.reward_model import RewardModel

__all__ = [
    "RATING",
    "Calibration",
    "Comparisons",
    "DavidsonResult",
    "FacetsResult",
    "RewardEnsemble",
    "RewardModel",
    "adjusted_scores",
    "bradley_terry_loss",
    "calibration",
    "davidson_loss",
    "fit_davidson",
    "fit_facets",
    "fit_raters",
    "pair_accuracy",
    "pair_agreement",
    "rater_groups",
    "rater_table",
    "win_counts",
]
