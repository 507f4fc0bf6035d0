"""Effect sizes per item, before → after: DIF, with the human scores as reference, or the wording effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psyalign.report.facts import Estimate
from psyalign.report.figures.style import AFTER, BEFORE, FAINT, GREY, HUMAN, canvas, clean, short, wrapped
from psyalign.report.figures.svg import to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ForestRow", "forest"]

DASHES = (0, (2, 1.2))
GAP = 0.17  # distance of the two intervals of one item from its middle


@dataclass(frozen=True)
class ForestRow:
    """One item: effect sizes in SD of the human scores, focal minus reference.

    `human` is the human scores' own; None where they have none, as of the wording effect.
    """

    title: str
    human: float | None
    before: Estimate
    after: Estimate


def forest(
    rows: Sequence[ForestRow], focal: str, threshold: float, *, name: str, origin: str, title: str
) -> str:
    """Items from the most negative to the most positive effect before alignment.

    `threshold` is the |ES| up to which an effect is negligible: a shaded band. `origin` is printed
    in the drawing unless it is empty.
    """
    order = sorted(rows, key=lambda row: (row.before.value is None, row.before.value or 0.0), reverse=True)
    with canvas(1.15 + 0.36 * len(order)) as (figure, (axes,)):
        axes.axvspan(-threshold, threshold, color=FAINT, alpha=0.6, linewidth=0)
        axes.axvline(0, color=GREY, linewidth=0.8)
        for position, row in enumerate(order):
            _row(axes, position, row)
        axes.set_yticks(range(len(order)), [wrapped(row.title) for row in order])
        axes.set_ylim(-0.6, len(order) + 0.1)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(_axis_label(axes, focal) + (f"\n{origin}" if origin else ""))
        _key(axes, human=any(row.human is not None for row in rows))
        return to_svg(figure, name, title, _describe(order))


def _row(axes: Axes, position: int, row: ForestRow) -> None:
    if row.before.value is None and row.after.value is None:
        style: dict[str, Any] = {
            "ha": "center",
            "va": "center",
            "color": GREY,
            "style": "italic",
        }
        axes.text(0, position, "not estimable", **style)
        return
    marks = (
        (row.before, GAP, BEFORE, "o", "white", DASHES),
        (row.after, -GAP, AFTER, "s", AFTER, "-"),
    )
    for found, shift, colour, marker, fill, line in marks:
        if found.low is not None and found.high is not None:
            axes.plot(
                [found.low, found.high], [position + shift] * 2, color=colour, linestyle=line, linewidth=1.2
            )
        if found.value is not None:
            axes.plot(found.value, position + shift, marker, color=colour, markerfacecolor=fill, markersize=5)
    if row.human is not None:
        axes.plot(row.human, position, "|", color=HUMAN, markersize=13, markeredgewidth=1.4)


def _axis_label(axes: Axes, focal: str) -> str:
    low, high = axes.get_xlim()
    reach = max(abs(low), abs(high), 0.3)
    axes.set_xlim(-reach, reach)
    return f"← lower for {short(focal, 16)} · effect size · higher →"


def _key(axes: Axes, *, human: bool) -> None:
    """Marks named above the drawing, in the order in which they lie in a row."""
    handles = [
        axes.plot([], [], "o", color=BEFORE, markerfacecolor="white", linestyle=DASHES, label="before")[0],
        axes.plot([], [], "s-", color=AFTER, label="after")[0],
    ]
    if human:
        handles += axes.plot(
            [], [], "|", color=HUMAN, markersize=11, markeredgewidth=1.4, label="human scores"
        )
    axes.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.5, 0.995), ncols=3, frameon=False, fontsize=9,
        handlelength=2.2, columnspacing=1.4, borderpad=0,
    )  # fmt: skip


def _describe(rows: Sequence[ForestRow]) -> str:
    parts = []
    for row in reversed(rows):
        before, after = row.before.value, row.after.value
        if before is None or after is None:
            parts.append(f"{clean(row.title)}: not estimable")
        else:
            parts.append(f"{clean(row.title)}: {before:.2f} before, {after:.2f} after")
    return "Effect size per item. " + "; ".join(parts) + "."
