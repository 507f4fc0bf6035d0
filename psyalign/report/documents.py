"""What every kind of report writes: HTML, Word and JSON from one list of sections, tables, drawings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from psyalign.foundation.errors import UsageError
from psyalign.foundation.files import atomic_path, write_json, write_text
from psyalign.foundation.tables import write_csv, write_json_table
from psyalign.foundation.toml import suggest
from psyalign.report.content import Figure, Paragraph, Section, Table, column, figures_of
from psyalign.report.cover import Cover
from psyalign.report.html import render
from psyalign.report.plain import plain_sections

__all__ = ["FORMATS", "Format", "known_formats", "table_files", "write_documents"]

Format = Literal["html", "docx", "json"]
FORMATS: tuple[Format, ...] = ("html", "docx", "json")


def known_formats(formats: Sequence[str]) -> tuple[Format, ...]:
    """The formats asked for, once each, in the order of `FORMATS`.

    Raises
    ------
    UsageError
        A format that there is not, or none. Call this before work that takes long.
    """
    for name in formats:
        if name not in FORMATS:
            raise UsageError(f"There is no report format '{name}'.", mend=suggest(name, FORMATS))
    if not formats:
        raise UsageError("No report format is asked for.", mend=suggest("", FORMATS))
    return tuple(name for name in FORMATS if name in formats)


def write_documents(
    out: Path,
    formats: Sequence[str],
    *,
    cover: Cover,
    sections: Sequence[Section],
    tables: Mapping[str, pd.DataFrame],
    as_json: Callable[[Sequence[Section]], dict[str, Any]],
) -> Path:
    """Write a report of any kind into a folder; files of the same names are replaced.

    Parameters
    ----------
    out : Path
        Folder for report.html, report.docx, report.json, tables/ and figures/; made if it is missing.
    formats : sequence of {"html", "docx", "json"}
        Which of the three documents to write; tables/ and figures/ always are.
    cover : Cover
        Title, banner and footer, already cleaned by `psyalign.report.plain.plain`.
    sections : sequence of Section
        What all three documents show. Texts are cleaned here; a section that lists the files is added.
    tables : mapping of str to DataFrame
        Name -> table, written as tables/<name>.csv and tables/<name>.json with all decimals.
    as_json : callable
        Makes the value of report.json from the sections as the page shows them; called only if "json"
        is asked for.

    Returns
    -------
    Path
        The first of the documents in the order of `FORMATS`. The same input gives the same bytes.

    Raises
    ------
    UsageError
        A format that there is not, or none; nothing is written then.
    """
    wanted = known_formats(formats)
    built = plain_sections(sections)
    figures = figures_of(built)
    shown = [*built, *plain_sections([_files(tables, figures)])]
    for name, table in tables.items():
        write_csv(out / "tables" / f"{name}.csv", table)
        write_json_table(out / "tables" / f"{name}.json", table)
    for figure in figures:
        write_text(out / "figures" / f"{figure.name}.svg", figure.svg + "\n")
    if "json" in wanted:
        write_json(out / "report.json", as_json(shown))
    if "docx" in wanted:
        from psyalign.report.word import render_word  # python-docx takes a while to load

        with atomic_path(out / "report.docx") as temporary:
            temporary.write_bytes(render_word(cover, shown))
    if "html" in wanted:
        write_text(out / "report.html", render(cover, shown))
    return out / f"report.{wanted[0]}"


def table_files(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """What report.json says of the tables beside it: name -> csv, json, rows, columns.

    columns is a list of {name, type}, type being "number", "integer", "boolean" or "text".
    """
    return {
        name: {
            "csv": f"tables/{name}.csv",
            "json": f"tables/{name}.json",
            "rows": len(table),
            "columns": [{"name": str(column), "type": _type(table[column])} for column in table.columns],
        }
        for name, table in tables.items()
    }


def _type(column: pd.Series) -> str:
    kinds = pd.api.types
    if kinds.is_bool_dtype(column):
        return "boolean"
    if kinds.is_integer_dtype(column):
        return "integer"
    return "number" if kinds.is_numeric_dtype(column) else "text"


def _files(tables: Mapping[str, pd.DataFrame], figures: Sequence[Figure]) -> Section:
    rows = [
        (f"tables/{name}.csv, tables/{name}.json", f"{len(table)} row{'s' * (len(table) != 1)}")
        for name, table in tables.items()
    ]
    rows += [(f"figures/{figure.name}.svg", "drawing") for figure in figures]
    note = (
        "Beside this report, with all decimals. In the CSV files a text that a spreadsheet would run as a "
        "formula starts with an apostrophe."
    )
    files = Table("Files of this report.", column("File", "What", text=(0, 1)), tuple(rows))
    return Section("files", "Files", (Paragraph(note), files))
