"""The reward model: a copy that learns preferences, centred rewards, and an original left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from psyalign.items import Item
from psyalign.reward import RewardModel, pair_accuracy, win_counts
from psyalign.scorer import LoraScorer, Training


def reversed_preferences(answers: pd.DataFrame, items: dict[str, Item]) -> np.ndarray:
    """Raters who always prefer the lower of two adjacent score points; (N, K, K)."""
    rows = [
        (str(row), score - 1, score)
        for row, item in enumerate(answers["item"])
        for score in items[item].scores[1:]
    ]
    preferences = pd.DataFrame(rows, columns=["response_id", "preferred", "rejected"])
    return win_counts(preferences, [str(row) for row in range(len(answers))], 3)


@pytest.fixture(scope="module")
def learned(
    reference_folder: Path, two_items: dict[str, Item], answers: pd.DataFrame
) -> tuple[RewardModel, LoraScorer, str]:
    """A reward model after a few updates, the scorer that it is a copy of, and that one's hash before."""
    reference = LoraScorer.load(reference_folder, two_items)
    before = reference.fingerprint()
    training = Training(epochs=6, batch_size=10, learning_rate=5e-3, seed=0)
    model = RewardModel(LoraScorer.load(reference_folder, two_items), training)
    model.fit(answers, reversed_preferences(answers, two_items))
    return model, reference, before


def test_a_trivial_preference_is_learned_in_a_few_steps(
    learned: tuple[RewardModel, LoraScorer, str], two_items: dict[str, Item], answers: pd.DataFrame
) -> None:
    model, reference, _ = learned
    wins = reversed_preferences(answers, two_items)
    assert pair_accuracy(reference.predict_log_proba(answers, quiet=True), wins) < 0.6
    assert pair_accuracy(model.rewards(answers, quiet=True), wins) == 1.0
    assert model.history_[-1].loss < 0.9 * model.history_[0].loss


def test_it_starts_from_the_reference_scorers_logits(
    reference_copy: Callable[[], LoraScorer], answers: pd.DataFrame
) -> None:
    scorer = reference_copy()
    model = RewardModel(reference_copy(), Training(epochs=1, batch_size=10, learning_rate=1e-3, seed=0))
    three = (answers["item"] == "sf1").to_numpy()
    log_probs = scorer.predict_log_proba(answers, quiet=True)[three]
    centred = log_probs - log_probs.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(model.rewards(answers, quiet=True)[three], centred, atol=1e-5)


def test_rewards_are_centred_within_each_response(
    learned: tuple[RewardModel, LoraScorer, str], answers: pd.DataFrame
) -> None:
    rewards = learned[0].rewards(answers, quiet=True)
    assert rewards.shape == (10, 3) and np.abs(rewards).max() > 0.05
    np.testing.assert_allclose(rewards.sum(axis=1), 0, atol=1e-6)
    two_points = (answers["item"] == "ss-brian").to_numpy()
    assert (rewards[two_points, 2] == 0).all()  # no such score point
    np.testing.assert_allclose(rewards[two_points, 0], -rewards[two_points, 1], atol=1e-6)


def test_the_scorer_that_it_was_copied_from_is_left_alone(
    learned: tuple[RewardModel, LoraScorer, str],
) -> None:
    model, reference, before = learned
    assert reference.fingerprint() == before
    assert model.fingerprint() != before


def test_saved_rewards_come_back(
    learned: tuple[RewardModel, LoraScorer, str],
    two_items: dict[str, Item],
    answers: pd.DataFrame,
    tmp_path: Path,
) -> None:
    model, _, _ = learned
    model.save(tmp_path)
    again = RewardModel(LoraScorer.load(tmp_path, two_items), model.training)
    assert np.array_equal(again.rewards(answers, quiet=True), model.rewards(answers, quiet=True))
    assert again.fingerprint() == model.fingerprint()
