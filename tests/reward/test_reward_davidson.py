"""Paired comparison with ties: hand arithmetic, closed forms, and simulations with known truth."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
import pandas as pd
import pytest
import torch

from psyalign.foundation.errors import DataError
from psyalign.reward import bradley_terry_loss, davidson_loss, fit_davidson
from psyalign.reward.davidson import tie_start


def simulated(
    quality: np.ndarray,
    pairs: list[tuple[int, int]],
    rng: np.random.Generator,
    *,
    ties: float = 0.6,
    slope: np.ndarray | None = None,
    leaning: np.ndarray | None = None,
    side: np.ndarray | None = None,
) -> pd.DataFrame:
    """Comparisons under the model, each by a random rater."""
    slope = np.ones(1) if slope is None else slope
    rows = []
    for a, b in pairs:
        rater = int(rng.integers(len(slope)))
        apart = quality[a] - quality[b]
        if leaning is not None and side is not None:
            apart += leaning[rater] * (side[a] - side[b])
        half = slope[rater] * apart / 2
        chance = np.array([exp(half), ties, exp(-half)])
        said = rng.choice(["a", "tie", "b"], p=chance / chance.sum())
        rows.append((f"x{a:03}", f"x{b:03}", said, f"r{rater:02}"))
    return pd.DataFrame(rows, columns=["response_a", "response_b", "preferred", "rater"])


def twenty_each(count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Every response in exactly twenty comparisons."""
    rounds = [rng.permutation(count).reshape(-1, 2) for _ in range(20)]
    return [(int(a), int(b)) for a, b in np.concatenate(rounds)]


def test_loss_by_hand() -> None:
    """d = 2, ν = 0.5: a : tie : b = e : 0.5 : 1/e, sum 3.586161. A win costs −ln(e / 3.586161) = 0.277082,
    a tie −ln(0.5 / 3.586161) = 1.970229; their mean is 1.123656."""
    loss = davidson_loss(torch.tensor([2.0, 2.0]), torch.tensor(log(0.5)), torch.tensor([0, 1]))
    total = exp(1) + 0.5 + exp(-1)
    assert float(loss) == pytest.approx((log(total) - 1 + log(total) - log(0.5)) / 2, abs=1e-6)
    assert float(loss) == pytest.approx(1.123656, abs=1e-5)


def test_without_ties_it_is_bradley_terry() -> None:
    apart = torch.tensor([0.3, -1.2, 2.0], dtype=torch.float64)
    never = torch.tensor(-1e4, dtype=torch.float64)
    ours = davidson_loss(apart, never, torch.tensor([0, 0, 2]))
    wins = torch.zeros(3, 2, 2, dtype=torch.float64)
    wins[0, 0, 1] = wins[1, 0, 1] = wins[2, 1, 0] = 1
    rewards = torch.stack([apart, torch.zeros(3, dtype=torch.float64)], dim=1)
    assert float(ours) == pytest.approx(float(bradley_terry_loss(rewards, wins)), abs=1e-12)


def test_gradient_by_hand() -> None:
    """d = 0, ν = 1: each outcome 1/3; of a win, d/dd = −(1 − 1/3 + 1/3)/2 = −1/2, d/d ln ν = 1/3."""
    apart = torch.zeros(1, requires_grad=True)
    ties = torch.zeros((), requires_grad=True)
    davidson_loss(apart, ties, torch.tensor([0])).backward()
    assert apart.grad is not None and ties.grad is not None
    assert float(apart.grad) == pytest.approx(-0.5, abs=1e-6)
    assert float(ties.grad) == pytest.approx(1 / 3, abs=1e-6)


def test_two_responses_have_a_closed_form() -> None:
    """60 wins, 20 ties, 20 losses: d = ln(60/20), ν = 20/√(60 · 20), where the data outweigh the prior."""
    rows = [("x", "y", "a", "r", 6e6), ("x", "y", "tie", "r", 2e6), ("y", "x", "a", "r", 2e6)]
    columns = ["response_a", "response_b", "preferred", "rater", "weight"]
    found = fit_davidson(pd.DataFrame(rows, columns=columns))
    quality = found.table.set_index("response_id")["quality"]
    assert found.converged
    assert quality["x"] - quality["y"] == pytest.approx(log(3), abs=1e-5)
    assert found.log_ties == pytest.approx(log(20 / sqrt(1200)), abs=1e-5)


def test_a_weight_is_so_many_rows() -> None:
    rows = [("x", "y", "a", "r"), ("y", "z", "tie", "r"), ("x", "z", "b", "r")]
    table = pd.DataFrame(rows, columns=["response_a", "response_b", "preferred", "rater"])
    thrice = fit_davidson(pd.concat([table] * 3, ignore_index=True))
    weighted = fit_davidson(table.assign(weight=3.0))
    np.testing.assert_allclose(weighted.table["quality"], thrice.table["quality"], atol=1e-8)
    np.testing.assert_allclose(weighted.table["se"], thrice.table["se"], atol=1e-8)


def test_simulated_quality_is_recovered_from_twenty_comparisons_a_response() -> None:
    """Simulation: 100 responses, quality SD 1.5 logits, a quarter of the comparisons tied; five samples."""
    recovered, ties = [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        quality = rng.normal(0, 1.5, 100)
        found = fit_davidson(simulated(quality, twenty_each(100, rng), rng))
        assert found.converged and (found.table["comparisons"] == 20).all()
        recovered.append(np.corrcoef(found.table["quality"], quality)[0, 1])
        ties.append(found.log_ties)
    assert min(recovered) >= 0.88 and np.mean(recovered) >= 0.90
    assert np.mean(ties) == pytest.approx(log(0.6), abs=0.1)


def test_standard_errors_are_the_size_of_the_errors() -> None:
    """Simulation: errors (both centred) over their standard errors have a variance near 1."""
    ratios = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        quality = rng.normal(0, 1.0, 60)
        found = fit_davidson(simulated(quality, twenty_each(60, rng), rng)).table
        error = (found["quality"] - found["quality"].mean()) - (quality - quality.mean())
        ratios.extend(error / found["se"])
    assert 0.75 < np.var(ratios) < 1.25


def test_careless_raters_and_leanings_are_found() -> None:
    """Simulation: ten raters, one careless (a = .1), three leaning by one logit towards focal responses."""
    rng = np.random.default_rng(1)
    quality, side = rng.normal(0, 1.5, 120), np.where(np.arange(120) % 2, 0.5, -0.5)
    slope = np.array([0.1, *np.linspace(0.8, 1.6, 9)])
    leaning = np.array([0, 0, 0, 0, 0, 0, 0, 1.0, 1.0, 1.0]) - 0.3
    pairs = [tuple(rng.choice(120, 2, replace=False)) for _ in range(4000)]
    table = simulated(quality, pairs, rng, slope=slope, leaning=leaning, side=side)
    group = {f"x{at:03}": float(value) for at, value in enumerate(side)}
    raters = fit_davidson(table, discrimination=True, group=group).raters
    assert raters["discrimination"].idxmin() == 0 and raters["discrimination"][0] < 0.4
    assert np.exp(np.log(raters["discrimination"]).mean()) == pytest.approx(1, abs=1e-9)
    assert np.corrcoef(raters["group_effect"][1:], leaning[1:])[0, 1] > 0.8
    assert raters["group_effect"].sum() == pytest.approx(0, abs=1e-9)


def test_a_response_that_always_won_has_a_finite_quality() -> None:
    rows = [("x", "y", "a", "r")] * 50
    found = fit_davidson(pd.DataFrame(rows, columns=["response_a", "response_b", "preferred", "rater"]))
    assert found.converged and found.table["quality"].between(-10, 10).all()


def test_ties_start_at_their_share() -> None:
    """20 of 100 tied: P(tie) = ν / (2 + ν) = (20 + .5)/101."""
    start = exp(tie_start(np.array([1] * 20 + [0] * 80)))
    assert start / (2 + start) == pytest.approx(20.5 / 101)
    assert np.isfinite(tie_start(np.zeros(4))) and np.isfinite(tie_start(np.ones(4)))


def test_no_comparison_is_said() -> None:
    empty = pd.DataFrame({"response_a": [], "response_b": [], "preferred": [], "rater": []})
    with pytest.raises(DataError, match="no comparison"):
        fit_davidson(empty)
