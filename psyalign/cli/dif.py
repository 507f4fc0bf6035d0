"""`psyalign dif`: DIF analyses of any table of scores, without a study."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from psyalign.cli.output import records_of, show_table

__all__ = ["dif"]

# What a person reads first; --json and --csv have every column.
SHOWN = (
    *("item", "n_reference", "n_focal", "smd", "se", "p_adjusted", "es", "es_class", "mantel_z"),
    *("lr_total_p", "nagelkerke_change", "reason"),
)
LEGEND = (
    "es = SMD / SD of the item. Class AA: p ≥ .05 or |es| ≤ .17, BB: ≤ .25, CC: above. "
    "p adjusted for the number of items (Holm)."
)


def dif(
    scores: Annotated[
        Path,
        typer.Argument(
            metavar="SCORES",
            help="CSV or Parquet. Long: columns person, item, score. Wide: column person and one per item.",
        ),
    ],
    *,
    group: Annotated[str, typer.Option("--group", help="Column with the groups, such as gender.")],
    focal: Annotated[str, typer.Option("--focal", help="Value of the focal group.")],
    reference: Annotated[
        str | None,
        typer.Option("--reference", help="Value of the reference group. [default: the only other value]"),
    ] = None,
    match: Annotated[
        str, typer.Option("--match", help="Matching variable: total, or a column with one value a person.")
    ] = "total",
    score: Annotated[
        str, typer.Option("--score", help="Column of the scores in a long table, such as expected.")
    ] = "score",
    rater: Annotated[
        str | None, typer.Option("--rater", help="Use only this rater's rows of a ratings table.")
    ] = None,
    persons: Annotated[
        Path | None,
        typer.Option("--persons", help="Table with person, group and matching columns, if not in SCORES."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON with all columns.")] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Also write all columns to this CSV file.")
    ] = None,
) -> None:
    """Test the items of any score table for DIF.

    Mantel, SMD with effect-size class, and cumulative-logit regression; focal minus reference.
    """
    from psyalign import dif as room
    from psyalign.cli.score_tables import read_scores

    table = read_scores(
        scores,
        group=group,
        focal=focal,
        reference=reference,
        match=match,
        score=score,
        rater=rater,
        persons=persons,
    )
    if table.matching is None:
        strata = room.matching_strata(table.scores, table.group)
        matching, stratum = strata.total, strata.stratum
    else:
        matching, stratum = table.matching, room.bin_strata(table.matching, table.group)
    result = room.analyse(table.scores, table.group, stratum, match=matching)
    for note in table.notes:
        print(f"note: {note}", file=sys.stderr)
    counts = table.group.value_counts()
    show_table(
        records_of(result),
        as_json=as_json,
        csv=csv,
        columns=SHOWN,
        title=f"DIF by {group}: {focal} ({counts['focal']}) minus {table.reference} ({counts['reference']}), "
        f"matched on {match} in {stratum.nunique()} strata{_origin(table.origin)}",
    )
    if not as_json:
        print(LEGEND)


def _origin(origin: str) -> str:
    return f" · {origin} data" if origin else ""
