"""The known optimum: the identity of the gap, and which losses reach π* on free tables of logits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from psyalign.align import (
    dpo_loss,
    kl_divergence,
    mean_kl,
    objective,
    optimal_log_probs,
    optimality_gap,
    ppo_loss,
)

BETA = 0.5


def random_case(seed: int, rows: int = 40, scores: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Policy and reference log-probabilities and rewards, (N, K)."""
    rng = np.random.default_rng(seed)
    policy, reference = (log_softmax(rng.normal(size=(rows, scores)) * 2, axis=1) for _ in range(2))
    return policy, reference, rng.normal(size=(rows, scores))


def total_variation(log_probs: np.ndarray, other: np.ndarray) -> float:
    """Largest over responses."""
    return float((np.abs(np.exp(log_probs) - np.exp(other)).sum(axis=1) / 2).max())


def minimise(reference: np.ndarray, loss: Callable[[torch.Tensor], torch.Tensor]) -> np.ndarray:
    """Free logits that start at the reference, by LBFGS; returns log-probabilities."""
    logits = torch.tensor(reference, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [logits], max_iter=2000, tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = loss(logits.log_softmax(-1))
        value.backward()
        return value

    optimiser.step(closure)
    return logits.detach().log_softmax(-1).numpy()


def soft_wins(rewards: np.ndarray, pairs: list[tuple[int, int]]) -> torch.Tensor:
    """What infinitely many Bradley–Terry judges say: i over j in σ(r_i − r_j) of the cases."""
    wins = np.zeros((*rewards.shape, rewards.shape[1]))
    for i, j in pairs:
        wins[:, i, j] = 1 / (1 + np.exp(rewards[:, j] - rewards[:, i]))
        wins[:, j, i] = 1 - wins[:, i, j]
    return torch.tensor(wins)


def test_optimum_by_hand() -> None:
    """π_ref = (.5, .5), r = (0, .5 ln 3), β = .5: π* ∝ (.5, .5 · 3) = (.25, .75).

    J* = β ln Σ π_ref e^{r/β} = .5 ln 2 = 0.346574; J(π_ref) = .25 ln 3 = 0.274653; gap 0.071921
    """
    reference, rewards = np.log([[0.5, 0.5]]), np.array([[0.0, 0.5 * np.log(3)]])
    best = optimal_log_probs(reference, rewards, BETA)
    np.testing.assert_allclose(np.exp(best), [[0.25, 0.75]], atol=1e-15)
    assert objective(best, reference, rewards, BETA) == pytest.approx(0.5 * np.log(2), abs=1e-15)
    assert objective(reference, reference, rewards, BETA) == pytest.approx(0.25 * np.log(3), abs=1e-15)
    assert optimality_gap(reference, reference, rewards, BETA) == pytest.approx(0.071921, abs=1e-6)


@pytest.mark.parametrize("beta", [0.05, 0.5, 3.0])
@pytest.mark.parametrize("seed", range(5))
def test_the_gap_is_the_shortfall_of_the_objective(seed: int, beta: float) -> None:
    """J(π*) − J(π) = β E[KL(π ‖ π*)]: two computations that share nothing but the definition of KL."""
    policy, reference, rewards = random_case(seed)
    best = optimal_log_probs(reference, rewards, beta)
    shortfall = objective(best, reference, rewards, beta) - objective(policy, reference, rewards, beta)
    assert abs(shortfall - optimality_gap(policy, reference, rewards, beta)) < 1e-12
    assert shortfall > 0


def test_no_policy_is_better_than_the_optimum() -> None:
    _, reference, rewards = random_case(7, rows=1)
    best = optimal_log_probs(reference, rewards, BETA)
    top = objective(best, reference, rewards, BETA)
    rng = np.random.default_rng(0)
    for size in (0.01, 0.1, 1.0):
        for _ in range(50):
            other = log_softmax(best + size * rng.normal(size=best.shape), axis=1)
            assert objective(other, reference, rewards, BETA) < top


def test_mean_kl_agrees_with_the_losses() -> None:
    policy, reference, _ = random_case(3)
    expected = float(kl_divergence(torch.tensor(policy), torch.tensor(reference)).mean())
    assert mean_kl(policy, reference) == pytest.approx(expected, abs=1e-14)


def test_absent_score_points_do_not_count() -> None:
    """Log-probability −10,000 in policy and reference, reward 0: as if the item had K − 1 points."""
    policy, reference, rewards = random_case(4, scores=3)
    absent = np.full((len(policy), 1), -1e4)
    wide = [np.hstack([values, absent]) for values in (policy, reference)]
    gap = optimality_gap(*wide, np.hstack([rewards, np.zeros_like(absent)]), BETA)
    assert gap == pytest.approx(optimality_gap(policy, reference, rewards, BETA), abs=1e-12)


def test_the_exact_gradient_reaches_the_optimum() -> None:
    _, reference, rewards = random_case(11)
    target, reward = torch.tensor(reference), torch.tensor(rewards)

    def loss(log_probs: torch.Tensor) -> torch.Tensor:
        return (BETA * kl_divergence(log_probs, target) - (log_probs.exp() * reward).sum(-1)).mean()

    found = minimise(reference, loss)
    assert optimality_gap(found, reference, rewards, BETA) < 1e-9
    assert total_variation(found, optimal_log_probs(reference, rewards, BETA)) < 1e-3


def test_ppo_reaches_the_optimum_without_sampling() -> None:
    """Clipped, four inner epochs a step; a sampled PPO stalls where the best score is never drawn."""
    _, reference, rewards = random_case(12)
    reference[0] = log_softmax(np.array([-6.0, 2.0, 2.0, 2.0]))
    rewards[0] = [3.0, 0.0, 0.0, 0.0]  # the best score has probability .0001 at the start
    target, reward = torch.tensor(reference), torch.tensor(rewards)
    logits = torch.tensor(reference, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.05)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, total_iters=400)
    for _ in range(400):
        old = logits.detach().log_softmax(-1)
        for _ in range(4):
            optimiser.zero_grad()
            ppo_loss(logits.log_softmax(-1), old, target, reward, beta=BETA, clip=0.2).backward()
            optimiser.step()
        schedule.step()
    found = logits.detach().log_softmax(-1).numpy()
    assert optimality_gap(found, reference, rewards, BETA) < 5e-4
    assert total_variation(found, optimal_log_probs(reference, rewards, BETA)) < 0.01


ADJACENT = [(0, 1), (1, 2), (2, 3)]


@pytest.mark.parametrize(
    "pairs",
    [ADJACENT, [(0, 3), (3, 1), (1, 2)], [*ADJACENT, (0, 2), (0, 3), (1, 3)]],
    ids=["adjacent", "another tree", "all"],
)
def test_dpo_reaches_the_optimum_where_pairs_connect_the_score_points(pairs: list[tuple[int, int]]) -> None:
    _, reference, rewards = random_case(13)
    wins, target = soft_wins(rewards, pairs), torch.tensor(reference)
    found = minimise(reference, lambda log_probs: dpo_loss(log_probs, target, wins, BETA))
    assert optimality_gap(found, reference, rewards, BETA) < 1e-6


@pytest.mark.parametrize("pairs", [[(0, 1), (2, 3)], [(1, 2)]], ids=["two halves", "one pair"])
def test_dpo_does_not_reach_it_where_the_score_points_fall_apart(pairs: list[tuple[int, int]]) -> None:
    """What is preferred between the parts was never asked: the loss is least far from π* as well."""
    _, reference, rewards = random_case(13)
    wins, target = soft_wins(rewards, pairs), torch.tensor(reference)
    found = minimise(reference, lambda log_probs: dpo_loss(log_probs, target, wins, BETA))
    best = optimal_log_probs(reference, rewards, BETA)
    at_best, at_found = (float(dpo_loss(torch.tensor(table), target, wins, BETA)) for table in (best, found))
    assert at_found == pytest.approx(at_best, abs=1e-9)
    assert optimality_gap(found, reference, rewards, BETA) > 0.05
