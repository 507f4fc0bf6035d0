"""Three raters at a real server that is killed in mid-work: not one judgement is lost or doubled."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from psyalign.cli.main import app
from psyalign.feedback import read_records
from psyalign.pipeline.collection import feedback_material
from psyalign.study import load_study

from ..conftest import RatingServer
from .simulated_raters import Form

SMALL = Path(__file__).parents[1] / "pipeline" / "small.toml"
RATERS = ("ann", "bob", "cem")
KILLS = (12, 30)  # acknowledged judgements after which the server dies
PATIENCE = 120.0  # seconds


class Rater(threading.Thread):
    """Answers until the thanks; sends a form again until the server says that it has it."""

    def __init__(self, name: str, link: str) -> None:
        super().__init__(name=name)
        self.link = link
        self.acknowledged: dict[tuple[int, int], str] = {}
        self.problem: Exception | None = None

    def run(self) -> None:
        try:
            with httpx2.Client(base_url=self.link.split("/r/")[0], timeout=20) as client:
                assert self._insist(client, "GET", self.link).status_code == 200
                while (form := Form.of(self._insist(client, "GET", "/").text)) is not None:
                    number = len(self.acknowledged)
                    answer = form.answers[number % (len(form.answers) - 1)]
                    told = self._insist(client, "POST", "/answer", {**form.fields, "answer": answer})
                    assert told.headers["location"] == "/", "an answer was taken for another one"
                    key = (int(form.fields["assignment"]), int(form.fields["version"]))
                    assert key not in self.acknowledged
                    self.acknowledged[key] = answer
        except Exception as problem:
            self.problem = problem

    @staticmethod
    def _insist(
        client: httpx2.Client, method: str, url: str, data: dict[str, str] | None = None
    ) -> httpx2.Response:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return client.request(method, url, data=data)
            except httpx2.TransportError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The small simulated study."""
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "study.toml").write_text(SMALL.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


@pytest.fixture
def server(study: Path) -> Iterator[RatingServer]:
    options = ("--raters", ",".join(RATERS), "--kinds", "score_preference,equivalence,rating")
    made = RatingServer(study, *options, "--max-responses", "8", "--overlap", "2", "--anchors", "1")
    yield made
    made.kill()


def test_killed_twice_and_nothing_is_lost_or_doubled(server: RatingServer, study: Path) -> None:
    raters = [Rater(name, server.link(name)) for name in RATERS]
    for rater in raters:
        rater.start()
    for number in KILLS:
        while sum(len(rater.acknowledged) for rater in raters) < number:
            assert all(rater.is_alive() for rater in raters), [rater.problem for rater in raters]
            time.sleep(0.002)
        server.kill()
        server.start()
    for rater in raters:
        rater.join(PATIENCE)
        assert rater.problem is None
        assert not rater.is_alive()
    with sqlite3.connect(study / "collect" / "main.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        query = "SELECT r.name, j.assignment, j.version FROM judgements j JOIN assignments a "
        query += "ON a.id = j.assignment JOIN raters r ON r.id = a.rater"
        kept = connection.execute(query).fetchall()
        open_ = "SELECT count(*) FROM assignments WHERE id NOT IN (SELECT assignment FROM judgements)"
        assert connection.execute(open_).fetchone() == (0,)
    sent = [(rater.name, *key) for rater in raters for key in rater.acknowledged]
    assert sorted(kept) == sorted(sent)
    assert len(kept) > 60
    assert server.said.count("ann ") == len(KILLS) + 1  # the links are the same after each start
    assert len(set(re.findall(r"^ann\s+(\S+)", server.said, re.M))) == 1
    no_text_was_logged(server, study)
    records_pass_the_check(study)


def no_text_was_logged(server: RatingServer, study: Path) -> None:
    texts = feedback_material(load_study(study / "study.toml")).texts["response"]
    assert not any(text in server.said for text in texts)
    assert "GET" not in server.said and "POST" not in server.said


def records_pass_the_check(study: Path) -> None:
    """Exported, named in the study, and accepted by `psyalign study check`."""
    runner, out = CliRunner(), study / "feedback.jsonl"
    told = runner.invoke(app, ["feedback", "export", str(study), "--out", str(out)])
    assert told.exit_code == 0, told.output
    assert len(read_records(out)) > 50
    path = study / "study.toml"
    text = path.read_text(encoding="utf-8")
    text = text.replace('source = "panel"\nrater = "panel"', 'source = "records"\nrecords = "feedback.jsonl"')
    path.write_text(text.replace('"alternates"', '"records"'), encoding="utf-8")
    checked = runner.invoke(app, ["study", "check", str(study)])
    assert checked.exit_code == 0, checked.output
    status = runner.invoke(app, ["feedback", "status", str(study), "--json"])
    assert status.exit_code == 0 and '"rater": "ann"' in status.output
