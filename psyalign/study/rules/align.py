"""Rules of [align]: the arms, the options that only some of them read, and their losses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from psyalign.study.problem import Problem
from psyalign.study.rules.arms import ALIGN_OPTIONS, reads_option

if TYPE_CHECKING:
    from psyalign.study.schema import Study

__all__ = ["align_rules", "arm_rules"]


def arm_rules(study: Study) -> Iterator[Problem]:
    """Each arm once, the baseline among them, and one that can be called "after"."""
    arms = study.align.arms
    repeated = sorted({arm for arm in arms if arms.count(arm) > 1})
    if repeated:
        yield Problem(("align", "arms"), f"The arm '{repeated[0]}' is listed twice.", "List each arm once.")
    if "baseline" not in arms:
        yield Problem(
            ("align", "arms"),
            "The arm 'baseline' is missing: every change is measured against it.",
            'Add "baseline" to the arms.',
        )
    if not study.report.primary_arm:
        yield Problem(
            ("align", "arms"),
            'No arm learns from feedback, so there is no "after".',
            'Add at least one of "refit", "dpo", "ppo" and "equivalence".',
        )


def align_rules(study: Study) -> Iterator[Problem]:
    """Options are read by some arm, and fit each other."""
    align = study.align
    for key, (default, readers) in ALIGN_OPTIONS.items():
        if getattr(align, key) != default and not any(reads_option(arm, key) for arm in align.arms):
            listed = " or ".join(f"'{name}'" for name in readers)
            yield Problem(
                ("align", key),
                f"'{key}' has no effect, because no arm is {listed}.",
                f"Drop '{key}', or add such an arm.",
            )
    yield from _label_noise(study)
    yield from _kl(study)
    if align.equivalence == "anchored" and align.equivalence_guard != ALIGN_OPTIONS["equivalence_guard"][0]:
        yield Problem(
            ("align", "equivalence_guard"),
            "'equivalence_guard' has no effect: the anchored term cannot be met by shrinking the scores.",
            'Drop it, or set equivalence = "expected" or "distribution".',
        )


def _label_noise(study: Study) -> Iterator[Problem]:
    variant, noise = study.align.dpo, study.align.label_noise
    noisy = variant in ("conservative", "robust")
    if noisy and not noise:
        yield Problem(
            ("align", "label_noise"),
            f'dpo = "{variant}" needs label_noise, the share of judgements that are taken to be wrong.',
            'Add, say, label_noise = 0.1, or set dpo = "sigmoid", which it is without noise.',
        )
    if noise and not noisy:
        yield Problem(
            ("align", "label_noise"),
            f"'label_noise' has no effect, because dpo is \"{variant}\".",
            'Drop it, or set dpo = "conservative" or "robust".',
        )


def _kl(study: Study) -> Iterator[Problem]:
    align = study.align
    if align.kl == "adaptive" and not align.kl_target:
        yield Problem(
            ("align", "kl_target"),
            'kl = "adaptive" needs kl_target, the KL in nats that beta is steered by.',
            'Add, say, kl_target = 0.05, or set kl = "fixed".',
        )
    if align.kl == "fixed" and align.kl_target:
        yield Problem(
            ("align", "kl_target"),
            "'kl_target' has no effect, because kl is \"fixed\".",
            'Drop it, or set kl = "adaptive".',
        )
    if 0 < align.kl_budget <= align.kl_target:
        yield Problem(
            ("align", "kl_budget"),
            f"Training would end at kl_budget ({align.kl_budget:g}), before kl_target "
            f"({align.kl_target:g}) is passed.",
            "Raise kl_budget, or drop one of the two.",
        )
