"""How many persons per group a DIF analysis needs, by simulation from the graded response model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, stats

from psyalign.dif.counts.moments import moments_of
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.judgement.classes import ES_MODERATE
from psyalign.dif.methods.gmh import gmh_kernel
from psyalign.dif.methods.liu_agresti import liu_agresti_kernel
from psyalign.dif.methods.mantel import mantel_kernel
from psyalign.dif.methods.ordinal import ordinal_kernel
from psyalign.dif.methods.smd import smd_kernel
from psyalign.dif.simulate import GradedItems, default_items, expected_counts, items_like
from psyalign.foundation.errors import UsageError
from psyalign.foundation.progress import progress_bar
from psyalign.foundation.seeds import generator

__all__ = ["POWER_TESTS", "PowerResult", "persons_needed", "power"]

Array = npt.NDArray[np.float64]
Hits = npt.NDArray[np.bool_]

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


class _Row(NamedTuple):
    """One simulation: `power` of a test at one n, and the Monte-Carlo interval."""

    test: str
    n_focal: float
    n_reference: float
    power: float
    low: float
    high: float
    replications: int


@dataclass(frozen=True, repr=False)
class PowerResult:
    """Persons needed, and what was simulated to find out.

    Attributes
    ----------
    needed : pandas.DataFrame
        Indexed by test: n_focal, n_reference (NaN where `MOST` persons do not suffice), and
        power with its Monte-Carlo interval low to high, simulated anew at that n.
    table : pandas.DataFrame
        All simulations: test, n_focal, n_reference, power, low, high, replications.
    about : str
        The design in words.
    """

    needed: pd.DataFrame
    table: pd.DataFrame
    about: str

    def __repr__(self) -> str:
        shown = self.needed.astype({"n_focal": "Int64", "n_reference": "Int64"})
        return self.about + "\n" + shown.to_string(float_format=lambda value: f"{value:.3f}")


def persons_needed(
    es: float = ES_MODERATE,
    *,
    power: float = 0.8,
    alpha: float = 0.05,
    tests: Sequence[str] = ("smd", "mantel", "equivalence"),
    n_items: int = 20,
    n_points: int = 5,
    impact: float = 0.0,
    ratio: float = 1.0,
    n_tested: int = 1,
    scores: pd.DataFrame | None = None,
    studied: int | None = None,
    replications: int = 5000,
    seed: int = 1,
    progress: bool = False,
) -> PowerResult:
    """Persons per group needed to see uniform DIF of a given effect size.

    Scores follow the graded response model, persons are matched on the total, and the studied
    item is made harder for the focal group by the threshold shift at which the population's
    ES = SMD / SD is `-es`. That shift and the probability of each (total, item score) pair follow
    exactly from the model (`expected_counts`), so that a sample is one multinomial draw a group,
    distributed as if every person's answers had been simulated. Power is simulated at a few n,
    its noncentrality is interpolated as a straight line in sqrt(n), and the n found is confirmed
    by new samples.

    Parameters
    ----------
    es : float
        Effect size to see, above 0: item SDs of the total sample.
    power : float
        Share of samples in which it is to be seen.
    alpha : float
        Level of the two-sided test of one item.
    tests : sequence of str
        Of `POWER_TESTS`: "smd", "mantel", "liu_agresti", "gmh", "ordinal" (uniform, likelihood
        ratio) and "equivalence". "equivalence": the share of samples in which an item with a true ES
        of 0 is shown negligible (both one-sided tests at +-es reject at level alpha).
    n_items, n_points : int
        Length of the test and score points an item, for `default_items`.
    impact : float
        How far the focal group's mean ability is below the reference group's, in SD.
    ratio : float
        Reference persons for each focal person.
    n_tested : int
        Items tested at once: alpha is divided by it (Bonferroni, the first step of Holm).
    scores : pandas.DataFrame, optional
        Persons x items of a real table: items and reliability are then taken from it (see
        `items_like`) instead of `n_items` and `n_points`.
    studied : int, optional
        Position of the studied item; default the item that needs the median number of persons.
    replications : int
        Samples for each n.
    seed : int
    progress : bool
        A progress bar on stderr.

    Returns
    -------
    PowerResult

    Raises
    ------
    UsageError
        An unknown test, a share outside (0, 1), or an ES that no shift of this item reaches.

    Examples
    --------
    >>> found = persons_needed(0.25, tests=["smd"], n_items=10, replications=200)
    >>> bool(100 < found.needed.loc["smd", "n_focal"] < 350)
    True
    """
    _check_share(power=power, alpha=alpha)
    _check_tests(tests)
    if es == 0:
        raise UsageError("An ES of 0 cannot be seen.", mend="Give es above 0.")
    items = default_items(n_items, n_points) if scores is None else items_like(scores)
    setting = _settle(items, es, alpha / n_tested, impact, ratio, studied)
    bar = progress_bar(len(tests), "Power", "test") if progress else None
    simulated: list[_Row] = []
    needed: list[_Row] = []
    for test in tests:
        rows, found = _search(setting, test, power, replications, seed)
        simulated += rows
        needed.append(found)
        if bar is not None:
            bar.update(1)
    if bar is not None:
        bar.close()
    n_items, n_points = len(items.slopes), items.thresholds.shape[1] + 1
    about = (
        f"Persons needed to see |ES| = {es:g} with power {power:g} (alpha {setting.alpha:.3g}): "
        f"{n_items} items of {n_points} points, impact {impact:g} SD; simulated"
    )
    return PowerResult(pd.DataFrame(needed).set_index("test"), pd.DataFrame(simulated), about)


def power(
    n_focal: int | Sequence[int],
    *,
    es: float = ES_MODERATE,
    alpha: float = 0.05,
    tests: Sequence[str] = ("smd", "mantel", "equivalence"),
    n_items: int = 20,
    n_points: int = 5,
    impact: float = 0.0,
    ratio: float = 1.0,
    n_tested: int = 1,
    scores: pd.DataFrame | None = None,
    studied: int | None = None,
    replications: int = 5000,
    seed: int = 1,
) -> pd.DataFrame:
    """Power of DIF tests for given numbers of persons, by simulation.

    Parameters
    ----------
    n_focal : int or sequence of int
        Persons in the focal group; the reference group has `ratio` times as many.
    es : float
        0 gives the Type I error (for "equivalence", which needs its margin, use es > 0).
    alpha, tests, n_items, n_points, impact, ratio, n_tested, scores, studied, replications, seed
        See `persons_needed`.

    Returns
    -------
    pandas.DataFrame
        Columns test, n_focal, n_reference, power, low, high (95% Monte-Carlo interval, Wilson),
        replications.

    Raises
    ------
    UsageError
        See `persons_needed`.
    """
    _check_share(alpha=alpha)
    _check_tests(tests)
    if es == 0 and "equivalence" in tests:
        raise UsageError("The equivalence test needs a margin: es above 0.")
    items = default_items(n_items, n_points) if scores is None else items_like(scores)
    setting = _settle(items, es, alpha / n_tested, impact, ratio, studied)
    sizes = [int(size) for size in np.atleast_1d(n_focal)]
    if min(sizes) < 1:
        raise UsageError("n_focal must be at least 1.")
    rows = [_at(setting, test, size, replications, seed) for test in tests for size in sizes]
    return pd.DataFrame(rows)


def _settle(
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


def _at(setting: _Setting, test: str, n_focal: int, replications: int, seed: int) -> _Row:
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
    return _Row(test, n_focal, sizes[0], hits / replications, low, high, replications)


def _draw(shares: Array, sizes: tuple[int, int], replications: int, rng: np.random.Generator) -> ItemCounts:
    parts = [
        rng.multinomial(size, share.ravel() / share.sum(), size=replications).reshape(
            replications, *share.shape
        )
        for size, share in zip(sizes, shares, strict=True)
    ]
    n = np.stack(parts, axis=2).astype(float)
    return ItemCounts(n, np.arange(n.shape[1], dtype=float), np.arange(n.shape[3], dtype=float))


def _search(
    setting: _Setting, test: str, wanted: float, replications: int, seed: int
) -> tuple[list[_Row], _Row]:
    """All simulations of one test, and the one at the n that it needs."""
    rows: dict[int, _Row] = {}

    def simulate(size: int) -> _Row:
        if size not in rows:
            rows[size] = _at(setting, test, size, replications, seed)
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


def _check_share(**shares: float) -> None:
    for name, share in shares.items():
        if not 0 < share < 1:
            raise UsageError(f"{name} must be between 0 and 1, not {share:g}.")


def _check_tests(tests: Sequence[str]) -> None:
    strange = [test for test in tests if test not in POWER_TESTS]
    if strange or not tests:
        raise UsageError(f"Test '{', '.join(strange)}' is unknown.", mend=f"Use {', '.join(POWER_TESTS)}.")


def _smd_hits(counts: ItemCounts, alpha: float, margin: float) -> Hits:
    found = smd_kernel(moments_of(counts))
    return np.asarray(np.abs(found["smd"]) > stats.norm.isf(alpha / 2) * found["se"])


def _equivalence_hits(counts: ItemCounts, alpha: float, margin: float) -> Hits:
    moments = moments_of(counts)
    found = smd_kernel(moments)
    reach = np.abs(found["smd"]) + stats.norm.isf(alpha) * found["se"]
    return np.asarray(reach < margin * moments.sd)


def _mantel_hits(counts: ItemCounts, alpha: float, margin: float) -> Hits:
    return np.asarray(np.abs(mantel_kernel(moments_of(counts))["mantel_z"]) > stats.norm.isf(alpha / 2))


def _liu_agresti_hits(counts: ItemCounts, alpha: float, margin: float) -> Hits:
    return np.asarray(np.abs(liu_agresti_kernel(counts)["la_z"]) > stats.norm.isf(alpha / 2))


def _gmh_hits(counts: ItemCounts, alpha: float, margin: float) -> Hits:
    found = gmh_kernel(counts)
    return np.asarray(found["gmh_chi2"] > stats.chi2.isf(alpha, found["gmh_df"]))


def _ordinal_hits(counts: ItemCounts, alpha: float, margin: float) -> Hits:
    return np.asarray(ordinal_kernel(counts)["lr_uniform"] > stats.chi2.isf(alpha, 1))


# Each says of every sample whether it rejects. (counts, alpha, margin of ES) -> (R,)
POWER_TESTS: dict[str, Callable[[ItemCounts, float, float], Hits]] = {
    "smd": _smd_hits,
    "mantel": _mantel_hits,
    "liu_agresti": _liu_agresti_hits,
    "gmh": _gmh_hits,
    "ordinal": _ordinal_hits,
    "equivalence": _equivalence_hits,
}
