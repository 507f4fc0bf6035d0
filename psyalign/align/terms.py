"""The terms of an arm's loss, each on batches of its own: score feedback, and equivalence pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from psyalign.align.control import KLControl
from psyalign.align.fairness import group_penalty
from psyalign.align.group_weights import GroupWeights
from psyalign.align.inputs import AlignSettings, EquivalencePairs, Objective, ScoredFeedback
from psyalign.align.losses import (
    distribution_gap,
    equivalence_loss,
    expected_gap,
    expected_scores,
    kl_divergence,
    spread_guard,
)
from psyalign.align.objectives import ScoreBatch, score_loss, score_risk
from psyalign.align.optimum import optimal_log_probs
from psyalign.align.sampling import SampledActions
from psyalign.foundation.errors import DataError
from psyalign.scorer.encode import Encoded
from psyalign.scorer.lora_scorer import LoraScorer

__all__ = ["PairTerm", "ScoreTerm"]


class ScoreTerm:
    """The term that score feedback adds.

    Parameters
    ----------
    scorer : LoraScorer
    feedback : ScoredFeedback
    objective : Objective
    settings : AlignSettings
    control : KLControl
        Told the KL of every batch.
    label : str
        Of the arm.

    Raises
    ------
    DataError
        Group-robust weighting or a penalty on group differences is asked for, and the feedback
        does not say what it needs.
    """

    def __init__(
        self,
        scorer: LoraScorer,
        feedback: ScoredFeedback,
        objective: Objective,
        settings: AlignSettings,
        control: KLControl,
        label: str,
    ):
        self._network = scorer.network_
        self._encoded: Encoded = scorer.encode(feedback.responses)
        self._objective: Objective = objective
        self._settings = settings
        self._control = control
        device = self._network.compute.device
        self._scores = torch.tensor(feedback.scores, dtype=torch.long, device=device)
        optimum = optimal_log_probs(feedback.reference, feedback.rewards, settings.beta)
        self._wins, self._reference, self._rewards, self._optimum = (
            torch.tensor(table, dtype=torch.float32, device=device)
            for table in (feedback.wins, feedback.reference, feedback.rewards, optimum)
        )
        sampled = objective == "ppo" and settings.ppo_actions == "sampled"
        self._sampled = (
            SampledActions(len(feedback.responses), settings.training.seed, label) if sampled else None
        )
        self._robust = _robust(feedback, objective, settings)
        self._penalty = group_penalty(feedback, settings)
        self.lengths, self.items = self._encoded.lengths, self._encoded.items

    @property
    def keeps_state(self) -> bool:
        """Whether a step depends on earlier ones by more than the network's weights."""
        kept = (self._sampled, self._robust, self._penalty)
        return self._control.watches or any(part is not None for part in kept)

    def losses(self, rows: list[int], inner: int) -> Iterator[torch.Tensor]:
        """A loss for each of the inner epochs on one batch."""
        encoded = self._encoded.batch(rows, self._network.compute.device)
        batch: ScoreBatch | None = None
        for _ in range(inner):
            log_probs = self._network.log_probs(encoded)
            if self._control.watches:
                self._watch(log_probs, rows, first=batch is None)
            if batch is None:
                batch = self._batch(rows, log_probs.detach())
            loss = self._loss(rows, log_probs, batch)
            yield loss if self._penalty is None else loss + self._penalty.loss(rows, log_probs)

    def _watch(self, log_probs: torch.Tensor, rows: list[int], *, first: bool) -> None:
        kl = float(kl_divergence(log_probs.detach(), self._reference[rows]).mean())
        self._control.check(kl)
        if first and self._objective == "ppo":  # inner epochs share one β; DPO's is part of its model
            self._control.steer(kl)

    def _batch(self, rows: list[int], old: torch.Tensor) -> ScoreBatch:
        rewards = self._rewards[rows]
        actions, advantages = torch.zeros_like(self._scores[rows]), torch.zeros_like(rewards[:, 0])
        if self._sampled is not None:
            actions, advantages = self._sampled.draw(rows, old, rewards)
        return ScoreBatch(
            self._scores[rows],
            self._wins[rows],
            self._reference[rows],
            rewards,
            self._optimum[rows],
            old,
            actions,
            advantages,
        )

    def _loss(self, rows: list[int], log_probs: torch.Tensor, batch: ScoreBatch) -> torch.Tensor:
        objective, settings, beta = self._objective, self._settings, self._control.beta
        if self._robust is None:
            return score_loss(objective, log_probs, batch, settings, beta)
        groups, weights = self._robust
        present = sorted(set(groups[rows].tolist()))
        losses, risks = [], []
        for group in present:
            chosen = (groups[rows] == group).to(log_probs.device)
            mine, part = log_probs[chosen], batch.part(chosen)
            losses.append(score_loss(objective, mine, part, settings, beta))
            risks.append(score_risk(objective, mine, losses[-1], part))
        weights.update(present, risks)
        return weights.combine(present, losses)


def _robust(
    feedback: ScoredFeedback, objective: Objective, settings: AlignSettings
) -> tuple[torch.Tensor, GroupWeights] | None:
    """The responses' groups and the weights of the groups, if they are to be weighted."""
    if not settings.group_robust or objective not in ("dpo", "ppo"):
        return None
    if feedback.groups is None:
        raise DataError(
            "Group-robust weighting needs the group of each judged response.",
            where="[align] group_robust",
            mend="Give ScoredFeedback its groups, or set group_robust = 0.",
        )
    groups = torch.tensor(feedback.groups, dtype=torch.long)
    return groups, GroupWeights(int(groups.max()) + 1, settings.group_robust)


class PairTerm:
    """The equivalence term: anchored, or the gap between the wordings and what guards the scores' spread.

    Parameters
    ----------
    scorer : LoraScorer
    pairs : EquivalencePairs
    settings : AlignSettings
    """

    keeps_state = False

    def __init__(self, scorer: LoraScorer, pairs: EquivalencePairs, settings: AlignSettings):
        self._network = scorer.network_
        self._count = len(pairs.first)
        self._encoded = scorer.encode(pd.concat([pairs.first, pairs.second], ignore_index=True))
        device = self._network.compute.device
        self._teacher = torch.tensor(pairs.teacher, dtype=torch.float32, device=device)
        self._settings = settings
        if settings.equivalence != "anchored":
            self._hold_spread(pairs)
        both = self._encoded.lengths
        self.lengths = np.maximum(both[: self._count], both[self._count :])
        self.items = self._encoded.items[: self._count]

    def _hold_spread(self, pairs: EquivalencePairs) -> None:
        """What the guard compares with: the reference's expected scores, and the same within items."""
        device = self._network.compute.device
        reference = np.exp(pairs.teacher) @ np.arange(pairs.teacher.shape[1])
        centre = pd.Series(reference).groupby(pairs.first["item"].to_numpy()).transform("mean").to_numpy()
        self._reference, self._within = (
            torch.tensor(scores, dtype=torch.float32, device=device)
            for scores in (reference, reference - centre)
        )

    def losses(self, rows: list[int], inner: int) -> Iterator[torch.Tensor]:
        """A loss for each of the inner epochs on one batch of pairs."""
        both = [*rows, *(row + self._count for row in rows)]
        batch = self._encoded.batch(both, self._network.compute.device)
        for _ in range(inner):
            log_probs = self._network.log_probs(batch)
            stacked = log_probs.reshape(2, len(rows), log_probs.shape[1])
            yield self._settings.equivalence_weight * self._loss(rows, stacked)

    def _loss(self, rows: list[int], log_probs: torch.Tensor) -> torch.Tensor:
        kind, guard = self._settings.equivalence, self._settings.equivalence_guard
        if kind == "anchored":
            return equivalence_loss(log_probs, self._teacher[rows])
        gap = expected_gap(log_probs) if kind == "expected" else distribution_gap(log_probs)
        if not guard:
            return gap
        expected = expected_scores(log_probs)
        return gap + guard * spread_guard(expected, self._reference[rows], self._within[rows])
