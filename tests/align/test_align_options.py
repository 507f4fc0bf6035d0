"""Options of alignment on a real scorer: that each reaches the training, and what it does to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from psyalign.align import (
    AlignSettings,
    ClosedFormScorer,
    GroupWeights,
    KLControl,
    ScoredFeedback,
    align,
    mean_kl,
    optimal_log_probs,
    optimality_gap,
)
from psyalign.foundation.errors import DataError, ModelError
from psyalign.items import Item
from psyalign.reward import RewardModel
from psyalign.scorer import LoraScorer, Training

BETA = 0.5
ONE_STEP = AlignSettings(Training(epochs=1, batch_size=6, learning_rate=1e-4, seed=3), BETA, ppo_inner=1)
Copy = Callable[[], LoraScorer]


@pytest.fixture(scope="module")
def six(answers: pd.DataFrame) -> pd.DataFrame:
    return answers.iloc[[0, 2, 4, 6, 7, 9]].reset_index(drop=True)


@pytest.fixture
def feedback(reference_copy: Copy, six: pd.DataFrame) -> ScoredFeedback:
    """One judgement "1 over 0" a response, rewards for the answers' scores, two groups."""
    wins = np.zeros((6, 3, 3), dtype=np.float32)
    wins[:, 1, 0] = 1
    rewards = -np.abs(np.arange(3)[None, :] - six["score"].to_numpy()[:, None]).astype(float)
    reference = reference_copy().predict_log_proba(six, quiet=True)
    groups = np.array([0, 1, 0, 1, 0, 2])
    return ScoredFeedback(six, six["score"].to_numpy(), wins, reference, rewards, groups)


def first_loss(copy: Copy, objective: Any, feedback: ScoredFeedback, **options: Any) -> float:
    settings = dataclasses.replace(ONE_STEP, **options)
    return align(copy(), objective, feedback, None, settings, label="arm")[0].loss


def test_first_losses_of_the_options_by_hand(reference_copy: Copy, feedback: ScoredFeedback) -> None:
    """The policy still is the reference, and one batch holds all six responses.

    IPO: 1/(4β²) = 1. Anchor: ln 2 + 2 · cross-entropy to the scores. Entropy: PPO's 0 − .5 · H.
    Distillation: KL(π* ‖ π_ref). Sampled PPO: −mean of the rewards drawn, as V starts at 0.
    Robust: equal weights at first, 1/3 of each group's ln 2.
    """
    reference, scores = feedback.reference, feedback.scores
    cross_entropy = -reference[np.arange(6), scores].mean()
    h = -(np.exp(reference) * reference).sum(axis=1).mean()
    best = optimal_log_probs(reference, feedback.rewards, BETA)
    close = {"abs": 3e-6}
    assert first_loss(reference_copy, "dpo", feedback, dpo="ipo") == pytest.approx(1.0, **close)
    anchored = first_loss(reference_copy, "dpo", feedback, sft_anchor=2.0)
    assert anchored == pytest.approx(np.log(2) + 2 * cross_entropy, **close)
    anchored = first_loss(reference_copy, "ppo", feedback, sft_anchor=2.0)
    assert anchored == pytest.approx(2 * cross_entropy, **close)
    assert first_loss(reference_copy, "ppo", feedback, entropy=0.5) == pytest.approx(-0.5 * h, **close)
    assert first_loss(reference_copy, "distill", feedback) == pytest.approx(mean_kl(best, reference), **close)
    noisy = first_loss(reference_copy, "dpo", feedback, dpo="robust", label_noise=0.2)
    assert noisy == pytest.approx(np.log(2), **close)
    drawn = -6 * first_loss(reference_copy, "ppo", feedback, ppo_actions="sampled")
    assert drawn == pytest.approx(round(drawn), abs=2e-5) and -9 <= round(drawn) <= 0
    groups = first_loss(reference_copy, "dpo", feedback, group_robust=0.5)
    assert groups == pytest.approx(np.log(2), **close)


def test_adaptive_kl_changes_beta_and_starts_anew_after_a_kill(
    reference_copy: Copy, feedback: ScoredFeedback, tmp_path: Path
) -> None:
    """KL 0 is far below the target: β falls by 2% a step. A checkpoint would not hold β, so there is none."""
    checkpoint = tmp_path / "checkpoint.safetensors"
    settings = AlignSettings(Training(2, 3, 1e-5, 3), BETA, ppo_inner=2)
    control = KLControl(BETA, target=0.5)
    align(
        reference_copy(),
        "ppo",
        feedback,
        None,
        settings,
        label="ppo",
        checkpoint=checkpoint,
        control=control,
    )
    assert control.beta == pytest.approx(BETA * 0.98**4, abs=1e-12)
    assert not checkpoint.exists()
    align(reference_copy(), "ppo", feedback, None, settings, label="ppo", checkpoint=checkpoint)
    assert checkpoint.exists()


# group-robust weighting


def test_group_weights_by_hand() -> None:
    """q ∝ (1, e^.5, 1) after risks (0, 1) of groups 0 and 1 at η = .5; group 2 was not in the batch."""
    weights = GroupWeights(3, 0.5)
    weights.update([0, 1], [0.0, 1.0])
    expected = np.array([1, np.exp(0.5), 1]) / (2 + np.exp(0.5))
    np.testing.assert_allclose(weights.weights.numpy(), expected, atol=1e-15)
    losses = [torch.tensor(2.0, dtype=torch.float64), torch.tensor(3.0, dtype=torch.float64)]
    assert float(weights.combine([0, 2], losses)) == pytest.approx(2 * expected[0] + 3 * expected[2])
    weights.update([1], [1e4])  # far beyond exp()
    assert torch.isfinite(weights.weights).all()


def test_group_weights_find_the_minimax_group() -> None:
    """Two groups pull one number to −1 and +3, the second three times as hard.

    The largest of (θ+1)² and 3(θ−3)² is least where they meet: θ = (3√3 − 1)/(1 + √3) = 1.535898.
    """
    theta, weights = torch.zeros((), dtype=torch.float64, requires_grad=True), GroupWeights(2, 0.01)
    optimiser = torch.optim.SGD([theta], lr=0.02)
    for _ in range(4000):
        losses = [(theta + 1).square(), 3 * (theta - 3).square()]
        weights.update([0, 1], [float(loss.detach()) for loss in losses])
        optimiser.zero_grad()
        weights.combine([0, 1], losses).backward()
        optimiser.step()
    assert float(theta.detach()) == pytest.approx((3 * 3**0.5 - 1) / (1 + 3**0.5), abs=2e-3)


def test_group_robust_weighting_needs_groups(reference_copy: Copy, feedback: ScoredFeedback) -> None:
    without = dataclasses.replace(feedback, groups=None)
    with pytest.raises(DataError, match="needs the group of each"):
        first_loss(reference_copy, "ppo", without, group_robust=0.1)
    assert first_loss(reference_copy, "refit", without, group_robust=0.1) > 0  # refit has no use for it


# the closed form


def test_the_closed_form_scores_with_the_optimum(
    reference_copy: Copy,
    reference_folder: Path,
    two_items: dict[str, Item],
    six: pd.DataFrame,
    tmp_path: Path,
) -> None:
    """log π* from the two models, no gap, absent score points at probability 0, and the same from disk."""
    reward = RewardModel(reference_copy(), Training(2, 3, 5e-3, 1))
    wins = np.zeros((6, 3, 3), dtype=np.float32)
    wins[:, 1, 0] = 1
    reward.fit(six, wins).save(tmp_path)
    scorer = ClosedFormScorer.of(reference_folder, tmp_path, two_items, BETA)
    found = scorer.predict_log_proba(six, quiet=True)
    reference, rewards = reference_copy().predict_log_proba(six, quiet=True), reward.rewards(six, quiet=True)
    np.testing.assert_allclose(found, optimal_log_probs(reference, rewards, BETA), atol=1e-6)
    assert abs(optimality_gap(found, reference, rewards, BETA)) < 1e-12
    assert mean_kl(found, reference) > 1e-3
    assert (np.exp(found[six["item"] == "ss-brian", 2]) == 0).all()
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1, atol=1e-12)
    scorer.save(tmp_path)
    again = ClosedFormScorer.load(tmp_path, reference_folder, tmp_path, two_items)
    assert again.fingerprint() == scorer.fingerprint()
    one = np.vstack([again.predict_log_proba(six.iloc[[row]], quiet=True) for row in range(6)])
    np.testing.assert_allclose(np.exp(one), np.exp(found), atol=1e-5)  # batched and one by one
    with pytest.raises(ModelError, match="not the one that the closed form was made of"):
        ClosedFormScorer.load(tmp_path, tmp_path, tmp_path, two_items)
