"""`psyalign demo`: copy the shipped simulated study and run it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from psyalign.cli.study import STUDY_FILE, run_and_report
from psyalign.foundation.errors import UsageError

__all__ = ["demo"]

DEMO_STUDY = "workplace-sjt"


def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the demo: new, empty, or an earlier demo.")
    ] = Path("psyalign-demo"),
) -> None:
    """Run a complete simulated study, data to report.

    Takes about ten minutes on two CPU cores and downloads nothing. Interrupted, it goes on where it stopped.
    """
    prepare_demo(out)
    print(f"The demo study is in {out}; its answers, persons and raters are simulated.", file=sys.stderr)
    run_and_report(out / STUDY_FILE, run="main", fresh=False, reports=out / "reports" / DEMO_STUDY / "main")


def prepare_demo(out: Path) -> None:
    """Copy the demo study to `out`, or leave an earlier copy as it is so that its run goes on.

    Raises
    ------
    UsageError
        `out` holds something else.
    """
    from psyalign.foundation.shipped import shipped_folder

    source = shipped_folder("studies") / DEMO_STUDY
    copy = out / STUDY_FILE
    if copy.is_file() and copy.read_bytes() == (source / STUDY_FILE).read_bytes():
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            "The demo needs a new or empty folder.",
            where=str(out),
            mend="Name another with `psyalign demo --out DIR`.",
        )
    shutil.copytree(source, out, ignore=shutil.ignore_patterns("runs", "__pycache__"), dirs_exist_ok=True)
