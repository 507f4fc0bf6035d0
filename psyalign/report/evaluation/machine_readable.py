"""The evaluation as JSON for programs: what was asked, gates, overall figures, where the tables are.

``report.json`` is one object: schema ("psyalign-evaluation"), schema_version, title, psyalign (version),
origin, settings (what was asked), data (responses, persons, score points, notes), gates and overall (lists of
records, unrounded; what is missing is null), tables (name -> csv, json, rows,
columns).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pandas as pd

from psyalign import __version__
from psyalign.report.documents import table_files
from psyalign.report.evaluation.measures import Measured
from psyalign.report.plain import plain_value

__all__ = ["SCHEMA_VERSION", "evaluation_json"]

SCHEMA_VERSION = 1


def evaluation_json(found: Measured, title: str) -> dict[str, Any]:
    """The evaluation as a JSON value; the module's text says what is in it. No NaN: null."""
    given = found.given
    value = {
        "schema": "psyalign-evaluation",
        "schema_version": SCHEMA_VERSION,
        "title": title,
        "psyalign": __version__,
        "origin": given.origin or None,
        "settings": {
            **asdict(found.asked),
            "columns": dict(given.names),
            "groups": {name: list(levels) for name, levels in given.levels.items()},
            "trim_tolerance": given.tolerance,
        },
        "data": {
            "responses": len(given.rows),
            "persons": given.n_persons,
            "items": given.items or None,
            "score_points": [given.low, given.high],
            "notes": list(given.notes),
        },
        "gates": records(found.tables["gates"]),
        "overall": records(found.summary()),
        "tables": table_files(found.tables),
    }
    cleaned: dict[str, Any] = plain_value(value)
    return cleaned


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON holds them: missing values become null, 15 digits are kept."""
    rows: list[dict[str, Any]] = json.loads(table.to_json(orient="records", double_precision=15))
    return rows
