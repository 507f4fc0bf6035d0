"""Raters and their judgements in a collection's file, one durable transaction a judgement.

An acknowledged judgement is on the disk (``synchronous = FULL``); one that was cut off is not there at all,
and sending its form again adds it once. A restarted server shares nothing with the one before but the file.
"""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from psyalign.collect.assignment import MORE, choose, expected_total
from psyalign.collect.desk import rater_id, read_desk, read_turn
from psyalign.collect.file import CollectionFile
from psyalign.collect.tasks import CANNOT, Task
from psyalign.foundation.errors import UsageError

__all__ = ["UNDONE", "Asked", "Progress", "Store"]

UNDONE = "undone"


@dataclass(frozen=True)
class Asked:
    """A task in a rater's hands: `version` names the judgement that its form will make."""

    assignment: int
    task: Task
    round: int
    version: int


@dataclass(frozen=True)
class Progress:
    """A rater's counts: judgements given, how many the part has in all, and "cannot judge" among them."""

    done: int
    total: int
    cannot: int


class Store(CollectionFile):
    """A collection's file with its raters: who is asked what, and what they answered."""

    def set_raters(self, token_hashes: Mapping[str, str]) -> None:
        """These raters, and no others, have a part from now on; what the others answered stays."""
        with self.connect(write=True) as connection:
            connection.execute("UPDATE raters SET active = 0")
            for name, token_hash in token_hashes.items():
                connection.execute(
                    "INSERT INTO raters (name, token_hash) VALUES (?, ?) "
                    "ON CONFLICT (name) DO UPDATE SET token_hash = excluded.token_hash, active = 1",
                    (name, token_hash),
                )

    def raters(self) -> list[str]:
        """Names of the raters who have a part."""
        with self.connect() as connection:
            rows = connection.execute("SELECT name FROM raters WHERE active ORDER BY id").fetchall()
        return [row["name"] for row in rows]

    def rater_of(self, token_hash: str) -> str | None:
        """Whose link this is."""
        with self.connect() as connection:
            row = connection.execute(
                "SELECT name FROM raters WHERE token_hash = ? AND active", (token_hash,)
            ).fetchone()
        return None if row is None else str(row["name"])

    def next_task(self, rater: str) -> Asked | None:
        """What the rater is asked now; hands out the next block if all is answered. None: part done."""
        self.plan()  # read before, not within, a transaction
        with self.connect() as connection:
            asked = self._open(connection, rater)
        if asked is not None:
            return asked
        with self.connect(write=True) as connection:
            asked = self._open(connection, rater)  # another window of the same rater may have been faster
            if asked is None and self._hand_out(connection, rater):
                asked = self._open(connection, rater)
        return asked

    def handed(self, rater: str, assignment: int) -> Asked:
        """A question that was handed to the rater, answered or not; UsageError if it was not."""
        with self.connect() as connection:
            _require_own(connection, rater_id(connection, rater), assignment)
            row = connection.execute(
                "SELECT task, round, (SELECT count(*) FROM judgements WHERE assignment = a.id) AS version "
                "FROM assignments a WHERE id = ?",
                (assignment,),
            ).fetchone()
        return Asked(assignment, self.plan()[1][row["task"]], row["round"], row["version"])

    def note_shown(self, rater: str, assignment: int) -> None:
        """Remember when a question was put on a page: time on task is counted from the last such moment."""
        with self.connect(write=True) as connection:
            connection.execute(
                "INSERT INTO events (at, rater, what, assignment) VALUES (?, ?, 'shown', ?)",
                (_now(), rater_id(connection, rater), assignment),
            )

    def judge(
        self,
        rater: str,
        assignment: int,
        version: int,
        answer: str,
        *,
        shown_as: str = "",
        comment: str = "",
        active_seconds: float | None = None,
    ) -> bool:
        """Add a judgement; return whether it stands as the answer of this form.

        The same form again changes nothing and is True; another answer for a form that has been
        answered changes nothing and is False.

        Raises
        ------
        UsageError
            The question was not handed to this rater.
        """
        with self.connect(write=True) as connection:
            who = rater_id(connection, rater)
            _require_own(connection, who, assignment)
            versions = connection.execute(
                "SELECT version, answer FROM judgements WHERE assignment = ? ORDER BY version", (assignment,)
            ).fetchall()
            if version < len(versions):
                return bool(versions[version]["answer"] == answer)
            if version > len(versions) or (versions and versions[-1]["answer"] != UNDONE):
                return False
            at = _now()
            connection.execute(
                "INSERT INTO judgements (assignment, version, answer, shown_as, comment, seconds, "
                "active_seconds, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(assignment, version, answer, shown_as, comment),
                    *(_seconds(connection, who, assignment, at), active_seconds, at),
                ),
            )
        return True

    def undo(self, rater: str, judgement: int) -> bool:
        """Take back the rater's last judgement, if it is this one; a second time changes nothing."""
        with self.connect(write=True) as connection:
            last = _last(connection, rater_id(connection, rater))
            if last is None or last["id"] != judgement:
                return False
            connection.execute(
                "INSERT INTO judgements (assignment, version, answer, shown_as, comment, at, supersedes) "
                "VALUES (?, ?, ?, '', '', ?, ?)",
                (last["assignment"], last["version"] + 1, UNDONE, _now(), judgement),
            )
        return True

    def last_judgement(self, rater: str) -> int | None:
        """Number of the judgement that undo would take back."""
        with self.connect() as connection:
            row = _last(connection, rater_id(connection, rater))
        return None if row is None else int(row["id"])

    def more(self, rater: str) -> None:
        """Let a rater who is done take on further blocks."""
        with self.connect(write=True) as connection:
            connection.execute(
                "UPDATE raters SET extra = extra + ? WHERE id = ?", (MORE, rater_id(connection, rater))
            )

    def more_there(self, rater: str) -> bool:
        """Whether anything would be left for the rater beyond an equal part."""
        blocks, _ = self.plan()
        with self.connect() as connection:
            desk, turn = read_desk(connection, blocks), read_turn(connection, rater)
        return choose(desk, replace(turn, extra=turn.extra + MORE)) is not None

    def progress(self, rater: str) -> Progress:
        """See `Progress`."""
        blocks, _ = self.plan()
        with self.connect() as connection:
            who = rater_id(connection, rater)
            handed = connection.execute(
                "SELECT count(*) FROM assignments WHERE rater = ?", (who,)
            ).fetchone()[0]
            done, cannot = connection.execute(
                "SELECT count(*), coalesce(sum(answer = ?), 0) FROM standing WHERE rater = ?", (CANNOT, who)
            ).fetchone()
            total = expected_total(read_desk(connection, blocks), read_turn(connection, rater), handed)
        return Progress(done, max(total, done), cannot)

    def rows(self) -> list[dict[str, Any]]:
        """All standing judgements with their task and rater, in the order in which they were given."""
        with self.connect() as connection:
            rows = connection.execute(
                "SELECT s.id AS judgement, r.name AS rater, s.round, s.answer, s.shown_as, s.comment, "
                "s.seconds, s.active_seconds, s.at, t.* FROM standing s JOIN raters r ON r.id = s.rater "
                "JOIN tasks t ON t.id = s.task ORDER BY s.id"
            ).fetchall()
        return [dict(row) for row in rows]

    def undone(self) -> dict[str, int]:
        """How often each rater took a judgement back."""
        with self.connect() as connection:
            rows = connection.execute(
                "SELECT r.name, count(*) AS times FROM judgements j "
                "JOIN assignments a ON a.id = j.assignment JOIN raters r ON r.id = a.rater "
                "WHERE j.answer = ? GROUP BY r.name",
                (UNDONE,),
            ).fetchall()
        return {row["name"]: row["times"] for row in rows}

    def _open(self, connection: sqlite3.Connection, rater: str) -> Asked | None:
        row = connection.execute(
            "SELECT a.id, a.task, a.round, "
            "(SELECT count(*) FROM judgements WHERE assignment = a.id) AS version "
            "FROM assignments a WHERE a.rater = ? "
            "AND NOT EXISTS (SELECT 1 FROM standing s WHERE s.assignment = a.id) ORDER BY a.id LIMIT 1",
            (rater_id(connection, rater),),
        ).fetchone()
        if row is None:
            return None
        return Asked(row["id"], self.plan()[1][row["task"]], row["round"], row["version"])

    def _hand_out(self, connection: sqlite3.Connection, rater: str) -> bool:
        found = choose(read_desk(connection, self.plan()[0]), read_turn(connection, rater))
        if found is None:
            return False
        tasks, turn = ((found,), 2) if isinstance(found, Task) else (found.tasks, 1)
        who, at = rater_id(connection, rater), _now()
        connection.executemany(
            "INSERT INTO assignments (rater, task, round, at) VALUES (?, ?, ?, ?)",
            [(who, task.id, turn, at) for task in tasks],
        )
        return True


def _require_own(connection: sqlite3.Connection, who: int, assignment: int) -> None:
    row = connection.execute("SELECT rater FROM assignments WHERE id = ?", (assignment,)).fetchone()
    if row is None or row["rater"] != who:
        raise UsageError("This question was not handed to this rater.")


def _last(connection: sqlite3.Connection, who: int) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(
        "SELECT id, assignment, version FROM standing WHERE rater = ? ORDER BY id DESC LIMIT 1", (who,)
    ).fetchone()
    return row


def _seconds(connection: sqlite3.Connection, who: int, assignment: int, at: str) -> float | None:
    """Seconds since the question was last put on a page."""
    row = connection.execute(
        "SELECT max(at) AS at FROM events WHERE rater = ? AND assignment = ? AND what = 'shown'",
        (who, assignment),
    ).fetchone()
    if row["at"] is None:
        return None
    shown, now = (datetime.datetime.fromisoformat(text) for text in (row["at"], at))
    return max(0.0, round((now - shown).total_seconds(), 3))


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
