"""Reports in a real browser: silent, closed to the network, accessible, readable on a phone and on paper."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .conftest import violations

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESK, PHONE = 1100, 400
PATIENCE = 120_000  # ms: a busy machine is no failure
PAPER, ACROSS = 687, 1016  # px: A4 upright and across, less the margins of the style sheet
UNFOLD = "document.querySelectorAll('details').forEach(part => { part.open = true })"
# Rows of a table are alike: to look at thousands of cells would take long and find nothing more.
FEWER_ROWS = "document.querySelectorAll('tbody tr:nth-child(n + 7)').forEach(row => row.remove())"
# Texts that are seen, with their size on the screen: a drawing's letters grow and shrink with it.
SMALL = """limit => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode, parent = node.parentElement, range = document.createRange();
    range.selectNodeContents(node);
    if (!node.textContent.trim() || !range.getBoundingClientRect().width) continue;
    let size = parseFloat(getComputedStyle(parent).fontSize);
    if (parent.closest('svg')) { const m = parent.getScreenCTM(); size *= Math.hypot(m.c, m.d); }
    if (size < limit) found.push(size.toFixed(1) + ' ' + node.textContent.trim());
  }
  return found;
}"""
# What reaches over the right edge and stands in no box that scrolls by itself.
WIDE = """width => [...document.body.querySelectorAll('*')]
  .filter(part => part.getBoundingClientRect().right > width + 1)
  .filter(part => !part.closest('.scroll') || part.classList.contains('scroll'))
  .map(part => part.outerHTML.slice(0, 120))"""
# Letters that leave the drawing: nobody sees them.
CUT = """[...document.querySelectorAll('svg text')].filter(text => {
  const box = text.getBoundingClientRect(), sheet = text.closest('svg').getBoundingClientRect();
  return box.left < sheet.left - 1 || box.right > sheet.right + 1
    || box.top < sheet.top - 1 || box.bottom > sheet.bottom + 1;
}).map(text => text.closest('svg').querySelector('title').textContent + ': ' + text.textContent)"""

OFF_PAPER = """([upright, across]) => [...document.querySelectorAll('table, svg')]
  .filter(part => part.getBoundingClientRect().right > (part.closest('.wide') ? across : upright) + 1)
  .map(part => part.closest('.scroll').getAttribute('aria-label') || part.id)"""


@contextmanager
def opened(chromium: Browser, file: Path, width: int) -> Iterator[Page]:
    """The page at a width, folded tables open."""
    page = chromium.new_page(viewport={"width": width, "height": 900})
    try:
        page.goto(file.as_uri(), timeout=PATIENCE)
        page.evaluate(UNFOLD)
        yield page
    finally:
        page.close()


def test_page_is_silent_and_asks_for_nothing_but_itself(chromium: Browser, page_file: Path) -> None:
    said: list[str] = []
    asked: list[str] = []
    page = chromium.new_page()
    page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda problem: said.append(str(problem)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri(), wait_until="networkidle", timeout=PATIENCE)
    page.close()
    assert said == []
    assert asked == [page_file.as_uri()]


def test_axe_finds_nothing(chromium: Browser, axe: str, page_file: Path) -> None:
    with opened(chromium, page_file, DESK) as page:
        page.evaluate(FEWER_ROWS)
        assert violations(page, axe) == []


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_text_can_be_read_and_only_boxes_scroll_sideways(
    chromium: Browser, page_file: Path, width: int
) -> None:
    with opened(chromium, page_file, width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(WIDE, width) == []
        assert page.evaluate(SMALL, 11.95) == []
        assert page.evaluate(CUT) == []


def test_every_drawing_has_alternative_text(chromium: Browser, page_file: Path) -> None:
    with opened(chromium, page_file, DESK) as page:
        drawings = page.get_by_role("img")
        assert drawings.count() == page.locator("svg").count() > 0
        for drawing in drawings.all():
            ids = (drawing.get_attribute("aria-labelledby") or "").split()
            told = [page.locator(f"[id='{one}']").text_content() or "" for one in ids]
            assert len(told) == 2
            assert all(len(text) > 10 for text in told)


def test_paper_cuts_no_table_and_no_drawing(chromium: Browser, page_file: Path, tmp_path: Path) -> None:
    with opened(chromium, page_file, PAPER) as page:
        page.emulate_media(media="print")
        assert page.evaluate(OFF_PAPER, [PAPER, ACROSS]) == []
        assert page.evaluate(CUT) == []
        page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = false })")
        printed = page.pdf(path=tmp_path / "report.pdf", format="A4", prefer_css_page_size=True)
        last = page.locator("table tbody tr:last-child > :last-child").all_text_contents()
    assert printed.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) >= 2
    if shutil.which("pdftotext"):
        command = ["pdftotext", "-raw", str(tmp_path / "report.pdf"), "-"]
        text = subprocess.run(command, capture_output=True, check=True).stdout.decode("utf-8")
        paper = re.sub(r"\s", "", text)
        # folded tables are printed too, to their last cell
        assert [cell for cell in last if re.sub(r"\s", "", cell) not in paper] == []
