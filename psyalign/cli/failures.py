"""What the user sees when a command fails, and the exit code that goes with it."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

from psyalign.cli.output import paint
from psyalign.foundation.errors import Interrupted, PsyalignError

__all__ = ["ShieldedGroup", "stop_on_sigterm"]

EXIT_USAGE = 2
EXIT_BUG = 70
EXIT_CTRL_C = 130

CTRL_C_MESSAGE = "Stopped by Ctrl-C. After `psyalign study run`, the same command goes on where it stopped."
HELD_BACK = "Its text is held back, as it may quote a response; `psyalign --debug …` shows it."
PACKAGE = Path(__file__).resolve().parent.parent


class ShieldedGroup(TyperGroup):
    """The root command group: turns every exception of a command into a message and an exit code.

    Expected errors print their message; anything else is our bug, and is named by its type
    and place only, because an exception's text may quote a response.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command; see the class for what happens to its exceptions."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException, BrokenPipeError):
            raise  # typer's own ways out: `--help`, wrong options, `psyalign … | head`
        except KeyboardInterrupt:
            _say("stopped", CTRL_C_MESSAGE)
            raise typer.Exit(EXIT_CTRL_C) from None
        except Exception as problem:
            raise typer.Exit(report_problem(problem, debug=bool(ctx.params.get("debug")))) from None


def report_problem(problem: Exception, *, debug: bool = False) -> int:
    """Print what went wrong to stderr, with `debug` after the traceback, and return the exit code."""
    if debug:
        _print_traceback(problem)
    if isinstance(problem, PsyalignError):
        _say("stopped" if isinstance(problem, Interrupted) else "error", str(problem))
        return problem.exit_code
    if isinstance(problem, OSError) and problem.filename is not None and problem.strerror:
        # The system refused a file (no permission, disk full): not a bug, and it holds no response text.
        _say("error", f"{problem.strerror}.\n  where: {problem.filename}")
        return EXIT_USAGE
    hint = "" if debug else f" {HELD_BACK}"
    _say("error", f"This is a bug in psyalign: {type(problem).__name__}{_place(problem)}.{hint}")
    return EXIT_BUG


@contextmanager
def stop_on_sigterm() -> Iterator[None]:
    """While the block runs, SIGTERM (a batch system's time limit, `kill`) raises Interrupted, exit code 4."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Interrupted(
            "The run was stopped by a signal (SIGTERM).",
            mend="Run the same command again: it goes on after the last finished stage.",
        )

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say(kind: str, message: str) -> None:
    print(f"{paint(kind, 'red', sys.stderr)}: {message}", file=sys.stderr)


def _place(problem: Exception) -> str:
    """' at psyalign/dif/cells.py:88', the innermost line of ours in the traceback; '' if there is none."""
    place = ""
    trace = problem.__traceback__
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if file.is_relative_to(PACKAGE):
            place = f" at {file.relative_to(PACKAGE.parent).as_posix()}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def _print_traceback(problem: Exception) -> None:
    import traceback

    traceback.print_exception(problem, file=sys.stderr)
