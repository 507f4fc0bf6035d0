"""The report of a run: report.html, its tables as CSV and JSON, its drawings as SVG."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from psyalign.foundation.files import write_text
from psyalign.foundation.tables import write_csv, write_json_table
from psyalign.report.content import Figure, Paragraph, Section, Table, column
from psyalign.report.html import render
from psyalign.report.load import RunTables, load_run
from psyalign.report.sections import build_sections, figures_of

__all__ = ["build_report"]


def build_report(run: Path, out: Path) -> Path:
    """Write the report of a run.

    Parameters
    ----------
    run : Path
        Run directory with manifest.json and tables/*.parquet; nothing else of it is read.
    out : Path
        Folder for report.html, tables/ and figures/; made if it is missing. Files of the
        same names are replaced.

    Returns
    -------
    Path
        report.html. It needs no other file and no network. The same run gives the same bytes.

    Raises
    ------
    RunError
        The folder is no run, or a table is missing or does not fit the manifest.
    """
    tables = load_run(run)
    sections = build_sections(tables)
    figures = figures_of(sections)
    for name, table in tables.named().items():
        write_csv(out / "tables" / f"{name}.csv", table)
        write_json_table(out / "tables" / f"{name}.json", table)
    for figure in figures:
        write_text(out / "figures" / f"{figure.name}.svg", figure.svg + "\n")
    path = out / "report.html"
    write_text(path, render(tables.manifest, [*sections, _files(tables, figures)]))
    return path


def _files(tables: RunTables, figures: Iterable[Figure]) -> Section:
    rows = [
        (f"tables/{name}.csv, tables/{name}.json", f"{len(table)} rows")
        for name, table in tables.named().items()
    ]
    rows += [(f"figures/{figure.name}.svg", "drawing") for figure in figures]
    note = (
        "Beside this page. In the CSV files a text that a spreadsheet would run as a formula starts with an "
        "apostrophe."
    )
    files = Table("Files of this report.", column("File", "What", text=(0, 1)), tuple(rows))
    return Section("files", "Files", (Paragraph(note), files))
