"""Keys of a study file that a command sets otherwise for one run: ``--set scorer.base=smollm2``."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from psyalign.foundation.errors import StudyError

__all__ = ["apply_changes", "change_of"]


def apply_changes(raw: dict[str, Any], changes: Sequence[str]) -> None:
    """Put `changes`, each ``TABLE.KEY=VALUE``, into the tables of a study file, in place.

    A value is read as TOML (``7``, ``true``, ``["a", "b"]``); what is not TOML is taken as text,
    so that a shell user need not quote quotes.

    Raises
    ------
    StudyError
        A change has no ``=``, no table, or goes through a key that holds a plain value.
    """
    for change in changes:
        path, value = _parsed(change)
        table = raw
        for name in path[:-1]:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise StudyError(
                    f"'{name}' holds a value, not a table.",
                    where=f"--set {change}",
                    mend="Name the tables on the way to the key, as in scorer.lora.rank=4.",
                )
        table[path[-1]] = value


def change_of(key: tuple[str, ...], changes: Sequence[str]) -> str | None:
    """The change that set `key` or something in it, if one did: a message about it must name the change."""
    for change in reversed(changes):
        path, _ = _parsed(change)
        shared = min(len(path), len(key))
        if path[:shared] == key[:shared]:
            return change
    return None


def _parsed(change: str) -> tuple[tuple[str, ...], Any]:
    key, equals, text = change.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or len(path) < 2 or not all(path):
        raise StudyError(
            "A change is written TABLE.KEY=VALUE.",
            where=f"--set {change}",
            mend="For example --set scorer.base=smollm2.",
        )
    try:
        return path, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return path, text.strip()
