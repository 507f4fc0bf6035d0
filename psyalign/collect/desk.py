"""The state of a collection, read from its file for the choice of what is asked next."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from psyalign.collect.assignment import Desk, Turn
from psyalign.collect.tasks import CANNOT, Block
from psyalign.foundation.errors import UsageError

__all__ = ["rater_id", "read_desk", "read_turn"]


def read_desk(connection: sqlite3.Connection, blocks: Sequence[Block]) -> Desk:
    """What has been handed out and answered; `blocks` is the collection's plan."""
    about = {row["key"]: json.loads(row["value"]) for row in connection.execute("SELECT * FROM about")}
    held = connection.execute(
        "SELECT t.block, r.name, r.active, count(*) AS handed, count(s.id) AS answered, "
        "coalesce(sum(s.answer = ?), 0) AS refused FROM assignments a JOIN tasks t ON t.id = a.task "
        "JOIN raters r ON r.id = a.rater LEFT JOIN standing s ON s.assignment = a.id "
        "WHERE a.round = 1 GROUP BY t.block, r.name",
        (CANNOT,),
    ).fetchall()
    holders: dict[str, set[str]] = {}
    refusers: dict[str, set[str]] = {}
    for row in held:
        # what a rater without a part left open goes to the others
        if row["active"] or row["answered"] == row["handed"]:
            holders.setdefault(row["block"], set()).add(row["name"])
        if row["refused"]:
            refusers.setdefault(row["block"], set()).add(row["name"])
    raters = connection.execute("SELECT count(*) FROM raters WHERE active").fetchone()[0]
    return Desk(
        *(blocks, raters, holders, refusers, _disagreement(connection)),
        *(about["settings"]["repeats"], about["seed"]),
    )


def read_turn(connection: sqlite3.Connection, rater: str) -> Turn:
    """A rater's part so far."""
    rows = connection.execute(
        "SELECT a.task, a.round, t.block, s.answer FROM assignments a JOIN tasks t ON t.id = a.task "
        "LEFT JOIN standing s ON s.assignment = a.id WHERE a.rater = ? ORDER BY a.id",
        (rater_id(connection, rater),),
    ).fetchall()
    blocks = tuple(dict.fromkeys(row["block"] for row in rows if row["round"] == 1))
    places = {name: place for place, name in enumerate(blocks)}
    first = [row for row in rows if row["round"] == 1 and row["answer"] is not None]
    return Turn(
        rater,
        blocks,
        {row["task"]: places[row["block"]] for row in first if row["answer"] != CANNOT},
        len(first),
        tuple(row["task"] for row in rows if row["round"] == 2),
        connection.execute("SELECT extra FROM raters WHERE name = ?", (rater,)).fetchone()["extra"],
    )


def _disagreement(connection: sqlite3.Connection) -> dict[str, float]:
    rows = connection.execute(
        "SELECT item, avg(differ) AS share FROM (SELECT t.item, min(s.answer) != max(s.answer) AS differ "
        "FROM standing s JOIN tasks t ON t.id = s.task "
        "WHERE s.round = 1 AND NOT t.anchor AND s.answer != ? GROUP BY t.id HAVING count(*) > 1) "
        "GROUP BY item",
        (CANNOT,),
    ).fetchall()
    return {row["item"]: row["share"] for row in rows}


def rater_id(connection: sqlite3.Connection, rater: str) -> int:
    """Row number of a rater; UsageError for a name that is not there."""
    row = connection.execute("SELECT id FROM raters WHERE name = ?", (rater,)).fetchone()
    if row is None:
        raise UsageError(f"There is no rater '{rater}' in this collection.")
    return int(row["id"])
