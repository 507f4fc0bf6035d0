"""Decisions at cuts beside scikit-learn's; Livingston and Lewis beside a simulation with known truth."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, precision_score, recall_score

from psyalign.agreement import decision_kernel, decision_sums, decisions, livingston_lewis, resample
from psyalign.foundation.errors import UsageError

# Shapes and ends of the true scores, trials; scores are scaled to 10..50.
CASES = (
    ((3.0, 2.0), (0.2, 0.9), 20),
    ((1.2, 4.0), (0.0, 0.8), 40),
    ((5.0, 1.5), (0.1, 1.0), 12),
)


@pytest.mark.parametrize("seed", range(5))
def test_decisions_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    human = rng.integers(0, 5, 200)
    score = np.clip(human + rng.normal(0, 0.8, 200), 0, 4)
    table = decisions(human, score, [1.5, 3]).set_index("cut")
    for cut in (1.5, 3):
        h, m, row = human >= cut, score >= cut, table.loc[cut]
        expected = {
            "accuracy": accuracy_score(h, m),
            "sensitivity": recall_score(h, m),
            "specificity": recall_score(~h, ~m),
            "ppv": precision_score(h, m),
            "npv": precision_score(~h, ~m),
            "kappa": cohen_kappa_score(h, m),
            "human_rate": h.mean(),
            "rate": m.mean(),
            "n": 200,
        }
        assert row.to_dict() == pytest.approx(expected, abs=1e-12)
    bins = [np.digitize(values, [1.5, 3]) for values in (human, score)]
    assert table.loc["all", "accuracy"] == pytest.approx(accuracy_score(*bins))
    assert table.loc["all", "kappa"] == pytest.approx(cohen_kappa_score(*bins))


def test_decisions_without_information():
    table = decisions([1, 1, np.nan], [1, 1, 3], [2]).set_index("cut")
    assert table.loc[2.0, "n"] == 2
    assert table.loc[2.0, "accuracy"] == 1
    assert table.loc[2.0, ["sensitivity", "ppv", "kappa"]].isna().all()
    assert decisions([], [], [2])["accuracy"].isna().all()
    for wrong in ([], [2, 2], [np.nan]):
        with pytest.raises(UsageError, match="Cut scores"):
            decisions([1], [1], wrong)


def test_decisions_resample():
    rng = np.random.default_rng(1)
    human = rng.integers(0, 5, 300)
    score = np.clip(human + rng.integers(-1, 2, 300), 0, 4)
    sums = decision_sums(human.astype(float), score.astype(float), [2], np.arange(300) // 3, 100)
    drawn = resample(lambda weights: decision_kernel(sums, weights, [2]), 100, replicates=300)
    low, high = drawn.interval((2, "accuracy"))
    assert low < drawn.values[2, "accuracy"][0] < high
    assert drawn.values[2, "accuracy"][0] == np.mean((human >= 2) == (score >= 2))


@pytest.mark.parametrize(("shapes", "ends", "trials"), CASES)
def test_livingston_lewis_finds_the_simulated_truth(shapes, ends, trials):
    """200,000 persons with true scores from a four-parameter beta, two parallel forms of binomial errors."""
    rng = np.random.default_rng(3)
    tau = ends[0] + (ends[1] - ends[0]) * rng.beta(*shapes, 200_000)
    one, two = (rng.binomial(trials, tau) for _ in range(2))
    reliability = float(np.corrcoef(one, two)[0, 1])
    passed = [round(trials * 0.4), round(trials * 0.7)]
    scaled = [10 + 40 * count / trials for count in passed]
    found = livingston_lewis(10 + 40 * one / trials, reliability, scaled, low=10, high=50)
    assert abs(found.effective_length - trials) <= max(1, trials * 0.03)
    rows = found.table.set_index("cut")
    edges = np.array(passed) / trials
    for name, cut, place in zip(scaled, passed, edges, strict=True):
        row, is_in, first, second = rows.loc[name], tau >= place, one >= cut, two >= cut
        truth = {
            "rate": first.mean(),
            "true_rate": is_in.mean(),
            "accuracy": (is_in == first).mean(),
            "false_positive": (first & ~is_in).mean(),
            "false_negative": (~first & is_in).mean(),
            "consistency": (first == second).mean(),
        }
        assert row[list(truth)].astype(float).to_dict() == pytest.approx(truth, abs=0.012)
        assert row["kappa"] == pytest.approx(cohen_kappa_score(first, second), abs=0.03)
    classes = [np.digitize(values, at) for values, at in ((tau, edges), (one, passed), (two, passed))]
    assert rows.loc["all", "accuracy"] == pytest.approx((classes[0] == classes[1]).mean(), abs=0.012)
    assert rows.loc["all", "consistency"] == pytest.approx((classes[1] == classes[2]).mean(), abs=0.012)


def test_livingston_lewis_four_parameters_exactly():
    """Moments of a known beta, without sampling error, give its parameters back."""
    from psyalign.agreement.classification import _beta

    nodes, weights = np.polynomial.legendre.leggauss(200)
    x = (nodes + 1) / 2
    mass = weights * x**2 * (1 - x) ** 3
    tau, mass = 0.1 + 0.7 * x, mass / mass.sum()
    (found, model) = _beta(np.array([mass @ tau**k for k in range(1, 5)]))
    assert model == "four-parameter beta"
    assert found == pytest.approx((3, 4, 0.1, 0.8), rel=1e-6)


def test_livingston_lewis_degenerate():
    nothing = livingston_lewis([3, 3, 3], 0.8, [2], low=0, high=5)
    assert set(nothing.table["reason"]) == {"the scores do not vary"}
    assert livingston_lewis([3], 0.8, [2], low=0, high=5).table["accuracy"].isna().all()
    few = livingston_lewis([0, 0, 5, 5], 0.5, [2], low=0, high=5)
    assert few.table["reason"].ne("").all()
    assert "effective length" in repr(few)
    for how in ({"reliability": 1.0}, {"cuts": [0]}, {"cuts": [6]}, {"low": 9}, {"high": 4}):
        asked = {"scores": [1, 2, 5], "reliability": 0.8, "cuts": [2], "low": 0, "high": 5} | how
        with pytest.raises(UsageError):
            livingston_lewis(**asked)
