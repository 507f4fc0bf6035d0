"""Answers in labelling tools: what a question shows, and what the answer to it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psyalign.feedback.interop.claims import Answer, Claim, Left
from psyalign.feedback.interop.outgoing import Outgoing, Question
from psyalign.feedback.interop.texts import plain
from psyalign.items import Item

__all__ = ["ABOUT", "HEADINGS", "LABELS", "about", "as_dict", "as_dicts", "as_text", "claim_of", "shown"]

NOT_UNDERSTOOD = "an answer that fits none of the four kinds of question"
HEADINGS = {
    "score_preference": "Which score fits this answer better?",
    "response_preference": "Which answer is better?",
    "equivalence": "Do these two answers show the same intention?",
    "rating": "Which score fits this answer?",
}
LABELS = {
    "score_preference": {"left": "The first score", "right": "The second score"},
    "response_preference": {"a": "The first answer", "b": "The second answer", "tie": "Equally good"},
    "equivalence": {"same": "The same intention", "different": "Different"},
}
# keys that tell an import what a question was about
ABOUT = ("kind", "item", "name_a", "name_b", "left_score", "right_score")
FIRST, SECOND = ("a", "left", "first", "1"), ("b", "right", "second", "2")
TIES = ("tie", "equal", "both", "equally good")
SAME, DIFFERENT = ("same", "yes", "true", "similar"), ("different", "no", "false")


def shown(question: Question, outgoing: Outgoing) -> dict[str, str]:
    """What a rater sees: question, rubric, one response or two, and the two scores of a preference.

    Nothing of a person's group, of a wording's name or of the score that anyone gave.
    """
    item, texts = outgoing.texts.items[question.item], outgoing.texts
    seen = {"question": f"{plain(item.scenario)}\n\n{plain(item.prompt)}"}
    if question.kind in ("score_preference", "rating"):
        seen["rubric"] = "\n".join(_point(item, score) for score in item.scores)
    names = ("response",) if len(question.responses) == 1 else ("response_a", "response_b")
    seen |= {name: texts.text(response) for name, response in zip(names, question.responses, strict=True)}
    if question.sides:
        seen |= {"left": _point(item, question.sides[0]), "right": _point(item, question.sides[1])}
    return seen


def about(question: Question, outgoing: Outgoing) -> dict[str, Any]:
    """What tells an import which records the answers are: see ABOUT. Responses go by codes or ids."""
    facts: dict[str, Any] = {"kind": question.kind, "item": question.item}
    facts |= dict(zip(("name_a", "name_b"), map(outgoing.name, question.responses), strict=False))
    return facts | dict(zip(("left_score", "right_score"), question.sides, strict=False))


def _point(item: Item, score: int) -> str:
    point = next(point for point in item.rubric if point.score == score)
    return f"Score {score} · {point.label}: {point.description}"


def claim_of(
    row: int, facts: Mapping[str, Any], texts: tuple[str, ...], value: Any, rater: str, source: str
) -> Claim | Left:
    """The claim that an answer makes.

    Parameters
    ----------
    row : int
    facts : mapping
        The keys of ABOUT that the file has; none, if it was not made by our export.
    texts : tuple of str
        Texts that the question showed, among them those of the responses.
    value
        What was chosen.
    rater, source : str
        "" unknown.
    """
    told = as_text(facts.get("kind"))
    kind = told if told in HEADINGS else _kind(value)
    answer = _answer(kind, value, facts)
    if answer is None:
        return Left(row, NOT_UNDERSTOOD)
    names = tuple(as_text(facts[key]) for key in ("name_a", "name_b") if facts.get(key))
    item = as_text(facts.get("item"))
    return Claim(row, kind, answer, names, texts, item=item, rater=rater, source=source)


def as_text(value: Any) -> str:
    """A value of another tool's JSON if it is text, else ""."""
    return value if isinstance(value, str) else ""


def as_dict(value: Any) -> dict[str, Any]:
    """A value of another tool's JSON if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: Any) -> list[dict[str, Any]]:
    """The objects in a value of another tool's JSON, if it is a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _kind(value: Any) -> str:
    """The kind of question that a value answers, where the file does not say."""
    if isinstance(value, bool):
        return "equivalence"
    if isinstance(value, (int, float)) or (isinstance(value, str) and value.strip().isdecimal()):
        return "rating"
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in SAME + DIFFERENT:
        return "equivalence"
    return "response_preference" if word in FIRST + SECOND + TIES else ""


def _answer(kind: str, value: Any, facts: Mapping[str, Any]) -> Answer | None:
    word = str(value).strip().lower()
    if kind == "rating":
        if isinstance(value, float) and value.is_integer():
            return int(value)
        return int(word) if _whole(word) else None
    if kind == "equivalence":
        return "same" if word in SAME else ("different" if word in DIFFERENT else None)
    side = "a" if word in FIRST else ("b" if word in SECOND else "")
    if kind == "response_preference":
        return side or ("tie" if word in TIES else None)
    left, right = str(facts.get("left_score")), str(facts.get("right_score"))
    if not side or not _whole(left) or not _whole(right):
        return None
    return (int(left), int(right)) if side == "a" else (int(right), int(left))


def _whole(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 4
