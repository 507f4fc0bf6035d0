"""What the commands of `psyalign dif` print: tables for people, or one JSON object with everything."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psyalign.cli.output import paint, plain_records, records_of, text_table, write_records

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Part", "show_parts"]


@dataclass(frozen=True)
class Part:
    """A table of the answer.

    `key` is its name in JSON ("": it is for people only), `columns` are those that people see
    (none: it is for JSON only), `note` a line beneath it.
    """

    key: str
    title: str
    table: pd.DataFrame
    columns: Sequence[str] = ()
    note: str = ""


def show_parts(
    parts: Sequence[Part], *, facts: Mapping[str, Any], as_json: bool, csv: Path | None = None
) -> None:
    """Print the parts; the first one is the answer, and it alone goes to the CSV file.

    In JSON `facts` (what was asked, and how it was done) come first.
    """
    if csv is not None:
        write_records(csv, records_of(parts[0].table))
    if as_json:
        found = {**facts, **{part.key: plain_records(records_of(part.table)) for part in parts if part.key}}
        print(json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False))
        return
    for number, part in enumerate(parts):
        if number and not (part.columns and len(part.table)):
            continue
        print(("\n" if number else "") + paint(part.title, "bold", sys.stdout))
        shown = [name for name in part.columns if name in part.table and _says_something(part.table[name])]
        print(text_table(records_of(part.table), shown))
        if part.note:
            print(part.note)


def _says_something(column: pd.Series) -> bool:
    return not bool((column.isna() | column.astype("str").eq("")).all())
