"""The page that `dif_rates.py` writes: its tables in Markdown, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

__all__ = ["page"]


COVERAGE = {
    "coverage": "Share of 95% intervals that hold the population value:",
    "SE / SD": "Mean standard error over the SD of the estimates (below 1 the error is understated):",
    "population": "Population value:",
    "mean error": "Mean error of the estimates:",
}

PAGE = """# Simulated error rates of the DIF tests

How often each test of `psyalign.dif` rejects where nothing is wrong (Type I error), how often it sees DIF
of a known kind and size (power), and how often its 95% interval holds the population value (coverage). All
scores are simulated; nothing here is about real persons. The page is written by

```console
$ .venv/bin/python benchmarks/dif_rates.py --replications {replications} --out docs/dif-rates.md
```

## What was simulated

Scores follow the graded response model. 20 items scored 0 to 4 are drawn once by
`psyalign.dif.simulation.graded.default_items(20, 5, seed=1)`: slopes log-normal around 1.3, thresholds
spread around 0. The first is the studied item and an ordinary one: slope 1.2, thresholds −1.35, −.55,
.25, 1.05. The reference group's ability is N(0, 1), the focal group's N(−impact, 1). "b + .25" raises all
thresholds of the studied item for the focal group. "Loading halved" leaves the item's curves where they
are at average ability and halves how much ability counts; "noise doubled" halves the discrimination
around the same thresholds.

Persons are matched on the total of all items, the studied one included, each total a stratum; POLYSIB is
matched on the rest score, as it is defined. Tests are two-sided at .05, with {replications} replications a
condition. A test that holds its level then shows between {low} and {high} in 95% of the cases.

## Beside the figures of METHODS.md

METHODS.md, the project's notes, holds rates from 1,000 replications of a design whose item parameters it
does not give. Two features of the studied item were chosen so as to come near: its slope, from 1.1, 1.2
and 1.3, by Mantel's power, and its thresholds, from even ones around 0 and the same .15 lower, by the
ordinal non-uniform test's Type I error under impact (.130 with the former, outside the band). Nothing
else was fitted. The band is where the difference of two simulated shares of the same rate lies in 95% of
the cases: {inside} are inside.

{compared}

Noise doubled, 250 per group: METHODS.md reports .06 to .09 for "the usual test". Mantel, Liu–Agresti and
ordinal uniform show {noisy} here. The ordinal non-uniform test shows more (see the power table), and the
studied item's slope and difficulty hardly change that.

The rates depend on the studied item, and by more than the band. Its slope moves Mantel's (computed from the
population's counts with a normal approximation, not simulated):

{slopes}

Its difficulty moves the Type I error of the ordinal non-uniform test under impact (no DIF, 1000 per group,
impact 1; noncentral chi-square from the population's counts). An item half an SD easier rejects more than
twice as often as one half an SD harder, and METHODS.md's figure lies between:

{difficulty}

## Type I error, matched on the total

{null}

## Power

{dif}

Some of these are meant to stay near .05: a test of uniform DIF has nothing to see where noise doubles.

## Coverage

The population value comes from the model's exact cell probabilities
(`psyalign.dif.simulation.population.expected_counts`): it is what the estimate tends to with many persons
and the same matching score. Where the estimate's mean error is not small beside its standard error, strata
that lack a group, or are merged, are the reason.

{coverage}

## Matched on the rest score, no DIF

Under impact, persons of different groups with the same rest score differ in ability, and the more so the
less reliable it is. That is why the total is the default, and why POLYSIB corrects.

{rest}

## Binary items

20 items 0 or 1, drawn in the same way (studied item: slope 1.2, threshold 0).

{two}

{coverage_two}

## Change in DIF

A machine scores the same responses before and after; the focal group's thresholds are .5 too high before,
and .5 or .25 after. 500 persons per group, matched on the total of 20 human scores. Both scorings add an
error of their own to the same latent response, of SD .75, so chosen that the paired test's power is near
METHODS.md's, which does not give its design. What can be compared is the pattern: the paired test holds its
level; two independent z never reject where nothing changed, and see little of what did.

{change}

## How to read this

- A Type I error above the band means that the test flags too often in that design, and its power there is
  not to be compared with that of a test that holds its level.
- Power belongs to this item and this test length. `psyalign.dif.persons_needed` answers for yours.
- Under impact the total of a finite test is not a perfect match: tests of non-uniform DIF, the
  adjacent-category ones most, see differences that are not in the item. More persons make it worse.
- The multinomial standard error of the SMD is too small with few persons per stratum: the hypergeometric
  one is the default.
- POLYSIB merges thin strata, as `psyalign.dif.polysib` does by default; "mirt's convention" leaves strata
  with fewer than six persons of a group out, and with 100 persons per group hardly any is left.
"""


def plain(value: float) -> str:
    """Three digits, without the 0 before the point, and no minus before .000."""
    text = f"{value:.3f}".replace("-0.000", "0.000")
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def markdown(table: pd.DataFrame) -> str:
    """A Markdown table, numbers to the right."""
    head = "| " + " | ".join(map(str, table.columns)) + " |"
    rule = "|" + "|".join("--:" if table[name].dtype.kind == "f" else "---" for name in table) + "|"
    rows = [
        "| " + " | ".join(plain(value) if isinstance(value, float) else str(value) for value in row) + " |"
        for row in table.itertuples(index=False)
    ]
    return "\n".join([head, rule, *rows])


def by_letter(rates: pd.DataFrame, lost: pd.DataFrame) -> str:
    """A legend of the conditions, one row a test, and where tests are not estimable."""
    letters = dict(zip(rates.columns, "ABCDEFGH", strict=False))
    legend = "\n".join(f"- {letter}: {label}" for label, letter in letters.items())
    gone = [
        f"{test} in {share:.1%} of {letters[label]}"
        for label in lost.columns
        for test, share in lost[label].items()
        if share > 0
    ]
    note = f"\n\nNot estimable, counted as no rejection: {'; '.join(gone)}." if gone else ""
    table = rates.rename(columns=letters).rename_axis("test").reset_index()
    return f"{legend}\n\n{markdown(table)}{note}"


def by_estimate(table: pd.DataFrame) -> str:
    """A legend of the conditions, and a table each of coverage, standard error and population value."""
    letters = dict(zip(table["condition"].unique(), "ABCDEFGH", strict=False))
    legend = "\n".join(f"- {letter}: {label}" for label, letter in letters.items())
    parts = [legend]
    for column, title in COVERAGE.items():
        wide = table.pivot(index="estimate", columns="condition", values=column)
        wide = wide.reindex(index=table["estimate"].unique(), columns=list(letters)).rename(columns=letters)
        parts.append(f"{title}\n\n{markdown(wide.rename_axis(columns=None).reset_index())}")
    return "\n\n".join(parts)


def page(
    replications: int,
    alpha: float,
    *,
    compared: pd.DataFrame,
    noisy: tuple[float, float],
    slopes: pd.DataFrame,
    difficulty: pd.DataFrame,
    rates: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    coverage: pd.DataFrame,
    coverage_two: pd.DataFrame,
    change: pd.DataFrame,
) -> str:
    """The whole page, in Markdown."""
    reach = float(stats.norm.isf(0.025)) * float(np.sqrt(alpha * (1 - alpha) / replications))
    return PAGE.format(
        replications=replications,
        low=plain(alpha - reach),
        high=plain(alpha + reach),
        compared=markdown(compared),
        inside=f"{(compared['inside'] == 'yes').sum()} of {len(compared)}",
        noisy=" to ".join(map(plain, noisy)),
        slopes=markdown(slopes),
        difficulty=markdown(difficulty),
        coverage=by_estimate(coverage),
        coverage_two=by_estimate(coverage_two),
        change=markdown(change),
        **{name: by_letter(*tables) for name, tables in rates.items()},
    )
