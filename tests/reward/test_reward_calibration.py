"""Calibration of rewards: hand arithmetic, another software's regression, and known distortions."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit

from psyalign.reward import calibration
from psyalign.reward.calibration import oriented_pairs


def judged(seed: int, *, stretch: float = 1.0, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Simulated: rewards, and ten judgements a pair with chance σ((r_hi − r_lo) · stretch + shift)."""
    rng = np.random.default_rng(seed)
    rewards = rng.normal(0, 1.5, (400, 3))
    wins = np.zeros((400, 3, 3))
    for upper in (1, 2):
        chance = expit(stretch * (rewards[:, upper] - rewards[:, upper - 1]) + shift)
        wins[:, upper, upper - 1] = rng.binomial(10, chance)
        wins[:, upper - 1, upper] = 10 - wins[:, upper, upper - 1]
    return rewards, wins


def test_pairs_put_the_higher_score_first() -> None:
    wins = np.zeros((1, 3, 3))
    wins[0, 2, 0], wins[0, 0, 2], wins[0, 0, 1] = 3, 1, 2
    apart, won, lost = oriented_pairs(np.array([[0.0, 0.5, 2.0]]), wins)
    assert (apart.tolist(), won.tolist(), lost.tolist()) == ([0.5, 2.0], [0, 3], [2, 1])


def test_log_loss_and_error_by_hand() -> None:
    """Differences 1 (3 of 4 for the higher) and 0 (1 of 2): one bin, as there are fewer than 20 judgements.

    Log loss (3 ln(1 + 1/e) + ln(1 + e) + 2 ln 2) / 6; predicted (4 σ(1) + 2/2) / 6, observed 4/6.
    """
    wins = np.zeros((2, 2, 2))
    wins[0] = [[0, 1], [3, 0]]
    wins[1] = [[0, 1], [1, 0]]
    found = calibration(np.array([[0.0, 1.0], [0.0, 0.0]]), wins)
    assert found.log_loss == pytest.approx((3 * log(1 + exp(-1)) + log(1 + exp(1)) + 2 * log(2)) / 6)
    assert found.ece == pytest.approx(abs((4 * expit(1) + 1) / 6 - 4 / 6))
    assert found.table["n"].tolist() == [6]
    assert np.isnan(found.slope), "six judgements carry no slope"


def test_statsmodels_finds_the_same_line() -> None:
    rewards, wins = judged(0, stretch=0.6, shift=-0.3)
    found = calibration(rewards, wins)
    apart, won, lost = oriented_pairs(rewards, wins)
    oracle = sm.GLM(np.c_[won, lost], sm.add_constant(apart), family=sm.families.Binomial()).fit(tol=1e-12)
    np.testing.assert_allclose([found.intercept, found.slope], oracle.params, atol=1e-8)


def test_true_probabilities_are_calibrated_and_extreme_ones_are_not() -> None:
    good = calibration(*judged(1))
    assert good.slope == pytest.approx(1, abs=0.08) and good.intercept == pytest.approx(0, abs=0.08)
    assert good.ece < 0.02 and len(good.table) == 10
    assert good.table["n"].min() > 0.7 * good.table["n"].max()
    extreme = calibration(*judged(1, stretch=0.4, shift=-0.5))
    assert extreme.slope == pytest.approx(0.4, abs=0.05) and extreme.intercept == pytest.approx(-0.5, abs=0.1)
    assert extreme.ece > 0.1 and extreme.log_loss > good.log_loss


def test_separated_judgements_have_no_line() -> None:
    rewards = np.tile([0.0, 1.0, 3.0], (20, 1))
    wins = np.zeros((20, 3, 3))
    wins[:, 1, 0], wins[:, 1, 2] = 1, 1
    found = calibration(rewards, wins)
    assert np.isnan(found.slope) and np.isnan(found.intercept) and np.isfinite(found.log_loss)


def test_no_judgement_is_missing() -> None:
    found = calibration(np.zeros((2, 3)), np.zeros((2, 3, 3)))
    assert np.isnan([found.log_loss, found.slope, found.intercept, found.ece]).all() and not len(found.table)
