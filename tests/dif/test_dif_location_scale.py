"""Location-scale DIF: scipy's maximum of the same likelihood, known truth, and invariances."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats

from psyalign.dif.counts.cells import cells
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.location_scale import location_scale, location_scale_kernel
from psyalign.dif.methods.nested import nested_fits
from psyalign.dif.methods.ordinal import ordinal, ordinal_kernel
from psyalign.foundation.errors import UsageError


def _loglik(params, y, x, focal):
    """By person; thresholds, match, group, log scale."""
    cuts, (beta, gamma, zeta) = params[:-3], params[-3:]
    edges = np.r_[-np.inf, cuts, np.inf]
    shift, width = beta * x + gamma * focal, np.exp(zeta * focal)
    above, below = special.expit((edges[y + 1] - shift) / width), special.expit((edges[y] - shift) / width)
    return float(np.log(np.maximum(above - below, 1e-300)).sum())


def _best(y, x, focal, begin, fixed=()):
    free = [k for k in range(len(begin)) if k - len(begin) not in fixed]

    def loss(values):
        params = begin.copy()
        params[free] = values
        return -_loglik(params, y, x, focal)

    found = optimize.minimize(loss, begin[free], options={"gtol": 1e-5})
    return -found.fun, found.x


def test_agrees_with_scipy(reference, to_long, groups):
    """item06 is less discriminating, item08 noisier for the focal group."""
    table, values = reference("poly")
    total = table[values["items"]].sum(axis=1)
    counts = cells(to_long(table[values["items"]]), groups(table["group"]), total)
    found = location_scale(counts).table
    x = stats.zscore(total.to_numpy(float), ddof=1)
    focal = table["group"].to_numpy(float)
    for item in ("item01", "item06", "item08"):
        y, row = table[item].to_numpy(), found.loc[item]
        shares = np.cumsum(np.bincount(y))[:-1] / len(y)
        begin = np.r_[special.logit(shares), 1.0, 0.0, 0.0]
        m1, m2, scale = (_best(y, x, focal, begin, fixed) for fixed in ((-1, -2), (-1,), ()))
        assert row["scale_lr"] == pytest.approx(2 * (scale[0] - m2[0]), abs=1e-7)
        assert row["location_scale_lr"] == pytest.approx(2 * (scale[0] - m1[0]), abs=1e-7)
        assert row["scale_p"] == pytest.approx(stats.chi2.sf(row["scale_lr"], 1))
        assert row["location_scale_p"] == pytest.approx(stats.chi2.sf(row["location_scale_lr"], 2))
        assert row["scale_effect"] == pytest.approx(scale[1][-1], abs=1e-4)
        assert row["location_effect"] == pytest.approx(scale[1][-2], abs=1e-4)
        profile = [
            _best(y, x, focal, np.r_[scale[1][:-1], scale[1][-1] + d], (-1,))[0] for d in (-0.02, 0.02)
        ]
        curvature = (2 * scale[0] - sum(profile)) / 0.02**2
        assert row["scale_se"] == pytest.approx(curvature**-0.5, rel=1e-3)
    assert found["scale_lr"].idxmax() == "item08"
    assert found.loc["item08", "scale_p"] < 1e-12
    assert 0.4 < found.loc["item08", "scale_effect"] < 0.8
    assert found.loc[["item01", "item02", "item03", "item04"], "scale_p"].min() > 0.01


def _samples(seed, samples, n=250, items=12, noise=1.0, impact=0.0):
    """Counts (samples, items, K, 2, 5) by total; the first item is `noise` times noisier for focal."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(samples, 2 * n)) - impact * np.repeat([0, 1], n)
    slopes = rng.uniform(1.2, 2.2, items)
    cuts = np.linspace(-1.2, 1.2, 4) + rng.uniform(-0.5, 0.5, (items, 1))
    error = rng.logistic(size=(samples, 2 * n, items)) / slopes
    error[:, n:, 0] *= noise
    scores = ((theta[..., None] + error)[..., None] > cuts).sum(axis=-1)
    total = scores.sum(axis=-1)
    counts = np.zeros((samples, items, 4 * items + 1, 2, 5))
    which, person, item = np.indices(scores.shape)
    np.add.at(counts, (which, item, total[which, person], (person >= n).astype(int), scores), 1)
    return ItemCounts(counts, np.arange(4.0 * items + 1), np.arange(5.0))


def test_type_one_error_and_power_for_noise():
    """250 a group. Discrimination halved in one group: the scale test sees it, the ordinary one does not."""
    level = stats.chi2.isf(0.05, 1)
    null = location_scale_kernel(_samples(1, 60))
    assert null["scale_lr"].shape == (60, 12)
    assert 0.03 < (null["scale_lr"] > level).mean() < 0.075  # 720 tests, standard error .008
    covered = np.abs(null["scale_effect"]) < 1.96 * null["scale_se"]
    assert 0.925 < covered.mean() < 0.97
    noisy = _samples(2, 40, noise=2.0)
    noisy = ItemCounts(noisy.n[:, 0], noisy.stratum, noisy.score)
    found = location_scale_kernel(noisy)
    assert (found["scale_lr"] > level).mean() > 0.9
    assert found["scale_effect"].mean() > 0.3
    assert (ordinal_kernel(noisy)["lr_uniform"] > level).mean() < 0.3


def test_fits_can_be_handed_over():
    counts = _samples(3, 3, n=100)
    plain = location_scale_kernel(counts)
    fits = nested_fits(counts)
    for other in (
        location_scale_kernel(counts, fits=fits),
        location_scale_kernel(counts, start=[params[:1] for params in fits.params]),
    ):
        for name, value in plain.items():
            np.testing.assert_allclose(other[name], value, rtol=1e-6, atol=1e-9)


def test_swapping_the_groups(sample):
    scores, group, total = sample(3, n=120, points=4)
    one = location_scale(cells(scores, group, total)).table
    two = location_scale(cells(scores, group.map({"reference": "focal", "focal": "reference"}), total)).table
    np.testing.assert_allclose(two[["scale_lr", "location_scale_lr"]], one[["scale_lr", "location_scale_lr"]])
    np.testing.assert_allclose(two["scale_effect"], -one["scale_effect"], rtol=1e-6)
    np.testing.assert_allclose(two["scale_se"], one["scale_se"], rtol=1e-6)
    # the location is in the reference group's unit
    turned = -one["location_effect"] * np.exp(-one["scale_effect"])
    np.testing.assert_allclose(two["location_effect"], turned, rtol=1e-6)


def test_two_score_points_are_not_enough(sample):
    scores, group, total = sample(4, n=100)
    binary = scores.assign(score=(scores["score"] > 1).astype(int))
    table = location_scale(cells(binary, group, total)).table
    assert not table["estimable"].any()
    assert table["reason"].str.startswith("with two score points a scale effect is the same as").all()
    assert table[["scale_lr", "scale_p", "scale_effect", "location_effect"]].isna().all(axis=None)
    # as it says: the focal group's own slope and own scale are one model
    counts = cells(scores, group, total).points("item01")
    n = np.stack([counts.n, counts.n])
    n[1, ..., 2:] = 0
    found = location_scale_kernel(ItemCounts(n, counts.stratum, counts.score))
    assert np.isfinite(found["scale_lr"]).tolist() == [True, False]


def test_reasons(sample):
    scores, group, total = sample(5, n=40)
    with pytest.raises(UsageError, match="two groups"):
        location_scale(cells(scores, group, total, groups=("reference", "focal", "other")))
    table = location_scale(cells(scores.assign(score=np.nan), group, total)).table
    assert (table["reason"] == "no scores for the reference group").all()
    one = pd.Series(1.0, index=total.index)
    table = location_scale(cells(scores, group, one)).table
    assert (table["reason"] == "the matching variable does not vary in the reference group").all()
    perfect = scores.assign(score=scores["person"].map(total // 4))
    table = location_scale(cells(perfect, group, total)).table
    assert not table["estimable"].any()
    assert (table["reason"] == ordinal(cells(perfect, group, total)).table["reason"]).all()
