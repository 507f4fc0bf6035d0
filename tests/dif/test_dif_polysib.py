"""POLYSIB, its crossing form and coefficient alpha: against R (mirt, difR), numpy and simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from psyalign.dif.counts.cells import Cells, cells
from psyalign.dif.counts.moments import Moments, item_moments
from psyalign.dif.matching.correction import Settings, corrected_differences, thin_bins
from psyalign.dif.matching.reliability import (
    alpha_by_group,
    alpha_kernel,
    alpha_of_scores,
    item_variance,
    match_variance,
)
from psyalign.dif.methods.crossing import crossing_polysib, crossing_polysib_kernel
from psyalign.dif.methods.polysib import polysib, polysib_kernel
from psyalign.foundation.errors import UsageError

POLYSIB = ["polysib_beta", "polysib_se", "polysib_z", "polysib_chi2", "polysib_p"]
CSIB = ["csib_beta", "csib_chi2", "csib_df", "csib_p", "csib_crossing"]


@pytest.fixture(scope="module")
def by_rest(to_long):
    """Cells by rest score from a wide table and a group."""

    def count(wide: pd.DataFrame, group: pd.Series, min_group: int = 4) -> Cells:
        long = to_long(wide)
        rest = long.assign(stratum=long["person"].map(wide.sum(axis=1)) - long["score"])
        return cells(long, group, rest, min_group=min_group)

    return count


@pytest.fixture
def known(reference, groups, by_rest):
    """Name of a reference data set -> its cells by rest score and R's values."""

    def load(name: str):
        table, values = reference(name)
        return by_rest(table[values["items"]], groups(table["group"])), values

    return load


@pytest.mark.parametrize("correction", [True, False])
def test_values_of_mirt(known, correction):
    counts, values = known("poly")
    expected = values[f"mirt_SIBTEST_correction{str(correction).upper()}"]
    found = polysib(counts, correction=correction, convention="mirt").table
    cross = crossing_polysib(counts, correction=correction, convention="mirt").table
    for ours, theirs in (("beta", "beta"), ("se", "se"), ("chi2", "X2")):
        np.testing.assert_allclose(found[f"polysib_{ours}"], expected[theirs], rtol=1e-10)
    # R's 1 - pchisq has lost digits where p is small
    np.testing.assert_allclose(found["polysib_p"], expected["p"], rtol=1e-8, atol=1e-15)
    for ours, theirs in (("beta", "beta"), ("chi2", "X2"), ("df", "df"), ("p", "p")):
        np.testing.assert_allclose(cross[f"csib_{ours}"], expected[f"cross_{theirs}"], rtol=1e-10)
    assert found["estimable"].all()
    assert (found["reason"] == "").all()


def test_values_of_difr(known):
    counts, values = known("dich")
    found = polysib(counts, convention="mirt").table
    cross = crossing_polysib(counts, convention="mirt").table
    for table, prefix, block in ((found, "polysib", "SIBTEST_udif"), (cross, "csib", "SIBTEST_nudif")):
        for ours, theirs in (("beta", "beta"), ("chi2", "X2"), ("p", "p")):
            right = np.abs(values[block][theirs]) if block == "SIBTEST_nudif" else values[block][theirs]
            np.testing.assert_allclose(table[f"{prefix}_{ours}"], right, rtol=1e-10, atol=2e-16)
    np.testing.assert_allclose(found["polysib_se"], values["SIBTEST_udif"]["se"], rtol=1e-10)
    assert cross["csib_df"].tolist() == values["SIBTEST_nudif"]["df"]


def test_known_dif_is_found_by_our_convention(known):
    # item03 is harder for the focal group, item06 less discriminating
    poly, dich = known("poly")[0], known("dich")[0]
    assert polysib(poly).table.loc["item03", "polysib_z"] > 4
    assert polysib(dich).table.loc["item03", "polysib_z"] > 4
    crossed = crossing_polysib(dich).table.loc["item06"]
    assert crossed["csib_p"] < 0.001
    assert crossed["csib_df"] == 2
    assert 2 < crossed["csib_crossing"] < 8
    assert np.isnan(crossing_polysib(dich).table.loc["item03", "csib_crossing"])
    assert polysib(poly).table["share_used"].min() == 1


def test_alpha_by_group(graded, by_rest, to_long):
    wide, group = graded(np.random.default_rng(1), 300, 6)
    counts = by_rest(wide, group)
    found = alpha_by_group(counts)
    for item in wide:
        for label in ("reference", "focal"):
            rest = wide.loc[group == label].drop(columns=item)
            right = _alpha(rest.to_numpy(float))
            assert found.loc[item, label] == pytest.approx(right, rel=1e-12)
            assert alpha_of_scores(rest) == pytest.approx(right, rel=1e-12)
    by_total = cells(to_long(wide), group, wide.sum(axis=1))
    right = _alpha(wide[group == "focal"].to_numpy(float))
    np.testing.assert_allclose(alpha_by_group(by_total, variable="total")["focal"], right, rtol=1e-12)


def test_alpha_of_anchors(graded, to_long):
    wide, group = graded(np.random.default_rng(2), 200, 5)
    long, anchors = to_long(wide), ["item01", "item02", "item03"]
    own = np.where(long["item"].isin(anchors), long["score"], 0)
    rest = long.assign(stratum=long["person"].map(wide[anchors].sum(axis=1)) - own)
    found = alpha_by_group(cells(long, group, rest), matching=anchors)
    mine = wide[group == "reference"]
    assert found.loc["item04", "reference"] == pytest.approx(_alpha(mine[anchors].to_numpy(float)), rel=1e-12)
    two = mine[["item02", "item03"]].to_numpy(float)
    assert found.loc["item01", "reference"] == pytest.approx(_alpha(two), rel=1e-12)
    with pytest.raises(UsageError, match="not among the items"):
        alpha_by_group(cells(long, group, rest), matching=["item09"])
    with pytest.raises(UsageError, match="unknown"):
        alpha_by_group(cells(long, group, rest), variable="external")  # type: ignore[arg-type]


def test_alpha_that_cannot_be_had():
    assert np.isnan(alpha_of_scores([[1.0], [2.0]]))
    assert np.isnan(alpha_of_scores([[1.0, 2.0], [1.0, 2.0]]))
    assert np.isnan(alpha_of_scores([[1.0, np.nan], [2.0, 1.0]]))
    within = np.array([[1.0], [1.0], [np.nan]])
    part = np.array([[False, True, False], [True, True, False], [True, True, False]])
    found = alpha_kernel(within, np.full((3, 1), 3.0), part)
    np.testing.assert_allclose(found[:, 0], [np.nan, 2 / 3, 2 / 3])


def test_kernels_for_leading_axes(graded, by_rest):
    # items x resamples at once is the same as one by one, also where resampled strata lose a group
    wide, group = graded(np.random.default_rng(3), 150, 5, 3, 0.5)
    rng = np.random.default_rng(4)
    stack = [_resampled(wide, group, rng.integers(0, 300, 300)) for _ in range(4)]
    moments = Moments(*(np.stack([m[part] for m in stack], axis=1) for part in range(3)), np.arange(13.0))
    part = ~np.eye(5, dtype=bool)
    rho = alpha_kernel(item_variance(moments), match_variance(moments), part)
    assert rho.shape == (5, 4, 2)
    bins = np.array([0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8])
    for settings in (Settings(), Settings(weights="focal"), Settings(convention="mirt")):
        for merged in (None, bins):
            both = polysib_kernel(moments, rho, settings, bins=merged)
            both |= crossing_polysib_kernel(moments, rho, settings, bins=merged)
            for place in np.ndindex(5, 4):
                one = Moments(moments.n[place], moments.sums[place], moments.squares[place], moments.stratum)
                alone = polysib_kernel(one, rho[place], settings, bins=merged)
                alone |= crossing_polysib_kernel(one, rho[place], settings, bins=merged)
                for name, value in alone.items():
                    np.testing.assert_allclose(both[name][place], value, rtol=1e-10, err_msg=name)


def test_kernel_is_the_public_function(graded, by_rest):
    wide, group = graded(np.random.default_rng(5), 120, 5, 3, 0.5)
    counts = by_rest(wide, group)
    table, rho = polysib(counts).table, alpha_by_group(counts)
    for item, moments in item_moments(counts).items():
        found = polysib_kernel(moments, rho.loc[item].to_numpy(), bins=thin_bins(moments))
        assert table.loc[item, "polysib_beta"] == pytest.approx(float(found["polysib_beta"]), rel=1e-12)
        assert table.loc[item, "reliability_focal"] == pytest.approx(rho.loc[item, "focal"])


def test_neighbours_are_strata_that_hold_somebody():
    # nobody of the focal group at 3: its slope at 2 lies between 1 and 4
    n = np.full((6, 2), 10.0)
    n[3, 1] = 0
    x = np.arange(6.0)
    means = np.stack([x, x], axis=1)
    moments = Moments(n, n * means, n * (means**2 + 1), x)
    found = corrected_differences(moments, np.array([0.8, 0.5]))
    # both groups on one line: the corrected difference is what the true scores differ by at the same x
    centre = (n * x[:, None]).sum(axis=0) / n.sum(axis=0)
    true = centre + np.array([0.8, 0.5]) * (x[:, None] - centre)
    right = (true[:, 1] - true[:, 0]) / 2 * (1 / 0.8 + 1 / 0.5)
    np.testing.assert_allclose(found.difference[found.used], right[found.used], rtol=1e-12)
    assert found.used.tolist() == [True, True, True, False, True, True]
    mirt = corrected_differences(moments, np.array([0.8, 0.5]), Settings(convention="mirt"))
    assert mirt.used.tolist() == [False, True, True, False, True, False]
    assert mirt.difference[1] == pytest.approx(right[1])
    assert abs(mirt.difference[2] - right[2]) > 0.1


def test_standard_error_knows_the_slopes():
    # the weights of each group's means, worked out one by one by moving each mean a little
    rng = np.random.default_rng(11)
    n = rng.integers(5, 20, (6, 2)).astype(float)
    means, x = rng.random((6, 2)), np.arange(6.0)
    rho = np.array([0.8, 0.6])

    def estimate(mean: np.ndarray) -> dict[str, np.ndarray]:
        return polysib_kernel(Moments(n, n * mean, n * (mean**2 + 0.5), x), rho, Settings(min_per_stratum=2))

    beta = float(estimate(means)["polysib_beta"])
    variance = 0.0
    for place in np.ndindex(6, 2):
        moved = means.copy()
        moved[place] += 1.0
        weight = float(estimate(moved)["polysib_beta"]) - beta
        variance += weight**2 * 0.5 * n[place] / (n[place] - 1) / n[place]
    assert float(estimate(means)["polysib_se"]) == pytest.approx(np.sqrt(variance), rel=1e-9)


def test_strata_where_a_group_does_not_vary():
    # the focal group all 0 at the lowest score: compared, with the variance of both groups together
    n = np.full((3, 2), 8.0)
    sums = np.array([[2.0, 0.0], [4.0, 3.0], [6.0, 5.0]])
    moments = Moments(n, sums, sums, np.arange(3.0))
    found = corrected_differences(moments, None)
    assert found.used.all()
    within = 2 - 2**2 / 8
    np.testing.assert_allclose(found.variance[0], within / 14 / 8)
    assert polysib_kernel(moments, None)["polysib_beta"] == pytest.approx((2 + 1 + 1) / 24)
    assert corrected_differences(moments, None, Settings(convention="mirt")).used.tolist() == [
        False,
        True,
        False,
    ]


def test_thin_bins():
    n = np.array([[9, 1], [2, 4], [3, 2], [7, 6], [6, 8], [9, 0], [1, 1]], dtype=float)
    moments = Moments(n, n, n, np.arange(7.0))
    assert thin_bins(moments).tolist() == [0, 0, 0, 1, 2, 2, 2]
    assert thin_bins(moments, 100).tolist() == [0] * 7
    # a merged stratum's matching score is each group's own mean there, not the strata's
    found = corrected_differences(moments, None, bins=thin_bins(moments))
    assert found.value[0] == pytest.approx((0 * 10 + 1 * 6 + 2 * 5) / 21)


def test_swapped_groups_and_shifted_scores(graded, by_rest, groups):
    wide, group = graded(np.random.default_rng(6), 200, 5, 3, 0.5)
    swapped = group.map({"reference": "focal", "focal": "reference"})
    here, back, shifted = (
        polysib(by_rest(w, g)).table for w, g in ((wide, group), (wide, swapped), (wide + 3, group))
    )
    np.testing.assert_allclose(back["polysib_beta"], -here["polysib_beta"], rtol=1e-9)
    np.testing.assert_allclose(back["polysib_se"], here["polysib_se"], rtol=1e-9)
    np.testing.assert_allclose(shifted["polysib_z"], here["polysib_z"], rtol=1e-8)
    crossed = [
        crossing_polysib(by_rest(w, g)).table for w, g in ((wide, group), (wide, swapped), (wide + 3, group))
    ]
    for other in crossed[1:]:
        np.testing.assert_allclose(other["csib_chi2"], crossed[0]["csib_chi2"], rtol=1e-8)
    moved = (crossed[2]["csib_crossing"] - crossed[0]["csib_crossing"]).dropna()
    np.testing.assert_allclose(moved, 12, rtol=1e-8)


def test_given_reliability(graded, by_rest):
    wide, group = graded(np.random.default_rng(7), 200, 5, 3, 1.0)
    counts = by_rest(wide, group)
    alpha = alpha_by_group(counts)
    own = polysib(counts).table
    pd.testing.assert_frame_equal(polysib(counts, reliability=alpha).table, own)
    plain = polysib(counts, correction=False, convention="mirt").table
    # of a perfectly reliable score nothing is regressed
    perfect = polysib(counts, reliability=1.0, convention="mirt").table
    np.testing.assert_allclose(perfect["polysib_beta"], plain["polysib_beta"])
    by_name = polysib(counts, reliability={"reference": 0.8, "focal": 0.7}, convention="mirt").table
    assert (by_name["reliability_focal"] == 0.7).all()
    assert (by_name["polysib_beta"] < perfect["polysib_beta"]).all()
    few = polysib(counts, reliability=alpha.drop(index="item02")).table
    assert "reliability" in few.loc["item02", "reason"]


@pytest.mark.parametrize(("method", "columns"), [(polysib, POLYSIB), (crossing_polysib, CSIB)])
def test_not_estimable(graded, by_rest, method, columns):
    wide, group = graded(np.random.default_rng(8), 40, 4, 2)
    cases = (
        (wide.assign(item01=1), group, "all persons have the same score"),
        (wide, group.where(group == "reference"), "no scores for the focal group"),
        (wide, group.where((group == "reference") | (group.index < 43)), "only 3 persons in the focal group"),
        (wide[["item01", "item02"]], group, "the reliability of the matching score cannot be estimated"),
        (wide.assign(item02=2 - wide["item03"]), group, "not above 0"),
        (
            wide,
            group.where((group == "reference") | (group.index < 45)),
            "no rest scores that can be compared",
        ),
    )
    for table, members, reason in cases:
        found = method(by_rest(table, members)).table.iloc[0]
        assert not found["estimable"], reason
        assert reason in found["reason"]
        assert found[columns].astype(float).isna().all()
        assert found["n_reference"] == 0
    empty = np.zeros((2, 5, 2))
    kernel = polysib_kernel if method is polysib else crossing_polysib_kernel
    values = kernel(Moments(empty, empty, empty, np.arange(5.0)), np.full((2, 2), 0.8))
    assert all(np.isnan(values[name]).all() for name in columns if name in values)


def test_unknown_settings(graded, by_rest):
    counts = by_rest(*graded(np.random.default_rng(9), 30, 4, 2))
    for wrong in ({"weights": "total"}, {"convention": "difR"}, {"min_per_stratum": 1}, {"reliability": 1.5}):
        with pytest.raises(UsageError):
            polysib(counts, **wrong)


def test_line_without_a_crossing():
    # a constant difference: level line, all strata on one side
    n = np.full((5, 2), 20.0)
    means = np.stack([np.arange(5.0), np.arange(5.0) - 1], axis=1)
    moments = Moments(n, n * means, n * (means**2 + 1), np.arange(5.0))
    found = crossing_polysib_kernel(moments, None)
    assert found["csib_beta"] == pytest.approx(1.0)
    assert np.isnan(found["csib_crossing"])
    assert found["csib_df"] == 2
    assert crossing_polysib_kernel(moments, None, Settings(convention="mirt"))["csib_df"] == 1
    # and one that crosses at 1.6: reference better below
    means = np.stack([np.zeros(5), np.arange(5.0) - 1.6], axis=1)
    moments = Moments(n, n * means, n * (means**2 + 1), np.arange(5.0))
    found = crossing_polysib_kernel(moments, None)
    assert found["csib_crossing"] == pytest.approx(1.6)
    assert found["csib_beta"] == pytest.approx((1.6 + 0.6 + 0.4 + 1.4 + 2.4) / 5)


def test_type_one_error_under_impact():
    """The correction is what keeps the level where the groups differ in ability.

    300 replications x 4 items without DIF, 500 persons a group, impact 1 SD: the rates' standard
    error is about .01.
    """
    rng, items, replications = np.random.default_rng(10), 12, 300
    stack = []
    for _ in range(replications):
        group = np.repeat([0, 1], 500)
        theta = rng.normal(size=1000) - group
        latent = rng.uniform(1.0, 2.0, items) * theta[:, None] + rng.logistic(size=(1000, items))
        scores = (latent[:, :, None] > np.array([-1.5, 0.0, 1.5]) + rng.uniform(-1, 1, (items, 1))).sum(
            axis=2
        )
        stack.append((_sums(scores, group, 34, range(4)), _rest_alpha(scores, group, range(4))))
    moments = Moments(*(np.stack([m[part] for m, _ in stack]) for part in range(3)), np.arange(34.0))
    rho = np.stack([alpha for _, alpha in stack])
    whole = Moments(
        *(part.sum(axis=(0, 1)) / 1200 for part in (moments.n, moments.sums, moments.squares)),
        moments.stratum,
    )
    bins = thin_bins(whole)
    corrected = polysib_kernel(moments, rho, bins=bins)
    plain = polysib_kernel(moments, None, bins=bins)
    crossed = crossing_polysib_kernel(moments, rho, bins=bins)
    assert np.mean(np.abs(corrected["polysib_z"]) > 1.96) == pytest.approx(0.05, abs=0.02)
    assert np.mean(np.abs(plain["polysib_z"]) > 1.96) > 0.15
    assert np.mean(stats.chi2.sf(crossed["csib_chi2"], crossed["csib_df"]) < 0.05) < 0.07
    assert abs(corrected["polysib_beta"].mean()) < 0.3 * plain["polysib_beta"].mean()


def _alpha(values: np.ndarray) -> float:
    cov = np.cov(values, rowvar=False)
    m = len(cov)
    return float(m / (m - 1) * (1 - np.trace(cov) / cov.sum()))


def _rest_alpha(scores: np.ndarray, group: np.ndarray, items) -> np.ndarray:
    return np.array([[_alpha(np.delete(scores[group == g], i, axis=1)) for g in (0, 1)] for i in items])


def _sums(scores: np.ndarray, group: np.ndarray, k: int, items) -> np.ndarray:
    """(3, items, k, 2): n, sums, squares by rest score and group."""
    found = np.empty((3, len(items), k, 2))
    for at, item in enumerate(items):
        y = scores[:, item].astype(float)
        place = (scores.sum(axis=1) - scores[:, item]) * 2 + group
        for power in range(3):
            found[power, at] = np.bincount(place, y**power, minlength=2 * k).reshape(k, 2)
    return found


def _resampled(wide: pd.DataFrame, group: pd.Series, persons: np.ndarray) -> np.ndarray:
    scores = wide.to_numpy()[persons]
    return _sums(scores, (group.to_numpy()[persons] == "focal").astype(int), 13, range(5))
