"""`psyalign study`: check a study file, show its plan, run it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from psyalign.cli.failures import stop_on_sigterm
from psyalign.cli.gates import Gated, hold_to_gates
from psyalign.cli.output import paint, records_of, show_findings, show_table

if TYPE_CHECKING:
    from psyalign.items import ItemBank
    from psyalign.responses import Dataset
    from psyalign.study import Study

__all__ = ["StudyPath", "app", "run_and_report", "study_file"]

STUDY_FILE = "study.toml"

StudyPath = Annotated[Path, typer.Argument(metavar="STUDY", help="A study's folder, or its study.toml.")]
Run = Annotated[str, typer.Option("--run", help="Name of the run: a folder under the study's runs/.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Delete what this run has and start anew.")]
Reports = Annotated[
    Path | None,
    typer.Option(
        "--reports",
        help="Folder for the report. Default: reports/<study>/<run> beside the study's folder, or beside "
        "studies/ if it lies in that.",
    ),
]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="TABLE.KEY=VALUE",
        help="Set a key of the study file otherwise, for this call: scorer.base=smollm2. May be repeated.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(
    help="Check, plan and run a study.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)


@app.command()
def check(study: StudyPath, changes: Changes = None, as_json: AsJson = False) -> None:
    """Check a study file, its items, its data and its model, without training anything."""
    from psyalign.foundation.errors import ItemError, PsyalignError
    from psyalign.items import check_bank
    from psyalign.pipeline import load_study_data
    from psyalign.scorer.models import resolve_base
    from psyalign.study import check_study, load_study, require_files, require_study

    settings = load_study(study_file(study), changes or ())
    require_files(settings)
    bank, dataset = load_study_data(settings)
    in_bank = check_bank(bank)
    show_findings(
        [*in_bank, *check_study(settings, dataset, bank)],
        as_json=as_json,
        silence="Study, items and data: no findings.",
    )
    if any(finding.level == "error" for finding in in_bank):
        raise typer.Exit(ItemError.exit_code)
    try:
        require_study(settings, dataset, bank)
    except PsyalignError as first:
        raise typer.Exit(first.exit_code) from None  # it is among the findings
    _check_records(settings, bank, dataset)
    resolve_base(settings.scorer.base, settings.folder)  # last, as it is slow; raises if there is no model


@app.command()
def plan(study: StudyPath, changes: Changes = None, as_json: AsJson = False) -> None:
    """Show the stages that `psyalign study run` would go through, and what they cost."""
    from psyalign.study import load_study
    from psyalign.study import plan as plan_study

    rows = [
        {"stage": row.stage, "what": row.what, "cost": row.cost_note}
        for row in plan_study(load_study(study_file(study), changes or ()))
    ]
    show_table(rows, as_json=as_json)


@app.command()
def run(
    study: StudyPath,
    run: Run = "main",
    fresh: Fresh = False,
    reports: Reports = None,
    changes: Changes = None,
    gate: Gated = False,
) -> None:
    """Run a study from data to report; the same command goes on after an interruption."""
    folder = run_and_report(study_file(study), run=run, fresh=fresh, reports=reports, changes=changes or ())
    if gate:
        hold_to_gates(folder)


def _check_records(study: Study, bank: ItemBank, dataset: Dataset) -> None:
    """Raise DataError if feedback records do not fit the data, or leave score points incomparable."""
    import pandas as pd

    from psyalign.feedback import check_graph, read_records

    if study.feedback.records is None:
        return
    path = study.file(study.feedback.records)
    points = {name: item.scores for name, item in bank.items.items()}
    known = pd.concat([dataset.responses, dataset.alternates])[["response_id", "item"]]
    graph = check_graph(read_records(path), points, known)
    if study.feedback.source == "records":
        graph.require_connected(str(path))


def study_file(path: Path) -> Path:
    """The study file that STUDY names: the file itself, or study.toml in the folder."""
    return path / STUDY_FILE if path.is_dir() else path


def run_and_report(
    path: Path, *, run: str, fresh: bool, reports: Path | None, changes: Sequence[str] = ()
) -> Path:
    """Run a study file, write its report, print where it is and how the arms did; return the run's folder."""
    from psyalign.cli.summary import arm_summary
    from psyalign.pipeline import run_study
    from psyalign.study import load_study

    study = load_study(path, changes)
    with stop_on_sigterm():
        run_folder = run_study(path, run=run, fresh=fresh, changes=changes)
        from psyalign.report import build_report

        page = build_report(run_folder, reports or report_folder(study, run))
    show_table(records_of(arm_summary(run_folder)), title="Arms on the audit persons")
    for name, place in (("report", page), ("run", run_folder)):
        print(f"{paint(f'{name:<6}', 'bold', sys.stdout)}  {place}")
    return run_folder


def report_folder(study: Study, run: str) -> Path:
    """Where a study's report goes unless `--reports` says otherwise; see that option's help."""
    beside = study.folder.resolve().parent
    home = beside.parent if beside.name == "studies" else beside
    return home / "reports" / study.study.name / run
