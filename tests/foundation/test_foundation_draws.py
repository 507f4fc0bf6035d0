"""Intervals and p from draws: scipy's percentile interval, and p as the level at which it leaves the null."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from psyalign.foundation.draws import check_level, inverted_p, percentile_interval
from psyalign.foundation.errors import UsageError


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_interval_is_scipys(level):
    rng = np.random.default_rng(3)
    draws = rng.gamma(2, size=777)
    theirs = stats.bootstrap(
        (np.arange(3.0),), np.mean, n_resamples=0, method="percentile", confidence_level=level,
        bootstrap_result=SimpleNamespace(bootstrap_distribution=draws),
    ).confidence_interval  # fmt: skip
    np.testing.assert_allclose(percentile_interval(draws, level), theirs, rtol=1e-14)
    with_gaps = np.insert(draws, [0, 5, 700], [np.nan, np.inf, -np.inf])
    assert percentile_interval(with_gaps, level) == percentile_interval(draws, level)


def test_nothing_comes_of_no_draws():
    for draws in (np.full(3, np.nan), np.empty(0)):
        assert np.isnan([*percentile_interval(draws), inverted_p(draws)]).all()


def test_p_of_draws():
    assert inverted_p(np.array([1.0, 2.0, np.nan, 3.0])) == pytest.approx(2 / 4)
    assert inverted_p(np.array([-1.0, 1.0])) == 1.0
    assert inverted_p(np.array([0.0, 0.0])) == 1.0
    assert inverted_p(np.array([1.0, 2.0, 3.0]), 3.5) == pytest.approx(2 / 4)


@pytest.mark.parametrize("null", [-0.4, 0.0, 0.3, 1.7])
def test_p_is_the_level_at_which_the_interval_leaves_the_null(null):
    draws = np.random.default_rng(4).normal(0.5, 1, 999)
    p = inverted_p(draws, null)
    outside, inside = 1 - p + 0.004, 1 - p - 0.004  # two draws of 999 to each side
    low, high = percentile_interval(draws, outside)
    assert low <= null <= high
    low, high = percentile_interval(draws, inside)
    assert not low <= null <= high


@pytest.mark.parametrize("level", [0, 1, -0.1, 95, float("nan")])
def test_a_level_lies_between_0_and_1(level):
    with pytest.raises(UsageError, match="coverage"):
        check_level(level)
