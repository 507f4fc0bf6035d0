"""Estimates with intervals, one row each, in one or more panels: arms side by side, wording effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psyalign.report.facts import Estimate
from psyalign.report.figures.style import (
    AFTER,
    BEFORE,
    FAINT,
    GREY,
    INK,
    canvas,
    clean,
    number_ticks,
    wrapped,
)
from psyalign.report.figures.svg import to_svg
from psyalign.report.numerals import bounded, real

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Panel", "estimate_rows"]


@dataclass(frozen=True)
class Panel:
    """One quantity for all rows; `zero` draws the line at zero, `unit_bound` drops the leading zero."""

    heading: str
    estimates: tuple[Estimate, ...]
    zero: bool = True
    unit_bound: bool = False


def estimate_rows(
    labels: Sequence[str],
    roles: Sequence[str],
    panels: Sequence[Panel],
    *,
    name: str,
    origin: str,
    title: str,
) -> str:
    """Rows from top to bottom in the given order; `roles` are "before", "after" or ""."""
    with canvas(1.05 + 0.33 * len(labels), columns=len(panels), sharey=True) as (figure, axes):
        for panel, place in zip(panels, axes, strict=True):
            _panel(place, panel, roles)
        _align([place for panel, place in zip(panels, axes, strict=True) if panel.zero])
        first = axes[0]
        first.set_yticks(range(len(labels)), [wrapped(label, 16) for label in labels])
        first.set_ylim(len(labels) - 0.5, -0.6)
        for text, role in zip(first.get_yticklabels(), roles, strict=True):
            text.set_fontweight("bold" if role else "normal")
        if origin:
            figure.supxlabel(origin, fontsize=9)
        return to_svg(figure, name, title, _describe(labels, panels))


def _panel(axes: Axes, panel: Panel, roles: Sequence[str]) -> None:
    if panel.zero:
        axes.axvline(0, color=GREY, linewidth=0.8)
    for position, (found, role) in enumerate(zip(panel.estimates, roles, strict=True)):
        colour = {"before": BEFORE, "after": AFTER}.get(role, INK)
        axes.axhline(position, color=FAINT, linewidth=0.6, zorder=0)
        if found.low is not None and found.high is not None:
            axes.plot([found.low, found.high], [position] * 2, color=colour, linewidth=1.2)
        if found.value is not None:
            marker, fill = {"before": ("o", "white"), "after": ("s", colour)}.get(role, ("o", colour))
            axes.plot(found.value, position, marker, color=colour, markerfacecolor=fill, markersize=5.5)
    number_ticks(axes.xaxis, bounded if panel.unit_bound else real)
    axes.locator_params(axis="x", nbins=3)
    axes.set_title(panel.heading, loc="left")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _align(panels: Sequence[Axes]) -> None:
    """Effect sizes in different units are compared by eye: give them one scale."""
    limits = [limit for axes in panels for limit in axes.get_xlim()]
    for axes in panels:
        axes.set_xlim(min(limits), max(limits))


def _describe(labels: Sequence[str], panels: Sequence[Panel]) -> str:
    parts = []
    for panel in panels:
        values = (
            f"{clean(label)} {found.value:.3f}"
            for label, found in zip(labels, panel.estimates, strict=True)
            if found.value is not None
        )
        parts.append(f"{clean(panel.heading)}: " + ", ".join(values))
    return "; ".join(parts) + "."
