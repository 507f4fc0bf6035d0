"""The report of a run: one list of sections as HTML, Word and JSON, its tables and its drawings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from psyalign.foundation.errors import UsageError
from psyalign.foundation.files import atomic_path, write_json, write_text
from psyalign.foundation.tables import write_csv, write_json_table
from psyalign.foundation.toml import suggest
from psyalign.report.content import Figure, Paragraph, Section, Table, column
from psyalign.report.cover import cover_of
from psyalign.report.html import render
from psyalign.report.load import RunTables, load_run
from psyalign.report.machine_readable import machine_readable
from psyalign.report.plain import plain_sections
from psyalign.report.sections import build_sections, figures_of

__all__ = ["FORMATS", "Format", "build_report"]

Format = Literal["html", "docx", "json"]
FORMATS: tuple[Format, ...] = ("html", "docx", "json")


def build_report(run: Path, out: Path, formats: Sequence[str] = FORMATS) -> Path:
    """Write the report of a run.

    Parameters
    ----------
    run : Path
        Run directory with manifest.json and tables/*.parquet; nothing else of it is read.
    out : Path
        Folder for report.html, report.docx, report.json, tables/ and figures/; made if it is
        missing. Files of the same names are replaced.
    formats : sequence of {"html", "docx", "json"}
        Which of the three documents to write; tables/ and figures/ always are.

    Returns
    -------
    Path
        The first of the documents, in the order above. report.html and report.docx need no other
        file and no network; `psyalign.report.machine_readable` says what is in report.json. The
        same run gives the same bytes.

    Raises
    ------
    RunError
        The folder is no run, or a table is missing or does not fit the manifest.
    UsageError
        A format that there is not, or none.
    """
    wanted = [name for name in FORMATS if name in _known(formats)]
    tables = load_run(run)
    cover = cover_of(tables.manifest)
    built = plain_sections(build_sections(tables))
    figures = figures_of(built)
    sections = [*built, *plain_sections([_files(tables, figures)])]
    for name, table in tables.named().items():
        write_csv(out / "tables" / f"{name}.csv", table)
        write_json_table(out / "tables" / f"{name}.json", table)
    for figure in figures:
        write_text(out / "figures" / f"{figure.name}.svg", figure.svg + "\n")
    if "json" in wanted:
        write_json(out / "report.json", machine_readable(tables, sections))
    if "docx" in wanted:
        from psyalign.report.word import render_word  # python-docx takes a while to load

        with atomic_path(out / "report.docx") as temporary:
            temporary.write_bytes(render_word(cover, sections))
    if "html" in wanted:
        write_text(out / "report.html", render(cover, sections))
    return out / f"report.{wanted[0]}"


def _known(formats: Sequence[str]) -> frozenset[str]:
    """The formats as a set, after a look whether there are such."""
    for name in formats:
        if name not in FORMATS:
            raise UsageError(f"There is no report format '{name}'.", mend=suggest(name, FORMATS))
    if not formats:
        raise UsageError("No report format is asked for.", mend=suggest("", FORMATS))
    return frozenset(formats)


def _files(tables: RunTables, figures: Iterable[Figure]) -> Section:
    rows = [
        (f"tables/{name}.csv, tables/{name}.json", f"{len(table)} rows")
        for name, table in tables.named().items()
    ]
    rows += [(f"figures/{figure.name}.svg", "drawing") for figure in figures]
    note = (
        "Beside this report. In the CSV files a text that a spreadsheet would run as a formula starts with "
        "an apostrophe."
    )
    files = Table("Files of this report.", column("File", "What", text=(0, 1)), tuple(rows))
    return Section("files", "Files", (Paragraph(note), files))
