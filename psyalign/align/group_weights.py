"""Group-robust weighting: the groups that the policy serves worst count most."""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["GroupWeights"]


class GroupWeights:
    """Weights q of G groups, moved by exponentiated gradient towards the group with the highest risk.

    q_g ∝ q_g exp(η·risk_g), then Σ q = 1: the online algorithm of group distributionally robust
    optimisation. Groups that a batch lacks keep their weight but for the normalisation.

    Parameters
    ----------
    groups : int
        G.
    step_size : float
        η; 0 keeps the groups equal.

    References
    ----------
    Sagawa et al. (2020), Distributionally Robust Neural Networks for Group Shifts, algorithm 1.
    """

    def __init__(self, groups: int, step_size: float):
        self.step_size = step_size
        self._logs = torch.zeros(groups, dtype=torch.float64)  # in logarithms, exp() cannot overflow

    @property
    def weights(self) -> torch.Tensor:
        """The weights now, (G,) float64; 1/G at the start."""
        return self._logs.softmax(0)

    def update(self, present: Sequence[int], risks: Sequence[float]) -> None:
        """Move the weights by the risks of the groups that a batch holds."""
        steps = self.step_size * torch.tensor(risks, dtype=torch.float64)
        self._logs = self._logs.index_add(0, torch.tensor(present, dtype=torch.long), steps).log_softmax(0)

    def combine(self, present: Sequence[int], losses: Sequence[torch.Tensor]) -> torch.Tensor:
        """Σ q_g·loss_g over the groups that a batch holds, as a scalar tensor."""
        stacked = torch.stack(list(losses))
        return (self.weights[list(present)].to(stacked) * stacked).sum()
