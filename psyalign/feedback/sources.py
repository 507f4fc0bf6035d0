"""Who feedback comes from: people, or a model that judges in their place."""

from __future__ import annotations

from collections.abc import Iterable

from psyalign.feedback.records import Record
from psyalign.foundation.errors import StudyError

__all__ = ["AI", "is_ai", "one_pair_only", "refuse_mixture"]

AI = "ai:"  # how the sources of a judge's records begin, and the names of the wordings that it let pass
# Sources that say one thing about a response: this score rather than that one.
ONE_PAIR = frozenset({"ai:constitution", "ai:contrastive"})


def is_ai(record: Record) -> bool:
    """Whether a model gave this record."""
    return record.source.startswith(AI)


def one_pair_only(records: Iterable[Record]) -> bool:
    """Whether all of one or more records come from a source that gives one score preference a response."""
    sources = {record.source for record in records}
    return bool(sources) and sources <= ONE_PAIR


def refuse_mixture(records: Iterable[Record], where: str) -> None:
    """Raise StudyError if some of the records are people's and some a model's."""
    listed = list(records)
    judged = sum(map(is_ai, listed))
    if 0 < judged < len(listed):
        raise StudyError(
            f"AI feedback and human feedback are mixed: {judged} of {len(listed)} records are a model's.",
            where=where,
            mend="Keep them in files of their own, or set mix_ai = true in [feedback].",
        )
