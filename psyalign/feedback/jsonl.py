"""Feedback records on disk: JSON Lines, one record a line, `kind` first."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from psyalign.feedback.records import Equivalence, Rating, Record, ResponsePreference, ScorePreference
from psyalign.foundation.errors import DataError
from psyalign.foundation.files import read_text, write_text

__all__ = ["read_records", "write_records"]

KINDS: dict[str, type[Record]] = {
    cls.kind: cls for cls in (ScorePreference, ResponsePreference, Equivalence, Rating)
}
WHOLE_NUMBERS = ("preferred", "rejected", "score")
PAIRS = (("preferred", "rejected", "score points"), ("response_a", "response_b", "responses"))


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write `records` as JSON Lines, atomically, in their order; `read_records` gives them back."""
    lines = [json.dumps({"kind": record.kind, **asdict(record)}, ensure_ascii=False) for record in records]
    write_text(path, "".join(line + "\n" for line in lines))


def read_records(path: Path) -> list[Record]:
    """Read feedback records from a JSON Lines file; blank lines are skipped.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    list of Record
        In the order of the file.

    Raises
    ------
    DataError
        Missing or not UTF-8; a line that is not a JSON object, is of an unknown kind, lacks a key or
        has an unknown one, has a value of the wrong type, or compares a thing with itself. The error
        names file and line.
    """
    records = []
    # not splitlines(): JSON strings may hold U+2028 and its like as they are
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            records.append(_record(line, f"{path}, line {number}"))
    return records


def _record(line: str, where: str) -> Record:
    try:
        value = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        raise DataError(
            "The line is not valid JSON.", where=where, mend="Write one JSON object on each line."
        ) from None
    if not isinstance(value, dict):
        raise DataError("The line is not a JSON object.", where=where, mend='Write {"kind": …, …}.')
    kind = value.pop("kind", None)
    cls = KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        said = f"Unknown kind '{kind}'." if isinstance(kind, str) else "The record has no kind."
        raise DataError(said, where=where, mend=_suggest(str(kind), list(KINDS)))
    names = [field.name for field in fields(cls)]
    for name in value:
        if name not in names:
            raise DataError(f"A {kind} has no key '{name}'.", where=where, mend=_suggest(name, names))
    for name in names:
        if name not in value:
            raise DataError(f"'{name}' is missing.", where=where, mend=f"A {kind} has: {', '.join(names)}.")
        _check_value(cls, name, value[name], where)
    _check_pair(value, where)
    return cls(**value)


def _check_value(cls: type[Record], name: str, value: Any, where: str) -> None:
    """One value against its type; the value itself is not told, it could be personal."""
    if cls is ResponsePreference and name == "preferred":
        if value not in ("a", "b", "tie"):
            raise DataError('\'preferred\' must be "a", "b" or "tie".', where=where)
    elif name in WHOLE_NUMBERS:
        # JSON's true and false are ints to Python
        if isinstance(value, bool) or not isinstance(value, int):
            raise DataError(f"'{name}' must be a whole number.", where=where, mend="Name a score point.")
    elif name == "same":
        if not isinstance(value, bool):
            raise DataError("'same' must be true or false.", where=where)
    elif not isinstance(value, str) or not value:
        raise DataError(f"'{name}' must be text and not empty.", where=where)


def _check_pair(value: dict[str, Any], where: str) -> None:
    for first, second, what in PAIRS:
        if first in value and second in value and value[first] == value[second]:
            raise DataError(
                f"'{first}' and '{second}' are the same.",
                where=where,
                mend=f"A pair has two different {what}.",
            )


def _suggest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean '{near[0]}'?" if near else f"There are: {', '.join(known)}."
