"""Differential test functioning against known truth; what matching on the own total does to it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import special

from psyalign.dif.counts.matrix import ScoreMatrix
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.matching.spec import MatchSpec
from psyalign.dif.methods.smd import smd
from psyalign.dif.whole.dtf import dtf, expected_scores
from psyalign.dif.whole.own_total import is_own_total
from psyalign.foundation.errors import UsageError

LEVELS = np.arange(-8, 9) / 4
CUTS = np.array([-1.0, 0.0, 1.2])
THIN = MatchSpec("external", bins="thin")


def probabilities(x, shift, slope):
    """P(score = 0..3) where logit P(Y <= j) = CUTS_j - (slope x + shift), (..., 4)."""
    below = special.expit(CUTS - (slope * np.asarray(x) + shift)[..., None])
    return np.diff(np.concatenate([0 * below[..., :1], below, 1 + 0 * below[..., :1]], axis=-1), axis=-1)


@pytest.fixture(scope="session")
def known():
    """(n a group, shifts, slopes, seed) -> scores that depend on an external x, and the true test difference
    over the focal persons' x: signed, unsigned. Shift and slope are the focal group's additions."""

    def draw(n, shifts, slopes, seed):
        rng = np.random.default_rng(seed)
        focal = np.repeat([0, 1], n)
        x = np.maximum(rng.choice(LEVELS, 2 * n) - 0.25 * focal, LEVELS[0])
        columns, gap = {}, 0.0
        for item, (shift, slope) in enumerate(zip(shifts, slopes, strict=True)):
            p = probabilities(x, shift * focal, 1.2 + slope * focal)
            columns[f"item{item}"] = (rng.random((2 * n, 1)) > p.cumsum(axis=1)).sum(axis=1)
            mine = x[focal == 1]
            both = [
                probabilities(mine, a + 0 * mine, b) @ np.arange(4)
                for a, b in ((shift, 1.2 + slope), (0, 1.2))
            ]
            gap = gap + both[0] - both[1]
        group = pd.Series(focal).map({0: "reference", 1: "focal"})
        matrix = ScoreMatrix.from_wide(pd.DataFrame(columns), group, external=pd.Series(x))
        return matrix, float(gap.mean()), float(np.abs(gap).mean())

    return draw


def test_signed_and_unsigned_are_the_true_ones(known):
    """Items that all favour the reference group, and items that favour it only above x = 0."""
    for shifts, slopes in (((-0.5, -0.4, 0.0), (0, 0, 0)), ((0.0, 0.0, 0.0), (-0.6, -0.6, 0))):
        matrix, signed, unsigned = known(20_000, shifts, slopes, seed=1)
        found = dtf(matrix, replicates=60, seed=3).table
        assert found["estimable"].all()
        for source in ("smd", "model"):
            rows = found.loc[source]
            assert rows["value"]["signed"] == pytest.approx(signed, abs=3.5 * rows["se"]["signed"])
            assert rows["value"]["unsigned"] == pytest.approx(unsigned, abs=0.02)
            assert rows["low"]["signed"] < rows["value"]["signed"] < rows["high"]["signed"]
        assert found["se"].xs("signed", level="statistic").max() < 0.02


def test_signed_is_the_sum_of_the_smds(known):
    matrix, _, _ = known(150, (-0.5, 0.3), (0, 0), seed=2)
    gaps = matrix.values.copy()
    gaps[::7, 0] = np.nan
    matrix = ScoreMatrix(matrix.persons, matrix.items, gaps, matrix.group, external=matrix.external)
    found = dtf(matrix, THIN, model=False, replicates=5)
    table = found.table.loc["smd"]
    assert table["value"]["signed"] == pytest.approx(smd(matrix.count(THIN)).table["smd"].sum(), rel=1e-12)
    assert table["value"]["unsigned"] >= abs(table["value"]["signed"])
    curves = found.curves
    assert (curves["stratum"].diff().dropna() > 0).all()
    np.testing.assert_allclose(
        curves["difference"], curves["expected_focal"] - curves["expected_reference"], rtol=1e-12
    )


def test_expected_scores_are_those_of_the_model():
    """Counts in exact proportion to the model's probabilities give them back, members at once."""
    match = np.array([-1.0, 0.0, 1.0, 2.0])
    n = (
        np.stack([probabilities(match, 0 * match, 1.0), probabilities(match, 0 * match - 0.3, 0.7)], axis=1)
        * 1e4
    )
    counts = ItemCounts(np.stack([n, n * 2]), match, np.arange(4.0))
    expected, params = expected_scores(counts)
    np.testing.assert_allclose(expected[0], (n * np.arange(4)).sum(axis=-1) / 1e4, atol=1e-8)
    np.testing.assert_allclose(expected[1], expected[0], atol=1e-8)
    again, _ = expected_scores(counts, params)
    np.testing.assert_allclose(again, expected, atol=1e-8)


def test_matched_on_its_own_total_it_says_that_nothing_can_be_said(known):
    matrix, _, _ = known(100, (-0.8, -0.8, 0.0), (0, 0, 0), seed=3)
    total = matrix.values.sum(axis=1)
    same = ScoreMatrix(matrix.persons, matrix.items, matrix.values, matrix.group, external=2 * total + 1)
    for found in (dtf(matrix, MatchSpec("total"), replicates=5), dtf(same, replicates=5)):
        assert not found.table["estimable"].any()
        assert found.table["value"].isna().all()
        assert found.table["reason"].str.startswith("0 by construction").all()
    thin = smd(matrix.count(MatchSpec("total", bins="thin"))).table
    assert thin["smd"].sum() == pytest.approx(0, abs=1e-12)
    assert not is_own_total(matrix.values, matrix.external)
    assert not is_own_total(matrix.values[:2], total[:2])


def test_with_anchors_only_the_other_items_count(known):
    matrix, _, _ = known(400, (0.0, 0.0, -0.8), (0, 0, 0), seed=4)
    spec = MatchSpec("total", anchors=("item0", "item1"), bins="thin")
    found = dtf(matrix, spec, replicates=20)
    each = smd(matrix.count(spec)).table["smd"]
    assert each[["item0", "item1"]].sum() == pytest.approx(0, abs=1e-12)
    assert found.table.loc[("smd", "signed"), "value"] == pytest.approx(each["item2"], rel=1e-10)
    assert found.table.loc[("smd", "unsigned"), "reason"].startswith("the strata differ between the items")
    assert found.curves.empty
    assert "anchors" in repr(found)


def test_correction_takes_most_of_the_noise_out(known):
    """No DTF, 200 persons a group: the unsigned figure is noise, the corrected one less of it."""
    ratios = []
    for seed in range(12):
        matrix, _, _ = known(200, (0, 0, 0, 0), (0, 0, 0, 0), seed=seed)
        value = dtf(matrix, THIN, model=False, replicates=60, seed=seed).table.loc["smd", "value"]
        ratios.append(value["unsigned_corrected"] / value["unsigned"])
        assert value["unsigned_corrected"] >= abs(value["signed"])
    assert np.mean(ratios) < 0.75


def test_degenerate_items_are_left_out_with_a_reason(known):
    matrix, _, _ = known(60, (0, 0, 0), (0, 0, 0), seed=5)
    values = matrix.values.copy()
    values[:, 0] = 2
    values[matrix.group == 1, 1] = np.nan
    broken = ScoreMatrix(matrix.persons, matrix.items, values, matrix.group, external=matrix.external)
    found = dtf(broken, replicates=20)
    assert dict(found.left_out) == {
        "item0": "all persons have the same score",
        "item1": "no scores for the focal group",
    }
    assert found.table["estimable"].all()
    assert "Left out: item0" in repr(found)
    values[:, 2] = 1
    nothing = dtf(ScoreMatrix(matrix.persons, matrix.items, values, matrix.group, external=matrix.external))
    assert (nothing.table["reason"] == "no item is estimable").all()
    alone = ScoreMatrix(matrix.persons, matrix.items, values, 0 * matrix.group, external=matrix.external)
    assert not dtf(alone, replicates=2).table["estimable"].any()
    lost = ScoreMatrix(
        matrix.persons, matrix.items, matrix.values, matrix.group, external=np.full(len(values), np.nan)
    )
    assert not dtf(lost, replicates=2).table["estimable"].any()
    three = ScoreMatrix(matrix.persons, matrix.items, matrix.values, matrix.group, ("a", "b", "c"))
    with pytest.raises(UsageError):
        dtf(three)
