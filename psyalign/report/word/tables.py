"""A table of the report as a Word table: repeated header row, rows kept whole, numbers flush right."""

from __future__ import annotations

from docx.oxml.xmlchemy import BaseOxmlElement

from psyalign.report.content import Table
from psyalign.report.word.widths import Part
from psyalign.report.word.xml import node, run

__all__ = ["table_element"]

TOGETHER = 12  # rows; a table up to this length is not divided between two pages
EDGE = 2  # rows of a longer one that stay with its header, and with the note below it
TALL = 500  # characters; a row with a longer cell may be divided, as it may not fit on any page
WASH = "F4F6F8"


def table_element(table: Table, part: Part, points: float) -> BaseOxmlElement:
    """``w:tbl`` with the columns of `part` in type of `points`."""
    grid = node("tblGrid", *(node("gridCol", w=str(width)) for width in part.widths))
    rows = [_row(table, part, points, None, keep=True)]
    count = len(table.rows)
    for index in range(count):
        keep = count <= TOGETHER or not EDGE <= index < count - EDGE
        rows.append(_row(table, part, points, index, keep=keep))
    return node("tbl", _properties(table, part), grid, *rows)


def _properties(table: Table, part: Part) -> BaseOxmlElement:
    return node(
        "tblPr",
        node("tblStyle", val="ReportTable"),
        node("tblW", w=str(sum(part.widths)), type="dxa"),
        node("tblLayout", type="fixed"),
        node("tblLook", val="0020", firstRow="1", lastRow="0", firstColumn="0", lastColumn="0",
             noHBand="1", noVBand="1"),
        node("tblCaption", val=table.caption),
    )  # fmt: skip


def _row(table: Table, part: Part, points: float, index: int | None, *, keep: bool) -> BaseOxmlElement:
    """The row `index`, or the header row if that is None."""
    header, stressed = index is None, index in table.emphasis
    texts = [column.title for column in table.columns] if index is None else table.rows[index]
    whole = [] if max(map(len, texts), default=0) > TALL else [node("cantSplit")]
    properties = node("trPr", *whole, *([node("tblHeader")] if header else []))
    cells = []
    for place, (column, width) in enumerate(zip(part.columns, part.widths, strict=True)):
        shade = [node("shd", val="clear", color="auto", fill=WASH)] if stressed else []
        look = node("tcPr", node("tcW", w=str(width), type="dxa"), *shade)
        if header:
            look.append(node("vAlign", val="bottom"))
        bold = header or (stressed and place == 0)
        cells.append(
            node("tc", look, _paragraph(texts[column], table.columns[column].numeric, points, bold, keep))
        )
    return node("tr", properties, *cells)


def _paragraph(text: str, numeric: bool, points: float, bold: bool, keep: bool) -> BaseOxmlElement:
    look = node("pPr", node("pStyle", val="ReportCell"))
    if keep:
        look.append(node("keepNext"))
    if numeric:
        look.append(node("jc", val="right"))
    return node("p", look, run(text, bold=bold, points=points))
