"""The report of a run: one list of sections as HTML, Word and JSON, its tables and its drawings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from psyalign.report.cover import cover_of
from psyalign.report.documents import FORMATS, known_formats, write_documents
from psyalign.report.load import load_run
from psyalign.report.machine_readable import machine_readable
from psyalign.report.sections import build_sections

__all__ = ["build_report"]


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
    wanted = known_formats(formats)
    tables = load_run(run)
    return write_documents(
        out,
        wanted,
        cover=cover_of(tables.manifest),
        sections=build_sections(tables),
        tables=tables.named(),
        as_json=lambda sections: machine_readable(tables, sections),
    )
