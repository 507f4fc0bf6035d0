"""How often `rater_error` flags a fair machine, and what it finds of a biased one. All data are simulated.

True scores have SD 1 within two equal groups that lie a gap apart; each person answers one
item or five, half of the variance of true scores and of the machine's own errors between
persons. A human score is the true score plus an error such that two ratings correlate as said
within groups. The fair machine depends on the true score alone; the biased one is .8 times as
much and .25 lower for the focal group. In the second table all scores are rounded to 0-4.

Run: ``.venv/bin/python benchmarks/rater_error_null.py [--replications 2000]``
"""

from __future__ import annotations

import argparse
import itertools
from typing import NamedTuple

import numpy as np

from psyalign.dif.rater_kernel import METHODS, rater_error_kernel

BIAS, SCALE, NOISE, SHARE = -0.25, 0.8, 0.47, 0.3
Z = 1.959964
# Rows of one call: bounds the memory, not the result.
ROWS = 400_000


class Condition(NamedTuple):
    """persons: of both groups; r: correlation of two ratings of the same response, within groups."""

    persons: int
    items: int
    gap: float
    r: float


CONTINUOUS = [
    Condition(*known)
    for known in itertools.product((100, 300, 1000), (1, 5), (0.0, 0.6), (0.6, 0.8))
    if known[0] * known[1] <= 1500
]
ROUNDED = [
    Condition(persons, items, 0.6, 0.6) for persons, items in ((100, 1), (300, 1), (300, 5), (1000, 1))
]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--replications", type=int, default=2000, help="samples a condition")
    replications = parser.parse_args().replications
    error = np.sqrt(0.05 * 0.95 / replications)
    print(f"Simulated; {replications} samples a condition; standard error of a rate of .05: {error:.4f}.\n")
    first = ["persons", "items each", "gap (SD)", "r human-human"]
    sources = ["one rating, reliability known", f"second rating for {SHARE:.0%}"]
    columns = ["naive", "marginal", "corrected", "coverage", "power"]
    _row([*first, *(f"{source}: {name}" for source in sources for name in columns)])
    _row(["---:"] * (len(first) + len(sources) * len(columns)))
    for condition in CONTINUOUS:
        rates = [_rates(condition, replications, given) for given in (True, False)]
        _row([*condition, *(f"{rate[name]:.3f}" for rate in rates for name in columns)])
    print("\nScores 0-4, all rated twice:\n")
    _row([*first[:3], "naive", "marginal", "corrected"])
    _row(["---:"] * 6)
    for condition in ROUNDED:
        found = _rates(condition, replications, given=False, rounded=True)
        _row([*condition[:3], *(f"{found[name]:.3f}" for name in ("naive", "marginal", "corrected"))])


def _row(values: list[object]) -> None:
    print("| " + " | ".join(str(value) for value in values) + " |", flush=True)


def _rates(condition: Condition, replications: int, given: bool, rounded: bool = False) -> dict[str, float]:
    """Share of fair machines flagged by method; coverage and power of the corrected figure under bias.

    Samples that are not estimable count as not flagged and not covered.
    """
    rng = np.random.default_rng(20_240_601)
    size = max(1, ROWS // (condition.persons * condition.items))
    counts = dict.fromkeys([*METHODS, "coverage", "power"], 0)
    for start in range(0, replications, size):
        samples = min(size, replications - start)
        fair = _figures(rng, condition, samples, given, rounded, biased=False)
        for method in METHODS:
            counts[method] += int((np.abs(fair[f"{method}_estimate"]) > Z * fair[f"{method}_se"]).sum())
        if rounded:
            continue
        biased = _figures(rng, condition, samples, given, rounded, biased=True)
        estimate, reach = biased["corrected_estimate"], Z * biased["corrected_se"]
        counts["coverage"] += int((np.abs(estimate - BIAS) < reach).sum())
        counts["power"] += int((np.abs(estimate) > reach).sum())
    return {name: count / replications for name, count in counts.items()}


def _figures(
    rng: np.random.Generator, condition: Condition, samples: int, given: bool, rounded: bool, biased: bool
) -> dict[str, np.ndarray]:
    n, items, gap, r = condition
    person, item = np.tile(np.arange(n), items), np.repeat(np.arange(items), n)
    focal = (person >= n // 2).astype(float)
    shape = (samples, n * items)
    true = _mixed(rng, samples, n, person) - gap * focal
    human, human2 = (true + np.sqrt(1 / r - 1) * rng.normal(size=shape) for _ in range(2))
    machine = true + NOISE * _mixed(rng, samples, n, person)
    if biased:
        machine = SCALE * machine + BIAS * focal
    if rounded:
        machine, human, human2 = (
            np.clip(np.floor(2.5 + 1.1 * score), 0, 4) for score in (machine, human, human2)
        )
    elif not given:
        human2 = np.where(rng.random(shape) < SHARE, human2, np.nan)
    return rater_error_kernel(
        machine,
        human,
        None if given else human2,
        item=item,
        focal=focal,
        person=person,
        reliability=r if given else None,
        reliability_of="within",
    )


def _mixed(rng: np.random.Generator, samples: int, n: int, person: np.ndarray) -> np.ndarray:
    """Variance 1, half of it the person's."""
    return (rng.normal(size=(samples, n))[:, person] + rng.normal(size=(samples, len(person)))) / np.sqrt(2)


if __name__ == "__main__":
    main()
