"""Conservative, robust and IPO variants of DPO against their formulas, in float64."""

from __future__ import annotations

from itertools import product
from math import log

import numpy as np
import pytest
import torch

from psyalign.align import DpoVariant, dpo_loss, mean_kl, optimal_log_probs

BETA = 0.3
VARIANTS: tuple[DpoVariant, ...] = ("sigmoid", "conservative", "robust", "ipo")


def random_log_probs(seed: int, rows: int = 5, scores: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, scores, generator=generator, dtype=torch.float64).log_softmax(-1)


def random_wins(seed: int, rows: int = 5, scores: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    wins = torch.randint(0, 3, (rows, scores, scores), generator=generator).double()
    return wins * (1 - torch.eye(scores, dtype=torch.float64))


def judgement(preferred: int, rejected: int, scores: int = 3) -> torch.Tensor:
    wins = torch.zeros(1, scores, scores, dtype=torch.float64)
    wins[0, preferred, rejected] = 1
    return wins


def minimise(
    reference: torch.Tensor, wins: torch.Tensor, variant: DpoVariant, noise: float = 0.0
) -> np.ndarray:
    """Free logits that start at the reference, by LBFGS; returns log-probabilities."""
    logits = reference.clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [logits], max_iter=3000, tolerance_grad=1e-13, tolerance_change=1e-17, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        log_probs = logits.log_softmax(-1)
        value = dpo_loss(log_probs, reference, wins, BETA, variant=variant, label_noise=noise)
        value.backward()
        return value

    optimiser.step(closure)
    return logits.detach().log_softmax(-1).numpy()


def test_variants_by_hand() -> None:
    """π = (.2, .5, .3), π_ref = (.4, .4, .2), 2 over 0, β = .1, ε = .2.

    log-ratio difference d = ln(.3/.2) − ln(.2/.4) = 1.098612; h = .1 d = .109861
    −ln σ(h) = .639725; −ln σ(−h) = .639725 + .109861 = .749586
    conservative: .8 · .639725 + .2 · .749586 = .661697
    robust: (.8 · .639725 − .2 · .749586)/.6 = .603105
    ipo: (1.098612 − 5)² = 15.220826
    """
    policy = torch.tensor([[0.2, 0.5, 0.3]], dtype=torch.float64).log()
    reference = torch.tensor([[0.4, 0.4, 0.2]], dtype=torch.float64).log()
    found = {
        name: float(dpo_loss(policy, reference, judgement(2, 0), 0.1, variant=name, label_noise=0.2))
        for name in VARIANTS
    }
    assert found == {
        "sigmoid": pytest.approx(0.639725, abs=1e-6),
        "conservative": pytest.approx(0.661697, abs=1e-6),
        "robust": pytest.approx(0.603105, abs=1e-6),
        "ipo": pytest.approx(15.220826, abs=1e-5),
    }


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_first_step_is_where_the_docstring_says(variant: DpoVariant) -> None:
    """All log-ratios are 0: ln 2 whatever was preferred and however noisy; IPO's 1/(4β²)."""
    log_probs, wins = random_log_probs(1), random_wins(1)
    loss = float(dpo_loss(log_probs, log_probs, wins, BETA, variant=variant, label_noise=0.15))
    assert loss == pytest.approx(1 / (4 * BETA**2) if variant == "ipo" else log(2), abs=1e-14)


@pytest.mark.parametrize("variant", ["conservative", "robust"])
def test_without_label_noise_a_variant_is_the_sigmoid_loss(variant: DpoVariant) -> None:
    policy, reference, wins = random_log_probs(2), random_log_probs(3), random_wins(2)
    plain = dpo_loss(policy, reference, wins, BETA)
    assert float(dpo_loss(policy, reference, wins, BETA, variant=variant)) == float(plain)


@pytest.mark.parametrize("noise", [0.05, 0.2, 0.4])
def test_robust_is_unbiased_under_flipped_judgements(noise: float) -> None:
    """The mean over all 2⁵ ways to flip five judgements, each by its probability, is the clean loss."""
    policy, reference = random_log_probs(4), random_log_probs(5)
    clean = [(0, 3, 1), (0, 1, 2), (1, 0, 2), (4, 2, 3), (4, 2, 3)]
    wins = torch.zeros(5, 4, 4, dtype=torch.float64)
    for row, chosen, rejected in clean:
        wins[row, chosen, rejected] += 1
    expected = 0.0
    biased = 0.0
    for flips in product([False, True], repeat=len(clean)):
        noisy = torch.zeros_like(wins)
        for (row, chosen, rejected), flip in zip(clean, flips, strict=True):
            noisy[(row, rejected, chosen) if flip else (row, chosen, rejected)] += 1
        share = noise ** sum(flips) * (1 - noise) ** (len(flips) - sum(flips))
        robust = dpo_loss(policy, reference, noisy, BETA, variant="robust", label_noise=noise)
        expected += share * float(robust)
        biased += share * float(dpo_loss(policy, reference, noisy, BETA))
    truth = float(dpo_loss(policy, reference, wins, BETA))
    assert expected == pytest.approx(truth, abs=1e-12)
    assert abs(biased - truth) > 1e-3


def by_hand(
    policy: torch.Tensor, reference: torch.Tensor, wins: torch.Tensor, variant: DpoVariant, noise: float
) -> tuple[float, torch.Tensor]:
    """Loss and its derivative by the logits, judgement by judgement.

    log π(i) − log π(j) is z_i − z_j, so a judgement "i over j" with slope l'(h) moves z_i by
    β·l'(h) and z_j by −β·l'(h): −σ(−h) for sigmoid, −(1−ε)σ(−h) + εσ(h) for conservative,
    −[(1−ε)σ(−h) + εσ(h)]/(1−2ε) for robust; IPO's slope by d = h/β is 2(d − 1/(2β)).
    """
    ratios, total = (policy - reference).numpy(), float(wins.sum())
    value, slopes = 0.0, np.zeros(tuple(policy.shape))
    for row, i, j in np.argwhere(wins.numpy() > 0):
        count, d = float(wins[row, i, j]), ratios[row, i] - ratios[row, j]
        up = 1 / (1 + np.exp(-BETA * d))
        if variant == "sigmoid":
            loss, slope = -np.log(up), -BETA * (1 - up)
        elif variant == "conservative":
            loss = -(1 - noise) * np.log(up) - noise * np.log(1 - up)
            slope = BETA * (noise * up - (1 - noise) * (1 - up))
        elif variant == "robust":
            loss = (-(1 - noise) * np.log(up) + noise * np.log(1 - up)) / (1 - 2 * noise)
            slope = -BETA * ((1 - noise) * (1 - up) + noise * up) / (1 - 2 * noise)
        else:
            loss, slope = (d - 1 / (2 * BETA)) ** 2, 2 * (d - 1 / (2 * BETA))
        value += count * loss / total
        slopes[row, i] += count * slope / total
        slopes[row, j] -= count * slope / total
    return value, torch.tensor(slopes)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("variant", VARIANTS)
def test_loss_and_gradient_are_the_formulas(variant: DpoVariant, seed: int) -> None:
    logits, reference = random_log_probs(10 + seed).requires_grad_(), random_log_probs(20 + seed)
    wins, noise = random_wins(seed), 0.1
    loss = dpo_loss(logits.log_softmax(-1), reference, wins, BETA, variant=variant, label_noise=noise)
    value, slopes = by_hand(logits.detach().log_softmax(-1), reference, wins, variant, noise)
    assert float(loss.detach()) == pytest.approx(value, abs=1e-12)
    torch.testing.assert_close(torch.autograd.grad(loss, logits)[0], slopes, rtol=0, atol=1e-12)


def test_ipo_stops_at_its_margin() -> None:
    """One judgement a pair, which drives DPO to infinity: log-ratio differences of 1/(2β), and no more."""
    reference = random_log_probs(6, rows=3)
    wins = torch.zeros(3, 4, 4, dtype=torch.float64)
    for row, pairs in enumerate([[(0, 1), (1, 2), (2, 3)], [(3, 0), (0, 1), (1, 2)], [(2, 1), (1, 0)]]):
        for chosen, rejected in pairs:
            wins[row, chosen, rejected] = 1
    ratios = minimise(reference, wins, "ipo") - reference.numpy()
    for row, chosen, rejected in np.argwhere(wins.numpy() > 0):
        assert ratios[row, chosen] - ratios[row, rejected] == pytest.approx(1 / (2 * BETA), abs=1e-7)


def test_ipo_margin_of_contradicting_judgements() -> None:
    """Three for and one against: the margin is their mean label, (3 − 1)/4 of 1/(2β)."""
    reference = random_log_probs(7, rows=1, scores=2)
    wins = 3 * judgement(1, 0, 2) + judgement(0, 1, 2)
    ratios = minimise(reference, wins, "ipo") - reference.numpy()
    assert ratios[0, 1] - ratios[0, 0] == pytest.approx(0.5 / (2 * BETA), abs=1e-8)


def test_conservative_stops_where_the_noise_says() -> None:
    """All judges agree, and one in five is taken to be wrong: σ(h) = .8, h = ln 4."""
    reference = random_log_probs(8, rows=1)
    ratios = minimise(reference, judgement(2, 1, 4), "conservative", 0.2) - reference.numpy()
    assert BETA * (ratios[0, 2] - ratios[0, 1]) == pytest.approx(log(4), abs=1e-7)


@pytest.mark.parametrize("noise", [0.1, 0.3])
def test_robust_finds_the_optimum_that_noisy_labels_hide(noise: float) -> None:
    """Infinitely many Bradley–Terry judges, a share of whose labels was flipped; adjacent pairs."""
    reference = random_log_probs(9, rows=8)
    rewards = np.random.default_rng(0).normal(size=(8, 4))
    wins = torch.zeros(8, 4, 4, dtype=torch.float64)
    for i, j in ((0, 1), (1, 2), (2, 3)):
        share = 1 / (1 + np.exp(rewards[:, j] - rewards[:, i]))
        wins[:, i, j] = torch.tensor((1 - noise) * share + noise * (1 - share))
        wins[:, j, i] = 1 - wins[:, i, j]
    best = optimal_log_probs(reference.numpy(), rewards, BETA)
    assert mean_kl(minimise(reference, wins, "robust", noise), best) < 1e-6
    assert mean_kl(minimise(reference, wins, "sigmoid"), best) > 1e-2
