"""DIF by adjacent-category logits: total, uniform and non-uniform, by likelihood ratio."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from psyalign.dif.counts.cells import Array, Cells
from psyalign.dif.counts.moments import too_few
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.result import DifResult

__all__ = ["AdjacentFit", "adjacent", "adjacent_kernel", "fit_adjacent"]

Mask = npt.NDArray[np.bool_]

# Gain in log-likelihood that Newton's next step promises when it stops; errors are its square.
GAIN = 1e-11
ITERATIONS = 60
# A standard error of so much (log-odds, match in SD) is no estimate but separation: finite
# maxima have errors of a few units, infinite ones of 1e4 and more where Newton stops.
SEPARATED = 1000.0
# Information, in persons, added so that the solver meets no exact zero.
RIDGE = 1e-9

RATIOS = ("adjacent_lr_total", "adjacent_lr_uniform", "adjacent_lr_nonuniform")
EFFECT = "adjacent_group_effect"


@dataclass(frozen=True)
class AdjacentFit:
    """Fit of log(pi_j / pi_(j-1)) = alpha_j + x beta to counts by pattern and category.

    Attributes
    ----------
    alpha : array (..., C - 1)
        Sums alpha_1 + ... + alpha_j: log-odds of category j against the first, at x = 0; minus
        infinity for a category that nobody has.
    beta, se : array (..., Q)
        Effects on every step upwards, and their standard errors.
    loglik : array (...)
    converged : array (...) of bool
        False where the likelihood has no maximum (separation).
    """

    alpha: Array
    beta: Array
    se: Array
    loglik: Array
    converged: Mask


def fit_adjacent(n: Array, design: Array, start: AdjacentFit | None = None) -> AdjacentFit:
    """Fit the adjacent-category logit model by Newton's method; its log-likelihood is concave.

    Parameters
    ----------
    n : array (..., P, C)
        Counts (whole weights) by covariate pattern and category. A category without counts is
        left out of its member: the steps join its neighbours.
    design : array (P, Q)
        Covariates of each pattern, without a constant.
    start : AdjacentFit, optional
        Fit of the same counts with the first covariates of the design: where to begin.

    Returns
    -------
    AdjacentFit
    """
    lead, (p, c), q = n.shape[:-2], n.shape[-2:], design.shape[-1]
    flat = n.reshape(prod(lead), p, c)
    margin = flat.sum(axis=1)
    seen = margin > 0
    rank = np.maximum(seen.cumsum(axis=-1) - 1, 0).astype(float)
    alpha = np.log(margin, out=np.full_like(margin, -np.inf), where=seen)
    beta = np.zeros((len(flat), q))
    if start is not None:
        alpha[:, 1:] = start.alpha.reshape(-1, c - 1)
        alpha[:, 0] = np.where(seen[:, 0], 0.0, -np.inf)
        beta[:, : start.beta.shape[-1]] = start.beta.reshape(len(flat), -1)
    problem = _Problem(flat, design, seen, rank)
    loglik, information, left = _newton(problem, alpha, beta)
    inverse = np.linalg.inv(information)
    se = np.sqrt(np.maximum(np.diagonal(inverse, axis1=-2, axis2=-1)[:, c:], 0.0))
    first = np.take_along_axis(alpha, seen.argmax(axis=-1)[:, None], axis=-1)
    return AdjacentFit(
        (alpha - first)[:, 1:].reshape(*lead, c - 1),
        beta.reshape(*lead, q),
        se.reshape(*lead, q),
        loglik.reshape(lead),
        (~left & (se < SEPARATED).all(axis=-1)).reshape(lead),
    )


@dataclass(frozen=True)
class _Problem:
    """Members (M, P, C), the design (P, Q), and each member's categories: seen (M, C), rank (M, C)."""

    n: Array
    design: Array
    seen: Mask
    rank: Array

    def take(self, members: npt.NDArray[np.intp]) -> _Problem:
        return _Problem(self.n[members], self.design, self.seen[members], self.rank[members])

    def probabilities(self, alpha: Array, beta: Array) -> tuple[Array, Array]:
        """Probabilities (M, P, C) and the log-likelihood (M,)."""
        eta = alpha[:, None, :] + (beta @ self.design.T)[:, :, None] * self.rank[:, None, :]
        eta -= eta.max(axis=-1, keepdims=True)
        odds = np.exp(eta)
        below = odds.sum(axis=-1, keepdims=True)
        # a category without counts has eta = -inf and adds nothing
        log_pi = np.where(self.seen[:, None, :], eta, 0.0) - np.log(below)
        return odds / below, np.asarray((self.n * log_pi).sum(axis=(-2, -1)))

    def derivatives(self, pi: Array) -> tuple[Array, Array]:
        """Gradient (M, C + Q) and information (M, C + Q, C + Q)."""
        size = self.n.sum(axis=-1, keepdims=True)
        excess = self.n - size * pi
        rank = self.rank[:, None, :]
        upward = (excess * rank).sum(axis=-1) @ self.design
        gradient = np.concatenate([excess.sum(axis=-2), upward], axis=-1)
        expected = size * pi
        apart = rank - (pi * rank).sum(axis=-1, keepdims=True)
        spread = (expected * apart**2).sum(axis=-1)
        m, _, c = self.n.shape
        q = self.design.shape[-1]
        information = np.zeros((m, c + q, c + q))
        information[:, :c, :c] = -np.swapaxes(expected, -1, -2) @ pi
        diagonal = expected.sum(axis=-2)
        information[:, range(c), range(c)] += diagonal
        information[:, :c, c:] = np.swapaxes(expected * apart, -1, -2) @ self.design
        information[:, c:, :c] = np.swapaxes(information[:, :c, c:], -1, -2)
        information[:, c:, c:] = self.design.T @ (spread[..., None] * self.design)
        return self._fixed(gradient, information)

    def _fixed(self, gradient: Array, information: Array) -> tuple[Array, Array]:
        c = self.n.shape[-1]
        # the first seen category is the baseline, unseen ones have no parameter: both stay put
        still = ~self.seen | (self.rank == 0)
        free = np.concatenate([~still, np.ones((len(still), self.design.shape[-1]), dtype=bool)], axis=-1)
        information = information * free[:, :, None] * free[:, None, :]
        places = range(information.shape[-1])
        information[:, places, places] += np.where(free, RIDGE, 1.0)
        gradient[:, :c] = np.where(still, 0.0, gradient[:, :c])
        return gradient, information


def _newton(problem: _Problem, alpha: Array, beta: Array) -> tuple[Array, Array, Mask]:
    """Climb in place; log-likelihood, information there, and who did not arrive."""
    m, c = alpha.shape
    members = np.arange(m)
    information = np.zeros((m, c + beta.shape[-1], c + beta.shape[-1]))
    loglik = np.zeros(m)
    pi, value = problem.probabilities(alpha, beta)
    for _ in range(ITERATIONS):
        gradient, curvature = problem.derivatives(pi)
        step: Array = np.asarray(np.linalg.solve(curvature, gradient[..., None])[..., 0], dtype=float)
        loglik[members], information[members] = value, curvature
        arrived = (gradient * step).sum(axis=-1) / 2 < GAIN
        if arrived.any():  # their last step is still taken: it squares the error of the parameters
            alpha[members[arrived]] += step[arrived, :c]
            beta[members[arrived]] += step[arrived, c:]
            on = np.flatnonzero(~arrived)
            members, problem, step, value = members[on], problem.take(on), step[on], value[on]
        if not len(members):
            break
        size, pi, value = _stride(problem, alpha[members], beta[members], step, value)
        alpha[members] += size[:, None] * step[:, :c]
        beta[members] += size[:, None] * step[:, c:]
    left = np.zeros(m, dtype=bool)
    left[members] = True
    return loglik, information, left


def _stride(
    problem: _Problem, alpha: Array, beta: Array, step: Array, value: Array
) -> tuple[Array, Array, Array]:
    """Share of Newton's step (M,), halved until the log-likelihood does not fall; probabilities there."""
    c = alpha.shape[-1]
    size = np.ones(len(alpha))
    slack = 1e-12 * np.abs(value)
    for _ in range(30):
        change = size[:, None] * step
        pi, ahead = problem.probabilities(alpha + change[:, :c], beta + change[:, c:])
        fell = ~(ahead >= value - slack)
        if not fell.any():
            break
        size = np.where(fell, size / 2, size)
    return size, pi, ahead


def adjacent_kernel(counts: ItemCounts) -> dict[str, Array]:
    """Likelihood ratios of the three nested models for any leading axes.

    Returns
    -------
    dict
        adjacent_lr_total, adjacent_lr_uniform, adjacent_lr_nonuniform, adjacent_group_effect
        and adjacent_group_effect_se, each (...); NaN where the match does not vary in a group,
        all have the same score, or the scores are separated.
    """
    lead, (k, g, s) = counts.n.shape[:-3], counts.n.shape[-3:]
    n = counts.n.reshape(prod(lead), k, g, s)
    usable = ((n.sum(axis=-1) > 0).sum(axis=-2) > 1).all(axis=-1) & ((n.sum(axis=(1, 2)) > 0).sum(-1) > 1)
    patterns = n[usable].reshape(int(usable.sum()), k * g, s)
    found = {name: np.full(len(n), np.nan) for name in (*RATIOS, EFFECT, f"{EFFECT}_se")}
    if not len(patterns):
        return {name: value.reshape(lead) for name, value in found.items()}
    design = _design(patterns, counts.stratum)
    fits: list[AdjacentFit] = []
    for size in (1, 2, 3):
        fits.append(fit_adjacent(patterns, design[:, :size], fits[-1] if fits else None))
    whole = np.all([fit.converged for fit in fits], axis=0)
    m1, m2, m3 = (np.where(whole, fit.loglik, np.nan) for fit in fits)
    for name, gain in zip(RATIOS, (m3 - m1, m2 - m1, m3 - m2), strict=True):
        found[name][usable] = np.maximum(2 * gain, 0.0)
    found[EFFECT][usable] = np.where(whole, fits[1].beta[:, 1], np.nan)
    found[f"{EFFECT}_se"][usable] = np.where(whole, fits[1].se[:, 1], np.nan)
    return {name: value.reshape(lead) for name, value in found.items()}


def _design(patterns: Array, stratum: Array) -> Array:
    """Match (standardised), focal and their product by pattern (K x 2, 3): linear maps change no ratio."""
    weight = patterns.sum(axis=(0, 2)).reshape(-1, 2).sum(axis=-1)
    centred = stratum - weight @ stratum / weight.sum()
    match = np.repeat(centred / np.sqrt(weight @ centred**2 / weight.sum()), 2)
    focal = np.tile([0.0, 1.0], len(stratum))
    return np.column_stack([match, focal, match * focal])


def adjacent(counts: Cells) -> DifResult:
    """DIF in the adjacent-category logit model: M1 match; M2 + group; M3 + group x match.

    log(pi_j / pi_(j-1)) = alpha_j + eta with one eta for all steps between neighbouring score
    points. The strata are the matching variable, so they must be numbers: count cells with
    the unbinned total. Score points that nobody got are left out. All persons with both
    group and match are used.

    Parameters
    ----------
    counts : Cells
        Of two groups, with numeric strata.

    Returns
    -------
    DifResult
        Columns n_reference, n_focal, adjacent_lr_total (M3 - M1, 2 df), adjacent_lr_uniform
        (M2 - M1, 1 df), adjacent_lr_nonuniform (M3 - M2, 1 df), each with _p,
        adjacent_group_effect (M2's log-odds of a step upwards, focal minus reference) and
        adjacent_group_effect_se, estimable, reason.

    Raises
    ------
    UsageError
        More than two groups.

    Notes
    -----
    The effect is on a single step: over S score points it adds up to S - 1 times as much, so
    that it is smaller than a cumulative log-odds of the same DIF. For binary items it is the
    logistic regression's. Under impact the non-uniform test rejects too often, and more so than
    the cumulative one's (docs/dif-rates.md: impact 1 SD, 1,000 a group).

    References
    ----------
    Hladka, A., & Martinkova, P. (2020). difNLR: Generalized logistic regression models for DIF
    and DDF detection. The R Journal 12, 300-323. Agresti, A. (2010). Analysis of ordinal
    categorical data (2nd ed.), section 4.1.
    """
    counts.need_two("The adjacent-category model")
    rows = {item: _row(counts.points(item), counts) for item in counts.items}
    return DifResult.of("adjacent-category logistic", rows)


def _row(points: ItemCounts, counts: Cells) -> dict[str, object]:
    n = points.n.sum(axis=(0, -1))
    reason = too_few(n, counts) or _why_not(points, counts)
    found = {name: float(value) for name, value in adjacent_kernel(points).items()}
    if not reason and not np.isfinite(found[EFFECT]):
        reason = "scores are separated by the matching variable or the group"
    if reason:
        found = dict.fromkeys(found, float("nan"))
    row: dict[str, object] = {"n_reference": int(n[0]), "n_focal": int(n[1])}
    for name, df in zip(RATIOS, (2, 1, 1), strict=True):
        row |= {name: found[name], f"{name}_p": float(chdtrc(df, found[name]))}
    effect = {name: found[name] for name in (EFFECT, f"{EFFECT}_se")}
    return {**row, **effect, "estimable": not reason, "reason": reason}


def _why_not(points: ItemCounts, counts: Cells) -> str:
    """Why the model is not identified, in words; "" if it is."""
    if len(points.score) == 1:
        return "all persons have the same (rounded) score"
    strata = (points.n.sum(axis=-1) > 0).sum(axis=0)
    for label, held in zip(counts.groups, strata, strict=True):
        if held < 2:
            return f"the matching variable does not vary in the {label} group"
    return ""
