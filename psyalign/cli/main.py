"""The `psyalign` command: its groups, its top-level options and its entry point.

Command modules import nothing heavy at their top, so that `psyalign --help` answers at once.
"""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from psyalign import __version__
from psyalign.cli import data, demo, dif, doctor, evaluate, feedback, init, items, report, score, study
from psyalign.cli.failures import ShieldedGroup, report_problem
from psyalign.foundation.errors import PsyalignError
from psyalign.foundation.launch import Launch, launch

__all__ = ["app", "main"]

EPILOG = (
    "Exit codes: 0 done, 1 a gate was missed, 2 usage or study file, 3 bad items or data, "
    "4 interrupted and resumable, 70 a bug of ours, 130 Ctrl-C."
)

app = typer.Typer(
    name="psyalign",
    cls=ShieldedGroup,
    help="Score constructed responses, align the scorer with rater feedback, test DIF before and after.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # rich costs more to load than all of typer
    pretty_exceptions_enable=False,  # its tracebacks print local variables: responses among them
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"psyalign {__version__}")
        raise typer.Exit


@app.callback()
def root(
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            envvar="PSYALIGN_DEBUG",
            help="Show the traceback of an error. It may quote responses: mind where it goes.",
        ),
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Score constructed responses, align the scorer with rater feedback, test DIF before and after."""


app.command("init")(init.init)
app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.add_typer(items.app, name="items")
app.add_typer(data.app, name="data")
app.add_typer(study.app, name="study")
app.add_typer(feedback.app, name="feedback")
app.command("score")(score.score)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(dif.app, name="dif")
app.add_typer(report.app, name="report")


def main() -> None:
    """Run the command line; the console script and `python -m psyalign` call this."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 gets "?", not a crash
    started = launch()
    if started is None:
        app(prog_name="psyalign")
    else:
        _main_of_several(started)


def _main_of_several(started: Launch) -> None:
    """Under torchrun: process 0 runs the command, the others do their part in what it trains and scores."""
    from psyalign.scorer.distributed import together

    try:
        with together(started) as leads:
            if leads:
                try:
                    app(prog_name="psyalign")
                finally:  # when one process has ended, torchrun stops the others: the exit code stands
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    except PsyalignError as problem:  # they could not be joined: said once a machine
        code = problem.exit_code if started.local_rank else report_problem(problem)
        raise SystemExit(code) from None
