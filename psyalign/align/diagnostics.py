"""What alignment did to a scorer's distributions, and how far its reward can be trusted.

All of it is sums over K score points: arrays of log-probabilities (N, K) go in, no network. Score
points that an item lacks have probability 0 in policy and reference and drop out of every sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from psyalign.agreement import agreement
from psyalign.align.optimum import PRESENT, optimal_log_probs

__all__ = [
    "BetaChoice",
    "beta_grid",
    "beta_sweep",
    "choose_beta",
    "entropy",
    "favoured_score",
    "gold",
    "mass_moved",
    "person_sums",
    "ranked_probability_score",
    "response_kl",
    "top_label",
]

Array = npt.NDArray[np.float64]


def response_kl(log_probs: Array, other: Array) -> Array:
    """Exact KL(π ‖ other) of each response in nats, shape (N,); `mean_kl` is its mean."""
    return np.asarray(np.sum(np.exp(log_probs) * (log_probs - other), axis=1))


def entropy(log_probs: Array) -> Array:
    """Entropy of each response's distribution in nats, shape (N,)."""
    return np.asarray(-np.sum(np.exp(log_probs) * log_probs, axis=1))


def mass_moved(log_probs: Array, other: Array) -> Array:
    """Probability that changed its score point (total variation), shape (N,), from 0 to 1."""
    return np.asarray(np.abs(np.exp(log_probs) - np.exp(other)).sum(axis=1) / 2)


def favoured_score(rewards: Array, reference: Array) -> Array:
    """Expected score under probabilities ∝ exp(reward): what the reward alone would score, shape (N,).

    Under Bradley–Terry these are the chances that a score point is chosen among all (Luce,
    1959). `reference` tells which score points an item has.
    """
    weights = softmax(np.where(reference > PRESENT, rewards, -np.inf), axis=1)
    return np.asarray(weights @ np.arange(rewards.shape[1]))


def ranked_probability_score(log_probs: Array, scores: npt.ArrayLike) -> Array:
    """Ranked probability score of each response, Σ_k (P(S ≤ k) − 1[score ≤ k])², shape (N,).

    In score points; smaller is better. A scorer that is certain has its absolute error. It is a
    proper score: no scorer gains by claiming other probabilities than its own.

    Parameters
    ----------
    log_probs : (N, K)
    scores : (N,)
        Human scores.

    References
    ----------
    Epstein (1969), Journal of Applied Meteorology 8, 985–987, without the division by K − 1, so
    that items of different length are in one unit.
    """
    points = np.arange(log_probs.shape[1] - 1)
    below = np.cumsum(np.exp(log_probs), axis=1)[:, :-1]
    return np.asarray(((below - (np.asarray(scores)[:, None] <= points)) ** 2).sum(axis=1))


def top_label(log_probs: Array, scores: npt.ArrayLike, bins: int = 10) -> Array:
    """Confidence minus correctness of the modal score, in the column of its bin, shape (N, bins).

    Summed over responses and divided by N, the columns' absolute sum is the expected calibration
    error (Naeini, Cooper & Hauskrecht, 2015): bins of equal width over the confidence.
    """
    modal, confidence = log_probs.argmax(axis=1), np.exp(log_probs.max(axis=1))
    place = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    table = np.zeros((len(log_probs), bins))
    table[np.arange(len(table)), place] = confidence - (modal == np.asarray(scores))
    return table


def gold(log_probs: Array, scores: npt.ArrayLike) -> dict[str, float]:
    """Agreement with the human scores that no reward model was asked about: qwk, r, rps, rmse.

    `rps` is the mean ranked probability score, `rmse` of the expected score; NaN without responses.
    """
    expected = np.exp(log_probs) @ np.arange(log_probs.shape[1])
    found = agreement(scores, log_probs.argmax(axis=1), expected)
    rps = ranked_probability_score(log_probs, scores)
    mean = float(rps.mean()) if len(rps) else float("nan")
    return {"qwk": found["qwk"], "r": found["r"], "rps": mean, "rmse": found["rmse"]}


def beta_grid(beta: float, *, decades: int = 2, per_decade: int = 8) -> Array:
    """∞ (the reference scorer), then β from 10^decades times to 10^−decades times `beta`, in steps of a log.

    `beta` itself is in it, to the last digit.
    """
    steps = np.arange(decades * per_decade, -decades * per_decade - 1, -1)
    return np.concatenate([[np.inf], beta * 10.0 ** (steps / per_decade)])


def beta_sweep(reference: Array, rewards: Array, betas: Sequence[float] | Array) -> Iterator[Array]:
    """log π* for each β: what alignment with these rewards would end in, without training.

    Parameters
    ----------
    reference, rewards : (N, K)
    betas : sequence of float
        ∞ gives the reference back.

    References
    ----------
    The sweep over the strength of optimisation is that of Gao, Schulman & Hilton (2023), ICML,
    "Scaling laws for reward model overoptimization"; its optimum is known here.
    """
    present = reference > PRESENT
    best = np.where(present, rewards, -np.inf).max(axis=1, keepdims=True)
    # Below the best one and exactly 0 where there is no score point: no β gives such a point mass.
    shifted = np.where(present, rewards - best, 0.0)
    for beta in betas:
        yield optimal_log_probs(reference, shifted, float(beta))


@dataclass(frozen=True)
class BetaChoice:
    """The β with the smallest loss, and what can be expected of choosing so.

    Attributes
    ----------
    best : int
        Place of the chosen β.
    drawn : (D,) int
        Place of the chosen β in each draw of persons.
    gain : float
        Loss of the reference minus that of the chosen β on the persons it was chosen by: flattering.
    honest : tuple of float
        The same, cross-validated by person, with a 95% interval over persons: each person's loss is at
        the β that the other folds choose.
    """

    best: int
    drawn: npt.NDArray[np.int64]
    gain: float
    honest: tuple[float, float, float]


def choose_beta(losses: Array, counts: Array, fold: npt.NDArray[np.int64], weights: Array) -> BetaChoice:
    """Choose the β of smallest mean loss; the first of equal ones.

    Parameters
    ----------
    losses : (P, B)
        Summed loss of each person's responses, by β. The first column is the reference scorer.
    counts : (P,)
        Responses of each person.
    fold : (P,)
        Fold of each person in the cross-validation.
    weights : (1 + D, P)
        Ones, then how often each draw takes each person.
    """
    means = weights @ losses  # all β have the same number of responses: no need to divide
    places = np.argmin(means, axis=1)
    held = np.zeros(len(losses))
    for each in np.unique(fold):
        out = fold == each
        chosen = int(np.argmin(losses[~out].sum(axis=0))) if (~out).any() else 0
        held[out] = losses[out, 0] - losses[out, chosen]
    total = weights @ counts
    honest = (weights @ held) / np.where(total > 0, total, np.nan)
    ends = np.nanquantile(honest[1:], [0.025, 0.975])
    gain = float((means[0, 0] - means[0, places[0]]) / counts.sum())
    return BetaChoice(int(places[0]), places[1:], gain, (float(honest[0]), float(ends[0]), float(ends[1])))


def person_sums(values: Array, place: npt.NDArray[np.int64], persons: int) -> Array:
    """Rows of `values` (N, M) summed by person, shape (persons, M); `place` (N,) is each row's person."""
    table = np.zeros((persons, values.shape[1]))
    np.add.at(table, place, values)
    return table
