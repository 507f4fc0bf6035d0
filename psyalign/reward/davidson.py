"""Paired comparison of responses with ties: the likelihood, and qualities estimated from a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.special import logsumexp

from psyalign.foundation.errors import DataError
from psyalign.foundation.tables import require_columns
from psyalign.reward.contrasts import climb, sum_to_zero

__all__ = ["OUTCOMES", "DavidsonResult", "davidson_loss", "fit_davidson", "tie_start"]

# preferred -> place among the three outcomes
OUTCOMES = {"a": 0, "tie": 1, "b": 2}
# Standard deviations of the normal priors: weak for qualities and ties, and for raters such that a
# rater with a handful of judgements is taken as an average one.
QUALITY_SD, RATER_SD = 3.0, 0.5


def davidson_loss(difference: torch.Tensor, log_ties: torch.Tensor, outcomes: torch.Tensor) -> torch.Tensor:
    """Mean negative log-likelihood of comparisons that may end in a tie.

    P(a) : P(tie) : P(b) = exp(d/2) : ν : exp(−d/2) with d = q_a − q_b. Given that there is no tie it
    is Bradley–Terry; with ν = 0 (log −∞) and no tie among the outcomes it is its loss.

    Parameters
    ----------
    difference : (B,) tensor
        q_a − q_b.
    log_ties : scalar tensor
        ln ν.
    outcomes : (B,) integer tensor
        0 a preferred, 1 tie, 2 b preferred (`OUTCOMES`).

    Returns
    -------
    scalar tensor

    References
    ----------
    Davidson (1970), Journal of the American Statistical Association 65, 317–328.
    """
    half = difference / 2
    logits = torch.stack([half, log_ties.expand_as(half), -half], dim=1)
    return torch.nn.functional.cross_entropy(logits, outcomes)


def tie_start(outcomes: np.ndarray) -> float:
    """ln ν at which responses of equal quality tie as often as these comparisons did: P(tie) = ν/(2 + ν)."""
    ties = int((outcomes == OUTCOMES["tie"]).sum())
    share = (ties + 0.5) / (len(outcomes) + 1)
    return float(np.log(2 * share / (1 - share)))


@dataclass(frozen=True)
class DavidsonResult:
    """What `fit_davidson` found.

    Attributes
    ----------
    table : DataFrame
        One row per response: response_id, comparisons, quality, se. Qualities have mean 0 over the
        responses that comparisons link, directly or through others.
    raters : DataFrame
        One row per rater: rater, n, discrimination, discrimination_se (of its logarithm), group_effect,
        group_effect_se, z; 1 and 0 where they were not asked for.
    log_ties : float
        ln ν.
    converged : bool
    """

    table: pd.DataFrame
    raters: pd.DataFrame
    log_ties: float
    converged: bool

    def __repr__(self) -> str:
        return (
            f"DavidsonResult({len(self.table)} responses, {len(self.raters)} raters, "
            f"ln ν {self.log_ties:.3f}, {'converged' if self.converged else 'not converged'})"
        )


def fit_davidson(
    comparisons: pd.DataFrame, *, discrimination: bool = False, group: Mapping[str, float] | None = None
) -> DavidsonResult:
    """Qualities of responses from comparisons with ties, by penalised maximum likelihood.

    A rater's severity cancels in a comparison. What does not is how well the rater tells good from
    bad (discrimination, as in Crowd-BT) and a leaning towards a group (differential rater functioning):
    d = a_r (q_a − q_b + γ_r (g_a − g_b)). The γ sum to 0 over the raters: a leaning that all raters share
    cannot be told from a difference in quality.

    Parameters
    ----------
    comparisons : DataFrame
        Columns response_a, response_b, preferred ("a", "b", "tie") and rater; a column weight
        counts a row as so many judgements.
    discrimination : bool
        Estimate a_r; their geometric mean is 1.
    group : mapping of str to float, optional
        Response id → 0.5 focal, −0.5 reference; others 0. Estimates γ_r, the rater's leaning towards
        focal responses in logits.

    Returns
    -------
    DavidsonResult
        Qualities have a normal prior of mean 0 and SD 3, ln a and γ of SD 0.5; so responses that always
        won, and items that no comparison links, have finite qualities.

    References
    ----------
    Davidson (1970); Chen, Bennett, Collins-Thompson & Horvitz (2013), WSDM, 193–202 (Crowd-BT).

    Examples
    --------
    >>> rows = [("x", "y", "a", "r"), ("x", "y", "a", "r"), ("x", "y", "tie", "r"), ("y", "x", "a", "r")]
    >>> table = pd.DataFrame(rows, columns=["response_a", "response_b", "preferred", "rater"])
    >>> fit_davidson(table).table["quality"].round(2).tolist()
    [0.32, -0.32]
    """
    require_columns(comparisons, ("response_a", "response_b", "preferred", "rater"), "comparisons")
    if not len(comparisons):
        raise DataError("There is no comparison of responses.", where="feedback")
    model = _Davidson(comparisons, discrimination, group or {})
    start = np.zeros(model.size)
    start[model.at_ties] = tie_start(model.outcome)
    found, variance, converged = climb(start, model.value, model.slope_and_information)
    return model.result(found, variance, converged)


class _Davidson:
    """Parameters: qualities, ln ν, then ln a and γ in sum-to-zero contrasts of the raters."""

    def __init__(self, table: pd.DataFrame, discrimination: bool, group: Mapping[str, float]):
        ids, names = np.unique(table[["response_a", "response_b"]].to_numpy(str), return_inverse=True)
        self.ids, self.names = ids, names.reshape(-1, 2)
        self.raters, self.rater = np.unique(table["rater"].to_numpy(str), return_inverse=True)
        self.outcome = table["preferred"].map(OUTCOMES).to_numpy(int)
        weight = table["weight"] if "weight" in table else pd.Series(1.0, index=table.index)
        self.weight = weight.to_numpy(float)
        side = np.array([group.get(name, 0.0) for name in ids])
        self.leaning = side[self.names[:, 0]] - side[self.names[:, 1]]
        basis, none = sum_to_zero(len(self.raters)), np.zeros((len(self.raters), 0))
        self.bases = (basis if discrimination else none, basis if group else none)
        n, rows = len(ids), np.arange(len(table))
        self.at_ties = n
        ends = np.cumsum([n + 1, *(part.shape[1] for part in self.bases)])
        self.blocks = [slice(first, last) for first, last in pairwise(ends)]
        self.size = int(ends[-1])
        self.prior = np.concatenate(
            [np.full(n + 1, QUALITY_SD**-2), np.full(self.size - n - 1, RATER_SD**-2)]
        )
        ones = np.ones(len(table))
        self.signs = sparse.csr_array(
            (np.r_[ones, -ones], (np.r_[rows, rows], np.r_[self.names[:, 0], self.names[:, 1]])),
            shape=(len(table), n),
        )

    def _terms(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """a_r and γ_r, d/a_r, and the log-probabilities of the three outcomes (M, 3)."""
        logs, leanings = (basis @ at[block] for basis, block in zip(self.bases, self.blocks, strict=True))
        slopes = np.exp(logs)
        apart = self.signs @ at[: self.at_ties] + leanings[self.rater] * self.leaning
        half = slopes[self.rater] * apart / 2
        logits = np.stack([half, np.full_like(half, at[self.at_ties]), -half], axis=1)
        return slopes, leanings, apart, logits - logsumexp(logits, axis=1, keepdims=True)

    def value(self, at: np.ndarray) -> float:
        logs = self._terms(at)[3]
        likelihood = (self.weight * logs[np.arange(len(logs)), self.outcome]).sum()
        return float(likelihood - 0.5 * (self.prior * at**2).sum())

    def slope_and_information(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Scores and Fisher information through the two sufficient statistics, win − loss and tie."""
        slopes, _, apart, logs = self._terms(at)
        chance = np.exp(logs)
        slope = slopes[self.rater] / 2  # of half a difference in each quality
        rows = np.arange(len(apart))
        of_half = sparse.hstack(
            [
                sparse.diags_array(slope) @ self.signs,
                sparse.csr_array((len(apart), 1)),
                sparse.csr_array(self.bases[0][self.rater] * (slope * apart)[:, None]),
                sparse.csr_array(self.bases[1][self.rater] * (slope * self.leaning)[:, None]),
            ],
            format="csr",
        )
        of_ties = sparse.csr_array(
            (np.ones(len(apart)), (rows, np.full(len(apart), self.at_ties))), shape=of_half.shape
        )
        wins = (self.outcome == 0).astype(float) - (self.outcome == 2)
        ties = (self.outcome == 1).astype(float)
        mean = chance[:, 0] - chance[:, 2]
        spread = chance[:, 0] + chance[:, 2] - mean**2
        gradient = of_half.T @ (self.weight * (wins - mean))
        gradient += of_ties.T @ (self.weight * (ties - chance[:, 1]))
        cross = of_half.T @ sparse.diags_array(self.weight * -mean * chance[:, 1]) @ of_ties
        information = (
            of_half.T @ sparse.diags_array(self.weight * spread) @ of_half
            + of_ties.T @ sparse.diags_array(self.weight * chance[:, 1] * (1 - chance[:, 1])) @ of_ties
            + cross
            + cross.T
        ).toarray()
        return gradient - self.prior * at, information + np.diag(self.prior)

    def _centred(self, quality: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Qualities less the mean of the responses that comparisons link them with, and their variances.

        The level of a linked set is the prior's alone; with it, standard errors would be too large.
        """
        size = len(quality)
        edges = sparse.coo_array((np.ones(len(self.names)), self.names.T), shape=(size, size))
        parts, part = connected_components(edges, directed=False)
        share = sparse.csr_array((1 / np.bincount(part)[part], (part, np.arange(size))), shape=(parts, size))
        with_mean = share @ variance  # covariance of the means with each quality, (parts, n)
        of_mean = (share @ with_mean.T).diagonal()
        own = np.diag(variance) - 2 * with_mean[part, np.arange(size)] + of_mean[part]
        return quality - (share @ quality)[part], own

    def result(self, at: np.ndarray, variance: np.ndarray, converged: bool) -> DavidsonResult:
        slopes, leanings, _, _ = self._terms(at)
        errors = [
            np.sqrt(np.einsum("ij,jk,ik->i", basis, variance[block, block], basis))
            for basis, block in zip(self.bases, self.blocks, strict=True)
        ]
        quality, variances = self._centred(at[: self.at_ties], variance[: self.at_ties, : self.at_ties])
        table = pd.DataFrame(
            {
                "response_id": self.ids,
                "comparisons": np.bincount(self.names.ravel(), minlength=len(self.ids)),
                "quality": quality,
                "se": np.sqrt(np.maximum(variances, 0)),
            }
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = leanings / errors[1]
        raters = pd.DataFrame(
            {
                "rater": self.raters,
                "n": np.bincount(self.rater, minlength=len(self.raters)),
                "discrimination": slopes,
                "discrimination_se": errors[0],
                "group_effect": leanings,
                "group_effect_se": errors[1],
                "z": ratio,
            }
        )
        return DavidsonResult(table, raters, float(at[self.at_ties]), converged)
