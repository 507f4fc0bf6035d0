"""Step functioning: each step against statsmodels, the covariance between steps against simulation."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import StratifiedTable

from psyalign.dif.counts.cells import Cells, cells
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.liu_agresti import cumulative_covariance, cumulative_steps, liu_agresti_kernel
from psyalign.dif.methods.thresholds import thresholds, thresholds_kernel
from psyalign.foundation.errors import UsageError

BY_STEP = ("dsf_log_or", "dsf_se", "dsf_z")
WHOLE = ("dsf_homogeneity_chi2", "dsf_homogeneity_df")
KINDS = pytest.mark.parametrize("steps", ["cumulative", "adjacent"])


def _kernel(n, steps):
    n = np.asarray(n, dtype=float)
    counts = ItemCounts(n, np.arange(n.shape[-3]), np.arange(n.shape[-1], dtype=float))
    return thresholds_kernel(counts, steps=steps)


def _random(seed, lead=(), k=6, s=4, high=5):
    return np.random.default_rng(seed).integers(0, high, size=(*lead, k, 2, s)).astype(float)


def _two_by_two(n, step, steps):
    """Tables (2, 2, K) of one step for statsmodels; strata with both groups."""
    above, below = (n[..., step:], n[..., :step])
    if steps == "adjacent":
        above, below = n[..., step : step + 1], n[..., step - 1 : step]
    table = np.stack([above.sum(axis=-1), below.sum(axis=-1)], axis=-1)
    return np.moveaxis(table[(table.sum(axis=-1) > 0).all(axis=-1)], 0, -1)


@KINDS
def test_each_step_is_mantel_haenszel(reference, to_long, groups, steps):
    table, values = reference("poly")
    items = values["items"]
    counts = cells(to_long(table[items]), groups(table["group"]), table[items].sum(axis=1))
    found = thresholds(counts, steps=steps).table
    assert found.index.tolist() == [item for item in items for _ in range(4)]
    for item in items:
        rows = found.loc[item]
        assert rows["step"].tolist() == [1, 2, 3, 4]
        for _, row in rows[rows["estimable"]].iterrows():
            theirs = StratifiedTable(_two_by_two(counts.points(item).n, int(row["step"]), steps))
            assert row["dsf_log_or"] == pytest.approx(theirs.logodds_pooled, rel=1e-10)
            assert row["dsf_se"] == pytest.approx(theirs.logodds_pooled_se, rel=1e-10)
            assert row["dsf_p"] == pytest.approx(2 * stats.norm.sf(abs(row["dsf_z"])))
            assert row["n_reference"] + row["n_focal"] == theirs.table.sum()
            assert row["n_strata"] == theirs.table.shape[-1]
    # item08 is noisier for the focal group: easier to leave 0 for the reference group, harder to reach 4
    noisy = found.loc["item08"]
    assert (noisy["dsf_homogeneity_p"] < 1e-9).all()
    if steps == "cumulative":
        assert noisy["dsf_log_or"].is_monotonic_decreasing
    # no focal person is at the top of item03
    top = found.loc["item03"].iloc[-1]
    assert top["reason"] == "separation: within strata no focal person scores above a reference person"
    assert top["dsf_homogeneity_df"] == 2


@KINDS
@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_swapping_and_padding(steps, seed):
    n = _random(seed, high=6)
    found, swapped = _kernel(n, steps), _kernel(n[:, ::-1], steps)
    np.testing.assert_allclose(swapped["dsf_log_or"], -found["dsf_log_or"], atol=1e-12)
    np.testing.assert_allclose(swapped["dsf_se"], found["dsf_se"], rtol=1e-10)
    turned = _kernel(n[..., ::-1], steps)  # scores turned round: steps in the other order, signs too
    np.testing.assert_allclose(turned["dsf_log_or"][::-1], -found["dsf_log_or"], atol=1e-12)
    for other in (swapped, turned):
        for name in WHOLE:
            np.testing.assert_allclose(other[name], found[name], rtol=1e-7, atol=1e-9)
    alone = n.copy()
    alone[:, 0] = 0
    for name, value in _kernel(np.concatenate([n, alone]), steps).items():
        np.testing.assert_allclose(value, found[name], rtol=1e-9, atol=1e-12)
    double = _kernel(np.concatenate([n, n]), steps)
    np.testing.assert_allclose(double["dsf_log_or"], found["dsf_log_or"], atol=1e-12)
    np.testing.assert_allclose(double["dsf_homogeneity_chi2"], 2 * found["dsf_homogeneity_chi2"], rtol=1e-7)


def test_unseen_points_make_no_cut():
    n = _random(3)
    found, padded = _kernel(n, "cumulative"), _kernel(np.insert(n, 2, 0, axis=-1), "cumulative")
    np.testing.assert_allclose(padded["dsf_log_or"], np.insert(found["dsf_log_or"], 1, np.nan))
    for name in WHOLE:
        np.testing.assert_allclose(padded[name], found[name], rtol=1e-10)


@KINDS
def test_any_leading_axes(steps):
    n = _random(10, lead=(2, 4))
    n[0, 0, :3, 1] = 0
    n[0, 1, ..., 2] = 0  # unseen point
    n[0, 2, ..., 2:] = 0  # two points: one step, nothing to compare
    n[1, 0] = 0
    n[1, 1, ..., 1:] = 0
    n[1, 2, :, 1, 3] = 0  # separation at the last step
    stacked = _kernel(n, steps)
    for where in np.ndindex(2, 4):
        for name, value in _kernel(n[where], steps).items():
            np.testing.assert_allclose(stacked[name][where], value, rtol=1e-9, err_msg=name)
    assert np.isfinite(stacked["dsf_se"][0, 2]).tolist() == [True, False, False]
    assert np.isnan(stacked["dsf_homogeneity_chi2"][[0, 1, 1], [2, 0, 1]]).all()
    assert np.isfinite(stacked["dsf_log_or"][1, 2]).tolist() == [True, True, False]
    assert stacked["dsf_homogeneity_df"][1, 2] == 1


def _simulate(rng, steps, effects, samples, size=40):
    """Counts of 8 strata with a given log odds ratio (> 0: favours the reference) at each step."""
    match, cuts = np.linspace(-1.2, 1.2, 8)[:, None], np.linspace(-1.2, 1.2, 4)
    n = np.empty((samples, 8, 2, 5))
    for group in (0, 1):
        eta = match - cuts - group * np.asarray(effects)
        if steps == "cumulative":
            p = -np.diff(1 / (1 + np.exp(-eta)), axis=1, prepend=1, append=0)
        else:
            p = np.exp(np.pad(eta, ((0, 0), (1, 0))).cumsum(axis=1))
            p /= p.sum(axis=1, keepdims=True)
        n[:, :, group] = rng.multinomial(size, p, size=(samples, 8))
    return n


@KINDS
def test_homogeneity_has_its_level_and_power(steps):
    """2,000 samples, equal effects of .5: rejected in 5% (band of 4 standard errors). Unequal: found."""
    rng = np.random.default_rng(6)
    found = _kernel(_simulate(rng, steps, [0.5] * 4, 2000), steps)
    p = stats.chi2.sf(found["dsf_homogeneity_chi2"], found["dsf_homogeneity_df"])
    assert np.isfinite(p).all()
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.02)
    np.testing.assert_allclose(found["dsf_log_or"].mean(axis=0), 0.5, atol=0.03)
    np.testing.assert_allclose(found["dsf_log_or"].std(axis=0), found["dsf_se"].mean(axis=0), rtol=0.1)
    uneven = _kernel(_simulate(rng, steps, [0.9, 0.4, 0.0, -0.4], 300), steps)
    p = stats.chi2.sf(uneven["dsf_homogeneity_chi2"], uneven["dsf_homogeneity_df"])
    assert np.mean(p < 0.05) > 0.8


def test_covariance_between_cuts():
    """Its mean is the estimates' covariance over 4,000 samples; its sum is Liu and Agresti's variance."""
    n = _simulate(np.random.default_rng(8), "cumulative", [0.3] * 4, 4000)
    tables = cumulative_steps(n)
    value = tables.log_odds(-2)
    ours = tables.for_reference.sum(axis=-2)
    covariance = cumulative_covariance(tables, np.exp(value)) / ours[:, :, None] / ours[:, None, :]
    np.testing.assert_allclose(covariance.mean(axis=0), np.cov(value.T), rtol=0.12, atol=0.001)
    counts = ItemCounts(n[0], np.arange(8), np.arange(5))
    found = liu_agresti_kernel(counts)
    common = cumulative_covariance(cumulative_steps(n[0]), np.exp(found["la_log_or"])[..., None])
    assert np.sqrt(common.sum()) / ours[0].sum() == pytest.approx(found["la_se"], rel=1e-12)


def test_homogeneity_by_contrasts():
    """The same as Wald's test of the differences of neighbouring steps."""
    n = _random(12, high=9)
    tables = cumulative_steps(n)
    value, ours = tables.log_odds(-2), tables.for_reference.sum(axis=-2)
    covariance = cumulative_covariance(tables, np.exp(value)) / np.outer(ours, ours)
    contrast = np.diff(np.eye(3), axis=0)
    apart = contrast @ value
    expected = apart @ np.linalg.solve(contrast @ covariance @ contrast.T, apart)
    assert _kernel(n, "cumulative")["dsf_homogeneity_chi2"] == pytest.approx(expected, rel=1e-9)


def test_a_constant_shift_moves_only_the_steps_names(sample):
    scores, group, total = sample(3)
    one = thresholds(cells(scores, group, total)).table
    two = thresholds(cells(scores.assign(score=scores["score"] - 7), group, total)).table
    pd.testing.assert_frame_equal(one, two.assign(step=two["step"] + 7))


@KINDS
def test_not_estimable(sample, steps):
    scores, group, total = sample(4, 40, items=2, points=2)
    numbers = [*BY_STEP, "dsf_p", *WHOLE, "dsf_homogeneity_p"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows, stratum, reason, per_item in (
            (scores.assign(score=1), total, "all persons have the same score", 1),
            (scores.assign(score=np.nan), total, "no scores for the reference group", 1),
            (scores, total + 100.0 * (group == "focal"), "no stratum holds both groups", 2),
        ):
            table = thresholds(cells(rows, group, stratum), steps=steps).table
            assert (table["reason"] == reason).all(), table["reason"].tolist()
            assert len(table) == 2 * per_item
            assert not table["estimable"].any()
            assert table[numbers].isna().all(axis=None)
        # a top score that two focal persons have, and no others in their strata
        rows = scores.assign(score=scores["score"].clip(upper=1))
        rows.loc[rows["person"].isin([40, 41]), "score"] = 2
        lonely = total.mask(total.index.isin([40, 41]), 99)
        top = thresholds(cells(rows, group, lonely), steps=steps).table.groupby("item").tail(1)
        assert not top["estimable"].any()
        assert (top["step"] == 2).all()
        assert (
            top["reason"]
            .isin(["no stratum with both groups has this step", "scores do not vary within strata"])
            .all()
        )


def test_too_few_at_an_adjacent_step_is_no_part_of_the_test():
    """Points 2 and 3 hold three focal persons: the step is left out, two others are compared."""
    table = pd.DataFrame(
        [
            ("a", k, name, score, count)
            for k in (0, 1)
            for name, counts in (("reference", [9, 8, 7, 5]), ("focal", [7, 9, 1, k]))
            for score, count in enumerate(counts)
        ],
        columns=["item", "stratum", "group", "score", "count"],
    )
    found = thresholds(Cells.from_table(table), steps="adjacent").table
    assert found["estimable"].tolist() == [True, True, False]
    assert (
        found["reason"].iloc[2] == "only 3 persons in the focal group in the step's tables with both groups"
    )
    assert (found["dsf_homogeneity_df"] == 1).all()


def test_usage(sample):
    scores, group, total = sample(0)
    counts = cells(scores, group, total)
    with pytest.raises(UsageError, match="Use cumulative or adjacent"):
        thresholds(counts, steps="other")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="compares two groups"):
        thresholds(cells(scores, group, total, groups=("reference", "focal", "third")))
    assert "4 of 4 items" in repr(thresholds(counts))
