"""How well a scorer agrees with human scores: overall, by group, difference, with intervals."""

from psyalign.agreement.bootstrap import bootstrap_agreement
from psyalign.agreement.classification import DecisionModel, livingston_lewis
from psyalign.agreement.cuts import decision_kernel, decision_sums, decisions
from psyalign.agreement.evaluation import Evaluation, evaluation_intervals
from psyalign.agreement.gates import GATES, Figure, Gate, judge_gates
from psyalign.agreement.group_errors import Fairness, error_cells, fairness, fairness_kernel
from psyalign.agreement.impact import impact_ratios, ll144_table, ratio_interval
from psyalign.agreement.metrics import METRICS, agreement
from psyalign.agreement.pairs import (
    PAIR_METRICS,
    confusion_table,
    distribution_table,
    dsm,
    pair_metrics,
    why_undefined,
)
from psyalign.agreement.raters import degradation, disattenuated_r, human_consistency, ratings_matrix
from psyalign.agreement.resampling import Resamples, resample
from psyalign.agreement.scores import round_scores, scale_scores, score_types, trim_scores
from psyalign.agreement.suppress import suppress_small
from psyalign.agreement.table import agreement_table
from psyalign.agreement.truth import TrueScore, true_score
from psyalign.foundation.draws import inverted_p, percentile_interval

__all__ = [
    "GATES",
    "METRICS",
    "PAIR_METRICS",
    "DecisionModel",
    "Evaluation",
    "Fairness",
    "Figure",
    "Gate",
    "Resamples",
    "TrueScore",
    "agreement",
    "agreement_table",
    "bootstrap_agreement",
    "confusion_table",
    "decision_kernel",
    "decision_sums",
    "decisions",
    "degradation",
    "disattenuated_r",
    "distribution_table",
    "dsm",
    "error_cells",
    "evaluation_intervals",
    "fairness",
    "fairness_kernel",
    "human_consistency",
    "impact_ratios",
    "inverted_p",
    "judge_gates",
    "livingston_lewis",
    "ll144_table",
    "pair_metrics",
    "percentile_interval",
    "ratings_matrix",
    "ratio_interval",
    "resample",
    "round_scores",
    "scale_scores",
    "score_types",
    "suppress_small",
    "trim_scores",
    "true_score",
    "why_undefined",
]
