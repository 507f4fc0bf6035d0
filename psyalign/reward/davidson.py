"""Likelihood of comparisons of responses that may end in a tie; tables: `psyalign.feedback.raters`."""

from __future__ import annotations

import torch

__all__ = ["davidson_loss"]


def davidson_loss(
    difference: torch.Tensor,
    log_ties: torch.Tensor,
    outcomes: torch.Tensor,
    counts: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean negative log-likelihood of comparisons that may end in a tie.

    P(a) : P(tie) : P(b) = exp(d/2) : ν : exp(−d/2) with d = q_a − q_b. Given that there is no tie it
    is Bradley–Terry; with ν = 0 (log −∞) and no tie among the outcomes it is its loss.

    Parameters
    ----------
    difference : (B,) tensor
        q_a − q_b.
    log_ties : scalar tensor
        ln ν.
    outcomes : (B,) integer tensor
        0 a preferred, 1 tie, 2 b preferred (`psyalign.feedback.raters.OUTCOMES`).
    counts : (B,) tensor, optional
        How much each comparison counts; the mean of loss times count is taken.

    Returns
    -------
    scalar tensor

    References
    ----------
    Davidson (1970), Journal of the American Statistical Association 65, 317–328.
    """
    half = difference / 2
    logits = torch.stack([half, log_ties.expand_as(half), -half], dim=1)
    if counts is None:
        return torch.nn.functional.cross_entropy(logits, outcomes)
    return (torch.nn.functional.cross_entropy(logits, outcomes, reduction="none") * counts).mean()
