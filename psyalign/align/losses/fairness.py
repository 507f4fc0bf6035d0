"""Fairness terms on the policy's expected scores: wordings of one intention, and groups."""

from __future__ import annotations

import math

import torch

__all__ = ["contrast_penalty", "distribution_gap", "expected_gap", "expected_scores", "spread_guard"]


def expected_scores(log_probs: torch.Tensor) -> torch.Tensor:
    """Σ s·π(s), score points counted from 0: (..., K) → (...)."""
    points = torch.arange(log_probs.shape[-1], dtype=log_probs.dtype, device=log_probs.device)
    return (log_probs.exp() * points).sum(dim=-1)


def expected_gap(log_probs: torch.Tensor) -> torch.Tensor:
    """Mean squared difference of the expected scores of two wordings, in squared score points.

    It says nothing about which scores the wordings should have: without a guard the cheapest way
    to a small gap is a narrow range of scores. See `spread_guard`.

    Parameters
    ----------
    log_probs : (2, B, K)
        The policy on the two wordings of B pairs.
    """
    expected = expected_scores(log_probs)
    return torch.nn.functional.mse_loss(expected[0], expected[1])


def distribution_gap(log_probs: torch.Tensor) -> torch.Tensor:
    """Mean Jensen–Shannon divergence of the score distributions of two wordings, in nats.

    Symmetric, 0 only where the two are the same, at most ln 2. Unlike `expected_gap` it also sees
    that one wording is scored with more doubt than the other; unlike a Wasserstein distance it does
    not count how far apart the points are, and is smooth where the two meet.

    Parameters
    ----------
    log_probs : (2, B, K)
        The policy on the two wordings of B pairs.

    References
    ----------
    Lin (1991), Divergence measures based on the Shannon entropy, eq. 4.1.
    """
    middle = torch.logaddexp(log_probs[0], log_probs[1]) - math.log(2)
    return (log_probs.exp() * (log_probs - middle)).sum(dim=-1).mean()


def spread_guard(expected: torch.Tensor, reference: torch.Tensor, within: torch.Tensor) -> torch.Tensor:
    """What the policy changed of the scores' level and spread, in squared score points.

    Of d = expected − reference, two parts are penalised: its mean, and what of it is proportional
    to the reference's own scores within items, which is where a narrower range shows:

        (Σ d / B)² + (Σ d·u)² / (B·Σ u²),   u = `within`, mean over both wordings.

    Scores that keep their order and shrink to a share a of their spread cost (1 − a)² times the
    variance of the reference's scores within items. At 0 the regression of the scores on the
    reference's has slope 1, so that their SD cannot be smaller than the reference's, and no noise
    can make up for lost signal. Which responses score higher than before is left free, unlike
    with a KL to the reference, which would hold the errors of single responses as well. As d is a
    paired difference, a batch has no sampling error to pay for where nothing has changed; a moment
    of the scores themselves would have.

    Parameters
    ----------
    expected : (2, B)
        The policy's expected scores of both wordings.
    reference : (B,)
        Those of the frozen reference scorer on the neutral wording, without gradient.
    within : (B,)
        `reference` less its mean over all pairs of the item.
    """
    change, size = expected - reference, reference.shape[0]
    level = change.mean(dim=1).square()
    spread = (change * within).sum(dim=1).square() / (size * within.square().sum().clamp(min=1e-8))
    return (level + spread).mean()


def contrast_penalty(
    expected: torch.Tensor, values: torch.Tensor, coefficients: torch.Tensor, *, scale: float
) -> torch.Tensor:
    """Σ_i S_i² of linear contrasts S_i = Σ_n c_n E_n over a whole set, from the responses of a batch.

    The value is that of `values`; the gradient is Σ_i 2 S_i · scale · Σ_{n in batch} c_n ∇E_n, which
    over the batches of an epoch averages to that of the whole set. Squaring the batch's own
    contrast instead would add its sampling variance, which a policy lowers by shrinking the scores.

    Parameters
    ----------
    expected : (B,)
        The policy's expected scores.
    values : (I,)
        S_i now, over the whole set, without gradient.
    coefficients : (B,)
        2 S_i c_n of the batch's responses, without gradient.
    scale : float
        Size of the whole set over that of a batch; 1 where the batch is the whole set.
    """
    moved = (coefficients * (expected - expected.detach())).sum()
    return values.square().sum() + scale * moved
