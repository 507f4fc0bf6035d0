"""Options that the commands of `psyalign dif` share, and what is made of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from psyalign.foundation.errors import UsageError

if TYPE_CHECKING:
    from psyalign.dif import MatchSpec

Scores = Annotated[
    Path,
    typer.Argument(
        metavar="SCORES",
        help="CSV or Parquet. Long: columns person, item, score. Wide: column person and one per item.",
    ),
]
Group = Annotated[
    list[str],
    typer.Option("--group", help="Column with the groups, such as gender; given twice: intersections."),
]
Focal = Annotated[
    list[str] | None,
    typer.Option("--focal", help="Value of the focal group; several times for several.", show_default=False),
]
Reference = Annotated[
    str | None,
    typer.Option("--reference", help="Value of the reference group. [default: the only other value]"),
]
Match = Annotated[
    str, typer.Option("--match", help="Matching variable: total, rest, or a numeric column of the person.")
]
Strata = Annotated[
    str,
    typer.Option(
        "--strata", help="auto, thin (every distinct value), or a number of strata of equal counts."
    ),
]
Reliability = Annotated[
    float | None,
    typer.Option(
        "--reliability",
        min=0.01,
        max=1.0,
        help="Of the matching variable: persons are matched on their group's regressed true scores.",
    ),
]
Rater = Annotated[str | None, typer.Option("--rater", help="Use only this rater's rows of a ratings table.")]
Persons = Annotated[
    Path | None,
    typer.Option("--persons", help="Table with person, group and matching columns, if not in SCORES."),
]
Column = Annotated[
    str, typer.Option("--score", help="Column of the scores in a long table, such as expected.")
]
Items = Annotated[
    str | None,
    typer.Option("--items", help="Names of the items, comma-separated; item* fits many. [default: all]"),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object with everything.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Also write all columns of the items to this file.")]
Plots = Annotated[
    Path | None, typer.Option("--plots", help="Folder for drawings (SVG) and a page that shows them.")
]
Alpha = Annotated[float, typer.Option("--alpha", min=0.0001, max=0.4, help="Level of every test.")]
Correction = Annotated[
    str, typer.Option("--correction", help="For testing many items: holm, BH (false discovery) or none.")
]
Moderate = Annotated[float, typer.Option("--es-moderate", min=0.001, help="|ES| above which an item is BB.")]
Large = Annotated[float, typer.Option("--es-large", min=0.001, help="|ES| above which an item is CC.")]
MinGroup = Annotated[
    int, typer.Option("--min-group", min=4, help="With fewer persons in a group: not estimable.")
]
Bootstrap = Annotated[
    int, typer.Option("--bootstrap", min=0, help="Resamples of persons for intervals; 0: none.")
]
Seed = Annotated[int, typer.Option("--seed", help="Of random draws.")]


def names_of(text: str | None) -> tuple[str, ...]:
    """The names in a comma-separated option."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def match_spec(match: str, strata: str, anchors: str | None, reliability: float | None) -> MatchSpec:
    """The matching that the options ask for."""
    from psyalign.cli.score_tables import OF_SCORES
    from psyalign.dif import MatchSpec

    variable = match if match in OF_SCORES else "external"
    common = {"anchors": names_of(anchors) or None, "reliability": reliability}
    if strata in ("auto", "thin"):
        return MatchSpec(variable, bins=strata, **common)  # type: ignore[arg-type]
    if not strata.isdecimal() or int(strata) < 1:
        raise UsageError(
            f"'{strata}' is no way to form strata.",
            where="--strata",
            mend="Use auto, thin, or a number such as 10.",
        )
    return MatchSpec(variable, bins="equal", n_bins=int(strata), **common)  # type: ignore[arg-type]
