"""Resampled persons: counts against a loop, intervals against closed forms, speed and memory."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from psyalign.dif.counts.cells import cells
from psyalign.dif.counts.matrix import ScoreMatrix
from psyalign.dif.counts.moments import item_moments
from psyalign.dif.matching.spec import MatchSpec
from psyalign.dif.methods.adjacent import adjacent
from psyalign.dif.methods.crossing import crossing_polysib
from psyalign.dif.methods.gmh import gmh
from psyalign.dif.methods.liu_agresti import liu_agresti
from psyalign.dif.methods.location_scale import location_scale
from psyalign.dif.methods.mantel import mantel
from psyalign.dif.methods.mantel_haenszel import mantel_haenszel
from psyalign.dif.methods.ordinal import ordinal
from psyalign.dif.methods.polysib import polysib
from psyalign.dif.methods.smd import smd, smd_kernel
from psyalign.dif.methods.standardisation import standardisation
from psyalign.dif.whole.intervals import STATISTICS, Statistic, bootstrap, draw
from psyalign.dif.whole.resample import Layer, _weights, person_bootstrap
from psyalign.foundation.errors import DataError, UsageError

THIN = MatchSpec(bins="thin")


@pytest.fixture
def matrix(graded):
    wide, group = graded(np.random.default_rng(3), 80, items=5, points=3)
    wide = wide.astype(float)
    wide.loc[wide.index % 11 == 4, "item02"] = np.nan  # gaps, and an item with fewer score points
    wide["item05"] = wide["item05"].clip(upper=1)
    return ScoreMatrix.from_wide(wide, group.where(group.index != 7))


@pytest.mark.parametrize("spec", [THIN, MatchSpec("rest")], ids=["total", "rest"])
def test_counts_are_those_of_the_drawn_persons(matrix, spec):
    """Each resample, counted again from the table of its persons."""
    strata = matrix.strata(spec)
    layer = Layer(matrix.values, strata)
    kept = np.flatnonzero(matrix.group >= 0)
    keys = [*matrix.values.T, *np.atleast_2d(strata.T), np.nansum(matrix.values, axis=1), matrix.group]
    order = np.lexsort(keys)
    order = order[np.isin(order, kept)]
    weights = np.hstack(list(_weights(matrix.group[order], 2, 3, 5, 2)))
    assert (weights[:, 0] == 1).all()
    for group in (0, 1):
        mine = matrix.group[order] == group
        assert (weights[mine].sum(axis=0) == mine.sum()).all()
    by_item = {item: [] for item in range(5)}
    for _, blocks in person_bootstrap(matrix.group, [layer], replicates=3, seed=5, chunk=2):
        for block in blocks[0]:
            for j, item in enumerate(block.items):
                by_item[item] += [(block.counts, block.moments, j, b) for b in range(block.counts.n.shape[1])]
    for item, found in by_item.items():
        stratum = strata if strata.ndim == 1 else strata[:, item]
        for resample, (counts, moments, j, b) in enumerate(found):
            times = weights[:, resample].astype(int)
            columns = (matrix.values[:, item], stratum, matrix.group)
            y, k, g = (np.repeat(column[order], times) for column in columns)
            assert counts.n[j, b].sum() == np.isfinite(y).sum()
            for (at, s, c), n in np.ndenumerate(counts.n[j, b]):
                assert n == ((k == counts.stratum[at]) & (g == s) & (y == counts.score[c])).sum()
            np.testing.assert_allclose(moments.n[j, b], counts.n[j, b].sum(axis=-1))
            centred = (counts.n[j, b] * (counts.score - moments.centre)).sum(axis=-1)
            np.testing.assert_allclose(moments.sums[j, b], centred, atol=1e-10)


def test_fractional_scores_keep_their_fractions():
    rng = np.random.default_rng(0)
    y = rng.normal(2, 1, (60, 2))
    group = np.repeat([0, 1], 30)
    strata = np.tile([1.0, 2.0, 3.0], 20)
    _, chunk = next(person_bootstrap(group, [Layer(y, strata)], replicates=4, seed=1))
    (block, other) = chunk[0] if len(chunk[0]) == 2 else (chunk[0][0], None)
    names = {0: "reference", 1: "focal"}
    long = pd.DataFrame({"person": range(60), "item": "a", "score": y[:, block.items[0]]})
    counts = cells(long, pd.Series(group).map(names), pd.Series(strata))
    expected = item_moments(counts)["a"]
    np.testing.assert_allclose(block.moments.sd[0, 0], expected.sd)
    np.testing.assert_allclose(smd_kernel(block.moments)["smd"][0, 0], smd_kernel(expected)["smd"])
    np.testing.assert_allclose(block.counts.n[0, 0], counts.points("a").n)
    assert other is None or other.items.tolist() == [1]


def test_chunks_and_order_of_persons_change_nothing(matrix):
    statistics = {name: STATISTICS[name] for name in ("mantel", "smd")}
    one = draw({"x": matrix}, statistics, THIN, replicates=25, seed=9)["x"]
    two = draw({"x": matrix}, statistics, THIN, replicates=25, seed=9, chunk=4)["x"]
    order = np.random.default_rng(1).permutation(len(matrix.persons))
    mixed = ScoreMatrix(matrix.persons[order], matrix.items, matrix.values[order], matrix.group[order])
    three = draw({"x": mixed}, statistics, THIN, replicates=25, seed=9)["x"]
    for key, values in one.items():
        np.testing.assert_allclose(values, two[key], rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(values, three[key], rtol=1e-10, atol=1e-12)
    other = draw({"x": matrix}, statistics, THIN, replicates=25, seed=10)["x"]
    assert (other["smd", "smd"][1:] != one["smd", "smd"][1:]).any()


def test_values_are_those_of_the_methods(matrix):
    table = bootstrap(matrix, ["mantel", "smd"], THIN, replicates=20, seed=1).table
    counts = matrix.count(THIN)
    for name, result, column in (("mantel", mantel(counts), "mantel_z"), ("smd", smd(counts), "smd")):
        mine = table[table["method"] == name].set_index("item")
        np.testing.assert_allclose(mine["value"], result.table[column], rtol=1e-10)
        assert (mine["statistic"] == column).all()
    assert ((table["low"] < table["value"]) & (table["value"] < table["high"])).mean() > 0.8
    assert table["estimable"].all()
    assert (table["n_failed"] == 0).all()


METHOD_OF = {
    "es": (smd, ("es_own",)),
    "liu_agresti": (liu_agresti, ("la_log_or",)),
    "gmh": (gmh, ("gmh_chi2",)),
    "ordinal": (ordinal, STATISTICS["ordinal"].outputs),
    "location_scale": (location_scale, ("scale_lr", "scale_effect")),
    "adjacent": (adjacent, ("adjacent_group_effect",)),
    "polysib": (polysib, ("polysib_beta",)),
    "crossing_polysib": (crossing_polysib, ("csib_beta",)),
    "mantel_haenszel": (mantel_haenszel, ("mh_log_or", "mh_delta")),
    "standardisation": (standardisation, ("std_p_dif",)),
}


@pytest.mark.parametrize("name", METHOD_OF)
def test_all_statistics_have_their_methods_value_and_an_interval_around_it(graded, name):
    """Items with and without gaps, of four and of two score points, in blocks of their own."""
    wide, group = graded(np.random.default_rng(5), 300, items=6, points=3)
    wide = wide.astype(float)
    if name == "mantel_haenszel":
        wide = wide.clip(upper=1)
    wide["item06"] = wide["item06"].clip(upper=1)
    wide.loc[::9, "item02"] = np.nan
    matrix = ScoreMatrix.from_wide(wide, group)
    table = bootstrap(matrix, [name], THIN, replicates=25, seed=1).table
    method, columns = METHOD_OF[name]
    expected = method(matrix.count(STATISTICS[name].spec(THIN))).table
    for column in columns:
        mine = table[table["statistic"] == column].set_index("item")
        np.testing.assert_allclose(mine["value"], expected[column], rtol=1e-6, atol=1e-7)
        sure = mine["estimable"]
        assert sure.sum() >= 5
        assert (mine["low"] < mine["high"])[sure].all()
    again = draw({"x": matrix}, {name: STATISTICS[name]}, THIN, replicates=25, seed=1, chunk=7)["x"]
    whole = draw({"x": matrix}, {name: STATISTICS[name]}, THIN, replicates=25, seed=1)["x"]
    for key, values in whole.items():
        np.testing.assert_allclose(again[key], values, rtol=1e-6, atol=1e-6)


def test_polysib_needs_a_rest_score(matrix):
    with pytest.raises(UsageError, match="rest score"):
        bootstrap(matrix, ["polysib"], MatchSpec("external"))


def test_se_and_interval_are_those_of_the_closed_form(graded):
    wide, group = graded(np.random.default_rng(8), 400, items=6, points=4)
    found = bootstrap(ScoreMatrix.from_wide(wide, group), ["smd"], replicates=400, seed=2)
    closed = smd(ScoreMatrix.from_wide(wide, group).count(MatchSpec())).table
    table = found.table.set_index("item")
    assert np.abs(table["se"] / closed["se"] - 1).max() < 0.2
    width = (table["high"] - table["low"]) / (2 * 1.96 * closed["se"])
    assert width.between(0.8, 1.2).all()
    assert "95% intervals, 400 resamples" in repr(found)


def test_not_estimable_says_why(graded):
    wide, group = graded(np.random.default_rng(8), 30, items=4)
    wide = wide.astype(float)
    wide["item01"] = 1.0
    wide.loc[group == "focal", "item02"] = np.nan
    wide.loc[wide.index[(group == "focal").to_numpy()][2:], "item03"] = np.nan
    table = bootstrap(ScoreMatrix.from_wide(wide, group), ["mantel", "smd"], replicates=10).table
    lost = table[table["item"] != "item04"]
    assert not lost["estimable"].any()
    assert lost[["value", "low", "high", "se"]].isna().all().all()
    reasons = lost.drop_duplicates("item").set_index("item")["reason"]
    assert reasons["item01"] == "all persons have the same score"
    assert reasons["item02"] == "no scores for the focal group"
    assert reasons["item03"] == "only 2 persons in the focal group"


def test_a_statistic_that_fails_in_resamples_counts_the_failures(matrix):
    def kernel(moments):
        first = moments.n[..., 0, 0]
        return {"never": np.full(first.shape, np.nan), "rarely": np.where(first == first[:, :1], 1.0, np.nan)}

    mine = {"mine": Statistic(kernel, ("never", "rarely"), "moments")}
    table = bootstrap(matrix, mine, THIN, replicates=40).table.set_index(["item", "statistic"])
    never, rarely = table.loc[("item01", "never")], table.loc[("item01", "rarely")]
    assert never["n_failed"] == 40
    assert never["reason"] == "not estimable in the sample"
    assert 20 < rarely["n_failed"] < 40
    assert rarely["reason"] == f"estimable in only {40 - rarely['n_failed']} of 40 resamples"


def test_wrong_arguments(matrix):
    with pytest.raises(UsageError, match="unknown"):
        bootstrap(matrix, ["magic"])
    with pytest.raises(UsageError, match="replicate"):
        bootstrap(matrix, replicates=0)
    three = ScoreMatrix(matrix.persons, matrix.items, matrix.values, matrix.group, ("a", "b", "c"))
    with pytest.raises(UsageError, match="Two groups"):
        bootstrap(three)
    fewer = ScoreMatrix(matrix.persons[:9], matrix.items, matrix.values[:9], matrix.group[:9])
    with pytest.raises(DataError, match="same persons"):
        draw({"a": matrix, "b": fewer}, {}, THIN, replicates=1, seed=0)


def test_speed_and_memory_at_a_hundred_thousand_persons():
    """A twentieth of the target's resamples: 1,000 take some 2 s here, the target is 20."""
    rng = np.random.default_rng(0)
    theta = rng.normal(size=(100_000, 1))
    y = np.clip(np.round(2 + theta + rng.normal(size=(100_000, 20))), 0, 4)
    layer = Layer(y, y.sum(axis=1))
    tracemalloc.start()
    started = time.perf_counter()
    total = 0.0
    for _, blocks in person_bootstrap(np.arange(100_000) % 2, [layer], replicates=50, seed=0):
        total += blocks[0][0].counts.n.sum()
    assert time.perf_counter() - started < 8
    assert tracemalloc.get_traced_memory()[1] < 300e6
    tracemalloc.stop()
    assert total == 51 * 2_000_000
