"""Adjacent-category logits: difNLR's values, log-linear and logistic models of statsmodels, batches."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from psyalign.dif.counts.cells import cells
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.adjacent import adjacent, adjacent_kernel, fit_adjacent
from psyalign.foundation.errors import UsageError

RATIOS = ("adjacent_lr_total", "adjacent_lr_uniform", "adjacent_lr_nonuniform")
NAMES = (*RATIOS, "adjacent_group_effect", "adjacent_group_effect_se")


def _kernel(n, stratum=None):
    n = np.asarray(n, dtype=float)
    stratum = np.arange(n.shape[-3], dtype=float) if stratum is None else stratum
    return adjacent_kernel(ItemCounts(n, stratum, np.arange(n.shape[-1], dtype=float)))


def _random(seed, lead=(), k=6, s=4, high=5):
    return np.random.default_rng(seed).integers(0, high, size=(*lead, k, 2, s)).astype(float)


def _poly(reference, to_long, groups):
    table, values = reference("poly")
    items = values["items"]
    total = table[items].sum(axis=1)
    return cells(to_long(table[items]), groups(table["group"]), total), total, values


def test_ratios_from_difnlr(reference, to_long, groups):
    """difNLR matches on the standardised total; linear maps of the match change no ratio."""
    counts, _, values = _poly(reference, to_long, groups)
    found = adjacent(counts).table
    for theirs, ours in zip(("both", "udif", "nudif"), RATIOS, strict=True):
        expected = values[f"difORD_adjacent_{theirs}_purifyFALSE"]
        # VGAM stops where the log-likelihood changes by 1e-7 relative; measured here: 1e-11
        np.testing.assert_allclose(found[ours], expected["stat"], atol=1e-8, err_msg=theirs)
        np.testing.assert_allclose(found[f"{ours}_p"], expected["p"], atol=1e-9, err_msg=theirs)
    assert found["estimable"].all()


def test_parameters_from_difnlr(reference, to_long, groups):
    """par_m1 is M3 for the items that difNLR flags, M1 for the others; alpha are its intercepts' sums."""
    counts, total, values = _poly(reference, to_long, groups)
    expected = values["difORD_adjacent_both_purifyFALSE"]
    for number, item in enumerate(values["items"], start=1):
        points = counts.points(item)
        x = np.repeat((points.stratum - total.mean()) / total.std(), 2)
        focal = np.tile([0.0, 1.0], len(points.stratum))
        design = np.column_stack([x, focal, x * focal])[:, : 3 if number in expected["DIFitems"] else 1]
        fit = fit_adjacent(points.n.reshape(len(x), -1), design)
        theirs = expected["par_m1"][item]
        steps = np.diff(fit.alpha, prepend=0)
        np.testing.assert_allclose(steps, [theirs[f"(Intercept):{j}"] for j in (1, 2, 3, 4)], atol=1e-6)
        names = ("x", "group", "x:group")[: design.shape[1]]
        np.testing.assert_allclose(fit.beta, [theirs[name] for name in names], atol=1e-6)


def _loglinear(n, design, score):
    """The same model as a Poisson log-linear one: log-likelihoods differ by a constant."""
    p, c = n.shape
    pattern = np.kron(np.eye(p), np.ones((c, 1)))
    point = np.tile(np.eye(c)[:, 1:], (p, 1))
    upward = np.repeat(design, c, axis=0) * np.tile(score, p)[:, None]
    fit = sm.GLM(n.ravel(), np.column_stack([pattern, point, upward]), sm.families.Poisson())
    return fit.fit(tol=1e-12, maxiter=200)


@pytest.mark.parametrize("seed", [1, 2])
def test_log_linear_model_of_statsmodels(seed):
    n = _random(seed, k=5, s=4, high=9)
    found = _kernel(n)
    x = np.repeat(np.arange(5.0), 2)
    focal = np.tile([0.0, 1.0], 5)
    design = np.column_stack([x, focal, x * focal])
    fits = [_loglinear(n.reshape(10, 4), design[:, :q], np.arange(4)) for q in (1, 2, 3)]
    m1, m2, m3 = (-fit.deviance / 2 for fit in fits)
    np.testing.assert_allclose(
        [found[name] for name in RATIOS], [2 * (m3 - m1), 2 * (m2 - m1), 2 * (m3 - m2)], atol=1e-8
    )
    assert found["adjacent_group_effect"] == pytest.approx(fits[1].params[-1], abs=1e-7)
    assert found["adjacent_group_effect_se"] == pytest.approx(fits[1].bse[-1], rel=1e-5)


def test_binary_items_are_logistic(reference, to_long, groups):
    table, values = reference("dich")
    items = values["items"]
    counts = cells(to_long(table[items]), groups(table["group"]), table[items].sum(axis=1))
    found = adjacent(counts).table
    for theirs, ours in zip(("both", "udif", "nudif"), RATIOS, strict=True):
        expected = values[f"LOGISTIC_{theirs}_LRT_purifyFALSE"]["chi2"]
        np.testing.assert_allclose(found[ours], expected, atol=1e-6, err_msg=theirs)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_invariances(seed):
    n = _random(seed)
    found = _kernel(n)
    swapped, turned = _kernel(n[:, ::-1]), _kernel(n[..., ::-1])
    for other in (swapped, turned):  # groups swapped, scores turned round
        for name in RATIOS:
            np.testing.assert_allclose(other[name], found[name], atol=1e-8)
        np.testing.assert_allclose(other["adjacent_group_effect"], -found["adjacent_group_effect"], atol=1e-8)
    moved = _kernel(n, np.arange(6) * 250.0 - 1e4)
    padded = _kernel(np.insert(n, 2, 0, axis=-1))  # a score point that nobody has
    split = _kernel(np.concatenate([n[:1], n]), np.array([0.0, 0, 1, 2, 3, 4, 5]))
    halves = _kernel(np.concatenate([n, n]), np.tile(np.arange(6.0), 2))
    double = _kernel(2 * n)  # strata of one matching value: merging them is exact
    for name in NAMES:
        np.testing.assert_allclose(moved[name], found[name], atol=1e-8)
        np.testing.assert_allclose(padded[name], found[name], atol=1e-10)
        np.testing.assert_allclose(halves[name], double[name], atol=1e-8)
    first = n.copy()
    first[0] *= 2
    np.testing.assert_allclose(split[RATIOS[0]], _kernel(first)[RATIOS[0]], atol=1e-8)


def test_any_leading_axes():
    """Stacked members give what each gives alone; some have empty strata, unseen points, no maximum."""
    n = _random(9, lead=(3, 4))
    n[0, 0, :3, 1] = 0  # strata without focal persons: the others still count
    n[0, 1, ..., 2] = 0  # unseen points
    n[0, 2, ..., 0] = 0
    n[1, 0, ..., 1:] = 0  # one score
    n[1, 1, 1:, 1] = 0  # the match does not vary in the focal group
    n[1, 2, :, 0, :2] = 0  # separated by the group
    n[1, 2, :, 1, 2:] = 0
    n[1, 3, :3, :, 1:] = 0  # separated by the match
    n[1, 3, 3:, :, :3] = 0
    n[2, 0] = 0
    stacked = _kernel(n)
    for where in np.ndindex(3, 4):
        for name in NAMES:
            np.testing.assert_allclose(stacked[name][where], _kernel(n[where])[name], atol=1e-8)
    for name in NAMES:
        missing = np.argwhere(np.isnan(stacked[name])).tolist()
        assert missing == [[1, 0], [1, 1], [1, 2], [1, 3], [2, 0]]
    assert _kernel(np.zeros((2, 0, 2, 0)))[RATIOS[0]].shape == (2,)


def test_known_effect_and_type_one_error():
    """Step effects of -.4 are found; without, 5% are rejected: 1,500 samples, band of 4 standard errors."""
    rng = np.random.default_rng(4)
    match = np.linspace(-1.5, 1.5, 8)
    n = np.empty((2, 1500, 8, 2, 4))
    for case, effect in enumerate((0.0, -0.4)):
        for group in (0, 1):
            eta = np.arange(4) * (0.8 * match[:, None] + effect * group) - np.array([0, 0.2, 0, 0.6])
            p = np.exp(eta) / np.exp(eta).sum(axis=1, keepdims=True)
            n[case, :, :, group] = rng.multinomial(25, p, size=(1500, 8))
    found = _kernel(n, match)
    for name, df in zip(RATIOS, (2, 1, 1), strict=True):
        assert np.mean(stats.chi2.sf(found[name][0], df) < 0.05) == pytest.approx(0.05, abs=0.023)
    effects, se = found["adjacent_group_effect"][1], found["adjacent_group_effect_se"][1]
    assert effects.mean() == pytest.approx(-0.4, abs=0.02)
    assert effects.std() == pytest.approx(se.mean(), rel=0.1)


def test_a_constant_shift_of_scores_changes_nothing(sample):
    scores, group, total = sample(3)
    one = adjacent(cells(scores, group, total)).table
    two = adjacent(cells(scores.assign(score=scores["score"] - 7), group, total)).table
    pd.testing.assert_frame_equal(one, two)


def test_not_estimable(sample):
    scores, group, total = sample(4, 40, items=2, points=2)
    focal = scores["person"].map(group) == "focal"
    separated = "scores are separated by the matching variable or the group"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows, stratum, reason in (
            (scores.assign(score=focal * 2), total, separated),
            (scores.assign(score=scores["person"].map(total)), total, separated),
            (scores.assign(score=1), total, "all persons have the same (rounded) score"),
            (scores.assign(score=np.nan), total, "no scores for the reference group"),
            (scores, total * 0, "the matching variable does not vary in the reference group"),
            (scores[scores["person"] < 42], total, "only 2 persons in the focal group"),
        ):
            table = adjacent(cells(rows, group, stratum)).table
            assert (table["reason"] == reason).all(), table["reason"].tolist()
            assert not table["estimable"].any()
            assert table[[*NAMES, *(f"{name}_p" for name in RATIOS)]].isna().all(axis=None)
    # no stratum in common is no hindrance to a model, if both groups' matches vary
    table = adjacent(cells(scores, group, total + 0.5 * (group == "focal"))).table
    assert table["estimable"].all()


def test_two_groups_only(sample):
    scores, group, total = sample(0)
    with pytest.raises(UsageError, match="compares two groups"):
        adjacent(cells(scores, group, total, groups=("reference", "focal", "third")))
