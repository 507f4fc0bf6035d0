"""How a table is laid out so that it stays on the page: size of type, upright or across, or in parts.

Word breaks a word that is wider than its column anywhere, so a column is made as wide as its longest
word. Widths are estimated from the advances of Arial; they err on the wide side.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from psyalign.report.content import Table

__all__ = ["ACROSS", "CELL", "UPRIGHT", "Layout", "Part", "layout"]

# Text areas in twentieths of a point: A4 with margins of 20 mm. The same text fits on US Letter.
UPRIGHT = 9638
ACROSS = 14570
CELL = 60  # left and right inside a cell
SIZES = ((False, (8.5, 8.0, 7.5, 7.0)), (True, (8.0, 7.5, 7.0, 6.5)))

# Advances as shares of the size of type.
NARROW = frozenset(".,:;!'|()[]{}/\\ijlftI-\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE} ")
HEADING = 1.1  # bold
LONGEST = 13.0  # a longer word may break
SHORTEST = 6.5  # a column of words is not squeezed below this unless it is naturally narrower
LINES = 6  # into which the longest cell of words may be broken, up to a column of WORDY
WORDY = 18.0


@dataclass(frozen=True)
class Part:
    """Columns of a table that stand side by side, and their widths in twentieths of a point."""

    columns: tuple[int, ...]
    widths: tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """Size of type in points, whether the page is turned, and the parts: one, if it fits."""

    points: float
    across: bool
    parts: tuple[Part, ...]


def layout(table: Table) -> Layout:
    """The largest type with which every column has room for its longest word.

    Upright down to 7 points, then on a page turned sideways down to 6.5; what is wider still is cut
    into parts, each of which repeats the first columns of words.
    """
    everything = tuple(range(len(table.columns)))
    ems = [_column(table, index) for index in everything]
    numeric = [column.numeric for column in table.columns]
    for across, sizes in SIZES:
        for points in sizes:
            room = ACROSS if across else UPRIGHT
            if sum(_twips(least, points) for least, _ in ems) <= room:
                return Layout(points, across, (_part(everything, ems, numeric, points, room),))
    points = SIZES[-1][1][-1]
    cuts = _cut(table, [_twips(least, points) for least, _ in ems])
    return Layout(points, True, tuple(_part(columns, ems, numeric, points, ACROSS) for columns in cuts))


def em(text: str) -> float:
    """Estimated width of a text as a multiple of the size of type."""
    return sum(map(_advance, text))


def _advance(char: str) -> float:
    if char in NARROW:
        return 0.3
    if char in "mwMW@%…" or unicodedata.east_asian_width(char) in "WF":
        return 1.0
    return 0.8 if char.isupper() else 0.6


def _column(table: Table, index: int) -> tuple[float, float]:
    """Least and natural width of a column in ems."""
    column = table.columns[index]
    lines = [line for row in table.rows for line in row[index].split("\n")]
    heading = min(HEADING * max(map(em, column.title.split()), default=0.0), LONGEST)
    longest = max(map(em, lines), default=1.0)
    natural = max(HEADING * em(column.title), longest)
    if column.numeric:  # a number with its interval is one word
        return max(heading, min(longest, LONGEST)), natural
    words = max((em(word) for line in lines for word in line.split()), default=0.0)
    return max(heading, min(words, LONGEST), min(natural, SHORTEST), min(longest / LINES, WORDY)), natural


def _twips(ems: float, points: float) -> int:
    return round(20 * points * ems) + 2 * CELL


def _part(
    columns: tuple[int, ...],
    ems: Sequence[tuple[float, float]],
    numeric: Sequence[bool],
    points: float,
    room: int,
) -> Part:
    """Every column gets its least width; what is left goes to those of words, in proportion to what they
    lack, and to the headings of numbers only if there is enough for all."""
    least = [_twips(ems[index][0], points) for index in columns]
    lack = [_twips(ems[index][1], points) - width for index, width in zip(columns, least, strict=True)]
    rest = room - sum(least)
    if sum(lack) > rest:
        lack = [0 if numeric[index] else more for index, more in zip(columns, lack, strict=True)]
    share = min(1.0, rest / max(sum(lack), 1))
    widths = (width + int(share * more) for width, more in zip(least, lack, strict=True))
    return Part(columns, tuple(widths))


def _cut(table: Table, least: Sequence[int]) -> list[tuple[int, ...]]:
    """Columns of each part: the leading columns of words (at most two), then as many as there is room for."""
    stub: tuple[int, ...] = ()
    while len(stub) < min(2, len(least) - 1) and (not stub or not table.columns[len(stub)].numeric):
        stub = (*stub, len(stub))
    taken = sum(least[index] for index in stub)
    parts, room = [list(stub)], ACROSS - taken
    for index in range(len(stub), len(least)):
        if least[index] > room and len(parts[-1]) > len(stub):
            parts.append(list(stub))
            room = ACROSS - taken
        parts[-1].append(index)
        room -= least[index]
    return [tuple(part) for part in parts]
