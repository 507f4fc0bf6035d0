"""Differences of both groups' means at the same true matching score: the regression correction of SIBTEST."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from psyalign.dif.counts.cells import Array
from psyalign.dif.counts.moments import ROUNDING, Moments
from psyalign.foundation.errors import UsageError

__all__ = [
    "DEFAULT",
    "MIN_PER_STRATUM",
    "Bins",
    "Convention",
    "Differences",
    "Settings",
    "Weights",
    "corrected_differences",
    "thin_bins",
]

Bins = npt.NDArray[np.int64]
Weights = Literal["pooled", "focal"]
Convention = Literal["psyalign", "mirt"]

# "More than five" persons of each group: mirt's Jmin.
MIN_PER_STRATUM = 6


@dataclass(frozen=True)
class Settings:
    """Which strata are compared, and how: explained at `polysib`."""

    weights: Weights = "pooled"
    min_per_stratum: int = MIN_PER_STRATUM
    convention: Convention = "psyalign"

    def __post_init__(self) -> None:
        if self.weights not in ("pooled", "focal"):
            raise UsageError(f"Weights '{self.weights}' are unknown.", mend="Use pooled or focal.")
        if self.convention not in ("psyalign", "mirt"):
            raise UsageError(f"Convention '{self.convention}' is unknown.", mend="Use psyalign or mirt.")
        if self.min_per_stratum < 2:
            raise UsageError("min_per_stratum must be at least 2: one person has no variance.")


DEFAULT = Settings()


@dataclass(frozen=True)
class Differences:
    """Corrected differences of both groups' means by stratum.

    Attributes
    ----------
    value : array (..., K)
        Mean matching score of both groups.
    n : array (..., K, G)
        Persons.
    difference : array (..., K)
        Reference minus focal; 0 in strata that are not used.
    weight : array (..., K)
        Sums to 1 over the strata used; 0 elsewhere.
    used : bool array (..., K)
    variance : array (..., K, G)
        Of each group's uncorrected mean.
    slopes : tuple of lever, below and above (..., K, G), or None
        The corrected mean is mean_k + lever_k (mean_above - mean_below), with places
        `below` and `above`. None where the noise of the slopes is neglected.
    """

    value: Array
    n: Array
    difference: Array
    weight: Array
    used: npt.NDArray[np.bool_]
    variance: Array
    slopes: tuple[Array, Bins, Bins] | None

    def spread(self, weight: Array) -> Array:
        """(...): sampling variance of the sum of `weight` (..., K) x difference."""
        share = np.broadcast_to(weight[..., None], self.variance.shape)
        if self.slopes is not None:
            lever, below, above = self.slopes
            moved = share * lever
            share = share + _gathered(moved, above) - _gathered(moved, below)
        return np.asarray((share**2 * self.variance).sum(axis=(-2, -1)))


def corrected_differences(
    moments: Moments, reliability: Array | None, settings: Settings = DEFAULT, *, bins: Bins | None = None
) -> Differences:
    """The groups' corrected differences in each stratum, for any leading axes.

    Parameters
    ----------
    moments : Moments
        By rest score, two groups.
    reliability : array (..., G) or None
        Of the matching score in each group; None: no correction.
    settings : Settings
    bins : int array (K,), optional
        Number of the bin of each stratum, ascending from 0, if strata are to be merged: see
        `thin_bins`. Found once, for the whole sample, and kept in its resamples, where a bin
        may then hold fewer persons than `min_per_stratum`: it needs two of each group.

    References
    ----------
    Shealy, R., & Stout, W. (1993). Psychometrika 58, 159-194.
    """
    mirt = settings.convention == "mirt"
    n, means, variance, x = _binned(moments, bins)
    used = (n >= (settings.min_per_stratum if bins is None else 2)).all(axis=-1)
    varies = np.asarray((variance > 0).all(axis=-1))
    if mirt:
        used &= varies & _inside(n.sum(axis=-1) > 0)
    else:
        variance = np.where(varies[..., None], variance, _pooled(n, variance))
    slopes = None
    if reliability is not None:
        # mirt's mean of nobody is 0: on the centred scale, minus the centre
        means, slopes = _corrected(n, means, x, np.asarray(reliability), -moments.centre if mirt else None)
    difference = means[..., 0] - means[..., 1]
    used &= np.isfinite(difference)
    size = n.sum(axis=-1) if settings.weights == "pooled" else n[..., 1]
    weight = np.where(used, size, 0.0)
    whole = weight.sum(axis=-1, keepdims=True)
    persons = n.sum(axis=-1)
    value = (n * x).sum(axis=-1) / np.where(persons > 0, persons, 1.0)
    return Differences(
        value=np.where(persons > 0, value, x[..., 0]),
        n=n,
        difference=np.where(used, difference, 0.0),
        weight=weight / np.where(whole > 0, whole, 1.0),
        used=used,
        variance=np.where(n > 0, variance / np.maximum(n, 1.0), 0.0),
        slopes=None if mirt else slopes,
    )


def thin_bins(moments: Moments, min_per_stratum: int = MIN_PER_STRATUM) -> Bins:
    """Bin of each stratum (K,): from the lowest up, closed when it holds enough persons of both groups.

    What is left at the top joins the last bin. For moments without leading axes.
    """
    bins = np.zeros(len(moments.stratum), dtype=np.int64)
    current, held = 0, np.zeros(moments.n.shape[-1])
    for row, n in enumerate(moments.n):
        bins[row] = current
        held = held + n
        if held.min() >= min_per_stratum:
            current, held = current + 1, np.zeros_like(held)
    return np.asarray(np.minimum(bins, max(current - 1, 0))) if held.any() else bins


def _binned(moments: Moments, bins: Bins | None) -> tuple[Array, Array, Array, Array]:
    """n, mean score, variance (n - 1) and mean matching score, each (..., K, G), after merging."""
    parts = [moments.n, moments.sums, moments.squares, moments.n * moments.stratum[:, None]]
    values = moments.stratum
    if bins is not None:
        starts = np.flatnonzero(np.diff(bins, prepend=-1))
        parts = [np.add.reduceat(part, starts, axis=-2) for part in parts]
        values = moments.stratum[starts]
    n, sums, squares, matched = parts
    size = np.maximum(n, 1.0)
    spread = squares - sums**2 / size
    spread = np.where(spread <= ROUNDING * squares, 0.0, spread)
    x = matched / size if bins is not None else np.broadcast_to(values[:, None], n.shape)
    return n, sums / size, spread / np.maximum(n - 1, 1.0), np.where(n > 0, x, values[:, None])


def _pooled(n: Array, variance: Array) -> Array:
    """(..., K, 1): variance within both groups together.

    For strata where a group's scores are all the same: its own estimate, 0, claims certainty,
    and to leave the stratum out would be to choose strata by their scores, which biases beta.
    """
    freedom = np.maximum(n - 1, 0.0)
    return np.asarray(
        (freedom * variance).sum(axis=-1, keepdims=True)
        / np.maximum(freedom.sum(axis=-1, keepdims=True), 1.0)
    )


def _corrected(
    n: Array, means: Array, x: Array, reliability: Array, empty: float | None
) -> tuple[Array, tuple[Array, Bins, Bins]]:
    """Means moved along each group's own regression line to the true score that both share; the slopes.

    `empty` is the mean of a group that a stratum lacks; None: such strata are passed over.
    """
    held = n > 0
    if empty is not None:
        means = np.where(held, means, empty)
        held = np.broadcast_to(held.any(axis=-1, keepdims=True), held.shape)
    persons = n.sum(axis=-2, keepdims=True)
    centre = (n * x).sum(axis=-2, keepdims=True) / np.where(persons > 0, persons, np.nan)
    rho = np.where(reliability > 0, reliability, np.nan)[..., None, :]
    true = centre + rho * (x - centre)
    below, above = _neighbours(held)
    rise = np.take_along_axis(means, above, axis=-2) - np.take_along_axis(means, below, axis=-2)
    run = np.take_along_axis(true, above, axis=-2) - np.take_along_axis(true, below, axis=-2)
    lever = (true.mean(axis=-1, keepdims=True) - true) / np.where(run > 0, run, np.nan)
    return means + lever * rise, (np.nan_to_num(lever), below, above)


def _gathered(values: Array, place: Bins) -> Array:
    """(..., K, G): sum of the values of all strata that point to a stratum."""
    if not values.size:
        return values
    k, n_groups = values.shape[-2:]
    start = np.arange(values.size // (k * n_groups))[:, None, None] * k
    flat = (start + place.reshape(-1, k, n_groups)) * n_groups + np.arange(n_groups)
    found = np.bincount(flat.ravel(), weights=values.ravel(), minlength=values.size)
    return np.asarray(found.reshape(values.shape))


def _neighbours(held: npt.NDArray[np.bool_]) -> tuple[Bins, Bins]:
    """Places (..., K, G) of the nearest strata below and above that hold somebody; at the ends itself."""
    k = held.shape[-2]
    own = np.broadcast_to(np.arange(k)[:, None], held.shape)
    below = np.maximum.accumulate(np.where(held, own, -1), axis=-2)
    above = np.flip(np.minimum.accumulate(np.flip(np.where(held, own, k), axis=-2), axis=-2), axis=-2)
    below = np.concatenate([np.full_like(below[..., :1, :], -1), below[..., :-1, :]], axis=-2)
    above = np.concatenate([above[..., 1:, :], np.full_like(above[..., :1, :], k)], axis=-2)
    return np.where(below < 0, own, below), np.where(above >= k, own, above)


def _inside(held: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(..., K): strata with a stratum that holds somebody both below and above."""
    below = np.logical_or.accumulate(held, axis=-1)
    above = np.flip(np.logical_or.accumulate(np.flip(held, axis=-1), axis=-1), axis=-1)
    edge = np.zeros_like(held[..., :1])
    return np.asarray(
        np.concatenate([edge, below[..., :-1]], axis=-1) & np.concatenate([above[..., 1:], edge], axis=-1)
    )
