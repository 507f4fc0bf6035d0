"""`psyalign feedback raters`: how the raters judged, without training anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from psyalign.cli.collections import collection_file
from psyalign.cli.output import records_of, show_table
from psyalign.cli.study import AsJson, StudyPath, study_file

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["rater_statistics"]

JUDGED = (
    *("rater", "ratings", "score_preferences", "response_preferences", "severity", "severity_se"),
    *("discrimination", "eta", "eta_low", "eta_high", "compared", "agreement"),
)
CARE = (
    *("rater", "score_sets", "contradictory", "triads", "circular", "zeta", "triads_p", "repeats"),
    *("consistent", "consistent_low", "consistent_high", "repeat_kappa", "timed", "seconds", "fast"),
)


def rater_statistics(
    study: StudyPath,
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            help="A collection of the study. [default: main if it is there, else the study's feedback]",
            show_default=False,
        ),
    ] = None,
    records: Annotated[
        Path | None, typer.Option("--records", help="Feedback records (JSON Lines) to look at instead.")
    ] = None,
    times: Annotated[
        Path | None,
        typer.Option(
            "--times", help="Also write the collection's times to this CSV file, for [feedback] times."
        ),
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Also write the rater table to this CSV file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show each rater's severity, discrimination, contradictions, repeats, speed and leanings."""
    from psyalign.collect import Store, judgement_times
    from psyalign.foundation.errors import UsageError
    from psyalign.foundation.tables import write_csv
    from psyalign.pipeline.rater_figures import rater_figures
    from psyalign.study import load_study

    if name is not None and records is not None:
        raise UsageError("Name a collection or a file of records, not both.", where="--records")
    settings = load_study(study_file(study))
    collection = None if records is not None else collection_file(settings, name or "main")
    if name is None and collection is not None and not collection.is_file():
        collection = None
    if times is not None and collection is None:
        raise UsageError("Only a collection knows times.", where="--times", mend="Name one with --name.")
    found = rater_figures(settings, collection=collection, records=records)
    if times is not None and collection is not None:
        write_csv(times, judgement_times(Store(collection)))
    if csv is not None:
        write_csv(csv, found.table)
    if as_json:
        groups = [{"table": "groups", **row} for row in records_of(found.groups)]
        show_table([*({"table": "raters", **row} for row in records_of(found.table)), *groups], as_json=True)
        return
    show_table(_rows(found.table, JUDGED), title=f"How the raters judged: {found.source}")
    if len(care := _rows(found.table, CARE)) and len(care[0]) > 1:
        print()
        show_table(care, title="How carefully")
    if len(found.groups):
        print()
        title = "Harder (+) or milder (-) on the focal group than the other raters, in logits"
        show_table(_rows(found.groups, list(found.groups.columns)), title=title)


def _rows(table: pd.DataFrame, columns: Any) -> list[dict[str, Any]]:
    """Rows for people: columns that say nothing of anybody are left out."""
    shown = [
        name for name in columns if table[name].notna().any() and not (table[name].astype(str) == "0").all()
    ]
    return records_of(table[shown])
