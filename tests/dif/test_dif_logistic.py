"""Logistic DIF of binary items: difR and statsmodels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import special, stats

from psyalign.dif.counts.cells import cells
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.logistic import logistic, logistic_kernel
from psyalign.dif.methods.ordinal import ordinal
from psyalign.foundation.errors import UsageError

# difR's name of the test, ours, and the model whose coefficients it prints
TESTS = [("both", "total", 3), ("udif", "uniform", 2), ("nudif", "nonuniform", 3)]
FULL = ["intercept", "match", "group", "group_by_match"]
NAMES = {3: FULL, 2: ["uniform_intercept", "uniform_match", "uniform_group"]}


@pytest.fixture
def binary(reference, to_long, groups):
    """Table, values and result by total score."""
    table, values = reference("dich")
    items = table[values["items"]]
    counts = cells(to_long(items), groups(table["group"]), items.sum(axis=1))
    return table, values, logistic(counts).table


def _r_squared(found, table, test):
    """What difR calls Nagelkerke's: Cox and Snell's where exp(-deviance / 2) underflows."""
    share = table[found.index].mean()
    deviance = -2 * len(table) * (share * np.log(share) + (1 - share) * np.log1p(-share))
    right = found[f"logistic_nagelkerke_{test}"]
    return right.where(deviance < 1490, found[f"logistic_coxsnell_{test}"])


@pytest.mark.parametrize(("difr", "test", "model"), TESTS)
def test_difr_likelihood_ratio(binary, difr, test, model):
    table, values, found = binary
    expected = values[f"LOGISTIC_{difr}_LRT_purifyFALSE"]
    np.testing.assert_allclose(found[f"logistic_lr_{test}"], expected["chi2"], rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(found[f"logistic_lr_{test}_p"], expected["p"], rtol=1e-8)
    ours = _r_squared(found, table, test)
    np.testing.assert_allclose(ours, expected["deltaR2_nagelkerke"], rtol=1e-8, atol=1e-13)
    flagged = 1 + np.flatnonzero(found[f"logistic_lr_{test}_p"] < 0.05)
    assert flagged.tolist() == np.atleast_1d(expected["DIFitems"]).tolist()
    for position, name in enumerate(NAMES[model]):
        theirs = np.array(expected["par_full"])[:, position]
        np.testing.assert_allclose(found[f"logistic_{name}"], theirs, rtol=1e-6)


def _glm(y, x):
    """R's glm: stops at a relative change of the deviance of 1e-8; its covariance is one step older."""
    mean = (y + 0.5) / 2
    eta, last = special.logit(mean), np.inf
    for _ in range(25):
        weight = mean * (1 - mean)
        information = x.T @ (weight[:, None] * x)
        beta = np.linalg.solve(information, x.T @ (weight * eta + y - mean))
        eta = x @ beta
        mean = special.expit(eta)
        deviance = -2 * (special.xlogy(y, mean) + special.xlogy(1 - y, 1 - mean)).sum()
        if abs(deviance - last) / (abs(deviance) + 0.1) < 1e-8:
            break
        last = deviance
    return beta, np.linalg.inv(information)


@pytest.mark.parametrize(("difr", "test", "model"), TESTS)
def test_difr_wald(binary, difr, test, model):
    """R's standard errors stop one step early: up to 2e-4 of a chi-square. Ours are at the maximum.

    That this is all that differs: the same sums with R's rule of stopping give R's values.
    """
    table, values, found = binary
    expected = values[f"LOGISTIC_{difr}_Wald_purifyFALSE"]
    np.testing.assert_allclose(found[f"logistic_wald_{test}"], expected["chi2"], rtol=3e-4)
    np.testing.assert_allclose(found[f"logistic_wald_{test}_p"], expected["p"], rtol=5e-3)
    match = table[values["items"]].sum(axis=1).to_numpy(float)
    group = table["group"].to_numpy(float)
    x = np.column_stack([np.ones(len(table)), match, group, match * group])[:, : model + 1]
    which = {"both": [2, 3], "udif": [2], "nudif": [3]}[difr]
    for number, item in enumerate(values["items"]):
        beta, covariance = _glm(table[item].to_numpy(float), x)
        chi2 = beta[which] @ np.linalg.solve(covariance[np.ix_(which, which)], beta[which])
        assert chi2 == pytest.approx(expected["chi2"][number], rel=1e-8)
        if difr != "nudif":
            printed = np.array(values[f"LOGISTIC_{difr}_LRT_purifyFALSE"]["se_full"][number])[: model + 1]
            np.testing.assert_allclose(np.sqrt(np.diag(covariance)), printed, rtol=1e-8)
            ours = [found.loc[item, f"logistic_{name}_se"] for name in NAMES[model]]
            np.testing.assert_allclose(ours, printed, rtol=3e-4)


def test_difr_external_match(reference, to_long, groups):
    table, values = reference("dich")
    counts = cells(to_long(table[values["items"]]), groups(table["group"]), table["external"])
    found, expected = logistic(counts).table, values["logistic_external_match"]
    np.testing.assert_allclose(found["logistic_lr_total"], expected["chi2"], rtol=1e-8)
    np.testing.assert_allclose(_r_squared(found, table, "total"), expected["deltaR2"], rtol=1e-8)


def test_statsmodels(binary):
    """GLM iterated to the end: coefficients, standard errors, Wald and likelihood ratio."""
    table, values, found = binary
    match = table[values["items"]].sum(axis=1).to_numpy(float)
    group = table["group"].to_numpy(float)
    x = np.column_stack([np.ones(len(table)), match, group, match * group])
    for item in ("item03", "item07"):
        row = found.loc[item]
        fits = [
            sm.GLM(table[item].to_numpy(float), x[:, : size + 1], family=sm.families.Binomial()).fit(
                tol_criterion="params", tol=1e-12
            )
            for size in (1, 2, 3)
        ]
        for model in (2, 3):
            names = NAMES[model]
            np.testing.assert_allclose(
                [row[f"logistic_{n}"] for n in names], fits[model - 1].params, rtol=1e-8
            )
            np.testing.assert_allclose(
                [row[f"logistic_{n}_se"] for n in names], fits[model - 1].bse, rtol=1e-8
            )
        assert row["logistic_lr_total"] == pytest.approx(2 * (fits[2].llf - fits[0].llf), rel=1e-9)
        full = fits[2].wald_test(np.eye(4)[2:], scalar=True).statistic
        assert row["logistic_wald_total"] == pytest.approx(full, rel=1e-8)
        assert row["logistic_wald_uniform"] == pytest.approx(fits[1].tvalues[2] ** 2, rel=1e-8)
        assert row["logistic_wald_nonuniform"] == pytest.approx(fits[2].tvalues[3] ** 2, rel=1e-8)


def test_is_ordinal_with_two_score_points(reference, to_long, groups):
    table, values = reference("dich")
    items = table[values["items"]]
    counts = cells(to_long(items), groups(table["group"]), items.sum(axis=1))
    one, two = logistic(counts).table, ordinal(counts).table
    for name in ("lr_total", "lr_uniform_p", "wald_nonuniform", "nagelkerke_uniform", "jodoin_gierl"):
        assert one[f"logistic_{name}"].tolist() == two[name].tolist()
    np.testing.assert_allclose(one["logistic_uniform_group"], two["group_effect"], rtol=1e-10)


def test_kernel_on_a_stack(sample):
    scores, group, total = sample(2, n=100)
    counts = cells(scores.assign(score=(scores["score"] > 1) + 1), group, total)
    points = counts.points("item02")
    n = np.stack([points.n, 2 * points.n, points.n])
    n[2, :, 1] = 0
    found = logistic_kernel(ItemCounts(n, points.stratum, points.score))
    row = logistic(counts).table.loc["item02"]
    for name, value in found.items():
        assert value[0] == pytest.approx(row[name], rel=1e-7)
        assert np.isnan(value[2]) or "group" not in name
    # twice as many persons: chi-squares double, errors shrink
    assert found["logistic_lr_total"][1] == pytest.approx(2 * row["logistic_lr_total"], rel=1e-8)
    assert found["logistic_group_se"][1] == pytest.approx(row["logistic_group_se"] / np.sqrt(2), rel=1e-7)
    assert row["logistic_lr_total_p"] == pytest.approx(stats.chi2.sf(row["logistic_lr_total"], 2))


def test_reasons(sample):
    scores, group, total = sample(3, n=40)
    table = logistic(cells(scores, group, total)).table
    assert (table["reason"] == "the item has 4 score points, and logistic DIF takes two: see ordinal").all()
    assert table.filter(like="logistic_").select_dtypes("number").isna().all(axis=None)
    assert (table["logistic_jodoin_gierl"] == "").all()
    with pytest.raises(UsageError, match="two groups"):
        logistic(cells(scores, group, total, groups=("reference", "focal", "other")))
    focal_only = pd.DataFrame({"person": group.index, "item": "a", "score": (group == "focal").astype(int)})
    row = logistic(cells(focal_only, group, total)).table.loc["a"]
    assert row["reason"] == "scores are separated by the matching variable or the group"
    nothing = logistic(cells(scores.assign(score=np.nan), group, total)).table
    assert (nothing["reason"] == "no scores for the reference group").all()
