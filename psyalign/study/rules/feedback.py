"""Rules of [feedback] and [reward]: what is learned from people, and the reward model made of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from psyalign.study.problem import Problem

if TYPE_CHECKING:
    from psyalign.study.learning import Feedback
    from psyalign.study.schema import Study

__all__ = ["equivalence_rules", "feedback_rules", "reward_rules"]


def feedback_rules(study: Study) -> Iterator[Problem]:
    """Raters and records are named as the source of score preferences needs them."""
    feedback = study.feedback
    if feedback.source == "second_scoring":
        for key in ("first", "second"):
            if not getattr(feedback, key):
                yield Problem(
                    ("feedback", key),
                    f"source = \"second_scoring\" needs '{key}', a rater's name.",
                    "Name the rater before (first) and after (second) the correction.",
                )
        if feedback.first and feedback.first == feedback.second:
            yield Problem(
                ("feedback", "second"),
                f"First and second scoring are both rater '{feedback.second}'.",
                "Name two different raters.",
            )
    yield from _rater_policy(study)
    if "records" in (feedback.source, feedback.equivalence) and feedback.records is None:
        yield Problem(
            ("feedback", "records"),
            "Feedback comes from records, but no file is named.",
            'Add records = "feedback.jsonl".',
        )


def _rater_policy(study: Study) -> Iterator[Problem]:
    """Excluding and weighing take several raters; times belong to records."""
    feedback = study.feedback
    for key, default in (("exclude_raters", ()), ("rater_weights", "none")):
        if _one_rater(feedback) and getattr(feedback, key) != default:
            yield Problem(
                ("feedback", key),
                f"'{key}' has no effect: this feedback is one rater's scores.",
                "Drop it, or use source = \"panel\" without 'rater', or records.",
            )
    if len(set(feedback.exclude_raters)) < len(feedback.exclude_raters):
        yield Problem(("feedback", "exclude_raters"), "A rater is excluded twice.", "Name each once.")
    if feedback.rater_weights != "none" and study.reward.adjust_severity:
        yield Problem(
            ("feedback", "rater_weights"),
            "adjust_severity makes the scores anew of all ratings, which would undo the weights.",
            "Drop rater_weights, or [reward] adjust_severity.",
        )
    if feedback.times is not None and feedback.source != "records":
        yield Problem(
            ("feedback", "times"),
            "'times' has no effect: only judgements at a page, exported as records, have a time.",
            'Drop it, or set source = "records" in [feedback].',
        )


def _one_rater(feedback: Feedback) -> bool:
    """Whether all scores of the feedback are one rater's: then raters cannot be told apart."""
    return feedback.source == "second_scoring" or (feedback.source == "panel" and bool(feedback.rater))


def equivalence_rules(study: Study) -> Iterator[Problem]:
    """Arms that learn equivalence have feedback on it, and pairs of wordings a neutral one."""
    feedback = study.feedback
    wanting = [arm for arm in study.align.arms if "equivalence" in arm]
    if wanting and feedback.equivalence == "none":
        yield Problem(
            ("feedback", "equivalence"),
            f"The arm '{wanting[0]}' needs equivalence feedback, and [feedback] equivalence is \"none\".",
            'Set equivalence to "alternates", "records" or "matched_answers", or drop the arm.',
        )
    if feedback.equivalence == "alternates" and not feedback.neutral_wording:
        yield Problem(
            ("feedback", "neutral_wording"),
            "Pairs of wordings need to know which wording is the neutral one that teaches.",
            'Add neutral_wording = "standard", or the name of another wording.',
        )


def reward_rules(study: Study) -> Iterator[Problem]:
    """Settings of the reward model fit its number, the scorer and the kind of feedback."""
    reward, feedback = study.reward, study.feedback
    if reward.ensemble == 1 and reward.ensemble_reward != "mean":
        yield Problem(
            ("reward", "ensemble_reward"),
            f'ensemble_reward = "{reward.ensemble_reward}" has no effect on a single reward model.',
            "Add ensemble = 4, or drop 'ensemble_reward'.",
        )
    if reward.base and reward.base == study.scorer.base:
        yield Problem(
            ("reward", "base"),
            f"'{reward.base}' is the scorer's own base; the reward model starts as a copy of the scorer.",
            "Drop 'base', or name another model.",
        )
    if reward.response_weight != 1 and feedback.source != "records":
        yield Problem(
            ("reward", "response_weight"),
            "'response_weight' has no effect: comparisons of responses come from records.",
            'Drop it, or set source = "records" in [feedback].',
        )
    if reward.adjust_severity and _one_rater(feedback):
        yield Problem(
            ("reward", "adjust_severity"),
            "Severity can be told from the ratings of several raters; this feedback is one rater's.",
            "Drop adjust_severity, or use source = \"panel\" without 'rater', or ratings in records.",
        )
