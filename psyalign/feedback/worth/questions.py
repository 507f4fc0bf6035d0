"""Which questions to ask next, and what the answers are expected to buy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.feedback.worth.gap import smoothed
from psyalign.feedback.worth.posterior import RewardPosterior, information

__all__ = ["Questions", "Worth", "adjacent_questions", "expected_reduction", "next_questions"]

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Questions:
    """C questions about one response each: score preferences that a rater answers together.

    Attributes
    ----------
    response : (C,) int
        Row of the response in the posterior.
    low : (C,) int
        Lower score point of the first pair.
    contrasts : (C, P, K)
        A row for each score preference, +1 at the higher and −1 at the lower score point; rows of 0 fill up.
    judgements : (C,) int
        How many score preferences it is.
    """

    response: Places
    low: Places
    contrasts: Array
    judgements: Places


@dataclass(frozen=True)
class Worth:
    """Questions in the order in which to ask them.

    Attributes
    ----------
    chosen : (Q,) int
        Places in `Questions`.
    judgements : (Q + 1,) int
        Judgements made before the first question, after it, after the second …
    gap : (Q + 1,)
        Expected optimality gap then, mean over all N responses, in units of reward.
    """

    chosen: Places
    judgements: Places
    gap: Array

    @property
    def table(self) -> pd.DataFrame:
        """One row per question: order, judgements and expected_gap after it, gain (fall of the gap)."""
        return pd.DataFrame(
            {
                "order": np.arange(1, len(self.chosen) + 1),
                "judgements": self.judgements[1:],
                "gain": -np.diff(self.gap),
                "expected_gap": self.gap[1:],
            }
        )

    def __repr__(self) -> str:
        now, then = self.gap[0], self.gap[-1]
        return f"Worth(gap {now:.4f}, {then:.4f} after {self.judgements[-1]} judgements)"


def adjacent_questions(points: npt.ArrayLike, askable: npt.ArrayLike, *, whole: bool = True) -> Questions:
    """Score preferences between neighbouring score points, which connect all of them.

    Parameters
    ----------
    points : (N,) int
        Number of score points of each response's item.
    askable : (N,) bool
        Responses that raters may be asked about.
    whole : bool
        All pairs of a response are one question, as the rating page asks them; otherwise each pair is one.
    """
    number, may = np.asarray(points, dtype=int), np.asarray(askable, dtype=bool)
    size = int(number.max(initial=2))
    steps = np.eye(size)[1:] - np.eye(size)[:-1]  # row a: a + 1 against a
    rows = np.flatnonzero(may)
    if whole:
        here = np.arange(size - 1) < number[rows, None] - 1
        contrasts = steps * here[:, :, None]
        return Questions(rows, np.zeros_like(rows), contrasts, here.sum(axis=1))
    response = np.repeat(rows, number[rows] - 1)
    low = np.concatenate([np.arange(0), *(np.arange(number[row] - 1) for row in rows)])
    return Questions(response, low, steps[low][:, None, :], np.ones_like(response))


def expected_reduction(posterior: RewardPosterior, questions: Questions, bend: Array) -> tuple[Array, Array]:
    """Second-order expected fall of the optimality gap by each question, summed over all responses.

    With answers of information W to the contrasts D, the covariance falls by ΔΣ = ΣDᵀ (W⁻¹ + DΣDᵀ)⁻¹ DΣ, and
    the expected gap by Σ_j tr(H_j ΔΣ_jj)/2; H_j is the Hessian (diag π − π πᵀ)/β of response j. Where one
    question moves rewards little this holds whatever the size of the gap (Price, 1958).

    Parameters
    ----------
    posterior : RewardPosterior
    questions : Questions
    bend : (N, K, K)
        H, 0 for responses that do not count.

    Returns
    -------
    tuple of (C,), (C, P)
        The fall, and the information w of each answer that it reckons with.

    References
    ----------
    Raiffa & Schlaifer (1961), Applied Statistical Decision Theory (preposterior analysis); Chaloner &
    Verdinelli (1995), Statistical Science 10, 273–304 (Bayesian design); Price (1958), IRE Transactions on
    Information Theory 4, 69–72.
    """
    at, d = questions.response, questions.contrasts
    loadings, shared = posterior.loadings, posterior.shared
    g, e = d @ loadings[at], d @ posterior.own[at]  # (C, P, F), (C, P, K)
    h = g @ shared
    within = h @ g.swapaxes(1, 2) + e @ d.swapaxes(1, 2)
    ahead = np.einsum("cpk,ck->cp", d, posterior.mean[at])
    weight = information(ahead, np.diagonal(within, axis1=1, axis2=2))
    bent = bend @ loadings  # (N, K, F)
    everyone = np.tensordot(loadings, bent, axes=((0, 1), (0, 1)))  # (F, F)
    cross = e @ bent[at] @ h.swapaxes(1, 2)
    fall = h @ everyone @ h.swapaxes(1, 2) + cross + cross.swapaxes(1, 2) + e @ bend[at] @ e.swapaxes(1, 2)
    root = np.sqrt(weight)
    scale = root[:, :, None] * root[:, None, :]
    inner = np.linalg.solve(np.eye(d.shape[1]) + scale * within, scale * fall)
    return np.trace(inner, axis1=1, axis2=2) / 2, weight


def next_questions(
    posterior: RewardPosterior, reference: Array, beta: float, questions: Questions, number: int
) -> Worth:
    """The questions that bring the expected optimality gap down most, one after the other.

    Each time the one with the largest fall per judgement (`expected_reduction`) is taken, given what the
    answers to those before it will have taught; each is asked once. After a judgement the policy is optimal
    for the new mean reward, r̄' ~ N(r̄, Σ − Σ'), so the expected gap is E Φ(r) − E Φ(r̄'); H is averaged
    over r̄', too.

    Parameters
    ----------
    posterior : RewardPosterior
    reference : (N, K)
        Log-probabilities of the reference scorer.
    beta : float
    questions : Questions
    number : int
        Judgements to be made, at most; fewer if questions run out.

    Returns
    -------
    Worth
    """
    start, open_ = posterior.blocks(), np.ones(len(questions.response), dtype=bool)
    best = smoothed(posterior.mean, start, reference, beta)[0].mean()
    value, bend = smoothed(posterior.mean, np.zeros_like(start), reference, beta)
    chosen: list[int] = []
    made, gap = [0], [float(best - value.mean())]
    while (open_ & (questions.judgements <= number - made[-1])).any():
        fits = open_ & (questions.judgements <= number - made[-1])
        gain, weight = expected_reduction(posterior, questions, bend)
        pick = int(np.argmax(np.where(fits, gain / questions.judgements, -np.inf)))
        for contrast, w in zip(questions.contrasts[pick], weight[pick], strict=True):
            posterior = posterior.after(int(questions.response[pick]), contrast, float(w))
        open_[pick] = False
        value, bend = smoothed(posterior.mean, start - posterior.blocks(), reference, beta)
        chosen.append(pick)
        made.append(made[-1] + int(questions.judgements[pick]))
        gap.append(float(best - value.mean()))
    return Worth(np.array(chosen, dtype=np.int64), np.array(made), np.array(gap))
