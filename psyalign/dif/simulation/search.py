"""Power at one number of persons, and the number at which it is reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from psyalign.dif.counts.moments import moments_of
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.smd import smd_kernel
from psyalign.dif.simulation.decisions import POWER_TESTS
from psyalign.dif.simulation.graded import GradedItems
from psyalign.dif.simulation.population import expected_counts
from psyalign.foundation.errors import UsageError
from psyalign.foundation.seeds import generator

__all__ = ["Row", "at", "search", "settle"]

Array = npt.NDArray[np.float64]

# Persons for population values: so many that no (T - 1) matters.
POPULATION = 1e8
# The search ends here: nobody asks for more persons.
MOST, FEWEST = 1_000_000, 12
# Cells simulated at a time.
BLOCK = 4_000_000
# Steps of the search; from one to the next n changes at most so many times. It is near where the
# log of the next change is below `NEAR`; then n is interpolated from there and around.
STEPS, LEAP, NEAR = 10, 4.0, 0.25
AROUND = (0.75, 1.33)
CONFIRMATIONS = 3
# Confidence of the Monte-Carlo intervals.
CONFIDENCE = 0.95


@dataclass(frozen=True)
class _Setting:
    """A design whose items and DIF are settled; `dif` and `none` are P(stratum, score | group), (2, K, S)."""

    es: float
    alpha: float
    ratio: float
    dif: Array
    none: Array
    cost: float  # n_focal x (standard error of ES)^2 in large samples


class Row(NamedTuple):
    """One simulation: `power` of a test at one n, and the Monte-Carlo interval."""

    test: str
    n_focal: float
    n_reference: float
    power: float
    low: float
    high: float
    replications: int


def settle(
    items: GradedItems, es: float, alpha: float, impact: float, ratio: float, studied: int | None
) -> _Setting:
    if es < 0 or ratio <= 0:
        raise UsageError("es and ratio must be above 0.")
    if studied is not None and not 0 <= studied < len(items.slopes):
        raise UsageError(f"There is no item at position {studied}.", where="studied")

    def population(item: int, shift: float) -> ItemCounts:
        moved = np.zeros(len(items.slopes))
        moved[item] = shift
        sizes = (POPULATION * ratio, POPULATION)
        return expected_counts(*sizes, **items._asdict(), studied=item, impact=impact, shift=moved)

    costs = [_cost(population(item, 0.0)) for item in range(len(items.slopes))]
    # the middle one of the items, not a mean of two
    item = int(np.argsort(costs)[(len(costs) - 1) // 2]) if studied is None else studied
    dif, none = (_calibrated(lambda shift: population(item, shift), target) for target in (-es, 0.0))
    return _Setting(es, alpha, ratio, _shares(dif), _shares(none), costs[item])


def _calibrated(population: Callable[[float], ItemCounts], es: float) -> ItemCounts:
    """The population whose ES is `es`, by root finding over the threshold shift."""

    def miss(shift: float) -> float:
        moments = moments_of(population(shift))
        return float(smd_kernel(moments)["smd"] / moments.sd) - es

    # ES falls as the item becomes harder for the focal group
    if not miss(-4.0) > 0 > miss(4.0):
        raise UsageError(f"No shift of this item's thresholds makes an ES of {es:g}.", mend="Ask for less.")
    return population(float(optimize.brentq(miss, -4.0, 4.0, xtol=1e-6)))


def _cost(counts: ItemCounts) -> float:
    moments = moments_of(counts)
    return float(POPULATION * (smd_kernel(moments)["se"] / moments.sd) ** 2)


def _shares(counts: ItemCounts) -> Array:
    n = np.moveaxis(counts.n, 1, 0)
    return np.asarray(n / n.sum(axis=(1, 2), keepdims=True))


def at(setting: _Setting, test: str, n_focal: int, replications: int, seed: int) -> Row:
    """Power at one n."""
    sizes = (max(round(setting.ratio * n_focal), 1), n_focal)
    shares = setting.none if test == "equivalence" else setting.dif
    rng = generator(seed, "power", test, n_focal)
    decide = POWER_TESTS[test]
    hits, left = 0, replications
    while left:
        block = min(left, max(BLOCK // shares.size, 1))
        hits += int(decide(_draw(shares, sizes, block, rng), setting.alpha, setting.es).sum())
        left -= block
    interval = stats.binomtest(hits, replications).proportion_ci(CONFIDENCE, method="wilson")
    low, high = float(interval.low), float(interval.high)
    return Row(test, n_focal, sizes[0], hits / replications, low, high, replications)


def _draw(shares: Array, sizes: tuple[int, int], replications: int, rng: np.random.Generator) -> ItemCounts:
    parts = [
        rng.multinomial(size, share.ravel() / share.sum(), size=replications).reshape(
            replications, *share.shape
        )
        for size, share in zip(sizes, shares, strict=True)
    ]
    n = np.stack(parts, axis=2).astype(float)
    return ItemCounts(n, np.arange(n.shape[1], dtype=float), np.arange(n.shape[3], dtype=float))


def search(
    setting: _Setting, test: str, wanted: float, replications: int, seed: int
) -> tuple[list[Row], Row]:
    """All simulations of one test, and the one at the n that it needs."""
    rows: dict[int, Row] = {}

    def simulate(size: int) -> Row:
        if size not in rows:
            rows[size] = at(setting, test, size, replications, seed)
        return rows[size]

    def reach(share: float) -> float:
        kept = float(np.clip(share, 0.5 / replications, 1 - 0.5 / replications))
        return _noncentrality(kept, setting.alpha, test)

    goal = reach(wanted)
    size = _whole(setting.cost * (goal / setting.es) ** 2)
    for _ in range(STEPS):
        found = simulate(size).power
        step = float(np.clip((goal / max(reach(found), 1e-3)) ** 2, 1 / LEAP, LEAP))
        if abs(np.log(step)) < NEAR or _whole(size * step) == size:
            break
        size = _whole(size * step)
    if size == MOST and rows[size].power < wanted:
        return list(rows.values()), rows[size]._replace(n_focal=np.nan, n_reference=np.nan)
    for factor in AROUND:
        simulate(_whole(size * factor))
    for _ in range(CONFIRMATIONS):
        near = [n for n in rows if abs(np.log(n / size)) < np.log(2)]
        size = _crossing(np.sqrt(near), np.array([reach(rows[n].power) for n in near]), goal, size)
        row = simulate(size)
        if row.low <= wanted <= row.high:
            break
    return list(rows.values()), rows[size]


def _crossing(root: Array, height: Array, goal: float, size: int) -> int:
    """n at which the line through the simulated noncentralities reaches the goal."""
    if len(root) < 2 or np.ptp(height) == 0:
        return size
    slope, start = np.polyfit(root, height, 1)
    if slope <= 0:
        return size
    found = max((goal - start) / slope, 0.0) ** 2
    return _whole(float(np.clip(found, size / LEAP, size * LEAP)))


def _noncentrality(share: float, alpha: float, test: str) -> float:
    """Effect / standard error at which a test on 1 df has this power (a scale for the others)."""
    if test == "equivalence":
        return float(stats.norm.ppf((1 + share) / 2) + stats.norm.isf(alpha))
    return float(stats.norm.ppf(share) + stats.norm.isf(alpha / 2))


def _whole(size: float) -> int:
    return int(np.clip(np.ceil(size), FEWEST, MOST))
