"""What form the rewards of a response's score points take: free, or the partial credit model's.

With r(s) − r(s−1) = θ(x) − δ_s, Bradley–Terry on score points *is* the partial credit model
(Masters, 1982): P(s) ∝ exp r(s), and of two score points i is preferred to j with σ(r_i − r_j). One
number per response and the item's thresholds then stand for K free rewards, which is a stronger
claim and a steadier estimate where judgements are few.
"""

from __future__ import annotations

import torch

__all__ = ["partial_credit_rewards", "quality"]


def quality(outputs: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Least-squares slope of the outputs over the score points: one number for each response.

    Of partial credit rewards it is θ but for a constant of the item, so that differences between
    responses to one item are differences in θ, whatever the thresholds are. Centred rewards say
    nothing on which of two *responses* is better; their slope does.

    Parameters
    ----------
    outputs : (B, K) tensor
        Raw or centred rewards.
    present : (B, K) bool tensor
        True where the item has the score point; the first ones, at least two.

    Returns
    -------
    (B,) tensor

    References
    ----------
    Andrich (1978), Applied Psychological Measurement 2, 451–462: pair comparison under the Rasch model.

    Examples
    --------
    >>> quality(torch.tensor([[0.0, 2.0, 4.0], [1.0, 0.0, 9.0]]), torch.tensor([[1, 1, 1], [1, 1, 0]]).bool())
    tensor([ 2., -1.])
    """
    points = torch.arange(outputs.shape[1], device=outputs.device, dtype=outputs.dtype)
    middle = (present.sum(dim=1, keepdim=True) - 1) / 2
    contrast = (points - middle) * present
    return (contrast * outputs).sum(dim=1) / contrast.square().sum(dim=1)


def partial_credit_rewards(ability: torch.Tensor, thresholds: torch.Tensor) -> torch.Tensor:
    """Rewards r(0) = 0, r(s) = r(s−1) + θ − δ_s.

    Parameters
    ----------
    ability : (B,) tensor
        θ of each response.
    thresholds : (B, K−1) tensor
        δ_1 … δ_{K−1} of its item.

    Returns
    -------
    (B, K) tensor

    References
    ----------
    Masters (1982), Psychometrika 47, 149–174.

    Examples
    --------
    >>> partial_credit_rewards(torch.tensor([1.0]), torch.tensor([[-1.0, 3.0]]))
    tensor([[0., 2., 0.]])
    """
    steps = torch.cumsum(ability[:, None] - thresholds, dim=1)
    return torch.cat([torch.zeros_like(steps[:, :1]), steps], dim=1)
