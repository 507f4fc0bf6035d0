"""What the DIF tests do where the truth is known: Type I error, power, and coverage, by simulation.

Run: ``.venv/bin/python benchmarks/dif_rates.py --replications 10000 --out docs/dif-rates.md``: some minutes
on one core, half a minute with 1,000; without ``--out`` the page is printed. All scores are simulated.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from dif_rates_page import page, plain
from scipy import stats

from psyalign.dif.counts.moments import Moments, moments_of
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.matching.correction import Settings, thin_bins
from psyalign.dif.matching.reliability import item_variance, match_variance
from psyalign.dif.methods.adjacent import adjacent_kernel
from psyalign.dif.methods.breslow_day import breslow_day_kernel
from psyalign.dif.methods.crossing import crossing_polysib_kernel
from psyalign.dif.methods.gmh import gmh_kernel
from psyalign.dif.methods.liu_agresti import liu_agresti_kernel
from psyalign.dif.methods.location_scale import location_scale_kernel
from psyalign.dif.methods.logistic import logistic_kernel
from psyalign.dif.methods.mantel import mantel_kernel
from psyalign.dif.methods.mantel_haenszel import mantel_haenszel_kernel
from psyalign.dif.methods.nested import nested_fits
from psyalign.dif.methods.ordinal import ordinal_statistics
from psyalign.dif.methods.polysib import polysib_kernel
from psyalign.dif.methods.smd import smd_kernel
from psyalign.dif.methods.standardisation import standardisation_kernel
from psyalign.dif.methods.thresholds import thresholds_kernel
from psyalign.dif.simulation.graded import GradedItems, default_items
from psyalign.dif.simulation.population import expected_counts
from psyalign.dif.simulation.scores import count_item, grade, simulate_grm
from psyalign.foundation.progress import say
from psyalign.foundation.seeds import derive_seed, generator

Array = npt.NDArray[np.float64]
Estimates = dict[str, tuple[Array, Array]]

ALPHA = 0.05
Z = float(stats.norm.isf(ALPHA / 2))
SEED = 1
# Replications that are in memory at a time.
BLOCK = 500
# Persons for population values.
POPULATION = 1e8
# The studied item is an ordinary one; the others are drawn once by `default_items`.
N_ITEMS, SLOPE = 20, 1.2
THRESHOLDS = {5: (-1.35, -0.55, 0.25, 1.05), 2: (0.0,)}


@dataclass(frozen=True)
class Condition:
    """One design; the DIF is in the studied item, the first. `shift`: one for all thresholds, or for each."""

    label: str
    n: int
    impact: float = 0.0
    shift: float | tuple[float, ...] = 0.0
    slope_ratio: float = 1.0
    noise: float = 1.0
    points: int = 5

    def design(self, slope: float = SLOPE) -> dict[str, object]:
        """What `simulate_grm` and `expected_counts` take."""
        first = np.arange(N_ITEMS) == 0
        return {
            **items_of(self.points, slope)._asdict(),
            "impact": self.impact,
            "shift": first[:, None] * np.broadcast_to(self.shift, self.points - 1),
            "slope_ratio": np.where(first, self.slope_ratio, 1.0),
            "noise": np.where(first, self.noise, 1.0),
        }


NULL = (
    Condition("100 per group, impact 0", 100),
    Condition("100 per group, impact 1", 100, impact=1.0),
    Condition("1000 per group, impact 0", 1000),
    Condition("1000 per group, impact 1", 1000, impact=1.0),
)
DIF = (
    Condition("b + .25, 1000 per group, impact 0", 1000, shift=0.25),
    Condition("b + .50, 500 per group, impact 1", 500, impact=1.0, shift=0.5),
    Condition("only the highest threshold + .50, 500 per group, impact 0", 500, shift=(0.0, 0.0, 0.0, 0.5)),
    Condition("loading of the ability halved, 500 per group, impact 0", 500, slope_ratio=0.5),
    Condition("noise doubled (discrimination halved), 250 per group, impact 0", 250, noise=2.0),
)
REST = (
    Condition("500 per group, impact 1", 500, impact=1.0),
    Condition("1000 per group, impact 1", 1000, impact=1.0),
)
BINARY = (
    Condition("no DIF, 100 per group, impact 0", 100, points=2),
    Condition("no DIF, 1000 per group, impact 0", 1000, points=2),
    Condition("no DIF, 1000 per group, impact 1", 1000, impact=1.0, points=2),
    Condition("b + .40, 500 per group, impact 0", 500, shift=0.4, points=2),
    Condition("loading of the ability halved, 1000 per group, impact 0", 1000, slope_ratio=0.5, points=2),
)

# METHODS.md: rates in 1,000 replications of a design whose item parameters it does not give.
KNOWN_REPLICATIONS = 1000
KNOWN: Mapping[Condition, Mapping[str, float]] = {
    NULL[0]: {"SMD, multinomial SE": 0.15},
    NULL[2]: {"Mantel": 0.063, "Liu–Agresti": 0.062, "ordinal uniform": 0.062, "ordinal non-uniform": 0.044},
    NULL[3]: {"Mantel": 0.041, "Liu–Agresti": 0.043, "ordinal uniform": 0.044, "ordinal non-uniform": 0.161},
    DIF[0]: {"Mantel": 0.929, "Liu–Agresti": 0.928, "ordinal uniform": 0.947},
    DIF[1]: {"Mantel": 0.989, "Liu–Agresti": 0.988, "ordinal uniform": 0.997},
    DIF[4]: {"location–scale": 1.0},
}
USUAL = ("Mantel", "Liu–Agresti", "ordinal uniform")
KNOWN_REST = {REST[0]: 0.146, REST[1]: 0.273}
# paired test, two independent z
KNOWN_PAIRED = {"the same bias before and after": (0.051, 0.000), "bias .5 before, .25 after": (0.86, 0.108)}


def items_of(points: int, slope: float = SLOPE) -> GradedItems:
    """The items of all conditions; the studied one is the first."""
    items = default_items(N_ITEMS, points, seed=SEED)
    items.slopes[0], items.thresholds[0] = slope, THRESHOLDS[points]
    return items


@dataclass(frozen=True)
class Samples:
    """The studied item's counts by total and by rest score; the rest score's reliability by group (R, 2)."""

    total: ItemCounts
    rest: ItemCounts
    reliability: Array


def draw(condition: Condition, replications: int, seed: int) -> Samples:
    """Simulated samples of one condition."""
    n = condition.n
    scores, group = simulate_grm(n, n, **condition.design(), replications=replications, seed=seed)
    everybody = np.zeros(scores.shape[:2], dtype=np.int64)

    def counts(item: int, match: Literal["total", "rest"] | npt.NDArray[np.int64]) -> ItemCounts:
        return count_item(scores, group, item, match=match, n_points=condition.points)

    others = [counts(item, everybody) for item in range(1, N_ITEMS)]
    return samples_of(counts(0, "total"), counts(0, "rest"), others)


def population(condition: Condition) -> Samples:
    """The same of the population, without sampling error."""
    sizes, design = (POPULATION, POPULATION), condition.design()

    def one(item: int, match: Literal["total", "rest"]) -> ItemCounts:
        found = expected_counts(*sizes, **design, studied=item, match=match)
        return replace(found, n=found.n[None])

    return samples_of(one(0, "total"), one(0, "rest"), [one(item, "total") for item in range(1, N_ITEMS)])


def samples_of(total: ItemCounts, rest: ItemCounts, others: list[ItemCounts]) -> Samples:
    """With coefficient alpha of the rest score."""
    m = len(others)
    within = sum(item_variance(moments_of(counts)) for counts in others)
    return Samples(total, rest, np.asarray(m / (m - 1) * (1 - within / match_variance(moments_of(rest)))))


def sibtest(
    samples: Samples, kernel: Callable[..., dict[str, Array]], corrected: bool = True
) -> dict[str, Array]:
    """A POLYSIB kernel as `polysib` calls it: thin strata are merged, in each sample for itself."""
    rest = moments_of(samples.rest)
    rows = []
    for n, sums, squares, reliability in zip(
        rest.n, rest.sums, rest.squares, samples.reliability, strict=True
    ):
        one = Moments(n, sums, squares, rest.stratum, rest.centre)
        rows.append(kernel(one, reliability if corrected else None, bins=thin_bins(one)))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def p_of_z(z: Array) -> Array:
    return np.asarray(2 * stats.norm.sf(np.abs(z)))


def graded(samples: Samples) -> tuple[dict[str, Array], Estimates]:
    """p of every test, and estimate and standard error of those that estimate, by replication."""
    total, rest = moments_of(samples.total), moments_of(samples.rest)
    smd, multinomial = smd_kernel(total), smd_kernel(total, variance="multinomial")
    agresti, names = liu_agresti_kernel(samples.total), gmh_kernel(samples.total)
    steps = thresholds_kernel(samples.total)
    corrected, naive = sibtest(samples, polysib_kernel), sibtest(samples, polysib_kernel, corrected=False)
    crossing = sibtest(samples, crossing_polysib_kernel)
    dropped = polysib_kernel(rest, samples.reliability, Settings(convention="mirt"))
    fits = nested_fits(samples.total)
    ordinal, adjacent = ordinal_statistics(fits), adjacent_kernel(samples.total)
    scale = location_scale_kernel(samples.total, fits=fits)
    chi2 = stats.chi2.sf
    p = {
        "Mantel": p_of_z(mantel_kernel(total)["mantel_z"]),
        "SMD, hypergeometric SE": p_of_z(smd["smd"] / smd["se"]),
        "SMD, multinomial SE": p_of_z(multinomial["smd"] / multinomial["se"]),
        "Liu–Agresti": p_of_z(agresti["la_z"]),
        "GMH": chi2(names["gmh_chi2"], names["gmh_df"]),
        "ordinal uniform": chi2(ordinal["lr_uniform"], 1),
        "ordinal non-uniform": chi2(ordinal["lr_nonuniform"], 1),
        "ordinal total": chi2(ordinal["lr_total"], 2),
        "ordinal uniform, Wald": chi2(ordinal["wald_uniform"], 1),
        "ordinal non-uniform, Wald": chi2(ordinal["wald_nonuniform"], 1),
        "adjacent uniform": chi2(adjacent["adjacent_lr_uniform"], 1),
        "adjacent non-uniform": chi2(adjacent["adjacent_lr_nonuniform"], 1),
        "adjacent total": chi2(adjacent["adjacent_lr_total"], 2),
        "location–scale": chi2(scale["scale_lr"], 1),
        "step effects differ (DSF)": chi2(steps["dsf_homogeneity_chi2"], steps["dsf_homogeneity_df"]),
        "highest step (DSF)": p_of_z(steps["dsf_z"][..., -1]),
        "POLYSIB": p_of_z(corrected["polysib_z"]),
        "POLYSIB, not corrected": p_of_z(naive["polysib_z"]),
        "POLYSIB, mirt's convention": p_of_z(dropped["polysib_z"]),
        "crossing POLYSIB": chi2(crossing["csib_chi2"], crossing["csib_df"]),
    }
    return p, {
        "SMD, hypergeometric SE": (smd["smd"], smd["se"]),
        "SMD, multinomial SE": (multinomial["smd"], multinomial["se"]),
        "Liu–Agresti log odds ratio": (agresti["la_log_or"], agresti["la_se"]),
        "ordinal group effect": (ordinal["group_effect"], ordinal["group_effect_se"]),
        "scale effect (log SD ratio)": (scale["scale_effect"], scale["scale_se"]),
        "highest step's log odds ratio": (steps["dsf_log_or"][..., -1], steps["dsf_se"][..., -1]),
        "POLYSIB beta": (corrected["polysib_beta"], corrected["polysib_se"]),
    }


def binary(samples: Samples) -> tuple[dict[str, Array], Estimates]:
    """As `graded`, of the methods for binary items."""
    total = moments_of(samples.total)
    plain = mantel_haenszel_kernel(samples.total, continuity=False)
    corrected, crossing = sibtest(samples, polysib_kernel), sibtest(samples, crossing_polysib_kernel)
    logistic, odds = logistic_kernel(samples.total), breslow_day_kernel(samples.total)
    standard = standardisation_kernel(total)
    chi2 = stats.chi2.sf
    p = {
        "Mantel–Haenszel": chi2(plain["mh_chi2"], 1),
        "Mantel–Haenszel, continuity": chi2(mantel_haenszel_kernel(samples.total)["mh_chi2"], 1),
        "standardisation": p_of_z(standard["std_p_dif"] / standard["std_se"]),
        "logistic uniform": chi2(logistic["logistic_lr_uniform"], 1),
        "logistic non-uniform": chi2(logistic["logistic_lr_nonuniform"], 1),
        "logistic total": chi2(logistic["logistic_lr_total"], 2),
        "Breslow–Day (Tarone)": chi2(odds["bd_chi2"], odds["bd_df"]),
        "Breslow–Day, trend": chi2(odds["bd_trend_chi2"], 1),
        "SIBTEST": p_of_z(corrected["polysib_z"]),
        "crossing SIBTEST": chi2(crossing["csib_chi2"], crossing["csib_df"]),
    }
    return p, {
        "Mantel–Haenszel log odds ratio": (plain["mh_log_or"], plain["mh_se"]),
        "standardised P-DIF": (standard["std_p_dif"], standard["std_se"]),
        "SIBTEST beta": (corrected["polysib_beta"], corrected["polysib_se"]),
    }


def on_the_rest(samples: Samples) -> tuple[dict[str, Array], Estimates]:
    """p of tests that are matched on the rest score."""
    rest = moments_of(samples.rest)
    smd, ordinal = smd_kernel(rest), ordinal_statistics(nested_fits(samples.rest))
    corrected, naive = sibtest(samples, polysib_kernel), sibtest(samples, polysib_kernel, corrected=False)
    return {
        "Mantel": p_of_z(mantel_kernel(rest)["mantel_z"]),
        "SMD, hypergeometric SE": p_of_z(smd["smd"] / smd["se"]),
        "Liu–Agresti": p_of_z(liu_agresti_kernel(samples.rest)["la_z"]),
        "ordinal uniform": stats.chi2.sf(ordinal["lr_uniform"], 1),
        "POLYSIB, not corrected": p_of_z(naive["polysib_z"]),
        "POLYSIB": p_of_z(corrected["polysib_z"]),
    }, {}


Method = Callable[[Samples], tuple[dict[str, Array], Estimates]]


@dataclass(frozen=True)
class Found:
    """All replications of one condition."""

    p: dict[str, Array]
    estimates: Estimates

    @property
    def rates(self) -> dict[str, float]:
        """Share of replications in which a test rejects; where it is not estimable it does not."""
        return {test: float((np.nan_to_num(p, nan=1.0) < ALPHA).mean()) for test, p in self.p.items()}

    @property
    def lost(self) -> dict[str, float]:
        """Share of replications in which a test is not estimable."""
        return {test: float(np.isnan(p).mean()) for test, p in self.p.items()}


def stacked(parts: Iterable[Array]) -> Array:
    return np.concatenate(list(parts))


def simulate(condition: Condition, replications: int, method: Method) -> Found:
    """Draw and analyse, a block of replications at a time."""
    started = time.perf_counter()
    parts = []
    for start in range(0, replications, BLOCK):
        size = min(BLOCK, replications - start)
        parts.append(method(draw(condition, size, derive_seed(SEED, condition, method.__name__, start))))
    p = {test: stacked(part[0][test] for part in parts) for test in parts[0][0]}
    both = [part[1] for part in parts]
    estimates = {
        name: (stacked(part[name][0] for part in both), stacked(part[name][1] for part in both))
        for name in both[0]
    }
    say(f"{condition.label}: {time.perf_counter() - started:.0f} s")
    return Found(p, estimates)


def coverage(found: Found, condition: Condition, method: Method) -> pd.DataFrame:
    """By estimate: population value, mean error, mean SE / SD, share of 95% intervals that hold the value."""
    _, known = method(population(condition))
    rows = []
    for name, (value, se) in found.estimates.items():
        truth = float(known[name][0][0])
        there = np.isfinite(value) & np.isfinite(se)
        error, given = (value - truth)[there], se[there]
        rows.append(
            {
                "estimate": name,
                "population": truth,
                "mean error": error.mean(),
                "SE / SD": given.mean() / error.std(ddof=1),
                "coverage": (np.abs(error) <= Z * given).mean(),
            }
        )
    return pd.DataFrame(rows)


def paired(replications: int, n: int = 500, error: float = 0.75) -> dict[str, tuple[float, float]]:
    """Change in DIF of a machine's scores: the paired SMD of the differences, and two independent z.

    Before and after grade the same latent response, each with an error of its own; the focal group's
    thresholds are shifted by .5 before, and by .5 or .25 after. Matching: the total of 20
    human scores.
    """
    items = items_of(5)
    cuts = items.slopes[:, None] * items.thresholds
    rng = generator(SEED, "paired")
    group = np.repeat([0, 1], n)
    bias = dict(zip(KNOWN_PAIRED, (0.5, 0.25), strict=True))
    hits: dict[str, list[Array]] = {name: [] for name in bias}
    for start in range(0, replications, BLOCK):
        theta = rng.standard_normal((min(BLOCK, replications - start), 2 * n))
        total = grade(theta, items.slopes, cuts, rng).sum(axis=-1, dtype=np.int64)
        response = SLOPE * theta + rng.logistic(size=theta.shape)

        def machine(shift: float, response: Array = response) -> npt.NDArray[np.int64]:
            seen = response + error * rng.standard_normal(response.shape) - SLOPE * shift * group
            return np.asarray((seen[..., None] > SLOPE * np.array(THRESHOLDS[5])).sum(axis=-1))

        def smd_of(y: npt.NDArray[np.int64], total: npt.NDArray[np.int64] = total) -> dict[str, Array]:
            return smd_kernel(moments_of(count_item(y[..., None], group, match=total)))

        before = machine(0.5)
        old = smd_of(before)
        for name, shift in bias.items():
            after = machine(shift)
            # differences start at -4, counts at 0
            change, new = smd_of(after - before + 4), smd_of(after)
            independent = (new["smd"] - old["smd"]) / np.hypot(new["se"], old["se"])
            hits[name].append(np.stack([change["smd"] / change["se"], independent]))
    rates = {name: (np.abs(np.concatenate(z, axis=1)) > Z).mean(axis=1) for name, z in hits.items()}
    return {name: (float(rate[0]), float(rate[1])) for name, rate in rates.items()}


def by_slope(slopes: tuple[float, ...] = (1.1, 1.2, 1.3)) -> pd.DataFrame:
    """How the studied item's slope moves Mantel's rates: from the population's counts, with a normal z."""
    designs: dict[str, tuple[Condition, str]] = {
        "no DIF, 1000, impact 1": (NULL[3], "total"),
        "b + .25, 1000": (DIF[0], "total"),
        "b + .50, 500, impact 1": (DIF[1], "total"),
        "rest score, no DIF, 500, impact 1": (REST[0], "rest"),
        "rest score, no DIF, 1000, impact 1": (REST[1], "rest"),
    }
    rows = []
    for slope in slopes:
        row: dict[str, object] = {"slope": f"{slope:.1f}"}
        for name, (condition, match) in designs.items():
            counts = expected_counts(POPULATION, POPULATION, **condition.design(slope), match=match)
            z = float(mantel_kernel(moments_of(counts))["mantel_z"]) * np.sqrt(condition.n / POPULATION)
            row[name] = float(stats.norm.sf(Z - z) + stats.norm.cdf(-Z - z))
        rows.append(row)
    return pd.DataFrame(rows)


def by_difficulty(moves: tuple[float, ...] = (-0.5, -0.25, 0.0, 0.25, 0.5)) -> pd.DataFrame:
    """How the item's difficulty moves the ordinal non-uniform test: no DIF, 1000 per group, impact 1."""
    rows = []
    for move in moves:
        design = NULL[3].design()
        thresholds = np.array(design["thresholds"])
        thresholds[0] += move
        counts = expected_counts(POPULATION, POPULATION, **{**design, "thresholds": thresholds})
        ratio = float(ordinal_statistics(nested_fits(counts))["lr_nonuniform"]) * NULL[3].n / POPULATION
        rate = float(stats.ncx2.sf(stats.chi2.isf(ALPHA, 1), 1, ratio))
        rows.append({"all thresholds moved by": plain(move), "ordinal non-uniform": rate})
    return pd.DataFrame(rows)


def band(known: float, here: float, replications: int) -> float:
    """Half width within which two simulated shares of one rate differ in 95% of the cases."""
    share = (known * KNOWN_REPLICATIONS + here * replications) / (KNOWN_REPLICATIONS + replications)
    # a rate of exactly 0 or 1 has a band too
    share = float(np.clip(share, 0.5 / KNOWN_REPLICATIONS, 1 - 0.5 / KNOWN_REPLICATIONS))
    return Z * float(np.sqrt(share * (1 - share) * (1 / KNOWN_REPLICATIONS + 1 / replications)))


def compared(
    found: Mapping[Condition, Found], rest: Mapping[Condition, Found], replications: int
) -> pd.DataFrame:
    """Our rates beside those of METHODS.md."""
    pairs = [
        (condition.label, test, known, found[condition].rates[test])
        for condition, rates in KNOWN.items()
        for test, known in rates.items()
    ]
    pairs += [
        (f"rest score, {condition.label}", "Mantel", known, rest[condition].rates["Mantel"])
        for condition, known in KNOWN_REST.items()
    ]
    rows = []
    for label, test, known, here in pairs:
        reach = band(known, here, replications)
        inside = "yes" if abs(known - here) <= reach else "no"
        row = {"condition": label, "test": test, "METHODS.md": known, "here": here}
        rows.append({**row, "band": f"± {reach:.3f}".replace("0.", ".", 1), "inside": inside})
    return pd.DataFrame(rows)


def covered(found: Mapping[Condition, Found], method: Method) -> pd.DataFrame:
    """Coverage of all conditions."""
    parts = [coverage(each, condition, method) for condition, each in found.items()]
    labels = [condition.label for condition in found]
    return pd.concat(parts, keys=labels, names=["condition"]).reset_index("condition")


def rate_tables(found: Mapping[Condition, Found]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rates, and shares not estimable: tests x conditions."""
    rates = {condition.label: each.rates for condition, each in found.items()}
    lost = {condition.label: each.lost for condition, each in found.items()}
    return pd.DataFrame(rates), pd.DataFrame(lost)


def change_table(found: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    """Rates of the paired test and of two independent z."""
    names = ("paired SMD (`psyalign.dif.compare`)", "two independent z")
    return pd.DataFrame(
        [
            {"scores": scores, "test": test, "METHODS.md": KNOWN_PAIRED[scores][i], "here": rates[i]}
            for scores, rates in found.items()
            for i, test in enumerate(names)
        ]
    )


def main() -> None:
    """Simulate everything; print the page or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replications", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    r = given.replications
    null, dif = ({c: simulate(c, r, graded) for c in group} for group in (NULL, DIF))
    rest = {c: simulate(c, r, on_the_rest) for c in REST}
    two = {c: simulate(c, r, binary) for c in BINARY}
    noisy = [dif[DIF[4]].rates[test] for test in USUAL]
    text = page(
        r,
        ALPHA,
        compared=compared({**null, **dif}, rest, r),
        noisy=(min(noisy), max(noisy)),
        slopes=by_slope(),
        difficulty=by_difficulty(),
        rates={
            name: rate_tables(found)
            for name, found in {"null": null, "dif": dif, "rest": rest, "two": two}.items()
        },
        coverage=covered({c: {**null, **dif}[c] for c in (NULL[0], NULL[2], *DIF)}, graded),
        coverage_two=covered({c: two[c] for c in BINARY[1:4]}, binary),
        change=change_table(paired(r)),
    )
    if given.out is None:
        print(text)
    else:
        given.out.write_text(text, encoding="utf-8")
        say(f"{given.out} is written")


if __name__ == "__main__":
    main()
