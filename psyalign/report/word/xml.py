"""Small pieces of WordprocessingML (ISO/IEC 29500-1, part 17), made as elements, never as text.

A text from data only ever becomes the content of ``w:t`` or the value of an attribute, so that it
cannot become a field, a link or markup.
"""

from __future__ import annotations

from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement

__all__ = ["bookmark", "field", "link", "node", "run"]


def node(tag: str, *children: BaseOxmlElement, **attributes: str) -> BaseOxmlElement:
    """``<w:tag w:attribute="…">children</w:tag>``."""
    element = OxmlElement(f"w:{tag}", attrs={qn(f"w:{name}"): value for name, value in attributes.items()})
    element.extend(children)
    return element


def run(text: str, *, bold: bool = False, points: float | None = None, style: str = "") -> BaseOxmlElement:
    """A run of text; a line break in it becomes one in the file."""
    look = []
    if style:
        look.append(node("rStyle", val=style))
    if bold:
        look += [node("b"), node("bCs")]
    if points is not None:
        half_points = str(round(2 * points))
        look += [node("sz", val=half_points), node("szCs", val=half_points)]
    element = node("r", *([node("rPr", *look)] if look else []))
    for number, line in enumerate(text.split("\n")):
        if number:
            element.append(node("br"))
        words = node("t")
        words.text = line
        words.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
        element.append(words)
    return element


def field(code: str, shown: str) -> list[BaseOxmlElement]:
    """A field such as PAGE as Word writes it: begin, code, what it showed last, end. `code` is ours."""
    instruction = node("instrText")
    instruction.text = f" {code} "
    parts = (node("fldChar", fldCharType="begin"), instruction, node("fldChar", fldCharType="separate"))
    return [*(node("r", part) for part in parts), run(shown), node("r", node("fldChar", fldCharType="end"))]


def bookmark(number: int, name: str) -> tuple[BaseOxmlElement, BaseOxmlElement]:
    """Start and end of a place that links can name."""
    return node("bookmarkStart", id=str(number), name=name), node("bookmarkEnd", id=str(number))


def link(name: str, text: str) -> BaseOxmlElement:
    """A link to a bookmark of the same file."""
    return node("hyperlink", run(text, style="ReportLink"), anchor=name, history="1")
