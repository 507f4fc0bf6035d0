"""The losses of alignment against arithmetic by hand and textbook formulas, in float64."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from psyalign.align import dpo_loss, equivalence_loss, kl_divergence, ppo_loss, supervised_loss

BETA = 0.1


def table(*rows: list[float]) -> torch.Tensor:
    """Log-probabilities from probabilities, float64."""
    return torch.tensor(rows, dtype=torch.float64).log()


def random_log_probs(seed: int, rows: int = 6, scores: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, scores, generator=generator, dtype=torch.float64).log_softmax(-1)


def votes(*pairs: tuple[int, int], scores: int = 3) -> torch.Tensor:
    """Judgements on one response, shape (1, K, K)."""
    wins = torch.zeros(1, scores, scores, dtype=torch.float64)
    for preferred, rejected in pairs:
        wins[0, preferred, rejected] += 1
    return wins


def gradient(loss: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(loss, of)[0]


# DPO


def test_dpo_is_ln_2_where_the_policy_is_the_reference() -> None:
    """All implied rewards β·log(π/π_ref) are 0, and −ln σ(0) = ln 2 whatever was preferred."""
    log_probs = random_log_probs(0)
    wins = torch.randint(0, 3, (6, 4, 4), generator=torch.Generator().manual_seed(0)).double()
    assert float(dpo_loss(log_probs, log_probs, wins, BETA)) == pytest.approx(log(2), abs=1e-15)


def test_dpo_gradient_at_the_first_step_by_hand() -> None:
    """One judgement, 2 over 0. With z the logits, log π(2) − log π(0) = z₂ − z₀, so

    dL/dz₂ = −β σ(0) = −β/2 = −0.05,  dL/dz₀ = +0.05,  dL/dz₁ = 0.
    """
    reference = table([0.2, 0.5, 0.3])
    logits = reference.clone().requires_grad_()
    loss = dpo_loss(logits.log_softmax(-1), reference, votes((2, 0)), BETA)
    expected = torch.tensor([[0.05, 0.0, -0.05]], dtype=torch.float64)
    torch.testing.assert_close(gradient(loss, logits), expected, rtol=0, atol=1e-15)


def test_dpo_by_hand() -> None:
    """π = (.2, .5, .3), π_ref = (.4, .4, .2), β = .1, 2 over 0.

    h = .1 · [ln(.3/.2) − ln(.2/.4)] = .1 · (0.405465 + 0.693147) = 0.109861
    −ln σ(h) = ln(1 + e^−0.109861) = 0.639725
    """
    loss = dpo_loss(table([0.2, 0.5, 0.3]), table([0.4, 0.4, 0.2]), votes((2, 0)), BETA)
    assert float(loss) == pytest.approx(0.639725, abs=1e-6)


def test_dpo_is_the_textbook_formula_on_single_pairs() -> None:
    """Rafailov et al. (2023), eq. 7, written out pair by pair."""
    policy, reference = random_log_probs(1), random_log_probs(2)
    pairs = [(0, 3, 1), (0, 0, 2), (2, 1, 0), (5, 2, 3), (5, 2, 3)]
    wins = torch.zeros(6, 4, 4, dtype=torch.float64)
    terms = []
    for row, chosen, rejected in pairs:
        wins[row, chosen, rejected] += 1
        margin = BETA * (policy[row, chosen] - reference[row, chosen]) - BETA * (
            policy[row, rejected] - reference[row, rejected]
        )
        terms.append(-torch.nn.functional.logsigmoid(margin))
    expected = float(torch.stack(terms).mean())
    assert float(dpo_loss(policy, reference, wins, BETA)) == pytest.approx(expected, abs=1e-14)


# KL


def test_kl_by_hand() -> None:
    """.5 ln(.5/.25) + .5 ln(.5/.75) = .346574 − .202733 = 0.143841 nats."""
    value = kl_divergence(table([0.5, 0.5]), table([0.25, 0.75]))
    assert value.tolist() == pytest.approx([0.143841], abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_kl_is_never_negative_and_zero_only_for_the_same(seed: int) -> None:
    first, second = random_log_probs(seed, rows=200), random_log_probs(seed + 100, rows=200)
    assert (kl_divergence(first, second) > 0).all()
    torch.testing.assert_close(kl_divergence(first, first), torch.zeros(200).double(), rtol=0, atol=1e-15)


# PPO

OLD = table([0.2, 0.5, 0.3])
REFERENCE = table([0.3, 0.4, 0.3])
REWARDS = torch.tensor([[0.0, 1.0, -1.0]], dtype=torch.float64)


def ppo(log_probs: torch.Tensor, *, beta: float = BETA, clip: float = 0.2) -> torch.Tensor:
    return ppo_loss(log_probs, OLD, REFERENCE, REWARDS, beta=beta, clip=clip)


def test_ppo_by_hand() -> None:
    """π_old = (.2, .5, .3), r = (0, 1, −1): V = .5 − .3 = .2, advantages (−.2, .8, −1.2).

    π = (.25, .55, .2): ratios 1.25, 1.1, .6667; clipped to [.8, 1.2]: 1.2, 1.1, .8
    min of ratio·A and clipped·A: −.25, .88, min(−.8, −.96) = −.96
    surrogate = .2 · −.25 + .5 · .88 + .3 · −.96 = −.05 + .44 − .288 = .102
    KL = .25 ln(.25/.3) + .55 ln(.55/.4) + .2 ln(.2/.3) = −.045580 + .175150 − .081093 = .048476
    loss = .1 · .048476 − .102 = −.097152
    """
    assert float(ppo(table([0.25, 0.55, 0.2]))) == pytest.approx(-0.097152, abs=1e-6)


def test_ppo_value_at_ratio_one_is_the_kl_penalty_alone() -> None:
    """Σ π_old·A = 0: the advantages of a policy average to nothing."""
    expected = BETA * float(kl_divergence(OLD, REFERENCE))
    assert float(ppo(OLD)) == pytest.approx(expected, abs=1e-15)


def test_ppo_gradient_at_ratio_one_is_that_of_minus_j() -> None:
    """J = Σ π r − β KL(π ‖ π_ref), differentiated through the same logits."""
    logits = OLD.clone().requires_grad_()
    log_probs = logits.log_softmax(-1)
    objective = (log_probs.exp() * REWARDS).sum() - BETA * kl_divergence(log_probs, REFERENCE).sum()
    torch.testing.assert_close(
        gradient(ppo(logits.log_softmax(-1)), logits), gradient(-objective, logits), rtol=0, atol=1e-15
    )


def test_ppo_gradient_at_ratio_one_by_hand() -> None:
    """Without the penalty dJ/dz_s = π(s) A(s): .2 · −.2, .5 · .8, .3 · −1.2 = −.04, .4, −.36."""
    logits = OLD.clone().requires_grad_()
    expected = torch.tensor([[0.04, -0.4, 0.36]], dtype=torch.float64)
    found = gradient(ppo(logits.log_softmax(-1), beta=0.0), logits)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("score", "probability", "moves"),
    [(1, 0.65, False), (1, 0.55, True), (2, 0.2, False), (2, 0.27, True), (1, 0.35, True), (2, 0.4, True)],
    ids=[
        "good and already 1.3 times as likely",
        "good and 1.1 times as likely",
        "bad and already .67 times as likely",
        "bad and .9 times as likely",
        "good but fallen to .7: back up",
        "bad but risen to 1.33: back down",
    ],
)
def test_clipping_stops_the_gradient_beyond_the_range_only_where_it_went_far_enough(
    score: int, probability: float, moves: bool
) -> None:
    """A(1) = .8 and A(2) = −1.2; the derivative is −π_old A where it is not clipped."""
    log_probs = OLD.clone()
    log_probs[0, score] = log(probability)
    log_probs.requires_grad_()
    found = float(gradient(ppo(log_probs, beta=0.0), log_probs)[0, score])
    advantage = {1: 0.8, 2: -1.2}[score]
    assert found == pytest.approx(-probability * advantage if moves else 0.0, abs=1e-12)


def test_ppo_averages_over_responses() -> None:
    log_probs = table([0.25, 0.55, 0.2], [0.2, 0.5, 0.3])
    both = ppo_loss(
        log_probs, OLD.repeat(2, 1), REFERENCE.repeat(2, 1), REWARDS.repeat(2, 1), beta=BETA, clip=0.2
    )
    assert float(both) == pytest.approx((float(ppo(log_probs[:1])) + float(ppo(log_probs[1:]))) / 2)


def test_a_constant_in_the_rewards_does_not_count() -> None:
    log_probs = table([0.25, 0.55, 0.2])
    shifted = ppo_loss(log_probs, OLD, REFERENCE, REWARDS + 5, beta=BETA, clip=0.2)
    assert float(shifted) == pytest.approx(float(ppo(log_probs)), abs=1e-12)


# equivalence and refit


def test_equivalence_is_cross_entropy_by_hand() -> None:
    """Teacher (.5, .5); the wordings get (.5, .5) and (.8, .2).

    −(.5 ln .5 + .5 ln .5) = .693147; −(.5 ln .8 + .5 ln .2) = .916291; mean 0.804719
    """
    policy = torch.stack([table([0.5, 0.5]), table([0.8, 0.2])])
    assert float(equivalence_loss(policy, table([0.5, 0.5]))) == pytest.approx(0.804719, abs=1e-6)


def test_equivalence_is_least_where_both_wordings_are_at_the_teacher() -> None:
    """There it is the teacher's entropy and has no gradient; elsewhere it is greater by the KL."""
    teacher = random_log_probs(3)
    logits = torch.stack([teacher, teacher]).requires_grad_()
    least = equivalence_loss(logits.log_softmax(-1), teacher)
    assert float(least.detach()) == pytest.approx(-float((teacher.exp() * teacher).sum(-1).mean()))
    torch.testing.assert_close(gradient(least, logits), torch.zeros_like(logits), rtol=0, atol=1e-15)
    for seed in range(20):
        other = torch.stack([random_log_probs(10 + seed), random_log_probs(50 + seed)])
        greater = float(equivalence_loss(other, teacher)) - float(least.detach())
        divergence = float(kl_divergence(teacher, other).mean())
        assert greater == pytest.approx(divergence, abs=1e-12) and greater > 0


def test_equivalence_cannot_be_bought_by_shrinking() -> None:
    """The same middling distribution for every wording has no wording effect at all, and a high loss."""
    teacher = table([0.9, 0.05, 0.05], [0.05, 0.05, 0.9])
    flat = table([1 / 3, 1 / 3, 1 / 3]).repeat(2, 1)
    apart = table([0.8, 0.1, 0.1], [0.1, 0.1, 0.8])
    shrunk = float(equivalence_loss(torch.stack([flat, flat]), teacher))
    assert shrunk > float(equivalence_loss(torch.stack([teacher, apart]), teacher)) + 0.5


def test_refit_loss_by_hand() -> None:
    """−(ln .5 + ln .2)/2 = (0.693147 + 1.609438)/2 = 1.151293."""
    loss = supervised_loss(table([0.5, 0.3, 0.2], [0.5, 0.3, 0.2]), torch.tensor([0, 2]))
    assert float(loss) == pytest.approx(1.151293, abs=1e-6)


def test_absent_score_points_drop_out_of_every_loss() -> None:
    """An item with two of three score points costs what it costs with K = 2, and nothing becomes NaN."""
    from psyalign.scorer.network import ABSENT

    def widened(log_probs: torch.Tensor) -> torch.Tensor:
        """A third score point as `KWayNetwork.log_probs` gives it to an item that lacks it."""
        return torch.cat([log_probs, torch.full((1, 1), ABSENT).double()], dim=1).log_softmax(-1)

    old, new, reference = table([0.4, 0.6]), table([0.3, 0.7]), table([0.7, 0.3])
    rewards = torch.tensor([[-0.5, 0.5]], dtype=torch.float64)
    wide_rewards = torch.tensor([[-0.5, 0.5, 0.0]], dtype=torch.float64)
    wide = widened(new).requires_grad_()
    narrow_ppo = ppo_loss(new, old, reference, rewards, beta=BETA, clip=0.2)
    wide_ppo = ppo_loss(wide, widened(old), widened(reference), wide_rewards, beta=BETA, clip=0.2)
    narrow_dpo = dpo_loss(new, reference, votes((1, 0), scores=2), BETA)
    wide_dpo = dpo_loss(wide, widened(reference), votes((1, 0)), BETA)
    narrow_pull = equivalence_loss(torch.stack([new, old]), reference)
    wide_pull = equivalence_loss(torch.stack([wide, widened(old)]), widened(reference))
    for wider, narrower in ((wide_ppo, narrow_ppo), (wide_dpo, narrow_dpo), (wide_pull, narrow_pull)):
        assert float(wider.detach()) == pytest.approx(float(narrower), abs=1e-12)
        found = gradient(wider, wide)
        assert torch.isfinite(found).all() and float(found[0, 2]) == 0.0


def test_sigmoid_and_exponent_agree_with_the_docstrings() -> None:
    """The hand values above, once more from their formulas."""
    assert log(1 + exp(-0.1 * (log(1.5) + log(2)))) == pytest.approx(0.639725, abs=1e-6)
    assert 0.5 * log(2) + 0.5 * log(2 / 3) == pytest.approx(0.143841, abs=1e-6)
