"""Data for the DIF tests: reference values (skipped visibly where they are missing) and simulated scores."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "dif"


@pytest.fixture(scope="session")
def reference() -> Callable[[str], tuple[pd.DataFrame, dict[str, Any]]]:
    """Table and values of one reference data set: "poly", "dich" or "paired"."""
    if not REFERENCE.is_dir():
        pytest.skip(f"no reference values: {REFERENCE} is missing")

    def load(name: str) -> tuple[pd.DataFrame, dict[str, Any]]:
        values = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
        return pd.read_csv(REFERENCE / f"{name}.csv"), values

    return load


def long_form(wide: pd.DataFrame) -> pd.DataFrame:
    """Persons x items -> person, item, score."""
    return wide.rename_axis("person").reset_index().melt("person", var_name="item", value_name="score")


def group_names(code: pd.Series) -> pd.Series:
    """1 focal, 0 reference."""
    return code.map({0: "reference", 1: "focal"})


def graded_responses(
    rng: np.random.Generator, n: int, items: int = 8, points: int = 4, impact: float = 0.0
) -> tuple[pd.DataFrame, pd.Series]:
    """Graded responses of n persons a group without DIF: wide scores 0..points, and the group."""
    focal = np.repeat([0, 1], n)
    theta = rng.normal(size=2 * n) - impact * focal
    slopes = rng.uniform(1.0, 2.0, items)
    cuts = np.linspace(-1.2, 1.2, points)[None] + rng.uniform(-0.6, 0.6, (items, 1))
    noise = rng.logistic(size=(2 * n, items))
    latent = slopes * theta[:, None] + noise
    scores = (latent[:, :, None] > slopes[None, :, None] * cuts[None]).sum(axis=2)
    names = [f"item{number:02d}" for number in range(1, items + 1)]
    return pd.DataFrame(scores, columns=names), group_names(pd.Series(focal))


# Test files cannot import from each other, so the helpers come as fixtures; they hold no state.
@pytest.fixture(scope="session")
def to_long():
    return long_form


@pytest.fixture(scope="session")
def groups():
    return group_names


@pytest.fixture(scope="session")
def graded():
    return graded_responses


@pytest.fixture(scope="session")
def sample():
    """(seed, n, items, points) -> long scores, group, total."""

    def draw(seed: int, n: int = 60, items: int = 4, points: int = 3):
        wide, group = graded_responses(np.random.default_rng(seed), n, items, points)
        return long_form(wide), group, wide.sum(axis=1)

    return draw
