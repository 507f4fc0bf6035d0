"""What a report is made of, apart from how it looks: sections of paragraphs, lists, tables, figures.

Sections build these; HTML, Word and JSON render them. Texts are plain text:
nothing in them is markup, and the renderer escapes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

__all__ = [
    "Block",
    "Bullets",
    "Column",
    "Figure",
    "FigureRow",
    "Paragraph",
    "Section",
    "Table",
    "Terms",
    "column",
    "figures_of",
]


@dataclass(frozen=True)
class Paragraph:
    """Running text; `tone` is "plain", "note" (small print) or "lead"; `label` stands above it."""

    text: str
    tone: str = "plain"
    label: str = ""
    kind: str = field(default="paragraph", init=False)


@dataclass(frozen=True)
class Bullets:
    """A list; each entry has a bold lead (may be empty) and text."""

    entries: tuple[tuple[str, str], ...]
    kind: str = field(default="bullets", init=False)


@dataclass(frozen=True)
class Terms:
    """Words explained where they are first needed."""

    entries: tuple[tuple[str, str], ...]
    kind: str = field(default="terms", init=False)


@dataclass(frozen=True)
class Column:
    """Heading of a table column; numbers are set flush right."""

    title: str
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """A table of ready-made cell texts; a line break in a cell is kept.

    `emphasis` holds the indices of rows to stress; `folded` tables are closed until asked for;
    `source` names the CSV file that holds the full numbers.
    """

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    emphasis: frozenset[int] = frozenset()
    folded: bool = False
    source: str = ""
    kind: str = field(default="table", init=False)

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{len(row)} cells for {len(self.columns)} columns in '{self.caption}'")


@dataclass(frozen=True)
class Figure:
    """A drawing: `svg` can stand in an HTML page and, saved as figures/<name>.svg, alone.

    `source` names the CSV files that hold its numbers, where no table of them stands beneath it.
    """

    name: str
    caption: str
    svg: str
    source: str = ""
    kind: str = field(default="figure", init=False)


@dataclass(frozen=True)
class FigureRow:
    """Drawings to be seen together: side by side where there is room."""

    figures: tuple[Figure, ...]
    kind: str = field(default="figure_row", init=False)


Block = Paragraph | Bullets | Terms | Table | Figure | FigureRow


@dataclass(frozen=True)
class Section:
    """One part of the report, with an anchor and a title."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


def column(*titles: str, text: Sequence[int] = (0,)) -> tuple[Column, ...]:
    """Columns with these titles; those whose index is in `text` are set flush left."""
    return tuple(Column(title, numeric=index not in text) for index, title in enumerate(titles))


def figures_of(sections: Iterable[Section]) -> list[Figure]:
    """Every drawing, in order."""
    found: list[Figure] = []
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Figure):
                found.append(block)
            elif isinstance(block, FigureRow):
                found.extend(block.figures)
    return found
