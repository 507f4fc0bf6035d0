"""Intervals and tests for any statistic from resampled persons, all from one set of draws."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from psyalign.foundation.draws import ENOUGH, check_level, inverted_p, percentile_interval
from psyalign.foundation.errors import UsageError

__all__ = ["Interval", "Resamples", "Statistic", "draw_weights", "resample"]

Array = npt.NDArray[np.float64]
# Person weights (B, P) -> any number of named statistics, (B,) each, NaN where undefined.
Statistic = Callable[[Array], Mapping[Any, Array]]
Interval = Literal["percentile", "bca"]

# Weights held at once: 2 MB.
BLOCK = 250_000
# Leave-one-out groups of persons for the acceleration of BCa.
LEFT_OUT = 200


@dataclass(frozen=True, repr=False)
class Resamples:
    """Statistics of a sample and of its resamples.

    Attributes
    ----------
    values : mapping of key to array (B + 1,)
        First the sample's value, then the resamples'.
    without : mapping of key to array (G,)
        Values without one group of persons, for BCa; empty if not asked for.
    """

    values: Mapping[Any, Array]
    without: Mapping[Any, Array]

    def __repr__(self) -> str:
        size = max((len(drawn) - 1 for drawn in self.values.values()), default=0)
        head = f"{len(self.values)} statistics, {size:,} resamples of persons"
        return head + "\n" + self.table().to_string(float_format=lambda value: f"{value:.3f}")

    def minus(self, one: Hashable, other: Hashable) -> Resamples:
        """The difference `one` − `other`, under the key "difference": paired, as the draws are the same."""
        return Resamples(
            {"difference": self.values[one] - self.values[other]},
            {"difference": self.without[one] - self.without[other]} if self.without else {},
        )

    def interval(
        self, key: Hashable, level: float = 0.95, *, kind: Interval = "percentile"
    ) -> tuple[float, float]:
        """Two-sided interval; NaN where fewer than half of the resamples have a value."""
        check_level(level)
        drawn = self.values[key]
        if not np.isfinite(drawn[0]) or np.isfinite(drawn[1:]).mean() < ENOUGH:
            return float("nan"), float("nan")
        if kind == "percentile":
            return percentile_interval(drawn[1:], level)
        if not self.without:
            raise UsageError("BCa needs `resample(..., bca=True)`.", where="kind")
        return _bca(drawn, self.without[key], level)

    def p(self, key: Hashable, null: float = 0.0) -> float:
        """Two-sided p of H0: value = null, by inversion of the percentile interval."""
        return inverted_p(self.values[key][1:], null)

    def noninferior(
        self, after: Hashable, before: Hashable, *, margin: float, level: float = 0.95
    ) -> dict[str, object]:
        """Test that `after` is not worse than `before` by the margin or more.

        H0: after − before ≤ −margin, for a statistic of which more is better (give −RMSE, say).

        Parameters
        ----------
        margin : float
            Above 0, in the statistic's unit (.02 for QWK, say). To be fixed before the data are seen.
        level : float
            One-sided coverage of the lower bound.

        Returns
        -------
        dict
            difference, bound (lower one-sided percentile bound), margin, p (one-sided: share of draws of
            the paired difference at or below −margin, the sample counted as one), noninferior (bound
            above −margin and p at most 1 − level), reason ("" or why there is no test).

        References
        ----------
        Davison & Hinkley (1997), chapters 4-5; Piaggio et al. (2012), JAMA 308, 2594-2604 (CONSORT).
        """
        check_level(level)
        if not margin > 0:
            raise UsageError("The margin of non-inferiority lies above 0.", where=f"margin {margin}")
        drawn = self.minus(after, before).values["difference"]
        known = drawn[1:][np.isfinite(drawn[1:])]
        row: dict[str, object] = {"difference": float(drawn[0]), "margin": margin}
        if not np.isfinite(drawn[0]) or len(known) < ENOUGH * (len(drawn) - 1):
            lacking = {"bound": float("nan"), "p": float("nan"), "noninferior": False}
            return {**row, **lacking, "reason": "not estimable in the sample or in most resamples"}
        p = (1 + int((known <= -margin).sum())) / (1 + len(known))
        bound = float(np.quantile(known, 1 - level))
        passed = bound > -margin and p <= 1 - level
        return {**row, "bound": bound, "p": p, "noninferior": passed, "reason": ""}

    def table(
        self, level: float = 0.95, *, kind: Interval = "percentile", null: float | None = None
    ) -> pd.DataFrame:
        """One row a statistic: key, value, low, high, se, p (of a given null), n_failed, reason."""
        return pd.DataFrame(self.rows(level, kind=kind, null=null))

    def rows(
        self, level: float = 0.95, *, kind: Interval = "percentile", null: float | None = None
    ) -> list[dict[str, object]]:
        """The rows of `table`."""
        out = []
        for key, drawn in self.values.items():
            low, high = self.interval(key, level, kind=kind)
            known, reason = drawn[1:][np.isfinite(drawn[1:])], _why_none(drawn)
            row = {"key": key, "value": float(drawn[0]), "low": low, "high": high}
            row["se"] = float("nan") if reason or len(known) < 2 else float(known.std(ddof=1))
            row["p"] = float("nan") if reason or null is None else self.p(key, null)
            out.append({**row, "n_failed": len(drawn) - 1 - len(known), "reason": reason})
        return out


def resample(
    statistic: Statistic,
    n_persons: int,
    *,
    replicates: int = 1000,
    seed: int | np.random.Generator = 0,
    bca: bool = False,
) -> Resamples:
    """Draw persons with replacement, with all that is theirs, and compute a statistic from the weights.

    Parameters
    ----------
    statistic : callable
        Takes weights (B, P): how often each person counts in each of B samples. Returns named
        arrays (B,): metrics, arms and groups together, so that all share the draws. Sums of
        persons' sums are `weights @ sums`: no loop over resamples.
    n_persons : int
        P, at least 1.
    replicates : int
        At least 1.
    seed : int or numpy.random.Generator
    bca : bool
        Also compute the statistics without each of up to 200 groups of persons.

    Raises
    ------
    UsageError
        No person or no replicate.

    Notes
    -----
    Weights are multinomial (n_persons draws, equal chances): the nonparametric bootstrap of the cluster
    "person" (Davison & Hinkley, 1997, section 3.8). Rows come in blocks of about 2 MB, each
    multiplied in one thread: it is too small a task to share, and threads that wait take processor time.
    """
    if n_persons < 1 or replicates < 1:
        raise UsageError("At least one person and one replicate are needed.", where="resample")
    rng = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(seed)
    size = max(1, BLOCK // n_persons)
    sample = np.ones((1, n_persons))
    drawn = (draw_weights(rng, n_persons, min(size, replicates - at)) for at in range(0, replicates, size))
    with threadpool_limits(1, user_api="blas"):
        values = _values(statistic, chain([sample], drawn))
        return Resamples(values, _values(statistic, _leave_out(n_persons, size)) if bca else {})


def _values(statistic: Statistic, blocks: Iterable[Array]) -> dict[Any, Array]:
    parts = [statistic(weights) for weights in blocks]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def _leave_out(n_persons: int, size: int) -> Iterator[Array]:
    """Weights without each group of persons, `size` rows at a time."""
    group = np.arange(n_persons) % min(n_persons, LEFT_OUT)
    for first in range(0, int(group.max()) + 1, size):
        left = np.arange(first, min(first + size, group.max() + 1))
        yield (group[None, :] != left[:, None]) * 1.0


def draw_weights(rng: np.random.Generator, n_persons: int, replicates: int) -> Array:
    """Multinomial weights (replicates, n_persons)."""
    weights = np.empty((replicates, n_persons))
    for (
        row
    ) in weights:  # n draws counted: faster than `rng.multinomial`, which draws a binomial for each person
        row[:] = np.bincount(rng.integers(n_persons, size=n_persons), minlength=n_persons)
    return weights


def _bca(drawn: Array, without: Array, level: float) -> tuple[float, float]:
    """Efron (1987): bias from the share of draws below the value, acceleration from the jackknife."""
    known, left = drawn[1:][np.isfinite(drawn[1:])], without[np.isfinite(without)]
    below = ((known < drawn[0]).sum() + 0.5 * (known == drawn[0]).sum()) / len(known)
    gap = left.mean() - left if len(left) else np.zeros(1)
    spread = float((gap**2).sum())
    if spread == 0 or not 0 < below < 1:
        return percentile_interval(known, level)
    bias, pull = float(ndtri(below)), float((gap**3).sum() / (6 * spread**1.5))
    z = bias + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(known, ndtr(bias + z / (1 - pull * z)))
    return float(low), float(high)


def _why_none(drawn: Array) -> str:
    if not np.isfinite(drawn[0]):
        return "not estimable in the sample"
    known = int(np.isfinite(drawn[1:]).sum())
    few = known < ENOUGH * (len(drawn) - 1)
    return f"estimable in only {known} of {len(drawn) - 1} resamples" if few else ""
