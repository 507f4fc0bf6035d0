"""The columns that a report needs of each table of a run (every table also has `origin`)."""

from __future__ import annotations

__all__ = ["COLUMNS", "JUDGED", "OPTIONAL"]

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
    "distributions": ("arm", "grouping", "level", "score", "count", "share"),
    "arms": (
        *("arm", "label", "what", "seconds", "trained_on", "feedback_records", "optimality_gap", "mean_kl"),
        *("sd_ratio", "parameters_trained"),
    ),
    "items": ("item", "title", "construct", "max_score", "n_audit", "human_mean", "human_sd"),
    "split": ("split", "grouping", "level", "persons", "responses"),
    "feedback": ("kind", "source", "rater", "records", "responses", "connected_share", "note"),
    "reward": ("metric", "value"),
    "training": ("stage", "step", "epoch", "loss"),
}

# Without other wordings of an answer there is no wording effect; without a learner that needs a
# reward there is no reward model.
OPTIONAL = frozenset({"wording", "reward"})

# Further columns of dif_items: what the effect sizes show. Studies without the SMD and runs made
# before these were computed lack them, and are reported without; so too the columns of further methods.
JUDGED = ("es_se", "p_equivalence", "shown", "mde", "eb_es", "eb_p_a", "eb_p_b", "eb_p_c")
