"""How a collection stands: a row a rater, a row a kind of question, and agreement so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Any

from psyalign.collect.store import Store
from psyalign.collect.tasks import CANNOT, KINDS

__all__ = ["Overview", "overview"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Overview:
    """Counts only, no response text.

    Attributes
    ----------
    raters : list of dict
        rater, judged, of (None for one without a part any more), cannot, undone, comments, seconds (median
        time on task), repeats, consistent (share of repeats answered as before), anchors, correct (share).
    kinds : list of dict
        kind, tasks, judged (tasks with a judgement other than "cannot judge"), judgements, compared (pairs of
        raters' judgements of one task), agreement (share of those that are equal).
    """

    raters: list[Row]
    kinds: list[Row]


def overview(store: Store) -> Overview:
    """How the collection stands now."""
    rows, undone, active = store.rows(), store.undone(), store.raters()
    names = [*active, *sorted({row["rater"] for row in rows} - set(active))]
    raters = [
        _rater(
            name,
            [row for row in rows if row["rater"] == name],
            store.progress(name).total if name in active else None,
            undone.get(name, 0),
        )
        for name in names
    ]
    tasks = [task for block in store.plan()[0] if not block.anchor for task in block.tasks]
    main = [row for row in rows if not row["anchor"] and row["round"] == 1]
    kinds = []
    for kind in KINDS:
        number = sum(task.kind == kind for task in tasks)
        if number:
            kinds.append(_kind(kind, number, [row for row in main if row["kind"] == kind]))
    return Overview(raters, kinds)


def _rater(name: str, rows: Sequence[Row], total: int | None, undone: int) -> Row:
    times = [row["seconds"] for row in rows if row["seconds"] is not None]
    first = {row["id"]: row["answer"] for row in rows if row["round"] == 1}
    again = [
        first[row["id"]] == row["answer"]
        for row in rows
        if row["round"] == 2 and first.get(row["id"], CANNOT) != CANNOT and row["answer"] != CANNOT
    ]
    known = [row["expected"] == row["answer"] for row in rows if row["anchor"] and row["answer"] != CANNOT]
    return {
        "rater": name,
        "judged": len(rows),
        "of": total,
        "cannot": sum(row["answer"] == CANNOT for row in rows),
        "undone": undone,
        "comments": sum(bool(row["comment"]) for row in rows),
        "seconds": float(median(times)) if times else None,
        "repeats": len(again),
        "consistent": _share(again),
        "anchors": len(known),
        "correct": _share(known),
    }


def _kind(kind: str, tasks: int, rows: Sequence[Row]) -> Row:
    answers: dict[str, list[str]] = {}
    for row in rows:
        if row["answer"] != CANNOT:
            answers.setdefault(row["id"], []).append(row["answer"])
    equal = [a == b for given in answers.values() for a, b in combinations(given, 2)]
    return {
        "kind": kind,
        "tasks": tasks,
        "judged": len(answers),
        "judgements": len(rows),
        "compared": len(equal),
        "agreement": _share(equal),
    }


def _share(values: Sequence[bool]) -> float | None:
    return sum(values) / len(values) if values else None
