"""What an arm learns from, and the settings of its learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from psyalign.align.losses import DpoVariant
from psyalign.scorer.train import Training

__all__ = ["AlignSettings", "EquivalencePairs", "Objective", "ScoredFeedback"]

Objective = Literal["refit", "dpo", "ppo", "distill", "none"]


@dataclass(frozen=True)
class ScoredFeedback:
    """Responses that raters judged, with all that the losses need; N rows, K score points.

    Attributes
    ----------
    responses : DataFrame with columns item, response
    scores : (N,) int
        The raters' scores, for refitting and the SFT anchor.
    wins : (N, K, K)
        Score preferences, for DPO.
    reference : (N, K)
        The reference scorer's log-probabilities.
    rewards : (N, K)
        The frozen reward model's rewards, for PPO and distillation.
    groups : (N,) int, optional
        Group of each response's person, from 0, for group-robust weighting; never an input of
        the scorer. For the penalties on group differences 0 is the reference group, 1 the focal
        one, and nobody else counts.
    strata : (N,) float, optional
        Stratum of each response's person in a matching score that is not the scorer's own, for
        the conditional-DIF penalty; NaN for persons without one.
    """

    responses: pd.DataFrame
    scores: np.ndarray
    wins: np.ndarray
    reference: np.ndarray
    rewards: np.ndarray
    groups: np.ndarray | None = None
    strata: np.ndarray | None = None


@dataclass(frozen=True)
class EquivalencePairs:
    """Pairs of wordings that show the same intention; M pairs.

    Attributes
    ----------
    first, second : DataFrame with columns item, response
    teacher : (M, K)
        Log-probabilities that both wordings are held to; where the term is not anchored, what
        level and spread of the scores are held to.
    """

    first: pd.DataFrame
    second: pd.DataFrame
    teacher: np.ndarray


@dataclass(frozen=True)
class AlignSettings:
    """How an arm learns.

    Attributes
    ----------
    training : Training
    beta : float
        Weight of the KL to the reference (where a `KLControl` is given, its β at the start).
    equivalence_weight : float
        Of the equivalence term.
    ppo_clip, ppo_inner : float, int
        PPO's clip range and inner epochs.
    dpo, label_noise : DpoVariant, float
        See `psyalign.align.dpo_loss`.
    entropy : float
        Weight of PPO's entropy bonus.
    ppo_actions : {"all", "sampled"}
        Whether PPO sums over all score points or draws one from the policy.
    sft_anchor : float
        Weight of the cross-entropy to the feedback's scores, added to DPO and PPO.
    group_robust : float
        Step size of group-robust weighting in DPO and PPO; 0 is none.
    equivalence : {"anchored", "expected", "distribution"}
        Which equivalence term: see `psyalign.align.equivalence_loss`, `psyalign.align.expected_gap`
        and `psyalign.align.distribution_gap`.
    equivalence_guard : float
        Weight of `psyalign.align.spread_guard` beside a term that is not anchored.
    dif_penalty, parity_penalty : float
        Weights of the penalties on group differences beside score feedback; 0 is none.
    """

    training: Training
    beta: float
    equivalence_weight: float = 1.0
    ppo_clip: float = 0.2
    ppo_inner: int = 4
    dpo: DpoVariant = "sigmoid"
    label_noise: float = 0.0
    entropy: float = 0.0
    ppo_actions: Literal["all", "sampled"] = "all"
    sft_anchor: float = 0.0
    group_robust: float = 0.0
    equivalence: Literal["anchored", "expected", "distribution"] = "anchored"
    equivalence_guard: float = 1.0
    dif_penalty: float = 0.0
    parity_penalty: float = 0.0
