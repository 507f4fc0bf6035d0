"""An item: a situation, a question, a rubric with score points, and scored exemplars."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psyalign.foundation.errors import ItemError
from psyalign.foundation.toml import at, read_toml, refuse_unknown, tables, text, whole_number

__all__ = ["Exemplar", "Item", "RubricPoint", "load_item"]

ITEM_KEYS = ("id", "version", "title", "construct", "scenario", "prompt", "rubric", "exemplar")
RUBRIC_KEYS = ("score", "label", "description")
EXEMPLAR_KEYS = ("score", "response", "rationale")
# "|" separates person and item in response ids
ITEM_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class RubricPoint:
    """One score point of a rubric.

    Attributes
    ----------
    score : int
        The score point, counted from 0.
    label : str
        A few words that tell it from its neighbours; they are in the scorer's prompt.
    description : str
        What a rater looks for.
    """

    score: int
    label: str
    description: str


@dataclass(frozen=True)
class Exemplar:
    """A scored sample response.

    Attributes
    ----------
    score : int
        The score point that it shows.
    response : str
        The sample response.
    rationale : str
        Why it has this score.
    """

    score: int
    response: str
    rationale: str


@dataclass(frozen=True)
class Item:
    """A constructed-response item.

    Attributes
    ----------
    id : str
        Name of the item, also the stem of its file.
    version : str
        Version of its wording.
    title, construct : str
        Short name, and what it measures.
    scenario, prompt : str
        The situation, and the question that the person answers.
    rubric : tuple of RubricPoint
        One entry per score point, ascending from 0 without gaps.
    exemplars : tuple of Exemplar
        Scored sample responses, by ascending score.
    """

    id: str
    version: str
    title: str
    construct: str
    scenario: str
    prompt: str
    rubric: tuple[RubricPoint, ...]
    exemplars: tuple[Exemplar, ...]

    @property
    def scores(self) -> tuple[int, ...]:
        """The score points, ascending."""
        return tuple(point.score for point in self.rubric)

    @property
    def max_score(self) -> int:
        """The highest score point."""
        return self.rubric[-1].score


def load_item(path: Path) -> Item:
    """Read one item file.

    Parameters
    ----------
    path : Path
        TOML file whose stem is the item's id.

    Returns
    -------
    Item
        Texts are on one line each; rubric and exemplars are in the order of their scores.

    Raises
    ------
    ItemError
        Missing, misspelt or ill-typed key, id that differs from the file's name, score
        points that are not 0, 1, …, exemplar with a score that the rubric lacks.
    """
    table = read_toml(path)
    refuse_unknown(table, ITEM_KEYS, path)
    rubric = _rubric(tables(table, "rubric", path), path)
    return Item(
        id=_item_id(table, path),
        version=text(table, "version", path),
        title=text(table, "title", path),
        construct=text(table, "construct", path),
        scenario=text(table, "scenario", path),
        prompt=text(table, "prompt", path),
        rubric=rubric,
        exemplars=_exemplars(tables(table, "exemplar", path), rubric, path),
    )


def _item_id(table: Mapping[str, Any], path: Path) -> str:
    name = text(table, "id", path)
    if not ITEM_ID.fullmatch(name):
        raise ItemError(
            f"The id '{name}' has a character that ids cannot have.",
            where=at(path, "id"),
            mend="Use letters, digits, '-', '_' and '.'; start with a letter or digit.",
        )
    if name != path.stem:
        raise ItemError(
            f"The id '{name}' differs from the file's name.",
            where=at(path, "id"),
            mend=f'Write id = "{path.stem}" or rename the file to {name}.toml.',
        )
    return name


def _rubric(entries: list[Mapping[str, Any]], path: Path) -> tuple[RubricPoint, ...]:
    points = []
    for number, entry in enumerate(entries, start=1):
        prefix = f"rubric[{number}]."
        refuse_unknown(entry, RUBRIC_KEYS, path, prefix)
        points.append(
            RubricPoint(
                score=whole_number(entry, "score", path, prefix),
                label=text(entry, "label", path, prefix),
                description=text(entry, "description", path, prefix),
            )
        )
    points.sort(key=lambda point: point.score)
    found = [point.score for point in points]
    if len(found) < 2 or found != list(range(len(found))):
        written = ", ".join(str(score) for score in found) or "none"
        raise ItemError(
            f"Score points must be 0, 1, … without gaps or repeats, at least two; here: {written}.",
            where=at(path, "rubric"),
            mend="Write one [[rubric]] table for each score point.",
        )
    return tuple(points)


def _exemplars(
    entries: list[Mapping[str, Any]], rubric: tuple[RubricPoint, ...], path: Path
) -> tuple[Exemplar, ...]:
    exemplars = []
    for number, entry in enumerate(entries, start=1):
        prefix = f"exemplar[{number}]."
        refuse_unknown(entry, EXEMPLAR_KEYS, path, prefix)
        score = whole_number(entry, "score", path, prefix)
        if score > rubric[-1].score:
            raise ItemError(
                f"An exemplar has score {score}, which the rubric lacks.",
                where=at(path, prefix + "score"),
                mend=f"Score points are 0 to {rubric[-1].score}.",
            )
        exemplars.append(
            Exemplar(
                score=score,
                response=text(entry, "response", path, prefix),
                rationale=text(entry, "rationale", path, prefix),
            )
        )
    return tuple(sorted(exemplars, key=lambda exemplar: exemplar.score))
