"""`psyalign dif power`: how many persons a group it takes to see DIF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from psyalign.cli.dif import options as o
from psyalign.cli.dif.output import Part, show_parts
from psyalign.foundation.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["power"]


def power(
    like: Annotated[
        Path | None,
        typer.Option("--like", help="A table of scores: its items and reliability are taken as they are."),
    ] = None,
    *,
    es: Annotated[float, typer.Option("--es", min=0.01, help="Effect size to see: SMD / SD.")] = 0.17,
    goal: Annotated[
        float, typer.Option("--power", min=0.1, max=0.99, help="In this share of samples.")
    ] = 0.80,
    tests: Annotated[
        str, typer.Option("--tests", help="Of smd, mantel and equivalence (shown negligible), by commas.")
    ] = "smd,mantel,equivalence",
    items: Annotated[int, typer.Option("--items", min=2, help="Items of the test.")] = 20,
    points: Annotated[int, typer.Option("--points", min=2, help="Score points an item.")] = 5,
    impact: Annotated[
        float, typer.Option("--impact", help="How far the focal group's mean ability is lower, in SD.")
    ] = 0.0,
    ratio: Annotated[
        float, typer.Option("--ratio", min=0.05, help="Reference persons for each focal person.")
    ] = 1.0,
    tested: Annotated[
        int, typer.Option("--tested", min=1, help="Items tested at once: alpha is divided by it.")
    ] = 1,
    alpha: o.Alpha = 0.05,
    replications: Annotated[
        int, typer.Option("--replications", min=100, help="Simulated samples for each number of persons.")
    ] = 5000,
    seed: o.Seed = 1,
    score: o.Column = "score",
    as_json: o.Json = False,
    csv: o.Csv = None,
) -> None:
    """Find by simulation how many persons a group it takes to see an effect size."""
    from psyalign.dif import persons_needed

    found = persons_needed(
        es,
        power=goal,
        alpha=alpha,
        tests=o.names_of(tests),
        n_items=items,
        n_points=points,
        impact=impact,
        ratio=ratio,
        n_tested=tested,
        scores=None if like is None else _wide(like, score),
        replications=replications,
        seed=seed,
        progress=True,
    )
    needed = found.needed.reset_index()
    for name in ("n_reference", "n_focal"):
        needed[name] = needed[name].astype("Int64")
    note = "power: at these numbers, simulated anew, with its 95% Monte-Carlo interval."
    columns = ("test", "n_reference", "n_focal", "power", "low", "high")
    parts = [
        Part("needed", found.about, needed, columns, note),
        Part("simulations", "Simulations", found.table),
    ]
    show_parts(parts, facts={"about": found.about}, as_json=as_json, csv=csv)


def _wide(path: Path, score: str) -> pd.DataFrame:
    """Persons x items from a long or wide table; columns that hold text are no items."""
    from psyalign.foundation.tables import read_table, require_columns

    table = read_table(path, text_columns=("person", "item"))
    if "item" in table.columns:
        require_columns(table, ["person", "item", score], path)
        if table.duplicated(["person", "item"]).any():
            raise DataError(
                "A person and item is there twice.", where=str(path), mend="Keep one score for each."
            )
        return table.pivot(index="person", columns="item", values=score)
    return table.drop(columns="person", errors="ignore").select_dtypes("number")
