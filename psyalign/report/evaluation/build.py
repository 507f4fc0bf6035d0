"""The evaluation's folder: report.html and the other formats, tables as CSV and JSON, drawings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from psyalign import __version__
from psyalign.report.cover import Cover
from psyalign.report.documents import write_documents
from psyalign.report.evaluation.machine_readable import evaluation_json
from psyalign.report.evaluation.measures import Measured
from psyalign.report.evaluation.sections import evaluation_sections
from psyalign.report.plain import plain

__all__ = ["write_evaluation"]

SIMULATED = "These are simulated scores: they show how the report works and say nothing about any engine."


def write_evaluation(
    found: Measured, out: Path, *, source: Path, title: str, formats: Sequence[str] = ("html", "json")
) -> Path:
    """Write an evaluation.

    Parameters
    ----------
    found : Measured
    out : Path
        Folder for report.html, report.docx, report.json, tables/ and figures/; made if it is missing.
        Files of the same names are replaced.
    source : Path
        The file that was evaluated, for the reader.
    title : str
    formats : sequence of {"html", "docx", "json"}

    Returns
    -------
    Path
        The first of the documents in the order above. The same input gives the same bytes.

    Raises
    ------
    UsageError
        A format that there is not, or none.
    """
    return write_documents(
        out,
        formats,
        cover=_cover(found, title),
        sections=evaluation_sections(found, source),
        tables=found.tables,
        as_json=lambda _: evaluation_json(found, title),
    )


def _cover(found: Measured, title: str) -> Cover:
    origin = found.given.origin
    real = origin in ("", "real")
    return Cover(
        title=plain(title),
        kicker="Evaluation of machine scores against human scores",
        kind="evaluation",
        origin="" if real else plain(origin[:1].upper() + origin[1:]),
        notice="" if real else SIMULATED if "simulated" in origin.lower() else "Not real scores.",
        version=__version__,
        made_from="one table of scores",
    )
