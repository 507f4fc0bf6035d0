"""Purification against difR's values; circles, too few anchors, the limit; anchors that are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import StratifiedTable

from psyalign.dif.counts.cells import Cells, cells
from psyalign.dif.counts.matrix import ScoreMatrix
from psyalign.dif.matching.purify import purify
from psyalign.dif.matching.spec import MatchSpec
from psyalign.dif.methods.adjacent import adjacent
from psyalign.dif.methods.mantel import mantel
from psyalign.dif.methods.ordinal import ordinal
from psyalign.dif.methods.smd import smd
from psyalign.foundation.errors import UsageError

THIN = MatchSpec(bins="thin")


@pytest.fixture(scope="module")
def dichotomous(reference, groups):
    table, values = reference("dich")
    items = values["items"]
    return ScoreMatrix.from_wide(table[items], groups(table["group"]), external=table["external"]), values


def numbers(values: list, items: tuple[str, ...]) -> set[str]:
    """difR's item numbers (one alone is no list) as names."""
    return {items[number - 1] for number in np.atleast_1d(values)}


def mantel_flags(counts: Cells) -> pd.Series:
    return mantel(counts).table["mantel_p"] < 0.05


def corrected_flags(counts: Cells) -> dict[str, bool]:
    """Mantel-Haenszel with continuity correction, by statsmodels."""
    return {item: corrected(counts, item) > stats.chi2.isf(0.05, 1) for item in counts.items}


def corrected(counts: Cells, item: str) -> float:
    n = counts.points(item).shared().n
    tables = StratifiedTable([stratum for stratum in n if (stratum.sum(axis=1) > 0).all()])
    return float(tables.test_null_odds(correction=True).statistic)


def odds_ratio(counts: Cells, item: str) -> float:
    n = counts.points(item).shared().n
    size = n.sum(axis=(1, 2))
    return float((n[:, 0, 1] * n[:, 1, 0] / size).sum() / (n[:, 0, 0] * n[:, 1, 1] / size).sum())


def test_mantel_haenszel_as_in_difr(dichotomous):
    matrix, values = dichotomous
    expected = values["MH_correctFALSE_purifyTRUE"]
    found = purify(matrix, THIN, mantel_flags)
    assert found.status == "converged"
    assert found.n_iterations == expected["nrPur"]
    assert set(found.flagged) == numbers(expected["DIFitems"], matrix.items)
    assert found.anchors == tuple(item for item in matrix.items if item not in found.flagged)
    assert mantel(found.cells).table["mantel_chi2"].to_list() == pytest.approx(expected["chi2"], rel=1e-8)
    ratios = [odds_ratio(found.cells, item) for item in matrix.items]
    assert ratios == pytest.approx(expected["alphaMH"], rel=1e-8)
    assert set(found.path[0]) == numbers(values["MH_correctFALSE_purifyFALSE"]["DIFitems"], matrix.items)


def test_continuity_correction_as_in_difr(dichotomous):
    matrix, values = dichotomous
    expected = values["MH_correctTRUE_purifyTRUE"]
    found = purify(matrix, THIN, corrected_flags)
    assert (found.status, found.n_iterations) == ("converged", expected["nrPur"])
    assert set(found.flagged) == numbers(expected["DIFitems"], matrix.items)
    chi2 = [corrected(found.cells, item) for item in matrix.items]
    assert chi2 == pytest.approx(expected["chi2"], rel=1e-8)


def test_standardisation_as_in_difr(dichotomous):
    matrix, values = dichotomous
    expected = values["STD_focal_purify"]
    found = purify(matrix, THIN, lambda counts: smd(counts).table["smd"].abs() > 0.10)
    assert (found.status, found.n_iterations) == ("converged", expected["nrPur"])
    assert set(found.flagged) == numbers(expected["DIFitems"], matrix.items)
    assert smd(found.cells).table["smd"].to_list() == pytest.approx(expected["PDIF"], rel=1e-8)


def test_anchors_given_as_in_difr(dichotomous):
    """difR reports the items outside the anchors only: each is matched on the anchors and itself."""
    matrix, values = dichotomous
    expected = values["MH_anchor_1to6"]
    counts = matrix.count(MatchSpec(anchors=matrix.items[:6], bins="thin"))
    chi2 = mantel(counts).table["mantel_chi2"].to_list()
    assert chi2[6:] == pytest.approx(expected["chi2"][6:], rel=1e-8)
    ratios = [odds_ratio(counts, item) for item in matrix.items]
    assert ratios[6:] == pytest.approx(expected["alphaMH"][6:], rel=1e-8)


def logistic(counts: Cells, terms: tuple[int, int]) -> pd.Series:
    """Likelihood ratio of two logistic models of an item (match; + group; + product), by statsmodels' GLM."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    found = {}
    for item in counts.items:
        held = counts.by_item[item]
        match = held.stratum - held.stratum.mean()
        full = np.column_stack([np.ones(len(match)), match, held.group, match * held.group])
        fits = [
            GLM(held.score, full[:, :size], family=Binomial(), freq_weights=held.count).fit(tol=1e-12).llf
            for size in terms
        ]
        found[item] = 2 * (fits[1] - fits[0])
    return pd.Series(found)


@pytest.mark.parametrize(("kind", "terms"), [("both", (2, 4)), ("udif", (2, 3)), ("nudif", (3, 4))])
def test_logistic_as_in_difr(dichotomous, kind, terms):
    """difR's conventions are ours: anchors and the item itself, all items tested, uncorrected p."""
    matrix, values = dichotomous
    expected = values[f"LOGISTIC_{kind}_LRT_purifyTRUE"]
    limit = stats.chi2.isf(0.05, terms[1] - terms[0])
    found = purify(matrix, THIN, lambda counts: logistic(counts, terms) > limit)
    assert (found.status, found.n_iterations) == ("converged", expected["nrPur"])
    assert set(found.flagged) == numbers(expected["DIFitems"], matrix.items)
    assert logistic(found.cells, terms).to_list() == pytest.approx(expected["chi2"], rel=1e-6)


class AnchorsOnly:
    """difNLR's matching: the total over the anchors alone, also for an item that is none of them."""

    def __init__(self, matrix: ScoreMatrix) -> None:
        self.matrix, self.items, self.groups = matrix, matrix.items, matrix.groups

    def count(self, spec: MatchSpec) -> Cells:
        inside = np.isin(self.items, spec.anchors or self.items)
        total = self.matrix.values[:, inside].sum(axis=1)
        return replace(self.matrix, external=total).count(MatchSpec("external", bins="thin"))


ORDINAL = {"both": "lr_total", "udif": "lr_uniform", "nudif": "lr_nonuniform"}


def ratios_of(model: str, kind: str, counts: Cells) -> pd.Series:
    if model == "cumulative":
        return ordinal(counts).table[ORDINAL[kind]]
    return adjacent(counts).table["adjacent_" + ORDINAL[kind]]


@pytest.mark.parametrize("model", ["cumulative", "adjacent"])
@pytest.mark.parametrize("kind", ["both", "udif", "nudif"])
def test_difnlr_circles_are_seen(reference, groups, model, kind):
    """Where the flags go in a circle, difORD ran to its cap of 30; its values are those of a test in it."""
    table, values = reference("poly")
    source = AnchorsOnly(ScoreMatrix.from_wide(table[values["items"]], groups(table["group"])))
    expected = values[f"difORD_{model}_{kind}_purifyTRUE"]
    limit = stats.chi2.isf(0.05, expected["df"])
    found = purify(source, THIN, lambda counts: ratios_of(model, kind, counts) > limit)
    if expected["nrPur"] < 30:
        assert (found.status, found.n_iterations) == ("converged", expected["nrPur"])
        assert set(found.flagged) == numbers(expected["DIFitems"], source.items)
        assert ratios_of(model, kind, found.cells).to_list() == pytest.approx(expected["stat"], rel=1e-6)
        return
    assert found.status == "cycle"
    assert found.n_iterations < 8
    circle = found.removed[1:-1]
    left = [tuple(item for item in source.items if item not in out) for out in circle]
    tests = [ratios_of(model, kind, source.count(MatchSpec(anchors=anchors))) for anchors in left]
    assert any(test.to_list() == pytest.approx(expected["stat"], rel=1e-6) for test in tests)
    assert not set(found.anchors) & set(found.path[-2])


class Script:
    """A source whose tests flag what a script says, by the anchors that it is asked for."""

    items = tuple("abcdefgh")
    groups = ("reference", "focal")

    def __init__(self, flags: Mapping[str, str], default: str = "") -> None:
        self.flags, self.default = flags, default
        self.asked: list[str] = []

    def count(self, spec: MatchSpec) -> Cells:
        assert spec.variable == "total"
        self.asked.append("".join(item for item in self.items if item not in (spec.anchors or self.items)))
        scores = pd.DataFrame([(0, item, 1.0) for item in self.items], columns=["person", "item", "score"])
        return cells(scores, pd.Series({0: "focal"}), pd.Series({0: 1.0}))

    def flag(self, counts: Cells) -> dict[str, bool]:
        flagged = self.flags.get(self.asked[-1], self.default)
        return {item: item in flagged for item in counts.items}


def test_nothing_flagged():
    script = Script({})
    found = purify(script, THIN, script.flag)
    assert (found.status, found.flagged, found.n_iterations) == ("converged", (), 0)
    assert found.anchors == script.items
    assert "nothing flagged" in repr(found)
    assert not found.table[["flagged", "step_0"]].any(axis=None)
    assert found.table["anchor"].all()


def test_nothing_flagged_any_more_is_a_circle():
    """a is flagged on all items, nothing without a: with nothing left out, a comes back."""
    script = Script({"": "a", "a": ""})
    found = purify(script, THIN, script.flag)
    assert found.status == "cycle"
    assert found.path == (("a",), (), ())
    assert found.anchors == tuple("bcdefgh")
    assert found.flagged == ()


def test_a_circle_leaves_out_all_its_items():
    script = Script({"": "ab", "ab": "ac", "ac": "ad", "ad": "ab", "abcd": "a"})
    found = purify(script, THIN, script.flag)
    assert script.asked == ["", "ab", "ac", "ad", "abcd"]
    assert (found.status, found.n_iterations) == ("cycle", 4)
    assert found.anchors == tuple("efgh")
    assert found.flagged == ("a",)
    assert found.removed[-1] == tuple("abcd")
    assert "circle" in repr(found)
    assert "matched without a, b, c, d: a flagged" in repr(found)
    assert list(found.table.columns) == ["anchor", "flagged", *(f"step_{k}" for k in range(5))]


def test_a_circle_with_too_few_anchors_leaves_out_what_every_test_flagged():
    script = Script({"": "ab", "ab": "ac", "ac": "ab", "a": "abc"})
    found = purify(script, THIN, script.flag, min_anchors=6)
    assert script.asked == ["", "ab", "ac", "a"]
    assert found.status == "cycle"
    assert found.anchors == tuple("bcdefgh")
    assert found.flagged == tuple("abc")


def test_too_few_anchors_and_the_limit():
    script = Script({"": "abcd", "abcd": "abcde"})
    found = purify(script, THIN, script.flag)
    assert (found.status, found.flagged, found.anchors) == (
        "too few anchors",
        tuple("abcde"),
        tuple("efgh"),
    )
    script = Script({"": "a", "a": "b", "b": "c", "c": "d"})
    found = purify(script, THIN, script.flag, max_iterations=2)
    assert (found.status, found.n_iterations, found.flagged) == ("limit", 2, ("c",))
    assert script.asked == ["", "a", "b"]


def test_only_given_anchors_are_purified():
    """h is no anchor: its flag changes nothing that is matched on, so that a, h and then a has converged."""
    script = Script({"efgh": "ah", "aefgh": "a"})
    found = purify(script, MatchSpec(anchors=tuple("abcd"), bins="thin"), script.flag, min_anchors=2)
    assert found.status == "converged"
    assert found.path == (("a", "h"), ("a",))
    assert found.anchors == tuple("bcd")


def test_not_estimable_is_not_flagged_and_settings_are_checked():
    script = Script({})
    found = purify(script, THIN, lambda counts: pd.Series([np.nan, None], index=["a", "b"], dtype=object))
    assert found.flagged == ()
    with pytest.raises(UsageError, match="external"):
        purify(script, MatchSpec("external"), script.flag)
    with pytest.raises(UsageError, match="at least 1"):
        purify(script, THIN, script.flag, max_iterations=0)


def test_purified_matching_is_nearer_the_truth(graded):
    """Three of eight items lowered for the focal group: the total spreads their bias over the others."""
    wide, group = graded(np.random.default_rng(3), 3000)
    focal = (group == "focal").to_numpy()
    for item in wide.columns[:3]:
        wide[item] = (wide[item] - (focal & (np.random.default_rng(4).random(len(wide)) < 0.5))).clip(0)
    matrix = ScoreMatrix.from_wide(wide, group)
    found = purify(matrix, MatchSpec(), lambda counts: smd(counts).table["es_class"].isin(["BB", "CC"]))
    assert set(wide.columns[:3]) <= set(found.flagged)
    before = smd(matrix.count(MatchSpec())).table["es"].iloc[3:].abs().mean()
    assert smd(found.cells).table["es"].iloc[3:].abs().mean() < before / 2
