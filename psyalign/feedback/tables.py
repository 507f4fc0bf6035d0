"""Records as tables, which is what training and reports read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, fields

import pandas as pd

from psyalign.feedback.records import Equivalence, Rating, Record, ScorePreference

__all__ = ["equivalence_table", "preference_table", "rating_table"]

NUMBERS = {"preferred": "int64", "rejected": "int64", "score": "int64", "same": "bool"}


def preference_table(records: Iterable[Record]) -> pd.DataFrame:
    """The score preferences: item, response_id, preferred, rejected, rater, source; one row a record."""
    return _table(records, ScorePreference)


def equivalence_table(records: Iterable[Record]) -> pd.DataFrame:
    """The equivalences: item, response_a, response_b, same, rater, source; one row a record.

    Judgements of ``same=False`` are rows too; alignment takes the rows with ``same``.
    """
    return _table(records, Equivalence)


def rating_table(records: Iterable[Record]) -> pd.DataFrame:
    """The ratings: item, response_id, score, rater, source; one row a record."""
    return _table(records, Rating)


def _table(records: Iterable[Record], cls: type[ScorePreference | Equivalence | Rating]) -> pd.DataFrame:
    """Rows of one kind of record; columns and types are the same without any row."""
    names = [field.name for field in fields(cls)]
    rows = [astuple(record) for record in records if isinstance(record, cls)]
    table = pd.DataFrame(rows, columns=names)
    return table.astype({name: NUMBERS.get(name, "str") for name in names})
