"""The cumulative common log odds ratio of Liu and Agresti (1996)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from psyalign.dif.counts.cells import Array, Cells
from psyalign.dif.counts.moments import Moments, item_moments, why_not
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.result import DifResult

__all__ = [
    "Fourfold",
    "cumulative_covariance",
    "cumulative_steps",
    "liu_agresti",
    "liu_agresti_kernel",
    "no_odds",
]

# Half width of a 95% interval in standard errors.
WIDTH = float(ndtri(0.975))


@dataclass(frozen=True)
class Fourfold:
    """2 x 2 tables by stratum and step.

    Attributes
    ----------
    a, b, c, d : arrays (..., K, J)
        Reference group above and below the step, focal group above and below. A step that
        does not take part holds zeros only.
    """

    a: Array
    b: Array
    c: Array
    d: Array

    @cached_property
    def weight(self) -> Array:
        """1/T, (..., K, J); 0 where the table is empty."""
        total = self.a + self.b + self.c + self.d
        return np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)

    @cached_property
    def for_reference(self) -> Array:
        """AD/T, (..., K, J): pairs in which the reference person is above the step, the focal one below."""
        return np.asarray(self.a * self.d * self.weight)

    @cached_property
    def for_focal(self) -> Array:
        """BC/T, (..., K, J): pairs the other way round."""
        return np.asarray(self.b * self.c * self.weight)

    def log_odds(self, axis: int | tuple[int, int]) -> Array:
        """Common log odds ratio over strata (axis -2), or strata and steps; NaN under separation."""
        ours, theirs = self.for_reference.sum(axis=axis), self.for_focal.sum(axis=axis)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.log(ours) - np.log(theirs)
        return np.asarray(np.where(np.isfinite(ratio), ratio, np.nan))

    def binary_variance(self, axis: int | tuple[int, int]) -> Array:
        """Variance of `log_odds` after Robins, Breslow and Greenland (1986), for one step at a time."""
        r, s = self.for_reference, self.for_focal
        same, other = (self.a + self.d) * self.weight, (self.b + self.c) * self.weight
        ours, theirs = r.sum(axis=axis), s.sum(axis=axis)
        with np.errstate(divide="ignore", invalid="ignore"):
            first = (same * r).sum(axis=axis) / ours**2
            mixed = (same * s + other * r).sum(axis=axis) / (ours * theirs)
            last = (other * s).sum(axis=axis) / theirs**2
        return np.asarray((first + mixed + last) / 2)


def cumulative_steps(n: Array) -> Fourfold:
    """Tables of "at this score point or above" against "below", from counts (..., K, 2, S).

    Step j is the one up to score point j + 1; J = S - 1. Only strata with both groups
    count. A point that nobody in them has makes no step of its own (the next one is the
    same), nor does the lowest point that somebody has.
    """
    both = (n.sum(axis=-1) > 0).all(axis=-1)
    n = n * both[..., None, None]
    seen = n.sum(axis=(-3, -2)) > 0
    own = seen[..., 1:] & np.logical_or.accumulate(seen, axis=-1)[..., :-1]
    below = np.tri(seen.shape[-1]).T[:, :-1]  # below[s, j]: point s lies below step j
    high, low = n @ (1 - below), n @ below
    if not own.all():
        high, low = (part * own[..., None, None, :] for part in (high, low))
    return Fourfold(high[..., 0, :], low[..., 0, :], high[..., 1, :], low[..., 1, :])


def cumulative_covariance(tables: Fourfold, psi: Array) -> Array:
    """Covariance of sum_k (A_j D_j - psi_j B_j C_j) / T between steps.

    Parameters
    ----------
    tables : Fourfold
        From `cumulative_steps`, (..., K, J).
    psi : array (..., J) or (..., 1)
        Odds ratios of the steps.

    Returns
    -------
    array (..., J, J)

    Notes
    -----
    The sum is over pairs of a reference and a focal person, each with expectation 0, so only
    products of pairs that share a person count. For j <= l, sharing the reference person:
    A_l D_j D_l - psi_l (A_j - A_l) D_j C_l + psi_j psi_l B_j C_j C_l; sharing the focal person:
    D_j A_j A_l - psi_j (D_l - D_j) B_j A_l + psi_j psi_l C_l B_j B_l; sharing both is counted
    twice: -A_l D_j - psi_j psi_l B_j C_l. With one psi this is Liu and Agresti's estimate.
    """
    a, b, c, d = (part * tables.weight for part in (tables.a, tables.b, tables.c, tables.d))
    ad, bc = a * tables.d, b * tables.c

    def over_strata(x: Array, y: Array) -> Array:
        return np.asarray(np.swapaxes(x, -1, -2) @ y)

    fixed = over_strata(d, ad) + over_strata(d * (tables.a - 1), a)
    upper = over_strata(d, a * tables.c) - over_strata(ad, c)
    lower = over_strata(b * tables.d, a) - over_strata(b, ad)
    both = over_strata(b * (tables.c - 1), c) + over_strata(b, bc)
    row, column = psi[..., :, None], psi[..., None, :]
    found = np.triu(fixed + column * upper + row * lower + row * column * both)
    return np.asarray(found + np.swapaxes(np.triu(found, 1), -1, -2))


def liu_agresti(counts: Cells) -> DifResult:
    """Common log odds ratio of scoring higher, over all cuts of the score and all strata.

    At each cut persons score above it or not; psi = sum A D / T : sum B C / T over strata and
    cuts, with A, B the reference group's and C, D the focal group's counts above and not
    above. **la_log_or = ln psi > 0 means that the item favours the reference group**, as
    alpha > 1 does in Mantel-Haenszel, whose odds ratio it is for binary items.

    Parameters
    ----------
    counts : Cells
        Of two groups. Scores are score points (`Cells.points` says how fractions become such).

    Returns
    -------
    DifResult
        Columns n_reference, n_focal (persons in strata with both groups), n_strata,
        la_log_or, la_or (psi), la_se (of ln psi), la_z, la_p, la_low, la_high (95% interval of
        ln psi), estimable, reason.

    Raises
    ------
    UsageError
        More than two groups.

    Notes
    -----
    Variance: Liu and Agresti's, in which the cuts are correlated; with two score points that of
    Robins, Breslow and Greenland. Score points that nobody has in strata with both groups
    make no cut.

    References
    ----------
    Liu, I.-M., & Agresti, A. (1996). Mantel-Haenszel-type inference for cumulative odds ratios
    with a stratified ordinal response. Biometrics 52, 1223-1234. Penfield, R. D., & Algina, J.
    (2003). Applying the Liu-Agresti estimator of the cumulative common odds ratio to DIF
    detection in polytomous items. Journal of Educational Measurement 40, 353-370.
    """
    counts.need_two("Liu and Agresti's odds ratio")
    moments = item_moments(counts)
    rows = {item: _row(counts.points(item), moments[item], counts) for item in counts.items}
    return DifResult.of("Liu-Agresti", rows)


def liu_agresti_kernel(counts: ItemCounts) -> dict[str, Array]:
    """Liu and Agresti's estimate for any leading axes.

    Returns
    -------
    dict
        la_log_or (above 0: favours the reference group), la_se and la_z, each (...); NaN under
        separation.
    """
    tables = cumulative_steps(counts.n)
    everywhere = (-2, -1)
    value = tables.log_odds(everywhere)
    psi = np.exp(value)
    square = tables.for_reference.sum(axis=everywhere) ** 2
    spread = cumulative_covariance(tables, psi[..., None]).sum(axis=everywhere)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = spread / square
    single = (tables.weight.max(axis=-2, initial=0.0) > 0).sum(axis=-1) == 1
    if single.any():
        variance = np.where(single, tables.binary_variance(everywhere), variance)
    se = np.sqrt(np.where(variance > 0, variance, np.nan))
    return {"la_log_or": value, "la_se": np.asarray(se), "la_z": np.asarray(value / se)}


def no_odds(tables: Fourfold) -> str:
    """Why tables without leading axes have no odds ratio, in words; "" if they have."""
    ours: npt.NDArray[np.bool_] = tables.for_reference > 0
    theirs: npt.NDArray[np.bool_] = tables.for_focal > 0
    if ours.any() and theirs.any():
        return ""
    if not ours.any() and not theirs.any():
        return "scores do not vary within strata"
    first, second = ("reference", "focal") if theirs.any() else ("focal", "reference")
    return f"separation: within strata no {first} person scores above a {second} person"


def _row(points: ItemCounts, moments: Moments, counts: Cells) -> dict[str, object]:
    reason = why_not(moments, counts) or no_odds(cumulative_steps(points.n))
    found = {name: float(value) for name, value in liu_agresti_kernel(points).items()}
    value, se, z = found["la_log_or"], found["la_se"], found["la_z"]
    if not reason and not np.isfinite(se):
        reason = "the variance is not positive: too few persons"
    if reason:
        value = se = z = float("nan")
    return {
        "n_reference": int(moments.used[0]),
        "n_focal": int(moments.used[1]),
        "n_strata": int(moments.both.sum()),
        "la_log_or": value,
        "la_or": float(np.exp(value)),
        "la_se": se,
        "la_z": z,
        "la_p": float(2 * ndtr(-abs(z))),
        "la_low": value - WIDTH * se,
        "la_high": value + WIDTH * se,
        "estimable": not reason,
        "reason": reason,
    }
