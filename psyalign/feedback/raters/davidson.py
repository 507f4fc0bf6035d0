"""Paired comparison of responses with ties: qualities of responses, and raters, estimated from a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import minimize
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, logsumexp

from psyalign.feedback.raters.contrasts import climb, effect_errors, sum_to_zero
from psyalign.foundation.errors import DataError
from psyalign.foundation.tables import require_columns

__all__ = ["OUTCOMES", "DavidsonResult", "fit_davidson", "tie_start"]

# preferred -> place among the three outcomes
OUTCOMES = {"a": 0, "tie": 1, "b": 2}
# Standard deviations of the normal priors: weak for qualities and ties; γ such that a rater with a handful
# of judgements is taken as an average one.
QUALITY_SD, RATER_SD = 3.0, 0.5
# Logit of η: half of all raters above .9, one in ten below .57. In simulations with 50 to 150 comparisons
# a rater, this brings random raters to .5 with the least pull on careful ones.
ETA_LOGIT, ETA_SD = float(np.log(0.9 / 0.1)), 1.5
Z_95 = 1.959964
UP, TIED = np.array([1.0, 0.0, -1.0]), np.array([0.0, 1.0, 0.0])
NEARLY_FLAT = 1e-3  # largest slope of the log-likelihood at a maximum
TINY = 1e-300  # probabilities below it are taken as it


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
        One row per rater: rater, n, eta, eta_low, eta_high (1 and NaN where it was not asked for; a 95%
        interval), group_effect, group_effect_se, z (0 and NaN where no group was given; z refers the
        effect to its sampling error, which the prior makes smaller than the standard error).
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

    Davidson's model gives an outcome the probability P(a) : P(tie) : P(b) = exp(d/2) : ν : exp(−d/2),
    d = q_a − q_b + γ_r (g_a − g_b). A rater's severity cancels in d. What does not are a leaning towards
    a group, γ (differential rater functioning; the γ sum to 0 over the raters, because a leaning that all
    share cannot be told from a difference in quality), and how often the rater agrees with the true order,
    η: with it, the rater says "a" with probability η P(a) + (1 − η) P(b), and "b" the other way round.
    Without ties that is Crowd-BT. η is 1 for a rater who errs only where responses are close, .5 for one
    who answers at random, 0 for one who has the scale upside down; a rater who answers at random
    with probability c has η = 1 − c/2. A slope of d (the discrimination of `fit_facets`) would
    measure the same for raters who are merely unsure, but cannot tell "upside down" from "at random", and
    takes a rare slip at a clear difference for general vagueness; so η is the one figure for comparisons.

    Parameters
    ----------
    comparisons : DataFrame
        Columns response_a, response_b, preferred ("a", "b", "tie") and rater; a column weight
        counts a row as so many judgements.
    discrimination : bool
        Estimate η_r.
    group : mapping of str to float, optional
        Response id → 0.5 focal, −0.5 reference; others 0. Estimates γ_r, the rater's leaning towards
        focal responses in logits.

    Returns
    -------
    DavidsonResult
        Qualities and ln ν have a normal prior of mean 0 and SD 3, γ of SD 0.5, the logit of η of mean
        2.2 (η = .9) and SD 1.5; so responses that always won, and items that no comparison links, have
        finite qualities, and the scale cannot turn over as a whole.

    Raises
    ------
    DataError
        A column is missing, or there is no comparison.

    References
    ----------
    Davidson (1970), Journal of the American Statistical Association 65, 317–328; Chen, Bennett,
    Collins-Thompson & Horvitz (2013), WSDM, 193–202 (Crowd-BT).

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
    start = model.middle.copy()
    start[model.at_ties] = tie_start(model.outcome)
    found, variance, converged = (
        _descend(model, start) if discrimination else climb(start, model.value, model.slope_and_information)
    )
    return model.result(found, variance, converged)


def _descend(model: _Davidson, start: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """What `climb` returns, by a quasi-Newton method: with η, scoring steps come near the maximum slowly."""
    options: Any = {"maxiter": 5000, "maxfun": 10000, "gtol": 1e-7, "ftol": 1e-15}
    found: Any = minimize(
        lambda at: -model.value(at),
        start,
        jac=lambda at: -model.slope(at),
        method="L-BFGS-B",
        options=options,
    )
    slope, information = model.slope_and_information(np.asarray(found.x))
    return np.asarray(found.x), np.linalg.inv(information), bool(np.abs(slope).max() < NEARLY_FLAT)


class _Davidson:
    """Parameters: qualities, ln ν, then the logits of η and γ in sum-to-zero contrasts of the raters."""

    def __init__(self, table: pd.DataFrame, discrimination: bool, group: Mapping[str, float]):
        ids, names = np.unique(table[["response_a", "response_b"]].to_numpy(str), return_inverse=True)
        self.ids, self.names = ids, names.reshape(-1, 2)
        self.raters, self.rater = np.unique(table["rater"].to_numpy(str), return_inverse=True)
        self.outcome = table["preferred"].map(OUTCOMES).to_numpy(int)
        weight = table["weight"] if "weight" in table else pd.Series(1.0, index=table.index)
        self.weight = weight.to_numpy(float)
        side = np.array([group.get(name, 0.0) for name in ids])
        self.leaning = side[self.names[:, 0]] - side[self.names[:, 1]]
        n, raters = len(ids), len(self.raters)
        self.estimates_eta = discrimination
        none = np.zeros((raters, 0))
        self.bases = (np.eye(raters) if discrimination else none, sum_to_zero(raters) if group else none)
        self.at_ties = n
        ends = np.cumsum([n + 1, *(part.shape[1] for part in self.bases)])
        self.blocks = [slice(first, last) for first, last in pairwise(ends)]
        self.size = int(ends[-1])
        spreads = np.repeat([QUALITY_SD, ETA_SD, RATER_SD], [n + 1, *np.diff(ends)])
        self.prior, self.middle = spreads**-2, np.zeros(self.size)
        self.middle[self.blocks[0]] = ETA_LOGIT
        self.designs = self._designs()

    def _etas(self, at: np.ndarray) -> np.ndarray:
        return expit(at[self.blocks[0]]) if self.estimates_eta else np.ones(len(self.raters))

    def _outcomes(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of the three outcomes without slips, and as the raters answer, both (M, 3)."""
        half = self.designs[0] @ at
        logits = np.stack([half, np.full_like(half, at[self.at_ties]), -half], axis=1)
        meant = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
        right = self._etas(at)[self.rater, None]
        return meant, right * meant + (1 - right) * meant[:, ::-1]

    def value(self, at: np.ndarray) -> float:
        said = self._outcomes(at)[1][np.arange(len(self.outcome)), self.outcome]
        likelihood = (self.weight * np.log(np.maximum(said, TINY))).sum()
        return float(likelihood - 0.5 * (self.prior * (at - self.middle) ** 2).sum())

    def _slopes(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Probabilities of the answers, and their slopes by d/2, ln ν and the logit of η, each (M, 3)."""
        meant, said = self._outcomes(at)
        right = self._etas(at)[self.rater, None]
        mean = meant[:, :1] - meant[:, 2:]
        of_half, of_ties = (
            right * part + (1 - right) * part[:, ::-1]
            for part in (meant * (UP - mean), meant * (TIED - meant[:, 1:2]))
        )
        return np.maximum(said, TINY), of_half, of_ties, right * (1 - right) * mean * UP

    def slope(self, at: np.ndarray) -> np.ndarray:
        """Gradient of `value`."""
        said, *slopes = self._slopes(at)
        rows = np.arange(len(said))
        chance = self.weight / said[rows, self.outcome]
        parts = (
            design.T @ (chance * part[rows, self.outcome])
            for design, part in zip(self.designs, slopes, strict=True)
        )
        return np.asarray(sum(parts) - self.prior * (at - self.middle))

    def slope_and_information(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient, and Fisher information: Σ over the answers of ∂p ∂pᵀ / p."""
        said, *slopes = self._slopes(at)
        information = np.diag(self.prior)
        for answer in OUTCOMES.values():
            each = sum(
                sparse.diags_array(part[:, answer]) @ design
                for design, part in zip(self.designs, slopes, strict=True)
            )
            information += (each.T @ sparse.diags_array(self.weight / said[:, answer]) @ each).toarray()
        return self.slope(at), information

    def _designs(self) -> tuple[sparse.csr_array, ...]:
        """(M, P) each: from the parameters to d/2, ln ν and the logit of η of each comparison."""
        m, rows = len(self.rater), np.arange(len(self.rater))
        ones = np.ones(m)
        signs = sparse.csr_array(
            (np.r_[ones, -ones] / 2, (np.r_[rows, rows], self.names.T.ravel())), shape=(m, self.at_ties)
        )
        of_half = sparse.hstack(
            [
                signs,
                sparse.csr_array((m, 1 + self.bases[0].shape[1])),
                sparse.csr_array(self.bases[1][self.rater] * (self.leaning / 2)[:, None]),
            ],
            format="csr",
        )
        of_ties = sparse.csr_array((ones, (rows, np.full(m, self.at_ties))), shape=of_half.shape)
        places = self.blocks[0].start + self.rater
        of_logit = (
            sparse.csr_array((ones, (rows, places)), shape=of_half.shape)
            if self.estimates_eta
            else sparse.csr_array(of_half.shape)
        )
        return of_half, of_ties, of_logit

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
        quality, variances = self._centred(at[: self.at_ties], variance[: self.at_ties, : self.at_ties])
        table = pd.DataFrame(
            {
                "response_id": self.ids,
                "comparisons": np.bincount(self.names.ravel(), minlength=len(self.ids)),
                "quality": quality,
                "se": np.sqrt(np.maximum(variances, 0)),
            }
        )
        raters = pd.DataFrame(
            {"rater": self.raters, "n": np.bincount(self.rater, minlength=len(self.raters))}
        )
        raters["eta"], logits = self._etas(at), at[self.blocks[0]]
        spread = np.sqrt(np.diag(variance)[self.blocks[0]])
        for name, sign in (("eta_low", -1), ("eta_high", 1)):
            raters[name] = expit(logits + sign * Z_95 * spread) if self.estimates_eta else np.nan
        basis, block = self.bases[1], self.blocks[1]
        raters["group_effect"] = basis @ at[block]
        error, sampling = effect_errors(basis, block, variance, self.prior)
        raters["group_effect_se"] = error
        raters["z"] = raters["group_effect"] / sampling
        return DavidsonResult(table, raters, float(at[self.at_ties]), converged)
