"""How often each score point was given, by group: human, before, after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psyalign.report.figures.style import FOCAL, GREY, REFERENCE, canvas, clean, short
from psyalign.report.figures.svg import to_svg
from psyalign.report.numerals import percent

__all__ = ["distributions"]


def distributions(
    panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]],
    reference: str,
    focal: str,
    *,
    name: str,
    origin: str,
    title: str,
) -> str:
    """One panel for each key of `panels`; in it, for each group, (score point, share) in order."""
    looks: dict[str, dict[str, Any]] = {
        reference: {"color": REFERENCE, "marker": "o", "linestyle": "-"},
        focal: {"color": FOCAL, "marker": "s", "linestyle": (0, (3, 1.5)), "markerfacecolor": "white"},
    }
    with canvas(2.5, columns=len(panels), sharey=True) as (figure, axes):
        for place, (heading, groups) in zip(axes, panels.items(), strict=True):
            for group, points in groups.items():
                look = looks.get(group, {"color": GREY})
                scores, shares = [score for score, _ in points], [share for _, share in points]
                place.plot(scores, shares, linewidth=1.4, markersize=5, label=short(group, 18), **look)
                place.set_xticks(sorted(set(scores)), [f"{score:g}" for score in sorted(set(scores))])
            place.set_title(heading, loc="left")
            place.margins(x=0.12)
            place.set_xlabel("score point")
        highest = max(
            (y for groups in panels.values() for points in groups.values() for _, y in points), default=1.0
        )
        axes[0].set_ylim(0, 1.08 * highest or 1.0)
        axes[0].yaxis.set_major_formatter(lambda value, _: percent(value))
        axes[0].set_ylabel("share of responses")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside upper left", ncols=2, frameon=False, fontsize=9, handlelength=2.6
        )
        if origin:
            figure.supxlabel(origin, fontsize=9)
        return to_svg(figure, name, title, _describe(panels))


def _describe(panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]]) -> str:
    parts = []
    for heading, groups in panels.items():
        for group, points in groups.items():
            shares = ", ".join(f"{score:g}: {percent(share)}" for score, share in points)
            parts.append(f"{heading}, {clean(group)}: {shares}")
    return "Share of responses at each score point. " + "; ".join(parts) + "."
