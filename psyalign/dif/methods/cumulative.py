"""Maximum likelihood of the cumulative-logit and location-scale models, for many tables of counts at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np
import numpy.typing as npt

from psyalign.dif.methods.cumulative_likelihood import Likelihood, Point

__all__ = ["SEPARATED", "CumulativeFit", "fit_cumulative"]

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# A log-odds of 15 per SD is no estimate but separation: the likelihood has no maximum.
SEPARATED = 15.0
MAX_STEPS = 60
MAX_HALVINGS = 30
# Converged: the next Newton step (which is still taken) is below a billionth of a standard error,
# which bounds the gradient too, and below this in the parameters' own units.
DECREMENT = 1e-18
STEP = 1e-8
# Smallest eigenvalue of the information scaled to a unit diagonal; below it two parameters are one.
IDENTIFIED = 1e-11
RIDGE = 1e-12
TINY = 1e-300
# A likelihood lower by this share is rounding.
SLACK = 1e-12
# Doubles in one working array: members are fitted in blocks that stay in the processor's cache.
BLOCK = 80_000


@dataclass(frozen=True)
class CumulativeFit:
    """Fits of one model to many tables of counts; members that did not converge hold NaN.

    Attributes
    ----------
    params : array (..., C-1+q+r)
        Ordered thresholds, slopes beta, log scales zeta. Where nobody of a member has a
        category, the thresholds on both sides of it are the same (infinite at the ends).
    loglik : array (...)
    hessian : array (..., C-1+q+r, C-1+q+r)
        Second derivatives of the log-likelihood; rows of 0 for a threshold that repeats another.
    converged : bool array (...)
    separated : bool array (...)
        Not converged, because slopes (or scales) grew without limit.
    n_thresholds, n_slopes : int
        C-1 and q.
    """

    params: Array
    loglik: Array
    hessian: Array
    converged: Mask
    separated: Mask
    n_thresholds: int
    n_slopes: int

    @property
    def thresholds(self) -> Array:
        """(..., C-1)"""
        return self.params[..., : self.n_thresholds]

    @property
    def slopes(self) -> Array:
        """beta, (..., q)"""
        return self.params[..., self.n_thresholds : self.n_thresholds + self.n_slopes]

    @property
    def log_scales(self) -> Array:
        """zeta, (..., r)"""
        return self.params[..., self.n_thresholds + self.n_slopes :]

    @property
    def covariance(self) -> Array:
        """Inverse of the observed information; NaN for members and thresholds without an estimate."""
        usable = np.where(self.converged[..., None, None], -self.hessian, 0.0)
        scaled, unit = _scaled(usable)
        absent = np.diagonal(usable, axis1=-2, axis2=-1) == 0
        scaled = scaled + absent[..., None] * np.eye(absent.shape[-1])
        inverse = np.linalg.inv(scaled) / (unit[..., None] * unit[..., None, :])
        missing = absent[..., None] | absent[..., None, :] | ~self.converged[..., None, None]
        return np.asarray(np.where(missing, np.nan, inverse))

    def slope_covariance(self) -> Array:
        """Covariance of beta and zeta, (..., q+r, q+r)."""
        return self.covariance[..., self.n_thresholds :, self.n_thresholds :]


def fit_cumulative(
    n: Array, design: Array, *, scale: Array | None = None, start: Array | None = None
) -> CumulativeFit:
    """Fit P(Y <= j) = F((alpha_j - x beta) / exp(z zeta)), F logistic, to counts of covariate patterns.

    Parameters
    ----------
    n : array (..., P, C)
        Counts (or weights >= 0) by covariate pattern and ordered category; leading axes
        are separate data sets ("members") with the same patterns.
    design : array (P, q)
        x: no constant; the thresholds are the intercepts.
    scale : array (P, r), optional
        z: no constant. Without it the scale is 1, the proportional-odds model.
    start : array (..., C-1+q+r), optional
        Parameters to start from, say of a similar fit; members without a finite, ordered
        start begin at the marginal logits and slopes of 0.

    Returns
    -------
    CumulativeFit

    Notes
    -----
    Newton's method with analytic second derivatives and step-halving. With a = alpha_(c-1),
    b = alpha_c, log(F(b) - F(a)) = log F(b) + log(1 - F(a)) + log(1 - exp(a - b)): no
    difference of nearly equal numbers, and second derivatives that are diagonal in the
    thresholds but for the last term. A category that nobody has is left out for that
    member, which is its maximum likelihood. Without `scale` the likelihood is concave;
    with it, directions of positive curvature are turned round.

    References
    ----------
    McCullagh, P. (1980). Regression models for ordinal data. JRSS B 42, 109-142.
    Pratt, J. W. (1981). Concavity of the log likelihood. JASA 76, 103-106.
    """
    n = np.asarray(n, dtype=float)
    *lead, _, n_categories = n.shape
    n_members = prod(lead)  # -1 cannot be told where nobody has a score
    flat = n.reshape(n_members, *n.shape[-2:])
    n_thresholds = max(n_categories - 1, 0)
    others = design.shape[1] + (0 if scale is None else scale.shape[1])
    size = n_thresholds + others
    found = _nothing(len(flat), size, n_thresholds, design.shape[1])
    if start is not None:
        start = np.broadcast_to(start, (*lead, size)).reshape(n_members, size)
    observed = (flat > 0).any(axis=1)
    patterns, which = np.unique(observed, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        if pattern.sum() < 2:
            continue
        places = np.concatenate(
            [np.flatnonzero(pattern)[:-1], n_thresholds + np.arange(others, dtype=np.int64)]
        )
        members = np.flatnonzero(which.reshape(-1) == number)
        width = max(1, BLOCK // (flat.shape[1] * int(pattern.sum())))
        for block in np.split(members, range(width, len(members), width)):
            likelihood = Likelihood.of(flat[block][..., pattern], design, scale)
            params = likelihood.start(None if start is None else start[block][:, places])
            with np.errstate(all="ignore"):  # trial steps may leave the parameter space
                fit = _newton(likelihood, params)
            _store(found, block, pattern, places, fit)
    return replace(
        found,
        params=found.params.reshape(*lead, size),
        loglik=found.loglik.reshape(lead),
        hessian=found.hessian.reshape(*lead, size, size),
        converged=found.converged.reshape(lead),
        separated=found.separated.reshape(lead),
    )


def _nothing(members: int, size: int, n_thresholds: int, n_slopes: int) -> CumulativeFit:
    """A fit in which no member has converged."""
    return CumulativeFit(
        np.full((members, size), np.nan),
        np.full(members, np.nan),
        np.full((members, size, size), np.nan),
        np.zeros(members, dtype=bool),
        np.zeros(members, dtype=bool),
        n_thresholds,
        n_slopes,
    )


def _store(
    found: CumulativeFit,
    block: npt.NDArray[np.int64],
    pattern: Mask,
    places: npt.NDArray[np.int64],
    fit: CumulativeFit,
) -> None:
    """Put the fits of members with these observed categories where they belong in `found`."""
    found.separated[block] = fit.separated
    good, rows = fit.converged, block[fit.converged]
    found.converged[rows] = True
    found.loglik[rows] = fit.loglik[good]
    found.hessian[rows] = 0.0
    found.hessian[rows[:, None, None], places[:, None], places] = fit.hessian[good]
    edges = np.pad(fit.thresholds[good], ((0, 0), (1, 1)), constant_values=(-np.inf, np.inf))
    found.params[rows, : found.n_thresholds] = edges[:, np.cumsum(pattern)[:-1]]
    found.params[rows, found.n_thresholds :] = fit.params[good, fit.n_thresholds :]


def _newton(likelihood: Likelihood, params: Array) -> CumulativeFit:
    """Newton's method; members leave as they converge or are seen to be separated."""
    found = _nothing(len(params), params.shape[1], likelihood.n_thresholds, likelihood.design.shape[1])
    limit, concave = SEPARATED / np.maximum(likelihood.units, TINY), likelihood.scale is None
    active, point = np.arange(len(params)), likelihood.at(params)
    for _ in range(MAX_STEPS):
        step, decrement = _direction(point, concave)
        lost = (np.abs(params[:, likelihood.n_thresholds :]) > limit).any(axis=-1)
        failed = lost | ~np.isfinite(decrement)
        done = (decrement < DECREMENT) & (np.abs(step) < STEP).all(axis=-1) & ~failed
        if done.any():
            rows = active[done]
            found.params[rows] = (params + step)[done]
            found.loglik[rows] = (point.loglik + decrement / 2)[done]
            found.hessian[rows] = point.hessian[done]
            found.converged[rows] = _identified(point.hessian[done])
        found.separated[active[lost]] = True
        going = ~(done | failed)
        if not going.all():
            active, params, step = active[going], params[going], step[going]
            likelihood, point = likelihood.take(going), point.take(going)
        if not len(active):
            break
        params, point = _improved(likelihood, params, step, point)
    return found


def _scaled(information: Array) -> tuple[Array, Array]:
    """Information with a unit diagonal, and the root of the diagonal that it had (1 where not above 0)."""
    diagonal = np.diagonal(information, axis1=-2, axis2=-1)
    unit = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    return information / (unit[..., None] * unit[..., None, :]), unit


def _identified(hessian: Array) -> Mask:
    """Whether the curvature is negative in all directions: a maximum, and only one."""
    return np.asarray(np.linalg.eigvalsh(_scaled(-hessian)[0])[..., 0] > IDENTIFIED)


def _direction(point: Point, concave: bool) -> tuple[Array, Array]:
    """Newton's step (B, m), uphill in any case, and twice the gain that it promises (B,); NaN if lost."""
    finite = np.isfinite(point.hessian).all(axis=(1, 2)) & np.isfinite(point.gradient).all(axis=1)
    usable = np.asarray(finite)
    information, unit = _scaled(np.where(usable[:, None, None], -point.hessian, 0.0))
    gradient = np.where(usable[:, None], point.gradient / unit, np.nan)[..., None]
    if concave:
        step = np.linalg.solve(information + RIDGE * np.eye(information.shape[-1]), gradient)
    else:
        values, vectors = np.linalg.eigh(information)
        turned = np.maximum(np.abs(values), RIDGE)[..., None]
        step = vectors @ (np.swapaxes(vectors, 1, 2) @ gradient / turned)
    decrement = (step * gradient).sum(axis=(1, 2))
    return step[..., 0] / unit, np.asarray(decrement)


def _improved(likelihood: Likelihood, params: Array, step: Array, point: Point) -> tuple[Array, Point]:
    """Parameters and point after the step, halved for each member until the likelihood has not fallen."""
    moved = params + step
    new = likelihood.at(moved)
    least = point.loglik - SLACK * (1 + np.abs(point.loglik))
    for halving in range(1, MAX_HALVINGS + 1):
        worse = ~(new.loglik >= least)
        if not worse.any():
            break
        moved[worse] = params[worse] + step[worse] / 2**halving
        for part, again in zip(new, likelihood.take(worse).at(moved[worse]), strict=True):
            part[worse] = again
    return moved, new
