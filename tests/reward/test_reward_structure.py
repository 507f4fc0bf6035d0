"""Partial credit rewards: the same model as Bradley–Terry on score points, and a reward model held to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from psyalign.items import Item
from psyalign.reward import Comparisons, RewardModel, pair_accuracy, win_counts
from psyalign.reward.structure import partial_credit_rewards, quality
from psyalign.scorer import LoraScorer, Training

GENERATOR = np.random.default_rng(5)
ABILITY = torch.from_numpy(GENERATOR.normal(size=50))
THRESHOLDS = torch.from_numpy(GENERATOR.normal(size=(50, 4)))


def masters(ability: float, steps: np.ndarray) -> np.ndarray:
    """Masters (1982), eq. 7, score by score."""
    numerators = [np.exp(sum(ability - steps[k] for k in range(score))) for score in range(len(steps) + 1)]
    return np.array(numerators) / sum(numerators)


def test_bradley_terry_on_partial_credit_rewards_is_the_partial_credit_model() -> None:
    """σ(r_i − r_j) = P(i) / (P(i) + P(j)) for every pair of score points, to 1e-10."""
    rewards = partial_credit_rewards(ABILITY, THRESHOLDS)
    implied = torch.sigmoid(rewards[:, :, None] - rewards[:, None, :]).numpy()
    for row in range(50):
        chance = masters(float(ABILITY[row]), THRESHOLDS[row].numpy())
        wanted = chance[:, None] / (chance[:, None] + chance[None, :])
        np.testing.assert_allclose(implied[row], wanted, rtol=0, atol=1e-10)


def test_differences_in_quality_are_differences_in_ability() -> None:
    """For responses to one item, whose thresholds are the same."""
    one_item = THRESHOLDS[:1].expand(50, -1)
    found = quality(partial_credit_rewards(ABILITY, one_item), torch.ones(50, 5, dtype=torch.bool))
    torch.testing.assert_close(found - found[0], ABILITY - ABILITY[0], rtol=0, atol=1e-12)


def test_quality_by_hand() -> None:
    """Points 0, 1, 2 less their mean: (−1, 0, 1); rewards (1, 5, 2): (−1 + 2) / 2 = 0.5, constant or not."""
    rewards = torch.tensor([[1.0, 5.0, 2.0], [3.0, 4.0, 99.0], [11.0, 15.0, 12.0]])
    present = torch.tensor([[True] * 3, [True, True, False], [True] * 3])
    assert quality(rewards, present).tolist() == [0.5, 1.0, 0.5]


@pytest.fixture(scope="module")
def held(reference_folder: Path, two_items: dict[str, Item], answers: pd.DataFrame) -> RewardModel:
    """A partial credit reward model after a few updates on preferences for the lower score."""
    model = RewardModel(
        LoraScorer.load(reference_folder, two_items), Training(4, 10, 5e-3, 0), structure="pcm"
    )
    return model.fit(answers, lower(answers, two_items))


def lower(answers: pd.DataFrame, items: dict[str, Item]) -> np.ndarray:
    rows = [
        (str(row), score - 1, score)
        for row, item in enumerate(answers["item"])
        for score in items[item].scores[1:]
    ]
    preferences = pd.DataFrame(rows, columns=["response_id", "preferred", "rejected"])
    return win_counts(preferences, [str(row) for row in range(len(answers))], 3)


def test_rewards_differ_between_responses_by_a_line_only(held: RewardModel, answers: pd.DataFrame) -> None:
    """r(2) − 2 r(1) + r(0) = δ_1 − δ_2 for every response to the item."""
    rewards = held.rewards(answers, quiet=True)
    assert held.thresholds_ is not None
    three = (answers["item"] == "sf1").to_numpy()
    bend = rewards[three, 2] - 2 * rewards[three, 1] + rewards[three, 0]
    np.testing.assert_allclose(bend, held.thresholds_[0, 0] - held.thresholds_[0, 1], atol=1e-6)
    assert np.ptp(rewards[three, 2]) > 1e-3, "responses differ"
    np.testing.assert_allclose(rewards.sum(axis=1), 0, atol=1e-9)
    assert (rewards[~three, 2] == 0).all(), "no such score point"


def test_it_learns_and_its_thresholds_move(
    held: RewardModel, reference_folder: Path, two_items: dict[str, Item], answers: pd.DataFrame
) -> None:
    assert pair_accuracy(held.rewards(answers, quiet=True), lower(answers, two_items)) == 1.0
    untrained = RewardModel(
        LoraScorer.load(reference_folder, two_items), Training(1, 10, 1e-12, 0), structure="pcm"
    ).fit(answers, lower(answers, two_items))
    assert untrained.thresholds_ is not None and held.thresholds_ is not None
    assert (held.thresholds_[0] - untrained.thresholds_[0] > 0.1).all(), (
        "lower scores preferred: harder steps"
    )


def test_it_starts_near_the_reference_scorers_logits(
    reference_folder: Path, two_items: dict[str, Item], answers: pd.DataFrame
) -> None:
    """Two score points: exactly them. Three: what a line for each response leaves is the item's mean bend."""
    model = RewardModel(
        LoraScorer.load(reference_folder, two_items), Training(1, 10, 1e-12, 0), structure="pcm"
    ).fit(answers, lower(answers, two_items))
    raw = LoraScorer.load(reference_folder, two_items).outputs(answers, quiet=True)
    rewards, two = model.rewards(answers, quiet=True), (answers["item"] == "ss-brian").to_numpy()
    np.testing.assert_allclose(rewards[two, 1] - rewards[two, 0], raw[two, 1] - raw[two, 0], atol=1e-5)
    np.testing.assert_allclose(rewards[~two, 2] - rewards[~two, 0], raw[~two, 2] - raw[~two, 0], atol=1e-5)


def test_saved_partial_credit_rewards_come_back(
    held: RewardModel, two_items: dict[str, Item], answers: pd.DataFrame, tmp_path: Path
) -> None:
    held.save(tmp_path)
    again = RewardModel.load(tmp_path, two_items)
    assert np.array_equal(again.rewards(answers, quiet=True), held.rewards(answers, quiet=True))
    assert again.fingerprint() == held.fingerprint() != held.scorer.fingerprint()


@pytest.mark.parametrize("structure", ["free", "pcm"])
def test_comparisons_of_responses_are_learned(
    structure: str, reference_folder: Path, two_items: dict[str, Item], answers: pd.DataFrame
) -> None:
    """Raters like the reverse of the scores' order; the score preferences alone say nothing on it."""
    own = answers[answers["item"] == "sf1"].sort_values("score", ignore_index=True)
    first, second = own.iloc[:1], own.iloc[-1:]
    comparisons = Comparisons(
        first.reset_index(drop=True), second.reset_index(drop=True), np.array([0]), weight=5.0
    )
    model = RewardModel(
        LoraScorer.load(reference_folder, two_items),
        Training(5, 10, 5e-3, 0),
        structure=structure,  # type: ignore[arg-type]
    )
    present = torch.ones(1, 3, dtype=torch.bool)

    def apart() -> np.ndarray:
        sides = [quality(torch.tensor(model.rewards(side, quiet=True)), present) for side in (first, second)]
        return (sides[0] - sides[1]).numpy()

    before = apart()
    model.fit(own.iloc[:2], np.zeros((2, 3, 3), dtype=np.float32), comparisons=comparisons)
    assert (apart() > before + 0.2).all()
    assert "reward_extra" not in dict(model.scorer.network_.named_modules()), "only the training has them"


def test_training_goes_on_from_a_checkpoint(
    reference_folder: Path, two_items: dict[str, Item], answers: pd.DataFrame, tmp_path: Path
) -> None:
    """Thresholds and ν are in the checkpoint like the weights."""
    own = answers[answers["item"] == "sf1"].iloc[:2]
    wins, pairs = lower(own, two_items), Comparisons(own.iloc[:1], own.iloc[1:], np.array([1]))
    found = []
    for epochs in ((2,), (1, 2)):
        path = tmp_path / f"{len(epochs)}.safetensors"
        for stop in epochs:
            model = RewardModel(
                LoraScorer.load(reference_folder, two_items), Training(2, 10, 1e-3, 0), structure="pcm"
            )
            if stop < 2:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr("psyalign.scorer.train._update", _dies(stop))
                    with pytest.raises(KeyboardInterrupt):
                        model.fit(own, wins, comparisons=pairs, checkpoint=path)
            else:
                model.fit(own, wins, comparisons=pairs, checkpoint=path)
        found.append(model)
    assert found[0].fingerprint() == found[1].fingerprint()
    assert np.array_equal(found[0].thresholds_, found[1].thresholds_)


def _dies(updates: int) -> object:
    """The update step, which is interrupted after so many."""
    from psyalign.scorer import train

    real, done = train._update, []

    def update(*rest: object) -> float:
        if len(done) == updates:
            raise KeyboardInterrupt
        done.append(1)
        return real(*rest)  # type: ignore[arg-type]

    return update
