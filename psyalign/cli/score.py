"""`psyalign score`: score new responses with an arm of a finished run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["score"]


def score(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A finished run's folder: studies/…/runs/<run>.")
    ],
    responses: Annotated[
        Path,
        typer.Argument(metavar="RESPONSES", help="CSV or Parquet with the columns person, item, response."),
    ],
    arm: Annotated[
        str, typer.Option("--arm", help="Which of the run's scorers: baseline, dpo, equivalence, …")
    ],
    out: Annotated[Path, typer.Option("--out", help="CSV file for the scores.")],
) -> None:
    """Score new responses with a trained scorer."""
    from psyalign.pipeline import score_responses

    score_responses(run, arm, responses, out)
    print(f"The scores are in {out}.", file=sys.stderr)
