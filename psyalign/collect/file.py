"""A collection's SQLite file: opened once, written whole, in WAL mode, one transaction at a time."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from psyalign.collect.tasks import Block, Task
from psyalign.foundation.errors import DataError

__all__ = ["CollectionFile"]

WAIT = 30.0  # seconds that a writer waits for another one


class CollectionFile:
    """What was settled when the collection began, tasks and all, and transactions on the rest.

    Parameters
    ----------
    path : Path
        The SQLite file; made by `create`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._plan: tuple[list[Block], dict[str, Task]] | None = None
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    @contextmanager
    def connect(self, *, write: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction that ends with the block, whole or not at all; threads take turns."""
        with self._lock:
            connection = self._opened()
            # IMMEDIATE: two raters never choose from the same state of the desk, in other processes either
            connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.rollback()
                raise

    def close(self) -> None:
        """Let the file go; the next call opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            if not self.path.is_file():
                raise DataError(
                    "There is no such collection.",
                    where=str(self.path),
                    mend="Begin it with `psyalign feedback collect STUDY --raters …`.",
                )
            opened = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None, check_same_thread=False)
            opened.row_factory = sqlite3.Row
            opened.execute("PRAGMA synchronous = FULL")
            opened.execute("PRAGMA foreign_keys = ON")
            self._connection = opened
        return self._connection

    def create(self, blocks: Sequence[Block], about: Mapping[str, Any]) -> None:
        """Make the file, whole, with its tasks; `about` is kept as JSON values."""
        unfinished = self.path.with_suffix(".new")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        connection = sqlite3.connect(unfinished, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript((files("psyalign.collect") / "schema.sql").read_text(encoding="utf-8"))
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO about VALUES (?, ?)", [(key, json.dumps(value)) for key, value in about.items()]
            )
            rows = [(block, task) for block in blocks for task in block.tasks]
            connection.executemany(
                "INSERT INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_task_row(place, block, task) for place, (block, task) in enumerate(rows)],
            )
            connection.execute("COMMIT")
        finally:
            connection.close()
        unfinished.replace(self.path)

    def about(self) -> dict[str, Any]:
        """What `create` was told."""
        with self.connect() as connection:
            rows = connection.execute("SELECT key, value FROM about").fetchall()
        return {row["key"]: json.loads(row["value"]) for row in rows}

    def plan(self) -> tuple[list[Block], dict[str, Task]]:
        """All blocks in their order, and all tasks by id."""
        if self._plan is None:
            with self.connect() as connection:
                rows = connection.execute("SELECT * FROM tasks ORDER BY place").fetchall()
            grouped: dict[str, list[sqlite3.Row]] = {}
            for row in rows:
                grouped.setdefault(row["block"], []).append(row)
            blocks = [_block(name, members) for name, members in grouped.items()]
            self._plan = blocks, {task.id: task for block in blocks for task in block.tasks}
        return self._plan


def _task_row(place: int, block: Block, task: Task) -> tuple[object, ...]:
    return (
        *(task.id, place, block.id, task.kind, task.item, task.response_a, task.response_b),
        *(task.low, task.high, task.expected, int(block.shared), int(block.anchor), float(block.priority)),
    )


def _block(name: str, rows: Sequence[sqlite3.Row]) -> Block:
    first = rows[0]
    names = ("id", "kind", "item", "response_a", "response_b", "low", "high", "expected")
    tasks = tuple(Task(**{key: row[key] for key in names}) for row in rows)
    shared, anchor = bool(first["shared"]), bool(first["anchor"])
    return Block(name, first["kind"], first["item"], tasks, shared, anchor, first["priority"])
