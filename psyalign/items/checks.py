"""Checks that a readable bank may still fail: what a careful item writer would change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from psyalign.items.bank import ItemBank
from psyalign.items.item import Item

__all__ = ["Finding", "check_bank", "check_item"]

Level = Literal["error", "warning", "note"]

# The scorer's prompt holds scenario, question and labels before the response; longer
# ones cut the response off at the model's token limit.
MAX_SCENARIO_WORDS = 60
MAX_LABEL_WORDS = 6
MIN_EXEMPLARS = 2


@dataclass(frozen=True)
class Finding:
    """One remark of a check.

    Attributes
    ----------
    level : {"error", "warning", "note"}
        Must be mended, should be mended, worth knowing.
    where : str
        Item, or item and key.
    message : str
        What was found.
    """

    level: Level
    where: str
    message: str


def check_bank(bank: ItemBank) -> list[Finding]:
    """Check a bank beyond what reading it checks.

    Parameters
    ----------
    bank : ItemBank
        The bank, from `load_bank`.

    Returns
    -------
    list of Finding
        Findings on the bank, then on its items in their order; empty if all is well.
    """
    findings = list(_whole_bank(bank))
    for item in bank.items.values():
        findings.extend(check_item(item))
    return findings


def _whole_bank(bank: ItemBank) -> Iterator[Finding]:
    name = bank.folder.resolve().name
    if bank.id != name:
        yield Finding("note", "bank.toml: id", f"The id '{bank.id}' differs from the folder's name '{name}'.")
    if len({item.max_score for item in bank.items.values()}) > 1:
        yield Finding("note", "bank", "Items have different numbers of score points.")
    for what in ("title", "scenario"):
        texts = Counter(_plain(getattr(item, what)) for item in bank.items.values())
        for item in bank.items.values():
            if texts[_plain(getattr(item, what))] > 1:
                yield Finding("warning", f"{item.id}: {what}", f"Another item has the same {what}.")


def check_item(item: Item) -> Iterator[Finding]:
    """Findings on one item: lengths, labels, exemplars."""
    words = len(item.scenario.split())
    if words > MAX_SCENARIO_WORDS:
        yield Finding(
            "warning",
            f"{item.id}: scenario",
            f"{words} words; more than {MAX_SCENARIO_WORDS} crowd the prompt.",
        )
    if "?" not in item.prompt:
        yield Finding("note", f"{item.id}: prompt", "It does not ask a question.")
    yield from _check_rubric(item)
    yield from _check_exemplars(item)


def _check_rubric(item: Item) -> Iterator[Finding]:
    labels = Counter(_plain(point.label) for point in item.rubric)
    descriptions = Counter(_plain(point.description) for point in item.rubric)
    for point in item.rubric:
        where = f"{item.id}: score point {point.score}"
        words = len(point.label.split())
        if words > MAX_LABEL_WORDS:
            yield Finding(
                "warning", where, f"The label has {words} words; at most {MAX_LABEL_WORDS} are wanted."
            )
        if labels[_plain(point.label)] > 1:
            yield Finding("error", where, "Another score point has the same label.")
        if descriptions[_plain(point.description)] > 1:
            yield Finding("error", where, "Another score point has the same description.")


def _check_exemplars(item: Item) -> Iterator[Finding]:
    counts = Counter(exemplar.score for exemplar in item.exemplars)
    for score in item.scores:
        if counts[score] < MIN_EXEMPLARS:
            yield Finding(
                "warning",
                f"{item.id}: score point {score}",
                f"{counts[score]} exemplars; at least {MIN_EXEMPLARS} are wanted.",
            )
    scores: dict[str, list[int]] = {}
    for exemplar in item.exemplars:
        scores.setdefault(_plain(exemplar.response), []).append(exemplar.score)
    for found in scores.values():
        if len(set(found)) > 1:
            points = ", ".join(str(score) for score in sorted(set(found)))
            yield Finding("error", f"{item.id}: exemplar", f"The same response has several scores: {points}.")
        elif len(found) > 1:
            yield Finding(
                "warning", f"{item.id}: exemplar", f"A response of score {found[0]} is there twice."
            )


def _plain(words: str) -> str:
    return " ".join(words.casefold().split())
