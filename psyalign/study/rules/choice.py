"""Rules of [choice]: candidates for settings of [align]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from psyalign.study.problem import Problem
from psyalign.study.rules.arms import reads_beta

if TYPE_CHECKING:
    from psyalign.study.schema import Study

__all__ = ["choice_rules"]


def choice_rules(study: Study) -> Iterator[Problem]:
    """There are candidates to choose among, and arms that read what is chosen."""
    choice = study.choice
    if choice is None:
        return
    if not choice.model_fields_set & {"beta", "equivalence_weight"}:
        yield Problem(
            ("choice",),
            "[choice] lists no candidates, so there is nothing to choose.",
            "Add, say, beta = [0.1, 0.3, 1.0], or drop [choice].",
        )
    for key in choice.chosen_keys:
        yield from _candidates(study, key, getattr(choice, key))
    if choice.beta and not any(reads_beta(arm) for arm in study.align.arms):
        yield Problem(
            ("choice", "beta"),
            "No arm has a KL penalty, so there is no beta to choose.",
            'Drop it, or add an arm such as "dpo" or "ppo".',
        )
    if choice.equivalence_weight and study.weighed_arm is None:
        yield Problem(
            ("choice", "equivalence_weight"),
            "No arm joins equivalence to another objective: there is nothing to weigh it against.",
            'Drop it, or add an arm such as "dpo+equivalence".',
        )


def _candidates(study: Study, key: str, values: tuple[float, ...]) -> Iterator[Problem]:
    if len(set(values)) < 2 or len(set(values)) < len(values):
        yield Problem(
            ("choice", key),
            f"'{key}' must list two or more different candidates.",
            f"List each once, or set one value in [align] {key} without a choice.",
        )
    if key in study.align.model_fields_set:
        yield Problem(
            ("choice", key),
            f"[align] sets '{key}', and [choice] is to choose it.",
            f"Drop '{key}' in one of the two tables.",
        )
