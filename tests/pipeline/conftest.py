"""What the tests of the pipeline share: a small study, and a way to run its first stages alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from psyalign.pipeline.run import Run
from tests.conftest import run_stages

Change = Callable[..., None]
Perform = Callable[..., Run]


@pytest.fixture
def small_study(tmp_path: Path) -> Path:
    """The study file of small.toml in a folder of its own."""
    path = tmp_path / "small" / "study.toml"
    path.parent.mkdir()
    path.write_text(Path(__file__).with_name("small.toml").read_text(encoding="utf-8"), encoding="utf-8")
    return path


@pytest.fixture
def change() -> Change:
    """Replace lines of a study file: change(path, "seed = 7", "seed = 8")."""

    def replace(path: Path, old: str, new: str) -> None:
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"'{old}' must be there once"
        path.write_text(text.replace(old, new), encoding="utf-8")

    return replace


@pytest.fixture
def perform() -> Perform:
    """Perform the named stages of a study and no others; returns the run."""
    return run_stages
