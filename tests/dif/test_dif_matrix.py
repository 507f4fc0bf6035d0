"""ScoreMatrix: every matching of MatchSpec, against `cells` of the long table, R's values and arithmetic."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psyalign.dif.counts.cells import Cells, cells
from psyalign.dif.counts.matrix import ScoreMatrix
from psyalign.dif.matching.regress import kelley, reliabilities
from psyalign.dif.matching.spec import MatchSpec
from psyalign.dif.matching.strata import bin_strata, matching_strata, prorate, stratify, total_score
from psyalign.dif.methods.mantel import mantel
from psyalign.dif.methods.smd import smd
from psyalign.foundation.errors import DataError, UsageError

ANCHORS = ("item02", "item05")


def same(found: Cells, expected: Cells) -> None:
    pd.testing.assert_frame_equal(found.table, expected.table, check_exact=True)
    assert found.items == expected.items
    assert found.left_out.to_dict() == expected.left_out.to_dict()
    assert (found.groups, found.min_group) == (expected.groups, expected.min_group)
    for mine in found.by_item.values():
        assert {array.dtype.kind for array in (mine.stratum, mine.score, mine.count)} == {"f"}
        assert mine.group.dtype == np.int64


@pytest.fixture
def holey(graded, to_long):
    """Long scores, groups and an external value, with holes in all of them; wide scores beside them."""

    def draw(seed: int, n: int = 150, kind: str = "whole"):
        rng = np.random.default_rng(seed)
        wide, group = graded(rng, n, items=6, points=3)
        wide = wide.astype(float)
        if kind == "halves":
            wide = wide + 0.5 * (rng.random(wide.shape) < 0.5)
        if kind == "expected":
            wide = wide + rng.normal(0, 0.1, wide.shape)
        external = (wide.sum(axis=1) + rng.normal(0, 2, len(wide))).round()
        wide = wide.mask(rng.random(wide.shape) < 0.15)
        group = group.mask(pd.Series(rng.random(len(group)) < 0.1))
        external = external.mask(pd.Series(rng.random(len(external)) < 0.1))
        return wide, to_long(wide), group, external

    return draw


def by_item(long: pd.DataFrame, sets: dict[str, list[str]]) -> pd.DataFrame:
    """Total of each item's set of items, person by person: columns person, item, stratum."""
    parts = []
    for item, names in sets.items():
        total = total_score(long[long["item"].isin(names)])
        parts.append(pd.DataFrame({"person": total.index, "item": item, "stratum": total.to_numpy()}))
    return pd.concat(parts)


@pytest.mark.parametrize("kind", ["whole", "halves", "expected"])
def test_the_same_as_cells(holey, kind):
    wide, long, group, external = holey(1, kind=kind)
    matrix = ScoreMatrix.from_long(long, group, external=external)
    items = list(wide.columns)
    total = dict.fromkeys(items, items)
    rest = {item: [name for name in items if name != item] for item in items}
    anchored = {item: sorted({*ANCHORS, item}) for item in items}
    other = {item: [name for name in ANCHORS if name != item] for item in items}
    for variable, anchors, sets in (
        ("total", None, total),
        ("rest", None, rest),
        ("total", ANCHORS, anchored),
        ("rest", ANCHORS, other),
    ):
        spec = MatchSpec(variable, anchors=anchors, bins="thin")
        same(matrix.count(spec), cells(long, group, by_item(long, sets)))
    same(matrix.count(MatchSpec("external", bins="thin")), cells(long, group, external))
    same(
        ScoreMatrix.from_wide(wide, group).count(MatchSpec(bins="thin")), matrix.count(MatchSpec(bins="thin"))
    )


@pytest.mark.parametrize("n", [40, 400])
def test_automatic_strata_are_those_of_matching_strata(holey, n):
    wide, long, group, external = holey(2, n)
    matrix = ScoreMatrix.from_wide(wide, group, external=external)
    expected = matching_strata(long, group)
    strata = matrix.strata(MatchSpec())
    assert strata.shape == (len(wide),)
    member = group.notna().to_numpy()
    np.testing.assert_array_equal(strata[member], expected.stratum.to_numpy()[member])
    assert np.isnan(strata[~member]).all()
    same(matrix.count(MatchSpec()), cells(long, group, expected.stratum))
    assert (
        pd.Series(strata).nunique() < matrix._strata(MatchSpec(bins="thin"))[0].levels.size
    ) == expected.binned
    hopeless = matching_strata(long, group, min_per_group=10_000).stratum
    same(matrix.count(MatchSpec(min_per_group=10_000)), cells(long, group, hopeless))


def test_strata_differ_by_item_only_where_the_variable_does(holey):
    wide, _, group, external = holey(3)
    matrix = ScoreMatrix.from_wide(wide, group, external=external)
    n, size = wide.shape
    assert matrix.strata(MatchSpec(anchors=matrix.items)).shape == (n,)
    assert matrix.strata(MatchSpec("external")).shape == (n,)
    anchored = matrix.strata(MatchSpec(anchors=ANCHORS))
    assert anchored.shape == (n, size)
    np.testing.assert_array_equal(anchored[:, 1], anchored[:, 4])
    assert matrix.strata(MatchSpec("rest")).shape == (n, size)


def test_deciles_and_rest_score_as_in_r(reference, groups):
    table, values = reference("poly")
    matrix = ScoreMatrix.from_wide(table[values["items"]], groups(table["group"]))
    for spec, name in (
        (MatchSpec(bins="equal", n_bins=10), "OBS_deciles"),
        (MatchSpec("rest", bins="thin"), "OBS_restscore"),
        (MatchSpec(bins="thin"), "OBS_score"),
    ):
        counts, expected = matrix.count(spec), values[name]
        found = mantel(counts).table.join(smd(counts).table[["smd", "se"]])
        assert found["n_strata"].to_list() == expected["n_strata_used"]
        assert found["n_focal"].to_list() == expected["n_focal_used"]
        assert found["mantel_z"].to_list() == pytest.approx(expected["mantel_z"], rel=1e-8)
        assert found["smd"].to_list() == pytest.approx(expected["smd"], rel=1e-8)
        assert found["se"].to_list() == pytest.approx(expected["se_smd_hypergeom"], rel=1e-8)


@given(seed=st.integers(0, 10_000), n_bins=st.integers(1, 12), n=st.integers(5, 80))
@settings(max_examples=40, deadline=None)
def test_equal_bins_are_numpys_quantiles(seed, n_bins, n):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 25, n).astype(float)
    levels, counts = np.unique(values, return_counts=True)
    table = np.column_stack([counts, counts]).astype(float)
    strata = stratify(levels, table, MatchSpec(bins="equal", n_bins=n_bins, min_per_group=1))[:, 0]
    ends = np.quantile(np.repeat(values, 2), np.arange(1, n_bins) / n_bins)
    expected = np.searchsorted(ends + 1e-9, levels, side="left")
    assert (np.diff(strata) >= 0).all()
    assert len(np.unique(strata)) == len(np.unique(expected)) <= n_bins
    np.testing.assert_array_equal(
        np.unique(strata, return_inverse=True)[1], np.unique(expected, return_inverse=True)[1]
    )


def test_equal_bins_without_a_group_are_merged():
    """Values 0..5, one person of the reference group each, focal persons at 0 and 5 only; three bins.

    Bins {0, 1}, {2, 3}, {4, 5}: the middle one has nobody of the focal group and joins the one above.
    """
    counts = np.array([[1, 1], [1, 0], [1, 0], [1, 0], [1, 0], [1, 1]], dtype=float)
    spec = MatchSpec(bins="equal", n_bins=3, min_per_group=1)
    strata = stratify(np.arange(6.0), counts, spec)
    assert strata[:, 0].tolist() == pytest.approx([1 / 3, 1 / 3, 19 / 5, 19 / 5, 19 / 5, 19 / 5])


def test_halves_are_rounded_up_exactly():
    """5 on 6 of 9 items makes 7.5, and 98 on 12 of 15 makes 122.5, which 98 / 12 * 15 falls short of."""
    assert 98 / 12 * 15 < 122.5
    assert prorate(np.array([5.0, 98.0]), np.array([6, 12]), np.array([9, 15])).tolist() == [8, 123]
    assert prorate(np.array([0.1 + 0.2, 0.3]), np.array([2, 2]), 2).tolist() == [0.3, 0.3]
    assert np.isnan(prorate(np.array([3.0, 0.0]), np.array([1, 0]), 3)).all()


def test_kelley_by_hand():
    """Reference 0, 4 (mean 2), focal 2, 4 (mean 3), reliability .5: estimates 1, 3 and 2.5, 3.5; step 2.

    On the grid of 0, 2, 4 (halves up): 1 -> 2, 3 -> 4, 2.5 -> 2, 3.5 -> 4.
    """
    counts = np.array([[1, 0], [0, 1], [1, 1]], dtype=float)
    found = kelley(np.array([0.0, 2.0, 4.0]), counts, (0.5, 0.5))
    assert found[[0, 2], 0].tolist() == [2, 4]
    assert found[[1, 2], 1].tolist() == [2, 4]
    strata = stratify(np.array([0.0, 2.0, 4.0]), counts, MatchSpec(reliability=0.5, min_per_group=1))
    assert np.isnan(strata[0, 1])
    assert strata[1, 1] == strata[0, 0] == 2
    same_as = stratify(np.array([0.0, 2.0, 4.0]), counts, MatchSpec(bins="thin", reliability=1.0))
    assert same_as[[0, 2], 0].tolist() == [0, 4]
    assert reliabilities({"reference": 0.8, "focal": 0.9}, ("reference", "focal")) == (0.8, 0.9)
    for wrong in (0.0, 1.2, {"reference": 0.8}, {"reference": 0.8, "focal": 0.9, "other": 0.7}):
        with pytest.raises(UsageError, match=r"[Rr]eliability|group"):
            reliabilities(wrong, ("reference", "focal"))


def test_regressed_matching_takes_out_what_unreliable_matching_leaves():
    """No DIF, impact 1 SD, matched on a noisy external score: the focal group looks worse than it is."""
    rng = np.random.default_rng(5)
    focal = np.repeat([0, 1], 20_000)
    theta = rng.normal(size=len(focal)) - focal
    external = pd.Series(np.round(50 + 10 * theta + rng.normal(0, 7, len(focal))))
    score = pd.DataFrame({"a": (theta + rng.logistic(size=len(focal)) > -0.5).astype(float)})
    group = pd.Series(np.where(focal == 1, "focal", "reference"))
    matrix = ScoreMatrix.from_wide(score, group, external=external)
    plain = smd(matrix.count(MatchSpec("external"))).table.loc["a"]
    corrected = smd(matrix.count(MatchSpec("external", reliability=100 / 149))).table.loc["a"]
    assert plain["smd"] < -0.05
    assert abs(corrected["smd"]) < 3 * corrected["se"]
    assert corrected["share_used"] > 0.95


def test_several_groups_and_one_too_small_to_have_a_say(holey):
    wide, long, _, _ = holey(6)
    rng = np.random.default_rng(6)
    names = ("a", "b", "c", "d")
    group = pd.Series(rng.choice(names[:3], len(wide)))
    group.iloc[0] = "d"
    matrix = ScoreMatrix.from_wide(wide, group, groups=names, min_group=7)
    counts = matrix.count(MatchSpec())
    assert pd.Series(matrix.strata(MatchSpec())).nunique() > 5
    same(counts, cells(long, group, pd.Series(matrix.strata(MatchSpec())), groups=names, min_group=7))
    few = ScoreMatrix.from_wide(wide.iloc[:60], group, groups=names)
    merged = pd.crosstab(few.strata(MatchSpec()), group.iloc[:60].to_numpy())
    assert merged[["a", "b", "c"]].to_numpy().min() >= 2
    assert 2 < len(merged) < 12


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_the_order_of_persons_changes_nothing(seed, graded):
    rng = np.random.default_rng(seed)
    wide, group = graded(rng, 50)
    wide = wide.astype(float).mask(rng.random(wide.shape) < 0.1)
    order = rng.permutation(len(wide))
    for spec in (
        MatchSpec(),
        MatchSpec("rest", bins="equal"),
        MatchSpec(anchors=("item01",), reliability=0.8),
    ):
        one = ScoreMatrix.from_wide(wide, group).count(spec)
        other = ScoreMatrix.from_wide(wide.iloc[order], group).count(spec)
        pd.testing.assert_frame_equal(one.table, other.table, rtol=1e-12)


def test_long_and_wide_and_degenerate():
    scores = pd.DataFrame(
        [("p", "a", 1), ("q", "a", 0), ("q", "b", 2), ("r", "b", 1)], columns=["person", "item", "score"]
    )
    group = pd.Series({"p": "reference", "q": "focal"})
    matrix = ScoreMatrix.from_long(scores, group)
    assert (matrix.items, list(matrix.persons), matrix.group.tolist()) == (
        ("a", "b"),
        ["p", "q", "r"],
        [0, 1, -1],
    )
    assert repr(matrix) == "Scores of 3 persons (1 reference, 1 focal) on 2 items; 33.3% missing"
    assert matrix.count(MatchSpec(bins="thin")).left_out.to_dict() == {"a": 1, "b": 2}
    nobody = ScoreMatrix.from_long(scores, group.iloc[:0])
    for spec in (MatchSpec(), MatchSpec("rest"), MatchSpec(bins="equal", reliability=0.5)):
        assert nobody.count(spec).table.empty
    alone = ScoreMatrix.from_long(scores[scores["item"] == "a"], group)
    assert alone.count(MatchSpec("rest")).left_out["a"] == 2
    assert not mantel(alone.count(MatchSpec("rest"))).table["estimable"].any()


def test_errors():
    scores = pd.DataFrame([("p", "a", 1.0), ("q", "a", 0.0)], columns=["person", "item", "score"])
    group = pd.Series({"p": "reference", "q": "focal"})
    wide = pd.DataFrame({"a": [1.0, 0.0]}, index=["p", "q"])
    matrix = ScoreMatrix.from_long(scores, group)
    for call, message in (
        (lambda: ScoreMatrix.from_long(scores.drop(columns="item"), group), "missing"),
        (lambda: ScoreMatrix.from_long(scores.iloc[:0], group), "no scores"),
        (lambda: ScoreMatrix.from_long(pd.concat([scores, scores]), group), "2 scores are there twice"),
        (lambda: ScoreMatrix.from_long(scores.astype({"score": str}), group), "must be numbers"),
        (lambda: ScoreMatrix.from_long(scores.replace({1.0: np.inf}), group), "infinite"),
        (lambda: ScoreMatrix.from_long(scores.replace({"p": None}), group), "no name"),
        (lambda: ScoreMatrix.from_long(scores, group.replace({"focal": "F"})), "not 'F'"),
        (lambda: ScoreMatrix.from_long(scores, pd.concat([group, group])), "twice"),
        (lambda: ScoreMatrix.from_wide(wide.iloc[:0], group), "no scores"),
        (lambda: ScoreMatrix.from_wide(wide.rename(index={"q": "p"}), group), "person 'p' is there twice"),
        (lambda: ScoreMatrix.from_wide(pd.concat([wide, wide], axis=1), group), "item 'a' is there twice"),
        (lambda: ScoreMatrix.from_wide(wide, group, external=pd.Series({"p": "x"})), "must be numbers"),
    ):
        with pytest.raises(DataError, match=message):
            call()
    with pytest.raises(UsageError, match="anchor 'b'"):
        matrix.count(MatchSpec(anchors=("b",)))
    with pytest.raises(UsageError, match="external"):
        matrix.count(MatchSpec("external"))


def test_bin_strata_still_merges_as_the_matrix_does(holey):
    wide, long, group, _ = holey(7, 40)
    total = total_score(long)
    strata = ScoreMatrix.from_wide(wide, group).strata(MatchSpec(min_per_group=4))
    expected = bin_strata(total, group, min_per_group=4)
    member = (group.notna() & total.notna()).to_numpy()
    np.testing.assert_array_equal(strata[member], expected.to_numpy()[member])
