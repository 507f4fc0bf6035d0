"""The cumulative-logit kernel and ordinal logistic DIF: R's clm, statsmodels, scipy, invariances."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special, stats
from statsmodels.miscmodels.ordinal_model import OrderedModel

from psyalign.dif.counts.cells import cells
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.cumulative import fit_cumulative
from psyalign.dif.methods.nested import nested_fits
from psyalign.dif.methods.ordinal import classify_r2, ordinal, ordinal_kernel

MATCH = np.repeat(np.linspace(-2, 2, 15), 2)
GROUP = np.tile([0.0, 1.0], 15)
DESIGN = np.column_stack([MATCH, GROUP, MATCH * GROUP])
CUTS = np.array([-1.4, -0.3, 0.5, 1.6])


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def _probabilities(params, design, scale):
    """Of each pattern and category; the definition, by differences."""
    q = design.shape[1]
    r = 0 if scale is None else scale.shape[1]
    cuts = params[: len(params) - q - r]
    width = 1.0 if scale is None else np.exp(scale @ params[len(params) - r :])[:, None]
    below = special.expit((cuts - (design @ params[len(cuts) : len(cuts) + q])[:, None]) / width)
    return np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=(0, 1)), axis=1)


def _loglik(params, n, design, scale=None):
    return float((n * np.log(np.maximum(_probabilities(params, design, scale), 1e-300))).sum())


def _drawn(seed, members=1, persons=600, zeta=0.0, slopes=(1.3, 0.4, -0.2)):
    """Counts (members, patterns, 5) from the model itself."""
    rng = np.random.default_rng(seed)
    expected = _probabilities(np.r_[CUTS, slopes, zeta], DESIGN, GROUP[:, None])
    weight = np.exp(-(MATCH**2) / 2)
    weight = weight[:, None] / weight.sum() * expected
    n = rng.multinomial(persons, weight.ravel() / weight.sum(), size=members)
    return n.reshape(members, *weight.shape).astype(float)


@pytest.mark.parametrize("with_scale", [False, True])
def test_agrees_with_scipys_maximum(with_scale):
    scale = GROUP[:, None] if with_scale else None
    n = _drawn(1, zeta=0.5 * with_scale)[0]
    fit = fit_cumulative(n, DESIGN[:, :2], scale=scale)
    begin = np.r_[CUTS, np.zeros(2 + with_scale)]
    best = optimize.minimize(lambda p: -_loglik(p, n, DESIGN[:, :2], scale), begin, options={"gtol": 1e-6})
    assert fit.converged
    assert fit.loglik == pytest.approx(-best.fun, abs=1e-8)
    np.testing.assert_allclose(fit.params, best.x, atol=1e-5)
    assert fit.loglik == pytest.approx(_loglik(fit.params, n, DESIGN[:, :2], scale), abs=1e-9)


@pytest.mark.parametrize("with_scale", [False, True])
def test_derivatives_are_those_of_the_likelihood(with_scale):
    scale = np.column_stack([GROUP, MATCH]) if with_scale else None
    n = _drawn(2, zeta=0.3)[0]
    fit = fit_cumulative(n, DESIGN, scale=scale)
    step = 1e-4
    moves = step * np.eye(len(fit.params))

    def value(move):
        return _loglik(fit.params + move, n, DESIGN, scale)

    gradient = [(value(move) - value(-move)) / (2 * step) for move in moves]
    second = [
        [(value(a + b) - value(a - b) - value(b - a) + value(-a - b)) / (4 * step**2) for b in moves]
        for a in moves
    ]
    np.testing.assert_allclose(gradient, 0, atol=1e-4)
    np.testing.assert_allclose(fit.hessian, second, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(fit.covariance, np.linalg.inv(-np.array(second)), rtol=1e-3, atol=1e-7)


def test_members_of_a_stack_are_fitted_as_if_alone():
    n = _drawn(3, members=6, persons=80)
    stacked = fit_cumulative(n.reshape(2, 3, *n.shape[1:]), DESIGN[:, :2], scale=GROUP[:, None])
    assert stacked.converged.shape == (2, 3)
    assert stacked.hessian.shape == (2, 3, 7, 7)
    assert stacked.converged.all()
    for number, one in enumerate(n):
        alone = fit_cumulative(one, DESIGN[:, :2], scale=GROUP[:, None])
        place = divmod(number, 3)
        assert stacked.loglik[place] == pytest.approx(alone.loglik, abs=1e-10)
        np.testing.assert_allclose(stacked.params[place], alone.params, atol=1e-8)


def test_empty_categories_are_left_out_of_their_member_only():
    n = np.repeat(_drawn(4), 4, axis=0)
    n[1, :, 2] = n[2, :, 0] = 0
    n[3, :, 3:] = 0
    fit = fit_cumulative(n, DESIGN)
    for member, kept in ((1, [0, 1, 3, 4]), (2, [1, 2, 3, 4]), (3, [0, 1, 2])):
        fewer = fit_cumulative(n[member][:, kept], DESIGN)
        assert fit.loglik[member] == pytest.approx(fewer.loglik, abs=1e-10)
        np.testing.assert_allclose(fit.slopes[member], fewer.slopes, atol=1e-9)
        np.testing.assert_allclose(fit.slope_covariance()[member], fewer.slope_covariance(), rtol=1e-8)
        finite = np.unique(fit.thresholds[member][np.isfinite(fit.thresholds[member])])
        np.testing.assert_allclose(finite, fewer.thresholds, atol=1e-9)
    assert fit.thresholds[1, 1] == fit.thresholds[1, 2]
    assert fit.thresholds[2, 0] == -np.inf
    assert (fit.thresholds[3, 2:] == np.inf).all()
    assert fit.converged.all()


def test_starts_change_nothing():
    n = _drawn(5, members=4)
    cold = fit_cumulative(n, DESIGN)
    start = cold.params.copy()
    start[1] = np.nan
    start[2, :4] = start[2, 3::-1]
    start[3] += 0.5
    warm = fit_cumulative(n, DESIGN, start=start)
    np.testing.assert_allclose(warm.params, cold.params, atol=1e-9)
    np.testing.assert_allclose(fit_cumulative(n, DESIGN, start=cold.params[0]).loglik, cold.loglik)


def test_no_maximum():
    n = np.zeros((5, 30, 5))
    n[0] = _drawn(6)[0]
    n[1, :, 2] = 7  # one category
    n[2, MATCH < 0, 0] = n[2, MATCH >= 0, 3] = 5  # the match separates the scores
    n[3, GROUP == 0] = n[0, GROUP == 0]  # a group is missing: its slope is nothing
    # member 4 has nobody
    fit = fit_cumulative(n, DESIGN[:, :2])
    assert fit.converged.tolist() == [True, False, False, False, False]
    assert fit.separated.tolist() == [False, False, True, False, False]
    assert np.isnan(fit.params[1:]).all()
    assert np.isnan(fit.loglik[1:]).all()
    assert np.isnan(fit.covariance[1:]).all()
    assert fit_cumulative(n[3], DESIGN[:, :1]).converged


def test_rare_categories_and_many_persons():
    """Ten million persons, three of them in an outer and two in an inner category."""
    n = _drawn(7, persons=10_000_000)[0]
    n = np.insert(n, [0, 2], 0.0, axis=1)
    n[[3, 8, 15], 0] += 1
    n[[10, 14], 3] += 1
    fit = fit_cumulative(n, DESIGN)
    assert fit.converged
    counted = n / n.sum()
    twice = fit_cumulative(counted, DESIGN, start=fit.params)
    np.testing.assert_allclose(twice.params, fit.params, atol=1e-8)
    residual = n.sum(axis=1) @ _probabilities(fit.params, DESIGN, None)
    np.testing.assert_allclose(residual[[-1]], n[:, -1].sum(), rtol=0.01)


@given(seed=st.integers(0, 10_000), with_scale=st.booleans())
@settings(max_examples=20, deadline=None)
def test_reversing_the_scores_turns_the_slopes(seed, with_scale):
    n = _drawn(seed, persons=150)
    scale = GROUP[:, None] if with_scale else None
    one = fit_cumulative(n, DESIGN[:, :2], scale=scale)
    two = fit_cumulative(n[..., ::-1], DESIGN[:, :2], scale=scale)
    np.testing.assert_allclose(one.loglik, two.loglik, atol=1e-9)
    np.testing.assert_allclose(one.slopes, -two.slopes, atol=1e-7)
    np.testing.assert_allclose(one.thresholds, -two.thresholds[..., ::-1], atol=1e-7)
    np.testing.assert_allclose(one.log_scales, two.log_scales, atol=1e-7)


def _blocks(reference, to_long, groups):
    table, values = reference("poly")
    scores, group = to_long(table[values["items"]]), groups(table["group"])
    total = table[values["items"]].sum(axis=1)
    rest = scores.assign(stratum=scores["person"].map(total) - scores["score"])
    return scores, group, {"OLR_clm": total, "OLR_clm_restscore": rest}, values


@pytest.mark.parametrize("block", ["OLR_clm", "OLR_clm_restscore"])
def test_all_of_clm(reference, to_long, groups, block):
    """R's ordinal::clm; its match is standardised by the SD with n - 1, as ours."""
    scores, group, strata, values = _blocks(reference, to_long, groups)
    counts = cells(scores, group, strata[block])
    table = ordinal(counts).table
    for item in values["items"]:
        row, expected, fits = table.loc[item], values[block][item], nested_fits(counts.points(item))
        for number in (1, 2, 3):
            assert fits.models[number - 1].loglik == pytest.approx(expected[f"ll{number}"], rel=1e-13)
        full = fits.models[2]
        np.testing.assert_allclose(full.params, list(expected["coef_full"].values()), rtol=1e-8)
        errors = np.sqrt(np.diagonal(full.covariance))
        np.testing.assert_allclose(errors, list(expected["se_full"].values()), rtol=1e-8)
        product = full.params[-1], errors[-1]
        assert (row["group_by_match"], row["group_by_match_se"]) == pytest.approx(product, rel=1e-12)
        for ours, theirs in (
            ("lr_total", "lr_total"),
            ("lr_uniform", "lr_uniform"),
            ("lr_nonuniform", "lr_nonuniform"),
            ("lr_total_p", "p_total"),
            ("lr_uniform_p", "p_uniform"),
            ("lr_nonuniform_p", "p_nonuniform"),
            ("nagelkerke_change", "nagelkerke_delta_total"),
            ("nagelkerke_uniform", "nagelkerke_delta_uniform"),
            ("nagelkerke_nonuniform", "nagelkerke_delta_nonuniform"),
            ("mcfadden_change", "mcfadden_delta_total"),
            ("coxsnell_change", "coxsnell_delta_total"),
            ("group_effect", "beta_g_uniform"),
            ("group_effect_se", "se_g_uniform"),
            ("wald_total", "wald_total"),
        ):
            assert row[ours] == pytest.approx(expected[theirs], rel=1e-8, abs=1e-13), (item, ours)
        assert row["wald_uniform"] == pytest.approx((row["group_effect"] / row["group_effect_se"]) ** 2)
        assert row["wald_nonuniform"] == pytest.approx((product[0] / product[1]) ** 2)


@pytest.mark.parametrize(("which", "test"), [("both", "total"), ("udif", "uniform"), ("nudif", "nonuniform")])
def test_difnlr(reference, to_long, groups, which, test):
    """difNLR fits by VGAM, which iterates less far than clm: 4e-7 of a small chi-square."""
    scores, group, strata, values = _blocks(reference, to_long, groups)
    table = ordinal(cells(scores, group, strata["OLR_clm"])).table
    expected = values[f"difORD_cumulative_{which}_purifyFALSE"]
    np.testing.assert_allclose(table[f"lr_{test}"], expected["stat"], rtol=1e-6)
    np.testing.assert_allclose(table[f"lr_{test}_p"], expected["p"], rtol=1e-6)
    assert (table[f"lr_{test}_df"] == expected["df"]).all()
    flagged = 1 + np.flatnonzero(table[f"lr_{test}_p"] < 0.05)
    assert flagged.tolist() == np.atleast_1d(expected["DIFitems"]).tolist()


def _ordered_model(y, design):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return OrderedModel(y, design, distr="logit").fit(method="newton", disp=0)


def _third_group(group):
    """Every third person is in the group "other"."""
    return group.where(np.arange(len(group)) % 3 != 0, "other")


@pytest.mark.parametrize("several", [False, True])
def test_statsmodels(sample, several):
    scores, group, total = sample(8, n=150)
    names = ("reference", "focal", "other") if several else ("reference", "focal")
    group = _third_group(group) if several else group
    scores = scores[scores["item"] == "item01"]
    row = ordinal(cells(scores, group, total, groups=names)).table.loc["item01"]
    x = stats.zscore(total.to_numpy(float), ddof=1)
    dummies = np.column_stack([group == name for name in names[1:]]).astype(float)
    parts = [x[:, None], dummies, dummies * x[:, None]]
    fits = [_ordered_model(scores["score"].to_numpy(), np.hstack(parts[:size])) for size in (1, 2, 3)]
    steps = len(names) - 1
    for test, larger, smaller, df in (
        ("total", 2, 0, 2 * steps), ("uniform", 1, 0, steps), ("nonuniform", 2, 1, steps)
    ):  # fmt: skip
        chi2 = 2 * (fits[larger].llf - fits[smaller].llf)
        assert row[f"lr_{test}"] == pytest.approx(chi2, abs=1e-8)
        assert row[f"lr_{test}_df"] == df
        assert row[f"lr_{test}_p"] == pytest.approx(stats.chi2.sf(chi2, df), rel=1e-7)
        tested = np.arange(1 + (steps if test == "nonuniform" else 0), 1 + larger * steps)
        which = np.eye(len(fits[larger].params))[tested]
        wald = fits[larger].wald_test(which, scalar=True).statistic
        # statsmodels' second derivatives are numerical
        assert row[f"wald_{test}"] == pytest.approx(wald, rel=1e-5)
    for step, name in enumerate(names[1:]):
        tag = f"_{name}" if several else ""
        assert row[f"group_effect{tag}"] == pytest.approx(fits[1].params[1 + step], abs=1e-7)
        assert row[f"group_effect{tag}_se"] == pytest.approx(fits[1].bse[1 + step], rel=1e-5)
        assert row[f"group_by_match{tag}"] == pytest.approx(fits[2].params[1 + steps + step], abs=1e-7)
    assert [row[f"n_{name}"] for name in names] == [(group == name).sum() for name in names]


def test_kernel_on_stacked_resamples(sample):
    counts = cells(*sample(9, n=80)).points("item01")
    rng = np.random.default_rng(0)
    weights = rng.poisson(1.0, (2, 3, *counts.n.shape)) * counts.n
    weights[0, 1, :, 1] = 0  # a resample without a focal person
    weights[1, 2, ..., 0] = 0  # and one in which nobody has the lowest score
    stacked = ItemCounts(weights, counts.stratum, counts.score)
    found = ordinal_kernel(stacked)
    started = ordinal_kernel(stacked, start=nested_fits(counts).params)
    for place in np.ndindex(2, 3):
        alone = ordinal_kernel(ItemCounts(weights[place], counts.stratum, counts.score))
        for name, value in alone.items():
            assert found[name].shape == (2, 3)
            np.testing.assert_allclose(found[name][place], value, rtol=1e-7, atol=1e-9, err_msg=name)
            np.testing.assert_allclose(started[name][place], value, rtol=1e-7, atol=1e-9, err_msg=name)
    assert np.isnan(found["lr_uniform"][0, 1])
    assert np.isfinite(found["lr_total"]).sum() == 5


def test_swapping_the_groups_and_moving_the_match(sample):
    scores, group, total = sample(10, n=90)
    one = ordinal(cells(scores, group, total)).table
    swapped = group.map({"reference": "focal", "focal": "reference"})
    two = ordinal(cells(scores, swapped, 1000 - total / 7)).table
    tests = [name for name in one.columns if name.startswith(("lr_", "wald", "nagel", "mcf", "cox"))]
    np.testing.assert_allclose(one[tests], two[tests], rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(one["group_effect"], -two["group_effect"], rtol=1e-7)
    np.testing.assert_allclose(one["group_by_match"], two["group_by_match"], rtol=1e-7)


def test_classes():
    assert classify_r2(0.034, 1e-9, (0.035, 0.07), 0.05) == "A"
    assert classify_r2(0.035, 1e-9, (0.035, 0.07), 0.05) == "B"
    assert classify_r2(0.070, 1e-9, (0.035, 0.07), 0.05) == "C"
    assert classify_r2(0.070, 0.05, (0.035, 0.07), 0.05) == "A"
    assert classify_r2(np.nan, 0.05, (0.035, 0.07), 0.05) == ""


def test_classes_of_a_table(sample):
    scores, group, total = sample(11, n=100)
    focal = scores["person"].map(group) == "focal"
    worse = (scores["score"] - (focal & (scores["item"] == "item01"))).clip(lower=0)
    table = ordinal(cells(scores.assign(score=worse), group, total)).table
    assert table.loc["item01", ["jodoin_gierl", "zumbo_thomas"]].tolist() == ["C", "B"]
    assert table.loc["item01", "group_effect"] < 0
    strict = ordinal(cells(scores.assign(score=worse), group, total), zumbo_thomas=(0.01, 0.02)).table
    assert strict.loc["item01", "zumbo_thomas"] == "C"


def test_reasons(sample):
    scores, group, total = sample(12, n=40)
    empty = ordinal(cells(scores.assign(score=np.nan), group, total)).table
    assert (empty["reason"] == "no scores for the reference group").all()
    assert (empty["jodoin_gierl"] == "").all()
    fixed = pd.Series(np.where(group == "focal", 3, total), index=total.index)
    table = ordinal(cells(scores, group, fixed)).table
    assert (table["reason"] == "the matching variable does not vary in the focal group").all()
    perfect = scores.assign(score=scores["person"].map(total > total.median()).astype(int))
    table = ordinal(cells(perfect, group, total)).table
    assert (table["reason"] == "scores are separated by the matching variable or the group").all()
    assert table.filter(regex="^(wald|nagel|group|lr_total$)").isna().all(axis=None)
