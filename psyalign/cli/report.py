"""`psyalign report`: rebuild the report of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from psyalign.cli.gates import Gated, hold_to_gates

__all__ = ["app"]

app = typer.Typer(
    help="Build reports from finished runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


@app.callback()
def _report() -> None:
    """Build reports from finished runs."""


@app.command()
def build(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A finished run's folder: studies/…/runs/<run>.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for the report. [default: as `psyalign study run`]", show_default=False
        ),
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", metavar="NAMES", help="Which of html, docx and json to write.")
    ] = "html,docx,json",
    gate: Gated = False,
) -> None:
    """Write the report (HTML, Word, JSON), its tables and figures from a run's tables; trains nothing."""
    from psyalign.report import FORMATS, build_report

    wanted = [name.strip().lower() for name in formats.split(",") if name.strip()]
    first = build_report(run, out or default_folder(run), wanted)
    for name in FORMATS:
        if name in wanted:
            print(first.with_suffix(f".{name}"))
    if gate:
        hold_to_gates(run)


def default_folder(run: Path) -> Path:
    """Where `psyalign study run` put the report of the run in ``<study>/runs/<run>``."""
    from psyalign.cli.study import report_folder, study_file
    from psyalign.study import load_study

    folder = run.resolve()
    return report_folder(load_study(study_file(folder.parent.parent)), folder.name)
