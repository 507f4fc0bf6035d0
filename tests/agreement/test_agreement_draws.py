"""Draws of persons are multinomial, do not depend on the blocks, and leave the products in one thread."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from threadpoolctl import threadpool_info

from psyalign.agreement import resample
from psyalign.agreement.resampling import draw_weights
from psyalign.agreement.sums import POINTWISE, pair_kernel, pair_sums

MANY = 40_000


def test_weights_are_multinomial():
    """Mean, variance and covariance of the multinomial; each person's weight is binomial."""
    persons = 12
    weights = draw_weights(np.random.default_rng(1), persons, MANY)
    assert weights.dtype == np.float64
    assert (weights.sum(axis=1) == persons).all()
    truth = stats.multinomial(persons, np.full(persons, 1 / persons)).cov()
    error = np.sqrt(3 / MANY)  # a product of two weights has a variance of about 3 at most
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=5 * np.sqrt(truth[0, 0] / MANY))
    np.testing.assert_allclose(np.cov(weights.T), truth, atol=5 * error)
    chance = stats.binom(persons, 1 / persons).pmf(np.arange(6))
    for person in (0, 5, 11):
        seen = np.bincount(weights[:, person].astype(int), minlength=persons + 1)
        counts, expected = np.append(seen[:6], seen[6:].sum()), np.append(chance, 1 - chance.sum()) * MANY
        assert stats.chisquare(counts, expected).pvalue > 1e-4


def test_one_person_is_always_drawn():
    assert (draw_weights(np.random.default_rng(0), 1, 5) == 1).all()


def test_a_seed_gives_the_same_draws_in_blocks_of_any_size():
    whole = draw_weights(np.random.default_rng(7), 33, 20)
    rng = np.random.default_rng(7)
    parts = [draw_weights(rng, 33, rows) for rows in (1, 12, 7)]
    np.testing.assert_array_equal(whole, np.vstack(parts))


@pytest.mark.parametrize("bca", [False, True])
def test_products_take_one_thread_and_give_the_others_back(bca):
    def threads() -> list[int]:
        return [part["num_threads"] for part in threadpool_info() if part["user_api"] == "blas"]

    before, during = threads(), []

    def statistic(weights):
        during.append(threads())
        return {"n": weights.sum(axis=1)}

    resample(statistic, 10, replicates=3, bca=bca)
    assert set(during[0]) <= {1}
    assert threads() == before


def test_moments_alone_give_the_same_statistics_without_those_of_score_points():
    rng = np.random.default_rng(3)
    human = rng.integers(0, 5, 300).astype(float)
    score = human + rng.normal(0, 1, 300)
    score[::17] = np.nan
    person = rng.integers(0, 100, 300)
    weights = draw_weights(rng, 100, 20)
    whole = pair_kernel(pair_sums(human, score, person, 100), weights)
    part = pair_kernel(pair_sums(human, score, person, 100, pointwise=False), weights)
    assert set(whole) - set(part) == set(POINTWISE)
    for name, values in part.items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-12, atol=1e-12)
