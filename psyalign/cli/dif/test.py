"""`psyalign dif SCORES`: test the items of one table of scores."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Annotated

import typer

from psyalign.cli.dif import options as o
from psyalign.cli.dif.output import show_parts
from psyalign.foundation.errors import UsageError

__all__ = ["test"]


def test(
    scores: o.Scores,
    *,
    group: o.Group,
    focal: o.Focal = None,
    reference: o.Reference = None,
    match: o.Match = "total",
    strata: o.Strata = "auto",
    anchors: Annotated[
        str | None, typer.Option("--anchors", help="Items of the total, comma-separated. [default: all]")
    ] = None,
    purify: Annotated[
        bool, typer.Option("--purify", help="Match on unflagged items; repeat until the flags stay.")
    ] = False,
    flag_by: Annotated[
        str, typer.Option("--flag-by", help="What flags in purification: mantel, smd or ordinal.")
    ] = "mantel",
    reliability: o.Reliability = None,
    methods: Annotated[
        str, typer.Option("--methods", help="Comma-separated, or all; docs/dif.md explains them.")
    ] = "mantel,smd,ordinal",
    alpha: o.Alpha = 0.05,
    correction: o.Correction = "holm",
    es_moderate: o.Moderate = 0.17,
    es_large: o.Large = 0.25,
    min_group: o.MinGroup = 4,
    bootstrap: o.Bootstrap = 0,
    seed: o.Seed = 0,
    items: o.Items = None,
    score: o.Column = "score",
    rater: o.Rater = None,
    persons: o.Persons = None,
    as_json: o.Json = False,
    csv: o.Csv = None,
    plots: o.Plots = None,
    on_disk: Annotated[
        bool | None,
        typer.Option(
            "--on-disk/--in-memory",
            help="Count with DuckDB without loading the table. [default: from 200 MB on]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Test the items of any score table for DIF; focal minus reference.

    Mantel, SMD with effect-size class and cumulative-logit regression by default. The word
    `test` may be left out.
    """
    from psyalign import dif as room
    from psyalign.cli.dif.on_disk import LARGE, open_scores
    from psyalign.cli.dif.screening import draw, facts_of, resampled_parts, screening_parts
    from psyalign.cli.score_tables import OF_SCORES, read_scores

    settings = room.Settings(
        methods=room.ALL if methods == "all" else o.names_of(methods),
        alpha=alpha,
        correction=correction,
        moderate=es_moderate,
        large=es_large,
        purify=purify,
        flag_by=flag_by,
    )
    spec = o.match_spec(match, strata, anchors, reliability)
    if plots is not None and settings.methods != room.ALL and "smd" not in settings.methods:
        raise UsageError("The drawings show effect sizes.", where="--plots", mend="Add smd to --methods.")
    large = scores.is_file() and scores.stat().st_size >= LARGE if on_disk is None else on_disk
    table, matrix = None, None
    if large:
        _refuse_on_disk({"--rater": rater, "--persons": persons, "--bootstrap": bootstrap})
        source, notes = open_scores(
            scores,
            group=group,
            focal=focal or (),
            reference=reference,
            match=None if match in OF_SCORES else match,
            score=score,
            items=o.names_of(items),
            min_group=min_group,
        )
    else:
        table = read_scores(
            scores,
            group=group,
            focal=focal or (),
            reference=reference,
            match=match,
            score=score,
            rater=rater,
            persons=persons,
            items=o.names_of(items),
        )
        matrix = table.matrix(min_group)
        source, notes = matrix, table.notes
    found = room.screen(source, spec, settings)
    for note in [*notes, *found.notes]:
        print(f"note: {note}", file=sys.stderr)
    origin = table.origin if table else ""
    parts = screening_parts(found, "/".join(group), match, origin)
    if bootstrap and matrix is not None:
        parts += resampled_parts(matrix, found, bootstrap, seed)
    if plots is not None:
        draw(plots, found, match, origin)
    show_parts(parts, facts=facts_of(found, match), as_json=as_json, csv=csv)


def _refuse_on_disk(given: Mapping[str, object]) -> None:
    for option, value in given.items():
        if value:
            raise UsageError(
                f"A table that is counted on disk cannot have {option}.",
                where=option,
                mend="Leave it out, or load the table with --in-memory.",
            )
