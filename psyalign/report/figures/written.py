"""Two simple drawings written as SVG directly: matplotlib would take longer to load than all else to compute.

Same colours, type and width as the drawings made with matplotlib; every distinction is also one of fill or
position, so that they can be read in grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from psyalign.report.facts import Estimate
from psyalign.report.figures.style import AFTER, FAINT, GREY, HUMAN, INK, clean, short
from psyalign.report.figures.svg import FONTS, SVG
from psyalign.report.numerals import percent, real

__all__ = ["Row", "interval_rows", "share_bars"]

WIDTH = 480.0
LEFT = 150.0  # of the rows' scale; labels stand to the left of it
LINE = 26.0
SIZE = "12"  # of every text; the sheet is made for 480 px width


@dataclass(frozen=True)
class Row:
    """One line of `interval_rows`: an estimate, or a heading where there is none."""

    label: str
    found: Estimate | None = None


class _Sheet:
    """An SVG element with alternative text; all texts are escaped by ElementTree."""

    def __init__(self, name: str, height: float, title: str, description: str) -> None:
        self.root = ElementTree.Element(
            "svg",
            {
                "xmlns": SVG, "viewBox": f"0 0 {WIDTH:g} {height:g}", "role": "img",
                "aria-labelledby": f"{name}-title {name}-desc", "font-family": FONTS,
            },
        )  # fmt: skip
        for tag, text in (("title", title), ("desc", description)):
            ElementTree.SubElement(self.root, tag, {"id": f"{name}-{tag}"}).text = clean(text)

    def add(self, tag: str, **attributes: object) -> ElementTree.Element:
        """One shape; underscores in the names of attributes stand for hyphens, numbers are rounded."""
        values = {
            name.replace("_", "-"): f"{value:.2f}" if isinstance(value, float) else str(value)
            for name, value in attributes.items()
        }
        return ElementTree.SubElement(self.root, tag, values)

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1.0) -> None:
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_width=width)

    def text(self, x: float, y: float, text: str, **more: object) -> None:
        look = {"font_size": SIZE, "fill": INK, **more}
        self.add("text", x=x, y=y, **look).text = clean(text)

    def __str__(self) -> str:
        return ElementTree.tostring(self.root, encoding="unicode")


def share_bars(points: Sequence[tuple[str, float, float]], *, name: str, origin: str, title: str) -> str:
    """Pairs of bars: (score point, human share, machine share), shares from 0 to 1."""
    told = "; ".join(f"{point}: human {percent(h)}, machine {percent(m)}" for point, h, m in points)
    top, bottom, height = 34.0, 200.0, 236.0 + (16.0 if origin else 0.0)
    sheet = _Sheet(name, height, title, f"Share of responses at each score point. {told}.")
    sheet.add("rect", x=8.0, y=10.0, width=11.0, height=11.0, fill=HUMAN)
    sheet.text(24, 20, "human")
    sheet.add("rect", x=86.0, y=10.0, width=11.0, height=11.0, fill="white", stroke=AFTER, stroke_width=2.0)
    sheet.text(103, 20, "machine, rounded")
    most = max([max(h, m) for _, h, m in points] + [1e-9])
    step = (WIDTH - 16.0) / max(len(points), 1)
    bar = min(step * 0.36, 44.0)
    for place, (point, human, machine) in enumerate(points):
        middle = 8.0 + step * (place + 0.5)
        for share, shift, machine_bar in ((human, -bar, False), (machine, 0.0, True)):
            tall = (bottom - top - 14.0) * share / most
            inner = 1.0 if machine_bar else 0.0  # the outline stays inside of the bar's width
            look = {"fill": "white", "stroke": AFTER, "stroke_width": 2.0} if machine_bar else {"fill": HUMAN}
            sheet.add(
                "rect", x=middle + shift + inner, y=bottom - tall + inner, width=bar - 2 * inner - 1,
                height=max(tall - inner, 0.0), **look,
            )  # fmt: skip
            if len(points) <= 6:  # with more, neighbouring numbers would touch
                sheet.text(middle + shift + bar / 2, bottom - tall - 4, percent(share), text_anchor="middle")
        sheet.text(middle, bottom + 16, point, text_anchor="middle")
    sheet.line(8, bottom, WIDTH - 8, bottom, GREY)
    sheet.text(WIDTH / 2, bottom + 32, "score point", text_anchor="middle")
    if origin:
        sheet.text(WIDTH / 2, bottom + 48, origin, text_anchor="middle", fill=GREY)
    return str(sheet)


def interval_rows(rows: Sequence[Row], band: float, axis: str, *, name: str, origin: str, title: str) -> str:
    """Estimates with intervals around zero, one a line; the shaded band is what is asked (±`band`)."""
    told = "; ".join(
        f"{clean(row.label)} {real(row.found.value)}"
        for row in rows
        if row.found and row.found.value is not None
    )
    bottom = 12.0 + LINE * len(rows)
    height = bottom + 44.0 + (16.0 if origin else 0.0)
    sheet = _Sheet(name, height, title, f"{axis}. {told}.")
    ends = [abs(end) for row in rows if row.found for end in row.found if end is not None]
    reach = max([*ends, 1.5 * band]) * 1.06

    def x(value: float) -> float:
        return LEFT + (WIDTH - 12.0 - LEFT) * (value + reach) / (2 * reach)

    sheet.add("rect", x=x(-band), y=8.0, width=x(band) - x(-band), height=bottom - 8.0, fill=FAINT)
    sheet.line(x(0), 8, x(0), bottom, GREY)
    for place, row in enumerate(rows):
        y = 12.0 + LINE * (place + 0.5)
        if row.found is None:
            sheet.text(4, y + 4, short(row.label, 60), font_weight="bold")
            continue
        sheet.text(14, y + 4, short(row.label, 19))
        value, low, high = row.found
        if value is None:
            sheet.text(x(0) + 6, y + 4, "not shown", fill=GREY, font_style="italic")
            continue
        if low is not None and high is not None:
            sheet.line(x(low), y, x(high), y, INK, 1.6)
        sheet.add("circle", cx=x(value), cy=y, r=4.0, fill=AFTER, stroke="white", stroke_width=1.0)
    sheet.line(LEFT, bottom, WIDTH - 12, bottom, GREY)
    for value in (-_tick(reach), 0.0, _tick(reach)):
        sheet.line(x(value), bottom, x(value), bottom + 4, GREY)
        sheet.text(x(value), bottom + 16, real(value), text_anchor="middle")
    sheet.text(WIDTH - 4, bottom + 34, axis, text_anchor="end")  # it may be wider than the scale
    if origin:
        sheet.text((LEFT + WIDTH - 12) / 2, bottom + 50, origin, text_anchor="middle", fill=GREY)
    return str(sheet)


def _tick(reach: float) -> float:
    """The largest of .05, .1, .2, .5, … that lies inside."""
    steps = [base * 10.0**power for power in range(-3, 4) for base in (1, 2, 5)]
    return max((step for step in steps if step <= 0.9 * reach), default=steps[0])
