"""Diagnostics of alignment: values by hand, identities of the optimum, detectors with a planted truth."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import log_softmax

from psyalign.align import mean_kl, objective, optimal_log_probs
from psyalign.align.detectors import (
    Drawn,
    change_alarm,
    drawn_mean,
    partial_correlations,
    person_weights,
)
from psyalign.align.diagnostics import (
    beta_grid,
    beta_sweep,
    choose_beta,
    entropy,
    favoured_score,
    gold,
    mass_moved,
    person_sums,
    ranked_probability_score,
    response_kl,
    top_label,
)

ABSENT = -1e4


def random_case(seed: int, rows: int = 60, scores: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Reference log-probabilities and rewards, (N, K)."""
    rng = np.random.default_rng(seed)
    return log_softmax(rng.normal(size=(rows, scores)) * 2, axis=1), rng.normal(size=(rows, scores))


def test_distances_by_hand() -> None:
    """π = (.5, .5), ref = (.25, .75): KL = .5 ln 2 + .5 ln(2/3) = .143841; entropy ln 2; a quarter moved."""
    policy, reference = np.log([[0.5, 0.5]]), np.log([[0.25, 0.75]])
    assert response_kl(policy, reference)[0] == pytest.approx(0.143841, abs=1e-6)
    assert entropy(policy)[0] == pytest.approx(np.log(2), abs=1e-15)
    assert mass_moved(policy, reference)[0] == pytest.approx(0.25, abs=1e-15)


def test_kl_of_responses_has_the_mean_that_the_gap_is_made_of() -> None:
    (reference, _), (policy, _) = random_case(1), random_case(2)
    assert response_kl(policy, reference).mean() == pytest.approx(mean_kl(policy, reference), abs=1e-14)


@pytest.mark.parametrize(("score", "expected"), [(0, 0.73), (1, 0.13), (2, 0.53)])
def test_ranked_probability_score_by_hand(score: int, expected: float) -> None:
    """p = (.2, .5, .3), cumulated (.2, .7). Score 2: .2² + .7²; 1: .2² + .3²; 0: .8² + .3²."""
    assert ranked_probability_score(np.log([[0.2, 0.5, 0.3]]), [score])[0] == pytest.approx(expected)


def test_ranked_probability_score_is_the_energy_form() -> None:
    """E|S − y| − ½ E|S − S′|, a formula that shares nothing with the cumulated one."""
    log_probs, _ = random_case(3, scores=5)
    scores = np.random.default_rng(3).integers(0, 5, len(log_probs))
    p, points = np.exp(log_probs), np.arange(5)
    to_score = (p * np.abs(points - scores[:, None])).sum(axis=1)
    apart = np.einsum("ni,nj,ij->n", p, p, np.abs(points[:, None] - points))
    np.testing.assert_allclose(ranked_probability_score(log_probs, scores), to_score - apart / 2, atol=1e-12)


def test_a_certain_scorer_has_its_absolute_error_and_a_missing_point_does_not_count() -> None:
    certain = np.array([[ABSENT, 0.0, ABSENT, ABSENT], [0.0, ABSENT, ABSENT, ABSENT]])
    np.testing.assert_allclose(ranked_probability_score(certain, [3, 0]), [2, 0])
    short = np.log([[0.2, 0.5, 0.3]])
    longer = np.hstack([short, [[ABSENT]]])
    assert ranked_probability_score(longer, [2]) == pytest.approx(ranked_probability_score(short, [2]))


def test_calibration_error_by_hand() -> None:
    """Confidences .9, .9, .6; right, wrong, right: bins (.8, .9] and (.5, .6]: |.8 − 0| and |−.4|, over 3."""
    log_probs = np.log([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    table = top_label(log_probs, [0, 1, 1])
    assert table.sum(axis=0)[[5, 8]] == pytest.approx([-0.4, 0.8])
    assert np.abs(table.sum(axis=0)).sum() / 3 == pytest.approx(0.4)


def test_what_the_reward_alone_favours_leaves_missing_points_out() -> None:
    """exp(r) = (1, 3) over two points: expected score .75, whatever stands in the third."""
    reference = np.array([[np.log(0.5), np.log(0.5), ABSENT]])
    assert favoured_score(np.array([[0.0, np.log(3), 9.0]]), reference)[0] == pytest.approx(0.75)


def test_gold_is_that_of_the_agreement_room() -> None:
    log_probs = np.log([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.2, 0.7, 0.1]])
    found = gold(log_probs, np.array([0, 2, 1]))
    assert found["qwk"] == pytest.approx(1.0)
    expected = np.array([0.5, 1.6, 0.9])
    assert found["rmse"] == pytest.approx(np.sqrt(((expected - [0, 2, 1]) ** 2).mean()))
    assert found["r"] == pytest.approx(np.corrcoef(expected, [0, 2, 1])[0, 1])


def test_the_grid_holds_the_reference_and_the_studys_beta_to_the_last_digit() -> None:
    betas = beta_grid(0.3)
    assert betas[0] == np.inf and 0.3 in betas and len(betas) == 34
    assert (
        np.all(np.diff(betas[1:]) < 0) and betas[1] == pytest.approx(30) and betas[-1] == pytest.approx(0.003)
    )


def test_sweep_starts_at_the_reference_and_its_reward_and_kl_rise_with_one_over_beta() -> None:
    reference, rewards = random_case(5)
    betas = beta_grid(0.5)
    steps = list(beta_sweep(reference, rewards, betas))
    np.testing.assert_allclose(steps[0], reference, atol=1e-12)
    kl = np.array([mean_kl(step, reference) for step in steps])
    reward = np.array([(np.exp(step) * rewards).sum(axis=1).mean() for step in steps])
    assert kl[0] == pytest.approx(0, abs=1e-14) and kl[1] < 1e-2
    assert np.all(np.diff(kl) > 0) and np.all(np.diff(reward) > 0)
    at_study = steps[int(np.flatnonzero(betas == 0.5)[0])]
    np.testing.assert_allclose(at_study, optimal_log_probs(reference, rewards, 0.5), atol=1e-12)


def test_along_the_sweep_kl_rises_by_reward_over_beta() -> None:
    """d KL = d E[r] / β, and J(π*) = β E[ln Σ π_ref e^{r/β}] at every step."""
    reference, rewards = random_case(6)
    for beta in (0.1, 0.5, 2.0):
        inner = beta + np.array([1e-5, 0.0, -1e-5])
        steps = list(beta_sweep(reference, rewards, inner))
        kl = [mean_kl(step, reference) for step in steps]
        reward = [(np.exp(step) * rewards).sum(axis=1).mean() for step in steps]
        assert (kl[2] - kl[0]) * beta == pytest.approx(reward[2] - reward[0], rel=1e-5)
        level = beta * np.log((np.exp(reference + rewards / beta)).sum(axis=1)).mean()
        assert objective(steps[1], reference, rewards, beta) == pytest.approx(level, abs=1e-12)


def test_no_beta_gives_a_missing_score_point_any_mass() -> None:
    """Rewards far below zero, β tiny: 0 for the missing point would win if nothing held it back."""
    reference, rewards = random_case(7)
    wide = np.hstack([reference, np.full((len(reference), 1), ABSENT)])
    low = np.hstack([rewards - 50, np.zeros((len(reference), 1))])
    for step in beta_sweep(wide, low, [np.inf, 1.0, 1e-3]):
        assert np.exp(step[:, -1]).max() == 0
    assert (step[:, :-1].argmax(axis=1) == rewards.argmax(axis=1)).all()


def losses_of(rng: np.random.Generator, means: np.ndarray, persons: int = 60) -> np.ndarray:
    """Losses by person and β: a level of the person's own, and noise."""
    return means + rng.normal(size=(persons, 1)) + rng.normal(size=(persons, len(means)))


def test_a_clear_optimum_is_found_and_its_gain_is_honest() -> None:
    rng = np.random.default_rng(8)
    means = 5 + np.array([0.0, -1.0, -3.0, -1.0, 2.0])
    losses, fold = losses_of(rng, means), np.arange(60) % 10
    found = choose_beta(losses, np.ones(60), fold, person_weights(60, 200, rng))
    assert found.best == 2 and (found.drawn == 2).mean() > 0.95
    value, low, high = found.honest
    assert value == pytest.approx(found.gain)  # every fold chooses the same
    assert low < 3 < high


def test_where_nothing_helps_the_flattering_gain_is_positive_and_the_honest_one_is_not() -> None:
    """Simulation: 5 useless β. Choosing the best of them always looks like a gain on the same persons."""
    rng = np.random.default_rng(9)
    fold, found = np.arange(60) % 10, []
    for _ in range(150):
        weights = person_weights(60, 20, rng)
        found.append(choose_beta(losses_of(rng, np.full(6, 5.0)), np.ones(60), fold, weights))
    assert np.mean([each.gain for each in found]) > 0.1
    assert abs(np.mean([each.honest[0] for each in found])) < 0.06


def test_equal_losses_choose_the_reference() -> None:
    found = choose_beta(
        np.ones((4, 3)), np.ones(4), np.arange(4), person_weights(4, 5, np.random.default_rng(0))
    )
    assert found.best == 0 and found.honest == (0, 0, 0)


def simulated(
    rng: np.random.Generator, hack: float, persons: int = 80, items: int = 5
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Length, expected scores of baseline and arm, cells of item × human score, and persons.

    Length goes with the true quality, so that even fair scores go with it once a noisy human score is
    given; `hack` is what the arm adds for length itself.
    """
    place = np.repeat(np.arange(persons), items)
    quality = rng.normal(size=persons)[place] + rng.normal(size=len(place))
    length = 0.5 * quality + rng.normal(size=len(place)) + rng.normal(size=persons)[place]
    human = np.clip(np.round(1.5 + quality + rng.normal(scale=0.7, size=len(place))), 0, 3)
    before, after = (quality + rng.normal(scale=0.5, size=len(place)) for _ in range(2))
    cells = (np.tile(np.arange(items), persons) * 4 + human).astype(int)
    _, cells = np.unique(cells, return_inverse=True)
    return length, np.column_stack([before, after + hack * length]), cells, place


def test_partial_correlation_is_that_of_the_residuals() -> None:
    """statsmodels: both regressed on a dummy for each cell, then correlated."""
    rng = np.random.default_rng(10)
    length, outcomes, cells, place = simulated(rng, 0.2)
    dummies = np.eye(cells.max() + 1)[cells]
    left = sm.OLS(length, dummies).fit().resid
    found = partial_correlations(length, outcomes, cells, place, person_weights(80, 0, rng))
    for drawn, outcome in zip(found, outcomes.T, strict=True):
        right = sm.OLS(outcome, dummies).fit().resid
        assert drawn.value == pytest.approx(np.corrcoef(left, right)[0, 1], abs=1e-12)


def test_a_draw_is_the_statistic_of_the_repeated_persons() -> None:
    rng = np.random.default_rng(11)
    length, outcomes, cells, place = simulated(rng, 0.2, persons=12)
    weights = person_weights(12, 3, rng)
    found = partial_correlations(length, outcomes, cells, place, weights)[1]
    for draw, taken in zip(found.draws, weights[1:], strict=True):
        rows = np.repeat(np.arange(len(place)), taken[place].astype(int))
        whole = np.ones((1, 12))
        again = partial_correlations(length[rows], outcomes[rows], cells[rows], place[rows], whole)[1]
        assert draw == pytest.approx(again.value, abs=1e-12)
    mean = drawn_mean(length, place, weights)
    rows = np.repeat(np.arange(len(place)), weights[2][place].astype(int))
    assert mean.draws[1] == pytest.approx(length[rows].mean())


def alarms(hack: float, times: int, seed: int) -> float:
    """Share of simulated studies in which the length detector gives an alarm."""
    rng, raised, yardstick = np.random.default_rng(seed), 0, []
    for _ in range(times):
        length, outcomes, cells, place = simulated(rng, hack)
        before, after = partial_correlations(length, outcomes, cells, place, person_weights(80, 199, rng))
        raised += change_alarm(before, after)
        yardstick.append(before.above_zero)
    assert np.mean(yardstick) > 0.9, (
        "fair scores go with length too: judged without a yardstick, all are guilty"
    )
    return raised / times


def test_a_planted_length_reward_is_alarmed_and_a_fair_one_at_no_more_than_its_nominal_rate() -> None:
    assert alarms(0.4, 30, seed=12) > 0.95
    assert alarms(0.0, 300, seed=13) <= 0.05


def test_a_dependence_that_shrinks_or_turns_into_less_is_no_alarm() -> None:
    draws = np.random.default_rng(14).normal(scale=0.01, size=200)
    large, small, turned = (Drawn(value, value + draws) for value in (0.4, 0.1, -0.5))
    assert not change_alarm(large, small) and change_alarm(small, large)
    assert change_alarm(large, turned), "the other way, and more of it"
    assert not change_alarm(Drawn(0.10, 0.10 + draws), Drawn(0.14, 0.14 + draws)), "too little to look at"


def test_what_does_not_vary_has_no_correlation_and_no_alarm() -> None:
    cells, place = np.array([0, 0, 1, 1]), np.array([0, 1, 2, 3])
    outcomes = np.array([[1.0, 2.0], [2.0, 2.0], [5.0, 7.0], [3.0, 7.0]])
    weights = person_weights(4, 10, np.random.default_rng(1))
    moving, fixed = partial_correlations(np.array([1.0, 2.0, 3.0, 1.0]), outcomes, cells, place, weights)
    assert moving.value == pytest.approx(1.0) and np.isnan(fixed.value) and np.isnan(fixed.interval[0])
    assert not change_alarm(moving, fixed) and not fixed.above_zero and not fixed.below_zero


def test_person_sums_and_centred_draws() -> None:
    sums = person_sums(np.array([[1.0], [2.0], [4.0]]), np.array([1, 0, 1]), 3)
    assert sums[:, 0].tolist() == [2, 5, 0]
    assert Drawn(1.0, np.array([3.0, 5.0])).centred().draws.tolist() == [0, 2]
