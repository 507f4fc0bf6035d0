"""Losses of supervised fine-tuning: proper scores of a categorical distribution, and class weights.

All three are strictly proper: in expectation the true distribution over score points is their only
minimum, so the policy stays one of honest probabilities. Order-aware losses that are not proper,
such as cross-entropy to labels smoothed over neighbouring scores (Díaz & Marathe, 2019), are left out: they
teach a distribution that is too wide, and alignment takes this distribution as its reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch

from psyalign.foundation.errors import ModelError

__all__ = [
    "LOSSES",
    "ClassWeights",
    "Loss",
    "balanced_weights",
    "cross_entropy",
    "mean_loss",
    "ranked_log_score",
    "ranked_probability_score",
]

Loss = Literal["cross_entropy", "rps", "ranked_log"]
ClassWeights = Literal["none", "balanced"]


def cross_entropy(log_probs: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Logarithmic score −log π(score), in nats, shape (B,): blind to the order of the score points.

    Parameters
    ----------
    log_probs : (B, K)
        Normalised; hugely negative (`psyalign.scorer.network.ABSENT`) where an item has no score point.
    scores : (B,) int64
        From 0.
    """
    return torch.nn.functional.nll_loss(log_probs, scores, reduction="none")


def ranked_probability_score(log_probs: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Ranked probability score Σ_k (P(S ≤ k) − 1[score ≤ k])², shape (B,).

    The sum of the Brier scores of all K − 1 splits into lower and higher scores; also the squared earth
    mover's distance to the observed score. Not divided by K − 1: it is in score points, an item's loss
    does not hang on the other items' K, and a scorer that is certain has its absolute error. Shapes as in
    `cross_entropy`; the number is that of `psyalign.align.diagnostics`, here with a gradient.

    References
    ----------
    Epstein (1969), Journal of Applied Meteorology 8, 985–987. As a loss of networks: Hou, Yu &
    Samaras (2016), arXiv:1611.05916. Proper: Murphy (1969), Journal of Applied Meteorology 8, 988–989.
    """
    below = log_probs.exp().cumsum(dim=-1)[:, :-1]
    return (below - _at_or_below(log_probs, scores).to(below.dtype)).square().sum(dim=-1)


def ranked_log_score(log_probs: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Ranked ignorance score −Σ_k log P(the side of the split at k that the score is on), shape (B,).

    The logarithmic scores, in nats, of all K − 1 splits into lower and higher scores, P(S ≤ k) or
    P(S > k): what the ranked probability score is to the Brier score, this is to cross-entropy, which
    it equals for two score points. Unlike that score's, its gradient does not fade where the scorer
    is certain and wrong. Shapes as in `cross_entropy`.

    References
    ----------
    Tödter & Ahrens (2012), Monthly Weather Review 140, 2005–2017 (there in bits, and their mean over splits).
    """
    below = log_probs.logcumsumexp(dim=-1)[:, :-1]
    above = log_probs.flip(-1).logcumsumexp(dim=-1).flip(-1)[:, 1:]
    return -torch.where(_at_or_below(log_probs, scores), below, above).sum(dim=-1)


LOSSES: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "cross_entropy": cross_entropy,
    "rps": ranked_probability_score,
    "ranked_log": ranked_log_score,
}


def _at_or_below(log_probs: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """1[score ≤ k] for k = 0 … K − 2, shape (B, K − 1), bool."""
    points = torch.arange(log_probs.shape[-1] - 1, device=log_probs.device)
    return scores[:, None] <= points


def mean_loss(
    log_probs: torch.Tensor,
    scores: torch.Tensor,
    loss: str = "cross_entropy",
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mean loss of a batch, a scalar; with weights Σ w·loss / Σ w, as torch's `nll_loss` with weights has it.

    Parameters
    ----------
    log_probs, scores
        As in `cross_entropy`.
    loss : {"cross_entropy", "rps", "ranked_log"}
    weights : (B,), optional
        Positive; only their ratios matter.

    Raises
    ------
    ModelError
        There is no such loss.
    """
    if loss not in LOSSES:
        raise ModelError(
            f"There is no loss '{loss}'.", where="[scorer] loss", mend=f"Use one of: {', '.join(LOSSES)}."
        )
    if weights is None and loss == "cross_entropy":  # torch's own mean: values.mean() differs in the last bit
        return torch.nn.functional.nll_loss(log_probs, scores)
    values = LOSSES[loss](log_probs, scores)
    return values.mean() if weights is None else (weights * values).sum() / weights.sum()


def balanced_weights(items: Sequence[str], scores: Sequence[int] | np.ndarray) -> np.ndarray:
    """Weights N / (K · n_score) of N responses, by item, shape (N,) float64.

    For each item N is the number of its responses, n_score that of those with the same score, and K the
    number of its score points that occur (scikit-learn's "balanced", `compute_class_weight`, as in King &
    Zeng, 2001). Every score point of an item then has the same say, and an item's weights sum to N, so
    that items keep theirs. A score point that never occurs has no response to carry a weight.

    A scorer trained so gives the probabilities of a population in which the score points are equally
    frequent: rare scores are found more often, and given too often.
    """
    names, given = np.asarray(items), np.asarray(scores)
    weights = np.empty(len(names))
    for name in np.unique(names):
        rows = names == name
        _, place, counts = np.unique(given[rows], return_inverse=True, return_counts=True)
        weights[rows] = rows.sum() / (len(counts) * counts[place])
    return weights
