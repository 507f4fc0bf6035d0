"""The loss of paired comparison with ties: hand arithmetic, and Bradley–Terry as a special case."""

from __future__ import annotations

from math import exp, log

import pytest
import torch

from psyalign.reward import bradley_terry_loss, davidson_loss


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
