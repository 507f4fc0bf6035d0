"""A task as a rater sees it: sides in random order, nothing that tells groups or the machine's score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from psyalign.collect.plan import EXEMPLAR, exemplar_id
from psyalign.collect.store import Asked
from psyalign.collect.tasks import CANNOT, Material, Task
from psyalign.foundation.errors import UsageError
from psyalign.foundation.seeds import unit_interval
from psyalign.items import Exemplar, Item

__all__ = ["Choice", "Question", "Texts", "answer_of", "ask"]


@dataclass(frozen=True)
class Choice:
    """One button: what it sends, the key that presses it, and what it says."""

    value: str
    key: str
    label: str
    detail: str = ""


@dataclass(frozen=True)
class Question:
    """What a page shows of a task.

    Attributes
    ----------
    asked : Asked
    kind, heading : str
    item : Item
    responses : tuple of str
        One text or two, in the order shown.
    choices : tuple of Choice
        The rater's answers other than "cannot judge", in the order shown.
    exemplars : tuple of Exemplar
        Those that are shown; planted ones are not among them.
    shown_as : str
        "swapped" if the second side came first, else "straight".
    """

    asked: Asked
    kind: str
    heading: str
    item: Item
    responses: tuple[str, ...]
    choices: tuple[Choice, ...]
    exemplars: tuple[Exemplar, ...]
    shown_as: str


class Texts:
    """Response texts by id, planted exemplars among them. They leave the process on pages only.

    Parameters
    ----------
    material : Material
    tasks : iterable of Task
        The collection's tasks: exemplars that they name are planted, and not shown with their score.
    """

    def __init__(self, material: Material, tasks: Iterable[Task]) -> None:
        self.ids = tuple(
            dict.fromkeys(name for task in tasks for name in (task.response_a, task.response_b) if name)
        )
        table = material.texts
        self._texts = dict(zip(table["response_id"], table["response"], strict=True))
        for item in material.items.values():
            for place, exemplar in enumerate(item.exemplars):
                self._texts[exemplar_id(item.id, place)] = exemplar.response
        self._planted = {name for name in self.ids if name.startswith(EXEMPLAR)}

    def __getitem__(self, response: str) -> str:
        """The text of a response."""
        return str(self._texts[response])

    def get(self, response: str) -> str | None:
        """The text of a response, None if there is no such response (any more)."""
        return self._texts.get(response)

    def shown_exemplars(self, item: Item) -> tuple[Exemplar, ...]:
        """The item's exemplars that are not planted."""
        return tuple(
            exemplar
            for place, exemplar in enumerate(item.exemplars)
            if exemplar_id(item.id, place) not in self._planted
        )


HEADINGS = {
    "score_preference": "Which score fits this answer better?",
    "response_preference": "Which answer is better?",
    "equivalence": "Do these two answers show the same intention?",
    "rating": "Which score fits this answer?",
}


def ask(asked: Asked, rater: str, seed: int, items: Mapping[str, Item], texts: Texts) -> Question:
    """The question for a rater: sides swapped or not by the seed, the same again after a restart."""
    task, item = asked.task, items[asked.task.item]
    swapped = _swapped(asked, rater, seed)
    ids = [name for name in (task.response_a, task.response_b) if name]
    return Question(
        asked,
        task.kind,
        HEADINGS[task.kind],
        item,
        tuple(texts[name] for name in (reversed(ids) if swapped else ids)),
        _choices(task, item, swapped),
        texts.shown_exemplars(item),
        "swapped" if swapped else "straight",
    )


def answer_of(asked: Asked, rater: str, seed: int, sent: str, item: Item) -> str:
    """What a button of the page means, as it is stored.

    Returns
    -------
    str
        A score point; "a", "b" or "tie"; "same" or "different"; or "cannot".

    Raises
    ------
    UsageError
        The page has no such button.
    """
    if sent == CANNOT:
        return CANNOT
    task, swapped = asked.task, _swapped(asked, rater, seed)
    if sent not in [choice.value for choice in _choices(task, item, swapped)]:
        raise UsageError("This answer does not belong to this question.")
    if task.kind == "score_preference":
        return str(task.high if (sent == "1") == swapped else task.low)
    if task.kind == "response_preference":
        return "tie" if sent == "equal" else ("b" if (sent == "1") == swapped else "a")
    return sent


def _choices(task: Task, item: Item, swapped: bool) -> tuple[Choice, ...]:
    if task.kind == "equivalence":
        return (
            Choice(
                "same", "1", "Yes, the same", "They would do or mean the same thing, however they put it."
            ),
            Choice("different", "2", "No, different", "What they would do or mean differs."),
        )
    if task.kind == "response_preference":
        names = ("First answer", "Second answer")
        sides = tuple(Choice(str(n), str(n), name) for n, name in enumerate(names, start=1))
        return (*sides, Choice("equal", "=", "Equally good"))
    points = item.rubric
    if task.kind == "rating":
        return tuple(
            Choice(
                str(p.score), str(p.score) if p.score < 10 else "", f"{p.score} · {p.label}", p.description
            )
            for p in points
        )
    pair = [point for point in points if point.score in (task.low, task.high)]
    # the key is the score: a "2" that pressed score 1 would be pressed in error
    digits = all(0 <= point.score < 10 for point in pair)
    return tuple(
        Choice(
            str(n),
            str(point.score if digits else n),
            f"Score {point.score} · {point.label}",
            point.description,
        )
        for n, point in enumerate(reversed(pair) if swapped else pair, start=1)
    )


def _swapped(asked: Asked, rater: str, seed: int) -> bool:
    if asked.task.kind == "rating":
        return False
    return unit_interval(seed, "order", rater, asked.task.id, asked.round) < 0.5
