"""Screening end to end: what is planted is found, and what the screening says of itself is so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from psyalign.dif import (
    ALL,
    METHODS,
    MatchSpec,
    ScoreFile,
    ScoreMatrix,
    Screening,
    Settings,
    adjust_p,
    crossing_polysib,
    equivalent,
    generalised_mantel,
    gmh,
    location_scale,
    logistic,
    mantel,
    minimum_detectable,
    ordinal,
    polysib,
    screen,
    shrink,
    simulate_grm,
    smd,
    thresholds,
)
from psyalign.foundation.errors import UsageError

ITEMS = tuple(f"item{number}" for number in range(1, 9))
SLOPES = np.linspace(1.0, 1.8, len(ITEMS))
THRESHOLDS = np.linspace(-0.4, 0.4, len(ITEMS))[:, None] + np.array([-1.4, -0.5, 0.5, 1.4])
# item2 is harder for the focal group, item7 easier; item5 is scored with twice the noise
SHIFT = np.array([0, 0.7, 0, 0, 0, 0, -0.7, 0])
NOISE = np.array([1, 1, 1, 1, 2.0, 1, 1, 1])


def _simulated(
    sizes: tuple[int, int] = (600, 600), *, points: int = 5, seed: int = 3, **how: object
) -> tuple[pd.DataFrame, pd.Series]:
    settings = {"impact": 0.5, "shift": SHIFT, "noise": NOISE, **how}
    scores, group = simulate_grm(
        *sizes, slopes=SLOPES, thresholds=THRESHOLDS[:, : points - 1], seed=seed, **settings
    )
    wide = pd.DataFrame(scores[0].astype(float), columns=ITEMS)
    return wide, pd.Series(group).map({0: "reference", 1: "focal"})


@pytest.fixture(scope="module")
def scores():
    return _simulated()


@pytest.fixture(scope="module")
def matrix(scores):
    return ScoreMatrix.from_wide(*scores)


@pytest.fixture(scope="module")
def everything(matrix):
    """All methods, purified."""
    return screen(matrix, MatchSpec(), Settings(ALL, purify=True))


def _flagged(found: Screening, p: str = "p_adjusted") -> list[str]:
    return found.table.loc[found.table[p] < 0.05, "item"].tolist()


def test_planted_dif_is_found(everything):
    table = everything.table.set_index("item")
    for p in ("p_adjusted", "mantel_p_adjusted", "lr_uniform_p", "la_p_adjusted", "polysib_p_adjusted"):
        assert {"item2", "item7"} <= set(table.index[table[p] < 0.05]), p
    assert _flagged(everything) == ["item2", "item7"]
    assert table.loc["item2", "smd"] < 0 < table.loc["item7", "smd"]
    assert table.loc["item7", "la_log_or"] < 0 < table.loc["item2", "la_log_or"]
    assert table.loc["item7", "polysib_beta"] < 0 < table.loc["item2", "polysib_beta"]
    assert table.loc[["item2", "item7"], "es_class"].isin(["BB", "CC"]).all()
    assert (table.drop(index=["item2", "item7"])["es_class"] == "AA").all()
    # noise is seen by the model that has a scale, and by the test of all score points
    assert table.index[table["scale_p_adjusted"] < 0.05].tolist() == ["item5"]
    # less than ln 2: what the total does not tell of the ability is noise in both groups
    assert 0.2 < table.loc["item5", "scale_effect"] < np.log(2)
    assert table.loc["item5", "gmh_p_adjusted"] < 0.05


def test_columns_of_all_methods(everything):
    binary = {"mantel_haenszel", "breslow_day", "logistic"}
    assert everything.settings.methods == tuple(name for name in METHODS if name not in binary)
    for name in everything.settings.methods:
        assert f"{METHODS[name].p}_adjusted" in everything.table
    assert everything.table["estimable"].all()
    assert (everything.table["reason"] == "").all()
    assert everything.table.columns[:2].tolist() == ["item", "focal"]
    assert not everything.table.columns.duplicated().any()


def test_methods_for_two_score_points():
    wide, group = _simulated((400, 400), points=2)
    found = screen(ScoreMatrix.from_wide(wide, group), None, Settings(ALL))
    assert found.settings.methods == tuple(
        name for name in METHODS if name not in ("adjacent", "location_scale")
    )
    table = found.table.set_index("item")
    assert table.loc["item2", "mh_delta"] < -1
    assert table.loc["item2", "ets_class"] in ("B", "C")
    thin = ScoreMatrix.from_wide(wide, group).count(MatchSpec(bins="thin"))
    expected = logistic(thin).table["logistic_lr_total"]
    np.testing.assert_allclose(table["logistic_lr_total"], expected, rtol=1e-9)


def test_purification_path(everything):
    path = everything.purification
    assert path.status == "converged"
    assert path.removed[0] == ()
    assert {"item2", "item7"} <= set(path.flagged)
    assert everything.spec.anchors == path.anchors
    assert set(path.anchors) == set(ITEMS) - set(path.flagged)
    assert "converged" not in repr(path).splitlines()[0]  # said in words
    assert "matched without nothing" in repr(path)


def test_table_is_the_methods(matrix):
    """The columns are those of the methods at their own matching: strata, values, rest score."""
    spec = MatchSpec(bins="equal", n_bins=6)
    found = screen(
        matrix, spec, Settings(("mantel", "ordinal", "smd", "location_scale", "polysib", "crossing_polysib"))
    )
    table = found.table.set_index("item")
    thin = matrix.count(MatchSpec(bins="thin"))
    rest = matrix.count(MatchSpec("rest", bins="thin"))
    for expected in (
        smd(found.counts),
        mantel(found.counts),
        ordinal(thin),
        location_scale(thin),
        polysib(rest),
        crossing_polysib(rest),
    ):
        shared = ["n_reference", "n_focal", "n_strata", "share_used", "estimable", "reason"]
        columns = expected.table.columns.difference(shared)
        pd.testing.assert_frame_equal(table[columns], expected.table[columns], check_names=False)
    steps = thresholds(found.counts).table
    pd.testing.assert_frame_equal(found.steps.set_index("item")[steps.columns], steps)
    assert found.n_strata == 6


def test_judgement_is_the_judgement_functions(matrix):
    found = screen(matrix, None, Settings(alpha=0.1, moderate=0.1, large=0.2)).table.set_index("item")
    es, se = found["es"], found["es_se"]
    np.testing.assert_allclose(se, found["se"] / found["sd"])
    shown = equivalent(es, se, bound=0.1, alpha=0.1)
    shrunk = shrink(es, se, thresholds=(0.1, 0.2))
    np.testing.assert_allclose(found["p_equivalence"], shown["p_equivalence"])
    assert found["shown"].tolist() == shown["shown"].tolist()
    np.testing.assert_allclose(found["eb_es"], shrunk["posterior_mean"])
    np.testing.assert_allclose(found[["eb_p_a", "eb_p_b", "eb_p_c"]], shrunk[["p_a", "p_b", "p_c"]])
    np.testing.assert_allclose(found["mde"], minimum_detectable(found, alpha=0.1)["mde"])
    reach = 1.6448536269514722 * se
    np.testing.assert_allclose(found[["es_low", "es_high"]].T, [es - reach, es + reach])
    large = found["es"].abs() > 0.2
    assert (found.loc[large & (found["p"] < 0.1), "es_class"] == "CC").all()


@pytest.mark.parametrize("correction", ["holm", "BH", "none"])
def test_correction_over_items_and_groups(scores, correction):
    wide, group = scores
    three = group.where(np.arange(len(group)) % 3 > 0, "other")
    matrix = ScoreMatrix.from_wide(wide, three, groups=("reference", "focal", "other"))
    table = screen(matrix, None, Settings(correction=correction)).table
    for name in ("p", "mantel_p", "lr_total_p"):
        np.testing.assert_allclose(table[f"{name}_adjusted"], adjust_p(table[name], correction))
    np.testing.assert_allclose(table["p_adjusted"], adjust_p(table["p"], correction))


def test_several_groups_and_the_omnibus(scores):
    wide, group = scores
    three = group.where(np.arange(len(group)) % 3 > 0, "other")
    matrix = ScoreMatrix.from_wide(wide, three, groups=("reference", "focal", "other"))
    found = screen(matrix, None, Settings(("ordinal", "smd", "polysib")))
    assert found.table["focal"].tolist() == ["focal"] * 8 + ["other"] * 8
    assert found.table["item"].tolist() == [*ITEMS, *ITEMS]
    pair = found.counts.pair("other")
    mine = found.table[found.table["focal"] == "other"].set_index("item")
    np.testing.assert_allclose(mine["smd"], smd(pair).table["smd"], rtol=1e-12)
    thin = matrix.count(MatchSpec(bins="thin"))
    np.testing.assert_allclose(mine["lr_total"], ordinal(thin.pair("other")).table["lr_total"], rtol=1e-9)
    omnibus = found.omnibus.set_index("item")
    np.testing.assert_allclose(omnibus["gm_chi2"], generalised_mantel(found.counts).table["gm_chi2"])
    np.testing.assert_allclose(omnibus["gmh_chi2"], gmh(found.counts).table["gmh_chi2"])
    np.testing.assert_allclose(omnibus["lr_total"], ordinal(thin).table["lr_total"], rtol=1e-9)
    assert (omnibus["gm_df"] == 2).all()
    np.testing.assert_allclose(omnibus["gm_p_adjusted"], adjust_p(omnibus["gm_p"], "holm"))
    assert omnibus.loc[["item2", "item7"], "gm_p_adjusted"].lt(0.05).all()
    assert screen(matrix.pair("focal")).omnibus is None
    assert "focal and other minus reference" in repr(found)


def test_purification_by_any_focal_group(scores):
    """A third group with DIF on an item of its own: the anchors are those of all comparisons."""
    wide, group = scores
    own, _ = _simulated((600, 600), shift=np.array([0, 0, 0, 0.9, 0, 0, 0, 0]), noise=1.0, seed=4)
    both = pd.concat([wide, own.iloc[600:]], ignore_index=True)
    three = pd.concat([group, pd.Series(["other"] * 600)], ignore_index=True)
    matrix = ScoreMatrix.from_wide(both, three, groups=("reference", "focal", "other"))
    found = screen(matrix, None, Settings(("smd",), purify=True, flag_by="smd"))
    assert {"item2", "item4", "item7"} <= set(found.purification.flagged)
    assert not {"item2", "item4", "item7"} & set(found.spec.anchors)


@pytest.mark.parametrize("flag_by", ["mantel", "smd", "ordinal"])
def test_what_flags_in_purification(matrix, flag_by):
    found = screen(matrix, None, Settings(("smd",), purify=True, flag_by=flag_by))
    assert {"item2", "item7"} <= set(found.purification.flagged)
    assert len(found.spec.anchors) >= 4


def test_external_matching_with_reliability():
    """A noisy criterion leaves a difference between unequal groups; its reliability takes it out."""
    rng = np.random.default_rng(8)
    flags = {"blind": 0, "told": 0}
    for seed in range(3):
        wide, group = _simulated((500, 500), shift=0.0, noise=1.0, impact=1.0, seed=seed)
        focal = (group == "focal").to_numpy()
        total = wide.sum(axis=1)
        noisy = total + rng.normal(0, total.std(), len(wide))
        # what it shares with the total within groups is its reliability, but for the total's own noise
        within = [np.corrcoef(noisy[focal == side], total[focal == side])[0, 1] for side in (0, 1)]
        shared = np.mean(np.square(within))
        matrix = ScoreMatrix.from_wide(wide, group, external=noisy)
        for name, reliability in (("blind", None), ("told", float(shared))):
            spec = MatchSpec("external", bins="equal", n_bins=20, reliability=reliability)
            found = screen(matrix, spec, Settings(("smd",), correction="none"))
            flags[name] += len(_flagged(found))
            told = [note for note in found.notes if "free of error" in note]
            assert bool(told) == (reliability is None)
    assert flags["blind"] >= 20  # of 24 items without DIF
    assert flags["told"] <= 6


def test_polysib_takes_the_reliability_that_is_given(scores):
    wide, group = scores
    criterion = wide.sum(axis=1).rename("criterion")
    matrix = ScoreMatrix.from_wide(wide, group, external=criterion)
    for reliability in (None, 0.8):
        spec = MatchSpec("external", reliability=reliability)
        table = screen(matrix, spec, Settings(("polysib", "crossing_polysib"))).table.set_index("item")
        counts = matrix.count(MatchSpec("external", bins="thin"))
        how = {"correction": reliability is not None, "reliability": reliability}
        np.testing.assert_allclose(table["polysib_beta"], polysib(counts, **how).table["polysib_beta"])
        np.testing.assert_allclose(table["csib_chi2"], crossing_polysib(counts, **how).table["csib_chi2"])
        assert not [name for name in table if name.startswith("es_")]  # no SMD, no judgement of its size


def test_notes(scores):
    wide, group = scores
    matrix = ScoreMatrix.from_wide(wide, group)
    assert screen(matrix, None, Settings(("mantel",))).notes == ()
    rest = screen(matrix, MatchSpec("rest"), Settings(("mantel",))).notes
    assert [note for note in rest if "Rest-score matching flags too many" in note]
    apart = wide.sum(axis=1) + 1000 * (group == "focal") * (wide["item1"] > 1)
    external = ScoreMatrix.from_wide(wide, group, external=apart)
    notes = screen(external, MatchSpec("external", bins="thin"), Settings(("mantel",))).notes
    assert "are in strata with both groups" in notes[0]
    assert notes[0].startswith("Only ")
    holes = wide.mask(np.random.default_rng(1).random(wide.shape) < 0.1)
    found = screen(ScoreMatrix.from_wide(holes, group), None, Settings(("mantel",)))
    lost = int(found.counts.left_out.sum())
    assert lost >= holes.isna().sum().sum()
    assert [note for note in found.notes if note.startswith(f"{lost} scores are") and "missing" in note]


def test_left_out(scores):
    wide, group = scores
    wide = wide.assign(item3=1.0, item4=wide["item4"].mask(group == "focal"))
    wide["item6"] = wide["item6"].where((group == "reference") | (np.arange(len(group)) >= len(group) - 3))
    found = screen(ScoreMatrix.from_wide(wide, group), None, Settings(ALL))
    reasons = found.left_out.set_index(["item", "group"])["reason"].to_dict()
    assert reasons == {
        ("item3", "focal"): "all persons have the same score",
        ("item4", "focal"): "no scores for the focal group",
        ("item6", "focal"): "only 3 persons in the focal group",
    }
    table = found.table.set_index("item")
    assert table.index[~table["estimable"]].tolist() == ["item3", "item4", "item6"]
    for name in found.settings.methods:
        assert table.loc["item3", "reason"].count(name) >= 1
        assert table.loc[["item3", "item4", "item6"], METHODS[name].p].isna().all()
    # they are no tests, so that the correction is for five items
    np.testing.assert_allclose(table["p_adjusted"].dropna(), adjust_p(table["p"].dropna(), "holm"))
    assert len(table["p_adjusted"].dropna()) == 5


@pytest.mark.parametrize("layout", ["wide", "long"])
def test_a_file_is_screened_as_the_matrix(scores, tmp_path, layout):
    wide, group = scores
    wide = wide.mask(np.random.default_rng(2).random(wide.shape) < 0.05)
    criterion = wide.sum(axis=1).rename("criterion")
    if layout == "wide":
        table = wide.assign(sex=group, criterion=criterion)
        path, how = tmp_path / "scores.csv", {"items": ITEMS}
        table.to_csv(path, index=False)
    else:
        table = wide.assign(sex=group, criterion=criterion).rename_axis("person").reset_index()
        table = table.melt(["person", "sex", "criterion"], var_name="item", value_name="score").dropna()
        path, how = tmp_path / "scores.parquet", {"layout": "long", "person": "person"}
        table.to_parquet(path, index=False)
    matrix = ScoreMatrix.from_wide(wide, group, external=criterion)
    with ScoreFile(path, group="sex", external="criterion", **how) as source:
        for spec, settings in (
            (MatchSpec(), Settings(purify=True)),
            (MatchSpec("external", reliability=0.8), Settings(("smd", "polysib"))),
        ):
            one, two = screen(matrix, spec, settings), screen(source, spec, settings)
            pd.testing.assert_frame_equal(one.table, two.table, rtol=1e-9)
            pd.testing.assert_frame_equal(one.steps, two.steps, rtol=1e-9)
            assert one.spec == two.spec
            assert one.notes == two.notes
            assert repr(one.purification) == repr(two.purification)


def test_given_sd_is_the_unit_of_the_effect_size(matrix):
    own = screen(matrix).table.set_index("item")
    twice = screen(matrix, sd=2 * own["sd"]).table.set_index("item")
    np.testing.assert_allclose(twice["es"], own["es"] / 2)
    np.testing.assert_allclose(twice["es_own"], own["es"])
    np.testing.assert_allclose(twice["p"], own["p"])
    some = screen(matrix, sd=own["sd"].drop("item1")).table.set_index("item")
    assert some.index[~some["estimable"]].tolist() == ["item1"]
    assert some.loc["item1", "reason"] == "smd: no SD to express the effect size in"
    assert np.isfinite(some.loc["item1", "mantel_z"])


@pytest.mark.parametrize(
    ("spec", "settings", "words"),
    [
        (None, {"methods": ("mantell",)}, "Did you mean 'mantel'"),
        (None, {"methods": ()}, "No DIF method"),
        (None, {"methods": ("smd", "all")}, "'all' is unknown"),
        (None, {"correction": "bonferroni"}, "Correction 'bonferroni'"),
        (None, {"purify": True, "flag_by": "gmh"}, "'gmh' cannot flag"),
        (MatchSpec("external"), {}, "no external value"),
        (MatchSpec(anchors=("item9",)), {}, "'item9' is no item"),
        (MatchSpec("external"), {"purify": True}, "cannot be purified"),
    ],
)
def test_what_is_unknown_is_refused(matrix, spec, settings, words):
    with pytest.raises(UsageError, match=words) as problem:
        screen(matrix, spec, Settings(**settings))
    assert problem.value.exit_code == 2


def test_one_method_needs_no_tuple():
    assert Settings("smd").methods == ("smd",)
    assert Settings(["all"]).methods == ALL
    with pytest.raises(UsageError, match="There are no anchors"):
        MatchSpec(anchors=())


def test_prints_well(everything, matrix):
    lines = repr(everything).splitlines()
    assert lines[0] == "DIF of 8 items, focal minus reference, matched on total: 2 of class BB or CC"
    assert lines[1].split()[:4] == ["item", "focal", "n_reference", "n_focal"]
    assert len(lines) == 2 + len(ITEMS)
    assert max(map(len, lines)) < 110
    assert "e-" not in repr(everything)
    alone = repr(screen(matrix, None, Settings(("mantel",)))).splitlines()
    assert alone[0] == "DIF of 8 items, focal minus reference, matched on total"
    assert "p_adjusted" in alone[1]


def test_order_of_persons_and_items_changes_nothing(scores, everything):
    wide, group = scores
    order = np.random.default_rng(3).permutation(len(wide))
    mixed = ScoreMatrix.from_wide(wide.iloc[order][list(ITEMS[::-1])], group.iloc[order])
    found = screen(mixed, MatchSpec(), Settings(ALL, purify=True))
    one, two = (each.table.set_index("item") for each in (found, everything))
    pd.testing.assert_frame_equal(one.loc[list(ITEMS)], two, rtol=1e-7)
