"""`psyalign feedback worth`: what raters should judge next, and what it would buy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from psyalign.cli.output import paint, records_of, show_table, write_records
from psyalign.cli.study import AsJson, StudyPath, study_file

if TYPE_CHECKING:
    import pandas as pd

    from psyalign.pipeline.worth import GapWorth

__all__ = ["judgements_worth"]

SHOWN = 10  # questions that people see; all are in the CSV file
QUESTIONS = ("order", "response_id", "item", "pairs", "judgements", "gain_percent")
INTERVALS = ("grouping", "item", "level", "n", "es", "half_width", "after", "further", "together")


def judgements_worth(
    study: StudyPath,
    run: Annotated[str, typer.Option("--run", help="A finished run of the study.")] = "main",
    number: Annotated[
        int, typer.Option("--next", min=1, max=10_000, help="How many judgements the raters have left.")
    ] = 100,
    pairs: Annotated[
        bool,
        typer.Option(
            "--pairs",
            help="Single pairs of score points, for responses that are judged already, instead of all "
            "neighbouring pairs of a response.",
        ),
    ] = False,
    half_width: Annotated[
        float | None,
        typer.Option(
            "--half-width",
            min=0.001,
            help="Wanted half-width of the intervals of ES. [default: es_moderate of the study's dif]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Also write the questions, in order, to this CSV file.")
    ] = None,
    dif_out: Annotated[
        Path | None, typer.Option("--dif-out", help="Also write the table of intervals to this CSV file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what raters should judge next, and what further judgements are expected to buy.

    First the score preferences on feedback persons' responses that bring the expected optimality gap down
    most, then how fast the DIF intervals of human scores narrow with further rated audit responses.
    """
    from psyalign.foundation.errors import RunError
    from psyalign.pipeline.run import run_folder
    from psyalign.pipeline.worth import finished_run, gap_worth, interval_worth

    folder = run_folder(study_file(study).parent, run)
    dif = finished_run(folder)["settings"]["dif"]
    wanted = dif["es_moderate"] if half_width is None else half_width
    gap, why = None, ""
    try:
        gap = gap_worth(folder, number, pairs=pairs)
    except RunError as problem:
        if out is not None:
            raise
        why = f"{problem.message} {problem.mend}"
    intervals = interval_worth(folder, half_width=wanted, more=number)
    if gap is not None and out is not None:
        write_records(out, records_of(gap.questions))
    if dif_out is not None:
        write_records(dif_out, records_of(intervals))
    for note in [why] if gap is None else gap.notes:
        print(f"{paint('note', 'yellow', sys.stderr)}: {note}", file=sys.stderr)
    if as_json:
        show_table(_everything(gap, intervals), as_json=True)
        return
    if gap is not None:
        _show_gap(gap, out)
        print()
    _show_intervals(intervals, number, wanted)


def _show_gap(gap: GapWorth, out: Path | None) -> None:
    title = (
        f"Expected optimality gap, mean of {gap.responses} responses: {gap.gap:.3g} reward "
        f"(over the {gap.members} reward models themselves {gap.members_gap:.3g})"
    )
    curve = [{**row, "expected_gap": f"{row['expected_gap']:.4g}"} for row in records_of(gap.curve)]
    show_table(curve, title=title)
    print()
    shown = f" (the first {SHOWN} are shown)" if len(gap.questions) > SHOWN else ""
    place = f", all in {out}" if out is not None else ""
    show_table(
        records_of(gap.questions[:SHOWN]),
        columns=QUESTIONS,
        title=f"What to ask next, of {gap.askable} responses: {len(gap.questions)} questions{shown}{place}",
    )


def _show_intervals(intervals: pd.DataFrame, number: int, wanted: float) -> None:
    rows = records_of(intervals)
    for row in rows:
        for name in ("further", "together"):
            row[name] = None if row[name] is None else int(row[name])
    columns = (*INTERVALS, "reason") if any(row["reason"] for row in rows) else INTERVALS
    title = f"DIF intervals of human scores: half-width, and after {number} more rated responses of a group"
    show_table(rows, columns=columns, title=title)
    print(
        f"further: rated responses of this group alone that bring the half-width to {wanted:g} (– cannot); "
        "together: of this group, where both get more."
    )


def _everything(gap: GapWorth | None, intervals: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    if gap is not None:
        rows += [{"table": "gap", **row} for row in records_of(gap.curve)]
        rows += [{"table": "questions", **row} for row in records_of(gap.questions)]
    return [*rows, *({"table": "intervals", **row} for row in records_of(intervals))]
