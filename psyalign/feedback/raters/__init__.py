"""What feedback says about its raters, without a learning library."""

from psyalign.feedback.raters.agreement import pair_agreement
from psyalign.feedback.raters.consistency import FAST_MOST, FAST_SHARE, read_times, repeat_consistency, speed
from psyalign.feedback.raters.davidson import OUTCOMES, DavidsonResult, fit_davidson, tie_start
from psyalign.feedback.raters.functioning import rater_groups, with_leanings
from psyalign.feedback.raters.rasch import RATING, FacetsResult, adjusted_scores, fit_facets
from psyalign.feedback.raters.severity import fit_raters
from psyalign.feedback.raters.table import judgement_tables, rater_table
from psyalign.feedback.raters.weights import (
    RaterWeights,
    consensus_scores,
    discrimination_weights,
    feedback_changes,
)

__all__ = [
    "FAST_MOST",
    "FAST_SHARE",
    "OUTCOMES",
    "RATING",
    "DavidsonResult",
    "FacetsResult",
    "RaterWeights",
    "adjusted_scores",
    "consensus_scores",
    "discrimination_weights",
    "feedback_changes",
    "fit_davidson",
    "fit_facets",
    "fit_raters",
    "judgement_tables",
    "pair_agreement",
    "rater_groups",
    "rater_table",
    "read_times",
    "repeat_consistency",
    "speed",
    "tie_start",
    "with_leanings",
]
