"""`psyalign dif compare`: DIF in two or more sets of scores of the same persons, and what changed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from psyalign.cli.dif import options as o
from psyalign.cli.dif.output import Part, show_parts
from psyalign.foundation.errors import UsageError

if TYPE_CHECKING:
    from psyalign.cli.score_tables import ScoreTable
    from psyalign.dif.comparison.sets import SetComparison

__all__ = ["compare"]

HUMAN = "human"
ITEMS = ("set", "item", "n_reference", "n_focal", "smd", "se", "es", "es_class", "mantel_z", "reason")
CHANGES = ("item", "value_before", "value_after", "change", "low", "high", "p_adjusted", "status", "reason")


def compare(
    sets: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]SCORES…",
            help="Tables of scores of the same persons, the earlier one first: before=a.csv after=b.csv.",
        ),
    ],
    *,
    human: Annotated[
        Path | None,
        typer.Option("--human", help="Table of human scores: their total matches, their SD is the unit."),
    ] = None,
    human_rater: Annotated[
        str | None, typer.Option("--human-rater", help="Use only this rater's rows of the human table.")
    ] = None,
    group: o.Group,
    focal: o.Focal = None,
    reference: o.Reference = None,
    match: Annotated[
        str | None,
        typer.Option("--match", help="Numeric column to match on. [default: the human total]"),
    ] = None,
    strata: o.Strata = "auto",
    reliability: o.Reliability = None,
    alpha: o.Alpha = 0.05,
    correction: o.Correction = "holm",
    es_moderate: o.Moderate = 0.17,
    es_large: o.Large = 0.25,
    min_group: o.MinGroup = 4,
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", min=1, help="Resamples of persons, for what has no closed form.")
    ] = 1000,
    seed: o.Seed = 0,
    items: o.Items = None,
    score: o.Column = "score",
    persons: o.Persons = None,
    as_json: o.Json = False,
    csv: o.Csv = None,
    plots: o.Plots = None,
) -> None:
    """Compare DIF in two or more sets of scores of the same persons, and test what changed.

    Persons are matched on what none of the sets can move: the human total, or a column. Changes
    in SMD and Mantel are tested on the differences, others by resampled persons.
    """
    from psyalign import dif as room
    from psyalign.cli.score_tables import read_scores

    names = _named(sets)
    if human is None and match is None:
        raise UsageError(
            "There is nothing to match on that the scores cannot move.",
            where="--human",
            mend="Add --human with the human scores, or --match with a numeric column.",
        )
    common: dict[str, Any] = {
        "group": group,
        "focal": focal or (),
        "reference": reference,
        "persons": persons,
        "items": o.names_of(items),
    }
    tables = {}
    if human is not None:
        tables[HUMAN] = read_scores(human, match=match or "total", rater=human_rater, **common)
    for name, path in names.items():
        tables[name] = read_scores(path, match=match or "total", score=score, **common)
    first = next(iter(tables.values()))
    if len(first.levels.focal) != 1:
        raise UsageError(
            "Sets are compared for one focal group at a time.",
            where="--focal",
            mend=f"Name one of: {', '.join(first.levels.focal)}.",
        )
    for table in tables.values():
        for note in table.notes:
            print(f"note: {note}", file=sys.stderr)
    found = room.compare_sets(
        {name: table.scores for name, table in tables.items()},
        first.group,
        human=HUMAN if human is not None else None,
        before=next(iter(names)),
        matching=first.matching,
        spec=o.match_spec(match or "external", strata, None, reliability),
        groups=first.levels.groups,
        min_group=min_group,
        alpha=alpha,
        correction=correction,
        moderate=es_moderate,
        large=es_large,
        replicates=bootstrap,
        seed=seed,
    )
    if found.left_out:
        print(f"note: {found.left_out} scores are not used: another set lacks them.", file=sys.stderr)
    if plots is not None:
        _draw(plots, found, first, (es_moderate, es_large))
    show_parts(_parts(found, first), facts=_facts(found, first), as_json=as_json, csv=csv)


def _named(sets: list[str]) -> dict[str, Path]:
    """Name and path of each set; without a name it is the file's."""
    found: dict[str, Path] = {}
    for text in sets:
        name, sign, path = text.partition("=")
        if not sign:
            name, path = Path(text).stem, text
        if name in found or name == HUMAN:
            raise UsageError(
                f"The name '{name}' is there twice." if name in found else "The human scores have --human.",
                where=text,
                mend="Name each set differently, as in before=a.csv after=b.csv.",
            )
        found[name] = Path(path)
    if len(found) < 2:
        raise UsageError(
            "One set of scores cannot be compared.",
            where="SCORES",
            mend="Name two or more, as in before=a.csv after=b.csv.",
        )
    return found


def _parts(found: SetComparison, table: ScoreTable) -> list[Part]:
    """One part with all changes in effect size; the rest stands beneath or in JSON."""
    effects = found.changes[found.changes["test"] == "paired"]
    status = found.status.set_index(["before", "after", "item"])["status"]
    effects = effects.join(status, on=["before", "after", "item"])
    levels = table.levels
    who = f"{levels.focal[0]} minus {levels.reference}"
    what, unit = ("effect size", "SDs") if (effects["statistic"] == "es").all() else ("SMD", "score points")
    title = f"Change in {what}: {who}, matched on {found.matching}{_origin(table.origin)}"
    pair = ("before", "after") if effects["after"].nunique() > 1 else ()
    note = (
        f"change: after minus before, in {unit}; {found.level:.0%} intervals; adjusted p of a paired test.\n"
        "Changes in Liu–Agresti and ordinal effects, by resampled persons, stand in --json."
    )
    other = found.changes[found.changes["test"] != "paired"]
    return [
        Part("effect_changes", title, effects, (*pair, *CHANGES), note),
        Part("items", "DIF in each set", found.items, ITEMS),
        Part("other_changes", "Change in other statistics", other),
    ]


def _origin(origin: str) -> str:
    return f" · {origin} data" if origin else ""


def _facts(found: SetComparison, table: ScoreTable) -> dict[str, Any]:
    return {
        "groups": list(table.levels.groups),
        "match": found.matching,
        "left_out": found.left_out,
        "replicates": found.replicates,
    }


def _draw(folder: Path, found: SetComparison, table: ScoreTable, bands: tuple[float, float]) -> None:
    from psyalign.report.figures.dif_plots import DifPlots, write_dif_plots

    effects = {str(name): rows for name, rows in found.items.groupby("set", sort=False)}
    changes = found.changes[found.changes["test"] == "paired"]
    before, after = changes["before"].iloc[0], changes["after"].iloc[-1]
    change = changes[changes["after"] == after]
    status = found.status[found.status["after"] == after].set_index("item")["status"]
    plots = DifPlots(
        effects=effects,
        change=change.assign(status=change["item"].map(status)),
        pair=(str(before), str(after)),
        groups=table.levels.groups,
        matching=found.matching,
        bands=bands,
        level=found.level,
        origin=table.origin,
        title="DIF compared",
    )
    for path in write_dif_plots(folder, plots):
        print(f"wrote {path}", file=sys.stderr)
