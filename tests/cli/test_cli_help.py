"""Every command has help, and README.md tells about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import Result

from psyalign.cli.main import app

README = Path(__file__).parents[2] / "README.md"


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All commands that do something, with their names from the top."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield path, command
        return
    for name, sub in inner.items():
        yield from commands(sub, (*path, name))


ALL = list(commands(typer.main.get_command(app)))
NAMES = [" ".join(path) for path, _ in ALL]


def test_the_commands_are_these() -> None:
    top = ["init", "demo", "doctor", "score", "evaluate"]
    grouped = {"items": ["check", "show"], "data": ["import", "check"], "study": ["check", "plan", "run"]}
    grouped |= {"report": ["build", "compare"], "dif": ["test", "compare", "power"]}
    grouped |= {"feedback": ["collect", "status", "raters", "judge", "worth", "export", "import"]}
    assert sorted(NAMES) == sorted(
        [*top, *(f"{group} {name}" for group in grouped for name in grouped[group])]
    )


@pytest.mark.parametrize(("path", "command"), ALL, ids=NAMES)
def test_command_has_help(path: tuple[str, ...], command: Any) -> None:
    assert command.help and command.help.strip().endswith(".")
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{parameter.name} of {' '.join(path)} has no help"


@pytest.mark.parametrize(("path", "command"), ALL, ids=NAMES)
def test_help_is_printed(path: tuple[str, ...], command: Any, invoke: Callable[..., Result]) -> None:
    result = invoke(*path, "--help")
    assert result.exit_code == 0
    assert f"psyalign {' '.join(path)}" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize("name", NAMES)
def test_command_is_in_readme(name: str) -> None:
    if not README.is_file():
        pytest.skip("README.md is not written yet")
    assert f"psyalign {name}" in README.read_text(encoding="utf-8")
