"""The whole training loop on a policy of free logits, where it must arrive at the known optimum."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax

from psyalign.align import (
    AlignSettings,
    KLControl,
    ScoredFeedback,
    align,
    mean_kl,
    optimal_log_probs,
    optimality_gap,
)
from psyalign.scorer import Training

Tabular = Callable[[np.ndarray], Any]
BETA, ROWS = 0.5, 24
LONG = AlignSettings(Training(250, 8, 0.05, 1, weight_decay=0.0), BETA)


def feedback_of(policy: Any, seed: int = 0, groups: np.ndarray | None = None) -> ScoredFeedback:
    """Rewards at random, and what infinitely many Bradley–Terry judges say of all pairs under them."""
    rng = np.random.default_rng(seed)
    rewards = rng.normal(size=(ROWS, 4))
    wins = 1 / (1 + np.exp(rewards[:, None, :] - rewards[:, :, None])) * (1 - np.eye(4))
    return ScoredFeedback(
        policy.responses, rewards.argmax(axis=1), wins.astype(np.float32), policy.reached, rewards, groups
    )


@pytest.fixture
def policy(tabular: Tabular) -> Any:
    return tabular(log_softmax(np.random.default_rng(5).normal(size=(ROWS, 4)), axis=1))


@pytest.mark.parametrize("objective", ["ppo", "distill", "dpo"])
def test_the_loop_reaches_the_optimum(objective: Any, policy: Any) -> None:
    feedback = feedback_of(policy)
    align(policy, objective, feedback, None, LONG, label=objective)
    best = optimal_log_probs(feedback.reference, feedback.rewards, BETA)
    variation = np.abs(np.exp(policy.reached) - np.exp(best)).sum(axis=1) / 2
    assert optimality_gap(policy.reached, feedback.reference, feedback.rewards, BETA) < 5e-4
    assert variation.max() < 0.01


def test_label_noise_makes_conservative_dpo_go_less_far_and_robust_dpo_further(tabular: Tabular) -> None:
    """Where no judgement is wrong, reckoning with noise shrinks or stretches the margins."""
    start = log_softmax(np.random.default_rng(5).normal(size=(ROWS, 4)), axis=1)
    moved = {}
    for variant, noise in (("sigmoid", 0.0), ("conservative", 0.2), ("robust", 0.2)):
        policy = tabular(start)
        settings = dataclasses.replace(LONG, dpo=variant, label_noise=noise)  # type: ignore[arg-type]
        align(policy, "dpo", feedback_of(policy), None, settings, label="dpo")
        moved[variant] = mean_kl(policy.reached, start)
    assert moved["conservative"] < 0.7 * moved["sigmoid"] < 0.7 * moved["robust"] / 1.2


def test_the_anchor_pulls_towards_the_feedback_scores(tabular: Tabular) -> None:
    start = log_softmax(np.random.default_rng(5).normal(size=(ROWS, 4)), axis=1)
    given = []
    for anchor in (0.0, 1.0):
        policy = tabular(start)
        feedback = feedback_of(policy)
        align(policy, "ppo", feedback, None, dataclasses.replace(LONG, sft_anchor=anchor), label="ppo")
        given.append(np.exp(policy.reached)[np.arange(ROWS), feedback.scores].mean())
    assert given[1] > given[0] + 0.05


def test_a_kl_budget_ends_the_training_where_it_is_passed(tabular: Tabular) -> None:
    """Up to there it is the same training, and the update that passed it was the last."""
    start = log_softmax(np.random.default_rng(5).normal(size=(ROWS, 4)), axis=1)
    free, held = tabular(start), tabular(start)
    settings = dataclasses.replace(LONG, training=dataclasses.replace(LONG.training, batch_size=ROWS))
    whole = align(free, "ppo", feedback_of(free), None, settings, label="ppo")
    control = KLControl(BETA, budget=0.1)
    cut = align(held, "ppo", feedback_of(held), None, settings, label="ppo", control=control)
    assert control.spent() and 0 < len(cut) < len(whole) == 1000
    assert cut == whole[: len(cut)]
    assert 0.1 < mean_kl(held.reached, start) < 0.12 < mean_kl(free.reached, start)


def test_adaptive_kl_holds_the_loop_at_its_target(policy: Any) -> None:
    feedback = feedback_of(policy)
    control = KLControl(BETA, target=0.15)
    align(policy, "ppo", feedback, None, LONG, label="ppo", control=control)
    assert mean_kl(policy.reached, feedback.reference) == pytest.approx(0.15, rel=0.15)
    assert control.beta > 1.2 * BETA, "at the study's β it would be further away"


def test_a_target_leaves_the_beta_of_dpo_alone(policy: Any) -> None:
    control = KLControl(BETA, target=1e-3)
    short = dataclasses.replace(LONG, training=Training(2, 8, 0.05, 1))
    align(policy, "dpo", feedback_of(policy), None, short, label="dpo", control=control)
    assert control.beta == BETA


@pytest.mark.parametrize("objective", ["dpo", "ppo"])
def test_group_robust_weighting_helps_the_group_that_is_served_worst(
    objective: Any, tabular: Tabular
) -> None:
    """One policy row for all: 20 responses ask for one thing, 4 for the opposite. The worst gap shrinks."""
    start = log_softmax(np.zeros((1, 2)), axis=1)
    groups = np.repeat([0, 1], [20, 4])
    rewards = np.where(groups[:, None] == 0, [[1.0, -1.0]], [[-1.0, 1.0]])
    wins = np.zeros((ROWS, 2, 2), dtype=np.float32)
    wins[groups == 0, 0, 1] = wins[groups == 1, 1, 0] = 1
    worst = []
    for step in (0.0, 0.1):
        policy = tabular(start)
        responses = policy.responses.iloc[np.zeros(ROWS, dtype=int)].reset_index(drop=True)
        reference = np.repeat(start, ROWS, axis=0)
        feedback = ScoredFeedback(responses, np.zeros(ROWS, dtype=int), wins, reference, rewards, groups)
        settings = AlignSettings(Training(150, ROWS, 0.05, 1), BETA, group_robust=step)
        align(policy, objective, feedback, None, settings, label=objective)
        best = optimal_log_probs(reference, rewards, BETA)
        reached = np.repeat(policy.reached, ROWS, axis=0)
        worst.append(max(mean_kl(reached[groups == group], best[groups == group]) for group in (0, 1)))
    assert worst[1] < 0.7 * worst[0]


def test_drawn_actions_depend_on_the_seed_alone(tabular: Tabular) -> None:
    start, reached = log_softmax(np.random.default_rng(5).normal(size=(ROWS, 4)), axis=1), []
    for seed in (3, 3, 4):
        policy = tabular(start)
        settings = AlignSettings(Training(3, 8, 0.05, seed), BETA, ppo_actions="sampled")
        align(policy, "ppo", feedback_of(policy), None, settings, label="ppo")
        reached.append(policy.reached)
    np.testing.assert_array_equal(reached[0], reached[1])
    assert not np.array_equal(reached[0], reached[2])
