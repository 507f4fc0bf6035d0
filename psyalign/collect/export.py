"""Judgements of a collection as feedback records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psyalign.collect.store import Store
from psyalign.collect.tasks import CANNOT, KINDS
from psyalign.feedback import (
    Equivalence,
    Rating,
    Record,
    ResponsePreference,
    ScorePreference,
    check_graph,
)
from psyalign.feedback.interop import Question

__all__ = ["SOURCE", "SOURCE_REPEAT", "Export", "export_records", "open_questions"]

SOURCE = "page"
SOURCE_REPEAT = "page, repeat"


@dataclass(frozen=True)
class Export:
    """Records, and what did not become one.

    Attributes
    ----------
    records : list of Record
        In the order in which the judgements were given.
    counts : list of dict
        kind, records, of which repeats; left out: cannot ("cannot judge"), anchors (planted exemplars), and
        unconnected (score preferences of responses whose score points are not all compared yet).
    """

    records: list[Record]
    counts: list[dict[str, Any]]


def export_records(
    store: Store, item_scores: Mapping[str, Sequence[int]], *, repeats: bool = True, incomplete: bool = False
) -> Export:
    """The standing judgements as records.

    Parameters
    ----------
    store : Store
        A collection.
    item_scores : mapping of str to sequence of int
        The score points of each item.
    repeats : bool, default True
        Keep a rater's second judgement of a task, with the source "page, repeat".
    incomplete : bool, default False
        Keep score preferences of responses whose preference graph is not connected yet; `study check` refuses
        them.

    Returns
    -------
    Export
    """
    made: list[tuple[str, str, Record]] = []
    left: dict[str, dict[str, int]] = {kind: {"cannot": 0, "anchors": 0, "unconnected": 0} for kind in KINDS}
    for row in store.rows():
        if row["answer"] == CANNOT:
            left[row["kind"]]["cannot"] += 1
        elif row["anchor"]:
            left[row["kind"]]["anchors"] += 1
        elif repeats or row["round"] == 1:
            made.append((row["kind"], row["response_a"], _record(row)))
    if not incomplete:
        graph = check_graph([record for _, _, record in made], item_scores).table
        open_ = set(graph.loc[~graph["connected"], "response_id"])
        dropped = [kind == "score_preference" and response in open_ for kind, response, _ in made]
        left["score_preference"]["unconnected"] = sum(dropped)
        made = [entry for entry, drop in zip(made, dropped, strict=True) if not drop]
    kinds = {block.kind for block in store.plan()[0]}
    counts = [
        {
            "kind": kind,
            "records": sum(name == kind for name, _, _ in made),
            "repeats": sum(name == kind and record.source == SOURCE_REPEAT for name, _, record in made),
            **left[kind],
        }
        for kind in KINDS
        if kind in kinds
    ]
    return Export([record for _, _, record in made], counts)


def open_questions(store: Store) -> list[Question]:
    """The questions of a collection without anybody's answers, planted exemplars left out."""
    tasks = [task for block in store.plan()[0] if not block.anchor for task in block.tasks]
    return [
        Question(
            task.kind,
            task.item,
            tuple(name for name in (task.response_a, task.response_b) if name),
            tuple(score for score in (task.low, task.high) if score is not None),
        )
        for task in tasks
    ]


def _record(row: Mapping[str, Any]) -> Record:
    item, answer, rater = row["item"], row["answer"], row["rater"]
    source = SOURCE if row["round"] == 1 else SOURCE_REPEAT
    if row["kind"] == "score_preference":
        preferred = int(answer)
        rejected = row["low"] if preferred == row["high"] else row["high"]
        return ScorePreference(item, row["response_a"], preferred, rejected, rater, source)
    if row["kind"] == "rating":
        return Rating(item, row["response_a"], int(answer), rater, source)
    if row["kind"] == "equivalence":
        return Equivalence(item, row["response_a"], row["response_b"], answer == "same", rater, source)
    return ResponsePreference(item, row["response_a"], row["response_b"], answer, rater, source)
