"""The Bradley–Terry likelihood against hand arithmetic, other software, and the partial credit model."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import torch

from psyalign.foundation.errors import DataError
from psyalign.reward import bradley_terry_loss, pair_accuracy, win_counts


def sigmoid(value: float) -> float:
    return 1 / (1 + exp(-value))


def table(*rows: tuple[str, int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["response_id", "preferred", "rejected"])


def fit_rewards(wins: np.ndarray) -> np.ndarray:
    """Maximum-likelihood rewards of one response, the first set to 0; `wins` is (K, K)."""
    free = torch.zeros(len(wins) - 1, dtype=torch.float64, requires_grad=True)
    counts = torch.tensor(wins, dtype=torch.float64)[None]
    optimiser = torch.optim.LBFGS(
        [free], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )

    def rewards() -> torch.Tensor:
        return torch.cat([torch.zeros(1, dtype=torch.float64), free])

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = bradley_terry_loss(rewards()[None], counts)
        loss.backward()
        return loss

    optimiser.step(closure)
    return rewards().detach().numpy()


def test_loss_by_hand() -> None:
    """Rewards (0, 1, 3). Two judges say 1 over 0, one says 0 over 2.

    −ln σ(1 − 0) = ln(1 + e⁻¹) = 0.313262, twice; −ln σ(0 − 3) = ln(1 + e³) = 3.048587
    mean over three judgements: (2 · 0.313262 + 3.048587) / 3 = 1.225037
    """
    wins = torch.zeros(1, 3, 3)
    wins[0, 1, 0], wins[0, 0, 2] = 2, 1
    loss = bradley_terry_loss(torch.tensor([[0.0, 1.0, 3.0]]), wins)
    assert float(loss) == pytest.approx((2 * log(1 + exp(-1)) + log(1 + exp(3))) / 3, abs=1e-6)
    assert float(loss) == pytest.approx(1.225037, abs=1e-6)


def test_judgements_count_alike_whichever_response_they_are_on() -> None:
    """Response A: reward gap 2, three judgements; B: gap 0, one. (3 · 0.126928 + 0.693147) / 4 = 0.268483."""
    wins = torch.zeros(2, 2, 2)
    wins[0, 1, 0], wins[1, 0, 1] = 3, 1
    loss = bradley_terry_loss(torch.tensor([[0.0, 2.0], [5.0, 5.0]]), wins)
    assert float(loss) == pytest.approx(0.268483, abs=1e-6)


def test_gradient_by_hand() -> None:
    """d/dr₁ −ln σ(r₁ − r₀) = −σ(r₀ − r₁) = −σ(−0.5) = −0.377541; r₀ gets the opposite, r₂ nothing."""
    rewards = torch.tensor([[0.0, 0.5, 9.0]], requires_grad=True)
    wins = torch.zeros(1, 3, 3)
    wins[0, 1, 0] = 1
    bradley_terry_loss(rewards, wins).backward()
    assert rewards.grad is not None
    torch.testing.assert_close(rewards.grad, torch.tensor([[0.377541, -0.377541, 0.0]]), rtol=0, atol=1e-6)


def test_a_constant_in_a_response_does_not_count() -> None:
    generator = torch.Generator().manual_seed(1)
    rewards = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    wins = torch.randint(0, 3, (5, 4, 4), generator=generator).double()
    shifted = rewards + torch.randn(5, 1, generator=generator, dtype=torch.float64)
    assert float(bradley_terry_loss(rewards, wins)) == pytest.approx(
        float(bradley_terry_loss(shifted, wins)), abs=1e-12
    )


def test_no_judgement_costs_nothing_and_extremes_stay_finite() -> None:
    rewards = torch.tensor([[-1e4, 1e4]], requires_grad=True)
    assert float(bradley_terry_loss(rewards, torch.zeros(1, 2, 2)).detach()) == 0.0
    wins = torch.zeros(1, 2, 2)
    wins[0, 0, 1] = 1
    loss = bradley_terry_loss(rewards, wins)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(2e4)
    assert rewards.grad is not None and rewards.grad.tolist() == [[-1.0, 1.0]]


def test_win_counts() -> None:
    preferences = table(("a", 1, 0), ("a", 1, 0), ("b", 0, 2), ("elsewhere", 2, 1))
    counts = win_counts(preferences, ["b", "a", "c"], 3)
    assert counts.shape == (3, 3, 3) and counts.dtype == np.float32
    assert counts[1, 1, 0] == 2 and counts[0, 0, 2] == 1
    assert counts.sum() == 3 and not counts[2].any()


def test_win_counts_without_any_preference() -> None:
    assert not win_counts(table(), ["a"], 3).any()
    assert not win_counts(table(("x", 1, 0)), ["a"], 3).any()


@pytest.mark.parametrize(("preferred", "rejected"), [(3, 0), (0, 3), (-1, 0)])
def test_a_score_outside_the_rubric_is_refused(preferred: int, rejected: int) -> None:
    with pytest.raises(DataError, match="outside the rubric"):
        win_counts(table(("a", preferred, rejected)), ["a"], 3)


def test_pair_accuracy_by_hand() -> None:
    """Rewards (0, 1, 1): 1 over 0 twice: right; 0 over 2: wrong; 1 over 2: a tie, one half.

    (1 + 1 + 0 + 0.5) / 4 = 0.625
    """
    preferences = table(("a", 1, 0), ("a", 1, 0), ("a", 0, 2), ("a", 1, 2))
    assert pair_accuracy(np.array([[0.0, 1.0, 1.0]]), win_counts(preferences, ["a"], 3)) == 0.625


def test_pair_accuracy_of_nothing_is_missing() -> None:
    assert np.isnan(pair_accuracy(np.zeros((1, 2)), np.zeros((1, 2, 2))))


def test_statsmodels_binomial_regression_finds_the_same_rewards() -> None:
    """Wins of i in n comparisons with j: logistic regression on columns that are 1 for i and −1 for j."""
    wins = np.array([[0, 7, 3, 2], [13, 0, 9, 5], [17, 11, 0, 8], [18, 15, 12, 0]], dtype=float)
    pairs = [(i, j) for i in range(4) for j in range(i)]
    design = np.array([np.eye(4)[i] - np.eye(4)[j] for i, j in pairs])[:, 1:]
    counts = np.array([[wins[i, j], wins[j, i]] for i, j in pairs])
    oracle = sm.GLM(counts, design, family=sm.families.Binomial()).fit(tol=1e-12)
    np.testing.assert_allclose(fit_rewards(wins)[1:], oracle.params, atol=1e-6)


def partial_credit(ability: float, steps: np.ndarray) -> np.ndarray:
    """Masters (1982), eq. 7: P(s) = exp Σ_{k ≤ s} (θ − δ_k) / Σ_h exp Σ_{k ≤ h} (θ − δ_k)."""
    numerators = np.exp(np.concatenate([[0.0], np.cumsum(ability - steps)]))
    return np.asarray(numerators / numerators.sum())


def test_bradley_terry_on_adjacent_score_points_is_the_partial_credit_model() -> None:
    """With r(s) − r(s−1) = θ − δ_s and P(s) ∝ exp r(s), adjacent odds are σ(r(s) − r(s−1))."""
    ability, steps = 0.4, np.array([-1.1, 0.3, 0.9])
    rewards = np.concatenate([[0.0], np.cumsum(ability - steps)])
    probability = np.exp(rewards) / np.exp(rewards).sum()
    np.testing.assert_allclose(probability, partial_credit(ability, steps), atol=1e-15)
    for upper in (1, 2, 3):
        odds = probability[upper] / (probability[upper] + probability[upper - 1])
        assert odds == pytest.approx(sigmoid(ability - steps[upper - 1]), abs=1e-15)
        assert odds == pytest.approx(sigmoid(rewards[upper] - rewards[upper - 1]), abs=1e-15)


def test_rewards_from_partial_credit_scores_give_back_the_steps() -> None:
    """Expected adjacent comparisons of a person's scores: s beats s−1 in P(s) of P(s) + P(s−1) cases."""
    ability, steps = 0.4, np.array([-1.1, 0.3, 0.9])
    probability = partial_credit(ability, steps)
    wins = np.zeros((4, 4))
    for upper in (1, 2, 3):
        wins[upper, upper - 1], wins[upper - 1, upper] = probability[upper], probability[upper - 1]
    np.testing.assert_allclose(ability - np.diff(fit_rewards(1000 * wins)), steps, atol=1e-6)
