"""Composing the text of a simulated response: content is chosen first, wording comes last.

A plan holds every choice (which phrases, in which order, linked how). Rendering one plan in
two varieties gives two responses with the same content, which is what equivalence feedback
and the wording effect need.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from psyalign.responses.phrases import VARIETIES, Phrase, PhraseBank, PhrasePoint

__all__ = ["Part", "Plan", "capitalised_words", "plan_response", "render_plan"]

# These join a reason to the action before it within one sentence.
CLAUSE_LINKS = (Phrase("because", "cos"), Phrase("since", "seein as"), Phrase("as", "cuz"))
ME = ("I", "Id", "Ill", "Im", "Ive")
HAS_LINK = re.compile(r"(because|since|as|so|cos|cause|coz|cuz|bc|seein)\b", re.IGNORECASE)

# Short enough that most responses fit the scorer's prompt beside scenario and rubric.
P_SECOND = 0.35  # a second action; likewise a second reason
P_NEIGHBOUR = 0.15  # one more phrase from the score point below or above
MAX_PHRASES = 4
P_REASON_FIRST = 0.2
P_CLAUSE = 0.5  # "…, because …" rather than two sentences
P_CONNECTIVE = 0.25
P_OPENING = 0.25
P_CLOSING = 0.2
P_SLIP = 0.4  # everyday writing: no capital at the start; likewise no full stop at the end


@dataclass(frozen=True)
class Part:
    """A phrase and what links it to the text before it.

    Attributes
    ----------
    phrase : Phrase
        What is said.
    link : Phrase or None
        Said before it.
    clause : bool
        Whether the link joins the phrase to the sentence before it.
    """

    phrase: Phrase
    link: Phrase | None = None
    clause: bool = False


@dataclass(frozen=True)
class Plan:
    """Every choice behind one response.

    Attributes
    ----------
    parts : tuple of Part
        In the order in which they are said.
    lower_start, drop_stop : bool
        Slips of everyday writing; the standard variety has none.
    """

    parts: tuple[Part, ...]
    lower_start: bool
    drop_stop: bool


def plan_response(bank: PhraseBank, level: int, random: np.random.Generator) -> Plan:
    """Choose the content of one response.

    Parameters
    ----------
    bank : PhraseBank
        Phrases of the item.
    level : int
        Score point that the response is to have.
    random : numpy.random.Generator
        Source of the choices.
    """
    point = bank.points[level]
    actions = _pick(point.actions, random)
    reasons = _pick(point.reasons, random)
    if random.random() < P_NEIGHBOUR and len(actions) + len(reasons) < MAX_PHRASES:
        neighbour = _neighbour(bank, level, random)
        add_action = random.random() < 0.5
        pool = neighbour.actions if add_action else neighbour.reasons
        # said after the response's own actions or reasons
        (actions if add_action else reasons).append(_one(pool, random))
    links = bank.shared.connectives
    if random.random() < P_REASON_FIRST:
        parts = _linked(reasons + actions, links, random)
    else:
        parts = _linked(actions + reasons, links, random)
        first_reason = len(actions)
        if random.random() < P_CLAUSE and _can_join(actions[-1], reasons[0]):
            parts[first_reason] = Part(reasons[0], _one(CLAUSE_LINKS, random), clause=True)
    if random.random() < P_OPENING and bank.shared.openings:
        parts.insert(0, Part(_one(bank.shared.openings, random)))
    if random.random() < P_CLOSING and bank.shared.closings:
        parts.append(Part(_one(bank.shared.closings, random)))
    return Plan(tuple(parts), bool(random.random() < P_SLIP), bool(random.random() < P_SLIP))


def _one(phrases: Sequence[Phrase], random: np.random.Generator) -> Phrase:
    return phrases[int(random.integers(len(phrases)))]


def _pick(phrases: Sequence[Phrase], random: np.random.Generator) -> list[Phrase]:
    number = 2 if random.random() < P_SECOND else 1
    return [phrases[index] for index in random.permutation(len(phrases))[:number].tolist()]


def _neighbour(bank: PhraseBank, level: int, random: np.random.Generator) -> PhrasePoint:
    near = [score for score in (level - 1, level + 1) if 0 <= score <= bank.max_score]
    return bank.points[near[int(random.integers(len(near)))]]


def _linked(phrases: list[Phrase], links: Sequence[Phrase], random: np.random.Generator) -> list[Part]:
    parts = [Part(phrases[0])]
    unused = [links[index] for index in random.permutation(len(links)).tolist()]
    for phrase in phrases[1:]:
        linked = random.random() < P_CONNECTIVE and len(unused) > 0
        parts.append(Part(phrase, unused.pop() if linked else None))
    return parts


def _can_join(action: Phrase, reason: Phrase) -> bool:
    """Whether the reason can be a clause of the action's sentence, in both varieties."""
    asked = any(action.in_variety(variety).endswith(("?", "!")) for variety in VARIETIES)
    linked = any(HAS_LINK.match(reason.in_variety(variety)) for variety in VARIETIES)
    return not asked and not linked


def capitalised_words(bank: PhraseBank) -> frozenset[str]:
    """Words with a capital inside sentences (names): they keep it after a link."""
    inside = r"(?<=[^.!?:]\s)[“'\"]?([A-Z]\w*)"
    return frozenset(
        word
        for phrase in bank.phrases()
        for text in (phrase.standard, phrase.everyday)
        for word in re.findall(inside, text)
    )


def render_plan(plan: Plan, variety: str, names: frozenset[str] = frozenset()) -> str:
    """Word a plan in one variety.

    Parameters
    ----------
    plan : Plan
        From `plan_response`.
    variety : {"standard", "everyday"}
        How it is worded.
    names : frozenset of str
        Words that keep their capital after a link, from `capitalised_words`.

    Returns
    -------
    str
        One line of text.
    """
    text = ""
    for part in plan.parts:
        phrase = part.phrase.in_variety(variety)
        if part.link:
            link = part.link.in_variety(variety)
            phrase = f"{link} {_uncapitalised(phrase, names) if part.clause else phrase}"
        if part.clause:
            text = text.removesuffix(".")
        elif text and text[-1] not in ".!?":
            text += "."
        text = f"{text} {phrase}".strip()
    if variety == "everyday":
        if plan.lower_start:
            text = _uncapitalised(text, names)
        if plan.drop_stop:
            text = text.removesuffix(".")
    return text


def _uncapitalised(text: str, names: frozenset[str]) -> str:
    first = re.match(r"\w*", text)
    word = first[0] if first else ""
    initials = len(word) > 1 and word.isupper()
    if word in ME or word in names or initials:
        return text
    return text[:1].lower() + text[1:]
