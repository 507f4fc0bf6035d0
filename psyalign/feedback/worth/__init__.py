"""What a further judgement of a rater is expected to buy: the optimality gap that it takes away."""

from psyalign.feedback.worth.gap import (
    members_gap,
    optimal_value,
    second_order_gap,
    smoothed,
)
from psyalign.feedback.worth.posterior import RewardPosterior, information, reward_posterior
from psyalign.feedback.worth.questions import (
    Questions,
    Worth,
    adjacent_questions,
    expected_reduction,
    next_questions,
)

__all__ = [
    "Questions",
    "RewardPosterior",
    "Worth",
    "adjacent_questions",
    "expected_reduction",
    "information",
    "members_gap",
    "next_questions",
    "optimal_value",
    "reward_posterior",
    "second_order_gap",
    "smoothed",
]
