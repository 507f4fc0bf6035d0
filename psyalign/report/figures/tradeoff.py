"""Fairness against accuracy: where each arm stands, with intervals both ways."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psyalign.report.facts import Estimate
from psyalign.report.figures.style import AFTER, BEFORE, GREY, INK, canvas, clean, number_ticks, short
from psyalign.report.figures.svg import to_svg
from psyalign.report.numerals import bounded, real

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

__all__ = ["ArmPoint", "tradeoff"]

# Where a name may stand beside its point, best first: offset in points, to the right and up; the name
# grows away from the point. Close by it needs no line; farther off it gets one.
CLOSE = ((7, 6), (-7, 6), (7, -6), (-7, -6))
FAR = tuple(
    (side * x, way * y) for y in (18, 30, 44, 60) for x in (14, 34) for way in (-1, 1) for side in (1, -1)
)
MARKERS = {
    "baseline": "o", "refit": "D", "dpo": "^", "ppo": "v", "equivalence": "s", "dpo+equivalence": "P",
    "ppo+equivalence": "X", "ceiling": "*", "distill": "<", "closed_form": ">", "refit+equivalence": "p",
    "distill+equivalence": "H",
}  # fmt: skip


@dataclass(frozen=True)
class ArmPoint:
    """One arm: mean effect size (human SD) and QWK, both with intervals; `role` is before, after or ""."""

    arm: str
    label: str
    es: Estimate
    qwk: Estimate
    role: str

    @property
    def place(self) -> tuple[float, float]:
        """Where the point stands; NaN where it is not known."""
        return (
            math.nan if self.es.value is None else self.es.value,
            math.nan if self.qwk.value is None else self.qwk.value,
        )


def tradeoff(points: Sequence[ArmPoint], focal: str, *, name: str, origin: str, title: str) -> str:
    """Mean effect size across, QWK up: the best place is high and on the line."""
    shown = [point for point in points if point.es.value is not None and point.qwk.value is not None]
    with canvas(4.0) as (figure, (axes,)):
        axes.axvline(0, color=GREY, linewidth=0.8)
        for point in shown:
            _draw(axes, point)
        axes.margins(0.12, 0.12)
        number_ticks(axes.yaxis, bounded)
        number_ticks(axes.xaxis, real)
        axes.locator_params(axis="x", nbins=6)
        axes.locator_params(axis="y", nbins=6)
        axes.set_ylabel("agreement with human scores (QWK)")
        label = f"mean effect size ({short(focal, 16)} − reference); 0 = no DIF on average"
        axes.set_xlabel(label + (f"\n{origin}" if origin else ""))
        _label(figure, axes, shown)
        parts = (
            f"{clean(point.label)}: mean effect size {point.es.value:.2f}, QWK {point.qwk.value:.2f}"
            for point in shown
        )
        return to_svg(figure, name, title, "; ".join(parts) + ".")


def _colour(point: ArmPoint) -> str:
    return {"before": BEFORE, "after": AFTER}.get(point.role, GREY)


def _draw(axes: Axes, point: ArmPoint) -> None:
    colour, stressed = _colour(point), bool(point.role)
    line: dict[str, Any] = {
        "color": colour,
        "linewidth": 1.2 if stressed else 0.6,
        "alpha": 1 if stressed else 0.55,
    }
    es, qwk, (x, y) = point.es, point.qwk, point.place
    if es.low is not None and es.high is not None:
        axes.plot([es.low, es.high], [y, y], **line)
    if qwk.low is not None and qwk.high is not None:
        axes.plot([x, x], [qwk.low, qwk.high], **line)
    fill = "white" if point.role == "before" else colour
    axes.plot(
        x, y, MARKERS.get(point.arm, "h"), color=colour, markerfacecolor=fill,
        markersize=8 if stressed else 6, zorder=4,
    )  # fmt: skip


def _label(figure: Figure, axes: Axes, points: Sequence[ArmPoint]) -> None:
    """Set each name beside its point where it covers no other name or point and is near no other point."""
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # names must not move the axes any more
    marks = {}
    for point in points:
        x, y = axes.transData.transform(point.place)
        marks[point.arm] = Bbox.from_extents(x - 5, y - 5, x + 5, y + 5)
    bars = [bar for point in points if point.role for bar in _bars(axes, point)]
    names: list[Bbox] = []
    for point in sorted(points, key=lambda point: point.role == ""):
        others = [mark for arm, mark in marks.items() if arm != point.arm]
        names.append(_place(axes, point, [*names, marks[point.arm]], others, bars))


def _bars(axes: Axes, point: ArmPoint) -> list[Bbox]:
    """The intervals of a point as boxes without breadth."""
    from matplotlib.transforms import Bbox

    x, y = point.place
    lines = []
    if point.es.low is not None and point.es.high is not None:
        lines.append(((point.es.low, y), (point.es.high, y)))
    if point.qwk.low is not None and point.qwk.high is not None:
        lines.append(((x, point.qwk.low), (x, point.qwk.high)))
    return [Bbox(axes.transData.transform(line)) for line in lines]


def _place(
    axes: Axes, point: ArmPoint, taken: Sequence[Bbox], others: Sequence[Bbox], bars: Sequence[Bbox]
) -> Bbox:
    """Set a name where it costs least, and return its box.

    `taken` are the names that stand and the point's own mark, `others` the marks of the other
    points, `bars` the intervals that matter most.
    """
    costs = []
    for index, offset in enumerate(CLOSE + FAR):
        box = _box(axes, point, offset)
        near = box.padded(14)
        cost = 10 * sum(box.padded(3).overlaps(other) for other in [*taken, *others])
        cost += 8 * sum(box.overlaps(bar) for bar in bars)
        cost += 4 * sum(near.overlaps(mark) for mark in others)
        if index >= len(CLOSE):
            cost += 3 + 6 * sum(_crossed(axes, point, box, name) for name in [*taken[:-1], *others])
        inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 + 4
        cost += 0 if inside and axes.bbox.y0 <= box.y0 and box.y1 <= axes.bbox.y1 else 50
        costs.append((cost, index))
    best = min(costs)[1]
    offset = (CLOSE + FAR)[best]
    line = {"arrowstyle": "-", "color": GREY, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 4}
    _name(axes, point, offset, line if best >= len(CLOSE) else None)
    return _box(axes, point, offset)


def _crossed(axes: Axes, point: ArmPoint, box: Bbox, other: Bbox) -> bool:
    """Whether the line from a point to its name, whose box is given, runs through another box."""
    from matplotlib.path import Path

    x, y = axes.transData.transform(point.place)
    end = (min(max(x, box.x0), box.x1), min(max(y, box.y0), box.y1))
    return bool(Path([(x, y), end]).intersects_bbox(other, filled=True))


def _name(axes: Axes, point: ArmPoint, offset: tuple[int, int], line: dict[str, Any] | None) -> Annotation:
    return axes.annotate(
        short(point.label, 24), point.place, offset, textcoords="offset points", fontsize=9,
        ha="left" if offset[0] > 0 else "right", va="bottom" if offset[1] > 0 else "top",
        color=_colour(point) if point.role else INK, fontweight="bold" if point.role else "normal",
        bbox={"facecolor": "white", "alpha": 0.5, "linewidth": 0, "pad": 0.5}, arrowprops=line,
    )  # fmt: skip


def _box(axes: Axes, point: ArmPoint, offset: tuple[int, int]) -> Bbox:
    """Where the name would be; measured without its line, whose extent would count as the name's."""
    text = _name(axes, point, offset, None)
    box = text.get_window_extent()
    text.remove()
    return box
