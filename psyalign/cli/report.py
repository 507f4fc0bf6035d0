"""`psyalign report`: rebuild the report of a finished run; compare two runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from psyalign.cli.gates import Gated, hold_to_gates
from psyalign.cli.output import paint

__all__ = ["app"]

app = typer.Typer(
    help="Build reports from finished runs, and compare runs.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


@app.callback()
def _report() -> None:
    """Build reports from finished runs, and compare runs."""


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

    wanted = _names(formats)
    first = build_report(run, out or default_folder(run), wanted)
    for name in FORMATS:
        if name in wanted:
            print(first.with_suffix(f".{name}"))
    if gate:
        hold_to_gates(run)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A finished run: its folder, or STUDY:RUN.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another run of the same items.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Folder for the report. [default: reports/<study of A>/compare-<run A>-<run B>]",
            show_default=False,
        ),
    ] = None,
    formats: Annotated[
        str, typer.Option("--format", metavar="NAMES", help="Which of html, docx and json to write.")
    ] = "html,docx,json",
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", help="Resamples of persons for intervals, at least 200.")
    ] = 1000,
    seed: Annotated[int, typer.Option("--seed", help="Of the resamples.")] = 0,
    margin_es: Annotated[
        float, typer.Option("--margin-es", help="A difference in mean ES within ± this is called small.")
    ] = 0.10,
    margin_qwk: Annotated[
        float, typer.Option("--margin-qwk", help="A difference in QWK within ± this is called small.")
    ] = 0.05,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Compare two runs side by side: settings, accuracy, groups, DIF, gates, with tested differences B - A.

    Where both runs scored the same responses of the same persons, differences are paired and have intervals.
    """
    from psyalign.report.comparison import Plan, compare_runs, write_comparison
    from psyalign.report.comparison.answers import answers
    from psyalign.report.comparison.build import comparison_json
    from psyalign.report.documents import FORMATS, known_formats

    wanted = known_formats(_names(formats))
    plan = Plan(bootstrap, seed, margin_es, margin_qwk)
    runs = run_folder(first), run_folder(second)
    found = compare_runs(*runs, plan)
    page = write_comparison(found, out or comparison_folder(*runs), wanted)
    if as_json:
        print(
            json.dumps(comparison_json(found, ())["verdict"], indent=1, ensure_ascii=False, allow_nan=False)
        )
        return
    for question, answer in answers(found):
        print(f"{paint(question, 'bold', sys.stdout)}\n  {answer}")
    for name in FORMATS:
        if name in wanted:
            print(page.with_suffix(f".{name}"))


def run_folder(text: str) -> Path:
    """The run that a text names: its folder, or ``STUDY:RUN`` (a study's folder or file, and a run of it)."""
    from psyalign.cli.study import study_file

    study, colon, run = text.rpartition(":")
    if Path(text).is_dir() or not (colon and study and run):
        return Path(text)
    return study_file(Path(study)).parent / "runs" / run


def comparison_folder(a: Path, b: Path) -> Path:
    """Where a comparison goes unless `--out` says otherwise: beside the report of A."""
    beside = default_folder(a)
    first, second = a.resolve(), b.resolve()
    other = second.name
    if first.parent != second.parent:  # runs of two studies may have one name
        other = f"{second.parent.parent.name}-{second.name}"
    return beside.parent / f"compare-{first.name}-{other}"


def _names(formats: str) -> list[str]:
    return [name.strip().lower() for name in formats.split(",") if name.strip()]


def default_folder(run: Path) -> Path:
    """Where `psyalign study run` put the report of the run in ``<study>/runs/<run>``."""
    from psyalign.cli.study import report_folder, study_file
    from psyalign.study import load_study

    folder = run.resolve()
    return report_folder(load_study(study_file(folder.parent.parent)), folder.name)
