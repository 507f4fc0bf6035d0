"""Optima other than π* at the study's β: with an entropy bonus, and of DPO's variants. Float64."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit

from psyalign.align import dpo_loss, mean_kl, objective, optimal_log_probs, optimality_gap, ppo_loss

BETA, BONUS, NOISE = 0.3, 0.2, 0.15


def random_case(seed: int, rows: int = 30, scores: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Policy and reference log-probabilities and rewards, (N, K)."""
    rng = np.random.default_rng(seed)
    policy, reference = (log_softmax(rng.normal(size=(rows, scores)) * 2, axis=1) for _ in range(2))
    return policy, reference, rng.normal(size=(rows, scores))


def least(loss: Callable[[torch.Tensor], torch.Tensor], start: np.ndarray) -> np.ndarray:
    """Free logits from scipy's optimiser, as log-probabilities."""

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        logits = torch.tensor(flat.reshape(start.shape), requires_grad=True)
        found = loss(logits.log_softmax(-1)) * len(start)
        found.backward()
        return found.item(), logits.grad.numpy().ravel()  # type: ignore[union-attr]

    options = {"maxiter": 5000, "ftol": 1e-16, "gtol": 1e-12}
    end = minimize(value, start.ravel(), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(log_softmax(end.x.reshape(start.shape), axis=1))


def test_optimum_with_entropy_by_hand() -> None:
    """π_ref = (.2, .8), r = (ln 3, 0), β = η = 1: π* ∝ √(.2 · 3, .8) = (.464102, .535898)."""
    reference, rewards = np.log([[0.2, 0.8]]), np.array([[np.log(3), 0.0]])
    best = np.exp(optimal_log_probs(reference, rewards, 1.0, 1.0))
    np.testing.assert_allclose(best, [[0.4641016151377546, 0.5358983848622454]], atol=1e-15)


@pytest.mark.parametrize("bonus", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_gap_is_the_shortfall_of_the_objective_with_the_bonus(seed: int, bonus: float) -> None:
    policy, reference, rewards = random_case(seed)
    best = optimal_log_probs(reference, rewards, BETA, bonus)
    top, here = (objective(table, reference, rewards, BETA, bonus) for table in (best, policy))
    assert abs(top - here - optimality_gap(policy, reference, rewards, BETA, bonus)) < 1e-12
    assert top > here


def test_ppo_with_entropy_reaches_its_own_optimum_and_not_the_plain_one() -> None:
    """With π_old = π_ref and no clip, the surrogate is E[r] but for a constant, so the loss is −J."""
    _, reference, rewards = random_case(5)
    target, values = torch.tensor(reference), torch.tensor(rewards)
    found = least(
        lambda policy: ppo_loss(
            policy, target, target, values, beta=BETA, clip=1e9, entropy_weight=BONUS
        ),
        reference,
    )  # fmt: skip
    assert optimality_gap(found, reference, rewards, BETA, BONUS) < 1e-10
    assert optimality_gap(found, reference, rewards, BETA) > 0.01, "what was shown for it before"


def test_score_points_that_an_item_lacks_gain_nothing_from_the_bonus() -> None:
    """Even at a β so small that a thousandth of −1e4 is no small log-probability."""
    policy, reference, rewards = random_case(6)
    absent = np.full((len(policy), 2), -1e4)
    wide = [np.hstack([table, absent]) for table in (policy, reference)]
    more = np.hstack([rewards, np.zeros_like(absent)])
    best = optimal_log_probs(wide[1], more, 1e-3, 1.0)
    np.testing.assert_allclose(best[:, :4], optimal_log_probs(reference, rewards, 1e-3, 1.0), atol=1e-12)
    assert np.exp(best[:, 4:]).max() == 0
    gap = optimality_gap(*wide, more, 1e-3, 1.0)
    assert gap == pytest.approx(optimality_gap(policy, reference, rewards, 1e-3, 1.0), abs=1e-12)


@pytest.mark.parametrize("variant", ["ipo", "conservative", "robust"])
def test_variants_of_dpo_end_elsewhere_than_at_the_rewards_optimum(variant: str) -> None:
    """Two score points and p = σ(r₁ − r₀) of the judgements for the second, whose log-ratio is h/β.

    Conservative: σ(h) = (1 − ε)p + ε(1 − p); robust: σ(h) = (p − ε)/(1 − 2ε); IPO: its log-ratio is
    (2p − 1)/(2β). Under the rewards h is logit p. So none has a gap against π*.
    """
    share = np.array([0.6, 0.75])
    rewards = np.column_stack([np.zeros(2), logit(share)])
    reference = np.log(np.array([[0.5, 0.5], [0.3, 0.7]]))
    wins = np.zeros((2, 2, 2))
    wins[:, 1, 0], wins[:, 0, 1] = share, 1 - share
    found = least(
        lambda policy: dpo_loss(
            policy, torch.tensor(reference), torch.tensor(wins), BETA, variant=variant, label_noise=NOISE  # type: ignore[arg-type]
        ),
        reference,
    )  # fmt: skip
    ratio = (found - reference)[:, 1] - (found - reference)[:, 0]
    expected = {
        "ipo": (2 * share - 1) / (2 * BETA),
        "conservative": logit((1 - NOISE) * share + NOISE * (1 - share)) / BETA,
        "robust": logit((share - NOISE) / (1 - 2 * NOISE)) / BETA,
    }[variant]
    np.testing.assert_allclose(ratio, expected, atol=1e-5)
    assert (np.abs(expit(BETA * ratio) - share) > 0.01).all()
    assert mean_kl(found, optimal_log_probs(reference, rewards, BETA)) > 1e-3
