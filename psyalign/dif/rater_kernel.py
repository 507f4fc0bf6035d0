"""Errors-in-variables estimates of a group difference, for any number of samples of one design at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["METHODS", "ErrorBy", "ReliabilityOf", "rater_error_kernel"]

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
ReliabilityOf = Literal["overall", "within"]
ErrorBy = Literal["all", "group"]

METHODS = ("naive", "corrected", "marginal")
# Sums of squares below this share of the scores' own are rounding, not variation.
ROUNDING = 1e-12


def rater_error_kernel(
    machine: Array,
    human: Array,
    human2: Array | None,
    *,
    item: npt.ArrayLike,
    focal: Array,
    person: npt.ArrayLike,
    reliability: Array | float | None = None,
    reliability_of: ReliabilityOf = "overall",
    error_by: ErrorBy = "all",
) -> dict[str, Array]:
    """The three figures of `rater_error` for any leading axes (samples of one design).

    Parameters
    ----------
    machine, human : array (..., N)
        Without missing values, save that human may be NaN where human2 is not.
    human2 : array (..., N) or None
        NaN where there is no second rating.
    item, focal, person : array (N,)
        Codes; focal is 0 or 1, and every item has both.
    reliability : array (N,) or float, optional
        By row, constant within items.

    Returns
    -------
    dict
        For each method `<method>_estimate`, `<method>_se`, `<method>_slope`; reliability,
        reliability_se, error_sd; each of the leading shape, NaN where not estimable.
    """
    design = _Design.of(item, np.asarray(focal, dtype=float), person)
    with np.errstate(all="ignore"):
        if human2 is None:
            known = np.nan if reliability is None else reliability
            ratings = _one_rating(human, np.asarray(known, dtype=float), reliability_of, design)
        else:
            ratings = _two_ratings(human, human2, error_by, design)
        return _figures(machine, ratings, design)


@dataclass(frozen=True)
class _By:
    """Sums over rows that share a code, on the last axis."""

    code: Codes
    order: Codes
    starts: Codes
    size: Array

    @classmethod
    def of(cls, values: npt.ArrayLike) -> _By:
        code = np.unique(np.asarray(values), return_inverse=True)[1].astype(np.int64)
        order = np.argsort(code, kind="stable")
        size = np.bincount(code)
        starts = np.concatenate([[0], np.cumsum(size)[:-1]])
        return cls(code, order, starts, size.astype(float))

    def sums(self, x: Array) -> Array:
        return np.asarray(np.add.reduceat(x[..., self.order], self.starts, axis=-1))

    def spread(self, x: Array) -> Array:
        """From (..., codes) back to rows."""
        return np.asarray(x[..., self.code])

    def centred(self, x: Array) -> Array:
        return np.asarray(x - self.spread(self.sums(x) / self.size))


@dataclass(frozen=True)
class _Design:
    """What is known without error: items, groups and persons of N responses."""

    item: _By
    person: _By
    focal: Array
    weight: Array  # x @ weight: the difference of x between the groups within items
    free: Array  # 1 - leverage of item and group

    @classmethod
    def of(cls, item: npt.ArrayLike, focal: Array, person: npt.ArrayLike) -> _Design:
        by_item = _By.of(item)
        centred = by_item.centred(focal)
        square = float((centred**2).sum())
        weight = centred / square
        free = 1 - 1 / by_item.spread(by_item.size) - centred * weight
        return cls(by_item, _By.of(person), focal, weight, free)

    def residual(self, x: Array) -> Array:
        """x without item means and the group difference."""
        centred = self.item.centred(x)
        return np.asarray(centred - (x @ self.weight)[..., None] * self.item.centred(self.focal))


@dataclass(frozen=True)
class _Human:
    """Human score and its error. All (..., N).

    share: error variance in units of one rating's; variance: that of one rating, the same for
    all rows of a code of `by`; shift, pull: derivatives of the score and (negative) of that
    variance by the item's severity difference; severity, error: influences of the rows on the
    estimates of that difference and of the variance.
    """

    score: Array
    share: Array
    variance: Array
    error: Array
    by: _By
    shift: Array
    pull: Array
    severity: Array


def _one_rating(human: Array, reliability: Array, kind: ReliabilityOf, design: _Design) -> _Human:
    """Error variance from a reliability, item by item."""
    by, codes = design.item, design.item.code
    means = by if kind == "overall" else _By.of(2 * codes + design.focal.astype(np.int64))
    squares = means.centred(human) ** 2
    free = 1 - 1 / means.spread(means.size)
    lost = by.spread(by.sums(free))
    observed = by.spread(by.sums(squares)) / lost
    noise = 1 - reliability
    error = noise * (squares - observed * free) / lost
    none = np.zeros_like(human)
    return _Human(human, np.ones_like(human), noise * observed, error, by, none, none, none)


def _two_ratings(first: Array, second: Array, error_by: ErrorBy, design: _Design) -> _Human:
    """Error variance from the difference of two ratings; their mean as the score."""
    one, two = np.isfinite(first), np.isfinite(second)
    both = one & two
    first, second = np.where(one, first, 0.0), np.where(two, second, 0.0)
    n = np.maximum(design.item.spread(design.item.sums(both.astype(float))), 1.0)
    difference = np.where(both, first - second, 0.0)
    severity = design.item.spread(design.item.sums(difference)) / n
    rest = np.where(both, difference - severity, 0.0)
    by = _By.of(design.focal if error_by == "group" else np.zeros(len(design.focal)))
    free = np.where(both, 1 - 1 / n, 0.0)
    left = by.spread(by.sums(free))
    variance = by.spread(by.sums(rest**2 / 2)) / left
    error = (rest**2 / 2 - variance * free) / left
    # the second rater's scores on the first one's scale
    score = np.where(both, (first + second + severity) / 2, np.where(one, first, second + severity))
    shift = np.where(both, 0.5, np.where(one, 0.0, 1.0))
    return _Human(score, np.where(both, 0.5, 1.0), variance, error, by, shift, rest / left, rest / n)


def _figures(machine: Array, human: _Human, design: _Design) -> dict[str, Array]:
    m, h = design.residual(machine), design.residual(human.score)
    square, product = (h * h).sum(axis=-1), (h * m).sum(axis=-1)
    square = np.where(square > ROUNDING * (human.score**2).sum(axis=-1), square, np.nan)
    lost = design.free * human.share * human.variance
    noise = lost.sum(axis=-1)
    # influence of the rows on the noise: through their own code's variance, and through severity
    share = human.by.spread(human.by.sums(design.free * human.share))
    drift = share * human.error - design.item.spread(design.item.sums(share * human.pull)) * human.severity
    ratio = (noise / square)[..., None]
    moved = design.item.spread(design.item.sums(2 * human.shift * h)) * human.severity
    of_square = h * h - design.free * (square / design.free.sum())[..., None] + moved
    none = np.zeros_like(lost)
    # No more than this is asked of the reliability: keeping samples where it is surely above 0 keeps
    # those where it is overestimated, and the bias that is left flags fair machines.
    positive = np.where(noise < square, square - noise, np.nan)
    out = {
        "reliability": 1 - noise / square,
        "reliability_se": _clustered((ratio * of_square - drift) / square[..., None], design),
        "error_sd": np.sqrt(human.variance.mean(axis=-1)),
    }
    for method, divisor, added in (
        ("naive", square, none),
        ("corrected", positive, lost + drift),
        ("marginal", np.full_like(square, np.inf), none),
    ):
        slope = np.ones_like(square) if method == "marginal" else product / divisor
        estimate, se = _estimate((m, h), (machine, human), slope, divisor, added, design)
        out |= {f"{method}_estimate": estimate, f"{method}_se": se, f"{method}_slope": slope}
    return out


def _estimate(
    residuals: tuple[Array, Array],
    scores: tuple[Array, _Human],
    slope: Array,
    divisor: Array,
    added: Array,
    design: _Design,
) -> tuple[Array, Array]:
    """Group effect and its clustered standard error, from each row's influence on it."""
    (m, h), (machine, human) = residuals, scores
    b, below = slope[..., None], divisor[..., None]
    gap = (human.score @ design.weight)[..., None]
    estimate = machine @ design.weight - slope * gap[..., 0]
    rest = m - b * h
    influence = design.weight * rest - gap * (h * rest + b * added) / below
    # the items' severity differences move the human score of the rows with a second rating
    by_severity = design.item.sums(human.shift * (b * design.weight + gap * (rest - b * h) / below))
    influence -= design.item.spread(by_severity) * human.severity
    n, persons = len(design.focal), len(design.person.size)
    used = len(design.item.size) + 1 + np.isfinite(divisor)
    factor = persons / (persons - 1) * (n - 1) / np.where(n > used, n - used, np.nan)
    return np.asarray(estimate), np.asarray(np.sqrt(factor) * _clustered(influence, design))


def _clustered(influence: Array, design: _Design) -> Array:
    return np.asarray(np.sqrt((design.person.sums(influence) ** 2).sum(axis=-1)))
