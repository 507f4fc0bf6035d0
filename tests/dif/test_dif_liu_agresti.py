"""Liu and Agresti's odds ratio: R's values, statsmodels, the variance written out, invariances."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import StratifiedTable

from psyalign.dif.counts.cells import cells
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.liu_agresti import liu_agresti, liu_agresti_kernel
from psyalign.foundation.errors import UsageError

NAMES = ("la_log_or", "la_se", "la_z")


def _kernel(n):
    n = np.asarray(n, dtype=float)
    return liu_agresti_kernel(ItemCounts(n, np.arange(n.shape[-3]), np.arange(n.shape[-1])))


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
    found = liu_agresti(cells(scores, groups(table["group"]), stratum)).table
    for ours, theirs in (
        ("la_or", "la_psi"),
        ("la_log_or", "la_log_psi"),
        ("la_se", "la_se_log_psi_Ustat"),
        ("la_z", "la_z"),
        ("n_strata", "n_strata_used"),
        ("n_reference", "n_ref_used"),
        ("n_focal", "n_focal_used"),
    ):
        np.testing.assert_allclose(found[ours], expected[theirs], rtol=1e-10, err_msg=ours)
    np.testing.assert_allclose((found["la_high"] + found["la_low"]) / 2, found["la_log_or"])
    np.testing.assert_allclose((found["la_high"] - found["la_low"]) / 2 / found["la_se"], 1.959964, rtol=1e-6)
    assert found["estimable"].all()


def test_binary_items_are_mantel_haenszel(reference, to_long, groups):
    """difR: alpha > 1 favours the reference group; varLambda is Phillips and Holland's, the same as RBG."""
    table, values = reference("dich")
    items = values["items"]
    counts = cells(to_long(table[items]), groups(table["group"]), table[items].sum(axis=1))
    found = liu_agresti(counts).table
    expected = values["MH_correctFALSE_purifyFALSE"]
    np.testing.assert_allclose(found["la_or"], expected["alphaMH"], rtol=1e-10)
    np.testing.assert_allclose(found["la_se"] ** 2, expected["varLambda"], rtol=1e-10)
    np.testing.assert_allclose(found["la_z"], values["MH_logOR"]["z"], rtol=1e-10)
    for item in items:
        n = counts.points(item).shared().n
        theirs = StratifiedTable(np.moveaxis(n[:, :, ::-1], 0, -1))
        assert found.loc[item, "la_log_or"] == pytest.approx(theirs.logodds_pooled, rel=1e-10)
        assert found.loc[item, "la_se"] == pytest.approx(theirs.logodds_pooled_se, rel=1e-10)


def _by_loops(n):
    """The formulas of METHODS.md, cut by cut and stratum by stratum."""
    above = below = variance = 0.0
    cuts = range(1, n.shape[-1])
    parts = []
    for (ref, foc), total in zip(n, n.sum(axis=(1, 2)), strict=True):
        if ref.sum() and foc.sum():
            parts.append(
                ([(ref[j:].sum(), ref[:j].sum(), foc[j:].sum(), foc[:j].sum()) for j in cuts], total)
            )
    for quads, total in parts:
        above += sum(a * d for a, b, c, d in quads) / total
        below += sum(b * c for a, b, c, d in quads) / total
    psi = above / below
    for quads, total in parts:
        for j, (aj, bj, cj, dj) in enumerate(quads):
            for at, (al, bl, cl, dl) in enumerate(quads[j:], start=j):
                c = al * dj * dl - psi * (aj - al) * dj * cl + psi**2 * bj * cj * cl + dj * aj * al
                c += -psi * (dl - dj) * bj * al + psi**2 * cl * bj * bl - al * dj - psi**2 * bj * cl
                variance += (1 if at == j else 2) * c / total**2
    return np.log(psi), np.sqrt(variance) / above


def _random(seed, lead=(), k=6, s=4, high=5):
    return np.random.default_rng(seed).integers(0, high, size=(*lead, k, 2, s)).astype(float)


@given(seed=st.integers(0, 10_000), s=st.integers(3, 6))
@settings(max_examples=30, deadline=None)
def test_formula_and_invariances(seed, s):
    n = _random(seed, s=s)
    found = _kernel(n)
    np.testing.assert_allclose([found["la_log_or"], found["la_se"]], _by_loops(n), rtol=1e-10)
    swapped, flipped = _kernel(n[:, ::-1]), _kernel(n[..., ::-1])
    for other in (swapped, flipped):  # groups swapped, scores turned round
        np.testing.assert_allclose(other["la_log_or"], -found["la_log_or"], atol=1e-12)
        np.testing.assert_allclose(other["la_se"], found["la_se"], rtol=1e-10)
    doubled = _kernel(np.concatenate([n, n]))  # each stratum twice: the same value, half the variance
    np.testing.assert_allclose(doubled["la_log_or"], found["la_log_or"], atol=1e-12)
    np.testing.assert_allclose(doubled["la_se"], found["la_se"] / np.sqrt(2), rtol=1e-10)
    alone = n.copy()
    alone[:, 1] = 0  # strata without focal persons, and a score point that nobody has
    padded = np.insert(np.concatenate([n, alone]), 2, 0, axis=-1)
    for name in NAMES:
        np.testing.assert_allclose(_kernel(padded)[name], found[name], rtol=1e-10)


def test_any_leading_axes():
    """Stacked members give what each gives alone; some have empty strata, unseen points or two points."""
    n = _random(7, lead=(3, 4))
    n[0, 0, :3, 1] = 0  # strata without focal persons
    n[0, 1, ..., 2] = 0  # unseen point
    n[1, 0, ..., 1:3] = 0  # two points: Robins, Breslow and Greenland
    n[1, 1, ..., 1:] = 0  # one point
    n[2, 0] = 0
    n[2, 1, :, 0, :2] = 0  # separation
    n[2, 1, :, 1, 2:] = 0
    stacked = _kernel(n)
    for where in np.ndindex(3, 4):
        for name in NAMES:
            np.testing.assert_allclose(stacked[name][where], _kernel(n[where])[name], rtol=1e-12)
    for name in NAMES:
        missing = np.argwhere(np.isnan(stacked[name])).tolist()
        assert missing == [[1, 1], [2, 0], [2, 1]]
    table = StratifiedTable(np.moveaxis(n[1, 0][:, :, [3, 0]], 0, -1))
    assert stacked["la_se"][1, 0] == pytest.approx(table.logodds_pooled_se, rel=1e-10)


def test_coverage_and_shift():
    """One true cumulative odds ratio of e^.6: 2,000 samples, the band is of 4 standard errors."""
    rng = np.random.default_rng(3)
    match, cuts = np.linspace(-1.5, 1.5, 10), np.linspace(-1.5, 1.5, 4)
    n = np.empty((2000, 10, 2, 5))
    for group, shift in enumerate((0.0, 0.6)):
        above = 1 / (1 + np.exp(cuts + shift - 1.4 * match[:, None]))
        p = -np.diff(above, axis=1, prepend=1, append=0)
        n[:, :, group] = rng.multinomial(25, p, size=(2000, 10))
    found = _kernel(n)
    assert np.mean(np.abs(found["la_log_or"] - 0.6) < 1.96 * found["la_se"]) == pytest.approx(0.95, abs=0.02)
    assert found["la_log_or"].mean() == pytest.approx(0.6, abs=0.03)


def test_a_shift_of_scores_changes_nothing(sample):
    scores, group, total = sample(3)
    one = liu_agresti(cells(scores, group, total)).table
    two = liu_agresti(cells(scores.assign(score=scores["score"] - 7.5), group, total)).table
    pd.testing.assert_frame_equal(one, two)


def test_not_estimable(sample):
    scores, group, total = sample(4, 40, items=2, points=2)
    apart = scores.assign(score=(scores["person"].map(group) == "focal") * 2)
    flat = total * 0
    table = liu_agresti(cells(apart, group, flat)).table
    assert (
        table["reason"] == "separation: within strata no reference person scores above a focal person"
    ).all()
    assert not table["estimable"].any()
    numbers = table[["la_log_or", "la_or", "la_se", "la_z", "la_p", "la_low", "la_high"]]
    assert numbers.isna().all(axis=None)
    other = liu_agresti(cells(apart.assign(score=2 - apart["score"]), group, flat)).table
    assert (
        other["reason"] == "separation: within strata no focal person scores above a reference person"
    ).all()
    for rows, stratum, reason in (
        (scores.assign(score=1), total, "all persons have the same score"),
        (scores.assign(score=np.nan), total, "no scores for the reference group"),
        (scores, total + 100.0 * (group == "focal"), "no stratum holds both groups"),
        (scores.assign(score=scores["person"].map(total)), total, "scores do not vary within strata"),
        (scores[scores["person"] < 42], total, "only 2 persons in the focal group"),
    ):
        table = liu_agresti(cells(rows, group, stratum)).table
        assert (table["reason"] == reason).all(), table["reason"].tolist()
        assert table["la_z"].isna().all()


def test_two_groups_only(sample):
    scores, group, total = sample(0)
    counts = cells(scores, group, total, groups=("reference", "focal", "third"))
    with pytest.raises(UsageError, match="compares two groups"):
        liu_agresti(counts)
