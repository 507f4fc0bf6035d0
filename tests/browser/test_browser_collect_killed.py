"""Three raters in three windows, and a server that is killed under them: nothing is lost, nothing doubled.

What the pages acknowledged is written down as the raters saw it (the score on the button, the text of the
answer that they chose) and compared with the collection's file and its export.
"""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from psyalign.cli.main import app
from psyalign.collect import Store
from psyalign.collect.question import Texts
from psyalign.pipeline.collection import feedback_material
from psyalign.study import load_study

from ..conftest import RatingServer
from .conftest import PAINTED

if TYPE_CHECKING:
    from playwright.async_api import Page

SMALL = Path(__file__).parents[1] / "pipeline" / "small.toml"
KINDS = {"score_preference", "response_preference", "equivalence", "rating"}
WAYS = ("keys", "mouse", "plain")  # raters are named after how they work; "plain" has no scripts
PATIENCE = 120_000  # ms: a busy machine is no failure
UNDONE = "undone"
# What a rater sees, and which judgement the form will make.
READ = """() => {
  const form = document.getElementById('answer');
  const read = (part, all) => [...part.querySelectorAll(all)].map(one => one.textContent);
  return {
    done: document.querySelector('progress').value,
    late: document.querySelector('.late') !== null,
    script: performance.getEntriesByType('resource').some(
      one => one.name.endsWith('collect.js') && one.responseStatus === 200),
    form: form && [Number(form.elements.assignment.value), Number(form.elements.version.value)],
    kind: form && form.querySelector('.choices').className.split(' ').pop(),
    texts: form && read(form, 'blockquote'),
    labels: form && [...form.querySelectorAll('.choices .label')].map(one => one.firstChild.textContent),
    keys: form && read(form, '.choices kbd'),
  };
}"""

Form = tuple[int, int]  # assignment and version


@dataclass
class Rater:
    """Works in a window of their own; writes down what the page acknowledged."""

    way: str
    page: Page
    home: str
    chance: random.Random
    acknowledged: dict[Form, str] = field(default_factory=dict)
    comments: dict[Form, str] = field(default_factory=dict)
    timed: dict[Form, bool] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)
    script: bool = False
    sent: int = 0
    unanswered: int = 0

    async def work(self, link: str) -> None:
        """From the link to the thanks; the second and the seventh answer are taken back if one can."""
        await self.page.goto(link)
        await self._leads_on(lambda: self.page.locator(".start").click())
        now, last = await self._look(), None
        while now["form"] is not None:
            before = tuple(now["form"])
            if last is not None and self.way != "mouse" and len(self.acknowledged) in (2, 9):
                await self._leads_on(lambda: self._press("u", self.page.locator(".undo button")))
                now = await self._look()
                if now["form"] == [last[0], last[1] + 2]:
                    self.acknowledged[last[0], last[1] + 1] = UNDONE
                    last = None
            else:
                self.timed[before] = self.script
                given, comment = await self._answer(now)
                now = await self._look()
                if now["form"] is None or tuple(now["form"]) != before:
                    self.acknowledged[before], last = given, before
                    self.comments[before] = comment
            assert now["done"] == len(standing(self.acknowledged))

    async def _answer(self, seen: dict[str, Any]) -> tuple[str, str]:
        """Answer somehow; what was meant, in words of the collection's file, and the comment."""
        self.kinds.add(seen["kind"])
        self.sent += 1
        comment = f"comment {self.sent} of {self.way}" if self.sent % 5 == 1 and self.way != "keys" else ""
        if comment:
            await self.page.get_by_text("Add a comment").click()
            await self.page.locator("#comment").fill(comment)
        choice = self.chance.randrange(len(seen["labels"]) + 1)
        if choice == len(seen["labels"]):
            button = self.page.locator("button[value=cannot]")
            await self._leads_on(lambda: self._press("c", button))
            return "cannot", comment
        button = self.page.locator("#answer .choices button").nth(choice)
        await self._leads_on(lambda: self._press(seen["keys"][choice], button))
        label = seen["labels"][choice]
        if seen["kind"] == "equivalence":
            return ("same" if label.startswith("Yes") else "different"), comment
        if seen["kind"] == "response_preference":
            return ([*seen["texts"], "tie"][choice]), comment
        return label.removeprefix("Score ").split(" · ")[0], comment

    async def _press(self, key: str, button: Any) -> None:
        if self.way == "keys":
            await self.page.evaluate(PAINTED)
            # if the server died between the page and its script, Enter still presses a button
            await (self.page.keyboard.press(key) if self.script else button.press("Enter"))
        elif self.way == "mouse":
            await button.dblclick(no_wait_after=True, delay=1)
        else:
            await button.click()

    async def _leads_on(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do what loads another page. If nobody answers, come back: one rater by sending the form again."""
        from playwright.async_api import Error

        try:
            async with self.page.expect_navigation():
                await act()
            return
        except Error as problem:
            assert "net::ERR" in problem.message, problem.message
        self.unanswered += 1
        end = asyncio.get_running_loop().time() + 4 * PATIENCE / 1000  # one try may take all of PATIENCE
        while True:
            try:  # the browser's own error page may still be on its way: any problem is tried again
                await (self.page.reload() if self.way == "mouse" else self.page.goto(self.home))
                if await self.page.locator("progress").count():
                    return
            except Error:
                pass
            assert asyncio.get_running_loop().time() < end, await self.page.content()
            await asyncio.sleep(0.1)

    async def _look(self) -> dict[str, Any]:
        seen: dict[str, Any] = await self.page.evaluate(READ)
        assert not seen["late"], "an answer was taken for another one"
        self.script = seen["script"] and self.way != "plain"
        return seen


def standing(acknowledged: dict[Form, str]) -> dict[int, str]:
    """Assignment → its last answer, without what was taken back."""
    last = {assignment: answer for (assignment, _), answer in sorted(acknowledged.items())}
    return {assignment: answer for assignment, answer in last.items() if answer != UNDONE}


@dataclass
class Session:
    """Everything that happens between the first link and the last thanks."""

    server: RatingServer
    chance: random.Random
    raters: list[Rater] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    async def run(self, program: str, kills: list[int]) -> None:
        """Three raters at once; the server is killed soon after each of the given numbers of answers."""
        from playwright.async_api import async_playwright

        home = self.server.link("keys").split("/r/")[0] + "/"
        async with async_playwright() as player:
            browser = await player.chromium.launch(executable_path=program)
            for way in WAYS:
                context = await browser.new_context(java_script_enabled=way != "plain")
                context.set_default_timeout(PATIENCE)
                context.on("request", lambda request: self.asked.append(request.url))
                page = await context.new_page()
                page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
                page.on("pageerror", lambda problem: self.said.append(str(problem)))
                self.raters.append(Rater(way, page, home, random.Random(f"{way} {self.chance.random()}")))
            work = [rater.work(self.server.link(rater.way)) for rater in self.raters]
            await asyncio.gather(self._kill(kills), *work)
            await browser.close()

    async def _kill(self, kills: list[int]) -> None:
        for number in kills:
            while sum(rater.sent for rater in self.raters) < number:
                await asyncio.sleep(0.002)
            await asyncio.sleep(self.chance.uniform(0, 0.05))
            self.server.kill()
            await asyncio.to_thread(self.server.start)


@pytest.mark.slow
def test_killed_under_three_raters(chromium_program: str, tmp_path: Path) -> None:
    chance = random.Random(20261122)
    study = tmp_path / "small" / "study.toml"
    study.parent.mkdir()
    study.write_text(SMALL.read_text(encoding="utf-8"), encoding="utf-8")
    options = ("--raters", ",".join(WAYS), "--kinds", ",".join(sorted(KINDS)))
    sizes = ("--max-responses", "6", "--overlap", "1", "--anchors", "1", "--repeats", "0.2")
    session = Session(RatingServer(study.parent, *options, *sizes), chance)
    kills = [chance.randrange(*part) for part in ((6, 18), (22, 34), (38, 48))]
    try:
        with ThreadPoolExecutor(1) as thread:  # the other tests' Playwright has the main thread's loop
            thread.submit(asyncio.run, session.run(chromium_program, kills)).result()
    finally:
        session.server.kill()
    for rater in session.raters:
        assert rater.kinds == KINDS
    assert sum(rater.unanswered for rater in session.raters) >= len(kills)
    assert [text for text in session.said if "net::ERR" not in text] == []
    assert {urlsplit(url).hostname for url in session.asked} == {"127.0.0.1"}
    kept = rows(study.parent / "collect" / "main.sqlite")
    the_file_has_what_the_pages_acknowledged(session.raters, kept, study)
    the_export_has_each_answer_once(kept, study)


def rows(path: Path) -> list[dict[str, Any]]:
    """All judgements of the file, with rater and task; each question that was handed out has one."""
    with sqlite3.connect(path) as connection:
        connection.row_factory = sqlite3.Row
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        query = (
            "SELECT r.name AS rater, j.*, a.round, t.kind, t.item, t.response_a, t.response_b, t.low, "
            "t.high, t.anchor FROM judgements j JOIN assignments a ON a.id = j.assignment "
            "JOIN raters r ON r.id = a.rater JOIN tasks t ON t.id = a.task ORDER BY j.id"
        )
        found = [dict(row) for row in connection.execute(query)]
        handed = connection.execute("SELECT count(*) FROM assignments").fetchone()[0]
    assert len({row["assignment"] for row in found}) == handed
    return found


def the_file_has_what_the_pages_acknowledged(
    raters: list[Rater], kept: list[dict[str, Any]], study: Path
) -> None:
    tasks = Store(study.parent / "collect" / "main.sqlite").plan()[1].values()
    texts = Texts(feedback_material(load_study(study)), tasks)

    def meant(row: dict[str, Any]) -> str:
        if row["kind"] == "response_preference" and row["answer"] in "ab":
            return texts[row["response_" + row["answer"]]]
        return str(row["answer"])

    for rater in raters:
        mine = [row for row in kept if row["rater"] == rater.way]
        made = [((row["assignment"], row["version"]), meant(row)) for row in mine]
        assert sorted(made) == sorted(rater.acknowledged.items())
        written = {(row["assignment"], row["version"]): row["comment"] for row in mine if row["comment"]}
        assert written == {form: text for form, text in rater.comments.items() if text}
        timed = {  # a script measures the time
            (row["assignment"], row["version"]): row["active_seconds"] is not None
            for row in mine
            if row["answer"] != UNDONE
        }
        assert timed == {form: rater.timed[form] for form in timed}
    assert sum(row["answer"] == UNDONE for row in kept) >= 2
    assert any(row["round"] == 2 for row in kept)
    assert len(kept) > 50


def the_export_has_each_answer_once(kept: list[dict[str, Any]], study: Path) -> None:
    out = study.parent / "feedback.jsonl"
    command = ["feedback", "export", str(study.parent), "--out", str(out), "--incomplete"]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 0, told.output
    records = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    last = {row["assignment"]: row for row in kept}  # in the order of the file
    wanted = [row for row in last.values() if row["answer"] not in (UNDONE, "cannot") and not row["anchor"]]
    assert sorted(map(json.dumps, records)) == sorted(json.dumps(as_record(row)) for row in wanted)


def as_record(row: dict[str, Any]) -> dict[str, Any]:
    """A judgement of the file as the export's format has it."""
    kind, answer = row["kind"], row["answer"]
    pair = {"response_a": row["response_a"], "response_b": row["response_b"]}
    if kind == "score_preference":
        other = row["low"] + row["high"] - int(answer)
        told = {"response_id": row["response_a"], "preferred": int(answer), "rejected": other}
    elif kind == "rating":
        told = {"response_id": row["response_a"], "score": int(answer)}
    elif kind == "equivalence":
        told = {**pair, "same": answer == "same"}
    else:
        told = {**pair, "preferred": answer}
    source = "page" if row["round"] == 1 else "page, repeat"
    return {"kind": kind, "item": row["item"], **told, "rater": row["rater"], "source": source}
