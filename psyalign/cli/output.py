"""Tables and findings for the terminal: aligned text for people, JSON for programs, CSV for files.

Results go to stdout; progress and errors go to stderr.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "paint",
    "plain_records",
    "records_of",
    "show_findings",
    "show_table",
    "text_table",
    "write_records",
]

CODES = {"red": "31", "yellow": "33", "green": "32", "bold": "1"}
LEVEL_COLOURS = {"error": "red", "warning": "yellow", "missing": "red", "ok": "green"}
MISSING = "–"
MAX_CELL = 88
SMALLEST_P = 0.001  # smaller ones are not told apart by anyone
P_VALUE = re.compile(r"p|p_.*|.*_p")

Row = Mapping[str, Any]


def paint(text: str, colour: str, stream: TextIO) -> str:
    """`text` in a colour if `stream` is a terminal; NO_COLOR (no-color.org) switches it off."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    return f"\033[{CODES[colour]}m{text}\033[0m"


def records_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """A data frame as plain records: numpy scalars become Python's, missing values None."""
    import pandas as pd

    cells = table.astype(object).where(pd.notna(table), None)
    return [
        {str(name): value.item() if hasattr(value, "item") else value for name, value in record.items()}
        for record in cells.to_dict("records")
    ]


def show_table(
    rows: Iterable[Row],
    *,
    as_json: bool = False,
    csv: Path | None = None,
    columns: Sequence[str] | None = None,
    title: str = "",
) -> None:
    """Print rows to stdout, as aligned text or as JSON, and write them to a CSV file if asked.

    Parameters
    ----------
    rows : iterable of mappings
        One mapping a row; the first row's keys are the columns.
    as_json : bool
        A JSON list of objects with all columns; missing values are null.
    csv : Path, optional
        Also write all columns to this file (formulas defused).
    columns : sequence of str, optional
        The columns that people see, in order; default all.
    title : str
        A line above the text table.
    """
    records = [dict(row) for row in rows]
    if csv is not None:
        write_records(csv, records)
    if as_json:
        print(json.dumps(plain_records(records), indent=1, ensure_ascii=False, allow_nan=False))
        return
    if title:
        print(paint(title, "bold", sys.stdout))
    print(text_table(records, columns))


def show_findings(findings: Iterable[Any], *, as_json: bool = False, silence: str = "No findings.") -> int:
    """Print findings (objects with level, where, message) and return how many are errors."""
    rows = [{"level": f.level, "where": str(f.where), "message": f.message} for f in findings]
    if as_json:
        show_table(rows, as_json=True)
    elif not rows:
        print(silence)
    else:
        for row in rows:
            level = paint(row["level"], LEVEL_COLOURS.get(row["level"], "bold"), sys.stdout)
            print(_clean(f"{row['where']}: ") + f"{level}: {_clean(row['message'])}")
    return sum(row["level"] == "error" for row in rows)


def text_table(rows: Sequence[Row], columns: Sequence[str] | None = None) -> str:
    """Rows as aligned text: numbers right, words left, three decimals, a dash for what is missing."""
    if not rows:
        return "(no rows)"
    names = [name for name in (columns or list(rows[0])) if any(name in row for row in rows)]
    cells = [[_cell(row.get(name), name) for name in names] for row in rows]
    numeric = [all(_is_number(row.get(name)) for row in rows) for name in names]
    heads = [name.replace("_", " ") for name in names]
    widths = [max(len(head), *(len(line[i]) for line in cells)) for i, head in enumerate(heads)]

    def aligned(line: Sequence[str]) -> str:
        parts = [
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ]
        return "  ".join(parts).rstrip()

    return "\n".join([aligned(heads), aligned(["─" * width for width in widths]), *map(aligned, cells)])


def plain_records(records: Iterable[Row]) -> list[dict[str, Any]]:
    """Records as JSON can hold them: numbers that are not finite become None."""
    return [{name: _json_value(value) for name, value in record.items()} for record in records]


def write_records(path: Path, records: list[dict[str, Any]]) -> None:
    """Write records to a CSV file, formulas defused."""
    import pandas as pd

    from psyalign.foundation.tables import write_csv

    write_csv(path, pd.DataFrame(records))


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _cell(value: object, name: str) -> str:
    if _is_missing(value):
        return MISSING
    if isinstance(value, float) and P_VALUE.fullmatch(name) and value < SMALLEST_P:
        return f"<{SMALLEST_P}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{round(value, 3) + 0.0:.3f}" if math.isfinite(value) else str(value)  # + 0.0: no "-0.000"
    text = _clean(str(value))
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


def _clean(text: str) -> str:
    """One line without control characters: ids come from files, and must not steer the terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _json_value(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Path):
        return str(value)
    return value
