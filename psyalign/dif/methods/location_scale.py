"""Location-scale DIF: is one group scored with more noise, not only higher or lower?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from psyalign.dif.counts.cells import Cells
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.cumulative import CumulativeFit, fit_cumulative
from psyalign.dif.methods.nested import NestedFits, Patterns, nobody, why_no_fit, why_no_regression
from psyalign.dif.result import DifResult

__all__ = ["location_scale", "location_scale_kernel"]

Array = npt.NDArray[np.float64]

TWO_POINTS = "with two score points a scale effect is the same as non-uniform DIF: see ordinal or logistic"


def location_scale(counts: Cells) -> DifResult:
    """Test of equal scale in P(Y <= j) = F((alpha_j - beta x - gamma g) / exp(zeta g)).

    x is the matching variable, g 1 for the focal group: the cumulative-logit model with a
    group effect (M2 of `ordinal`) in which the focal group's latent responses may also
    spread more (zeta > 0) or less. A group that is scored with more noise shows here, where
    the tests of uniform and non-uniform DIF have next to no power.

    Parameters
    ----------
    counts : Cells
        Of two groups, with numeric strata; see `ordinal` for strata and score points.

    Returns
    -------
    DifResult
        Columns n_reference, n_focal, scale_lr (chi-square, 1 df: this model against M2),
        scale_p, scale_effect (zeta: log ratio of SDs, focal to reference), scale_se,
        location_effect (gamma, focal minus reference: log-odds in the reference group's
        unit), location_se, location_scale_lr (2 df: against M1, the match alone),
        location_scale_p, estimable, reason.

    Raises
    ------
    UsageError
        More than two groups.

    Notes
    -----
    It takes three score points. With two, the focal group's curve F((alpha - beta x - gamma)
    / exp(zeta)) has an intercept and a slope of its own, whatever they are: that is M3.
    With three or more a noisier group also uses the outer score points more at every match.
    A difference in slope alone (M3) is still partly taken for a difference in scale, so an
    item that is significant in both is to be read by its response curves.

    References
    ----------
    McCullagh, P. (1980). Regression models for ordinal data. JRSS B 42, 109-142. Cox, C.
    (1995). Location-scale cumulative odds models for ordinal data. Statistics in Medicine
    14, 1191-1203.
    """
    counts.need_two("The location-scale model")
    return DifResult.of("location-scale", {item: _row(counts.points(item), counts) for item in counts.items})


def location_scale_kernel(
    counts: ItemCounts, *, start: Sequence[Array] | None = None, fits: NestedFits | None = None
) -> dict[str, Array]:
    """The numbers of `location_scale` for any leading axes, p values apart; NaN where not estimable.

    Parameters
    ----------
    counts : ItemCounts
        n (..., K, 2, S).
    start : sequence of arrays, optional
        `nested_fits(original).params`, as in `ordinal_kernel`.
    fits : NestedFits, optional
        `nested_fits(counts)`, where it is there already: saves two of three models.
    """
    return _statistics(*_fits(counts, start, fits))


def _statistics(match: CumulativeFit, group: CumulativeFit, scale: CumulativeFit) -> dict[str, Array]:
    covariance = scale.slope_covariance()
    return {
        "scale_lr": np.maximum(2 * (scale.loglik - group.loglik), 0.0),
        "scale_effect": scale.log_scales[..., 0],
        "scale_se": np.sqrt(covariance[..., 2, 2]),
        "location_effect": scale.slopes[..., 1],
        "location_se": np.sqrt(covariance[..., 1, 1]),
        "location_scale_lr": np.maximum(2 * (scale.loglik - match.loglik), 0.0),
    }


def _fits(
    counts: ItemCounts, start: Sequence[Array] | None, fits: NestedFits | None
) -> tuple[CumulativeFit, CumulativeFit, CumulativeFit]:
    """Match; match and group; match, group and scale (not converged with two score points)."""
    patterns = Patterns.of(counts)
    if fits is None:
        match = fit_cumulative(patterns.n, patterns.design(1), start=None if start is None else start[0])
        group = fit_cumulative(patterns.n, patterns.design(2), start=None if start is None else start[1])
    else:
        match, group = fits.models[:2]
    enough = (counts.n.sum(axis=(-3, -2)) > 0).sum(axis=-1) > 2
    n = np.where(enough[..., None, None], patterns.n, 0.0)
    begin = np.concatenate([group.params, np.zeros((*group.params.shape[:-1], 1))], axis=-1)
    return match, group, fit_cumulative(n, patterns.design(2), scale=patterns.groups, start=begin)


def _row(points: ItemCounts, cells: Cells) -> dict[str, object]:
    reason = why_no_regression(points, cells)
    if not reason and len(points.score) == 2:
        reason = TWO_POINTS
    fits = _fits(nobody(2) if reason else points, None, None)
    reason = reason or why_no_fit(fits)
    found = _statistics(*fits)
    row = {name: float("nan") if reason else float(value) for name, value in found.items()}
    n_reference, n_focal = points.n.sum(axis=(0, 2))
    return {
        "n_reference": int(n_reference),
        "n_focal": int(n_focal),
        "scale_lr": row["scale_lr"],
        "scale_p": float(chdtrc(1, row["scale_lr"])),
        "scale_effect": row["scale_effect"],
        "scale_se": row["scale_se"],
        "location_effect": row["location_effect"],
        "location_se": row["location_se"],
        "location_scale_lr": row["location_scale_lr"],
        "location_scale_p": float(chdtrc(2, row["location_scale_lr"])),
        "estimable": not reason,
        "reason": reason,
    }
