"""Further rated responses and the interval of ES: `smd`'s own error, simulated samples, exhaustive search.

All scores are simulated.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm

from psyalign.dif import cells, matching_strata, smd
from psyalign.dif.judgement.further import POOLED, further_ratings
from psyalign.foundation.errors import UsageError

ITEMS = 6
Z = norm.ppf(0.975)


def simulated(
    rng: np.random.Generator, reference: int, focal: int
) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Items 0-3, the second .4 harder for the focal group, which is half an SD weaker; an external total."""
    group = np.repeat(["reference", "focal"], [reference, focal])
    persons = [f"p{at}" for at in range(len(group))]
    ability = rng.normal(size=len(group)) - 0.5 * (group == "focal")
    easier = ability[:, None] - 0.4 * (group == "focal")[:, None] * (np.arange(ITEMS) == 1)
    scores = rng.binomial(3, expit(easier))
    wide = pd.DataFrame(scores, index=persons, columns=[f"i{at}" for at in range(ITEMS)])
    long = wide.rename_axis("person").reset_index().melt("person", var_name="item", value_name="score")
    side = pd.Series(group, index=persons)
    # a match that is not the total of these scores, so that the mean over items varies
    stratum = pd.Series(np.clip(np.round(ability * 1.5 + rng.normal(size=len(group))), -3, 3), index=persons)
    return long, side, stratum


def test_half_width_now_is_that_of_smd_and_of_its_mean() -> None:
    long, group, stratum = simulated(np.random.default_rng(0), 300, 200)
    sd = long.groupby("item")["score"].std(ddof=1)
    found = further_ratings(long, group, stratum, sd=sd)
    plain = smd(cells(long, group, stratum), sd=sd).table
    by_item = found[found["item"] != POOLED]
    for side in ("reference", "focal"):
        own = by_item[by_item["group"] == side].set_index("item")
        np.testing.assert_allclose(own["half_width"], Z * plain["se"] / plain["sd"], rtol=1e-12)
        np.testing.assert_allclose(own["es"], plain["es"], rtol=1e-12)
        np.testing.assert_array_equal(own["n"], plain[f"n_{side}"])
    pooled = found[found["item"] == POOLED]
    np.testing.assert_allclose(pooled["es"], plain["es"].mean(), rtol=1e-10)


def test_predicted_intervals_are_those_of_larger_samples() -> None:
    """150 and 100 persons; 150 more of one group: mean half-widths of 25 larger samples."""
    rng = np.random.default_rng(1)
    predicted, larger = [], []
    for _ in range(25):
        one = further_ratings(*simulated(rng, 150, 100), more=150).set_index(["item", "group"])
        predicted.append(one["after"].unstack())
        widths = {}
        for side, size in (("reference", (300, 100)), ("focal", (150, 250))):
            other = further_ratings(*simulated(rng, *size)).set_index(["item", "group"])
            widths[side] = other["half_width"].unstack()[side]
        larger.append(pd.DataFrame(widths))
    promise, truth = sum(predicted) / 25, sum(larger) / 25
    now = further_ratings(*simulated(rng, 150, 100)).set_index(["item", "group"])["half_width"].unstack()
    ratio = promise / truth[promise.columns]
    assert (np.abs(ratio - 1) < 0.05).all(axis=None), ratio
    assert (truth < 0.95 * now[truth.columns]).all(axis=None)


def test_half_widths_cover_the_spread_of_effect_sizes() -> None:
    """The half-width is about 1.96 SDs of the ES over samples: what it is an interval for."""
    rng = np.random.default_rng(2)
    tables = [further_ratings(*simulated(rng, 150, 100)) for _ in range(100)]
    first = [table[table["group"] == "focal"].set_index("item") for table in tables]
    es = pd.concat([table["es"] for table in first], axis=1)
    width = pd.concat([table["half_width"] for table in first], axis=1).mean(axis=1)
    ratio = width / (Z * es.std(axis=1, ddof=1))
    assert ((ratio > 0.8) & (ratio < 1.25)).all(), ratio


def test_numbers_reach_the_wanted_half_width_and_no_fewer_do() -> None:
    """Against a search over all numbers, with the error as a sum of the two groups' parts."""
    long, group, stratum = simulated(np.random.default_rng(3), 200, 60)
    wanted = 0.20
    found = further_ratings(long, group, stratum, half_width=wanted)
    one = found[found["item"] == "i0"].set_index("group")
    assert (one["n"] == [200, 60]).all(), "all strata hold both groups"
    # the parts from two published widths: w² = a/n_R + b/n_F, and after one more focal response
    widths, n = one["half_width"] ** 2, one["n"]
    shrunk = (one["half_width"] - one["shrink"]) ** 2
    part = {side: (widths[side] - shrunk[side]) / (1 / n[side] - 1 / (n[side] + 1)) for side in n.index}
    assert part["reference"] / 200 + part["focal"] / 60 == pytest.approx(widths["focal"], rel=1e-9)

    def width(reference: np.ndarray, focal: np.ndarray) -> np.ndarray:
        return np.sqrt(part["reference"] / (200 + reference) + part["focal"] / (60 + focal))

    more = np.arange(3000)
    for side, values in (("reference", width(more, 0 * more)), ("focal", width(0 * more, more))):
        reached = np.flatnonzero(values <= wanted)
        assert np.isnan(one["further"][side]) if not len(reached) else one["further"][side] == reached[0]
    assert np.isnan(one["further"]["reference"]) and one["further"]["focal"] > 0
    grid = np.arange(800)
    enough = width(grid[:, None], grid[None, :]) <= wanted
    fewest = (grid[:, None] + grid[None, :])[enough].min()
    together = one["together"].astype(int)
    assert width(together["reference"], together["focal"]) <= wanted
    assert fewest <= together.sum() <= fewest + 1
    wide = further_ratings(long, group, stratum, half_width=2.0)
    assert (wide["further"] == 0).all() and (wide["together"] == 0).all()


def test_persons_without_a_partner_cost_more_responses() -> None:
    """Half of the reference persons are in strata without a focal one."""
    long, group, stratum = simulated(np.random.default_rng(4), 200, 100)
    alone = group.index[:100]
    apart = stratum.copy()
    apart[alone] = 99.0
    kept = ~long["person"].isin(alone)
    every = further_ratings(long, group, apart, sd=(sd := long.groupby("item")["score"].std(ddof=1)))
    paired = further_ratings(long[kept], group, stratum, sd=sd)
    pd.testing.assert_series_equal(every["half_width"][:-2], paired["half_width"][:-2])
    reference = every["group"].eq("reference")[:-2]
    few = every["shrink"][:-2][reference] / paired["shrink"][:-2][reference]
    assert few.between(0.49, 0.51).all()


def test_what_cannot_be_estimated_says_why_and_nonsense_is_refused() -> None:
    long, group, stratum = simulated(np.random.default_rng(5), 40, 3)
    found = further_ratings(long, group, stratum)
    assert not found["estimable"].any() and found["reason"].str.contains("only 3 persons").all()
    assert found["half_width"].isna().all()
    for wrong in ({"half_width": 0.0}, {"more": 0}, {"alpha": 0.6}):
        with pytest.raises(UsageError):
            further_ratings(long, group, stratum, **wrong)


def test_mean_of_items_matched_on_their_own_total_is_near_nothing() -> None:
    long, group, _ = simulated(np.random.default_rng(6), 300, 300)
    found = further_ratings(long, group, matching_strata(long, group).stratum)
    pooled, others = found[found["item"] == POOLED], found[found["item"] != POOLED]
    assert pooled["es"].abs().max() < 0.02
    assert pooled["half_width"].max() < others["half_width"].min() / 3
