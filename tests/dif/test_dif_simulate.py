"""Simulated graded responses and their exact cell probabilities."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import integrate, stats

from psyalign.dif.counts.cells import cells
from psyalign.dif.counts.moments import moments_of
from psyalign.dif.matching.reliability import alpha_of_scores
from psyalign.dif.methods.smd import smd_kernel
from psyalign.dif.simulation.graded import default_items, items_like
from psyalign.dif.simulation.population import expected_counts
from psyalign.dif.simulation.scores import count_item, simulate_grm
from psyalign.foundation.errors import DataError, UsageError

SLOPES = np.array([1.2, 0.8, 1.7])
THRESHOLDS = np.array([[-1.0, 0.5], [-0.2, 1.0], [-0.6, 0.1]])


def _curve(theta, slope, cuts, shift=0.0, ratio=1.0, noise=1.0):
    """P(Y = 0), P(Y = 1), ... at one ability, written out from the docstring."""
    logits = (ratio * slope * theta - slope * (np.asarray(cuts) + shift)) / noise
    above = np.concatenate([[1.0], 1 / (1 + np.exp(-logits)), [0.0]])
    return above[:-1] - above[1:]


def _integral(function, mean=0.0):
    value, _ = integrate.quad(lambda t: function(t) * stats.norm.pdf(t, mean), -9, 9, epsabs=1e-12)
    return value


def _shares(item, mean, **own):
    return [
        _integral(lambda t, s=s: _curve(t, SLOPES[item], THRESHOLDS[item], **own)[s], mean) for s in range(3)
    ]


@pytest.mark.parametrize(
    "dif", [{}, {"shift": 0.6}, {"slope_ratio": 0.5}, {"noise": 2.0}, {"shift": 0.3, "slope_ratio": 1.5}]
)
def test_scores_have_the_probabilities_of_the_model(dif):
    n, impact = 200_000, 0.7
    given = {name: np.array([value, *[float(name != "shift")] * 2]) for name, value in dif.items()}
    scores, group = simulate_grm(n, n, slopes=SLOPES, thresholds=THRESHOLDS, impact=impact, **given, seed=3)
    assert scores.shape == (1, 2 * n, 3)
    assert scores.dtype == np.int8
    for code, item in product((0, 1), (0, 1)):
        names = {"shift": "shift", "slope_ratio": "ratio", "noise": "noise"}
        own = {names[key]: value for key, value in dif.items()} if (code, item) == (1, 0) else {}
        expected = _shares(item, -impact * code, **own)
        found = np.bincount(scores[0, group == code, item], minlength=3) / n
        # five standard errors of a share
        assert found == pytest.approx(expected, abs=5 * np.sqrt(0.25 / n))


@pytest.mark.parametrize("match", ["total", "rest"])
def test_expected_counts_agree_with_enumeration(match):
    found = expected_counts(
        1, 1, slopes=SLOPES, thresholds=THRESHOLDS, studied=1, match=match,
        impact=0.5, shift=[0, 0.4, 0], noise=[1, 1.5, 1],
    )  # fmt: skip
    expected = np.zeros_like(found.n)
    for pattern in product(range(3), repeat=3):
        stratum = sum(pattern) - (pattern[1] if match == "rest" else 0)
        for code in (0, 1):

            def likelihood(theta, code=code, pattern=pattern):
                parts = [
                    _curve(theta, SLOPES[i], THRESHOLDS[i], *((0.4, 1.0, 1.5) if code and i == 1 else ()))
                    for i in range(3)
                ]
                return np.prod([part[s] for part, s in zip(parts, pattern, strict=True)])

            expected[stratum, code, pattern[1]] += _integral(likelihood, -0.5 * code)
    assert found.n == pytest.approx(expected, abs=1e-9)


def test_expected_counts_give_the_population_value_of_a_statistic():
    """ES of 400,000 simulated persons, with its standard error, against that of the expected counts."""
    items = default_items(6, 4, seed=5)
    design = {**items._asdict(), "impact": 0.8, "shift": [0.4, 0, 0, 0, 0, 0]}
    scores, group = simulate_grm(200_000, 200_000, **design, seed=8)
    sample = moments_of(count_item(scores, group, 0))
    population = moments_of(expected_counts(1e9, 1e9, **design))
    found, truth = smd_kernel(sample), smd_kernel(population)
    assert abs(found["smd"][0] - truth["smd"]) < 4 * found["se"][0]
    assert truth["smd"] < -0.1
    assert sample.sd[0] == pytest.approx(population.sd, rel=0.005)


def test_count_item_agrees_with_cells():
    scores, group = simulate_grm(60, 50, **default_items(4, 3)._asdict(), replications=3, seed=2)
    who = pd.Series(np.where(group == 1, "focal", "reference"))
    for match in ("total", "rest"):
        counted = count_item(scores, group, 2, match=match, n_points=3)
        for layer, sample in enumerate(scores.astype(int)):
            stratum = sample.sum(axis=1) - (sample[:, 2] if match == "rest" else 0)
            one = pd.DataFrame({"person": range(110), "item": "a", "score": sample[:, 2]})
            expected = cells(one, who, pd.Series(stratum)).points("a")
            mine = counted.n[layer][np.isin(counted.stratum, expected.stratum)]
            assert mine.sum() == counted.n[layer].sum() == 110
            assert (mine == expected.n).all()


def test_a_given_stratum_is_used():
    scores, group = simulate_grm(20, 20, **default_items(3)._asdict(), replications=2)
    strata = np.arange(80).reshape(2, 40) % 5 + 7
    counted = count_item(scores, group, match=strata)
    assert counted.stratum.tolist() == [7, 8, 9, 10, 11]
    assert (counted.n.sum(axis=(2, 3)) == 8).all()


def test_draws_follow_the_seed_alone():
    items = default_items(5)._asdict()
    first, _ = simulate_grm(300, 300, **items, replications=40, seed=4)
    again, _ = simulate_grm(300, 300, **items, replications=40, seed=np.random.default_rng(4))
    other, _ = simulate_grm(300, 300, **items, replications=40, seed=5)
    assert (first == again).all()
    assert (first != other).any()
    assert (first[0] != first[1]).any()


def test_default_items_are_plausible():
    items = default_items(200, 5, seed=9)
    assert items.slopes.min() >= 0.8
    assert items.slopes.max() <= 2.0
    assert (np.diff(items.thresholds, axis=1) >= 0).all()
    assert (default_items(200, 5, seed=9).thresholds == items.thresholds).all()
    assert default_items(3, 2).thresholds.shape == (3, 1)


def test_items_like_a_table_reproduce_its_scores_and_reliability():
    rng = np.random.default_rng(1)
    theta = rng.normal(size=2000)
    latent = 0.9 * theta[:, None] + rng.normal(size=(2000, 5))
    wide = pd.DataFrame((latent[:, :, None] > np.array([-1.5, 0.3, 1.0])).sum(axis=2) + 1)
    wide[4] = wide[4].clip(upper=2)  # an item with two points
    found = items_like(wide)
    scores, _ = simulate_grm(100_000, 1, **found._asdict(), seed=6)
    drawn = scores[0, :100_000].astype(float) + 1
    assert drawn.mean(axis=0) == pytest.approx(wide.mean().to_numpy(), abs=0.02)
    assert drawn.std(axis=0) == pytest.approx(wide.std().to_numpy(), abs=0.02)
    assert alpha_of_scores(drawn) == pytest.approx(alpha_of_scores(wide), abs=0.01)
    asked = items_like(wide, alpha=0.5)
    assert asked.slopes[0] < found.slopes[0]


def test_what_cannot_be_is_refused():
    items = default_items(3)._asdict()
    with pytest.raises(UsageError, match="above 0"):
        simulate_grm(5, 5, **items, noise=0.0)
    with pytest.raises(UsageError, match="ascend"):
        simulate_grm(5, 5, slopes=[1.0], thresholds=[[1.0, 0.0]])
    with pytest.raises(UsageError, match="row of thresholds"):
        simulate_grm(5, 5, slopes=[1.0, 1.0], thresholds=[[1.0, 2.0]])
    with pytest.raises(UsageError, match="two score points"):
        default_items(3, 1)
    with pytest.raises(DataError, match="Two items"):
        items_like(pd.DataFrame({"a": [1, 1, 1], "b": [0, 1, 2]}))
    with pytest.raises(DataError, match="reliability"):
        items_like(pd.DataFrame({"a": [0, 1, 2, 1], "b": [2, 1, 0, 1]}))
