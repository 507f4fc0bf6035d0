"""One style for all drawings, and the way from matplotlib to an SVG that can stand in a page.

Colours are Okabe and Ito's; every distinction is also one of marker, fill or line style, so that
the drawings can be read in grey. Sizes are in points; a drawing is made for 480 px width, at which
9 points are 12 px: no text is smaller. On a phone it scrolls in its own box.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = [
    "AFTER",
    "BEFORE",
    "FOCAL",
    "GREY",
    "HUMAN",
    "INK",
    "REFERENCE",
    "canvas",
    "clean",
    "house_style",
    "number_ticks",
    "short",
    "wrapped",
]

INK = "#1d2530"
GREY = "#6b7480"
FAINT = "#dfe3e8"
BEFORE = "#D55E00"
AFTER = "#0072B2"
HUMAN = "#1d2530"
REFERENCE = "#009E73"
FOCAL = "#CC79A7"

WIDTH = 5.0  # inches; 360 pt of drawing
SETTINGS = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: same layout on every machine
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "text.parse_math": False,  # an item called "$5" is not a formula
    "svg.fonttype": "none",
    "svg.hashsalt": "psyalign",
    "figure.facecolor": "white",
    "path.simplify": True,
}


@contextmanager
def house_style() -> Iterator[None]:
    """The house's settings of matplotlib, for as long as something is drawn or saved."""
    import matplotlib as mpl

    with mpl.rc_context(SETTINGS), warnings.catch_warnings():
        # Names in scripts that DejaVu lacks are drawn by the browser, which has other fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


@contextmanager
def canvas(
    height: float, columns: int = 1, rows: int = 1, *, sharey: bool = False
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure `height` inches high and its axes, row by row, under the house style."""
    from matplotlib.figure import Figure

    with house_style():
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharey=sharey)
        yield figure, list(grid.flat)


def number_ticks(axis: Axis, write: Callable[[float, int], str]) -> None:
    """Write an axis's numbers with two decimals, or with as many as its ticks need to be told apart."""

    def text(value: float, _: float) -> str:
        ticks = axis.get_majorticklocs()
        step = float(min(ticks[1:] - ticks[:-1])) if len(ticks) > 1 else 1.0
        decimals = next((count for count in (2, 3, 4) if abs(round(step, count) - step) < 1e-3 * step), 5)
        return write(value, decimals)

    axis.set_major_formatter(text)


def clean(text: object) -> str:
    """`text` on one line, without characters that an SVG cannot hold."""
    return " ".join("".join(char if char.isprintable() else " " for char in str(text)).split())


def short(text: object, length: int = 22) -> str:
    """`text` cut to `length` characters, with an ellipsis if something is lost."""
    flat = clean(text)
    return flat if len(flat) <= length else flat[: length - 1].rstrip() + "…"


def wrapped(text: object, width: int = 18) -> str:
    """`text` on at most two lines of `width` characters."""
    lines = textwrap.wrap(clean(text), width) or [""]
    return "\n".join(lines if len(lines) <= 2 else [lines[0], short(" ".join(lines[1:]), width)])
