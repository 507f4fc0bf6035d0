"""Likelihood, gradient and estimates of the many-facet model that `psyalign.feedback.raters.rasch` fits.

Judgements that are alike (same item, rater, group, choice) have the same likelihood at a given
ability, so everything is computed once for each kind of judgement ("cell") at each of Q abilities;
a sparse matrix of counts, responses × cells, says who had which.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import logsumexp

from psyalign.feedback.raters.contrasts import effect_errors, sum_to_zero

__all__ = ["Facets"]

NODES = 31
CELL = ["item", "rater", "side", "chosen", "rejected"]
# SD of the normal priors; the difference of the groups' abilities and ln of the spread are weakly held
PRIORS = {
    "thresholds": 3.0,
    "severity": 3.0,
    "discrimination": 0.5,
    "leaning": 1.0,
    "impact": 3.0,
    "spread": 1.0,
}
HALF_STEP = 1e-4  # of the central differences that give the information


class Facets:
    """The model over one table of judgements; `rasch.fit_facets` describes it.

    Parameters
    ----------
    judgements : DataFrame
        See `rasch.fit_facets`.
    n_scores : mapping of str to int
    common : bool
        Thresholds common to items with the same K.
    discrimination : bool
    group : mapping of str to float
    """

    def __init__(
        self,
        judgements: pd.DataFrame,
        n_scores: Mapping[str, int],
        common: bool,
        discrimination: bool,
        group: Mapping[str, float],
    ):
        table = judgements.assign(side=judgements["response_id"].map(lambda name: group.get(name, 0.0)))
        self.raters = sorted(set(table["rater"]))
        self.items = sorted(set(table["item"]))
        self.k = np.array([n_scores[name] for name in self.items])
        ids, response = np.unique(table["response_id"].to_numpy(str), return_inverse=True)
        self.ids, self.item_of = ids, table.drop_duplicates("response_id").set_index("response_id")["item"]
        self.cells = table[CELL].drop_duplicates().sort_values(CELL, ignore_index=True)
        cell = table[CELL].merge(self.cells.reset_index(), on=CELL, how="left")["index"].to_numpy(int)
        self.counts = sparse.csr_array(
            (np.ones(len(table)), (response, cell)), shape=(len(ids), len(self.cells))
        )
        self.item = self.cells["item"].map({name: at for at, name in enumerate(self.items)}).to_numpy(int)
        self.rater = self.cells["rater"].map({name: at for at, name in enumerate(self.raters)}).to_numpy(int)
        self.chosen, self.rejected = (self.cells[name].to_numpy(int) for name in ("chosen", "rejected"))
        self.side = self.cells["side"].to_numpy(float)
        points = np.arange(self.k.max())
        exists = points < self.k[self.item][:, None]
        either = (points == self.chosen[:, None]) | (points == self.rejected[:, None])
        self.offered = np.where((self.rejected < 0)[:, None], exists, either)
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        self.nodes, self.log_weights = nodes, np.log(weights / weights.sum())
        self._lay_out(common, discrimination, bool(group))

    def _lay_out(self, common: bool, discrimination: bool, grouped: bool) -> None:
        """Name → linear map from a part of the free parameters to what it stands for."""
        steps = self._threshold_basis(common)
        basis = sum_to_zero(len(self.raters))
        none = np.zeros((len(self.raters), 0))
        one, nothing = np.ones((1, 1)), np.zeros((1, 0))
        self.bases = {
            "thresholds": steps,
            "severity": basis,
            "discrimination": basis if discrimination else none,
            "leaning": basis if grouped else none,
            "impact": one if grouped else nothing,
            "spread": one,
        }
        ends = np.cumsum([0, *(part.shape[1] for part in self.bases.values())])
        self.blocks = {
            name: slice(first, last) for name, (first, last) in zip(self.bases, pairwise(ends), strict=True)
        }
        self.prior = np.concatenate(
            [np.full(part.shape[1], PRIORS[name] ** -2) for name, part in self.bases.items()]
        )

    def _threshold_basis(self, common: bool) -> np.ndarray:
        """(I · (K−1), parameters): each item's thresholds from the free ones."""
        width = self.k.max() - 1
        kept = [(item, step) for item, k in enumerate(self.k) for step in range(k - 1)]
        rows = [item * width + step for item, step in kept]
        if not common:
            basis = np.zeros((len(self.k) * width, len(rows)))
            basis[rows, np.arange(len(rows))] = 1.0
            return basis
        shared = sorted({(self.k[item], step) for item, step in kept})
        basis = np.zeros((len(self.k) * width, len(self.k) + len(shared)))
        for row, (item, step) in zip(rows, kept, strict=True):
            basis[row, item] = 1.0  # difficulty
            basis[row, len(self.k) + shared.index((self.k[item], step))] = 1.0
        return basis

    def _part(self, at: np.ndarray, name: str) -> np.ndarray:
        return np.asarray(self.bases[name] @ at[self.blocks[name]])

    def _ability(self, at: np.ndarray) -> np.ndarray:
        """θ of each cell at each node, (U, Q)."""
        impact = self._part(at, "impact").sum()
        return np.asarray(self.side[:, None] * impact + self.spread(at) * self.nodes)

    def _logits(self, at: np.ndarray, severity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(a, and s·v − Σδ) of cells (U, Q, K), v = θ − the given severities (U,)."""
        width = self.k.max() - 1
        steps = self._part(at, "thresholds").reshape(len(self.k), width)
        reached = np.concatenate([np.zeros((len(self.k), 1)), np.cumsum(steps, axis=1)], axis=1)
        slopes = np.exp(self._part(at, "discrimination"))[self.rater]
        net = self._ability(at) - severity[:, None]
        return slopes, net[:, :, None] * np.arange(width + 1) - reached[self.item][:, None, :]

    def _severity(self, at: np.ndarray) -> np.ndarray:
        leaning = self._part(at, "leaning")[self.rater] * self.side
        return np.asarray(self._part(at, "severity")[self.rater] + leaning)

    def _choices(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """a (U,), logits / a (U, Q, K), probabilities (U, Q, K), log-likelihood (U, Q)."""
        slopes, inner = self._logits(at, self._severity(at))
        logits = np.where(self.offered[:, None, :], slopes[:, None, None] * inner, -np.inf)
        logs = logits - logsumexp(logits, axis=2, keepdims=True)
        chosen = np.take_along_axis(logs, self.chosen[:, None, None], axis=2)[:, :, 0]
        return slopes, inner, np.exp(logs), chosen

    def _posterior(self, cell_logs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Of each response: its marginal log-likelihood (N,), and the nodes' probabilities (N, Q)."""
        joint = self.counts @ cell_logs + self.log_weights
        total = logsumexp(joint, axis=1)
        return total, np.exp(joint - total[:, None])

    def log_likelihood(self, at: np.ndarray) -> float:
        """Marginal, without the priors."""
        return float(self._posterior(self._choices(at)[3])[0].sum())

    def loss(self, at: np.ndarray) -> tuple[float, np.ndarray]:
        """Negative penalised marginal log-likelihood and its gradient (expected complete-data scores)."""
        slopes, inner, chance, logs = self._choices(at)
        total, posterior = self._posterior(logs)
        weight = self.counts.T @ posterior  # expected judgements of each cell at each node
        points = np.arange(chance.shape[2])
        gone = weight * slopes[:, None]
        by_net = gone * (self.chosen[:, None] - chance @ points)  # score of v, (U, Q)
        left = -np.einsum("uq,uqk->uk", gone, chance)
        left[np.arange(len(left)), self.chosen] += gone.sum(axis=1)  # a (1[s = chosen] − p), over nodes
        safe = np.where(self.offered[:, None, :], inner, 0.0)
        own = np.take_along_axis(inner, self.chosen[:, None, None], axis=2)[:, :, 0]
        by_log_slope = (gone * (own - (chance * safe).sum(axis=2))).sum(axis=1)
        by_rater = by_net.sum(axis=1)
        n = len(self.raters)
        tail = np.cumsum(left[:, ::-1], axis=1)[:, ::-1][:, 1:]  # δ_t counts in every s ≥ t
        steps = np.zeros((len(self.k), tail.shape[1]))
        np.add.at(steps, self.item, -tail)
        parts = {
            "thresholds": steps.ravel(),
            "severity": -np.bincount(self.rater, by_rater, n),
            "discrimination": np.bincount(self.rater, by_log_slope, n),
            "leaning": -np.bincount(self.rater, by_rater * self.side, n),
            "impact": np.array([(by_rater * self.side).sum()]),
            "spread": np.array([self.spread(at) * (by_net * self.nodes).sum()]),
        }
        gradient = np.concatenate([basis.T @ parts[name] for name, basis in self.bases.items()])
        value = total.sum() - 0.5 * (self.prior * at**2).sum()
        return -float(value), -(gradient - self.prior * at)

    def maximise(self) -> tuple[np.ndarray, bool]:
        """The free parameters at the maximum; their covariance is kept for the standard errors."""
        size = len(self.prior)
        found: Any = minimize(self.loss, np.zeros(size), jac=True, method="BFGS", options={"gtol": 1e-4})
        at = np.asarray(found.x)
        shifts = HALF_STEP * np.eye(size)
        columns = [self.loss(at + shift)[1] - self.loss(at - shift)[1] for shift in shifts]
        information = np.array(columns) / (2 * HALF_STEP)
        self.variance = np.linalg.inv((information + information.T) / 2)
        return at, bool(np.abs(self.loss(at)[1]).max() < 1e-2)

    def spread(self, at: np.ndarray) -> float:
        """SD of the abilities."""
        return float(np.exp(at[self.blocks["spread"]][0]))

    def rater_table(self, at: np.ndarray) -> pd.DataFrame:
        """`FacetsResult.raters`."""
        n = np.bincount(self.rater, np.asarray(self.counts.sum(axis=0)).ravel(), len(self.raters))
        columns: dict[str, Any] = {"rater": self.raters, "n": n.astype(int)}
        names = {"severity": "severity", "discrimination": "discrimination", "leaning": "group_effect"}
        for name, shown in names.items():
            basis, block = self.bases[name], self.blocks[name]
            value = self._part(at, name)
            columns[shown] = np.exp(value) if name == "discrimination" else value
            columns[f"{shown}_se"], sampling = effect_errors(basis, block, self.variance, self.prior)
        return pd.DataFrame(columns).assign(z=columns["group_effect"] / sampling)  # the last one's

    def threshold_table(self, at: np.ndarray) -> pd.DataFrame:
        """`FacetsResult.thresholds`."""
        steps = self._part(at, "thresholds").reshape(len(self.k), -1)
        rows = [
            (name, score, steps[item, score - 1])
            for item, name in enumerate(self.items)
            for score in range(1, self.k[item])
        ]
        return pd.DataFrame(rows, columns=["item", "score", "threshold"])

    def response_table(self, at: np.ndarray) -> pd.DataFrame:
        """`FacetsResult.responses`."""
        posterior = self._posterior(self._choices(at)[3])[1]
        rated = self.rejected < 0
        number = self.counts @ rated.astype(float)
        points = np.arange(self.k.max())
        exists = (points < self.k[self.item][:, None])[:, None, :]
        expected = []
        for severity in (np.zeros(len(self.item)), self._severity(at)):
            slopes, inner = self._logits(at, severity)
            logits = np.where(exists, slopes[:, None, None] * inner, -np.inf)
            expected.append(np.exp(logits - logsumexp(logits, axis=2, keepdims=True)) @ points)
        lost = (expected[0] - expected[1]) * rated[:, None]
        with np.errstate(invalid="ignore"):
            shift = ((self.counts @ lost) * posterior).sum(axis=1) / number
            rating = (self.counts @ (self.chosen * rated).astype(float)) / number
        side = self.counts @ self.side / self.counts.sum(axis=1)
        ability = (side * self._part(at, "impact").sum())[:, None] + self.spread(at) * self.nodes
        mean = (posterior * ability).sum(axis=1)
        variance = (posterior * ability**2).sum(axis=1) - mean**2
        return pd.DataFrame(
            {
                "response_id": self.ids,
                "item": self.item_of.loc[self.ids].to_numpy(),
                "ability": mean,
                "ability_se": np.sqrt(np.maximum(variance, 0)),
                "rating": rating,
                "shift": shift,
            }
        )
