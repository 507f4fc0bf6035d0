"""What a judge's answers come to: records, and one row for every question with what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise

import pandas as pd

from psyalign.feedback import Record, ScorePreference

__all__ = ["ENTRY_COLUMNS", "Entry", "Outcome", "connected_only", "joined", "summary", "trail_table"]

UNCONNECTED = "another score pair of this response was dropped"


@dataclass(frozen=True)
class Entry:
    """One question to a judge, in one order. Ids and numbers, no text.

    Attributes
    ----------
    question : str
        What was asked; the two orders of a question share it.
    source, judge, principle : str
        "ai:<path>", who judged, and by which principle ("" for none).
    kind, item, response_a, response_b : str
        Kind of record that it is for, item and response or responses ("" where there is one).
    option_a, option_b : str
        The two options: score points, "a"/"b", "same"/"different", "follows"/"against".
    order : str
        "ab": the first option was shown first; "ba"; "" where nothing has an order.
    margin : float
        Logit of the first option minus that of the second in this order; NaN where the judge does not tell.
    verdict : str
        The option that both orders come to; "" if dropped.
    kept : bool
        Whether a record was made of it.
    reason : str
        Why not.
    """

    question: str
    source: str
    judge: str
    principle: str
    kind: str
    item: str
    response_a: str
    response_b: str = ""
    option_a: str = ""
    option_b: str = ""
    order: str = ""
    margin: float = float("nan")
    verdict: str = ""
    kept: bool = False
    reason: str = ""


ENTRY_COLUMNS = tuple(entry.name for entry in fields(Entry))


@dataclass
class Outcome:
    """What one unit of work, or a whole path, gave.

    Attributes
    ----------
    entries : list of Entry
        Every question.
    records : list of Record
        What was kept.
    texts : list of dict
        Rows with text (rationales, wordings): as sensitive as the responses.
    """

    entries: list[Entry] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    texts: list[dict[str, object]] = field(default_factory=list)


def joined(outcomes: Iterable[Outcome]) -> Outcome:
    """Several outcomes as one, in their order."""
    whole = Outcome()
    for outcome in outcomes:
        whole.entries += outcome.entries
        whole.records += outcome.records
        whole.texts += outcome.texts
    return whole


def connected_only(outcome: Outcome, item_scores: Mapping[str, Sequence[int]]) -> Outcome:
    """Drop the score preferences of responses of which not all neighbouring score points are compared.

    Preferences that leave score points of a response incomparable do not determine what alignment is to
    learn (see `check_graph`); their rows say so.
    """
    compared: dict[str, set[tuple[int, int]]] = {}
    for record in outcome.records:
        if isinstance(record, ScorePreference):
            pair = (min(record.preferred, record.rejected), max(record.preferred, record.rejected))
            compared.setdefault(record.response_id, set()).add(pair)
    items = {
        record.response_id: record.item for record in outcome.records if isinstance(record, ScorePreference)
    }
    broken = {
        response
        for response, pairs in compared.items()
        if not set(pairwise(item_scores[items[response]])) <= pairs
    }

    def drops(entry: Entry) -> bool:
        return entry.kept and entry.kind == ScorePreference.kind and entry.response_a in broken

    return Outcome(
        [
            replace(entry, kept=False, reason=UNCONNECTED) if drops(entry) else entry
            for entry in outcome.entries
        ],
        [
            record
            for record in outcome.records
            if not (isinstance(record, ScorePreference) and record.response_id in broken)
        ],
        outcome.texts,
    )


def trail_table(entries: Sequence[Entry]) -> pd.DataFrame:
    """The entries, one row each, columns `ENTRY_COLUMNS`."""
    table = pd.DataFrame([asdict(entry) for entry in entries], columns=list(ENTRY_COLUMNS))
    text = {name: "str" for name in ENTRY_COLUMNS if name not in ("margin", "kept")}
    return table.astype({**text, "margin": "float64", "kept": "bool"})


def summary(entries: Sequence[Entry]) -> list[dict[str, object]]:
    """Questions asked, kept and dropped by kind and principle; every question is one or the other.

    Columns kind, principle, asked, kept, dropped, why (the reasons with their numbers). The two orders of a
    question are one question.
    """
    questions = {entry.question: entry for entry in entries}
    cells: dict[tuple[str, str], list[Entry]] = {}
    for entry in questions.values():
        cells.setdefault((entry.kind, entry.principle), []).append(entry)
    rows: list[dict[str, object]] = []
    for (kind, principle), found in cells.items():
        reasons: dict[str, int] = {}
        for entry in found:
            if not entry.kept:
                reasons[entry.reason] = reasons.get(entry.reason, 0) + 1
        kept = sum(entry.kept for entry in found)
        why = ", ".join(f"{reason} {number}" for reason, number in reasons.items())
        rows.append(
            {
                "kind": kind,
                "principle": principle,
                "asked": len(found),
                "kept": kept,
                "dropped": len(found) - kept,
                "why": why,
            }
        )
    return rows
