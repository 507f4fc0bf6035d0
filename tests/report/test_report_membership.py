"""The limits say whether training looked at group membership."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from psyalign.report.content import Bullets
from psyalign.report.load import load_run
from psyalign.report.sections.limits import limits_section


@pytest.mark.parametrize("option", ["", "group_robust", "dif_penalty", "parity_penalty"])
def test_membership_is_named_where_training_looked_at_it(make_run: Callable[..., Path], option: str) -> None:
    run = make_run()
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    manifest["settings"]["align"] = {"dif_penalty": 0.0, **({option: 0.5} if option else {})}
    (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (block,) = limits_section(load_run(run)).blocks
    assert isinstance(block, Bullets)
    text = dict(block.entries).get("Group membership in training.", "")
    assert bool(text) == bool(option)
    if option:
        assert f"(variety): {option} = 0.5." in text and "never an input of the scorer" in text
