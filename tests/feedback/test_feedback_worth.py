"""What a judgement is worth: closed forms against plain arithmetic, other rooms, and simulated raters.

All rewards, judgements and raters here are simulated.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax
from scipy.stats import multivariate_normal

from psyalign.align.optimum import optimal_log_probs, optimality_gap
from psyalign.feedback.worth import (
    Questions,
    RewardPosterior,
    adjacent_questions,
    expected_reduction,
    information,
    members_gap,
    next_questions,
    optimal_value,
    reward_posterior,
    second_order_gap,
    smoothed,
)
from psyalign.feedback.worth.gap import hessian
from psyalign.foundation.errors import DataError

K = 4
CENTRE = np.eye(K) - 1 / K
BETA = 0.3


def rewards_and_reference(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    points = np.linspace(-1, 1, K)
    mean = rng.normal(size=(count, 1)) * points - points**2
    reference = np.log(np.clip(rng.dirichlet(np.ones(K), size=count), 1e-3, None))
    return mean - mean.mean(axis=1, keepdims=True), log_softmax(reference, axis=1)


def linear(rng: np.random.Generator, count: int, factors: int, own: float) -> RewardPosterior:
    """Rewards that are linear in weights shared by all responses, and vary a little on their own."""
    mean, _ = rewards_and_reference(rng, count)
    design = rng.normal(size=(count, factors)) / np.sqrt(factors)
    loadings = np.einsum("kl,nf->nklf", CENTRE, design).reshape(count, K, -1)
    size = own * rng.uniform(0.5, 1.5, size=count)
    return RewardPosterior(mean, loadings, np.eye(K * factors) * 0.25, size[:, None, None] * CENTRE[None])


def dense(posterior: RewardPosterior) -> np.ndarray:
    """The covariance of all N K rewards."""
    count, points, _ = posterior.loadings.shape
    flat = posterior.loadings.reshape(count * points, -1)
    whole = (flat @ posterior.shared @ flat.T).reshape(count, points, count, points)
    for row in range(count):
        whole[row, :, row] += posterior.own[row]
    return whole.reshape(count * points, -1)


def test_gap_is_the_mean_kl_of_the_align_room() -> None:
    rng = np.random.default_rng(0)
    mean, reference = rewards_and_reference(rng, 6)
    members = mean + 0.4 * rng.normal(size=(5, 6, K)) @ CENTRE
    policy = optimal_log_probs(reference, members.mean(axis=0), BETA)
    direct = np.mean([optimality_gap(policy, reference, member, BETA) for member in members])
    assert members_gap(members, reference, BETA).mean() == pytest.approx(direct * 5 / 4, abs=1e-14)
    np.testing.assert_allclose(
        optimal_value(reference, mean, BETA),
        BETA * np.log((np.exp(reference) * np.exp(mean / BETA)).sum(axis=1)),
    )


def test_second_order_gap_is_the_limit_of_the_exact_one() -> None:
    """β KL(π_r̄ ‖ π_r) against Var_π(δ)/(2β): the relative difference falls with δ."""
    rng = np.random.default_rng(1)
    mean, reference = rewards_and_reference(rng, 40)
    policy = optimal_log_probs(reference, mean, BETA)
    direction = rng.normal(size=mean.shape) @ CENTRE
    wrong = []
    for size in (0.1, 0.01, 0.001):
        delta = size * direction
        exact = optimality_gap(policy, reference, mean + delta, BETA)
        p = np.exp(policy)
        variance = (p * delta**2).sum(axis=1) - (p * delta).sum(axis=1) ** 2
        formed = second_order_gap(p, delta[:, :, None] * delta[:, None, :], BETA)
        np.testing.assert_allclose(formed, variance / (2 * BETA), rtol=1e-9, atol=1e-15)
        wrong.append(abs(formed.mean() / exact - 1))
    assert wrong[2] < 1e-3 and wrong[0] > 10 * wrong[2]


def test_smoothed_value_is_a_mean_over_normal_rewards() -> None:
    rng = np.random.default_rng(2)
    mean, reference = rewards_and_reference(rng, 20)
    root = 0.4 * rng.normal(size=(20, K, K)) @ CENTRE
    covariance = root.swapaxes(1, 2) @ root
    value, bend = smoothed(mean, covariance, reference, BETA)
    draws = mean + np.einsum("dnl,nlk->dnk", rng.normal(size=(40_000, 20, K)), root)
    drawn = optimal_value(reference, draws, BETA)
    gap = value.mean() - optimal_value(reference, mean, BETA).mean()
    true = drawn.mean() - optimal_value(reference, mean, BETA).mean()
    assert gap == pytest.approx(true, rel=0.02)
    p = softmax(reference + draws[:4000] / BETA, axis=-1)
    np.testing.assert_allclose(bend, hessian(p.reshape(-1, K), BETA).reshape(*p.shape, K).mean(0), atol=0.12)
    nothing = np.zeros_like(covariance)
    np.testing.assert_allclose(
        smoothed(mean, nothing, reference, BETA)[0], optimal_value(reference, mean, BETA)
    )


def test_information_of_an_answer_is_fishers_in_the_limit_and_never_more_than_an_answer_says() -> None:
    means, variances = np.array([-2.0, 0.0, 1.0, 1.5]), np.array([0.5, 2.0, 9.0, 16.0])
    p = expit(means)
    np.testing.assert_allclose(information(means, 0.0), p * (1 - p), rtol=1e-12)
    rng = np.random.default_rng(3)
    for mean, variance in zip(means, variances, strict=True):
        d = mean + np.sqrt(variance) * rng.normal(size=400_000)
        yes = rng.random(len(d)) < expit(d)
        share = yes.mean()
        fall = share * (1 - share) * (d[yes].mean() - d[~yes].mean()) ** 2  # variance of the posterior mean
        w = float(information(mean, variance))
        assert variance - variance / (1 + w * variance) == pytest.approx(fall, rel=0.02)
    wide = information(0.0, [16.0, 1e2, 1e4]) * [16.0, 1e2, 1e4]
    assert ((wide / (1 + wide) > 0.5) & (wide / (1 + wide) < 2 / np.pi)).all()
    assert information(800.0, 1.0) == 0


def test_updates_in_factors_are_those_of_the_whole_covariance() -> None:
    rng = np.random.default_rng(4)
    posterior = linear(rng, 9, 2, 0.3)
    whole = dense(posterior)
    for _ in range(30):
        row, low = int(rng.integers(9)), int(rng.integers(K - 1))
        contrast = np.eye(K)[low + 1] - np.eye(K)[low]
        w = float(rng.uniform(0.05, 3.0))
        d = np.zeros(9 * K)
        d[row * K : (row + 1) * K] = contrast
        whole = whole - w * np.outer(whole @ d, d @ whole) / (1 + w * d @ whole @ d)
        posterior = posterior.after(row, contrast, w)
    np.testing.assert_allclose(dense(posterior), whole, atol=1e-10)
    blocks = whole.reshape(9, K, 9, K)[np.arange(9), :, np.arange(9)]
    np.testing.assert_allclose(posterior.blocks(), blocks, atol=1e-10)


@pytest.mark.parametrize("whole", [True, False])
def test_expected_reduction_is_the_trace_of_the_whole_covariance(whole: bool) -> None:
    rng = np.random.default_rng(5)
    posterior = linear(rng, 7, 3, 0.2)
    _, reference = rewards_and_reference(rng, 7)
    bend = hessian(softmax(reference + posterior.mean / BETA, axis=1), BETA)
    bend[2] = 0.0  # does not count
    points = np.array([4, 4, 3, 4, 2, 4, 4])
    questions = adjacent_questions(points, points != 3, whole=whole)
    found, weights = expected_reduction(posterior, questions, bend)
    covariance = dense(posterior)
    for at, row in enumerate(questions.response):
        asked = questions.contrasts[at][: questions.judgements[at]]
        assert (np.abs(asked).sum(axis=1) == 2).all() and len(asked) == (points[row] - 1 if whole else 1)
        d = np.zeros((len(asked), 7 * K))
        d[:, row * K : (row + 1) * K] = asked
        within = d @ covariance @ d.T
        w = information(asked @ posterior.mean[row], np.diag(within))
        np.testing.assert_allclose(weights[at][: len(asked)], w, rtol=1e-12)
        after = covariance - covariance @ d.T @ np.linalg.inv(np.diag(1 / w) + within) @ d @ covariance
        fall = (covariance - after).reshape(7, K, 7, K)
        direct = sum(np.sum(bend[j] * fall[j, :, j]) for j in range(7)) / 2
        assert found[at] == pytest.approx(direct, abs=1e-10)


@pytest.mark.parametrize("scale", [0.1, 1.0])
def test_expected_fall_is_that_of_simulated_answers(scale: float) -> None:
    """One answer, its exact posterior by weighting draws of the rewards; the gap by the optimal value."""
    rng = np.random.default_rng(6)
    posterior = linear(rng, 12, 1, 0.05)
    posterior = RewardPosterior(
        posterior.mean, posterior.loadings, posterior.shared * scale**2, posterior.own * scale**2
    )
    _, reference = rewards_and_reference(rng, 12)
    questions = adjacent_questions(np.full(12, K), np.arange(12) == 3, whole=False)
    worth = next_questions(posterior, reference, BETA, questions, 1)
    row, contrast = 3, questions.contrasts[worth.chosen[0], 0]
    count = 150_000
    flat = multivariate_normal(np.zeros(12 * K), dense(posterior), allow_singular=True)
    draws = posterior.mean + flat.rvs(count, random_state=rng).reshape(count, 12, K)
    yes = expit(draws[:, row] @ contrast)
    best = optimal_value(reference, draws[:20_000], BETA).mean(axis=1)
    before = optimal_value(reference, draws.mean(axis=0), BETA).mean()
    kept = 0.0
    for weight in (yes, 1 - yes):
        mean = np.average(draws, axis=0, weights=weight)
        kept += weight.mean() * optimal_value(reference, mean, BETA).mean()
    assert worth.gap[0] - worth.gap[1] == pytest.approx(kept - before, rel=0.1)
    assert worth.gap[0] == pytest.approx(best.mean() - before, abs=4 * best.std() / np.sqrt(len(best)))
    bend = hessian(softmax(reference + posterior.mean / BETA, axis=1), BETA)
    second, _ = expected_reduction(posterior, questions, bend)
    assert second.max() / 12 == pytest.approx(kept - before, rel=0.05 if scale < 1 else 0.35)


def laplace(mean: np.ndarray, prior: np.ndarray, d: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Mode of the rewards (flat) given answers `said` to contrasts `d`, with a normal prior."""
    r = np.zeros(len(mean))
    spread = prior @ d.T
    for _ in range(40):
        p = expit(d @ (mean + r))
        w = np.clip(p * (1 - p), 1e-9, None)
        work = d @ r + (said - p) / w
        r = spread @ np.linalg.solve(np.diag(1 / w) + d @ spread, work)
    return mean + r


def test_chosen_questions_beat_random_ones_with_simulated_raters() -> None:
    """Bradley–Terry raters judge 24 questions; the realised gap β KL(π_mode ‖ π_true) over 60 truths."""
    rng = np.random.default_rng(7)
    count, asked = 40, 24
    posterior = linear(rng, count, 2, 0.4)
    _, reference = rewards_and_reference(rng, count)
    questions = adjacent_questions(np.full(count, K), np.ones(count, bool), whole=False)
    worth = next_questions(posterior, reference, BETA, questions, asked)
    assert len(set(worth.chosen.tolist())) == asked and (np.diff(worth.gap) < 0).all()
    prior, mean = dense(posterior), posterior.mean.ravel()
    flat = multivariate_normal(np.zeros(len(mean)), prior, allow_singular=True)
    realised: dict[str, list[float]] = {"before": [], "chosen": [], "random": []}
    for _ in range(60):
        truth = mean + flat.rvs(random_state=rng)

        def gap(r: np.ndarray, truth: np.ndarray = truth) -> float:
            policy = optimal_log_probs(reference, r.reshape(count, K), BETA)
            return optimality_gap(policy, reference, truth.reshape(count, K), BETA)

        realised["before"].append(gap(mean))
        chance = rng.choice(len(questions.response), asked, replace=False)
        for name, picks in (("chosen", worth.chosen), ("random", chance)):
            d = np.zeros((asked, count * K))
            for line, pick in enumerate(picks):
                row = questions.response[pick]
                d[line, row * K : (row + 1) * K] = questions.contrasts[pick, 0]
            said = (rng.random(asked) < expit(d @ truth)).astype(float)
            realised[name].append(gap(laplace(mean, prior, d, said)))
    means = {name: float(np.mean(values)) for name, values in realised.items()}
    paired = np.array(realised["random"]) - np.array(realised["chosen"])
    assert paired.mean() > 2 * paired.std(ddof=1) / np.sqrt(len(paired)), means
    fell = np.array(realised["before"]) - np.array(realised["chosen"])
    error = fell.std(ddof=1) / np.sqrt(len(fell))
    assert worth.gap[0] - worth.gap[-1] == pytest.approx(fell.mean(), abs=4 * error)


@pytest.mark.parametrize("factors", [0, 2, 8])
def test_small_ensembles_do_not_promise_what_answers_cannot_keep(factors: int) -> None:
    """Members drawn from a known posterior: the promised fall against the true fall of the same questions."""
    rng = np.random.default_rng(8)
    count, members, asked = 120, 8, 45
    truth = linear(rng, count, max(factors, 1), 0.3)
    if not factors:
        truth = RewardPosterior(truth.mean, truth.loadings, truth.shared * 0, truth.own)
    _, reference = rewards_and_reference(rng, count)
    questions = adjacent_questions(np.full(count, K), np.ones(count, bool))
    flat = multivariate_normal(np.zeros(count * K), dense(truth), allow_singular=True)
    best = smoothed(truth.mean, truth.blocks(), reference, BETA)[0].mean()
    still = smoothed(truth.mean, truth.blocks() * 0, reference, BETA)
    promised, plain, kept = [], [], []
    for _ in range(3):
        drawn = flat.rvs(members, random_state=rng).reshape(members, count, K)
        drawn = drawn - drawn.mean(axis=0) + truth.mean
        found = reward_posterior(drawn, ["i"] * count)
        assert np.linalg.eigvalsh(dense(found)).min() > -1e-9
        worth = next_questions(found, reference, BETA, questions, asked)
        promised.append(worth.gap[0] - worth.gap[-1])
        apart = (drawn - truth.mean).transpose(1, 2, 0)
        raw = RewardPosterior(truth.mean, apart, np.eye(members) / (members - 1), truth.own * 0)
        hoped = next_questions(raw, reference, BETA, questions, asked)
        plain.append(hoped.gap[0] - hoped.gap[-1])
        now = truth
        for pick in worth.chosen:
            one = Questions(*(part[[pick]] for part in vars(questions).values()))
            weight = expected_reduction(now, one, still[1])[1][0]
            for contrast, w in zip(one.contrasts[0], weight, strict=True):
                now = now.after(int(one.response[0]), contrast, float(w))
        moved = smoothed(truth.mean, truth.blocks() - now.blocks(), reference, BETA)[0].mean()
        kept.append(moved - still[0].mean())
        assert best > moved
    ratio = np.mean(promised) / np.mean(kept)
    assert 0.5 < ratio < 1.3, (ratio, np.mean(plain) / np.mean(kept))
    assert np.mean(plain) > np.mean(promised)


def test_shrinkage_knows_nothing_shared_and_everything_shared() -> None:
    rng = np.random.default_rng(9)
    alone = reward_posterior(rng.normal(size=(8, 300, K)) @ CENTRE, ["i"] * 300)
    assert alone.shrinkage[0] > 0.85
    one = rng.normal(size=(8, 1, K)) @ CENTRE
    shared = reward_posterior(np.repeat(one, 300, axis=1), ["i"] * 300)
    assert shared.shrinkage[0] < 0.35
    with pytest.raises(DataError, match="ensemble"):
        reward_posterior(one[:2], ["i"])
