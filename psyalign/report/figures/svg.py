"""From a matplotlib figure to SVG text: small, deterministic, with alternative text, safe to inline.

What needs a picture of points instead (a Word file) asks the drawing for it.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from psyalign.report.figures.style import clean, house_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Drawing", "to_svg"]

SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"
NUMBER = re.compile(r"-?\d+\.\d{3,}")
REFERENCE = re.compile(r"url\(#([^)]+)\)")
FONTS = "'DejaVu Sans', Verdana, 'Segoe UI', sans-serif"
DPI = 200  # of a PNG: sharp in print at the size at which it is drawn


class Drawing(str):
    """SVG text that remembers its alternative text and can still be had as a PNG."""

    alternative: str
    _figure: Figure

    def __new__(cls, svg: str, figure: Figure, alternative: str) -> Drawing:
        """`svg` as text; `figure` is what it was made of."""
        drawing = super().__new__(cls, svg)
        drawing._figure, drawing.alternative = figure, alternative
        return drawing

    def png(self) -> bytes:
        """The same figure as PNG, 200 dots per inch; drawn when asked for, the same bytes each time."""
        buffer = io.BytesIO()
        with house_style():
            self._figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        return buffer.getvalue()


def to_svg(figure: Figure, name: str, title: str, description: str) -> Drawing:
    """The figure as an SVG element.

    Parameters
    ----------
    figure : matplotlib Figure
        Drawn under `canvas`.
    name : str
        Prefix of every id, so that many drawings can stand in one page.
    title, description : str
        Alternative text.

    Returns
    -------
    Drawing
        ``<svg role="img" …>``, without XML declaration; the same figure gives the same bytes.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(buffer.getvalue())
    for metadata in root.findall(f"{{{SVG}}}metadata"):
        root.remove(metadata)
    for element in root.iter():
        _tidy(element, name)
    _describe(root, name, title, description)
    text = ElementTree.tostring(root, encoding="unicode")
    return Drawing(text, figure, f"{clean(title)}. {clean(description)}")


def _tidy(element: ElementTree.Element, name: str) -> None:
    if element.tag == f"{{{SVG}}}g":
        element.attrib.pop("id", None)  # "axes_1" in every drawing; nothing refers to it
    if XLINK in element.attrib:
        element.set("href", element.attrib.pop(XLINK).replace("#", f"#{name}-"))
    for key, value in element.attrib.items():
        if key == "id":
            element.set(key, f"{name}-{value}")
        elif key not in ("href", "viewBox"):
            rounded = NUMBER.sub(lambda match: f"{float(match.group()):.2f}", value)
            element.set(key, REFERENCE.sub(rf"url(#{name}-\1)", rounded).replace("'DejaVu Sans'", FONTS))


def _describe(root: ElementTree.Element, name: str, title: str, description: str) -> None:
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for index, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": f"{name}-{tag}"})
        element.text = clean(text)
        root.insert(index, element)
