"""Training of a reward model: batches of score judgements, and of comparisons where there are any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from torch import nn

from psyalign.feedback.raters import tie_start
from psyalign.foundation.seeds import generator
from psyalign.reward.bradley_terry import bradley_terry_loss
from psyalign.reward.davidson import davidson_loss
from psyalign.reward.structure import partial_credit_rewards, quality
from psyalign.scorer.lora_scorer import LoraScorer
from psyalign.scorer.train import LossRow, Training, train

__all__ = ["Comparisons", "minimise"]

# Thresholds and ln ν are few numbers on the logit scale, which Adam at LoRA's learning rate would
# hardly move; they step so many times as far.
FASTER = 30.0
EXTRA = "reward_extra"  # their name in the network, while it is trained


@dataclass(frozen=True)
class Comparisons:
    """Pairs of responses to one item, and which of the two raters preferred; M pairs.

    Attributes
    ----------
    first, second : DataFrame with columns item, response
    outcomes : (M,) int
        0 the first, 1 a tie, 2 the second (`psyalign.feedback.raters.OUTCOMES`).
    weight : float
        Of their mean loss beside that of the score preferences.
    counts : (M,), optional
        How much each counts in that mean, 1 on average; None: all alike.
    """

    first: pd.DataFrame
    second: pd.DataFrame
    outcomes: np.ndarray
    weight: float = 1.0
    counts: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Comparisons:
        """These rows, in this order."""
        first, second = (table.iloc[rows].reset_index(drop=True) for table in (self.first, self.second))
        counts = self.counts[rows] if self.counts is not None else None
        return Comparisons(first, second, self.outcomes[rows], self.weight, counts)


class _Extra(nn.Module):
    """Parameters beside LoRA and head: moves of the thresholds and of ln ν from where they start."""

    start: torch.Tensor
    tie_start: torch.Tensor

    def __init__(self, thresholds: np.ndarray | None, log_ties: float | None):
        super().__init__()
        if thresholds is not None:
            self.register_buffer("start", torch.tensor(thresholds, dtype=torch.float32))
            self.moves = nn.Parameter(torch.zeros(thresholds.shape))
        if log_ties is not None:
            self.register_buffer("tie_start", torch.tensor(log_ties, dtype=torch.float32))
            self.tie_move = nn.Parameter(torch.zeros(()))

    @property
    def thresholds(self) -> torch.Tensor:
        """δ of each item, (I, K−1)."""
        return self.start + FASTER * self.moves

    @property
    def log_ties(self) -> torch.Tensor:
        """ln ν."""
        return self.tie_start + FASTER * self.tie_move


def minimise(
    scorer: LoraScorer,
    training: Training,
    responses: pd.DataFrame,
    wins: np.ndarray,
    comparisons: Comparisons | None,
    *,
    thresholds: np.ndarray | None,
    checkpoint: Path | None,
) -> tuple[list[LossRow], np.ndarray | None]:
    """Train the scorer's network as a reward model.

    Parameters
    ----------
    scorer : LoraScorer
    training : Training
    responses : DataFrame with columns item, response; N rows
    wins : (N, K, K)
    comparisons : Comparisons or None
    thresholds : (I, K−1) or None
        Where the thresholds of the partial credit structure start; None for free rewards.
    checkpoint : Path or None

    Returns
    -------
    tuple
        Losses of the updates, and the thresholds at the end (None for free rewards).
    """
    network = scorer.network_
    compared = comparisons if comparisons is not None and len(comparisons.outcomes) else None
    extra = _Extra(thresholds, tie_start(compared.outcomes) if compared is not None else None)
    parts: list[_Part] = [_Scores(scorer, extra, responses, wins, pcm=thresholds is not None)]
    if compared is not None:
        parts.append(_Pairs(scorer, extra, compared))

    def plan(epoch: int) -> list[tuple[list[int], ...]]:
        """Each step takes a batch of every part; the shorter part is gone through again."""
        rng = generator(training.seed, "reward", "batches", epoch)
        batches = [training.batches(part.lengths, part.items, rng) for part in parts]
        longest = max(len(part) for part in batches)
        return list(zip(*(islice(cycle(part), longest) for part in batches), strict=True))

    def losses(step: tuple[list[int], ...]) -> Iterator[torch.Tensor]:
        yield torch.stack([part.loss(rows) for part, rows in zip(parts, step, strict=True)]).sum()

    # inside the network they are trained and kept in its checkpoint like everything else
    network.add_module(EXTRA, extra.to(network.compute.device))
    try:
        history = train(network, plan, losses, training, label="reward", checkpoint=checkpoint)
    finally:
        delattr(network, EXTRA)
    end = extra.thresholds.detach().cpu().double().numpy() if thresholds is not None else None
    return history, end


class _Part(Protocol):
    lengths: np.ndarray
    items: np.ndarray

    def loss(self, rows: list[int]) -> torch.Tensor: ...


class _Scores:
    """Score preferences: Bradley–Terry on the rewards of one response."""

    def __init__(
        self, scorer: LoraScorer, extra: _Extra, responses: pd.DataFrame, wins: np.ndarray, *, pcm: bool
    ):
        self._network, self._extra = scorer.network_, extra
        self._encoded = scorer.encode(responses)
        self._wins = torch.tensor(wins)
        names = list(scorer.items)
        self._item = torch.tensor([names.index(name) for name in responses["item"]]) if pcm else None
        self.lengths, self.items = self._encoded.lengths, self._encoded.items

    def loss(self, rows: list[int]) -> torch.Tensor:
        device = self._network.compute.device
        batch = self._encoded.batch(rows, device)
        rewards = self._network.outputs(batch)
        if self._item is not None:
            thresholds = self._extra.thresholds[self._item[rows].to(device)]
            rewards = partial_credit_rewards(quality(rewards, batch.score_mask), thresholds)
        return bradley_terry_loss(rewards, self._wins[rows].to(device))


class _Pairs:
    """Response preferences: Davidson on the qualities of two responses."""

    def __init__(self, scorer: LoraScorer, extra: _Extra, comparisons: Comparisons):
        self._network, self._extra = scorer.network_, extra
        self._count, self._weight = len(comparisons.outcomes), comparisons.weight
        both = pd.concat([comparisons.first, comparisons.second], ignore_index=True)
        self._encoded = scorer.encode(both)
        self._outcomes = torch.tensor(comparisons.outcomes, dtype=torch.long)
        counts = comparisons.counts
        self._counts = torch.tensor(counts, dtype=torch.float32) if counts is not None else None
        lengths = self._encoded.lengths
        self.lengths = np.maximum(lengths[: self._count], lengths[self._count :])
        self.items = self._encoded.items[: self._count]

    def loss(self, rows: list[int]) -> torch.Tensor:
        device = self._network.compute.device
        batch = self._encoded.batch([*rows, *(row + self._count for row in rows)], device)
        qualities = quality(self._network.outputs(batch), batch.score_mask)
        apart = qualities[: len(rows)] - qualities[len(rows) :]
        outcomes = self._outcomes[rows].to(device)
        counts = self._counts[rows].to(device) if self._counts is not None else None
        return self._weight * davidson_loss(apart, self._extra.log_ties, outcomes, counts)
