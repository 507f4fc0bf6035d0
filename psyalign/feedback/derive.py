"""Score preferences from scores: a panel's, or a second scoring that corrects a first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pandas as pd

from psyalign.feedback.records import Equivalence, Rating, Record, ResponsePreference, ScorePreference
from psyalign.foundation.errors import DataError
from psyalign.foundation.seeds import unit_interval
from psyalign.foundation.tables import require_columns

__all__ = ["from_panel", "from_second_scoring", "limit_records"]

SCORE_COLUMNS = ("person", "item", "score")
AnyRecord = TypeVar("AnyRecord", ScorePreference, ResponsePreference, Equivalence, Rating)


def from_second_scoring(
    first: pd.DataFrame,
    second: pd.DataFrame,
    *,
    rater: str = "second",
    source: str = "second_scoring",
) -> list[ScorePreference]:
    """Preferences of those who corrected scores: the new score to the old one.

    An answer whose score stayed gives no record: nobody chose between two scores for it. Each
    changed answer gives one pair, so with more than two score points its graph is not connected
    (see `check_graph`): the preference says nothing about the other score points.

    Parameters
    ----------
    first, second : DataFrame
        Columns person, item, score; scores before and after. Answers in only one of them are left out.
    rater, source : str
        What the records say of their origin.

    Returns
    -------
    list of ScorePreference
        Sorted by item and person.

    Raises
    ------
    DataError
        A person × item with two scores, or a score that is not a whole number.
    """
    before, after = _whole_scores(first, "first scoring"), _whole_scores(second, "second scoring")
    both = before.merge(after, on=["person", "item"], suffixes=("_first", "_second"))
    changed = both[both["score_first"] != both["score_second"]].sort_values(["item", "person"])
    return [
        ScorePreference(item, f"{person}|{item}", int(new), int(old), rater, source)
        for person, item, old, new in changed[["person", "item", "score_first", "score_second"]].itertuples(
            index=False
        )
    ]


def from_panel(
    scores: pd.DataFrame,
    item_scores: Mapping[str, Sequence[int]],
    rater: str = "panel",
    source: str = "panel",
) -> list[ScorePreference]:
    """All adjacent pairs of score points of each response, the one nearer to the panel's score preferred.

    Adjacent pairs connect all score points of a response without a cycle: what DPO needs to be able
    to find the optimum (METHODS.md, section 4).

    Parameters
    ----------
    scores : DataFrame
        Columns person, item, score: one panel score, a score point of the item, per response.
    item_scores : mapping of str to sequence of int
        The score points of each item, ascending.
    rater, source : str
        What the records say of their origin.

    Returns
    -------
    list of ScorePreference
        K − 1 records a response, sorted by item, person and score point.

    Raises
    ------
    DataError
        A person × item with two scores, an unknown item, a score that is no score point of its item.
    """
    whole = _whole_scores(scores, "panel scores").sort_values(["item", "person"])
    records = []
    for person, item, score in whole.itertuples(index=False):
        points = item_scores.get(item)
        if points is None:
            raise DataError(f"The bank has no item '{item}'.", where="panel scores")
        if score not in points:
            raise DataError(
                f"Score {score} is no score point of item '{item}'.",
                where=f"panel scores, person {person}",
                mend=f"Its score points are {points[0]} to {points[-1]}.",
            )
        for low, high in pairwise(points):
            preferred, rejected = (low, high) if score <= low else (high, low)
            records.append(ScorePreference(item, f"{person}|{item}", preferred, rejected, rater, source))
    return records


def limit_records(records: Sequence[AnyRecord], maximum: int, seed: int) -> list[AnyRecord]:
    """Keep what concerns at most `maximum` responses, or pairs of responses, chosen by hash.

    All records about a response (or pair) stay together, so that limiting never disconnects a
    graph; which ones are chosen depends on `seed` and their ids alone, not on their order. The order
    of the records stays.
    """
    subjects = {_subject(record) for record in records}
    if len(subjects) <= maximum:
        return list(records)
    ordered = sorted(subjects, key=lambda subject: (unit_interval(seed, "feedback", *subject), subject))
    kept = set(ordered[:maximum])
    return [record for record in records if _subject(record) in kept]


def _subject(record: Record) -> tuple[str, ...]:
    if isinstance(record, (ScorePreference, Rating)):
        return (record.response_id,)
    first, second = sorted((record.response_a, record.response_b))
    return (first, second)


def _whole_scores(scores: pd.DataFrame, where: str) -> pd.DataFrame:
    """Columns person, item, score with int scores, one row per person × item."""
    require_columns(scores, SCORE_COLUMNS, where)
    table = scores[list(SCORE_COLUMNS)]
    repeated = table[table.duplicated(["person", "item"])]
    if len(repeated):
        person, item = repeated.iloc[0][["person", "item"]]
        raise DataError(
            f"Person {person} has more than one score for item '{item}'.",
            where=where,
            mend="Adjudicate the ratings first.",
        )
    numbers = pd.to_numeric(table["score"], errors="coerce")
    bad = ~np.isfinite(numbers) | (numbers.round() != numbers)
    if bad.any():
        person, item = table.loc[bad, ["person", "item"]].iloc[0]
        raise DataError("A score is not a whole number.", where=f"{where}, person {person}, item {item}")
    return table.assign(score=numbers.astype("int64"))
