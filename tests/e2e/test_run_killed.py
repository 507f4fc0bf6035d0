"""Killed at any stage, a run goes on and ends with the same scores as an unbroken one.

One study directory goes through all kills: it is started, killed in the first stage, started
again, killed in the second, and so on, each time by the same command.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

Finished = Any  # the fixture's class, in conftest.py

ROOT = Path(__file__).parents[2]
PATIENCE = 600  # seconds for a start to come to its point, when the machine is busy with other things

# Python runs a sitecustomize.py on its path at start-up. This one makes the command stop at one
# file: "cut", with the file half there (its temporary name, not yet its own), or "written".
HOLDER = """
import contextlib, os, pathlib, signal, time

if "HOLD_AT" in os.environ:
    from psyalign.foundation import files

    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background inherit "ignore"
    whole = files.atomic_path

    def hold(path, when):
        if (path.as_posix().endswith(os.environ["HOLD_AT"]), when) == (True, os.environ["HOLD_WHEN"]):
            pathlib.Path(os.environ["HOLD_MARK"]).touch()
            time.sleep(600)

    @contextlib.contextmanager
    def atomic_path(path):
        with whole(path) as temporary:
            yield temporary
            hold(path, "cut")
        hold(path, "written")

    files.atomic_path = atomic_path
"""


@dataclass(frozen=True)
class Stop:
    """Where a start is stopped, and how."""

    file: str
    when: str = "cut"
    number: signal.Signals = signal.SIGKILL

    @property
    def code(self) -> int:
        """What the process then returns."""
        return {signal.SIGTERM: 4, signal.SIGINT: 130}.get(self.number, -int(self.number))


STOPS = [
    Stop("runs/main/data/criterion.parquet"),
    Stop("runs/main/sft/checkpoint.safetensors"),
    Stop("runs/main/sft/checkpoint.safetensors", "written"),
    Stop("runs/main/sft/adapter.safetensors", number=signal.SIGTERM),
    Stop("runs/main/ceiling/done.json"),  # trained, its checkpoint still there
    Stop("runs/main/feedback/pairs.parquet"),
    Stop("runs/main/reward/rewards.parquet"),
    Stop("runs/main/align/dpo/adapter.safetensors"),
    Stop("runs/main/align/equivalence/loss.parquet", number=signal.SIGINT),
    Stop("runs/main/scores/refit/scores.parquet"),
    Stop("runs/main/tables/dif_items.parquet"),
    Stop("runs/main/manifest.json"),
    Stop("report.html"),
]


class Command:
    """`psyalign study run` on one study, in a process of its own."""

    def __init__(self, study: Path, scratch: Path) -> None:
        self.study = study
        self.scratch = scratch
        self.told = ""
        (scratch / "sitecustomize.py").write_text(HOLDER, encoding="utf-8")

    def start(self, **settings: str) -> subprocess.Popen[str]:
        path = os.pathsep.join([str(self.scratch), str(ROOT)])
        with (self.scratch / "stderr.txt").open("w", encoding="utf-8") as stderr:
            return subprocess.Popen(
                [sys.executable, "-m", "psyalign", "study", "run", str(self.study)],
                env={**os.environ, "PYTHONPATH": path, **settings},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def stop(self, stop: Stop) -> int:
        """Start, wait until the point is reached, send the signal; returns the exit code."""
        mark = self.scratch / "held"
        mark.unlink(missing_ok=True)
        process = self.start(HOLD_AT=stop.file, HOLD_WHEN=stop.when, HOLD_MARK=str(mark))
        until = time.monotonic() + PATIENCE
        try:
            while not mark.exists():
                assert process.poll() is None, f"ended before {stop}: {self._stderr()}"
                assert time.monotonic() < until, f"never came to {stop}: {self._stderr()}"
                time.sleep(0.02)
            process.send_signal(stop.number)
            process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
            process.wait()
        self.told += self._stderr()
        return process.returncode

    def finish(self) -> tuple[int, str]:
        """Start and let it end; returns the exit code and stdout."""
        process = self.start()
        stdout, _ = process.communicate(timeout=3 * PATIENCE)
        self.told += self._stderr()
        return process.returncode, stdout

    def _stderr(self) -> str:
        return (self.scratch / "stderr.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def broken(small_toml: str, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The study of `unbroken` in a folder of its own, after all the stops and one start to the end."""
    folder = tmp_path_factory.mktemp("broken")
    study, scratch = folder / "work" / "small", folder / "scratch"
    for path in (study, scratch):
        path.mkdir(parents=True)
    (study / "study.toml").write_text(small_toml, encoding="utf-8")
    command = Command(study, scratch)
    for stop in STOPS:
        assert command.stop(stop) == stop.code, (stop, command.told[-2000:])
        if stop.when == "cut":
            assert not list(folder.glob(f"**/{stop.file}")), "a file is whole or not there"
    code, stdout = command.finish()
    assert code == 0, command.told[-2000:]
    assert "reports/small/main/report.html" in stdout
    return command


@pytest.fixture(scope="module")
def events(broken: Command) -> list[dict[str, Any]]:
    path = broken.study / "runs" / "main" / "events.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def tables_of(folder: Path, pattern: str) -> dict[str, pd.DataFrame]:
    found = {path.relative_to(folder).as_posix(): pd.read_parquet(path) for path in folder.glob(pattern)}
    assert found
    return found


@pytest.mark.parametrize("pattern", ["scores/*/scores.parquet", "data/*.parquet", "**/loss.parquet"])
def test_same_scores_as_an_unbroken_run_bit_for_bit(
    unbroken: Finished, broken: Command, pattern: str
) -> None:
    wanted = tables_of(unbroken.folder, pattern)
    found = tables_of(broken.study / "runs" / "main", pattern)
    assert found.keys() == wanted.keys()
    for name, table in wanted.items():
        pd.testing.assert_frame_equal(found[name], table, check_exact=True, obj=name)


def test_same_adapters_bit_for_bit(unbroken: Finished, broken: Command) -> None:
    adapters = [path.relative_to(unbroken.folder) for path in unbroken.folder.rglob("adapter.safetensors")]
    assert len(adapters) == 9, "baseline, ceiling, reward model, six arms"
    for name in adapters:
        assert (broken.study / "runs/main" / name).read_bytes() == (unbroken.folder / name).read_bytes(), name


def test_same_tables_but_for_the_seconds(unbroken: Finished, broken: Command) -> None:
    found = tables_of(broken.study / "runs" / "main", "tables/*.parquet")
    for name, table in tables_of(unbroken.folder, "tables/*.parquet").items():
        wanted, own = (frame.drop(columns="seconds", errors="ignore") for frame in (table, found[name]))
        pd.testing.assert_frame_equal(own, wanted, check_exact=True, obj=name)


def test_every_stage_was_finished_once(unbroken: Finished, events: list[dict[str, Any]]) -> None:
    finished = [event["stage"] for event in events if event["event"] == "finished"]
    assert len(finished) == len(set(finished)) == 6 + 6 + 8
    assert [event["event"] for event in events].count("run finished") == 2, "the last kill hit the report"


def test_only_a_training_with_a_checkpoint_was_gone_on_with(events: list[dict[str, Any]]) -> None:
    starts = [(event["stage"], event["resumed"]) for event in events if event["event"] == "started"]
    assert [resumed for stage, resumed in starts if stage == "sft"] == [False, False, True, True]
    assert {stage for stage, resumed in starts if resumed} == {"sft", "ceiling"}
    twice = {stage for stage, _ in starts if [name for name, _ in starts].count(stage) > 1}
    assert twice == {
        *("data", "sft", "ceiling", "feedback", "reward", "tables"),
        *("align/dpo", "align/equivalence", "scores/refit"),
    }


def test_nothing_half_written_is_left(broken: Command) -> None:
    left = [path.name for path in (broken.study / "runs" / "main").rglob("*.tmp")]
    assert left == [] and not list(broken.study.rglob("checkpoint.safetensors"))


def test_report_is_there_and_says_simulated(broken: Command) -> None:
    page = (broken.study.parent / "reports" / "small" / "main" / "report.html").read_text(encoding="utf-8")
    assert "simulated" in page.lower()


def test_signals_say_how_to_go_on(broken: Command) -> None:
    assert broken.told.count("Run the same command again: it goes on") == 1
    assert broken.told.count("Stopped by Ctrl-C.") == 1
    assert "Traceback" not in broken.told


def test_stderr_holds_no_answer(unbroken: Finished, broken: Command) -> None:
    texts = unbroken.table("data", "texts")["response"]
    pieces = {piece.strip() for text in texts for piece in text.split(".") if len(piece.strip()) >= 18}
    assert pieces and not [piece for piece in pieces if piece in broken.told]


def test_a_run_that_is_done_does_nothing_and_makes_the_report_again(broken: Command) -> None:
    run = broken.study / "runs" / "main"
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet")}
    page = broken.study.parent / "reports" / "small" / "main" / "report.html"
    page.unlink()
    code, _ = broken.finish()
    assert code == 0 and page.is_file()
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*.parquet")} == before
