"""Mantel-Haenszel and Breslow-Day against R (difR), statsmodels, scipy and enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import StratifiedTable

from psyalign.dif.counts.cells import Cells, cells
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.judgement.classes import classify_ets
from psyalign.dif.methods.breslow_day import breslow_day, breslow_day_kernel
from psyalign.dif.methods.mantel import mantel
from psyalign.dif.methods.mantel_haenszel import mantel_haenszel, mantel_haenszel_kernel
from psyalign.foundation.errors import UsageError

NUMBERS = ["mh_chi2", "mh_alpha", "mh_log_or", "mh_se", "mh_delta", "mh_delta_se"]


@pytest.fixture
def dich(reference, to_long, groups):
    """Cells of the binary reference data, matched on a sum over anchors and the studied item; R's values."""
    table, values = reference("dich")
    items = values["items"]
    scores, group = to_long(table[items]), groups(table["group"])

    def count(anchors=None, stratum=None) -> Cells:
        if stratum is None:
            pool = items if anchors is None else anchors
            total = table[pool].sum(axis=1)
            own = np.where(scores["item"].isin(pool), 0, scores["score"])
            stratum = scores.assign(stratum=scores["person"].map(total) + own)
        return cells(scores, group, stratum)

    return table, values, count


def _counts(rng: np.random.Generator, shape: tuple[int, ...], k: int = 9) -> ItemCounts:
    """Random 2 x 2 x k tables; some strata lack a group."""
    n = rng.integers(0, 12, (*shape, k, 2, 2)).astype(float)
    n[rng.random((*shape, k)) < 0.15] *= np.array([[1.0], [0.0]])
    return ItemCounts(n, np.arange(k, dtype=float), np.array([0.0, 1.0]))


def _tables(n: np.ndarray) -> np.ndarray:
    """2 x 2 x strata for statsmodels: rows reference and focal, columns higher and lower score."""
    both = (n.sum(axis=-1) > 0).all(axis=-1)
    return np.moveaxis(n[both][:, :, ::-1], 0, -1)


@pytest.mark.parametrize("continuity", [True, False])
@pytest.mark.parametrize("purified", [True, False])
def test_values_of_difr(dich, continuity, purified):
    _, values, count = dich
    expected = values[f"MH_correct{str(continuity).upper()}_purify{str(purified).upper()}"]
    anchors = None
    if purified:
        flagged = np.atleast_1d(expected["DIFitems"])
        anchors = [item for number, item in enumerate(values["items"], 1) if number not in flagged]
    found = mantel_haenszel(count(anchors), continuity=continuity).table
    for ours, theirs in (
        ("mh_chi2", "chi2"),
        ("mh_p", "p"),
        ("mh_alpha", "alphaMH"),
        ("mh_delta", "deltaMH"),
    ):
        np.testing.assert_allclose(found[ours], expected[theirs], rtol=1e-10, err_msg=ours)
    # difR's varLambda is Phillips and Holland's, the same number as Robins, Breslow and Greenland's
    np.testing.assert_allclose(found["mh_se"] ** 2, expected["varLambda"], rtol=1e-10)
    np.testing.assert_allclose(found["mh_delta_se"], 2.35 * np.array(expected["se_log_alpha"]), rtol=1e-10)


def test_log_odds_ratio_external_match_and_anchors(dich):
    table, values, count = dich
    found = mantel_haenszel(count()).table
    np.testing.assert_allclose(found["mh_log_or"] / found["mh_se"], values["MH_logOR"]["z"], rtol=1e-10)
    cases = (
        (count(stratum=table["external"]), values["MH_external_match"]),
        (count(values["items"][:6]), values["MH_anchor_1to6"]),
    )
    for counts, expected in cases:
        found = mantel_haenszel(counts, continuity=False).table
        known = np.array([value is not None for value in expected["chi2"]])
        for ours, theirs in (("mh_chi2", "chi2"), ("mh_alpha", "alphaMH")):
            right = np.array(expected[theirs], dtype=float)[known]
            np.testing.assert_allclose(found[ours][known], right, rtol=1e-10)
        right = np.array(expected["varLambda"], dtype=float)[known]
        np.testing.assert_allclose(found["mh_se"][known] ** 2, right, rtol=1e-10)


@pytest.mark.parametrize("continuity", [True, False])
def test_kernel_for_leading_axes_is_statsmodels(continuity):
    points = _counts(np.random.default_rng(1), (3, 5))
    found = mantel_haenszel_kernel(points, continuity=continuity)
    for place in np.ndindex(3, 5):
        right = StratifiedTable(_tables(points.n[place]))
        assert found["mh_chi2"][place] == pytest.approx(right.test_null_odds(continuity).statistic, rel=1e-12)
        assert found["mh_log_or"][place] == pytest.approx(right.logodds_pooled, rel=1e-12)
        assert found["mh_se"][place] == pytest.approx(right.logodds_pooled_se, rel=1e-12)


def test_kernel_is_the_public_function(dich):
    _, values, count = dich
    counts = count()
    table = mantel_haenszel(counts).table
    for item in values["items"]:
        kernel = mantel_haenszel_kernel(counts.points(item))
        for name in NUMBERS:
            assert float(kernel[name]) == pytest.approx(table.loc[item, name], rel=1e-12), name


def test_exact_p_of_one_stratum_is_fishers():
    rng = np.random.default_rng(2)
    for _ in range(20):
        n = rng.integers(2, 9, (2, 2))
        counts = _cells_of(n[None])
        found = mantel_haenszel(counts, exact=True).table.loc["i"]
        assert found["mh_exact_p"] == pytest.approx(stats.fisher_exact(n).pvalue, rel=1e-9)


def test_exact_p_by_enumeration():
    n = np.array([[[3, 5], [2, 6]], [[1, 4], [2, 7]], [[2, 2], [0, 5]]])  # stratum, group, score
    rows = []
    for table in n:
        reference, higher, size = table[0].sum(), table[:, 1].sum(), table.sum()
        possible = range(max(0, reference + higher - size), min(reference, higher) + 1)
        rows.append([(a, stats.hypergeom.pmf(a, size, higher, reference)) for a in possible])
    chance: dict[int, float] = {}
    for chosen in product(*rows):
        total = sum(a for a, _ in chosen)
        chance[total] = chance.get(total, 0.0) + float(np.prod([p for _, p in chosen]))
    observed = chance[int(n[:, 0, 1].sum())]
    right = sum(p for p in chance.values() if p <= observed * (1 + 1e-7))
    found = mantel_haenszel(_cells_of(n), exact=True).table.loc["i"]
    assert found["mh_exact_p"] == pytest.approx(right, rel=1e-10)


def test_swapped_groups(dich, groups):
    table, values, count = dich
    items = values["items"]
    there = mantel_haenszel(count()).table
    long = (
        table[items].rename_axis("person").reset_index().melt("person", var_name="item", value_name="score")
    )
    back = mantel_haenszel(cells(long, groups(1 - table["group"]), table[items].sum(axis=1))).table
    np.testing.assert_allclose(back["mh_chi2"], there["mh_chi2"], rtol=1e-9)
    np.testing.assert_allclose(back["mh_log_or"], -there["mh_log_or"], rtol=1e-9)
    np.testing.assert_allclose(back["mh_se"], there["mh_se"], rtol=1e-9)


def test_square_of_mantels_z(dich):
    counts = dich[2]()
    found = mantel_haenszel(counts, continuity=False).table
    np.testing.assert_allclose(found["mh_chi2"], mantel(counts).table["mantel_chi2"], rtol=1e-10)


def test_ets_classes():
    assert classify_ets(-2.0, 0.3, 0.001) == "C"
    assert classify_ets(2.0, 0.3, 0.001) == "C"
    # large, but not significantly above 1
    assert classify_ets(-1.6, 0.4, 0.001) == "B"
    assert classify_ets(-1.6, 0.4, 0.001, rule="size") == "C"
    assert classify_ets(-1.2, 0.3, 0.001) == "B"
    assert classify_ets(-0.9, 0.1, 0.001) == "A"
    assert classify_ets(-1.9, 1.0, 0.06) == "A"
    assert classify_ets(-1.9, 1.0, 0.06, rule="size") == "C"
    assert classify_ets(np.nan, 1.0, 0.06) == ""


def test_not_estimable(dich, sample):
    scores, group, total = sample(3, 40, items=2, points=2)
    many = mantel_haenszel(cells(scores, group, total)).table
    assert not many["estimable"].any()
    assert many["reason"].str.contains("more than two score points").all()
    apart = mantel_haenszel(_cells_of(np.array([[[0, 6], [6, 0]], [[0, 5], [4, 3]]]))).table
    assert apart["reason"].str.contains("0 or infinite").all()
    same = mantel_haenszel(_cells_of(np.array([[[6, 0], [6, 0]]])), exact=True).table
    assert same["reason"].tolist() == ["all persons have the same score"]
    for table in (many, apart, same):
        assert table[NUMBERS].isna().all(axis=None)
        assert (table["ets_class"] == "").all()
    kernel = mantel_haenszel_kernel(ItemCounts(np.zeros((2, 3, 2, 2)), np.arange(3.0), np.arange(2.0)))
    assert all(np.isnan(value).all() and value.shape == (2,) for value in kernel.values())
    with pytest.raises(UsageError, match="unknown"):
        mantel_haenszel(dich[2](), rule="strict")  # type: ignore[arg-type]


@pytest.mark.parametrize(("block", "column"), [("BreslowDay_BD", "bd"), ("BreslowDay_trend", "bd_trend")])
def test_breslow_day_of_difr(dich, block, column):
    _, values, count = dich
    found = breslow_day(count(), tarone=False).table
    # difR prints four decimals
    np.testing.assert_allclose(found[f"{column}_chi2"], values[block]["stat"], atol=5.1e-5)
    np.testing.assert_allclose(found[f"{column}_p"], values[block]["p"], atol=5.1e-5)
    if column == "bd":
        assert found["bd_df"].tolist() == values[block]["df"]


@pytest.mark.parametrize("tarone", [True, False])
def test_breslow_day_kernel_is_statsmodels(tarone):
    rng = np.random.default_rng(4)
    n = rng.integers(1, 15, (4, 3, 6, 2, 2)).astype(float)
    n[0, 0, 0] = [[3.0, 3.0], [3.0, 3.0]]
    found = breslow_day_kernel(ItemCounts(n, np.arange(6.0), np.arange(2.0)), tarone=tarone)
    for place in np.ndindex(4, 3):
        right = StratifiedTable(_tables(n[place])).test_equal_odds(adjust=tarone)
        assert found["bd_chi2"][place] == pytest.approx(right.statistic, rel=1e-9)
        assert found["bd_df"][place] == 5


def test_breslow_day_of_an_odds_ratio_of_one():
    n = np.array([[[5, 5], [7, 7]], [[3, 9], [2, 6]], [[8, 4], [4, 2]]])
    found = breslow_day(_cells_of(n)).table.loc["i"]
    assert found["estimable"]
    assert found["bd_chi2"] == pytest.approx(0.0, abs=1e-20)


def test_breslow_day_trend_does_not_depend_on_the_origin(dich):
    counts = dich[2]()
    item = "item06"
    points = counts.points(item)
    moved = ItemCounts(points.n, points.stratum + 100.0, points.score)
    here, there = (float(breslow_day_kernel(p)["bd_trend_chi2"]) for p in (points, moved))
    assert here == pytest.approx(there, rel=1e-9)
    assert breslow_day(counts).table.loc[item, "bd_trend_p"] < 1e-4


def test_breslow_day_needs_two_strata():
    found = breslow_day(_cells_of(np.array([[[4, 5], [6, 3]]]))).table.loc["i"]
    assert not found["estimable"]
    assert "only one stratum" in found["reason"]
    assert np.isnan(found[["bd_chi2", "bd_df", "bd_p", "bd_trend_chi2", "bd_trend_p"]].astype(float)).all()


def _cells_of(n: np.ndarray) -> Cells:
    """Cells of one item "i" from counts (stratum, group, score)."""
    rows = [
        {"item": "i", "stratum": k, "group": ("reference", "focal")[g], "score": s, "count": n[k, g, s]}
        for k, g, s in np.ndindex(n.shape)
        if n[k, g, s]
    ]
    return Cells.from_table(pd.DataFrame(rows))
