"""`psyalign dif`: DIF analyses of any table of scores, without a study."""

from __future__ import annotations

import typer

from psyalign.cli.dif.compare import compare
from psyalign.cli.dif.default import DefaultGroup
from psyalign.cli.dif.power import power
from psyalign.cli.dif.test import test

__all__ = ["app"]

app = typer.Typer(
    cls=DefaultGroup,
    help=(
        "Differential item functioning of any scores: `psyalign dif SCORES …` tests the items of one "
        "table (`psyalign dif test --help` has its options)."
    ),
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)
app.command("test")(test)
app.command("compare")(compare)
app.command("power")(power)
