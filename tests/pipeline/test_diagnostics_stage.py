"""The tables of diagnostics: from kept scores and rewards, without a network, against a known truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax

from psyalign.agreement import bootstrap_agreement
from psyalign.align import mean_kl, optimal_log_probs, optimality_gap
from psyalign.align.diagnostics import ranked_probability_score
from psyalign.foundation.tables import read_table, write_parquet
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.audit import Audit
from psyalign.pipeline.stages.data import read_persons, read_scores, read_texts
from psyalign.pipeline.stages.diagnostics import diagnostic_tables
from psyalign.pipeline.stages.evidence import feedback_evidence
from psyalign.pipeline.stages.matrices import matrix
from psyalign.pipeline.stages.moves import preference_moves
from psyalign.report.schema import COLUMNS, DIAGNOSTICS
from psyalign.reward import RewardModel

Change = Callable[..., None]
Perform = Callable[..., Run]
Tables = dict[str, pd.DataFrame]
POINTS = np.arange(5)
BETA = 0.1


@dataclass
class Made:
    """A run whose data and feedback are real stages' and whose scores and rewards are made here."""

    run: Run
    audit: Audit
    rewards: pd.DataFrame

    def tables(self) -> Tables:
        frames = {}
        for arm, scores in self.audit.arms.items():
            frame = scores.merge(self.audit.human, on=["person", "item"])
            frames[arm] = frame.rename(columns={"score": "human"})
        return diagnostic_tables(self.run, self.audit, bootstrap_agreement(frames, replicates=200))

    def log_probs(self, arm: str) -> np.ndarray:
        return self.audit.arms[arm][[f"l{point}" for point in POINTS]].to_numpy(float)

    def audit_rewards(self) -> np.ndarray:
        ids = self.audit.arms["baseline"]["response_id"]
        return self.rewards.set_index("response_id").loc[ids].to_numpy(float)


def near(target: np.ndarray, width: float) -> np.ndarray:
    """Log-probabilities around a score that need not be whole."""
    return np.asarray(log_softmax(-((POINTS - target[:, None]) ** 2) / width, axis=1))


def scored(texts: pd.DataFrame, log_probs: np.ndarray) -> pd.DataFrame:
    """What the stage "scores" keeps."""
    table = texts[["response_id", "person", "item", "wording", "primary"]].reset_index(drop=True)
    table["modal"], table["expected"] = log_probs.argmax(axis=1), np.exp(log_probs) @ POINTS
    return table.assign(**{f"l{point}": log_probs[:, point] for point in POINTS})


def write_matrix(path: Path, ids: pd.Series, values: np.ndarray) -> pd.DataFrame:
    table = pd.DataFrame(values, columns=[f"s{point}" for point in POINTS])
    table.insert(0, "response_id", ids.to_numpy())
    path.parent.mkdir(exist_ok=True)
    write_parquet(path, table)
    return table


@pytest.fixture
def make(small_study: Path, change: Change, perform: Perform) -> Callable[..., Made]:
    """A run with a noisy baseline, and arms that a hacked or a fair reward made."""

    def build(hack: float = 0.0, *, persons: int = 300, seed: int = 3) -> Made:
        if "persons = 36" in small_study.read_text(encoding="utf-8"):
            change(small_study, "persons = 36", f"persons = {persons}")
            change(small_study, "bootstrap = 50", "bootstrap = 200")
        run = perform(small_study, "data", "feedback")
        rng = np.random.default_rng(seed)
        texts = pd.concat([read_texts(run, split=s, primary=True) for s in ("feedback", "audit")])
        texts = texts.reset_index(drop=True)
        human = pd.concat([read_scores(run, "criterion", s) for s in ("feedback", "audit")])
        truth = texts["response_id"].map(human.set_index("response_id")["score"]).to_numpy(float)
        length = texts["response"].str.len().to_numpy(float)
        length = (length - length.mean()) / length.std()
        reference = near(truth + rng.normal(scale=0.8, size=len(truth)), 1.0)
        wanted = truth + rng.normal(scale=0.6, size=len(truth)) + hack * length
        rewards = -((POINTS - wanted[:, None]) ** 2) / 5
        rewards -= rewards.mean(axis=1, keepdims=True)
        feedback = (texts["split"] == "feedback").to_numpy()
        table = write_matrix(run.path("reward", "rewards.parquet"), texts["response_id"], rewards)
        ids = texts.loc[feedback, "response_id"]
        write_matrix(run.path("reward", "reference.parquet"), ids, reference[feedback])
        shown = texts[~feedback].reset_index(drop=True)
        base, reward = reference[~feedback], rewards[~feedback]
        best = optimal_log_probs(base, reward, BETA)
        arms = {"baseline": base, "ppo": best, "equivalence": base, "ceiling": near(truth[~feedback], 0.5)}
        audit = Audit(
            read_scores(run, "criterion", "audit")[["person", "item", "score"]],
            {arm: scored(shown, values) for arm, values in arms.items()},
            read_persons(run).query("split == 'audit'").reset_index(drop=True),
        )
        return Made(run, audit, table)

    return build


def detector(tables: Tables, arm: str, name: str, feature: str = "") -> Any:
    table = tables["reward_hacking"].set_index(["arm", "detector", "feature"])
    return table.loc[(arm, name, feature)]


def test_tables_are_those_that_the_report_reads_and_hold_no_text(make: Callable[..., Made]) -> None:
    made = make(persons=60)
    tables = made.tables()
    assert set(tables) == set(DIAGNOSTICS)
    texts = set(read_texts(made.run)["response"])
    for name, table in tables.items():
        assert list(table.columns) == list(dict.fromkeys(table.columns)) and len(table)
        assert set(COLUMNS[name]) == set(table.columns), name
        for column in table.select_dtypes(exclude="number"):
            assert not texts & set(table[column].astype(str)), "no response text, nor its length, leaves"
    assert "characters" not in tables["reward_hacking"].columns
    again = made.tables()
    assert all(tables[name].equals(again[name]) for name in tables), "the same to the last digit"


def test_movement_is_the_exact_kl_overall_by_item_and_by_group(make: Callable[..., Made]) -> None:
    made = make(persons=60)
    table = made.tables()["alignment_kl"].set_index(["arm", "grouping", "level"])
    base, ppo, rewards = made.log_probs("baseline"), made.log_probs("ppo"), made.audit_rewards()
    row = table.loc[("ppo", "all", "all")]
    assert row["kl"] == pytest.approx(mean_kl(ppo, base), abs=1e-12)
    assert row["optimality_gap"] == pytest.approx(0, abs=1e-9), "it is the optimum"
    assert table.loc[("baseline", "all", "all"), "optimality_gap"] == pytest.approx(
        optimality_gap(base, base, rewards, BETA), abs=1e-9
    )
    gained = ((np.exp(ppo) - np.exp(base)) * rewards).sum(axis=1)
    assert row["reward_change"] == pytest.approx(gained.mean(), abs=1e-12)
    assert row["modal_changed"] == (ppo.argmax(axis=1) != base.argmax(axis=1)).mean()
    scores = made.audit.arms["ppo"]
    variety = scores["person"].map(made.audit.persons.set_index("person")["variety"])
    for grouping, level, chosen in (
        ("item", "loud-calls", scores["item"] == "loud-calls"),
        ("variety", "everyday", variety == "everyday"),
    ):
        found = table.loc[("ppo", grouping, level)]
        assert found["n"] == chosen.sum()
        assert found["kl"] == pytest.approx(mean_kl(ppo[chosen], base[chosen]), abs=1e-12)
    assert np.isnan(table.loc[("ceiling", "all", "all"), "kl"]), "it never had a reference"


def test_tax_is_paired_and_shares_its_qwk_with_the_table_of_agreement(make: Callable[..., Made]) -> None:
    made = make(persons=60)
    table = made.tables()["alignment_tax"].set_index(["arm", "metric"])
    human = made.audit.arms["baseline"].merge(made.audit.human, on=["person", "item"])["score"]
    rps = {arm: ranked_probability_score(made.log_probs(arm), human).mean() for arm in ("baseline", "ppo")}
    assert table.loc[("ppo", "rps"), "change"] == pytest.approx(rps["ppo"] - rps["baseline"], abs=1e-12)
    nothing = table.loc["equivalence"].drop(index="qwk")  # its scores are the baseline's
    assert (nothing[["change", "change_low", "change_high"]].abs() < 1e-12).all(axis=None)
    expected = made.audit.arms["ppo"]["expected"]
    slope = np.polyfit(expected, human, 1)[0]
    assert table.loc[("ppo", "slope"), "value"] == pytest.approx(slope, abs=1e-9)
    assert table.loc["baseline", ["change", "change_low"]].isna().all(axis=None)


def test_a_length_reward_is_alarmed_and_a_fair_one_is_not(make: Callable[..., Made]) -> None:
    hacked = make(1.5).tables()
    for arm in ("reward_model", "ppo"):
        row = detector(hacked, arm, "score_dependence", "length")
        assert row["alarm"] and row["change_low"] > 0.05, arm
    assert not detector(hacked, "equivalence", "score_dependence", "length")["alarm"], "it did not follow"
    assert detector(hacked, "ppo", "gold")["alarm"] and detector(hacked, "ppo", "gold")["value"] > 0
    assert detector(hacked, "reward_model", "held_out_gold")["alarm"]
    assert hacked["beta_choice"]["beta"].iloc[0] > 5 * BETA, "the gold asks for a stronger penalty"
    assert not hacked["reward_hacking"].query("detector == 'reward_dependence'")["alarm"].any()


def test_a_fair_reward_is_alarmed_no_more_often_than_by_chance(make: Callable[..., Made]) -> None:
    """Twenty fair runs; with one in forty by chance, three alarms of the 40 would be many."""
    raised = 0
    for seed in range(20):
        fair = make(0.0, seed=seed).tables()
        for feature in ("length", "variety: everyday"):
            raised += detector(fair, "ppo", "score_dependence", feature)["alarm"]
        assert not detector(fair, "ppo", "gold")["alarm"] and detector(fair, "ppo", "gold")["value"] < 0
        held = detector(fair, "reward_model", "held_out_gold")
        assert held["low"] > 0 and not held["alarm"]
        assert fair["beta_choice"]["cv_low"].iloc[0] > 0
    assert raised <= 3


@pytest.mark.parametrize("displaced", [False, True])
def test_preferred_scores_that_lose_probability_in_training_are_alarmed(
    make: Callable[..., Made], displaced: bool
) -> None:
    """Known moves: +.2 for the panel's score, −.1 for the rest; displaced, −.3 and −.5.

    That of two points below it the upper one is preferred, and falls, is no displacement.
    """
    made = make(persons=60)
    run = made.run
    preferences = read_table(run.path("feedback", "preferences.parquet"))
    scores = read_table(run.path("feedback", "scores.parquet")).set_index("response_id")["score"]
    asked: list[str] = []

    def arm(texts: pd.DataFrame) -> np.ndarray:
        asked.extend(texts["response_id"])
        kept = matrix(run.path("reward", "reference.parquet"), texts["response_id"])
        here = scores.loc[texts["response_id"]].to_numpy()[:, None] == POINTS
        return np.asarray(kept + np.where(here, *((-0.3, -0.5) if displaced else (0.2, -0.1))))

    moves = preference_moves(run, arm)
    assert sorted(asked) == sorted(set(preferences["response_id"])), "every response once"
    of_score = preferences["preferred"] == preferences["response_id"].map(scores)
    assert len(moves) == of_score.sum() < len(preferences)
    owner = read_texts(run).set_index("response_id")["person"]
    assert (moves["person"] == owner.loc[moves["response_id"]].to_numpy()).all()
    run.path("align", "ppo").mkdir(parents=True)
    write_parquet(run.path("align", "ppo", "moves.parquet"), moves)
    tables = made.tables()
    found, lead = (detector(tables, "ppo", name) for name in ("chosen", "chosen_lead"))
    assert found["value"] == pytest.approx(-0.3 if displaced else 0.2, abs=1e-9)
    assert lead["value"] == pytest.approx(0.2 if displaced else 0.3, abs=1e-9) and not lead["alarm"]
    assert found["alarm"] == displaced and ("100%" if displaced else "0%") in found["why"]
    arms = tables["reward_hacking"].query("detector == 'chosen'")["arm"]
    assert list(arms) == ["ppo"], "none for an arm that learned from no preferences"


def test_gap_is_not_shown_for_ipo(make: Callable[..., Made], small_study: Path, change: Change) -> None:
    change(small_study, "beta = 0.1", 'beta = 0.1\ndpo = "ipo"')
    made = make(persons=60)
    made.audit.arms["dpo"] = made.audit.arms["ppo"]
    table = made.tables()["alignment_kl"].set_index("arm")
    assert table.loc["dpo", "optimality_gap"].isna().all() and table.loc["dpo", "kl"].notna().all()
    assert table.loc["ppo", "optimality_gap"].notna().all()


def test_curve_is_of_feedback_persons_and_the_arms_of_audit_persons(make: Callable[..., Made]) -> None:
    made = make(persons=60)
    table = made.tables()["over_optimisation"]
    sweep = table[(table["kind"] == "sweep") & (table["persons"] == "held_out")]
    assert sweep["beta"].iloc[0] == np.inf and sweep["kl"].iloc[0] < 1e-12
    assert (np.diff(sweep["kl"]) >= -1e-12).all() and (np.diff(sweep["reward"]) >= -1e-12).all()
    assert sweep["study_beta"].sum() == sweep["best_beta"].sum() == 1
    part = feedback_evidence(made.run)["held_out"]
    best = optimal_log_probs(part.reference, part.rewards, BETA)
    row = sweep[sweep["study_beta"]].iloc[0]
    assert row["rps"] == pytest.approx(ranked_probability_score(best, part.scores).mean(), abs=1e-12)
    feedback = set(read_persons(made.run).query("split == 'feedback'")["person"])
    assert set(part.responses["person"]) <= feedback
    ended = table[table["kind"] == "arm"].set_index("arm")
    assert list(ended.index) == ["baseline", "ppo", "equivalence"] and (ended["persons"] == "audit").all()
    assert ended.loc["ppo", "kl"] == pytest.approx(mean_kl(made.log_probs("ppo"), made.log_probs("baseline")))


def test_what_trained_the_reward_model_is_never_held_out(
    small_study: Path, change: Change, perform: Perform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stage "reward" says which responses it fits; the diagnostics must come to the same ones."""
    change(small_study, "max_train_responses = 16", "max_train_responses = 4")
    change(small_study, "[scorer]\nepochs = 2", "[scorer]\nepochs = 1")
    seen: list[str] = []

    def fit(self: RewardModel, responses: pd.DataFrame, *_: Any, **__: Any) -> RewardModel:
        seen.extend(responses["response_id"])
        self.history_ = []
        return self

    monkeypatch.setattr(RewardModel, "fit", fit)
    run = perform(small_study, "data", "sft", "feedback", "reward")
    parts = feedback_evidence(run)
    assert seen and set(parts["learned_from"].responses["response_id"]) == set(seen)
    assert not set(parts["held_out"].responses["response_id"]) & set(seen)
    assert matrix(run.path("reward", "rewards.parquet"), pd.Series(seen)).shape[1] == 5


def test_ensemble_spread_is_used_where_there_is_one(make: Callable[..., Made]) -> None:
    made = make(persons=60)
    assert "spread" not in set(made.tables()["reward_hacking"]["detector"])
    best = optimal_log_probs(made.log_probs("baseline"), made.audit_rewards(), BETA)
    ids = made.audit.arms["baseline"]["response_id"]
    # Members disagree exactly where PPO puts its scores.
    write_matrix(made.run.path("reward", "spread.parquet"), ids, np.exp(best))
    found = detector(made.tables(), "ppo", "spread")
    assert found["alarm"] and found["change_low"] > 0
    assert found["value"] == pytest.approx((np.exp(best) ** 2).sum(axis=1).mean())
    assert not detector(made.tables(), "equivalence", "spread")["alarm"]
    assert len(read_table(made.run.path("reward", "spread.parquet"))) == len(ids)
