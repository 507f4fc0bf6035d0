"""Two finished runs of one study with scores row by row: the same persons, scored by two scorers."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.report.conftest import write_run

ScoredMaker = Callable[..., Path]

SECRET = "a private sentence nobody may print"
PERSONS, ITEMS, POINTS = 160, 5, 5
ARMS = ["baseline", "refit", "equivalence"]
TITLES = ["The late report", "A colleague takes credit", "Two deadlines", "The new software", "A rumour"]
STUDY = """
[study]
name = "demo"
seed = 1
[items]
bank = "workplace-sjt"
[data]
source = "simulate"
[groups.variety]
reference = "standard"
focal = "everyday"
[feedback]
source = "panel"
equivalence = "alternates"
neutral_wording = "standard"
[align]
arms = ["baseline", "refit", "equivalence"]
"""


def people(seed: int, n_persons: int = PERSONS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Persons with their group, and the human scores of their responses."""
    rng = np.random.default_rng(seed)
    persons = pd.DataFrame({"person": [f"p{k:04}" for k in range(n_persons)], "split": "audit"})
    persons["variety"] = np.where(np.arange(n_persons) % 2, "everyday", "standard")
    level = 2 + 0.8 * rng.normal(size=n_persons)[:, None] + 0.8 * rng.normal(size=(n_persons, ITEMS))
    rows = [(person, f"item-{k}") for person in persons["person"] for k in range(1, ITEMS + 1)]
    human = pd.DataFrame(rows, columns=["person", "item"]).assign(split="audit")
    return persons, human.assign(score=np.clip(np.rint(level), 0, POINTS - 1).ravel().astype(int))


def policy(human: pd.DataFrame, shift: np.ndarray, noise: float, seed: int) -> pd.DataFrame:
    """Scores of a scorer whose mean is the human score plus a shift and noise."""
    rng = np.random.default_rng(seed)
    mean = human["score"].to_numpy(float) + shift + rng.normal(0, noise, len(human))
    logits = -((np.arange(POINTS) - mean[:, None]) ** 2)
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    table = human[["person", "item"]].assign(primary=True)
    table["response_id"] = table["person"] + "|" + table["item"]
    table["modal"], table["expected"] = logs.argmax(axis=1), np.exp(logs) @ np.arange(POINTS)
    return table.assign(**{f"l{k}": logs[:, k] for k in range(POINTS)})


def write_scored(
    folder: Path,
    *,
    shift: float = -0.6,
    noise: float = 0.4,
    seed: int = 1,
    people_seed: int = 5,
    n_persons: int = PERSONS,
    **options: Any,
) -> Path:
    """Write a run with scores of its persons; `shift` is the focal group's in the arm "equivalence"."""
    run = write_run(folder, **{"arms": ARMS, "titles": TITLES, "seed": seed, **options})
    persons, human = people(people_seed, n_persons)
    focal = human["person"].map(persons.set_index("person")["variety"]).eq("everyday").to_numpy(float)
    texts = human[["person", "item", "split"]].assign(primary=True, wording="plain")
    texts["response_id"] = texts["person"] + "|" + texts["item"]
    texts["response"] = [f"{SECRET} {k}" for k in range(len(texts))]
    write_table(run / "data" / "persons.parquet", persons)
    write_table(run / "data" / "criterion.parquet", human)
    write_table(run / "data" / "texts.parquet", texts)
    for place, arm in enumerate(options.get("arms", ARMS)):
        by = shift if arm == "equivalence" else -0.8
        scores = policy(human, by * focal, noise, seed=100 * seed + place)
        write_table(run / "scores" / arm / "scores.parquet", scores)
    return run


def write_table(path: Path, table: pd.DataFrame) -> None:
    """A Parquet file and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path, index=False)


def write_two_runs(home: Path) -> tuple[Path, Path]:
    """Runs "first" and "second" of the study "demo"; the second is nearer the human scores."""
    study = home / "studies" / "demo"
    study.mkdir(parents=True)
    (study / "study.toml").write_text(STUDY, encoding="utf-8")
    first = write_scored(study / "runs" / "first")
    second = write_scored(study / "runs" / "second", shift=-0.2, noise=0.3, seed=2)
    return first, second


@pytest.fixture(name="write_scored")
def write_scored_fixture() -> ScoredMaker:
    """`write_scored` itself: write_scored(folder, shift=-0.6, noise=0.4, seed=1)."""
    return write_scored


@pytest.fixture(scope="session")
def scored_runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The two runs of `write_two_runs`. Read only."""
    return write_two_runs(tmp_path_factory.mktemp("home"))


@pytest.fixture
def copied(tmp_path: Path, scored_runs: tuple[Path, Path]) -> tuple[Path, Path]:
    """Copies of the two runs that a test may change."""
    made = [Path(shutil.copytree(run, tmp_path / "runs" / run.name)) for run in scored_runs]
    return made[0], made[1]
