"""Reading TOML files key by key: every complaint names the file and the key."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from psyalign.foundation.errors import ItemError
from psyalign.foundation.files import read_text

__all__ = ["at", "read_toml", "refuse_unknown", "suggest", "tables", "text", "whole_number"]


def at(path: Path, key: str) -> str:
    """The place of a complaint: file and key."""
    return f"{path}, key '{key}'"


def suggest(word: str, known: Iterable[str]) -> str:
    """A sentence that says which known word was probably meant, or which ones there are."""
    names = [str(name) for name in known]
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"Did you mean '{near[0]}'?"
    return f"Known are: {', '.join(names)}." if names else "None are known."


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; ItemError names the file and the line of a syntax error."""
    try:
        return tomllib.loads(read_text(path, error=ItemError))
    except tomllib.TOMLDecodeError as problem:
        raise ItemError(
            f"The file is not valid TOML: {problem}.",
            where=str(path),
            mend="Check quotes, brackets and equals signs there.",
        ) from None


def refuse_unknown(table: Mapping[str, Any], known: tuple[str, ...], path: Path, prefix: str = "") -> None:
    """Raise ItemError for the first key that is not among `known`."""
    for key in table:
        if key not in known:
            raise ItemError(f"Unknown key '{key}'.", where=at(path, prefix + key), mend=suggest(key, known))


def text(
    table: Mapping[str, Any], key: str, path: Path, prefix: str = "", *, default: str | None = None
) -> str:
    """A text value on one line (runs of white space become one space); empty text is refused."""
    if key not in table:
        if default is not None:
            return default
        raise ItemError(f"Key '{key}' is missing.", where=at(path, prefix + key), mend=f'Add: {key} = "…"')
    value = table[key]
    if not isinstance(value, str):
        raise ItemError(
            f"'{key}' must be text, this is {type(value).__name__}.",
            where=at(path, prefix + key),
            mend="Put it between quotation marks.",
        )
    line = " ".join(value.split())
    if not line and default is None:
        raise ItemError(f"'{key}' is empty.", where=at(path, prefix + key), mend="Write the text.")
    return line


def whole_number(table: Mapping[str, Any], key: str, path: Path, prefix: str = "") -> int:
    """An integer value, 0 or more."""
    if key not in table:
        raise ItemError(f"Key '{key}' is missing.", where=at(path, prefix + key), mend=f"Add: {key} = 0")
    value = table[key]
    # TOML's true and false are ints to Python
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ItemError(
            f"'{key}' must be a whole number from 0.",
            where=at(path, prefix + key),
            mend=f"Write {key} = 0, 1, …",
        )
    return value


def tables(table: Mapping[str, Any], key: str, path: Path) -> list[Mapping[str, Any]]:
    """The tables written as ``[[key]]``; a missing key gives an empty list."""
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ItemError(
            f"'{key}' must be a list of tables.", where=at(path, key), mend=f"Start each one with [[{key}]]."
        )
    return value
