"""The reward model: r(x, s) for all score points of a response in one pass."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch

from psyalign.foundation.files import read_json, write_json
from psyalign.foundation.hashing import hash_json
from psyalign.items import Item
from psyalign.reward.fitting import Comparisons, minimise
from psyalign.reward.structure import partial_credit_rewards, quality
from psyalign.scorer.lora_scorer import LoraScorer
from psyalign.scorer.train import LossRow, Training

__all__ = ["FROZEN", "RewardModel", "Structure"]

Structure = Literal["free", "pcm"]
FROZEN = Training(epochs=0, batch_size=1, learning_rate=0.0, seed=0)  # of a model that only gives rewards
FILE = "reward.json"


class RewardModel:
    """Reward of every score point, learned from score preferences and comparisons of responses.

    It has LoRA and a head of its own. They start as a copy of the reference scorer's, as is
    usual in RLHF (Ouyang et al., 2022): a few hundred judgements correct a scorer, they do
    not teach one to read. Rewards are centred within a response (Bradley–Terry fixes
    differences only).

    Parameters
    ----------
    scorer : LoraScorer
        A copy of the reference scorer; the reward model owns it and changes it.
    training : Training
    structure : {"free", "pcm"}
        "free": the K outputs are the rewards. "pcm": r(s) − r(s−1) = θ(x) − δ_s, the partial credit
        model; θ is the slope of the outputs over the score points, and each item has thresholds δ, which
        start at the outputs' mean departure from that line.

    Attributes
    ----------
    thresholds_ : (items, K−1) or None
        δ of each item in the scorer's order, after `fit` with "pcm".
    history_ : list of LossRow
        After `fit`.
    """

    def __init__(self, scorer: LoraScorer, training: Training, *, structure: Structure = "free"):
        self.scorer = scorer
        self.training = training
        self.structure = structure
        self.thresholds_: np.ndarray | None = None

    def fit(
        self,
        responses: pd.DataFrame,
        wins: np.ndarray,
        *,
        comparisons: Comparisons | None = None,
        checkpoint: Path | None = None,
    ) -> RewardModel:
        """Minimise the Bradley–Terry loss, and Davidson's where responses were compared.

        Parameters
        ----------
        responses : DataFrame with columns item, response; N rows
        wins : (N, K, K)
            See `win_counts`.
        comparisons : Comparisons, optional
            The quality of a response is the slope of its rewards over the score points: in the partial
            credit model, θ but for a constant of the item.
        checkpoint : Path, optional
        """
        start = self._start(responses) if self.structure == "pcm" else None
        history, thresholds = minimise(
            self.scorer, self.training, responses, wins, comparisons, thresholds=start, checkpoint=checkpoint
        )
        self.history_: list[LossRow] = history
        self.thresholds_ = thresholds
        return self

    def _start(self, responses: pd.DataFrame) -> np.ndarray:
        """Thresholds at which the partial credit rewards are nearest to the reference scorer's logits."""
        raw = torch.from_numpy(self.scorer.outputs(responses, quiet=True))
        present = torch.from_numpy(self._present(responses))
        steps = (quality(raw, present)[:, None] - raw.diff(dim=1)).numpy()
        names = list(self.scorer.items)
        own = pd.DataFrame(steps).groupby(responses["item"].to_numpy()).mean().reindex(names)
        points = np.array([len(item.scores) for item in self.scorer.items.values()])
        # an item without feedback has the mean of those with as many score points
        filled = own.fillna(own.groupby(points).transform("mean")).fillna(0.0)
        return np.where(np.arange(steps.shape[1]) < points[:, None] - 1, filled.to_numpy(), 0.0)

    def _present(self, responses: pd.DataFrame) -> np.ndarray:
        points = np.array([len(self.scorer.items[name].scores) for name in responses["item"]], dtype=int)
        return np.asarray(np.arange(self.scorer.encoder_.max_scores)[None, :] < points[:, None])

    def rewards(self, responses: pd.DataFrame, *, label: str = "reward", quiet: bool = False) -> np.ndarray:
        """Centred rewards, shape (N, K); 0 where an item has no such score point."""
        raw = self.scorer.outputs(responses, label=label, quiet=quiet)
        present = self._present(responses)
        if self.thresholds_ is not None:
            rows = [list(self.scorer.items).index(name) for name in responses["item"]]
            ability = quality(torch.from_numpy(raw), torch.from_numpy(present))
            raw = partial_credit_rewards(ability, torch.from_numpy(self.thresholds_[rows])).numpy()
        mean = np.where(present, raw, 0.0).sum(axis=1, keepdims=True) / present.sum(axis=1, keepdims=True)
        return np.where(present, raw - mean, 0.0)

    def qualities(self, responses: pd.DataFrame, rewards: np.ndarray) -> np.ndarray:
        """Slope of rewards over the score points, (N,): which of two responses to one item is better."""
        present = torch.from_numpy(self._present(responses))
        return np.asarray(quality(torch.from_numpy(rewards), present).numpy())

    def fingerprint(self) -> str:
        """Hash of the frozen reward model."""
        if self.thresholds_ is None:
            return self.scorer.fingerprint()
        return hash_json([self.scorer.fingerprint(), self.thresholds_.tolist()])

    def save(self, folder: Path) -> None:
        """Write the adapter and what it belongs to, and the thresholds if there are any."""
        self.scorer.save(folder)
        if self.thresholds_ is not None:
            write_json(folder / FILE, {"structure": "pcm", "thresholds": self.thresholds_.tolist()})

    @classmethod
    def load(cls, folder: Path, items: Mapping[str, Item]) -> RewardModel:
        """Read what `save` wrote; frozen."""
        model = cls(LoraScorer.load(folder, items), FROZEN)
        if (folder / FILE).is_file():
            model.structure = "pcm"
            model.thresholds_ = np.array(read_json(folder / FILE)["thresholds"], dtype=float)
        return model
