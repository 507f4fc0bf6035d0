"""`psyalign data`: import public data, summarise a study's data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from psyalign.cli.output import show_table
from psyalign.cli.study import StudyPath, study_file
from psyalign.foundation.errors import UsageError

if TYPE_CHECKING:
    from psyalign.items import ItemBank
    from psyalign.responses import Dataset

__all__ = ["app"]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
MINDCA_FILE = "mindca_two_scores.csv"
MAX_LEVELS = 12

app = typer.Typer(
    help="Import public data, check a study's data.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


def _import_mindca(path: Path, out: Path) -> dict[str, Any]:
    from psyalign.responses import import_mindca

    return import_mindca(path / MINDCA_FILE if path.is_dir() else path, out)


IMPORTERS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {"mindca": _import_mindca}


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Which data: mindca.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The downloaded file, or its folder.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for the tables. [default: studies/<source>/data]", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Turn a public data set into psyalign's tables: responses, ratings, persons, source."""
    if source not in IMPORTERS:
        raise UsageError(f"There is no importer for '{source}'.", mend=f"There are: {', '.join(IMPORTERS)}.")
    folder = out or Path("studies") / source / "data"
    summary = IMPORTERS[source](path, folder)
    show_table([summary] if as_json else list(_lines(summary)), as_json=as_json, title=f"{source} → {folder}")


@app.command()
def check(study: StudyPath, as_json: AsJson = False) -> None:
    """Load a study's data with all checks and count persons, responses and scores."""
    from psyalign.pipeline import load_study_data
    from psyalign.study import load_study

    settings = load_study(study_file(study))
    bank, dataset = load_study_data(settings)
    show_table(
        _summary(bank, dataset), as_json=as_json, title=f"{settings.study.title} ({dataset.origin} data)"
    )


def _lines(summary: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Numbers first, then what was found odd in the data and by which rule it was handled."""
    for name, value in summary.items():
        if not isinstance(value, dict | list):
            yield {"what": name.replace("_", " "), "count": value, "rule": ""}
    for name, quirk in summary.get("quirks", {}).items():
        yield {"what": name.replace("_", " "), "count": quirk["count"], "rule": quirk["rule"]}


def _summary(bank: ItemBank, dataset: Dataset) -> list[dict[str, Any]]:
    """Rows of what, which, count: sizes, levels of the attributes, scores that each rater gave."""
    rows: list[dict[str, Any]] = [{"what": "bank", "which": bank.id, "count": len(bank.items)}]
    rows += [
        {"what": name.replace("_", " "), "which": "all", "count": number}
        for name, number in dataset.counts().items()
    ]
    for attribute in dataset.attributes:
        rows += _level_counts(dataset.persons[attribute], attribute)
    for rater, given in dataset.ratings.groupby("rater", sort=True):
        counts = given["score"].value_counts().sort_index()
        rows += [
            {"what": f"rater {rater}", "which": f"score {score}", "count": int(count)}
            for score, count in counts.items()
        ]
        unscored = len(dataset.responses) - len(given)
        rows.append({"what": f"rater {rater}", "which": "not scored", "count": unscored})
    return rows


def _natural(level: str) -> tuple[float, str]:
    """Numbers by size, then words by letter."""
    try:
        return float(level), ""
    except ValueError:
        return float("inf"), level


def _level_counts(column: Any, name: str) -> list[dict[str, Any]]:
    counts = column[column != ""].value_counts()
    counts = counts[sorted(counts.index, key=_natural)]
    rows = [{"what": name, "which": str(level), "count": int(count)} for level, count in counts.items()]
    if len(rows) > MAX_LEVELS:  # ages, dates: the levels would drown the table
        rows = [{"what": name, "which": f"{len(rows)} different values", "count": int(counts.sum())}]
    missing = len(column) - int(counts.sum())
    return rows + ([{"what": name, "which": "missing", "count": missing}] if missing else [])
