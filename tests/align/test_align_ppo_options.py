"""PPO with drawn actions, entropy, control of the KL; distillation. On free tables of logits, float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from psyalign.align import (
    KLControl,
    SampledActions,
    distillation_loss,
    entropy,
    kl_divergence,
    mean_kl,
    optimal_log_probs,
    optimality_gap,
    ppo_loss,
    sampled_ppo_loss,
)

BETA, CLIP = 0.5, 0.2


def tables(seed: int, rows: int = 6, scores: int = 4) -> list[torch.Tensor]:
    """Log-probabilities of policy, old policy and reference, and rewards, (B, K)."""
    rng = np.random.default_rng(seed)
    spread = [rng.normal(size=(rows, scores)) for _ in range(4)]
    old = log_softmax(spread[0], axis=1)
    near = log_softmax(old + 0.3 * spread[1], axis=1)
    return [torch.tensor(table) for table in (near, old, log_softmax(spread[2], axis=1), spread[3])]


def gradient(loss: torch.Tensor, of: torch.Tensor) -> torch.Tensor:
    return torch.autograd.grad(loss, of)[0]


# gradients


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("bonus", [0.0, 0.3])
def test_ppo_loss_and_gradient_are_the_formulas(seed: int, bonus: float) -> None:
    """Away from ratio one. With A' the advantages that are not clipped away, by the logits

    dL/dz_s = [β π_s (log π_s/π_ref,s − KL) − π_s (A'_s − Σ π A') + c π_s (log π_s + H)] / B.
    """
    start, old, reference, rewards = tables(seed)
    logits = start.clone().requires_grad_()
    loss = ppo_loss(
        logits.log_softmax(-1), old, reference, rewards, beta=BETA, clip=CLIP, entropy_weight=bonus
    )
    log_p, log_old, log_ref, r = (table.numpy() for table in (start, old, reference, rewards))
    p = np.exp(log_p)
    advantage = r - (np.exp(log_old) * r).sum(axis=1, keepdims=True)
    ratio = p / np.exp(log_old)
    kept = np.where((advantage > 0) & (ratio > 1 + CLIP) | (advantage < 0) & (ratio < 1 - CLIP), 0, advantage)
    assert (kept == 0).any() and (kept != 0).any()
    clipped = np.minimum(ratio * advantage, np.clip(ratio, 1 - CLIP, 1 + CLIP) * advantage)
    surrogate = (np.exp(log_old) * clipped).sum(axis=1)
    kl, h = (p * (log_p - log_ref)).sum(axis=1), -(p * log_p).sum(axis=1)
    assert float(loss.detach()) == pytest.approx(float((BETA * kl - surrogate - bonus * h).mean()), abs=1e-12)
    slopes = (
        BETA * p * (log_p - log_ref - kl[:, None])
        - p * (kept - (p * kept).sum(axis=1, keepdims=True))
        + bonus * p * (log_p + h[:, None])
    ) / len(p)
    torch.testing.assert_close(gradient(loss, logits), torch.tensor(slopes), rtol=0, atol=1e-12)


def test_entropy_by_hand() -> None:
    """−(.5 ln .5 + 2 · .25 ln .25) = 1.039721; a score point with probability 0 adds nothing."""
    values = entropy(torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64).log())
    assert values.tolist() == pytest.approx([1.039721], abs=1e-6)
    absent = torch.tensor([[0.0, 0.0, -1e4]], dtype=torch.float64).log_softmax(-1)
    assert entropy(absent).tolist() == pytest.approx([np.log(2)], abs=1e-12)


def test_the_entropy_bonus_has_a_known_optimum() -> None:
    """max E r − β KL + c H is at ∝ (π_ref^β e^r)^{1/(β+c)}: the gradient there is 0."""
    _, _, reference, rewards = tables(1)
    bonus = 0.25
    best = ((BETA * reference + rewards) / (BETA + bonus)).log_softmax(-1)
    logits = best.clone().requires_grad_()
    log_probs = logits.log_softmax(-1)
    loss = ppo_loss(log_probs, best, reference, rewards, beta=BETA, clip=CLIP, entropy_weight=bonus)
    torch.testing.assert_close(gradient(loss, logits), torch.zeros_like(best), rtol=0, atol=1e-15)


# drawn actions


@pytest.mark.parametrize("seed", range(3))
def test_over_all_draws_the_sampled_loss_is_the_loss_over_all_actions(seed: int) -> None:
    """Weighted by π_old, with V = Σ π_old r, in value and gradient, clipped or not."""
    start, old, reference, rewards = tables(seed)
    logits = start.clone().requires_grad_()
    value = (old.exp() * rewards).sum(-1)
    expected = torch.zeros((), dtype=torch.float64)
    for action in range(4):
        drawn = torch.full((1,), action)
        for row in range(6):
            loss = sampled_ppo_loss(
                logits[[row]].log_softmax(-1),
                old[[row]],
                reference[[row]],
                drawn,
                rewards[[row], action] - value[[row]],
                beta=BETA,
                clip=CLIP,
            )
            expected = expected + old[row, action].exp() * loss / 6
    whole = ppo_loss(logits.log_softmax(-1), old, reference, rewards, beta=BETA, clip=CLIP)
    assert float(expected.detach()) == pytest.approx(float(whole.detach()), abs=1e-12)
    torch.testing.assert_close(gradient(expected, logits), gradient(whole, logits), rtol=0, atol=1e-12)


def test_draws_follow_the_policy_and_the_value_is_the_running_mean() -> None:
    old = torch.tensor([[0.1, 0.6, 0.3], [1.0, 0.0, 0.0]], dtype=torch.float64).clamp(min=1e-300).log()
    rewards = torch.tensor([[1.0, 2.0, 4.0], [3.0, 0.0, 0.0]], dtype=torch.float64)
    sampled = SampledActions(3, seed=1, label="ppo")
    drawn: list[float] = []
    shares = np.zeros(3)
    for _ in range(4000):
        actions, advantages = sampled.draw([2, 0], old, rewards)
        shares[int(actions[0])] += 1 / 4000
        before = float(np.mean(drawn)) if drawn else 0.0
        drawn.append(float(rewards[0, actions[0]]))
        assert float(advantages[0]) == pytest.approx(drawn[-1] - before, abs=1e-9)
        assert int(actions[1]) == 0, "the only score point that it has"
    np.testing.assert_allclose(shares, [0.1, 0.6, 0.3], atol=0.03)  # 4 SE


def train(reference: np.ndarray, rewards: np.ndarray, *, sampled: bool, steps: int = 400) -> np.ndarray:
    """Tabular PPO with four inner epochs; returns log-probabilities."""
    target, reward = torch.tensor(reference), torch.tensor(rewards)
    logits = target.clone().requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.05)
    schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.02, total_iters=steps)
    draws, rows = SampledActions(len(reference), 0, "t"), list(range(len(reference)))
    for _ in range(steps):
        old = logits.detach().log_softmax(-1)
        actions, advantages = draws.draw(rows, old, reward)
        for _ in range(4):
            optimiser.zero_grad()
            now = logits.log_softmax(-1)
            loss = (
                sampled_ppo_loss(now, old, target, actions, advantages, beta=BETA, clip=CLIP)
                if sampled
                else ppo_loss(now, old, target, reward, beta=BETA, clip=CLIP)
            )
            loss.backward()
            optimiser.step()
        schedule.step()
    return logits.detach().log_softmax(-1).numpy()


def test_drawing_stalls_where_the_best_score_is_rare_and_summing_does_not() -> None:
    """A simulation of 100 responses whose best score starts at .0005; a share of π* at the end."""
    reference = log_softmax(np.tile([-5.0, 2.0, 1.5, 1.0], (100, 1)), axis=1)
    rewards = np.tile([3.0, 0.0, -1.0, -1.0], (100, 1))
    best = np.exp(optimal_log_probs(reference, rewards, BETA))[0, 0]
    summed, drawn = (np.exp(train(reference, rewards, sampled=way))[:, 0] for way in (False, True))
    np.testing.assert_allclose(summed, best, atol=0.01)
    assert (drawn < best / 2).mean() > 0.3


# KL


def test_controller_by_hand() -> None:
    """KL/target − 1 cut to ±.2, times .1: +2%, then −1%, then −2%."""
    control = KLControl(0.1, target=0.5)
    seen = []
    for kl in (2.0, 0.45, 0.0):
        control.steer(kl)
        seen.append(control.beta)
    assert seen == pytest.approx([0.102, 0.102 * 0.99, 0.102 * 0.99 * 0.98], abs=1e-15)
    assert control.watches and not control.spent()


def test_a_fixed_control_does_nothing() -> None:
    control = KLControl(0.1)
    control.steer(9.0)
    control.check(9.0)
    assert control.beta == 0.1 and not control.spent() and not control.watches


def test_a_spent_budget_stays_spent() -> None:
    control = KLControl(0.1, budget=0.3)
    control.check(0.3)
    assert not control.spent()
    control.check(0.31)
    control.check(0.0)
    assert control.spent()


@pytest.mark.parametrize("start", [0.05, 3.0])
def test_adaptive_kl_arrives_at_its_target(start: float) -> None:
    """From either side; β ends where π* has that KL."""
    _, _, reference, rewards = tables(3, rows=40)
    control, logits = KLControl(start, target=0.2), reference.clone().requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=0.05)
    for _ in range(600):
        old = logits.detach().log_softmax(-1)
        control.steer(float(kl_divergence(old, reference).mean()))
        for _ in range(4):
            optimiser.zero_grad()
            ppo_loss(logits.log_softmax(-1), old, reference, rewards, beta=control.beta, clip=CLIP).backward()
            optimiser.step()
    found = logits.detach().log_softmax(-1).numpy()
    assert mean_kl(found, reference.numpy()) == pytest.approx(0.2, rel=0.05)
    best = optimal_log_probs(reference.numpy(), rewards.numpy(), control.beta)
    assert mean_kl(best, reference.numpy()) == pytest.approx(0.2, rel=0.05)


# distillation


def test_distillation_by_hand() -> None:
    """π* = (.25, .75), π = (.5, .5): .25 ln .5 + .75 ln 1.5 = −.173287 + .304099 = .130812."""
    policy, best = (torch.tensor([row], dtype=torch.float64).log() for row in ([0.5, 0.5], [0.25, 0.75]))
    assert float(distillation_loss(policy, best)) == pytest.approx(0.130812, abs=1e-6)
    assert float(distillation_loss(best, best)) == 0.0


def test_distillation_gradient_and_optimum() -> None:
    """dL/dz = (π − π*)/B, so that gradient descent ends at π*, with no gap."""
    start, _, reference, rewards = tables(4)
    best = torch.tensor(optimal_log_probs(reference.numpy(), rewards.numpy(), BETA))
    logits = start.clone().requires_grad_()
    found = gradient(distillation_loss(logits.log_softmax(-1), best), logits)
    torch.testing.assert_close(found, (start.exp() - best.exp()) / 6, rtol=0, atol=1e-15)
    optimiser = torch.optim.LBFGS(
        [logits], max_iter=500, tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = distillation_loss(logits.log_softmax(-1), best)
        loss.backward()
        return loss

    optimiser.step(closure)
    reached = logits.detach().log_softmax(-1).numpy()
    assert optimality_gap(reached, reference.numpy(), rewards.numpy(), BETA) < 1e-12
