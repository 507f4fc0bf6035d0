"""Actions drawn from the policy, and the value function that sampled PPO learns from them."""

from __future__ import annotations

import numpy as np
import torch

from psyalign.foundation.seeds import generator

__all__ = ["SampledActions"]


class SampledActions:
    """One score point drawn for each response of a batch, and its advantage over what is expected.

    The value of a response is the running mean of the rewards drawn for it so far: the value
    function of an episode of one step, kept as a table, where a general RLHF library fits a
    network. It starts at 0, the mean over score points of a centred reward.

    Parameters
    ----------
    responses : int
        N.
    seed : int
    label : str
        Of the arm; the draws depend on it and the seed.
    """

    def __init__(self, responses: int, seed: int, label: str):
        self._rng = generator(seed, label, "actions")
        self._values = np.zeros(responses)
        self._visits = np.zeros(responses)

    def draw(
        self, rows: list[int], old: torch.Tensor, rewards: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Actions (B,) int64 and advantages (B,), and take the rewards into the values.

        Parameters
        ----------
        rows : list of B int
            Which of the N responses.
        old : (B, K)
            Log-probabilities to draw from.
        rewards : (B, K)
        """
        shares = np.exp(old.double().cpu().numpy()).cumsum(axis=1)
        uniform = self._rng.random(len(rows))[:, None] * shares[:, -1:]
        actions = (shares <= uniform).sum(axis=1)
        drawn = rewards.double().cpu().numpy()[np.arange(len(rows)), actions]
        advantages = drawn - self._values[rows]
        self._visits[rows] += 1
        self._values[rows] += advantages / self._visits[rows]
        return (
            torch.tensor(actions, dtype=torch.long, device=old.device),
            torch.tensor(advantages, dtype=old.dtype, device=old.device),
        )
