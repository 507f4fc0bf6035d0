"""Updating the policy: one training loop, and what each arm's loss adds to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch

from psyalign.align.losses import dpo_loss, equivalence_loss, ppo_loss, supervised_loss
from psyalign.foundation.errors import DataError
from psyalign.foundation.seeds import generator
from psyalign.scorer.encode import Encoded, training_batches
from psyalign.scorer.lora_scorer import LoraScorer
from psyalign.scorer.train import LossRow, Training, train

__all__ = ["AlignSettings", "EquivalencePairs", "Objective", "ScoredFeedback", "align"]

Objective = Literal["refit", "dpo", "ppo", "none"]


@dataclass(frozen=True)
class ScoredFeedback:
    """Responses that raters judged, with all that the losses need; N rows, K score points.

    Attributes
    ----------
    responses : DataFrame with columns item, response
    scores : (N,) int
        The raters' scores, for refitting.
    wins : (N, K, K)
        Score preferences, for DPO.
    reference : (N, K)
        The reference scorer's log-probabilities.
    rewards : (N, K)
        The frozen reward model's rewards, for PPO.
    """

    responses: pd.DataFrame
    scores: np.ndarray
    wins: np.ndarray
    reference: np.ndarray
    rewards: np.ndarray


@dataclass(frozen=True)
class EquivalencePairs:
    """Pairs of wordings that show the same intention; M pairs.

    Attributes
    ----------
    first, second : DataFrame with columns item, response
    teacher : (M, K)
        Log-probabilities that both wordings are held to.
    """

    first: pd.DataFrame
    second: pd.DataFrame
    teacher: np.ndarray


@dataclass(frozen=True)
class AlignSettings:
    """β, weight of the equivalence term, PPO's clip range and inner epochs, and the training."""

    training: Training
    beta: float
    equivalence_weight: float = 1.0
    ppo_clip: float = 0.2
    ppo_inner: int = 4


def align(
    scorer: LoraScorer,
    objective: Objective,
    feedback: ScoredFeedback | None,
    pairs: EquivalencePairs | None,
    settings: AlignSettings,
    *,
    label: str,
    checkpoint: Path | None = None,
) -> list[LossRow]:
    """Align a copy of the reference scorer in place.

    Parameters
    ----------
    scorer : LoraScorer
        A copy of the reference scorer: its adapter is trained, the reference stays as the
        cached log-probabilities.
    objective : {"refit", "dpo", "ppo", "none"}
        What the score feedback asks; "none" for equivalence alone.
    feedback : ScoredFeedback or None
        Needed unless `objective` is "none".
    pairs : EquivalencePairs or None
        Adds the anchored equivalence term with weight ``settings.equivalence_weight``.
    settings : AlignSettings
    label : str
    checkpoint : Path, optional

    Raises
    ------
    DataError
        Score feedback or pairs are asked for, and there are none; or neither is asked for.
    """
    wanted = (objective != "none") + (pairs is not None)
    parts: list[_Scores | _Pairs] = []
    if objective != "none" and feedback is not None and len(feedback.responses):
        parts.append(_Scores(scorer, feedback, objective, settings))
    if pairs is not None and len(pairs.first):
        parts.append(_Pairs(scorer, pairs, settings))
    if not parts or len(parts) < wanted:  # half an arm under the whole one's name would mislead
        raise DataError(
            f"There is no feedback for the arm '{label}'.",
            where="[feedback]",
            mend="Give feedback of the kind that the arm learns from, or drop the arm from [align] arms.",
        )

    def plan(epoch: int) -> list[tuple[list[int], ...]]:
        """Each step takes a batch of every part; the shorter part is gone through again."""
        rng = generator(settings.training.seed, label, "batches", epoch)
        batches = [training_batches(part.lengths, settings.training.batch_size, rng) for part in parts]
        longest = max(len(part) for part in batches)
        return list(zip(*(islice(cycle(part), longest) for part in batches), strict=True))

    inner = settings.ppo_inner if objective == "ppo" else 1

    def losses(step: tuple[list[int], ...]) -> Iterator[torch.Tensor]:
        streams = [part.losses(rows, inner) for part, rows in zip(parts, step, strict=True)]
        for terms in zip(*streams, strict=True):
            yield torch.stack(terms).sum()

    return train(
        scorer.network_,
        plan,
        losses,
        settings.training,
        label=label,
        updates_per_step=inner,
        dropout=False,  # at the first step the policy is the reference, to the last digit
        checkpoint=checkpoint,
    )


class _Scores:
    """The term that score feedback adds."""

    def __init__(self, scorer: LoraScorer, feedback: ScoredFeedback, objective: str, settings: AlignSettings):
        self._network = scorer.network_
        self._encoded: Encoded = scorer.encode(feedback.responses)
        self._objective = objective
        self._settings = settings
        device = self._network.compute.device
        self._scores = torch.tensor(feedback.scores, dtype=torch.long, device=device)
        self._wins, self._reference, self._rewards = (
            torch.tensor(table, dtype=torch.float32, device=device)
            for table in (feedback.wins, feedback.reference, feedback.rewards)
        )
        self.lengths = self._encoded.lengths

    def losses(self, rows: list[int], inner: int) -> Iterator[torch.Tensor]:
        batch = self._encoded.batch(rows, self._network.compute.device)
        old: torch.Tensor | None = None
        for _ in range(inner):
            log_probs = self._network.log_probs(batch)
            old = log_probs.detach() if old is None else old
            yield self._loss(rows, log_probs, old)

    def _loss(self, rows: list[int], log_probs: torch.Tensor, old: torch.Tensor) -> torch.Tensor:
        reference = self._reference[rows]
        if self._objective == "refit":
            return supervised_loss(log_probs, self._scores[rows])
        if self._objective == "dpo":
            return dpo_loss(log_probs, reference, self._wins[rows], self._settings.beta)
        return ppo_loss(
            log_probs,
            old,
            reference,
            self._rewards[rows],
            beta=self._settings.beta,
            clip=self._settings.ppo_clip,
        )


class _Pairs:
    """The anchored equivalence term."""

    def __init__(self, scorer: LoraScorer, pairs: EquivalencePairs, settings: AlignSettings):
        self._network = scorer.network_
        self._count = len(pairs.first)
        self._encoded = scorer.encode(pd.concat([pairs.first, pairs.second], ignore_index=True))
        device = self._network.compute.device
        self._teacher = torch.tensor(pairs.teacher, dtype=torch.float32, device=device)
        self._weight = settings.equivalence_weight
        both = self._encoded.lengths
        self.lengths = np.maximum(both[: self._count], both[self._count :])

    def losses(self, rows: list[int], inner: int) -> Iterator[torch.Tensor]:
        both = [*rows, *(row + self._count for row in rows)]
        batch = self._encoded.batch(both, self._network.compute.device)
        for _ in range(inner):
            log_probs = self._network.log_probs(batch)
            stacked = log_probs.reshape(2, len(rows), log_probs.shape[1])
            yield self._weight * equivalence_loss(stacked, self._teacher[rows])
