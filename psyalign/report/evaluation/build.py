"""The evaluation's folder: report.html and the other formats, tables as CSV and JSON, drawings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from psyalign import __version__
from psyalign.foundation.errors import UsageError
from psyalign.foundation.files import atomic_path, write_json, write_text
from psyalign.foundation.tables import write_csv, write_json_table
from psyalign.foundation.toml import suggest
from psyalign.report.content import Figure, Paragraph, Section, Table, column
from psyalign.report.cover import Cover
from psyalign.report.evaluation.measures import Measured
from psyalign.report.evaluation.sections import evaluation_sections
from psyalign.report.html import render
from psyalign.report.plain import plain, plain_sections

__all__ = ["FORMATS", "write_evaluation"]

FORMATS = ("html", "docx", "json")
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
    for name in formats:
        if name not in FORMATS:
            raise UsageError(f"There is no report format '{name}'.", mend=suggest(name, FORMATS))
    wanted = [name for name in FORMATS if name in formats]
    if not wanted:
        raise UsageError("No report format is asked for.", mend=suggest("", FORMATS))
    built = plain_sections(evaluation_sections(found, source))
    figures = [block for section in built for block in section.blocks if isinstance(block, Figure)]
    sections = [*built, _files(found, figures)]
    for name, table in found.tables.items():
        write_csv(out / "tables" / f"{name}.csv", table)
        write_json_table(out / "tables" / f"{name}.json", table)
    for figure in figures:
        write_text(out / "figures" / f"{figure.name}.svg", figure.svg + "\n")
    cover = _cover(found, title)
    if "json" in wanted:
        from psyalign.report.evaluation.machine_readable import evaluation_json

        write_json(out / "report.json", evaluation_json(found, title))
    if "docx" in wanted:
        from psyalign.report.word import render_word  # python-docx takes a while to load

        with atomic_path(out / "report.docx") as temporary:
            temporary.write_bytes(render_word(cover, sections))
    if "html" in wanted:
        write_text(out / "report.html", render(cover, sections))
    return out / f"report.{wanted[0]}"


@dataclass(frozen=True)
class _EvaluationCover(Cover):
    """The cover of an evaluation: its tables come from no run."""

    @property
    def footer(self) -> str:
        """Who made the report, of what."""
        return f"Made by psyalign {self.version} from one table of scores. It contains no response text."


def _cover(found: Measured, title: str) -> Cover:
    origin = found.given.origin
    real = origin in ("", "real")
    return _EvaluationCover(
        title=plain(title),
        kicker="Evaluation of machine scores against human scores",
        kind="evaluation",
        origin="" if real else plain(origin[:1].upper() + origin[1:]),
        notice="" if real else SIMULATED if "simulated" in origin.lower() else "Not real scores.",
        version=__version__,
    )


def _files(found: Measured, figures: Sequence[Figure]) -> Section:
    rows = [
        (f"tables/{name}.csv, tables/{name}.json", f"{len(table)} rows")
        for name, table in found.tables.items()
    ]
    rows += [(f"figures/{figure.name}.svg", "drawing") for figure in figures]
    note = (
        "Beside this report, with all decimals. In the CSV files a text that a spreadsheet would run as a "
        "formula starts with an apostrophe."
    )
    table = Table("Files of this report.", column("File", "What", text=(0, 1)), tuple(rows))
    return Section("files", "Files", (Paragraph(note), table))
