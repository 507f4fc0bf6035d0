"""The house's styles in a Word file: named ones, so that whoever gets the file can change the look."""

from __future__ import annotations

from dataclasses import dataclass

from docx.document import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.enum.text import WD_LINE_SPACING
from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement
from docx.shared import Pt, RGBColor
from docx.styles.style import CharacterStyle, ParagraphStyle

from psyalign.report.word.widths import CELL
from psyalign.report.word.xml import node

__all__ = ["dress"]

FONT = "Arial"  # on every system, or one of the same widths
LANGUAGE = "en-GB"
INK, SOFT, LINE, WASH, WARNING, LINK = "1D2530", "566070", "D5DAE1", "F4F6F8", "FFE9A8", "0B5C94"


@dataclass(frozen=True)
class Look:
    """A paragraph style: sizes in points."""

    name: str
    size: float
    before: float = 0
    after: float = 6
    line: float = 1.25
    bold: bool = False
    colour: str = INK
    keep_next: bool = False
    fill: str = ""
    indent: float = 0


LOOKS = (
    Look("Normal", 10),
    Look("Title", 20, after=10, line=1.1, bold=True),
    Look("Heading 1", 14, before=16, after=8, line=1.15, bold=True, keep_next=True),
    Look("Caption", 9, before=8, after=3, line=1.15, bold=True, keep_next=True),
    Look("Header", 8, after=0, colour=SOFT),
    Look("Footer", 8, after=0, colour=SOFT),
    Look("List Bullet", 10, after=4),
    Look("Report Kicker", 9, after=0, colour=SOFT),
    Look("Report Banner", 10, before=4, after=10, fill=WARNING, indent=4),
    Look("Report Contents", 9, after=8, line=1.4),
    Look("Report Lead", 11, after=6, line=1.25),
    Look("Report Label", 8.5, before=4, after=0, bold=True, colour=SOFT, keep_next=True),
    Look("Report Note", 8.5, before=3, after=8, line=1.2, colour=SOFT),
    Look("Report Term", 9, after=2, line=1.2, fill=WASH, indent=4),
    Look("Report Picture", 10, before=8, after=2, line=1, keep_next=True),
    Look("Report Legend", 8.5, after=10, line=1.2, colour=SOFT),
    Look("Report Cell", 8.5, before=1.5, after=1.5, line=1.05),
)


def dress(document: Document) -> None:
    """Replace the template's styles by the house's; what nothing uses goes."""
    _prune(document)
    _defaults(document)
    for look in LOOKS:
        _paragraph_style(document, look)
    _link_style(document)
    document.styles.element.append(_table_style())


def _prune(document: Document) -> None:
    """Of the template's styles keep those that are used here: it has 100 for tables alone.

    The lists stay, as the template's numbering names them.
    """
    kept = {look.name for look in LOOKS} | {"Default Paragraph Font", "Normal Table", "No List"}
    for style in list(document.styles):
        if style.name not in kept and not str(style.name).startswith("List"):
            style.delete()
    for style in document.styles:  # to a twin for letters, which is gone
        for twin in style.element.findall(qn("w:link")):
            style.element.remove(twin)


def _defaults(document: Document) -> None:
    fonts = document.styles.element.find(f"{qn('w:docDefaults')}/{qn('w:rPrDefault')}/{qn('w:rPr')}")
    assert fonts is not None  # the template has it
    fonts.clear()
    fonts.append(_fonts())
    fonts.append(node("lang", val=LANGUAGE, eastAsia=LANGUAGE, bidi="ar-SA"))


def _fonts() -> BaseOxmlElement:
    return node("rFonts", ascii=FONT, hAnsi=FONT, cs=FONT, eastAsia=FONT)


def _paragraph_style(document: Document, look: Look) -> None:
    styles = document.styles
    known = {style.name for style in styles}
    style = styles[look.name] if look.name in known else styles.add_style(look.name, WD_STYLE_TYPE.PARAGRAPH)
    assert isinstance(style, ParagraphStyle)
    if look.name.startswith("Report"):
        style.base_style = styles["Normal"]
    letters = style.element.get_or_add_rPr()
    letters.clear()
    letters.append(_fonts())
    style.font.size, style.font.bold = Pt(look.size), look.bold
    style.font.color.rgb = RGBColor.from_string(look.colour)
    format_ = style.paragraph_format
    format_.space_before, format_.space_after = Pt(look.before), Pt(look.after)
    format_.line_spacing_rule = WD_LINE_SPACING.MULTIPLE
    format_.line_spacing = look.line
    format_.keep_with_next = look.keep_next
    if look.indent:
        format_.left_indent = format_.right_indent = Pt(look.indent)
    _frame(style, look)


def _frame(style: ParagraphStyle, look: Look) -> None:
    """Line above a heading, none under the title, ground under banner and terms."""
    properties = style.element.get_or_add_pPr()
    for old in properties.findall(qn("w:pBdr")):
        properties.remove(old)
    if look.name == "Heading 1":
        line = node("pBdr", node("top", val="single", sz="8", space="6", color=INK))
        properties.insert_element_before(line, *AFTER_BORDERS)
    if look.fill:
        ground = node("shd", val="clear", color="auto", fill=look.fill)
        properties.insert_element_before(ground, *AFTER_BORDERS[1:])


# Order of the children of w:pPr from w:shd on, as the schema wants it (CT_PPrBase).
AFTER_BORDERS = (
    *("w:shd", "w:tabs", "w:suppressAutoHyphens", "w:kinsoku", "w:wordWrap", "w:overflowPunct"),
    *("w:topLinePunct", "w:autoSpaceDE", "w:autoSpaceDN", "w:bidi", "w:adjustRightInd", "w:snapToGrid"),
    *("w:spacing", "w:ind", "w:contextualSpacing", "w:mirrorIndents", "w:suppressOverlap", "w:jc"),
    *("w:textDirection", "w:textAlignment", "w:textboxTightWrap", "w:outlineLvl", "w:divId", "w:cnfStyle"),
    *("w:rPr", "w:sectPr", "w:pPrChange"),
)


def _link_style(document: Document) -> None:
    style = document.styles.add_style("Report Link", WD_STYLE_TYPE.CHARACTER)
    assert isinstance(style, CharacterStyle)
    style.font.color.rgb = RGBColor.from_string(LINK)


def _table_style() -> BaseOxmlElement:
    """Lines between rows, a darker one under the header."""
    hair = {"val": "single", "sz": "4", "space": "0", "color": LINE}
    borders = node("tblBorders", node("top", **hair), node("bottom", **hair), node("insideH", **hair))
    margins = node(
        "tblCellMar",
        node("left", w=str(CELL), type="dxa"),
        node("right", w=str(CELL), type="dxa"),
    )
    under = node("tcBorders", node("bottom", val="single", sz="8", space="0", color=INK))
    return node(
        "style",
        node("name", val="Report Table"),
        node("basedOn", val="TableNormal"),
        node("uiPriority", val="59"),
        node("qFormat"),
        node("tblPr", borders, margins),
        node("tblStylePr", node("rPr", node("b")), node("tcPr", under), type="firstRow"),
        type="table",
        customStyle="1",
        styleId="ReportTable",
    )
