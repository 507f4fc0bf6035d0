"""The Word file: real headings, captions, tables, described pictures; the same bytes each time."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import docx
import pytest
from docx.document import Document
from docx.enum.section import WD_ORIENT
from docx.oxml.ns import qn

from psyalign.report import build_report
from psyalign.report.content import Column, Figure, Paragraph, Section, Table, column, figures_of
from psyalign.report.cover import Cover
from psyalign.report.load import load_run
from psyalign.report.sections import build_sections
from psyalign.report.word import render_word
from psyalign.report.word.widths import ACROSS, UPRIGHT, layout

RunWriter = Callable[..., Path]
FEW = ["baseline", "equivalence"]


@pytest.fixture(scope="module")
def run(write_run: RunWriter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("word") / "run", arms=FEW)


@pytest.fixture(scope="module")
def sections(run: Path) -> list[Section]:
    return build_sections(load_run(run))


@pytest.fixture(scope="module")
def file(run: Path) -> Path:
    return build_report(run, run.parent / "out", ["docx"])


@pytest.fixture(scope="module")
def document(file: Path) -> Document:
    return docx.Document(str(file))


def styled(document: Document, style: str) -> list[str]:
    return [line.text for line in document.paragraphs if line.style is not None and line.style.name == style]


def tables_of(sections: list[Section]) -> list[Table]:
    return [block for section in sections for block in section.blocks if isinstance(block, Table)]


def test_headings_and_captions_are_those_of_the_sections(document: Document, sections: list[Section]) -> None:
    assert styled(document, "Title") == ["Workplace judgment: a known penalty on everyday language"]
    titles = [section.title for section in sections]
    assert styled(document, "Heading 1") == [*titles, "Files", "Annex: tables in full"]
    tables = tables_of(sections)
    closed = [table.caption for table in tables if table.folded]
    opened = [table.caption for table in tables if not table.folded]
    assert closed
    assert styled(document, "Caption") == [*opened, "Files of this report.", *closed]
    legends = styled(document, "Report Legend")
    assert [legend.split(" Numbers: ")[0] for legend in legends] == [
        figure.caption for figure in figures_of(sections)
    ]


def test_tables_hold_every_cell_and_repeat_their_header(document: Document, sections: list[Section]) -> None:
    tables = tables_of(sections)
    ordered = [table for table in tables if not table.folded]
    annex = [table for table in tables if table.folded]
    found = [table for table in document.tables if table.cell(0, 0).text != "File"]
    for table, shown in zip([*ordered, *annex], found, strict=True):
        rows = [[cell.text for cell in row.cells] for row in shown.rows]
        assert rows == [[part.title for part in table.columns], *map(list, table.rows)]
        assert shown._tbl.tr_lst[0].find(f"{qn('w:trPr')}/{qn('w:tblHeader')}") is not None
        sides = [
            cell.find(f"{qn('w:p')}/{qn('w:pPr')}/{qn('w:jc')}") is not None
            for cell in shown._tbl.tr_lst[-1].tc_lst
        ]
        assert sides == [part.numeric for part in table.columns]


def test_no_table_is_wider_than_its_page(document: Document) -> None:
    lies = []
    room = 0
    pages = iter(document.sections)
    page = next(pages)
    for block in document.element.body:
        if block.tag == qn("w:tbl"):
            widths = [int(grid.get(qn("w:w"))) for grid in block.iter(qn("w:gridCol"))]
            assert page.page_width and page.left_margin and page.right_margin
            room = (page.page_width - page.left_margin - page.right_margin) // 635  # EMU in a twip
            assert sum(widths) <= room
            lies.append(page.orientation)
        elif block.find(f"{qn('w:pPr')}/{qn('w:sectPr')}") is not None:
            page = next(pages)
    assert set(lies) == {WD_ORIENT.PORTRAIT, WD_ORIENT.LANDSCAPE}


def test_pictures_are_the_drawings_with_alternative_text(document: Document, sections: list[Section]) -> None:
    figures = figures_of(sections)
    assert len(document.inline_shapes) == len(figures)
    for shape, figure in zip(document.inline_shapes, figures, strict=True):
        described = shape._inline.docPr
        assert described.get("name") == f"{figure.name}.png"
        root = ElementTree.fromstring(figure.svg)
        title, text = root[0].text or "", root[1].text or ""
        assert described.get("descr", "").startswith(f"{title}. {text[:100]}")
        _, _, width, height = map(float, root.get("viewBox", "").split())
        assert shape.width / shape.height == pytest.approx(width / height, rel=0.01)
    images = [part for part in document.part.package.iter_parts() if "image" in part.content_type]
    assert len({part.sha1 for part in images}) == len(figures)  # type: ignore[attr-defined]
    assert all(part.image.horz_dpi == 200 for part in images)  # type: ignore[attr-defined]


def test_header_footer_and_fields(file: Path, document: Document) -> None:
    page = document.sections[0]
    assert page.header.paragraphs[0].text.endswith("everyday language [Simulated]")
    assert all(section.header.is_linked_to_previous for section in list(document.sections)[1:])
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    codes = [
        (element.text or "").strip()
        for name, part in parts.items()
        if name.endswith(".xml")
        for element in ElementTree.fromstring(part).iter(qn("w:instrText"))
    ]
    assert codes == ["PAGE", "NUMPAGES"]
    relations = b"".join(part for name, part in parts.items() if name.endswith(".rels"))
    assert b'TargetMode="External"' not in relations


def test_links_lead_to_bookmarks(document: Document, sections: list[Section]) -> None:
    body = document.element.body
    marks = [mark.get(qn("w:name")) for mark in body.iter(qn("w:bookmarkStart"))]
    links = [link.get(qn("w:anchor")) for link in body.iter(qn("w:hyperlink"))]
    assert len(marks) == len(set(marks))
    assert set(links) <= set(marks)
    closed = sum(table.folded for table in tables_of(sections))
    assert sum(link.startswith("annex_table") for link in links) == closed


def test_banner_opens_simulated_reports_only(document: Document) -> None:
    assert styled(document, "Report Banner")[0].startswith("Simulated. All people")
    real = docx.Document(io.BytesIO(render_word(Cover("Real"), [])))
    assert not styled(real, "Report Banner")
    assert real.sections[0].header.paragraphs[0].text == "Real"


def test_properties_tell_the_run_and_nobody(document: Document) -> None:
    properties = document.core_properties
    assert properties.title == "Workplace judgment: a known penalty on everyday language: fairness report"
    assert properties.author == properties.last_modified_by == properties.comments == ""
    assert (
        properties.created
        == properties.modified
        == datetime.datetime(2026, 11, 22, 10, 9, 30, tzinfo=datetime.UTC)
    )
    assert properties.language == "en"


@pytest.mark.parametrize(
    ("finished", "created"),
    [
        ("2026-11-22T10:00:00+02:00", "2026-11-22T08:00:00"),
        ("", "1980-01-01T00:00:00"),
        ("soon", "1980-01-01T00:00:00"),
    ],
)
def test_time_of_the_file_is_the_run_s_in_utc(finished: str, created: str) -> None:
    document = docx.Document(io.BytesIO(render_word(Cover("Any", finished=finished), [])))
    time = document.core_properties.created
    assert time is not None
    assert time.replace(tzinfo=None).isoformat() == created


def test_same_run_gives_same_bytes_without_a_clock(run: Path, file: Path, tmp_path: Path) -> None:
    again = build_report(run, tmp_path, ["docx"])
    assert again.read_bytes() == file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        names = archive.namelist()
        text = archive.read("word/styles.xml").decode()
    assert not [name for name in names if "thumbnail" in name or "customXml" in name or "app.xml" in name]
    assert len(set(re.findall(r'w:lang w:val="([^"]*)"', text))) == 1


def test_file_stays_light(file: Path) -> None:
    assert file.stat().st_size < 600_000


def test_long_tables_keep_first_and_last_rows_with_their_surroundings() -> None:
    table = Table(
        "Long.", column("Item", "n"), tuple((f"item {row}", str(row)) for row in range(40)), note="n."
    )
    document = docx.Document(io.BytesIO(render_word(Cover("Any"), [Section("a", "A", (table,))])))
    kept = [row.find(f".//{qn('w:keepNext')}") is not None for row in document.tables[0]._tbl.tr_lst]
    assert kept == [True] * 3 + [False] * 36 + [True] * 2


def test_layout_turns_the_page_and_then_cuts() -> None:
    def wide(columns: int) -> Table:
        head = (Column("Item", False), *(Column(f"Statistic{number}") for number in range(columns - 1)))
        return Table("Wide.", head, (("The late report", *["[−0.20, −0.12]"] * (columns - 1)),))

    assert layout(wide(5)).points == 8.5
    assert not layout(wide(7)).across and layout(wide(11)).across
    for columns in (2, 5, 9, 14, 30, 60):
        chosen = layout(wide(columns))
        room = ACROSS if chosen.across else UPRIGHT
        assert all(sum(part.widths) <= room for part in chosen.parts)
        assert sorted({index for part in chosen.parts for index in part.columns}) == list(range(columns))
        assert all(part.columns[0] == 0 and len(part.columns) > 1 for part in chosen.parts)
    assert len(layout(wide(60)).parts) > 2


def test_a_word_of_any_length_stays_on_the_page() -> None:
    words = ("x" * 5000, "Donaudampfschifffahrtsgesellschaft" * 20, "語" * 300)
    for columns in (1, 3, 8):
        head = tuple(Column("W" * 200, numeric=number == 1) for number in range(columns))
        table = Table("Long.", head, tuple((word,) * columns for word in words))
        chosen = layout(table)
        room = ACROSS if chosen.across else UPRIGHT
        assert all(sum(part.widths) <= room for part in chosen.parts)


def test_tables_in_parts_say_so_and_carry_one_note() -> None:
    head = (Column("Item", False), *(Column(f"Statistic{number}") for number in range(40)))
    table = Table(
        "Table 1. Wide.", head, (("one", *["[−0.20, −0.12]"] * 40),), note="A note.", source="dif.csv"
    )
    document = docx.Document(io.BytesIO(render_word(Cover("Any"), [Section("a", "A", (table,))])))
    captions = styled(document, "Caption")
    parts = len(document.tables)
    assert captions == [f"Table 1. Wide. (part {number} of {parts})" for number in range(1, parts + 1)]
    assert [note for note in styled(document, "Report Note") if note][:-1] == [
        "A note. Full numbers: dif.csv"
    ]


def test_a_drawing_of_another_make_is_named_instead(tmp_path: Path) -> None:
    blocks = (Paragraph("Text", label="Label"), Figure("other", "Figure 1. Other.", "<svg/>"))
    document = docx.Document(io.BytesIO(render_word(Cover("Any"), [Section("a", "A", blocks)])))
    assert styled(document, "Report Legend") == [
        "Figure 1. Other. The drawing is the file figures/other.svg."
    ]
    assert styled(document, "Report Label") == ["Label"]
