"""`--gate`: the gates of a finished run, and the exit code that goes with them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from psyalign.cli.output import paint

__all__ = ["Gated", "hold_to_gates"]

EXIT_MISSED = 1
Gated = Annotated[
    bool, typer.Option("--gate", help="Exit with code 1 if a gate of the study ([gates]) is missed.")
]


def hold_to_gates(run: Path) -> None:
    """Say on stderr which gates are missed or not assessable; raise typer.Exit(1) if one is missed.

    Raises
    ------
    RunError
        The run was made before there were gates.
    typer.Exit
        A gate is missed, and the study has [gates]: its defaults alone fail nothing.
    """
    from psyalign.foundation.errors import RunError
    from psyalign.foundation.tables import read_table

    path = run / "tables" / "gates.parquet"
    if not path.is_file():
        raise RunError(
            "The run has no table of gates.",
            where=str(path),
            mend="Run the study again: finished stages are skipped.",
        )
    rows = read_table(path).to_dict("records")
    if not any(row["binding"] for row in rows):
        _say("no gates", "The study file has no [gates], so nothing fails; the report shows the defaults.")
        return
    for row in rows:
        name = f"{row['what']}, {row['scope']}" if row["scope"] else str(row["what"])
        if row["status"] == "missed":
            _say("missed", f"{name}: {float(row['value']):.2f}, asked {row['asked']}.", "red")
        elif row["status"] == "not assessable":
            _say("not assessable", f"{name}: {row['reason']}.")
    if any(row["status"] == "missed" for row in rows):
        raise typer.Exit(EXIT_MISSED)


def _say(kind: str, text: str, colour: str = "bold") -> None:
    print(f"{paint(kind, colour, sys.stderr)}: {text}", file=sys.stderr)
