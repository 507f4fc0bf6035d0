"""A study whose raters said only what means the same: aligned without score feedback or reward model."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from psyalign.cli.main import app
from psyalign.foundation.errors import DataError, RunError
from psyalign.foundation.tables import read_table
from psyalign.pipeline import run_study
from psyalign.pipeline.run import Run
from psyalign.pipeline.worth import gap_worth
from psyalign.report import build_report
from psyalign.study import load_study
from psyalign.study.plan import plan
from tests.conftest import run_stages

Change = Callable[..., None]
Perform = Callable[..., Run]

SAID = (
    "There was no score feedback, so this run has no reward model, no optimality gap and no "
    "over-optimisation curve."
)
CHANGES = {
    'source = "panel"\nrater = "panel"': 'source = "records"\nrecords = "same.jsonl"',
    'equivalence = "alternates"': 'equivalence = "records"',
    "max_equivalences = 6": "max_equivalences = 100",
    "beta = 0.1": 'arms = ["baseline", "equivalence"]',
    "max_train_responses = 16": "max_train_responses = 4",
    "bootstrap = 50": "bootstrap = 20\nwording_probes = 1",
}
IN_REWARD = ("reward", "over_optimisation", "beta_choice", "reward_hacking")


def write_records(path: Path, records: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


def lay_out(folder: Path) -> Path:
    """The small study with the judgements of two raters, who were shown the same pairs."""
    folder.mkdir()
    path = folder / "study.toml"
    text = Path(__file__).with_name("small.toml").read_text(encoding="utf-8")
    path.write_text(text, encoding="utf-8")
    lines = run_stages(path, "data", "feedback").path("feedback", "records.jsonl").read_text(encoding="utf-8")
    pairs = [record for record in map(json.loads, lines.splitlines()) if record["kind"] == "equivalence"]
    judged = [{**pair, "rater": name, "source": "page"} for name in ("ana", "ben") for pair in pairs]
    judged[-1]["same"] = False
    write_records(folder / "same.jsonl", judged)
    for old, new in CHANGES.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    shutil.rmtree(folder / "runs")
    return path


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of such a study, not run yet."""
    return lay_out(tmp_path_factory.mktemp("equivalence") / "same").parent


@pytest.fixture(scope="module")
def made(laid_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it, run, with its report."""
    folder = Path(shutil.copytree(laid_out, tmp_path_factory.mktemp("made") / "same"))
    build_report(run_study(folder / "study.toml"), folder / "report")
    return folder


@pytest.fixture
def study(laid_out: Path, tmp_path: Path) -> Path:
    """A copy of the study, to be changed."""
    return Path(shutil.copytree(laid_out, tmp_path / "same")) / "study.toml"


@pytest.fixture
def again(made: Path, tmp_path: Path) -> Path:
    """A copy of the study with its run, to be changed and run again."""
    return Path(shutil.copytree(made, tmp_path / "again")) / "study.toml"


def table(made: Path, name: str) -> pd.DataFrame:
    return read_table(made / "runs" / "main" / "tables" / f"{name}.parquet")


@pytest.mark.slow
def test_the_arm_learns_from_the_pairs_and_no_reward_model_is_made(made: Path) -> None:
    run = made / "runs" / "main"
    kept = {path.name for path in (run / "reward").iterdir()}
    assert {"reference.parquet", "raters.parquet", "loss.parquet"} <= kept
    assert not kept & {"rewards.parquet", "metrics.parquet", "scores.parquet", "model.safetensors"}
    facts = json.loads((run / "reward" / "done.json").read_text(encoding="utf-8"))["facts"]
    assert facts["said"].startswith("no reward model") and "reference.parquet" in facts["frozen"]
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    hashes = manifest["scorer"]["hashes"]
    assert "reward" not in hashes and hashes["align/equivalence"] != hashes["sft"]
    arms = table(made, "arms").set_index("arm")
    assert arms.loc["equivalence", "mean_kl"] > 0 and arms.loc["baseline", "mean_kl"] == 0
    assert arms["optimality_gap"].isna().all() and set(arms["gap_kind"]) == {"none"}
    assert arms.loc["equivalence", "feedback_records"] > 0
    assert not any((run / "tables" / f"{name}.parquet").exists() for name in IN_REWARD)
    assert set(table(made, "feedback")["kind"]) == {"equivalence"}
    assert len(table(made, "alignment_tax")) and table(made, "alignment_kl")["kl"].notna().all()


@pytest.mark.slow
def test_the_report_says_so_in_a_sentence_and_shows_nothing_that_is_counted_in_reward(made: Path) -> None:
    report = made / "report"
    page = (report / "report.html").read_text(encoding="utf-8")
    text = " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())
    with zipfile.ZipFile(report / "report.docx") as packed:
        word = unescape(re.sub(r"<[^>]+>", "", packed.read("word/document.xml").decode()))
    tree = (report / "report.json").read_text(encoding="utf-8")
    for found in (text, word, tree):
        assert found.count(SAID) == 1
        assert "Reward gained" not in found and "reward was gamed" not in found
        assert not re.search(r"\bnan\b", found, re.IGNORECASE)
    assert "What alignment cost" in text and "Optimality gap" not in text and "Optimality gap" not in word
    assert "none: there was no score feedback" in text, "the model card"
    assert "The feedback, by 2 raters: " in text
    assert not list((report / "figures").glob("over-optimisation*"))
    names = {path.stem for path in (report / "tables").iterdir()}
    assert not names & set(IN_REWARD) and {"alignment_kl", "alignment_tax", "arms"} <= names


@pytest.mark.slow
def test_check_plan_and_a_second_run_pass(again: Path) -> None:
    rows = {row.stage: row.what for row in plan(load_study(again))}
    assert rows["reward"].startswith("reward model if there are score preferences")
    for command in ("check", "plan", "run"):
        found = CliRunner().invoke(app, ["study", command, str(again)])
        assert found.exit_code == 0, found.output
    assert "optimality gap" not in found.output.lower()


def test_an_arm_that_needs_scores_is_named(study: Path, change: Change, perform: Perform) -> None:
    change(study, '"equivalence"]', '"equivalence", "dpo", "ppo+equivalence"]')
    with pytest.raises(DataError, match="no score preference") as caught:
        perform(study, "data", "feedback")
    assert "the arms dpo, ppo+equivalence learn from score preferences" in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["refit", "dpo", "closed_form"])
def test_an_arm_that_needs_scores_is_refused_in_a_run_made_without(
    again: Path, change: Change, arm: str
) -> None:
    change(again, '"equivalence"]', f'"equivalence", "{arm}"]')
    with pytest.raises(DataError, match="no score preference") as caught:
        run_study(again)
    assert f"the arm {arm} learns from score preferences" in str(caught.value)


def test_ratings_are_not_passed_over(study: Path, perform: Perform) -> None:
    path = study.with_name("same.jsonl")
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rated = {
        "kind": "rating",
        "item": records[0]["item"],
        "response_id": records[0]["response_a"],
        "score": 1,
    }
    write_records(path, [*records, {**rated, "rater": "ana", "source": "page"}])
    with pytest.raises(DataError, match="no score preference") as caught:
        perform(study, "data", "feedback")
    assert "adjust_severity = true makes preferences of them" in str(caught.value)


def test_raters_can_be_excluded_and_unused_comparisons_are_told(
    study: Path, change: Change, perform: Perform
) -> None:
    path = study.with_name("same.jsonl")
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    first = {name: records[0][name] for name in ("item", "response_a", "response_b")}
    liked = {"kind": "response_preference", **first, "preferred": "a", "rater": "ana", "source": "page"}
    write_records(path, [*records, liked])
    change(study, 'equivalence = "records"', 'equivalence = "records"\nexclude_raters = ["ben"]')
    run = perform(study, "data", "sft", "feedback", "reward")
    facts = run.facts("feedback")
    assert facts["pairs"] == len(records) // 2 and facts["preferences"] == facts["scores"] == 0
    assert any("comparisons of responses were not used" in text for text in facts["warnings"])
    raters = read_table(run.path("reward", "raters.parquet")).set_index("rater")
    assert list(raters["excluded"]) == [False, True]


@pytest.mark.slow
def test_a_run_without_reward_model_cannot_say_what_to_ask_next(made: Path) -> None:
    with pytest.raises(RunError, match="no reward model"):
        gap_worth(made / "runs" / "main", 5)
