"""Log-likelihood and derivatives of the cumulative-logit and location-scale models, many members at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Likelihood", "Point"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Point(NamedTuple):
    """Log-likelihood (B,), gradient (B, m) and second derivatives (B, m, m) at some parameters."""

    loglik: Array
    gradient: Array
    hessian: Array

    def take(self, rows: Mask) -> Point:
        return Point(*(part[rows] for part in self))


@dataclass(frozen=True)
class Likelihood:
    """The counts of B members, all C categories observed; J = C - 1 thresholds, patterns last.

    lower, upper: (B, J, P) counts just below and just above each threshold. middle: counts of
    the categories between two thresholds, (B, J-1, P), or their sums (B, J-1, 1) where all
    patterns have the scale 1.
    """

    lower: Array
    upper: Array
    pair: Array
    middle: Array
    design: Array
    scale: Array | None

    @classmethod
    def of(cls, n: Array, design: Array, scale: Array | None) -> Likelihood:
        used = np.asarray(n.any(axis=(0, 2)))
        by_category = np.ascontiguousarray(np.swapaxes(n[:, used], 1, 2))
        lower, upper, middle = by_category[:, :-1], by_category[:, 1:], by_category[:, 1:-1]
        if scale is None:
            middle = middle.sum(axis=-1, keepdims=True)
        return cls(lower, upper, lower + upper, middle, design[used], None if scale is None else scale[used])

    def take(self, rows: Mask) -> Likelihood:
        parts = {name: getattr(self, name)[rows] for name in ("lower", "upper", "pair", "middle")}
        return replace(self, **parts)

    @property
    def n_thresholds(self) -> int:
        return int(self.lower.shape[1])

    @property
    def units(self) -> Array:
        """SD of each slope's and scale's covariate over all members' persons."""
        weight = self.lower.sum(axis=(0, 1)) + self.upper[:, -1].sum(axis=0)
        covariates = self.design if self.scale is None else np.hstack([self.design, self.scale])
        mean = weight @ covariates / weight.sum()
        return np.asarray(np.sqrt(weight @ (covariates - mean) ** 2 / weight.sum()))

    def start(self, given: Array | None) -> Array:
        """Parameters to start from, (B, m): the given ones where they are usable."""
        below = np.cumsum(self.lower.sum(axis=-1), axis=-1)
        above = below[:, -1:] + self.upper[:, -1].sum(axis=-1)[:, None] - below
        params = np.hstack([np.log(below / above), np.zeros((len(below), len(self.units)))])
        if given is None:
            return params
        given = np.where(np.isfinite(given), given, np.nan)
        usable = np.asarray((np.diff(given[:, : self.n_thresholds]) > 0).all(axis=-1, keepdims=True))
        return np.where(usable & ~np.isnan(given).any(axis=-1, keepdims=True), given, params)

    def at(self, params: Array) -> Point:
        """Log-likelihood and derivatives; not finite where thresholds are out of order."""
        n_thresholds, x = self.n_thresholds, self.design
        alpha, beta = params[:, :n_thresholds], params[:, n_thresholds : n_thresholds + x.shape[1]]
        shift = beta @ x.T
        gap = (alpha[:, 1:] - alpha[:, :-1])[:, :, None]
        if self.scale is None:
            shrink = np.ones((len(params), 1))
        else:
            shrink = np.exp(-params[:, n_thresholds + x.shape[1] :] @ self.scale.T)
        t = (alpha[:, :, None] - shift[:, None]) * shrink[:, None]
        below = np.exp(-np.abs(t))
        loglik = np.einsum("bjp,bjp->b", self.pair, np.minimum(t, 0) - np.log1p(below))
        loglik -= np.einsum("bjp,bjp->b", self.upper, t)
        share = np.where(t >= 0, 1.0, below) / (1 + below)
        expected = self.pair * share
        # first derivative, and minus the second, by t
        slope = self.lower - expected
        bend = expected * (1 - share)

        gap = gap * shrink[:, None]
        loglik += (self.middle * np.log(-np.expm1(-gap))).sum(axis=(1, 2))
        odds = 1 / np.expm1(gap)
        gap_slope = self.middle * odds
        gap_bend = gap_slope * (1 + odds)
        parts = _Parts(t, slope, bend, gap, gap_slope, gap_bend, shrink, x)
        gradient, hessian = parts.location()
        if self.scale is not None:
            gradient, hessian = parts.with_scale(self.scale, gradient, hessian)
        return Point(loglik, gradient, hessian)


class _Parts(NamedTuple):
    """What the derivatives by the parameters are sums of: slope and bend by t and by the gaps of t."""

    t: Array
    slope: Array
    bend: Array
    gap: Array
    gap_slope: Array
    gap_bend: Array
    shrink: Array
    x: Array

    def location(self) -> tuple[Array, Array]:
        """Gradient and second derivatives by thresholds and beta."""
        (members, n_thresholds, patterns), q = self.t.shape, self.x.shape[1]
        shrink, x = self.shrink[:, None], self.x
        slope, bend = self.slope * shrink, self.bend * shrink**2
        gap_slope = (self.gap_slope * shrink).sum(axis=-1)
        gap_bend = (self.gap_bend * shrink**2).sum(axis=-1)
        gradient = np.empty((members, n_thresholds + q))
        gradient[:, :n_thresholds] = _spread(slope.sum(axis=-1), gap_slope)
        gradient[:, n_thresholds:] = -(slope.sum(axis=1) @ x)
        hessian = np.zeros((members, n_thresholds + q, n_thresholds + q))
        rows = np.arange(n_thresholds)
        hessian[:, rows, rows] = -bend.sum(axis=-1)
        hessian[:, rows[1:], rows[1:]] -= gap_bend
        hessian[:, rows[:-1], rows[:-1]] -= gap_bend
        hessian[:, rows[1:], rows[:-1]] = hessian[:, rows[:-1], rows[1:]] = gap_bend
        cross = (bend.reshape(-1, patterns) @ x).reshape(members, n_thresholds, q)
        hessian[:, :n_thresholds, n_thresholds:] = cross
        hessian[:, n_thresholds:, :n_thresholds] = np.swapaxes(cross, 1, 2)
        hessian[:, n_thresholds:, n_thresholds:] = -_weighted(bend.sum(axis=1), x, x)
        return gradient, hessian

    def with_scale(self, z: Array, gradient: Array, hessian: Array) -> tuple[Array, Array]:
        """The same with the derivatives by zeta after them."""
        n_thresholds, size, r = self.t.shape[1], gradient.shape[1], z.shape[1]
        # d(slope * shrink)/d zeta = z * shrink * turn, and likewise for the gaps
        turn = self.t * self.bend - self.slope
        gap_turn = self.gap * self.gap_bend - self.gap_slope
        pull = (self.t * self.slope).sum(axis=1) + (self.gap * self.gap_slope).sum(axis=1)
        curve = (self.t * turn).sum(axis=1) + (self.gap * gap_turn).sum(axis=1)
        turn, gap_turn = turn * self.shrink[:, None], gap_turn * self.shrink[:, None]
        by_threshold = _spread((turn @ z), (gap_turn @ z))
        gradient = np.concatenate([gradient, -(pull @ z)], axis=1)
        wider = np.zeros((len(gradient), size + r, size + r))
        wider[:, :size, :size] = hessian
        wider[:, :n_thresholds, size:] = by_threshold
        wider[:, n_thresholds:size, size:] = -_weighted(turn.sum(axis=1), self.x, z)
        wider[:, size:, :size] = np.swapaxes(wider[:, :size, size:], 1, 2)
        wider[:, size:, size:] = -_weighted(curve, z, z)
        return gradient, wider


def _spread(own: Array, gaps: Array) -> Array:
    """By threshold: its own derivative, plus that of the gap below it, minus that of the gap above it."""
    own[:, 1:] += gaps
    own[:, :-1] -= gaps
    return own


def _weighted(weight: Array, left: Array, right: Array) -> Array:
    """sum_p weight_p left_p' right_p for each member, (B, a, b)."""
    products = (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)
    return (weight @ products).reshape(-1, left.shape[1], right.shape[1])
