"""`psyalign --help` answers at once, because it loads nothing that computes."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

HEAVY = {"torch", "transformers", "peft", "statsmodels", "sklearn", "scipy", "numpy", "pandas", "pydantic"}
HEAVY |= {"matplotlib", "jinja2", "rich"}

LOADED = """
import sys
sys.argv = ["psyalign", *{arguments}]
from psyalign.cli.main import main
try:
    main()
except SystemExit:
    pass
print("LOADED", *sorted({{name.split(".")[0] for name in sys.modules}}))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["study", "--help"], ["dif", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    """Below the top level typer itself loads pydantic, to convert the values of options."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED.format(arguments=arguments)], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split()[1:])
    assert "typer" in loaded
    allowed = {"pydantic"} if len(arguments) > 1 else set()
    assert loaded & HEAVY <= allowed


def test_help_starts_in_less_than_twice_the_time_of_importing_typer() -> None:
    """Fastest of seven, taken in turns: noise of a busy machine only ever adds time."""
    typer_alone, with_help = [], []
    for _ in range(7):
        typer_alone.append(_seconds("-c", "import typer"))
        with_help.append(_seconds("-m", "psyalign", "--help"))
    assert min(with_help) < 2 * min(typer_alone)


def _seconds(*arguments: str) -> float:
    """With psyalign's bytecode on disk, as an installed typer's is, whatever this process was told."""
    told = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True, env=told)
    return time.perf_counter() - start


def test_python_m_psyalign_passes_the_exit_code_on() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "psyalign", "items", "check", "no-such-bank"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert done.stdout == ""
    assert "no-such-bank" in done.stderr


def test_a_terminal_that_is_not_utf8_does_not_crash_the_output() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "psyalign", "items", "check", "no–such"],
        capture_output=True,
        check=False,
        env={"PATH": "", "PYTHONIOENCODING": "ascii", "PYTHONPATH": ":".join(sys.path)},
    )
    assert done.returncode == 3
    assert b"no?such" in done.stderr
