"""The columns that a report needs of each table of a run (every table also has `origin`)."""

from __future__ import annotations

__all__ = ["COLUMNS", "DIAGNOSTICS", "JUDGED", "OPTIONAL", "VALIDITY"]

COLUMNS: dict[str, tuple[str, ...]] = {
    "agreement": (
        *("arm", "grouping", "level", "n_persons", "n", "qwk", "qwk_continuous", "exact", "adjacent"),
        *("r", "smd", "smd_pooled", "rmse", "sd_ratio"),
    ),
    "agreement_intervals": ("arm", "metric", "value", "low", "high", "change", "change_low", "change_high"),
    "dif_items": (
        *("arm", "grouping", "reference", "focal", "item", "n_reference", "n_focal", "smd", "se", "z", "p"),
        *("p_adjusted", "es", "es_own", "es_class", "mantel_z", "mantel_p", "lr_total", "lr_total_p"),
        *("lr_uniform", "lr_uniform_p", "lr_nonuniform", "lr_nonuniform_p", "nagelkerke_change"),
        *("estimable", "reason"),
    ),
    "dif_changes": (
        *("arm", "grouping", "item", "change", "se", "z", "p", "p_adjusted", "low", "high", "status"),
    ),
    "dif_summary": (
        *("arm", "grouping", "sd_kind", "mean_es", "mean_low", "mean_high", "max_abs_es", "max_low"),
        *("max_high", "mean_abs_es", "change", "change_low", "change_high", "change_p"),
    ),
    "wording": ("arm", "effect", "low", "high", "n_pairs", "reduction"),
    "wording_items": ("arm", "item", "n_pairs", "effect", "es", "low", "high", "reason"),
    "distributions": ("arm", "grouping", "level", "score", "count", "share"),
    "arms": (
        *("arm", "label", "what", "seconds", "trained_on", "feedback_records", "optimality_gap", "mean_kl"),
        *("sd_ratio", "parameters_trained"),
    ),
    "items": ("item", "title", "construct", "max_score", "n_audit", "human_mean", "human_sd"),
    "split": ("split", "grouping", "level", "persons", "responses"),
    "flow": ("step", "unit", "what", "grouping", "level", "n", "of", "why"),
    "rubric": ("item", "score", "label", "description"),
    "feedback": ("kind", "source", "rater", "records", "responses", "connected_share", "note"),
    "reward": ("metric", "value"),
    "raters": (
        *("rater", "ratings", "score_preferences", "response_preferences", "severity", "severity_se"),
        *("discrimination", "discrimination_se", "compared", "agreement"),
    ),
    "rater_changes": ("what", "before", "after", "compared", "changed"),
    "ai_feedback": (
        *("kind", "source", "rater", "compared_with", "grouping", "level", "records", "n_persons", "n"),
        *("ties", "agreement", "kappa", "qwk", "mean_difference"),
    ),
    "asked": (
        *("grouping", "scores", "against", "reference", "focal", "difference", "low", "high", "n"),
        *("n_reference", "n_focal", "reason"),
    ),
    "denied": ("same", "denied", "difference", "low", "high", "n", "n_denied", "n_persons", "reason"),
    "training": ("stage", "step", "epoch", "loss"),
    "alignment_kl": (
        *("arm", "grouping", "level", "n", "kl", "kl_p95", "optimality_gap", "reward", "reward_change"),
        *("entropy", "modal_changed", "mass_moved", "top_mass", "nearly_certain"),
    ),
    "alignment_tax": ("arm", "metric", "value", "low", "high", "change", "change_low", "change_high"),
    "over_optimisation": (
        *("kind", "persons", "arm", "beta", "n_persons", "n", "kl", "reward", "qwk", "r", "rps", "rmse"),
        *("reward_change", "qwk_change", "rps_change", "rps_change_low", "rps_change_high"),
        *("study_beta", "best_beta"),
    ),
    "beta_choice": (
        *("beta", "low", "high", "share_reference", "study_beta", "gain", "cv_gain", "cv_low", "cv_high"),
        *("n_persons", "n", "at_end"),
    ),
    "choice": (
        *("key", "arm", "criterion", "folds", "value", "candidate", "chosen", "best", "admissible"),
        *("n_persons", "n", "rps", "rps_se", "qwk", "qwk_se", "ece", "ece_se", "excess", "excess_se"),
        *("n_pairs", "gap", "gap_se", "gap_excess", "gap_excess_se", "signed_gap", "signed_gap_se"),
        "sd_ratio",
    ),
    "evaluation": (
        *("arm", "grouping", "level", "metric", "contrast", "value", "low", "high", "reason", "n_persons"),
        "suppressed",
    ),
    "noninferiority": (
        "after",
        "before",
        "metric",
        "difference",
        "margin",
        "bound",
        "p",
        "noninferior",
        "reason",
    ),
    "fairness": (
        *("arm", "grouping", "metric", "r2", "f", "df1", "df2", "p", "estimate", "low", "high", "reason"),
        "n_persons",
    ),
    "rater_bias": (
        *(
            "arm",
            "grouping",
            "item",
            "method",
            "estimate",
            "se",
            "p",
            "low",
            "high",
            "reliability",
            "n_twice",
        ),
        *("estimable", "reason"),
    ),
    "impact": (
        *(
            "arm",
            "grouping",
            "cut",
            "group",
            "n",
            "n_selected",
            "rate",
            "is_reference",
            "impact_ratio",
            "low",
        ),
        *("high", "p", "shortfall", "reason", "suppressed"),
    ),
    "decisions": ("arm", "cut", "n", "human_rate", "rate", "accuracy", "sensitivity", "specificity", "kappa"),
    "bias_audit": (
        *("arm", "attribute", "category", "n", "n_above", "rate", "impact_ratio", "excluded", "reason"),
        "suppressed",
    ),
    "gates": (
        *("gate", "what", "scope", "value", "low", "high", "asked", "threshold", "status", "reason"),
        *("crosses", "note", "source", "n_persons", "arm", "binding"),
    ),
    "reward_hacking": (
        *("arm", "detector", "feature", "value", "low", "high", "change", "change_low", "change_high"),
        *("alarm", "why"),
    ),
}

# What alignment cost; runs made before these tables were written are reported without them.
DIAGNOSTICS = ("alignment_kl", "alignment_tax", "over_optimisation", "beta_choice", "reward_hacking")

# Against thresholds, a second human, the true score, at a cut; runs of before these tables lack them all.
VALIDITY = (
    *("evaluation", "noninferiority", "fairness", "rater_bias", "impact", "decisions", "bias_audit", "gates"),
)

# Without other wordings of an answer there is no wording effect; runs of before wording_items are reported
# without it and without what "wording" says of the items. Without a learner that needs a reward there is no
# reward model; runs of before the rater table are reported without it.
# Without [choice] nothing was chosen. Runs of before flow and rubric are reported without them.
# Where no rater was excluded or weighed there are no changes to tell; where no model judged, none of that.
# Without scores in the feedback, and in runs of before the table, nothing is told of what they ask; without a
# denial that two wordings of one answer say the same, nothing of denials.
OPTIONAL = frozenset(
    {
        *("wording", "wording_items", "reward", "raters", "rater_changes", "ai_feedback", "asked", "choice"),
        *("flow", "rubric", "denied"),
        *DIAGNOSTICS,
        *VALIDITY,
    }
)

# Further columns of dif_items: what the effect sizes show. Studies without the SMD and runs made
# before these were computed lack them, and are reported without; so too the columns of further methods.
JUDGED = ("es_se", "p_equivalence", "shown", "mde", "eb_es", "eb_p_a", "eb_p_b", "eb_p_c")
