"""No training and no feedback ever sees an audit person; the trainings see what they should."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import logsumexp

Finished = Any  # the fixture's class, in conftest.py

WITH_SCORES = ("refit", "dpo", "ppo", "dpo+equivalence", "ppo+equivalence")
WITH_PAIRS = ("equivalence", "dpo+equivalence", "ppo+equivalence")


def persons(run: Finished, split: str) -> set[str]:
    table = run.table("data", "persons")
    return set(table.loc[table["split"] == split, "person"])


def of_person(ids: pd.Series) -> set[str]:
    return set(ids.str.split("|").str[0])


@pytest.fixture(params=["unbroken", "filed"])
def run(request: pytest.FixtureRequest) -> Finished:
    return request.getfixturevalue(request.param)


def test_trainings_saw_only_the_persons_of_their_split(run: Finished) -> None:
    assert {"sft", "reward"} < set(run.seen)
    for label, frame in run.seen.items():
        of = "train" if label in ("sft", "ceiling") else "feedback"
        ids = frame["response_id"]
        assert len(ids) and of_person(ids) <= persons(run, of), label


def test_texts_that_trainings_saw_are_those_of_their_ids(run: Finished) -> None:
    texts = run.table("data", "texts").set_index("response_id")["response"]
    for label, frame in run.seen.items():
        assert (frame["response"].to_numpy() == texts.loc[frame["response_id"]].to_numpy()).all(), label


def test_feedback_tables_hold_no_audit_person(run: Finished) -> None:
    """Joined by response id over all that the stages keep."""
    audit = persons(run, "audit")
    texts = run.table("data", "texts")
    of_audit = texts.loc[texts["person"].isin(audit), ["response_id"]]
    for name, column in (
        ("preferences", "response_id"),
        ("scores", "response_id"),
        ("pairs", "response_a"),
        ("pairs", "response_b"),
    ):
        table = run.table("feedback", name)
        assert len(table)
        assert table.merge(of_audit, left_on=column, right_on="response_id").empty, name
    for line in (run.folder / "feedback" / "records.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        ids = [record[key] for key in ("response_id", "response_a", "response_b") if key in record]
        assert of_person(pd.Series(ids)).isdisjoint(audit)
    reference = run.table("reward", "reference")
    assert reference.merge(of_audit, on="response_id").empty


def test_scores_are_the_audit_persons_alone(run: Finished) -> None:
    for folder in (run.folder / "scores").iterdir():
        assert set(run.table("scores", folder.name, "scores")["person"]) == persons(run, "audit")


def test_ceiling_and_baseline_learn_from_the_same_responses(unbroken: Finished) -> None:
    sft, ceiling = (unbroken.seen[label].sort_values("response_id") for label in ("sft", "ceiling"))
    assert sft["response_id"].tolist() == ceiling["response_id"].tolist()
    assert len(sft) == 16, "max_train_responses"
    for frame, role in ((sft, "operational"), (ceiling, "criterion")):
        scores = unbroken.table("data", role).set_index(["person", "item"])["score"]
        keys = pd.MultiIndex.from_frame(frame[["person", "item"]])
        assert (frame["given"].to_numpy() == scores.loc[keys].to_numpy()).all()
    assert (sft["given"].to_numpy() != ceiling["given"].to_numpy()).any(), "the raters differ"


def test_baseline_learns_from_answers_in_the_persons_own_words(unbroken: Finished) -> None:
    """Other wordings are nobody's answer: they are no training data, and no feedback on scores."""
    texts = unbroken.table("data", "texts").set_index("response_id")["primary"]
    for label, frame in unbroken.seen.items():
        assert texts.loc[frame["response_id"]].all(), label


def test_which_arm_learned_from_what(unbroken: Finished) -> None:
    assert set(unbroken.seen) == {"sft", "ceiling", "reward", *WITH_SCORES}
    assert set(unbroken.pairs) == set(WITH_PAIRS)
    preferences = set(unbroken.table("feedback", "preferences")["response_id"])
    for arm in WITH_SCORES:
        assert set(unbroken.seen[arm]["response_id"]) == preferences, arm
    assert set(unbroken.seen["reward"]["response_id"]) < preferences, "some persons are held out"


def test_reward_is_tested_on_persons_that_it_did_not_see(unbroken: Finished) -> None:
    preferences = unbroken.table("feedback", "preferences")
    metrics = unbroken.table("reward", "metrics").set_index("metric")["value"]
    trained = of_person(unbroken.seen["reward"]["response_id"])
    held_out = of_person(preferences["response_id"]) - trained
    of_trained = preferences["response_id"].str.split("|").str[0].isin(trained)
    assert held_out
    assert (metrics["n_train"], metrics["n_holdout"]) == (of_trained.sum(), (~of_trained).sum())
    assert 0 <= metrics["holdout_accuracy"] <= 1


@pytest.mark.parametrize("name", ["unbroken", "filed"])
def test_teacher_is_the_reference_scorer_on_the_neutral_wording(
    request: pytest.FixtureRequest, name: str
) -> None:
    """Of both wordings, mixed half and half, where none is neutral."""
    run = request.getfixturevalue(name)
    pairs = run.table("feedback", "pairs")
    reference = run.table("reward", "reference").set_index("response_id")
    texts = run.table("data", "texts").set_index("response_id")["response"]
    a, b = (reference.loc[pairs[side]].to_numpy() for side in ("response_a", "response_b"))
    wanted = {"a": a, "b": b, "mean": logsumexp([a, b], axis=0) - np.log(2)}
    teacher = np.array([wanted[which][row] for row, which in enumerate(pairs["teacher"])])
    assert set(pairs["teacher"]) == ({"mean"} if name == "filed" else {"a", "b"})
    for given in run.pairs.values():
        np.testing.assert_allclose(given.teacher, teacher, atol=1e-6)
        np.testing.assert_allclose(np.exp(given.teacher).sum(axis=1), 1, atol=1e-5)
        assert given.first["response"].tolist() == texts.loc[pairs["response_a"]].tolist()
        assert given.second["response"].tolist() == texts.loc[pairs["response_b"]].tolist()


def test_reward_and_reference_cover_what_the_arms_need(unbroken: Finished) -> None:
    """Rewards, centred, of all answers learned from or judged; reference scores of both wordings."""
    texts = unbroken.table("data", "texts")
    feedback, audit = texts[texts["split"] == "feedback"], texts[texts["split"] == "audit"]
    rewards = unbroken.table("reward", "rewards").set_index("response_id")
    primary = [*feedback.loc[feedback["primary"], "response_id"], *audit.loc[audit["primary"], "response_id"]]
    assert set(rewards.index) == set(primary)
    np.testing.assert_allclose(rewards.sum(axis=1), 0, atol=1e-5)
    reference = unbroken.table("reward", "reference").set_index("response_id")
    assert set(reference.index) == set(feedback["response_id"])
    np.testing.assert_allclose(np.exp(reference).sum(axis=1), 1, atol=1e-5)
