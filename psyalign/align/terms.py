"""The terms of an arm's loss, each on batches of its own: score feedback, and equivalence pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch

from psyalign.align.control import KLControl
from psyalign.align.group_weights import GroupWeights
from psyalign.align.inputs import AlignSettings, EquivalencePairs, Objective, ScoredFeedback
from psyalign.align.losses import equivalence_loss, kl_divergence
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
        Group-robust weighting is asked for, and the feedback says no groups.
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
        self.lengths = self._encoded.lengths

    @property
    def keeps_state(self) -> bool:
        """Whether a step depends on earlier ones by more than the network's weights."""
        return self._control.watches or self._sampled is not None or self._robust is not None

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
            yield self._loss(rows, log_probs, batch)

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
    """The anchored equivalence term.

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
        self._weight = settings.equivalence_weight
        both = self._encoded.lengths
        self.lengths = np.maximum(both[: self._count], both[self._count :])

    def losses(self, rows: list[int], inner: int) -> Iterator[torch.Tensor]:
        """A loss for each of the inner epochs on one batch of pairs."""
        both = [*rows, *(row + self._count for row in rows)]
        batch = self._encoded.batch(both, self._network.compute.device)
        for _ in range(inner):
            log_probs = self._network.log_probs(batch)
            stacked = log_probs.reshape(2, len(rows), log_probs.shape[1])
            yield self._weight * equivalence_loss(stacked, self._teacher[rows])
