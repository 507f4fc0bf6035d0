"""The reward model: r(x, s) for all score points of a response in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from psyalign.foundation.seeds import generator
from psyalign.reward.bradley_terry import bradley_terry_loss
from psyalign.scorer.encode import training_batches
from psyalign.scorer.lora_scorer import LoraScorer
from psyalign.scorer.train import LossRow, Training, train

__all__ = ["RewardModel"]


class RewardModel:
    """Reward of every score point, learned from score preferences.

    It has LoRA and a head of its own. They start as a copy of the reference scorer's, as is
    usual in RLHF (Ouyang et al., 2022): a few hundred judgements correct a scorer, they do
    not teach one to read. Rewards are centred within a response (Bradley–Terry fixes
    differences only).

    Parameters
    ----------
    scorer : LoraScorer
        A copy of the reference scorer; the reward model owns it and changes it.
    training : Training
    """

    def __init__(self, scorer: LoraScorer, training: Training):
        self.scorer = scorer
        self.training = training

    def fit(
        self, responses: pd.DataFrame, wins: np.ndarray, *, checkpoint: Path | None = None
    ) -> RewardModel:
        """Minimise the Bradley–Terry loss.

        Parameters
        ----------
        responses : DataFrame with columns item, response; N rows
        wins : (N, K, K)
            See `win_counts`.
        checkpoint : Path, optional
        """
        network = self.scorer.network_
        encoded = self.scorer.encode(responses)
        counts = torch.tensor(wins)

        def plan(epoch: int) -> list[list[int]]:
            rng = generator(self.training.seed, "reward", "batches", epoch)
            return training_batches(encoded.lengths, self.training.batch_size, rng)

        def losses(rows: list[int]) -> Iterator[torch.Tensor]:
            device = network.compute.device
            rewards = network.outputs(encoded.batch(rows, device))
            yield bradley_terry_loss(rewards, counts[rows].to(device))

        self.history_: list[LossRow] = train(
            network, plan, losses, self.training, label="reward", checkpoint=checkpoint
        )
        return self

    def rewards(self, responses: pd.DataFrame, *, label: str = "reward", quiet: bool = False) -> np.ndarray:
        """Centred rewards, shape (N, K); 0 where an item has no such score point."""
        raw = self.scorer.outputs(responses, label=label, quiet=quiet)
        points = np.array([len(self.scorer.items[name].scores) for name in responses["item"]], dtype=int)
        present = np.arange(raw.shape[1])[None, :] < points[:, None]
        mean = np.where(present, raw, 0.0).sum(axis=1, keepdims=True) / points[:, None]
        return np.where(present, raw - mean, 0.0)

    def fingerprint(self) -> str:
        """Hash of the frozen reward model."""
        return self.scorer.fingerprint()

    def save(self, folder: Path) -> None:
        """Write the adapter and what it belongs to."""
        self.scorer.save(folder)
