"""Where in a TOML file a key stands. For error messages only: tomllib keeps no positions."""

from __future__ import annotations

import re

__all__ = ["key_line"]

HEADER = re.compile(r"^\s*\[{1,2}\s*([^\[\]#]+?)\s*\]{1,2}\s*(?:#.*)?$")
WORD = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
ASSIGNMENT = re.compile(rf"^\s*({WORD}(?:\s*\.\s*{WORD})*)\s*=")
FENCES = ('"""', "'''")


def key_line(text: str, key: tuple[str, ...]) -> int | None:
    """Line (from 1) where `key`, or else the innermost table around it, is written.

    Parameters
    ----------
    text : str
        The TOML file.
    key : tuple of str
        Path such as ``("scorer", "lora", "rank")``.

    Returns
    -------
    int or None
        None if neither the key nor a table around it is written.
    """
    places = _places(text)
    for length in range(len(key), 0, -1):
        if key[:length] in places:
            return places[key[:length]]
    return None


def _places(text: str) -> dict[tuple[str, ...], int]:
    """First line of each table header and each assignment; text within ''' or triple quotes is skipped."""
    places: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    fence: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if fence is not None:
            fence = None if fence in line else fence
            continue
        header, assignment = HEADER.match(line), ASSIGNMENT.match(line)
        if header:
            table = _parts(header.group(1))
            places.setdefault(table, number)
        elif assignment:
            places.setdefault(table + _parts(assignment.group(1)), number)
            fence = next((mark for mark in FENCES if line.count(mark) == 1), None)
    return places


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))
