"""Which arms read which settings: told from the parts of an arm's name."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ALIGN_OPTIONS", "REWARDED", "learns_scores", "reads_beta", "reads_option"]

# Options of [align] that only some arms read: default, and the parts of an arm's name that read it.
SCORED = ("refit", "dpo", "ppo", "distill")
ALIGN_OPTIONS: Mapping[str, tuple[object, tuple[str, ...]]] = {
    "dpo": ("sigmoid", ("dpo",)),
    "label_noise": (0.0, ("dpo",)),
    "kl": ("fixed", ("ppo",)),
    "kl_target": (0.0, ("ppo",)),
    "kl_budget": (0.0, ("dpo", "ppo", "distill")),
    "entropy": (0.0, ("ppo",)),
    "ppo_actions": ("all", ("ppo",)),
    "sft_anchor": (0.0, ("dpo", "ppo")),
    "group_robust": (0.0, ("dpo", "ppo")),
    "equivalence": ("anchored", ("equivalence",)),
    "equivalence_guard": (1.0, ("equivalence",)),
    "dif_penalty": (0.0, SCORED),
    "parity_penalty": (0.0, SCORED),
}

# Parts of an arm's name whose loss has the KL to the reference in it.
PENALISED = frozenset({"dpo", "ppo", "distill", "closed_form"})

# How the arms start that learn from the reward model's rewards.
REWARDED = ("ppo", "distill")


def reads_beta(arm: str) -> bool:
    """Whether an arm's scores depend on beta."""
    return not PENALISED.isdisjoint(arm.split("+"))


def learns_scores(arm: str) -> bool:
    """Whether an arm learns from score feedback, by itself or by the reward model made of it."""
    return not {*SCORED, "closed_form"}.isdisjoint(arm.split("+"))


def reads_option(arm: str, key: str) -> bool:
    """Whether an arm's training reads an option of `ALIGN_OPTIONS`."""
    return not set(arm.split("+")).isdisjoint(ALIGN_OPTIONS[key][1])
