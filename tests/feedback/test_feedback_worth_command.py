"""`psyalign feedback worth` on a small finished run; data and raters are simulated."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from psyalign.cli.main import app
from psyalign.foundation.files import read_json, write_json
from psyalign.foundation.tables import read_table
from psyalign.pipeline import study_run
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.matrices import matrix
from psyalign.pipeline.worth import gap_worth
from tests.conftest import run_stages

SMALL = Path(__file__).parents[1] / "pipeline" / "small.toml"
MEMBERS = 3
CHANGES = (
    ("max_train_responses = 16", "max_train_responses = 4"),
    ("[scorer]\nepochs = 2", "[scorer]\nepochs = 1"),
    ("[reward]\nepochs = 1", f"[reward]\nepochs = 1\nensemble = {MEMBERS}"),
)
Worth = Callable[..., Result]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The stages that the command reads, and the manifest that says that a run is finished."""
    path = tmp_path_factory.mktemp("worth") / "study.toml"
    text = SMALL.read_text(encoding="utf-8")
    for old, new in CHANGES:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    run = run_stages(path, "data", "sft", "feedback", "reward")
    study_run._keep_items(run)
    write_json(run.path("manifest.json"), study_run._manifest(run, {}, "then"))
    return run


@pytest.fixture
def worth(finished: Run) -> Worth:
    def call(*options: object, run: str = "main") -> Result:
        where = [str(finished.study.folder), "--run", run]
        return CliRunner().invoke(app, ["feedback", "worth", *where, *map(str, options)])

    return call


@pytest.fixture
def altered(finished: Run) -> Callable[[int], None]:
    """A copy of the run, called "other", whose manifest has another ensemble and no members' rewards."""

    def make(ensemble: int) -> None:
        folder = finished.study.folder / "runs" / "other"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(finished.folder, folder)
        manifest = read_json(folder / "manifest.json")
        manifest["settings"]["reward"]["ensemble"] = ensemble
        write_json(folder / "manifest.json", manifest)
        (folder / "reward" / "members.parquet").unlink()

    return make


def test_members_rewards_are_kept(finished: Run) -> None:
    members = read_table(finished.path("reward", "members.parquet"))
    assert members["member"].unique().tolist() == list(range(1, MEMBERS + 1))
    ids = read_table(finished.path("reward", "rewards.parquet"))["response_id"]
    points = [name for name in members.columns if name[0] == "s"]
    by_member = members.groupby("response_id")[points]
    mean, spread = by_member.mean().loc[ids], by_member.std(ddof=1).loc[ids]
    np.testing.assert_allclose(mean, matrix(finished.path("reward", "rewards.parquet"), ids), atol=1e-6)
    np.testing.assert_allclose(spread, matrix(finished.path("reward", "spread.parquet"), ids), atol=1e-6)
    assert "members.parquet" in finished.facts("reward")["frozen"]


def test_questions_are_of_feedback_persons_the_reward_model_learns_from(finished: Run, worth: Worth) -> None:
    out, intervals = finished.study.folder / "next.csv", finished.study.folder / "intervals.csv"
    result = worth("--next", 10, "--out", out, "--dif-out", intervals)
    assert result.exit_code == 0, result.stderr
    assert "Expected optimality gap" in result.stdout and "DIF intervals" in result.stdout
    assert "ensemble = 8" in result.stderr, "three members are few"
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["judgements"] for row in rows] == ["4", "8"], "four pairs of five score points a response"
    assert {row["pairs"] for row in rows} == {"0-1 1-2 2-3 3-4"}
    persons = read_table(finished.path("data", "persons.parquet")).set_index("person")["split"]
    asked = [row["response_id"].split("|")[0] for row in rows]
    assert set(persons[asked]) == {"feedback"}
    texts = read_table(finished.path("data", "texts.parquet"))
    shown = result.stdout + result.stderr + out.read_text() + intervals.read_text()
    assert not [text for text in texts["response"] if text in shown]
    gaps = [float(row["expected_gap"]) for row in rows]
    gains = [float(row["gain"]) for row in rows]
    assert gaps[0] > gaps[1] > 0 and min(gains) > 0
    assert len(pd.read_csv(intervals)) == 2 * 3


def test_held_out_persons_are_not_asked(finished: Run) -> None:
    found = gap_worth(finished.folder, 100_000, pairs=True)
    texts = read_table(finished.path("data", "texts.parquet"))
    feedback = texts[(texts["split"] == "feedback") & texts["primary"]]
    assert found.responses == len(feedback)
    assert len(found.questions) == 4 * found.askable, "each pair once"
    assert not found.questions.duplicated(["response_id", "pairs"]).any()
    wins = read_table(finished.path("reward", "metrics.parquet")).set_index("metric")["value"]
    judged = read_table(finished.path("feedback", "preferences.parquet"))
    left = ~judged["response_id"].isin(found.questions["response_id"])
    assert left.sum() == wins["n_holdout"] and found.askable < found.responses
    assert (np.diff(found.curve["expected_gap"]) < 0).all()
    assert found.curve["judgements"].tolist()[:5] == [0, 1, 2, 5, 10]


def test_too_few_judgements_for_a_response_are_said_to_be(worth: Worth) -> None:
    result = worth("--next", 3)
    assert result.exit_code == 0 and "--pairs" in result.stderr and "(no rows)" in result.stdout


def test_json_has_all_three_tables(worth: Worth) -> None:
    result = worth("--next", 8, "--json")
    tables = [row["table"] for row in json.loads(result.stdout)]
    assert {name: tables.count(name) for name in set(tables)} == {"gap": 3, "questions": 2, "intervals": 6}


def test_one_reward_model_says_what_is_needed_and_still_gives_the_intervals(
    worth: Worth, altered: Callable[[int], None], tmp_path: Path
) -> None:
    altered(1)
    result = worth(run="other")
    assert result.exit_code == 0
    assert result.stderr.count("[reward] ensemble = 8") == 1
    assert "DIF intervals" in result.stdout and "optimality" not in result.stdout
    refused = worth("--out", tmp_path / "next.csv", run="other")
    assert refused.exit_code == 2 and "[reward] ensemble = 8" in refused.stderr
    assert not (tmp_path / "next.csv").exists()
    altered(8)
    assert "--fresh" in worth(run="other").stderr


def test_a_run_that_is_not_there_is_refused(worth: Worth) -> None:
    for name in ("nowhere", "../main"):
        result = worth(run=name)
        assert result.exit_code == 2 and "--run" in result.stderr
