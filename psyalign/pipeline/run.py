"""A run directory: stages with keys, skipped when done, gone on with after a kill."""

from __future__ import annotations

import datetime
import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from psyalign.foundation.errors import RunError
from psyalign.foundation.files import read_json, write_json
from psyalign.foundation.hashing import hash_json
from psyalign.foundation.progress import say
from psyalign.items import ItemBank
from psyalign.study import Study

__all__ = ["CHECKPOINT", "Run", "Stage", "now", "run_folder"]

DONE = "done.json"
STARTED = "started.json"
CHECKPOINT = "checkpoint"  # how the names begin of what a training that was cut off goes on with


def now() -> str:
    """The time, UTC, to the second, ISO 8601."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Stage:
    """One stage of a run.

    Attributes
    ----------
    name : str
        Also its folder in the run directory.
    work : callable
        (run, folder) → facts about what was made (JSON values), or None.
    settings : mapping
        The part of the study that the stage depends on.
    needs : tuple of str
        Stages whose results it reads; their keys are part of its own.
    version : int
        Raised whenever the stage's code gives another result.
    """

    name: str
    work: Callable[[Run, Path], Mapping[str, Any] | None]
    settings: Mapping[str, Any]
    needs: tuple[str, ...] = ()
    version: int = 1


@dataclass
class Run:
    """A run of a study: where it lies and what its stages share.

    Attributes
    ----------
    folder : Path
    study : Study
    bank : ItemBank
        Only the items that the study includes.
    done : dict
        Stage name → content of its done.json, for the stages finished so far.
    """

    folder: Path
    study: Study
    bank: ItemBank
    done: dict[str, dict[str, Any]] = field(default_factory=dict)

    def path(self, *parts: str) -> Path:
        """A path in the run directory."""
        return self.folder.joinpath(*parts)

    def facts(self, stage: str) -> dict[str, Any]:
        """What a finished stage said about its results."""
        facts: dict[str, Any] = self.done[stage]["facts"]
        return facts

    def event(self, what: str, **facts: object) -> None:
        """Add a line to events.jsonl."""
        line = json.dumps({"time": now(), "event": what, **facts}, ensure_ascii=False)
        with self.path("events.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def perform(self, stage: Stage) -> None:
        """Run a stage unless the same stage is done already.

        A stage is done when done.json with its key is there, which is written last. What an
        unfinished stage left is thrown away, but for the checkpoints of trainings with the
        same key (what is called checkpoint…), which are gone on with.
        """
        key = hash_json(
            [
                stage.name,
                stage.version,
                dict(stage.settings),
                [self.done[name]["key"] for name in stage.needs],
            ]
        )
        folder = self.path(stage.name)
        finished = _read_if_there(folder / DONE)
        if finished and finished["key"] == key:
            self.done[stage.name] = finished
            say(f"{stage.name}: done before")
            return
        earlier = self._clear(folder, key)
        say(f"{stage.name}: " + ("going on" if earlier else "started"))
        self.event("started", stage=stage.name, key=key, resumed=bool(earlier))
        start = time.monotonic()
        facts = stage.work(self, folder)
        seconds = time.monotonic() - start + earlier
        record = {"key": key, "seconds": round(seconds, 2), "finished": now(), "facts": dict(facts or {})}
        write_json(folder / DONE, record)
        for path in _checkpoints(folder):
            _remove(path)
        self.done[stage.name] = record
        self.event("finished", stage=stage.name, seconds=record["seconds"])
        say(f"{stage.name}: finished in {seconds:.0f} s")

    def _clear(self, folder: Path, key: str) -> float:
        """Empty the stage's folder; return the seconds spent up to a checkpoint that is kept."""
        started = _read_if_there(folder / STARTED)
        kept = _checkpoints(folder)
        written = [path for part in kept for path in (part, *part.rglob("*")) if path.is_file()]
        spent = 0.0
        if started and started["key"] == key and written:
            spent = max(0.0, max(path.stat().st_mtime for path in written) - started["clock"])
            for path in folder.iterdir():
                if path not in (*kept, folder / STARTED):
                    _remove(path)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        write_json(folder / STARTED, {"key": key, "clock": time.time() - spent})
        return spent

    @cached_property
    def max_scores(self) -> int:
        """K: the largest number of score points of an item."""
        return max(len(item.scores) for item in self.bank.items.values())


def _checkpoints(folder: Path) -> list[Path]:
    """What the stage's trainings left for going on: files, and folders of an ensemble's members."""
    return sorted(folder.glob(f"{CHECKPOINT}*"))


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _read_if_there(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    value = read_json(path)
    if not isinstance(value, dict) or "key" not in value:
        raise RunError(
            "The run directory holds a file that psyalign did not write.",
            where=str(path),
            mend="Use another --run name, or --fresh to delete this run.",
        )
    return value


def run_folder(study_folder: Path, run: str) -> Path:
    """The directory of a study's run, there or not; RunError if `run` cannot be a folder's name."""
    if not run or run != Path(run).name or run.startswith("."):
        raise RunError(
            f"'{run}' cannot be a folder name.", where="--run", mend="Use letters, digits and '-'."
        )
    return study_folder / "runs" / run
