"""Paths that go through a rationale: "constitution", "contrastive", "elaborate"."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from psyalign.feedback import Rating, ScorePreference
from psyalign.items import Item
from psyalign.judge.ledger import Asker
from psyalign.judge.paths.common import LEAST_WORDS, JudgeSettings, Work, digits, in_both_orders
from psyalign.judge.principles import Principle, of_kind
from psyalign.judge.prompts import (
    SURFACE_RATER,
    critique_prompt,
    follows_prompt,
    rationale_prompt,
    revision_prompt,
    score_prompt,
)
from psyalign.judge.subjects import Subjects
from psyalign.judge.trail import Entry, Outcome

__all__ = ["constitution", "contrastive", "elaborate", "score_said"]

RATIONALE_TOKENS, CRITIQUE_TOKENS = 96, 64
SCORE_SAID = re.compile(r"\bscore\b\W{0,4}(?:of\W{1,3})?(\d+)\b", re.IGNORECASE)
UNREADABLE = "no readable score"


def constitution(subjects: Subjects, settings: JudgeSettings) -> list[Work]:
    """Score and rationale, critique by one principle, revised score; kept where the score changed.

    The revised score is preferred to the first one. After Bai et al. (2022), Constitutional AI.
    """
    found = of_kind(settings.principles, "rationale", "constitution")
    return [
        partial(_revise, subjects, principle, response, item)
        for response, item in subjects.responses
        for principle in found
    ]


def contrastive(subjects: Subjects, settings: JudgeSettings) -> list[Work]:
    """The judge's rubric score against that of a persona that scores language; kept where they differ.

    The persona's score is the rejected side. After contrastive prompting of a negative persona (Yang et al.,
    2024, RLCD).
    """
    return [partial(_contrast, subjects, response, item) for response, item in subjects.responses]


def elaborate(subjects: Subjects, settings: JudgeSettings) -> list[Work]:
    """A terse score, then a rationale that walks the rubric; a rating if both say the same score.

    The rationale must also follow every principle of kind "rationale", asked in both orders.
    """
    found = of_kind(settings.principles, "rationale", "elaborate")
    return [
        partial(_elaborate, subjects, settings, found, response, item)
        for response, item in subjects.responses
    ]


def score_said(text: str) -> int | None:
    """The last score that a rationale names as "Score: n"; None where it names none."""
    found = SCORE_SAID.findall(text)
    return int(found[-1]) if found else None


def _score(asker: Asker, item: Item, text: str, system: str | None = None) -> int | None:
    """A terse score: the most probable score point."""
    prompt = score_prompt(item, text) if system is None else score_prompt(item, text, system=system)
    label = asker.choose(prompt, digits(item.scores)).label
    return int(label) if label else None


def _revise(subjects: Subjects, principle: Principle, response: str, item: str, asker: Asker) -> Outcome:
    shown, text = subjects.items[item], subjects.text(response)
    base = _base("constitution", asker, ScorePreference.kind, item, response, principle.id)
    first = _score(asker, shown, text)
    if first is None:
        return Outcome([replace(base, reason=UNREADABLE)])
    rationale = asker.write(rationale_prompt(shown, text, first), RATIONALE_TOKENS)
    critique = asker.write(critique_prompt(shown, text, rationale, principle.text), CRITIQUE_TOKENS)
    said = asker.choose(
        revision_prompt(shown, text, rationale, principle.text, critique), digits(shown.scores)
    )
    texts = [
        _row(base, "rationale", first, rationale),
        _row(base, "critique", int(said.label) if said.label else None, critique),
    ]
    return _preferred(base, int(said.label) if said.label else None, first, said.logprobs, texts)


def _contrast(subjects: Subjects, response: str, item: str, asker: Asker) -> Outcome:
    shown, text = subjects.items[item], subjects.text(response)
    base = _base("contrastive", asker, ScorePreference.kind, item, response, "")
    own = asker.choose(score_prompt(shown, text), digits(shown.scores))
    surface = _score(asker, shown, text, SURFACE_RATER)
    score = int(own.label) if own.label else None
    if score is None or surface is None or score == surface:
        return _preferred(base, score, surface, own.logprobs, [])
    texts = [
        _row(base, side, points, asker.write(prompt, RATIONALE_TOKENS))
        for side, points, prompt in (
            ("chosen", score, rationale_prompt(shown, text, score)),
            ("rejected", surface, rationale_prompt(shown, text, surface, system=SURFACE_RATER)),
        )
    ]
    return _preferred(base, score, surface, own.logprobs, texts)


def _preferred(
    base: Entry,
    better: int | None,
    worse: int | None,
    logprobs: tuple[float, ...] | None,
    texts: list[dict[str, object]],
) -> Outcome:
    """A preference of one score over another; its margin is the judge's, between the two score points."""
    if better is None or worse is None:
        return Outcome([replace(base, reason=UNREADABLE)], [], texts)
    margin = float("nan") if logprobs is None else logprobs[better] - logprobs[worse]
    row = replace(base, option_a=str(better), option_b=str(worse), margin=margin)
    if better == worse:
        return Outcome([replace(row, reason="both scores are the same")], [], texts)
    record = ScorePreference(base.item, base.response_a, better, worse, base.judge, base.source)
    return Outcome([replace(row, verdict=str(better), kept=True)], [record], texts)


def _elaborate(
    subjects: Subjects,
    settings: JudgeSettings,
    principles: list[Principle],
    response: str,
    item: str,
    asker: Asker,
) -> Outcome:
    shown, text = subjects.items[item], subjects.text(response)
    base = _base("elaborate", asker, Rating.kind, item, response, "")
    score = _score(asker, shown, text)
    if score is None:
        return Outcome([replace(base, reason=UNREADABLE)])
    rationale = asker.write(rationale_prompt(shown, text, score), RATIONALE_TOKENS)
    own = score_said(rationale)
    base = replace(base, option_a=str(score), option_b="" if own is None else str(own))
    texts = [_row(base, "rationale", score, rationale)]
    reason = _why_not(rationale, score, own)
    entries: list[Entry] = []
    if not reason:
        entries, broken = _filtered(asker, settings, base, shown, text, rationale, principles)
        reason = f"the rationale goes against '{broken}'" if broken else ""
    row = replace(base, verdict="" if reason else str(score), kept=not reason, reason=reason)
    records = [] if reason else [Rating(item, response, score, base.judge, base.source)]
    return Outcome([row, *entries], list(records), texts)


def _why_not(rationale: str, score: int, own: int | None) -> str:
    if len(rationale.split()) < LEAST_WORDS:
        return "no rationale"
    if own is None:
        return "the rationale names no score"
    return "" if own == score else "the rationale's score is another one"


def _filtered(
    asker: Asker,
    settings: JudgeSettings,
    base: Entry,
    item: Item,
    text: str,
    rationale: str,
    principles: list[Principle],
) -> tuple[list[Entry], str]:
    """The principle filter: its rows, and the first principle that the rationale does not follow."""
    entries: list[Entry] = []
    for principle in principles:
        asked = replace(
            base, question=f"follows:{principle.id}:{base.response_a}", kind="follows",
            principle=principle.id, option_a="follows", option_b="against",
        )  # fmt: skip
        verdict, rows = in_both_orders(
            asker,
            asked,
            follows_prompt(item, text, rationale, principle.text, yes_first=True),
            follows_prompt(item, text, rationale, principle.text, yes_first=False),
            agree=True,
            min_margin=settings.min_margin,
        )
        entries += rows
        if verdict.side < 1:
            return entries, principle.id
    return entries, ""


def _base(path: str, asker: Asker, kind: str, item: str, response: str, principle: str) -> Entry:
    judge = f"{asker.judge.name}: {principle}" if principle else asker.judge.name
    question = ":".join(part for part in (kind, principle, response) if part)
    return Entry(question, f"ai:{path}", judge, principle, kind, item, response)


def _row(base: Entry, what: str, score: int | None, text: str) -> dict[str, object]:
    """A row of the table of rationales."""
    return {
        "response_id": base.response_a,
        "item": base.item,
        "principle": base.principle,
        "what": what,
        "score": score,
        "text": text,
    }
