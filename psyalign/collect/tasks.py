"""What raters are asked: tasks, and the blocks in which a rater takes them on. Ids only, no text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from psyalign.items import Item

__all__ = ["CANNOT", "KINDS", "Block", "Material", "Task"]

KINDS = ("score_preference", "response_preference", "equivalence", "rating")
CANNOT = "cannot"


@dataclass(frozen=True, slots=True)
class Task:
    """One question.

    Attributes
    ----------
    id : str
        Made of the kind, the responses and the score points; the same in every collection.
    kind : {"score_preference", "response_preference", "equivalence", "rating"}
        A record's kind.
    item, response_a, response_b : str
        The item and one response ("" for `response_b`) or two.
    low, high : int or None
        The two score points of a score preference.
    expected : str
        The known answer of an anchor, as it is stored; "" where nobody knows.
    """

    id: str
    kind: str
    item: str
    response_a: str
    response_b: str = ""
    low: int | None = None
    high: int | None = None
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Tasks that one rater takes on together: all adjacent score pairs of a response, or a single question.

    Attributes
    ----------
    id, kind, item : str
    tasks : tuple of Task
    shared : bool
        Every rater gets it; otherwise one rater does.
    anchor : bool
        A scored exemplar stands in for a response; always shared.
    priority : float
        How much an answer is expected to help; larger comes first.
    """

    id: str
    kind: str
    item: str
    tasks: tuple[Task, ...]
    shared: bool = False
    anchor: bool = False
    priority: float = 0.0


@dataclass(frozen=True)
class Material:
    """What a collection is made from.

    Attributes
    ----------
    title, notice : str
        What raters see above their questions: the item bank's title, and that data are simulated if they are
        ("" otherwise).
    study, study_notice : str
        The study's title and notice, which may tell what is expected: for the study's manager only.
    seed : int
        The study's seed.
    items : mapping of str to Item
    texts : DataFrame
        Columns response_id, person, item, wording, response, primary; feedback persons only.
    variety : mapping of str to str
        Response id → language variety or group ("" unknown). Chooses pairs; raters never see it.
    uncertainty, expected : mapping of str to float
        Response id → entropy of the scorer's distribution over score points, divided by its maximum, and the
        expected score. Empty without a run.
    """

    title: str
    notice: str
    study: str
    study_notice: str
    seed: int
    items: Mapping[str, Item]
    texts: pd.DataFrame = field(repr=False)
    variety: Mapping[str, str] = field(repr=False)
    uncertainty: Mapping[str, float] = field(repr=False)
    expected: Mapping[str, float] = field(repr=False)
