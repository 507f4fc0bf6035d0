"""`psyalign items`: findings, lists, single items."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

Invoke = Callable[..., Result]


def test_check_says_that_all_is_well(invoke: Invoke, small_study: Path) -> None:
    result = invoke("items", "check", small_study / "items")
    assert (result.exit_code, result.stdout) == (0, "items: 2 items, no findings.\n")


def test_check_exits_3_on_an_error_finding(invoke: Invoke, small_study: Path) -> None:
    path = small_study / "items" / "first.toml"
    path.write_text(path.read_text().replace('label = "enough"', 'label = "nothing"'))
    result = invoke("items", "check", small_study / "items")
    assert result.exit_code == 3
    assert "first: score point 2: error: Another score point has the same label." in result.stdout
    levels = {
        row["level"] for row in json.loads(invoke("items", "check", small_study / "items", "--json").stdout)
    }
    assert levels == {"error"}


def test_show_lists_and_shows(invoke: Invoke, small_study: Path) -> None:
    bank = small_study / "items"
    listed = invoke("items", "show", bank)
    assert "first   Item first   care       0–2             6" in listed.stdout
    shown = invoke("items", "show", bank, "first")
    assert "What would you do?" in shown.stdout and "Enough is done." in shown.stdout
    record = json.loads(invoke("items", "show", bank, "first", "--json").stdout)[0]
    assert [point["score"] for point in record["rubric"]] == [0, 1, 2]


def test_show_suggests_the_item(invoke: Invoke, small_study: Path) -> None:
    result = invoke("items", "show", small_study / "items", "frist")
    assert result.exit_code == 2
    assert "Did you mean 'first'?" in result.stderr
