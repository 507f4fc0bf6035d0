"""Classes, shrinkage, equivalence, detectable effects: worked by hand, statsmodels, known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import normal_power
from statsmodels.stats.weightstats import ztost

from psyalign.dif.counts.cells import cells
from psyalign.dif.counts.moments import Moments
from psyalign.dif.judgement.classes import adjust_p, classify_es, classify_ets
from psyalign.dif.judgement.detectable import detectable_by_group, left_out, minimum_detectable
from psyalign.dif.judgement.equivalence import effect_sizes, equivalent
from psyalign.dif.judgement.shrinkage import DELTA_THRESHOLDS, shrink
from psyalign.dif.methods.smd import smd, smd_kernel
from psyalign.foundation.errors import DataError, UsageError


def test_ets_classes_at_their_edges():
    for sign in (1, -1):
        assert classify_ets(sign * 2.5, 0.2, 0.05) == "A"  # not significant below .05
        assert classify_ets(sign * 0.999, 0.01, 1e-9) == "A"
        assert classify_ets(sign * 1.0, 0.1, 1e-9) == "B"
        assert classify_ets(sign * 1.499, 0.01, 1e-9) == "B"
        assert classify_ets(sign * 1.5, 0.3, 1e-6) == "C"  # 1.5 - .4935 = 1.0065
        assert classify_ets(sign * 1.5, 0.304, 1e-6) == "B"  # 1.5 - .50008 = .99992
    assert classify_ets(1.5, 0.3, 1e-6, alpha=0.01) == "B"  # 1.5 - 2.326 (.3) = .80
    assert classify_ets(0.6, 0.05, 1e-6, moderate=0.43, large=0.55) == "C"
    for missing in ((np.nan, 0.1, 0.1), (1.0, np.nan, 0.1), (1.0, 0.1, np.nan)):
        assert classify_ets(*missing) == ""


def test_corrections_are_those_of_statsmodels():
    p = np.random.default_rng(1).uniform(size=20) ** 2
    for ours, theirs in (("holm", "holm"), ("BH", "fdr_bh")):
        np.testing.assert_allclose(adjust_p(p, ours), multipletests(p, method=theirs)[1])
    with pytest.raises(UsageError):
        adjust_p(p, "bonferoni")
    assert classify_es(0.2, 0.01) == "BB"


def test_shrinkage_by_hand():
    """Deltas -2, 0, 2 with errors 1: mean 0, variance 8/2 = 4, tau^2 = 4 - 1 = 3, W = 3/4.

    Posterior of the third: N(1.5, 3/4). Its P(C) = P(w >= 1.5) + P(w <= -1.5) = .5 + P(z < -3.464).
    About a mean given as 0 the variance is 8/3 and tau^2 = 5/3, W = 5/8.
    """
    delta, se = pd.Series([-2.0, 0.0, 2.0], index=list("abc")), pd.Series(1.0, index=list("abc"))
    found = shrink(delta, se, thresholds=DELTA_THRESHOLDS)
    np.testing.assert_allclose(found["tau2"], 3.0)
    np.testing.assert_allclose(found["weight"], 0.75)
    np.testing.assert_allclose(found["posterior_mean"], [-1.5, 0, 1.5])
    np.testing.assert_allclose(found["posterior_sd"], np.sqrt(0.75))
    third = found.loc["c"]
    assert third["p_c"] == pytest.approx(0.5 + stats.norm.cdf(-3 / np.sqrt(0.75)))
    assert third["p_a"] == pytest.approx(
        stats.norm.cdf(-0.5 / np.sqrt(0.75)) - stats.norm.cdf(-2.5 / np.sqrt(0.75))
    )
    np.testing.assert_allclose(found[["p_a", "p_b", "p_c"]].sum(axis=1), 1.0)
    assert third["high"] - third["low"] == pytest.approx(2 * 1.959964 * np.sqrt(0.75), rel=1e-6)
    about_zero = shrink(delta, se, mean=0.0, thresholds=DELTA_THRESHOLDS)
    np.testing.assert_allclose(about_zero["weight"], 0.625)


def test_tau_is_that_of_meta_analysis_where_errors_are_equal():
    rng = np.random.default_rng(7)
    value = pd.Series(rng.normal(size=15))
    expected = combine_effects(value.to_numpy(), np.full(15, 0.3**2), method_re="chi2").tau2
    found = shrink(value, pd.Series(0.3, index=value.index))
    np.testing.assert_allclose(found["tau2"], expected, rtol=1e-12)


def test_shrinkage_without_spread_or_without_items():
    es, se = pd.Series([0.02, -0.01, np.nan]), pd.Series([0.1, 0.1, 0.1])
    found = shrink(es, se)
    assert found["tau2"].tolist()[:2] == [0, 0]
    np.testing.assert_allclose(found["posterior_mean"][:2], 0.005)
    assert found["posterior_sd"].tolist()[:2] == [0, 0]
    assert found["p_a"].tolist()[:2] == [1, 1]
    assert found["p_c"].tolist()[:2] == [0, 0]
    assert found["reason"].tolist() == ["", "", "no estimate with an error above 0"]
    assert found.loc[2].drop(["estimable", "reason", "se"]).isna().all()
    one = shrink(es[:1], se[:1])
    assert one["reason"].tolist() == ["shrinkage needs at least 2 items"]
    assert shrink(pd.Series([0.5]), pd.Series([0.1]), mean=0.0)["estimable"].all()
    assert shrink(es[:0], se[:0]).empty
    for options in ({"thresholds": (0.25, 0.17)}, {"thresholds": (0.0, 0.17)}):
        with pytest.raises(UsageError):
            shrink(es, se, **options)
    with pytest.raises(UsageError):
        shrink(es, se[:2])


def test_shrinkage_is_calibrated():
    """Items as the model says: intervals cover, and of items with P(C) near c a share c is large."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(300):
        truth = rng.normal(0, 0.2, 40)
        se = rng.uniform(0.05, 0.2, 40)
        table = shrink(pd.Series(truth + se * rng.normal(size=40)), pd.Series(se), mean=0.0)
        found.append(table.assign(truth=truth))
    items = pd.concat(found)
    covered = ((items["low"] < items["truth"]) & (items["truth"] < items["high"])).mean()
    assert abs(covered - 0.95) < 0.01
    large = items["truth"].abs() >= 0.25
    for lowest in (0.0, 0.2, 0.4, 0.6, 0.8):  # 840 items or more in each: standard error .017
        mine = items["p_c"].between(lowest, lowest + 0.2)
        assert abs(large[mine].mean() - items.loc[mine, "p_c"].mean()) < 0.05
    # tau^2 is an estimate that is taken as known: the shares of all items are a little off
    for name, truth in (("p_a", items["truth"].abs() < 0.17), ("p_c", large)):
        assert abs(items[name].mean() - truth.mean()) < 0.02
    # and the posterior means are nearer to the truth than the estimates
    error = ((items["posterior_mean"] - items["truth"]) ** 2).mean()
    assert error < 0.8 * ((items["estimate"] - items["truth"]) ** 2).mean()


def test_equivalence_agrees_with_statsmodels():
    rng = np.random.default_rng(2)
    for middle in (-0.3, 0.05, 0.16):
        sample = rng.normal(middle, 1, 400)
        se = sample.std(ddof=1) / 20
        row = equivalent(pd.Series([sample.mean()]), pd.Series([se])).iloc[0]
        p, lower, upper = ztost(sample, -0.17, 0.17)
        assert row["p_equivalence"] == pytest.approx(p, rel=1e-10)
        assert p == max(lower[1], upper[1])
        assert row["p"] == pytest.approx(2 * stats.norm.sf(abs(sample.mean()) / se), rel=1e-12)
        # the 90% interval lies inside the bounds exactly if p < .05
        assert (row["p_equivalence"] < 0.05) == (row["low"] > -0.17 and row["high"] < 0.17)


def test_what_equivalence_shows():
    es = pd.Series([0.0, 0.10, 0.30, 0.16, 0.0, np.nan, 0.1], index=list("abcdefg"))
    se = pd.Series([0.05, 0.03, 0.05, 0.05, 0.20, 0.1, 0.0], index=list("abcdefg"))
    found = equivalent(es, se)
    # b differs significantly from 0 and is shown negligible all the same
    assert found["shown"].tolist() == ["negligible", "negligible", "present", "present", "not shown", "", ""]
    assert found.loc["b", "p"] < 0.05
    assert found["estimable"].tolist() == [True] * 5 + [False] * 2
    assert equivalent(es, se, bound=0.5)["shown"].tolist()[2:5] == ["negligible"] * 3
    for options in ({"bound": 0}, {"alpha": 0.5}, {"alpha": 0}):
        with pytest.raises(UsageError):
            equivalent(es, se, **options)
    with pytest.raises(UsageError):
        equivalent(es, se[:3])


def _smd_samples(shift, samples=1500, n=150, strata=4):
    """SMD tables in one go: normal scores, SD 1 within strata, means 0..3 / 2, DIF `shift` / SD = ES."""
    rng = np.random.default_rng(6)
    n_cell = np.full((samples, strata, 2), float(n))
    mean = np.arange(strata)[:, None] / 2 + np.array([0.0, shift])
    sums = n * mean + np.sqrt(n) * rng.normal(size=n_cell.shape)
    squares = rng.chisquare(n - 1, size=n_cell.shape) + sums**2 / n
    moments = Moments(n_cell, sums, squares, np.arange(strata, dtype=float))
    found = smd_kernel(moments)
    table = pd.DataFrame({"se": found["se"], "sd": moments.sd, "es": found["smd"] / moments.sd})
    return effect_sizes(table)


def test_equivalence_rejects_at_alpha_on_the_bound():
    """DIF such that the true ES is .17: SD^2 = 1 + var(means) + shift^2 / 4 over both groups."""
    inner = 1 + np.var(np.arange(4) / 2)
    shift = 0.17 * np.sqrt(inner / (1 - 0.17**2 / 4))
    found = equivalent(*_smd_samples(shift))
    assert found["es"].mean() == pytest.approx(0.17, abs=0.003)
    assert abs((found["p_equivalence"] < 0.05).mean() - 0.05) < 0.017
    assert (equivalent(*_smd_samples(0.0))["shown"] == "negligible").mean() > 0.6


def test_minimum_detectable_effect_is_detected_as_often_as_said():
    """1,200 persons: shift the scores by the MDE that the null sample predicts."""
    es, se = _smd_samples(0.0)
    table = pd.DataFrame(
        {
            "item": "a",
            "n_reference": 600,
            "n_focal": 600,
            "se": se,
            "sd": 1.0,
            "es": es,
            "estimable": True,
            "reason": "",
        }
    ).set_index("item")
    found = minimum_detectable(table)
    mde = float(found["mde"].mean())
    assert mde == pytest.approx((1.959964 + 0.841621) * se.mean(), rel=1e-5)
    power = normal_power(mde / float(se.mean()), 1, 0.05)
    assert power == pytest.approx(0.80, abs=1e-3)
    seen = equivalent(*_smd_samples(mde * np.sqrt(1 + np.var(np.arange(4) / 2))))
    assert abs((seen["p"] < 0.05).mean() - 0.80) < 0.035
    bound = float(found["smallest_bound"].mean())
    shown = equivalent(es, se, bound=bound)["shown"] == "negligible"
    assert abs(shown.mean() - 0.80) < 0.035


@pytest.fixture
def three_groups(sample):
    """Three items, groups of 100, 20 and 2; item03 without any variation for group b."""
    scores, _, total = sample(5, n=61, items=3)
    names = np.array(["reference"] * 100 + ["b"] * 20 + ["c"] * 2)
    group = pd.Series(names)
    inside = scores["person"].map(group) == "b"
    scores.loc[(scores["item"] == "item03"), "score"] = 2
    scores = scores[~(inside & (scores["item"] == "item02") & (scores["person"] % 10 != 0))]
    return cells(scores, group, total, groups=("reference", "b", "c"))


def test_what_was_left_out_says_why(three_groups):
    found = left_out(three_groups)
    assert found.columns.tolist() == ["item", "group", "n", "min_group", "reason"]
    assert found.to_numpy().tolist() == [
        ["item01", "c", 2, 4, "only 2 persons in the c group"],
        ["item02", "b", 2, 4, "only 2 persons in the b group"],
        ["item02", "c", 2, 4, "only 2 persons in the c group"],
        ["item03", "b", 20, 4, "all persons have the same score"],
        ["item03", "c", 2, 4, "only 2 persons in the c group"],
    ]
    assert left_out(three_groups.pair("b"))["item"].tolist() == ["item02", "item03"]


def test_nothing_left_out_is_an_empty_table(sample):
    scores, group, total = sample(5)
    found = left_out(cells(scores, group, total))
    assert found.empty
    assert "reason" in found.columns


def test_detectable_by_group(three_groups):
    tables = {focal: smd(counts).table for focal, counts in three_groups.pairs()}
    items = minimum_detectable(pd.concat(tables, names=["group"]))
    assert items["group"].tolist() == ["b"] * 3 + ["c"] * 3
    assert items["estimable"].tolist() == [True, False, False] + [False] * 3
    assert items["mde"].notna().tolist() == items["estimable"].tolist()
    by_group = detectable_by_group(items).set_index("group")
    assert by_group["n_items"].tolist() == [1, 0]
    assert by_group["n_left_out"].tolist() == [2, 3]
    assert by_group.loc["b", "mde"] == items.loc[0, "mde"]
    assert np.isnan(by_group.loc["c", "mde"])
    alone = minimum_detectable(tables["b"])
    assert set(alone["group"]) == {"focal"}
    np.testing.assert_allclose(alone["mde_points"], alone["mde"] * tables["b"]["sd"].to_numpy())
    with pytest.raises(UsageError):
        minimum_detectable(tables["b"], power=0.01)
    with pytest.raises(DataError):
        minimum_detectable(tables["b"].drop(columns="sd"))
