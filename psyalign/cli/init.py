"""`psyalign init`: lay out a new study."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from psyalign.foundation.errors import UsageError

__all__ = ["init"]

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the study: new or empty.")],
    *,
    name: Annotated[
        str | None,
        typer.Option("--name", help="The study's name: small letters, digits, hyphens. [default: from DIR]"),
    ] = None,
    responses: Annotated[
        Path | None, typer.Option("--responses", help="Your responses: columns person, item, response.")
    ] = None,
    ratings: Annotated[
        Path | None, typer.Option("--ratings", help="Your scores: columns person, item, rater, score.")
    ] = None,
    persons: Annotated[
        Path | None, typer.Option("--persons", help="Your persons: column person and one per attribute.")
    ] = None,
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="ATTR", help="Attribute whose groups are compared, such as gender."),
    ] = None,
) -> None:
    """Lay out a new study to fill in.

    Writes a commented study.toml, an item bank with an example, tables and next steps. Your own tables are
    named in study.toml, not copied; their items get files to fill in.
    """
    from psyalign.cli.own_tables import OwnTables
    from psyalign.cli.scaffold import scaffold

    tables = OwnTables(responses, ratings, persons, group)
    for file in scaffold(folder, _study_name(name, folder), tables):
        print(f"wrote {file}")
    print(f"\nNext: read {folder / 'README.md'}, then `psyalign study check {folder}`.")


def _study_name(name: str | None, folder: Path) -> str:
    if name is None:
        return "-".join(re.findall(r"[a-z0-9]+", folder.resolve().name.lower())) or "study"
    if not NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot be a study's name.",
            where="--name",
            mend="Use small letters, digits, and single hyphens between them.",
        )
    return name
