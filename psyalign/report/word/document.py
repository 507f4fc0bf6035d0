"""Sections to one Word file, in the order of the page; closed tables stand in an annex at the end."""

from __future__ import annotations

import io
from collections.abc import Sequence

import docx
from docx.document import Document
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement
from docx.section import Section as Page
from docx.shared import Length, Mm
from docx.text.paragraph import Paragraph as Line

from psyalign.report.content import Block, Bullets, Figure, FigureRow, Paragraph, Section, Table, Terms
from psyalign.report.cover import Cover
from psyalign.report.figures.style import short
from psyalign.report.figures.svg import Drawing
from psyalign.report.word.package import packed, set_properties, strip
from psyalign.report.word.styles import dress
from psyalign.report.word.tables import table_element
from psyalign.report.word.widths import layout
from psyalign.report.word.xml import bookmark, field, link, run

__all__ = ["render_word"]

MARGIN = Mm(20)
SHORT_SIDE, LONG_SIDE = Mm(210), Mm(297)
# Of the size at which a picture is drawn: its 9-point letters become as large as those of a table.
SCALE = 0.78
TALLEST = Mm(215)  # leaves room for the caption on an upright page
TONES = {"plain": "Normal", "note": "Report Note", "lead": "Report Lead"}
LONGEST_ALTERNATIVE = 1000  # characters; the numbers themselves stand in the tables


def render_word(cover: Cover, sections: Sequence[Section]) -> bytes:
    """The report as the bytes of a .docx file.

    Parameters
    ----------
    cover : Cover
        Title, banner, footer, and the time that the file's properties carry.
    sections : sequence of Section
        As `plain_sections` leaves them: XML cannot hold every character.

    Returns
    -------
    bytes
        A4 upright; pages with tables too wide for that are turned. The same input gives the same
        bytes. Nothing in it is a field but the page numbers.
    """
    document = docx.Document()
    strip(document)
    dress(document)
    set_properties(document, cover)
    _Writer(document).write(cover, sections)
    return packed(document)


class _Writer:
    """Writes blocks one after the other and remembers how the page lies and what the annex must hold."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.across = False
        self.marks = 0
        self.annex: list[Table] = []

    def write(self, cover: Cover, sections: Sequence[Section]) -> None:
        page = self.document.sections[0]
        _lie(page, across=False)
        _margins(page, cover)
        self._opening(cover, sections)
        for section in sections:
            self._heading(section.title, section.anchor)
            for block in section.blocks:
                self._block(block)
        if self.annex:
            self._heading("Annex: tables in full", "annex", across=layout(self.annex[0]).across)
            for table in self.annex:
                self._table(table)
        self._line(cover.footer, "Report Note")

    def _opening(self, cover: Cover, sections: Sequence[Section]) -> None:
        self._line(cover.kicker, "Report Kicker")
        self._line(cover.title, "Title")
        if cover.origin:
            banner = self._line("", "Report Banner")
            banner._p.extend([run(f"{cover.origin}. ", bold=True), run(cover.notice)])
        contents = self._line("", "Report Contents")
        for number, section in enumerate(sections):
            contents._p.extend(
                [*([run("  ·  ")] if number else []), link(_mark(section.anchor), section.title)]
            )

    def _heading(self, title: str, anchor: str, *, across: bool = False) -> None:
        self._set_mark(self._line(title, "Heading 1", across=across), _mark(anchor))

    def _set_mark(self, line: Line, name: str) -> None:
        """Make a line a place that links can name."""
        self.marks += 1
        start, end = bookmark(self.marks, name)
        line._p.insert(1, start)  # after its properties
        line._p.append(end)

    def _block(self, block: Block) -> None:
        if isinstance(block, Paragraph):
            if block.label:
                self._line(block.label, "Report Label")
            self._line(block.text, TONES[block.tone])
        elif isinstance(block, Bullets):
            for lead, text in block.entries:
                self._lead_and_text(lead, text, "List Bullet")
        elif isinstance(block, Terms):
            for term, meaning in block.entries:
                self._lead_and_text(f"{term}:", meaning, "Report Term")
            self._line("", "Report Note")
        elif isinstance(block, Figure):
            self._figure(block)
        elif isinstance(block, FigureRow):
            for figure in block.figures:  # side by side their letters would be too small to read
                self._figure(figure)
        elif block.folded:
            self._refer(block)
        else:
            self._table(block)

    def _line(self, text: str, style: str, *, across: bool = False) -> Line:
        self._turn(across)
        line = self.document.add_paragraph(style=style)
        if text:
            line._p.append(run(text))
        return line

    def _lead_and_text(self, lead: str, text: str, style: str) -> None:
        line = self._line("", style)
        line._p.extend([*([run(f"{lead} ", bold=True)] if lead else []), run(text)])

    def _refer(self, table: Table) -> None:
        """A line where the page has a closed table, with a link to it."""
        line = self._line("", "Report Note")
        line._p.extend([run("In the annex: "), link(_annex_mark(len(self.annex)), table.caption)])
        self.annex.append(table)

    def _table(self, table: Table) -> None:
        chosen = layout(table)
        for number, part in enumerate(chosen.parts, start=1):
            several = f" (part {number} of {len(chosen.parts)})" if len(chosen.parts) > 1 else ""
            caption = self._line(table.caption + several, "Caption", across=chosen.across)
            if table in self.annex and number == 1:
                self._set_mark(caption, _annex_mark(self.annex.index(table)))
            # The body's last child is the properties of the last page; the table goes before them.
            caption._p.addnext(table_element(table, part, chosen.points))
            source = f"Full numbers: {table.source}" if table.source else ""
            last = number == len(chosen.parts)
            note = " ".join(text for text in (table.note, source) if text) if last else ""
            self._line(note, "Report Note", across=chosen.across)

    def _figure(self, figure: Figure) -> None:
        source = f" Numbers: {figure.source}" if figure.source else ""
        if not isinstance(figure.svg, Drawing):
            self._line(
                f"{figure.caption}{source} The drawing is the file figures/{figure.name}.svg.",
                "Report Legend",
            )
            return
        line = self._line("", "Report Picture")
        shape = line.add_run().add_picture(io.BytesIO(figure.svg.png()))
        shrink = min(SCALE, TALLEST / shape.height)
        shape.width, shape.height = Length(int(shape.width * shrink)), Length(int(shape.height * shrink))
        described = shape._inline.docPr
        described.set("name", f"{figure.name}.png")
        described.set("descr", short(figure.svg.alternative, LONGEST_ALTERNATIVE))
        self._line(figure.caption + source, "Report Legend")

    def _turn(self, across: bool) -> None:
        """Begin a new page that lies the other way, unless the page lies so already."""
        if across != self.across:
            _lie(self.document.add_section(WD_SECTION.NEW_PAGE), across=across)
            self.across = across


def _mark(anchor: str) -> str:
    """A bookmark's name: letters, digits and underscores (the anchors are the house's own)."""
    return "section_" + "".join(char if char.isalnum() else "_" for char in anchor)


def _annex_mark(number: int) -> str:
    return f"annex_table_{number + 1}"


def _lie(page: Page, *, across: bool) -> None:
    page.orientation = WD_ORIENT.LANDSCAPE if across else WD_ORIENT.PORTRAIT
    page.page_width, page.page_height = (LONG_SIDE, SHORT_SIDE) if across else (SHORT_SIDE, LONG_SIDE)
    page.left_margin = page.right_margin = page.top_margin = page.bottom_margin = MARGIN
    page.header_distance = page.footer_distance = Mm(10)


def _margins(page: Page, cover: Cover) -> None:
    """Title above, page number below; later pages take them over."""
    header = page.header.paragraphs[0]
    origin = f" [{cover.origin}]" if cover.origin else ""
    header._p.append(run(short(cover.title, 100) + origin))
    footer = page.footer.paragraphs[0]
    footer.alignment = WD_ALIGN_PARAGRAPH.CENTER
    parts: list[BaseOxmlElement] = [run("Page "), *field("PAGE", "1"), run(" of "), *field("NUMPAGES", "1")]
    footer._p.extend(parts)
    for line in (header, footer):
        for tabs in line._p.iter(qn("w:tabs")):
            tabs.getparent().remove(tabs)
