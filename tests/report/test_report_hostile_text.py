"""Texts that would be code, formulas, fields or broken files elsewhere are only texts in every format."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import docx
import pytest
from docx.oxml.ns import qn

from psyalign.report import build_report
from psyalign.report.content import Bullets, Paragraph, Section, Table, column
from psyalign.report.plain import plain, plain_sections, plain_value

RunMaker = Callable[..., Path]
SCRIPT = "<script>alert(1)</script>"
FORMULA = '=HYPERLINK("http://example.org","x")'
TEMPLATE = "{{ 7*7 }}{% raw %}"
FIELD = '{ INCLUDETEXT "c:/secret" } DDEAUTO c:/cmd.exe'
CONTROL = "bell \x07 nul \x00 escape \x1b[31m vt \x0b del \x7f end \uffff"
TURNED = "\u202eexe.txt\u202c שלום عربى \u2067"
LONG = "x" * 3000
XML = "]]> <!-- & &amp; <w:p/> \"'"
EVIL = [SCRIPT, FORMULA, TEMPLATE, FIELD, CONTROL, TURNED, LONG, XML]


@pytest.fixture(scope="module")
def out(write_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of a run all of whose names are hostile."""
    home = tmp_path_factory.mktemp("hostile")
    groups = {SCRIPT + FIELD: {"reference": FORMULA, "focal": TURNED + TEMPLATE}}
    ids = [f"{text[:60]}{number}" for number, text in enumerate(EVIL)]
    run = write_run(home / "run", arms=["baseline", "equivalence"], groups=groups, titles=EVIL, item_ids=ids)
    path = run / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    manifest["study"] |= {
        "title": f"\ud800{SCRIPT}{TEMPLATE}{CONTROL}", "question": XML + "\udfff", "notice": FIELD + TURNED,
    }  # fmt: skip
    manifest["inputs"] = {f"{FORMULA}\udc80": "9f" * 32}
    manifest["settings"]["person"] = {SCRIPT: FORMULA + "\x0c"}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return build_report(run, home / "out").parent


def test_page_is_text_only(out: Path) -> None:
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "{{ 7*7 }}{% raw %}" in page  # shown as it stands, not run
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
    assert "שלום" in page


def test_word_file_is_well_formed_and_runs_nothing(out: Path) -> None:
    with zipfile.ZipFile(out / "report.docx") as archive:
        assert archive.testzip() is None
        parts = {name: archive.read(name) for name in archive.namelist()}
    codes = []
    for name, part in parts.items():
        if name.endswith((".xml", ".rels")):
            root = ElementTree.fromstring(part)
            codes += [(code.text or "").strip() for code in root.iter(qn("w:instrText"))]
            assert not list(root.iter(qn("w:fldSimple")))
            assert not list(root.iter(qn("w:altChunk")))
    assert codes == ["PAGE", "NUMPAGES"]
    assert not any(b"External" in part for name, part in parts.items() if name.endswith(".rels"))
    assert not [name for name in parts if "vba" in name.lower() or "embed" in name.lower()]


def test_word_file_shows_the_texts_as_they_are(out: Path) -> None:
    document = docx.Document(str(out / "report.docx"))
    cells = {cell.text for table in document.tables for row in table.rows for cell in row.cells}
    for text in (SCRIPT, FORMULA, TEMPLATE, FIELD, LONG, XML):
        assert text in cells
    assert plain(CONTROL) in cells
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", "".join(cells))
    assert document.core_properties.title.startswith("�<script>")


def test_json_holds_the_texts_as_text(out: Path) -> None:
    raw = (out / "report.json").read_bytes()
    raw.decode("utf-8")
    report = json.loads(raw)
    assert report["study"]["title"].startswith("�" + SCRIPT)
    assert report["study"]["groups"][0]["reference"] == FORMULA
    assert not re.search("[\ud800-\udfff\x00-\x08]", json.dumps(report, ensure_ascii=False))


def test_csv_starts_no_formula(out: Path) -> None:
    for path in out.glob("tables/*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.reader(file):
                assert not [cell for cell in row if cell.startswith(("=", "@", "\t", "\r"))]


def test_drawings_are_well_formed_and_hold_no_script(out: Path) -> None:
    for path in out.glob("figures/*.svg"):
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        assert not [element for element in root.iter() if element.tag.endswith("script")]


def test_plain_reaches_every_text_and_leaves_markup_to_the_renderer() -> None:
    table = Table("a\x00", column("b\x01"), (("c\x02\r\nd",),), "e\x03", frozenset({0}), True, "f\x04")
    section = Section(
        "g\x05", "h\x06", (Paragraph("i\x07<b>", "note", "j\x08"), Bullets((("k\x0b", "l\x0c"),)), table)
    )
    (clean,) = plain_sections([section])
    assert not re.search("[\x00-\x08\x0b\x0c]", repr(clean).encode().decode("unicode_escape"))
    paragraph, bullets, shown = clean.blocks
    assert (paragraph.text, paragraph.tone) == ("i�<b>", "note")  # type: ignore[union-attr]
    assert bullets.entries == (("k�", "l�"),)  # type: ignore[union-attr]
    assert shown.rows == (("c�\nd",),) and shown.emphasis == {0} and shown.folded  # type: ignore[union-attr]
    assert shown.columns == column("b�")  # type: ignore[union-attr]


def test_plain_value_keeps_numbers_and_null() -> None:
    assert plain_value({"a\x00": (1, 2.5, None, True, "\ud800")}) == {"a�": [1, 2.5, None, True, "�"]}
