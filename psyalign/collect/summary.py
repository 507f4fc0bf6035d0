"""How a collection stands: a row a rater, a row a kind of question, and agreement so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from psyalign.collect.store import Store
from psyalign.collect.tasks import CANNOT, KINDS
from psyalign.feedback.raters import repeat_consistency, speed

__all__ = ["Overview", "judgement_times", "overview"]

Row = dict[str, Any]
CONSISTENCY = ("consistent", "consistent_low", "consistent_high", "repeat_kappa")


@dataclass(frozen=True)
class Overview:
    """Counts only, no response text.

    Attributes
    ----------
    raters : list of dict
        rater, judged, of (None for one without a part any more), cannot, undone, comments, seconds (median
        time on task), fast (share of implausibly fast judgements, see `psyalign.feedback.raters.speed`),
        repeats, consistent (share of repeats answered as before), consistent_low, consistent_high (95%),
        repeat_kappa, anchors, correct (share). None where nothing is known.
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
    own = _of_their_own(rows)
    raters = [
        _rater(
            name,
            own.get(name, {}),
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


def judgement_times(store: Store) -> pd.DataFrame:
    """Seconds from a question's last showing to its answer: rater, kind, seconds; one row a judgement."""
    return _times(store.rows())


def _times(rows: Sequence[Row]) -> pd.DataFrame:
    names = ["rater", "kind", "seconds"]
    table = pd.DataFrame([[row[name] for name in names] for row in rows], columns=names)
    return table.astype({"rater": "str", "kind": "str", "seconds": "float64"})


def _of_their_own(rows: Sequence[Row]) -> dict[str, Row]:
    """What one rater's judgements tell without another's, by rater."""
    said = [
        (row["kind"], row["id"], row["rater"], row["answer"])
        for row in sorted(rows, key=lambda row: int(row["round"]))
        if row["answer"] != CANNOT
    ]
    answers = pd.DataFrame(said, columns=["kind", "question", "rater", "answer"])
    found: dict[str, Row] = {}
    for table in (repeat_consistency(answers), speed(_times(rows))):
        plain = table.astype(object).where(table.notna(), None)
        for record in plain.to_dict("records"):
            named = {str(name): value for name, value in record.items()}
            found.setdefault(str(named.pop("rater")), {}).update(named)
    return found


def _rater(name: str, own: Row, rows: Sequence[Row], total: int | None, undone: int) -> Row:
    known = [row["expected"] == row["answer"] for row in rows if row["anchor"] and row["answer"] != CANNOT]
    return {
        "rater": name,
        "judged": len(rows),
        "of": total,
        "cannot": sum(row["answer"] == CANNOT for row in rows),
        "undone": undone,
        "comments": sum(bool(row["comment"]) for row in rows),
        "seconds": own.get("seconds"),
        "fast": own.get("fast"),
        "repeats": own.get("repeats", 0),
        **{
            name: own.get(name)
            for name in ("consistent", "consistent_low", "consistent_high", "repeat_kappa")
        },
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
