"""Paired comparison with ties, fitted to a table: closed forms, and simulations with known truth."""

from __future__ import annotations

from math import exp, log, sqrt

import numpy as np
import pandas as pd
import pytest

from psyalign.feedback.raters import fit_davidson, tie_start
from psyalign.foundation.errors import DataError


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
    """Simulation: of ten raters one answers at random, one upside down, and three lean by one logit."""
    rng = np.random.default_rng(1)
    quality, side = rng.normal(0, 1.5, 120), np.where(np.arange(120) % 2, 0.5, -0.5)
    slope = np.array([0.0, -1.0, *np.ones(8)])
    leaning = np.array([0, 0, 0, 0, 0, 0, 0, 1.0, 1.0, 1.0]) - 0.3
    pairs = [tuple(rng.choice(120, 2, replace=False)) for _ in range(4000)]
    table = simulated(quality, pairs, rng, slope=slope, leaning=leaning, side=side)
    group = {f"x{at:03}": float(value) for at, value in enumerate(side)}
    found = fit_davidson(table, discrimination=True, group=group)
    raters = found.raters
    assert found.converged
    assert 0.4 < raters["eta"][0] < 0.65 and raters["eta"][1] < 0.1 and raters["eta"][2:].min() > 0.9
    assert (raters["eta_low"] < raters["eta"]).all() and (raters["eta"] < raters["eta_high"]).all()
    assert np.corrcoef(raters["group_effect"][2:], leaning[2:])[0, 1] > 0.8
    assert raters["group_effect"].sum() == pytest.approx(0, abs=1e-9)


def test_the_share_of_right_answers_is_recovered() -> None:
    """Simulation: raters answer at random with probability 0, .5 and 1, so that η = 1, .75 and .5.

    150 comparisons a rater of 40 responses; the mean over ten samples. Qualities are estimated from
    the same answers, which draws random raters' η up a little.
    """
    found = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        quality, careless = rng.normal(0, 1.5, 40), np.array([0, 0, 0, 0, 0.5, 1.0])
        pairs = [tuple(rng.choice(40, 2, replace=False)) for _ in range(900)]
        table = simulated(quality, pairs, rng, slope=np.ones(6))
        gone = rng.random(900) < careless[table["rater"].str[1:].astype(int)]
        table.loc[gone, "preferred"] = rng.choice(["a", "tie", "b"], int(gone.sum()))
        found.append(fit_davidson(table, discrimination=True).raters["eta"].to_numpy())
    mean = np.mean(found, axis=0)
    assert mean[:4].min() > 0.94
    assert mean[4] == pytest.approx(0.75, abs=0.08) and mean[5] == pytest.approx(0.5, abs=0.08)


def test_without_ties_eta_is_crowd_bts_likelihood() -> None:
    """P(a over b) = η σ(d) + (1 − η) σ(−d), written out, against the model's likelihood at the maximum."""
    rng = np.random.default_rng(2)
    table = simulated(rng.normal(0, 1, 12), twenty_each(12, rng), rng, ties=0.0, slope=np.ones(3))
    found = fit_davidson(table.assign(weight=1e4), discrimination=True)
    quality = found.table.set_index("response_id")["quality"]
    eta = found.raters.set_index("rater")["eta"]

    def loss(q: np.ndarray, e: np.ndarray) -> float:
        quality_of, eta_of = dict(zip(quality.index, q, strict=True)), dict(zip(eta.index, e, strict=True))
        total = 0.0
        for a, b, said, rater in table[["response_a", "response_b", "preferred", "rater"]].itertuples(
            index=False
        ):
            up = 1 / (1 + exp(quality_of[b] - quality_of[a]))
            p = eta_of[rater] * up + (1 - eta_of[rater]) * (1 - up)
            total -= log(p if said == "a" else 1 - p)
        return total

    best = loss(quality.to_numpy(), eta.to_numpy())
    for at in range(12):  # with so much weight on the data, it is the maximum of that likelihood
        for step in (-0.02, 0.02):
            assert loss(quality.to_numpy() + step * np.eye(12)[at], eta.to_numpy()) >= best
    for at in range(3):
        for step in (-0.01, 0.01):
            moved = np.clip(eta.to_numpy() + step * np.eye(3)[at], 1e-9, 1 - 1e-9)
            assert loss(quality.to_numpy(), moved) >= best - 1e-3


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
