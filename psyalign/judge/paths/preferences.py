"""Preferences between score points and between responses: "rlaif", and "principles"."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Literal

from psyalign.feedback import ResponsePreference, ScorePreference
from psyalign.judge.ledger import Asker
from psyalign.judge.paths.common import JudgeSettings, Work, in_both_orders
from psyalign.judge.principles import Principle, of_kind
from psyalign.judge.prompts import response_pair_prompt, score_pair_prompt
from psyalign.judge.subjects import Subjects
from psyalign.judge.trail import Entry, Outcome

__all__ = ["principled", "rlaif"]


def rlaif(subjects: Subjects, settings: JudgeSettings) -> list[Work]:
    """Preferences by the rubric; the mean margin of both orders decides (Lee et al., 2024)."""
    return _works("rlaif", subjects, settings, None)


def principled(subjects: Subjects, settings: JudgeSettings) -> list[Work]:
    """Preferences by one principle a call, kept only if both orders agree (SALMON; Sun et al., 2024)."""
    found = of_kind(settings.principles, "score", "principles")
    return [work for principle in found for work in _works("principles", subjects, settings, principle)]


def _works(path: str, subjects: Subjects, settings: JudgeSettings, principle: Principle | None) -> list[Work]:
    works: list[Work] = []
    if ScorePreference.kind in settings.kinds:
        works += [
            partial(_score_pairs, path, subjects, settings, principle, response, item)
            for response, item in subjects.responses
        ]
    if ResponsePreference.kind in settings.kinds:
        works += [
            partial(_responses, path, subjects, settings, principle, item, a, b)
            for item, a, b in subjects.chains()
        ]
    return works


def _score_pairs(
    path: str,
    subjects: Subjects,
    settings: JudgeSettings,
    principle: Principle | None,
    response: str,
    item: str,
    asker: Asker,
) -> Outcome:
    """All neighbouring pairs of score points of one response: they connect its score points."""
    outcome, shown, text = Outcome(), subjects.items[item], subjects.text(response)
    said = principle.text if principle else ""
    for low, high in pairwise(shown.scores):
        base = _base(path, asker, principle, ScorePreference.kind, item, response, "", str(low), str(high))
        verdict, rows = in_both_orders(
            asker,
            base,
            score_pair_prompt(shown, text, low, high, said),
            score_pair_prompt(shown, text, high, low, said),
            agree=principle is not None,
            min_margin=settings.min_margin,
        )
        outcome.entries += rows
        if verdict.kept:
            preferred, rejected = (low, high) if verdict.side > 0 else (high, low)
            outcome.records.append(
                ScorePreference(item, response, preferred, rejected, base.judge, base.source)
            )
    return outcome


def _responses(
    path: str,
    subjects: Subjects,
    settings: JudgeSettings,
    principle: Principle | None,
    item: str,
    a: str,
    b: str,
    asker: Asker,
) -> Outcome:
    shown, said = subjects.items[item], principle.text if principle else ""
    first, second = subjects.text(a), subjects.text(b)
    base = _base(path, asker, principle, ResponsePreference.kind, item, a, b, "a", "b")
    verdict, rows = in_both_orders(
        asker,
        base,
        response_pair_prompt(shown, first, second, said),
        response_pair_prompt(shown, second, first, said),
        agree=principle is not None,
        min_margin=settings.min_margin,
    )
    outcome = Outcome(rows)
    if verdict.kept:
        better: Literal["a", "b"] = "a" if verdict.side > 0 else "b"
        outcome.records.append(ResponsePreference(item, a, b, better, base.judge, base.source))
    return outcome


def _base(
    path: str,
    asker: Asker,
    principle: Principle | None,
    kind: str,
    item: str,
    response_a: str,
    response_b: str,
    option_a: str,
    option_b: str,
) -> Entry:
    """The row of a question; each principle is a rater of its own."""
    name = principle.id if principle else ""
    judge = f"{asker.judge.name}: {name}" if name else asker.judge.name
    question = ":".join(
        part for part in (kind, name, response_a, response_b or f"{option_a}-{option_b}") if part
    )
    return Entry(question, f"ai:{path}", judge, name, kind, item, response_a, response_b, option_a, option_b)
