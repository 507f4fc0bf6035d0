"""The three nested models of regression DIF, M1 match, M2 + group, M3 + group x match, fitted to counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from psyalign.dif.counts.cells import Cells
from psyalign.dif.counts.moments import too_few
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.cumulative import CumulativeFit, fit_cumulative

__all__ = ["NestedFits", "Patterns", "nested_fits", "nobody", "why_no_fit", "why_no_regression"]

Array = npt.NDArray[np.float64]

SEPARATION = "scores are separated by the matching variable or the group"
NO_CONVERGENCE = "the ordinal model does not converge"


@dataclass(frozen=True)
class Patterns:
    """Covariate patterns of the regression: stratum x group.

    Attributes
    ----------
    n : array (..., P, S)
        Persons by pattern and score point, P = K G.
    match : array (P,)
        Standardised over all members' persons.
    groups : array (P, G - 1)
        Indicators of the focal groups.
    centre, unit : float
        Mean and SD (n - 1) of the matching variable that standardise it, as R's `scale`.
    """

    n: Array
    match: Array
    groups: Array
    centre: float
    unit: float

    @classmethod
    def of(cls, counts: ItemCounts) -> Patterns:
        *lead, n_strata, n_groups, n_points = counts.n.shape
        n = counts.n.reshape(*lead, n_strata * n_groups, n_points)
        weight = counts.n.sum(axis=(*range(len(lead)), -2, -1))
        size = max(float(weight.sum()), 1.0)
        centre = float(weight @ counts.stratum) / size
        unit = float(np.sqrt(weight @ (counts.stratum - centre) ** 2 / max(size - 1, 1.0))) or 1.0
        match = np.repeat((counts.stratum - centre) / unit, n_groups)
        return cls(n, match, np.tile(np.eye(n_groups)[:, 1:], (n_strata, 1)), centre, unit)

    def design(self, model: int) -> Array:
        """Covariates of M1, M2 or M3, (P, q)."""
        parts = [self.match[:, None], self.groups, self.match[:, None] * self.groups]
        return np.hstack(parts[:model])

    @property
    def n_focal_groups(self) -> int:
        return int(self.groups.shape[1])

    @cached_property
    def spread(self) -> Array:
        """SD (n - 1) of each member's own match in units of the pooled SD, (...)."""
        weight = self.n.sum(axis=-1)
        size = np.maximum(weight.sum(axis=-1), 1)
        squares = weight @ self.match**2 - (weight @ self.match) ** 2 / size
        return np.asarray(np.sqrt(np.maximum(squares, 0) / np.maximum(size - 1, 1)))


@dataclass(frozen=True)
class NestedFits:
    """M1, M2 and M3 of the same counts."""

    patterns: Patterns
    models: tuple[CumulativeFit, CumulativeFit, CumulativeFit]

    @property
    def params(self) -> tuple[Array, Array, Array]:
        """To start from in resamples."""
        m1, m2, m3 = self.models
        return m1.params, m2.params, m3.params

    def ratio(self, small: int, large: int) -> Array:
        """Likelihood ratio chi-square of two of the models 1, 2, 3; differences by rounding are 0."""
        return np.asarray(
            np.maximum(2 * (self.models[large - 1].loglik - self.models[small - 1].loglik), 0.0)
        )

    @property
    def r_squared(self) -> dict[str, Array]:
        """Cox and Snell's, Nagelkerke's and McFadden's R^2 of the three models, (3, ...)."""
        by_point = self.patterns.n.sum(axis=-2)
        size = by_point.sum(axis=-1)
        share = by_point / np.maximum(size, 1)[..., None]
        null = (by_point * np.log(np.where(share > 0, share, 1.0))).sum(axis=-1)
        logliks = np.stack([model.loglik for model in self.models])
        with np.errstate(divide="ignore", invalid="ignore"):
            cox_snell = -np.expm1(2 * (null - logliks) / size)
            nagelkerke = cox_snell / -np.expm1(2 * null / size)
            return {"coxsnell": cox_snell, "nagelkerke": nagelkerke, "mcfadden": 1 - logliks / null}


def nested_fits(counts: ItemCounts, *, start: Sequence[Array] | None = None) -> NestedFits:
    """Fit M1, M2 and M3, each from the one before it or from `start`; see `ordinal_kernel`."""
    patterns = Patterns.of(counts)
    fits: list[CumulativeFit] = []
    for model in (1, 2, 3):
        begin = None if start is None else start[model - 1]
        if start is None and fits:
            begin = np.pad(fits[-1].params, [(0, 0)] * (counts.n.ndim - 3) + [(0, patterns.n_focal_groups)])
        fits.append(fit_cumulative(patterns.n, patterns.design(model), start=begin))
    return NestedFits(patterns, (fits[0], fits[1], fits[2]))


def why_no_regression(points: ItemCounts, cells: Cells) -> str:
    """Why no regression on the match can be fitted to one item (no leading axes); "" if it can be tried."""
    by_group = points.n.sum(axis=-1)
    few = too_few(by_group.sum(axis=0), cells)
    if few:
        return few
    if len(points.score) == 1:
        return "all persons have the same (rounded) score"
    for label, size in zip(cells.groups, by_group.T, strict=True):
        if (size > 0).sum() == 1:
            return f"the matching variable does not vary in the {label} group"
    return ""


def nobody(n_groups: int) -> ItemCounts:
    """Counts without persons: what is fitted, in vain, to an item that has a reason not to be."""
    return ItemCounts(np.zeros((1, n_groups, 2)), np.zeros(1), np.array([0.0, 1.0]))


def why_no_fit(fits: Sequence[CumulativeFit]) -> str:
    """Which of an item's models have no maximum; "" if all have converged."""
    if all(fit.converged for fit in fits):
        return ""
    return SEPARATION if any(fit.separated for fit in fits) else NO_CONVERGENCE
