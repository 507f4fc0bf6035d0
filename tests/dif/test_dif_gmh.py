"""Generalised Mantel-Haenszel: R's values, scipy in one stratum, permutations, batches."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from psyalign.dif.counts.cells import cells
from psyalign.dif.counts.moments import moments_of
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.gmh import (
    generalised_mantel,
    generalised_mantel_kernel,
    gmh,
    gmh_kernel,
)
from psyalign.dif.methods.mantel import mantel

THREE = ("reference", "second", "third")


def _counts(n, score=None):
    n = np.asarray(n, dtype=float)
    score = np.arange(n.shape[-1], dtype=float) if score is None else score
    return ItemCounts(n, np.arange(n.shape[-3]), score)


def _both(n, score=None):
    counts = _counts(n, score)
    return gmh_kernel(counts) | generalised_mantel_kernel(moments_of(counts))


def _random(seed, lead=(), k=6, g=3, s=4, high=5):
    return np.random.default_rng(seed).integers(0, high, size=(*lead, k, g, s)).astype(float)


@pytest.mark.parametrize("block", ["OBS_score", "OBS_restscore", "OBS_deciles"])
def test_values_from_r(reference, to_long, groups, block):
    table, values = reference("poly")
    items, expected = values["items"], values[block]
    scores, total = to_long(table[items]), table[items].sum(axis=1)
    stratum = total
    if block == "OBS_deciles":
        stratum = pd.cut(total, expected["breaks"], labels=False, include_lowest=True).astype(float)
    if block == "OBS_restscore":
        stratum = scores.assign(stratum=scores["person"].map(total) - scores["score"])
    counts = cells(scores, groups(table["group"]), stratum)
    found, means = gmh(counts).table, generalised_mantel(counts).table
    for column, name in (
        (found["gmh_chi2"], "gmh_chi2"),
        (found["gmh_df"], "gmh_df"),
        (found["gmh_p"], "gmh_p"),
        (found["n_strata"], "n_strata_used"),
        (found["n_reference"], "n_ref_used"),
        (found["n_focal"], "n_focal_used"),
        (means["gm_chi2"], "mantel_chi2"),
        (means["gm_p"], "mantel_p"),
    ):
        np.testing.assert_allclose(column, expected[name], rtol=1e-10, err_msg=name)
    assert (means["gm_df"] == 1).all()
    assert found["estimable"].all()


def test_binary_items_are_mantel_haenszel(reference, to_long, groups):
    table, values = reference("dich")
    items = values["items"]
    counts = cells(to_long(table[items]), groups(table["group"]), table[items].sum(axis=1))
    expected = values["MH_correctFALSE_purifyFALSE"]["chi2"]
    np.testing.assert_allclose(gmh(counts).table["gmh_chi2"], expected, rtol=1e-9)
    np.testing.assert_allclose(generalised_mantel(counts).table["gm_chi2"], expected, rtol=1e-9)


@given(seed=st.integers(0, 10_000), g=st.integers(2, 4), s=st.integers(2, 5))
@settings(max_examples=30, deadline=None)
def test_one_stratum_is_pearson_and_kruskal_wallis(seed, g, s):
    """One stratum: (T - 1)/T times Pearson's chi-square; with midranks as scores, Kruskal and Wallis."""
    n = _random(seed, k=1, g=g, s=s) + 1
    table, size = n[0], n.sum()
    by_score = table.sum(axis=0)
    midrank = by_score.cumsum() - (by_score - 1) / 2
    found = _both(n, midrank)
    pearson = stats.chi2_contingency(table, correction=False)
    assert found["gmh_chi2"] == pytest.approx(pearson.statistic * (size - 1) / size, rel=1e-9)
    assert found["gmh_df"] == pearson.dof
    persons = [np.repeat(np.arange(s), row.astype(int)) for row in table]
    assert found["gm_chi2"] == pytest.approx(stats.kruskal(*persons).statistic, rel=1e-9, abs=1e-9)
    assert found["gm_df"] == g - 1


def _by_permutation(n, score=None):
    """Mean and covariance of the table in each stratum over all assignments of scores to persons."""
    g, s = n.shape[1:]
    excess, covariance = np.zeros(g * s), np.zeros((g * s, g * s))
    for table in n.astype(int):
        group = np.repeat(np.arange(g), table.sum(axis=1))
        points = np.repeat(np.arange(s), table.sum(axis=0))
        drawn = []
        for order in itertools.permutations(points):
            one = np.zeros((g, s))
            np.add.at(one, (group, list(order)), 1)
            drawn.append(one.ravel())
        excess += table.ravel() - np.mean(drawn, axis=0)
        covariance += np.cov(np.array(drawn).T, bias=True)
    if score is not None:
        means = np.kron(np.eye(g), score)
        excess, covariance = means @ excess, means @ covariance @ means.T
    return excess @ np.linalg.pinv(covariance, rcond=1e-10) @ excess, np.linalg.matrix_rank(
        covariance, tol=1e-9
    )


# the third stratum lacks the second group, the fourth compares nobody
SMALL = np.array(
    [
        [[1, 0, 1], [0, 2, 0], [0, 0, 2]],
        [[2, 0, 0], [0, 1, 1], [1, 0, 1]],
        [[1, 1, 0], [0, 0, 0], [0, 1, 2]],
        [[0, 0, 0], [2, 1, 1], [0, 0, 0]],
    ]
)


def test_several_groups_by_permutation():
    score = np.array([0.0, 1.0, 3.0])
    found = _both(SMALL, score)
    chi2, df = _by_permutation(SMALL)
    assert (float(found["gmh_chi2"]), found["gmh_df"]) == (pytest.approx(chi2, rel=1e-9), df)
    chi2, df = _by_permutation(SMALL, score)
    assert (float(found["gm_chi2"]), found["gm_df"]) == (pytest.approx(chi2, rel=1e-9), df)
    assert found["gmh_df"] == 4
    assert found["gm_df"] == 2


@given(seed=st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_names_order_shift_and_padding_change_nothing(seed):
    n = _random(seed)
    found = _both(n)
    order = np.random.default_rng(seed).permutation(3)
    alone = n.copy()
    alone[:, 1:] = 0  # strata of one group
    others = {
        "groups": _both(n[:, order]),
        "strata": _both(n[::-1]),
        "shift": _both(n, np.arange(4) - 1e4),
        "padded": _both(np.insert(np.concatenate([n, alone]), 2, 0, axis=-1), np.array([0.0, 1, 9, 2, 3])),
    }
    for name, other in others.items():
        for key, value in found.items():
            np.testing.assert_allclose(other[key], value, rtol=1e-7, atol=1e-9, err_msg=f"{name} {key}")
    recoded = gmh_kernel(_counts(n[..., [2, 0, 3, 1]]))  # for GMH scores are names
    np.testing.assert_allclose(recoded["gmh_chi2"], found["gmh_chi2"], rtol=1e-9)
    pair = _both(n[:, :2])
    back = _both(n[:, 1::-1])
    np.testing.assert_allclose(pair["gm_chi2"], back["gm_chi2"], rtol=1e-9)


@pytest.mark.parametrize("g", [2, 3])
def test_any_leading_axes(g):
    n = _random(8, lead=(2, 4), g=g)
    n[0, 0, :3, 1] = 0  # strata without a group
    n[0, 1, ..., 2] = 0  # unseen point
    n[0, 2, 1:, ..., 3] = 0  # a point in one stratum, where all have it
    n[0, 2, 0, :, :3] = 0
    n[0, 2, 0, :, 3] = 4
    n[1, 0] = 0
    n[1, 1, ..., 1:] = 0  # one score
    stacked = _both(n)
    for where in np.ndindex(2, 4):
        for name, value in _both(n[where]).items():
            np.testing.assert_allclose(stacked[name][where], value, rtol=1e-9, atol=1e-9)
    full = 3 * (g - 1)
    less = full - g + 1
    assert stacked["gmh_df"].tolist() == [[full, less, less, full], [0, 0, full, full]]
    assert np.argwhere(np.isnan(stacked["gmh_chi2"])).tolist() == [[1, 0], [1, 1]]
    assert np.argwhere(np.isnan(stacked["gm_chi2"])).tolist() == [[1, 0], [1, 1]]


def test_two_groups_are_mantel_for_fractions_too(sample):
    scores, group, total = sample(5)
    noisy = scores["score"] + np.random.default_rng(0).normal(0, 0.3, len(scores))
    counts = cells(scores.assign(score=noisy), group, total)
    found, expected = generalised_mantel(counts).table, mantel(counts).table
    np.testing.assert_allclose(found["gm_chi2"], expected["mantel_chi2"], rtol=1e-10)
    np.testing.assert_allclose(found["gm_p"], expected["mantel_p"], rtol=1e-9)


def test_type_one_error_with_three_groups():
    """3,000 samples of three groups without differences; the band is of 4 standard errors."""
    rng = np.random.default_rng(5)
    p = np.array([[0.5, 0.3, 0.15, 0.05], [0.25, 0.25, 0.25, 0.25], [0.1, 0.2, 0.3, 0.4]])
    n = np.stack([rng.multinomial(40, p, size=(3000, 3)) for _ in range(3)], axis=2)
    found = _both(n)
    for prefix in ("gmh", "gm"):
        rate = np.mean(stats.chi2.sf(found[f"{prefix}_chi2"], found[f"{prefix}_df"]) < 0.05)
        assert rate == pytest.approx(0.05, abs=0.016)


def test_tables_of_three_groups_and_reasons(sample):
    scores, group, total = sample(6)
    third = group.mask(pd.Series(np.arange(len(group)) % 3 == 0, index=group.index), "third")
    third = third.replace("focal", "second")
    counts = cells(scores, third, total, groups=THREE)
    for table, prefix, df in ((gmh(counts).table, "gmh", 6), (generalised_mantel(counts).table, "gm", 2)):
        assert {"n_reference", "n_second", "n_third", "n_strata"} <= set(table.columns)
        assert (table[f"{prefix}_df"] == df).all()
        assert table["estimable"].all()
    apart = total + 100.0 * third.map({name: i for i, name in enumerate(THREE)})
    one_apart = total + 100.0 * (third == "third")
    for rows, stratum, reason in (
        (scores.assign(score=1), total, "all persons have the same score"),
        (scores, apart, "no stratum holds two groups"),
        (scores, one_apart, "no scores for the third group in strata with two groups or more"),
        (scores.assign(score=scores["person"].map(total)), total, "scores do not vary within strata"),
        (scores.assign(score=np.nan), total, "no scores for the reference group"),
    ):
        counts = cells(rows, third, stratum, groups=THREE)
        for table, prefix in ((gmh(counts).table, "gmh"), (generalised_mantel(counts).table, "gm")):
            assert (table["reason"] == reason).all(), table["reason"].tolist()
            assert not table["estimable"].any()
            assert table[[f"{prefix}_chi2", f"{prefix}_df", f"{prefix}_p"]].isna().all(axis=None)
    two = cells(scores, group, total + 100.0 * (group == "focal"))
    assert (gmh(two).table["reason"] == "no stratum holds both groups").all()
