"""Intervals for any DIF statistic from resampled persons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.dif.counts.matrix import ScoreMatrix, anchors_of
from psyalign.dif.counts.moments import item_moments, too_few, why_not
from psyalign.dif.matching.spec import MatchSpec
from psyalign.dif.whole.resample import Layer, Resampled, person_bootstrap
from psyalign.dif.whole.statistics import STATISTICS, LayerDraws, Statistic, chosen
from psyalign.foundation.draws import ENOUGH, check_level, percentile_interval
from psyalign.foundation.errors import DataError, UsageError

__all__ = [
    "STATISTICS",
    "BootstrapResult",
    "Statistic",
    "bootstrap",
    "draw",
    "summary",
    "why_none",
]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class BootstrapResult:
    """Statistics with intervals from resampled persons.

    Attributes
    ----------
    table : pandas.DataFrame
        Columns item, method, statistic, value (of the sample), low, high (percentile
        interval), se (SD over resamples), n_failed (resamples in which it was not
        estimable, which are left out of the three), estimable, reason.
    replicates : int
    level : float
        Coverage of the intervals.
    """

    table: pd.DataFrame
    replicates: int
    level: float

    def __repr__(self) -> str:
        head = f"{self.level:.0%} intervals, {self.replicates:,} resamples of persons, focal minus reference"
        table = self.table.to_string(index=False, float_format=lambda value: f"{value:.3f}")
        return f"{head}\n{table}"


def bootstrap(
    matrix: ScoreMatrix,
    statistics: Sequence[str] | Mapping[str, Statistic] = ("smd",),
    spec: MatchSpec | None = None,
    *,
    replicates: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> BootstrapResult:
    """Percentile intervals of any statistics, item by item, from the same resampled persons.

    Persons are drawn with replacement within each group, with all their items; strata are
    formed once, on the sample, and stay with the person.

    Parameters
    ----------
    matrix : ScoreMatrix
        Of two groups.
    statistics : sequence of str, or mapping of str to Statistic
        Names in `STATISTICS`, or kernels of your own.
    spec : MatchSpec, optional
        Default: matched on the total score.
    replicates : int
        Number of resamples, at least 1.
    seed : int
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    BootstrapResult

    Raises
    ------
    UsageError
        Unknown statistic or none, more than two groups, no replicates, level out of range.

    Notes
    -----
    An effect size has an interval in the usual sense. A chi-square or an R² cannot fall
    below 0 and grows with noise, and resamples are noisier than the sample: the interval
    of such a number sits too high.

    References
    ----------
    Davison, A. C., & Hinkley, D. V. (1997). Bootstrap methods and their application.
    """
    check_level(level)
    spec = spec or MatchSpec()
    wanted = chosen(statistics)
    found = draw({"scores": matrix}, wanted, spec, replicates=replicates, seed=seed)["scores"]
    reasons = {name: why_none(matrix, statistic, spec) for name, statistic in wanted.items()}
    rows = []
    for position, item in enumerate(matrix.items):
        for (method, output), values in found.items():
            row = summary(values[:, position], level, reasons[method][item])
            rows.append({"item": item, "method": method, "statistic": output, **row})
    return BootstrapResult(pd.DataFrame(rows), replicates, level)


def draw(
    matrices: Mapping[str, ScoreMatrix],
    statistics: Mapping[str, Statistic],
    spec: MatchSpec,
    *,
    replicates: int,
    seed: int,
    chunk: int | None = None,
) -> dict[str, dict[tuple[str, str], Array]]:
    """Values of the statistics in the sample and in resamples, the same ones for all matrices.

    Parameters
    ----------
    matrices : mapping of str to ScoreMatrix
        Sets of scores of the same persons in the same order.
    statistics, spec, replicates, seed, chunk
        See `bootstrap` and `person_bootstrap`.

    Returns
    -------
    dict
        By set: by (statistic, output) an array (replicates + 1, I); row 0 is the sample,
        NaN is not estimable.
    """
    group = _common_group(matrices)
    layers: list[Layer] = []
    matching: list[npt.NDArray[np.bool_]] = []
    jobs: list[_Job] = []
    for name, matrix in matrices.items():
        start = len(layers)
        for label, statistic in statistics.items():
            strata = matrix.strata(statistic.spec(spec))
            same = (np.array_equal(layer.strata, strata, equal_nan=True) for layer in layers[start:])
            place = next((at for at, found in enumerate(same, start) if found), len(layers))
            if place == len(layers):
                layers.append(Layer(matrix.values, strata))
                anchors = np.isin(matrix.items, anchors_of(spec, matrix.items))
                matching.append(anchors & ~np.eye(len(matrix.items), dtype=bool))
            shape = (replicates + 1, len(matrix.items))
            arrays = {output: np.full(shape, np.nan) for output in statistic.outputs}
            jobs.append(_Job(name, label, statistic, place, arrays))
    first: list[tuple[Resampled, ...]] = []
    for rows, blocks in person_bootstrap(group, layers, replicates=replicates, seed=seed, chunk=chunk):
        first = first or blocks
        draws = [LayerDraws(*parts) for parts in zip(blocks, first, matching, strict=True)]
        for job in jobs:
            job.run(rows, draws[job.layer])
    out: dict[str, dict[tuple[str, str], Array]] = {name: {} for name in matrices}
    for job in jobs:
        out[job.matrix] |= {(job.label, output): array for output, array in job.arrays.items()}
    return out


def _common_group(matrices: Mapping[str, ScoreMatrix]) -> npt.NDArray[np.int64]:
    """Group by person, if all sets have two groups and the same persons."""
    first = next(iter(matrices.values()))
    for name, matrix in matrices.items():
        if len(matrix.groups) != 2:
            raise UsageError("Two groups are compared.", mend="Take one focal group at a time.")
        if not (matrix.persons.equals(first.persons) and np.array_equal(matrix.group, first.group)):
            raise DataError("The sets are not of the same persons in the same order.", where=f"set '{name}'")
    return first.group


@dataclass(frozen=True)
class _Job:
    """One statistic of one matrix: the layer that it takes, and the arrays (B + 1, I) that it fills."""

    matrix: str
    label: str
    statistic: Statistic
    layer: int
    arrays: dict[str, Array]

    def run(self, rows: slice, draws: LayerDraws) -> None:
        if self.statistic.takes == "layer":
            values = self.statistic.kernel(draws)
            for output, array in self.arrays.items():
                array[rows] = values[output].T
            return
        for block in draws.blocks:
            values = self.statistic.kernel(getattr(block, self.statistic.takes))
            for output, array in self.arrays.items():
                array[rows, block.items] = values[output].T


def why_none(matrix: ScoreMatrix, statistic: Statistic, spec: MatchSpec) -> dict[str, str]:
    """By item: why the statistic cannot be estimated, as far as the counts tell; "" if they don't."""
    counts = matrix.count(statistic.spec(spec))
    strict = statistic.takes == "moments"
    return {
        item: why_not(moments, counts) if strict else too_few(moments.n_all, counts)
        for item, moments in item_moments(counts).items()
    }


def summary(values: Array, level: float, reason: str = "") -> dict[str, object]:
    """Value, interval, SE and failures of one number: its sample value first, then its resamples."""
    value, draws = float(values[0]), values[1:]
    known = draws[np.isfinite(draws)]
    if not reason and not np.isfinite(value):
        reason = "not estimable in the sample"
    if not reason and len(known) < ENOUGH * len(draws):
        reason = f"estimable in only {len(known)} of {len(draws)} resamples"
    nothing = float("nan")
    low, high = (nothing, nothing) if reason else percentile_interval(known, level)
    return {
        "value": nothing if reason else value,
        "low": low,
        "high": high,
        "se": nothing if reason or len(known) < 2 else float(known.std(ddof=1)),
        "n_failed": len(draws) - len(known),
        "estimable": not reason,
        "reason": reason,
    }
