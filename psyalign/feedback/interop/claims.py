"""What one answer in another tool's file says, and the record that it becomes, or why it becomes none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from psyalign.feedback.interop.texts import StudyTexts
from psyalign.feedback.records import Equivalence, Rating, Record, ResponsePreference, ScorePreference

__all__ = ["Claim", "Left", "resolve"]

NOT_FOUND = "no response of the study has this id or text"
AMBIGUOUS = "several responses have this text"
NOT_FEEDBACK = "about a response of a person who is not a feedback person"
TWO_ITEMS = "the responses answer different items"
OTHER_ITEM = "the response answers another item"
NO_SCORE_POINT = "a score that is no score point of the item"
ONE_TWICE = "compares a thing with itself"

Answer = tuple[int, int] | int | str


@dataclass(frozen=True, slots=True)
class Left:
    """An answer or record that was left out.

    Attributes
    ----------
    row : int
        Its place in the file, or among the records, counted from 1.
    reason : str
        Never holds anything from the row.
    """

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What an answer says, before it is matched with the study.

    Attributes
    ----------
    row : int
        Its place in the file, from 1.
    kind : str
        A record's kind.
    answer : (int, int), int or str
        Score preference: preferred and rejected score. Response preference: "a", "b" or "tie".
        Equivalence: "same" or "different". Rating: the score.
    responses : tuple of str
        Ids or codes of the responses, where the file has them.
    texts : tuple of str
        Their texts, used where it has not.
    prompt : str
        Scoring prompt of a score preference, or the item's prompt of a comparison ("" unknown).
    item : str
        Id of the item ("" unknown).
    rater, source : str
        "" unknown.
    """

    row: int
    kind: str
    answer: Answer
    responses: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    prompt: str = ""
    item: str = ""
    rater: str = ""
    source: str = ""


def resolve(claim: Claim, texts: StudyTexts, *, rater: str, source: str) -> Record | Left:
    """The record that a claim becomes; `rater` and `source` stand in where it does not tell them."""
    found = _responses(claim, texts)
    if isinstance(found, str):
        return Left(claim.row, found)
    item = texts.item_of(found[0])
    problem = _problem(claim, texts, found, item)
    if problem:
        return Left(claim.row, problem)
    return _record(claim, item, found, claim.rater or rater, claim.source or source)


def _responses(claim: Claim, texts: StudyTexts) -> tuple[str, ...] | str:
    """Ids of the claim's responses, or why they are not known."""
    if claim.responses:
        named = [texts.named(name) for name in claim.responses]
        known = tuple(name for name in named if name is not None)
        if len(known) == len(named):
            return known
    if claim.kind == "score_preference" and claim.prompt:
        return _only([texts.with_scoring_prompt(claim.prompt)], texts)
    number = 1 if claim.kind in ("score_preference", "rating") else 2
    found = [texts.with_text(text) for text in claim.texts]
    if len(found) > number:  # a tool shows more than responses: the question, the rubric
        found = [part for part in found if part]
    if len(found) != number or not all(found):
        return NOT_FOUND if len(found) <= number else AMBIGUOUS
    item = claim.item or texts.item_with_prompt(claim.prompt)
    items = {item} if item else set.intersection(*({texts.item_of(name) for name in part} for part in found))
    if not items:
        return TWO_ITEMS
    return _only([[name for name in part if texts.item_of(name) in items] for part in found], texts)


def _only(found: Sequence[Sequence[str]], texts: StudyTexts) -> tuple[str, ...] | str:
    """The one response of each part; of several with one text, the one that a feedback person gave."""
    if not all(found):
        return NOT_FOUND
    chosen = [[name for name in part if texts.is_feedback(name)] or part for part in found]
    if any(len(part) > 1 for part in chosen):
        return AMBIGUOUS
    return tuple(part[0] for part in chosen)


def _problem(claim: Claim, texts: StudyTexts, found: tuple[str, ...], item: str) -> str:
    if not all(texts.is_feedback(name) for name in found):
        return NOT_FEEDBACK
    if any(texts.item_of(name) != item for name in found):
        return TWO_ITEMS
    if claim.item and claim.item != item:
        return OTHER_ITEM
    scores = claim.answer if isinstance(claim.answer, tuple) else (claim.answer,)
    points = texts.items[item].scores
    if claim.kind in ("score_preference", "rating") and any(score not in points for score in scores):
        return NO_SCORE_POINT
    compared = scores if claim.kind == "score_preference" else found
    return ONE_TWICE if len(set(compared)) < len(compared) else ""


def _record(claim: Claim, item: str, found: tuple[str, ...], rater: str, source: str) -> Record:
    answer = claim.answer
    if isinstance(answer, tuple):
        return ScorePreference(item, found[0], *answer, rater, source)
    if isinstance(answer, int):
        return Rating(item, found[0], answer, rater, source)
    if claim.kind == "equivalence":
        return Equivalence(item, found[0], found[1], answer == "same", rater, source)
    preferred: Literal["a", "b", "tie"] = "a" if answer == "a" else ("b" if answer == "b" else "tie")
    return ResponsePreference(item, found[0], found[1], preferred, rater, source)
