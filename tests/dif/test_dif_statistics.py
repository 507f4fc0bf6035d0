"""Mantel, SMD and cells: worked by hand, against statsmodels, and their invariances."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.stats.contingency_tables import StratifiedTable

from psyalign.dif import adjust_p, analyse, cells, classify_es, mantel, ordinal, smd
from psyalign.foundation.errors import DataError, UsageError

NUMBERS = ["smd", "se", "z", "mantel_z"]


def _both(scores, group, stratum):
    # without correction: statsmodels' multipletests collects garbage at every call, .1 s each
    table = analyse(scores, group, stratum, methods=["smd", "mantel"], correction="none")
    return table.set_index("item")


def test_by_hand():
    """Two strata of 4 and 4 persons, one item.

    Stratum 0: reference 0, 1; focal 1, 1. T = 4, sum 3, squares 3:
    F = 2, E = 2/4 * 3 = 1.5, V = 2*2*(4*3 - 9)/(16*3) = .25; m_F - m_R = .5.
    Stratum 1: reference 1, 2; focal 0, 2. sum 5, squares 9:
    F = 2, E = 2.5, V = 4*(36 - 25)/48 = 11/12; m_F - m_R = -.5.
    z = (.5 - .5)/... = 0; SMD = 0; se = sqrt(.25*1*.25 + .25*1*11/12) as (1/2 + 1/2)^2 = 1.
    """
    scores = pd.DataFrame({"person": range(8), "item": "a", "score": [0, 1, 1, 1, 1, 2, 0, 2]})
    group = pd.Series(["reference", "reference", "focal", "focal"] * 2)
    stratum = pd.Series([0] * 4 + [1] * 4)
    row = _both(scores, group, stratum).loc["a"]
    assert row["mantel_z"] == pytest.approx(0, abs=1e-12)
    assert row["smd"] == pytest.approx(0, abs=1e-12)
    assert row["se"] == pytest.approx(np.sqrt(0.25 * 0.25 + 0.25 * 11 / 12))
    assert (row["n_reference"], row["n_focal"], row["es_class"]) == (4, 4, "AA")


def test_mantel_agrees_with_statsmodels_on_binary_scores(sample):
    scores, group, total = sample(3, n=150)
    scores["score"] = (scores["score"] > 1).astype(int)
    found = mantel(cells(scores, group, total)).table
    for item, mine in scores.groupby("item"):
        tables = []
        for _, stratum in mine.groupby(total.reindex(mine["person"]).to_numpy()):
            cross = pd.crosstab(group.reindex(stratum["person"]).to_numpy(), stratum["score"].to_numpy())
            cross = cross.reindex(index=["focal", "reference"], columns=[1, 0], fill_value=0)
            if (cross.sum(axis=1) > 0).all():
                tables.append(cross.to_numpy())
        expected = StratifiedTable(tables).test_null_odds(correction=False)
        assert found.loc[item, "mantel_chi2"] == pytest.approx(expected.statistic, rel=1e-12)


def test_ordinal_agrees_with_statsmodels_run_from_its_own_start(sample):
    scores, group, total = sample(5, n=130)
    found = ordinal(cells(scores, group, total)).table
    focal = (group == "focal").to_numpy(float)
    for item, mine in scores.groupby("item"):
        x = total.reindex(mine["person"]).to_numpy(float)
        y = mine["score"].to_numpy()
        designs = [x[:, None], np.column_stack([x, focal]), np.column_stack([x, focal, x * focal])]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fits = [OrderedModel(y, d, distr="logit").fit(method="bfgs", disp=0).llf for d in designs]
        assert found.loc[item, "lr_uniform"] == pytest.approx(2 * (fits[1] - fits[0]), abs=1e-4)
        assert found.loc[item, "lr_total"] == pytest.approx(2 * (fits[2] - fits[0]), abs=1e-4)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_swapping_the_groups_flips_mantel(seed, sample):
    scores, group, total = sample(seed)
    swapped = group.map({"reference": "focal", "focal": "reference"})
    one, two = _both(scores, group, total), _both(scores, swapped, total)
    np.testing.assert_allclose(one["mantel_z"], -two["mantel_z"], atol=1e-10)
    # in one stratum the weights are the same for both groups: then SMD flips too
    single = pd.Series(0, index=total.index)
    one, two = _both(scores, group, single), _both(scores, swapped, single)
    for name in NUMBERS:
        sign = 1 if name == "se" else -1
        np.testing.assert_allclose(one[name], sign * two[name], atol=1e-10)


@given(seed=st.integers(0, 10_000), shift=st.floats(-1e4, 1e4), scale=st.floats(0.01, 100))
@settings(max_examples=25, deadline=None)
def test_shift_and_scale_of_scores(seed, shift, scale, sample):
    scores, group, total = sample(seed)
    moved = scores.assign(score=scores["score"] * scale + shift)
    one, two = _both(scores, group, total), _both(moved, group, total)
    np.testing.assert_allclose(two["mantel_z"], one["mantel_z"], atol=1e-6)
    np.testing.assert_allclose(two["es"], one["es"], atol=1e-6)
    np.testing.assert_allclose(two["smd"], one["smd"] * scale, atol=1e-6 * scale)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_relabelling_and_reordering_change_nothing(seed, sample):
    scores, group, total = sample(seed)
    rng = np.random.default_rng(seed)
    shuffled = scores.sample(frac=1, random_state=seed)
    code = dict(zip(sorted(total.unique()), rng.permutation(1000)[: total.nunique()], strict=True))
    one, two = _both(scores, group, total), _both(shuffled, group.sample(frac=1), total.map(code))
    for name in NUMBERS:
        np.testing.assert_allclose(two.loc[one.index, name], one[name], atol=1e-10)


@given(seed=st.integers(0, 10_000), copies=st.integers(2, 4))
@settings(max_examples=15, deadline=None)
def test_splitting_a_stratum_into_identical_ones(seed, copies, sample):
    """Strata that are copies of each other give the SMD of one, with the variance of so many."""
    scores, group, _ = sample(seed, n=20)
    parts, members, strata = [], [], []
    for copy in range(copies):
        moved = scores.assign(person=scores["person"] + 1000 * copy)
        parts.append(moved)
        member = group.set_axis(group.index + 1000 * copy)
        members.append(member)
        strata.append(pd.Series(copy, index=member.index))
    many = pd.concat(parts), pd.concat(members)
    split = _both(*many, pd.concat(strata))
    merged = _both(*many, pd.concat(strata) * 0)
    single = _both(scores, group, group.map({"reference": 0, "focal": 0}))
    np.testing.assert_allclose(split["smd"], merged["smd"], atol=1e-10)
    np.testing.assert_allclose(split["smd"], single["smd"], atol=1e-10)
    np.testing.assert_allclose(split["se"], single["se"] / np.sqrt(copies), rtol=1e-10)


def test_fractions_are_accepted_and_rows_give_the_same_as_counts(sample):
    scores, group, total = sample(11)
    fractions = scores.assign(score=scores["score"] + np.random.default_rng(0).normal(0, 0.3, len(scores)))
    row = _both(fractions, group, total).loc["item01"]
    mine = fractions[fractions["item"] == "item01"].set_index("person")["score"]
    weighted = focal = 0.0
    for stratum in total.unique():
        here = mine[total == stratum]
        f, r = here[group == "focal"], here[group == "reference"]
        if len(f) and len(r):
            weighted += len(f) * (f.mean() - r.mean())
            focal += len(f)
    assert row["smd"] == pytest.approx(weighted / focal, abs=1e-12)


def test_type_one_error_is_near_its_level(graded, to_long):
    """150 samples of 8 items, 150 a group, no impact: 1,200 tests, band of about 3 standard errors."""
    rng = np.random.default_rng(20261122)
    frames = []
    for number in range(150):  # one call for all: the items of another sample are other items
        wide, group = graded(rng, 150, items=8)
        long = to_long(wide).assign(stratum=np.tile(wide.sum(axis=1), 8))
        frames.append(long.assign(item=long["item"] + f"/{number}"))
    scores = pd.concat(frames, ignore_index=True)
    rates = (_both(scores, group, scores)[["p", "mantel_p"]] < 0.05).mean()
    assert 0.03 < rates["mantel_p"] < 0.07
    assert 0.03 < rates["p"] < 0.08


def test_classes_and_correction():
    assert classify_es(0.30, 0.20) == "AA"
    assert classify_es(-0.17, 0.001) == "AA"
    assert classify_es(-0.20, 0.001) == "BB"
    assert classify_es(0.26, 0.001) == "CC"
    assert classify_es(float("nan"), 0.01) == ""
    np.testing.assert_allclose(adjust_p([0.01, np.nan, 0.04], "holm"), [0.02, np.nan, 0.04])
    np.testing.assert_allclose(adjust_p([0.01, 0.04, 0.03], "BH"), [0.03, 0.04, 0.04])
    np.testing.assert_allclose(adjust_p([0.01, 0.04], "none"), [0.01, 0.04])
    assert np.isnan(adjust_p([np.nan], "holm")).all()
    with pytest.raises(UsageError, match="Bonf"):
        adjust_p([0.1], "Bonf")


def test_analyse_columns_and_unit(sample):
    scores, group, total = sample(1, n=100)
    sd = pd.Series(2.0, index=[f"item0{i}" for i in range(1, 5)])
    table = analyse(scores, group, total, human_sd=sd)
    assert list(table.columns)[:22] == [
        "item", "n_reference", "n_focal", "smd", "se", "z", "p", "p_adjusted", "es", "es_own", "es_class",
        "mantel_z", "mantel_p", "lr_total", "lr_total_p", "lr_uniform", "lr_uniform_p", "lr_nonuniform",
        "lr_nonuniform_p", "nagelkerke_change", "estimable", "reason",
    ]  # fmt: skip
    np.testing.assert_allclose(table["es"], table["smd"] / 2)
    np.testing.assert_allclose(
        table["es_own"] * table["item"].map(scores.groupby("item")["score"].std()), table["smd"]
    )
    assert table["estimable"].all()
    assert table["estimable"].dtype == bool
    only = analyse(scores, group, total, methods=["mantel"])
    assert only["smd"].isna().all()
    np.testing.assert_allclose(only["p_adjusted"], adjust_p(only["mantel_p"], "holm"))
    with pytest.raises(UsageError, match="mantle") as caught:
        analyse(scores, group, total, methods=["mantle"])
    assert "Did you mean 'mantel'" in str(caught.value)
    with pytest.raises(UsageError):
        analyse(scores, group, total, methods=[])


def test_ordinal_takes_the_unbinned_match(sample):
    scores, group, total = sample(2, n=100)
    coarse = (total // 4).astype(float)
    table = analyse(scores, group, coarse, match=total)
    fine = ordinal(cells(scores, group, total)).table
    np.testing.assert_allclose(table["lr_total"], fine["lr_total"].to_numpy())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, g, t: (s.drop(columns="score"), g, t), "'score' is missing"),
        (lambda s, g, t: (pd.concat([s, s.iloc[:1]]), g, t), "twice"),
        (lambda s, g, t: (s.assign(score="x"), g, t), "numbers"),
        (lambda s, g, t: (s.assign(score=np.inf), g, t), "infinite"),
        (lambda s, g, t: (s, g.replace("focal", "girls"), t), "girls"),
        (lambda s, g, t: (s, pd.concat([g, g.iloc[:1]]), t), "twice"),
        (lambda s, g, t: (s, g, pd.concat([t, t.iloc[:1]])), "twice"),
    ],
)
def test_wrong_tables(change, message, sample):
    with pytest.raises(DataError, match=message):
        cells(*change(*sample(0, n=5)))


def test_results_print(sample):
    counts = cells(*sample(0))
    assert "4 items" in repr(counts)
    assert "4 of 4 items estimable" in repr(mantel(counts))
    assert "focal minus reference" in repr(smd(counts))
    with pytest.raises(UsageError):
        smd(counts, variance="other")  # type: ignore[arg-type]
