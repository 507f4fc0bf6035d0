"""Every method on data that allow little or nothing: a result or a reason, never a crash or a warning."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from psyalign.dif import (
    ALL,
    METHODS,
    Cells,
    MatchSpec,
    ScoreFile,
    ScoreMatrix,
    Settings,
    alpha_by_group,
    analyse,
    bootstrap,
    breslow_day,
    cells,
    compare_sets,
    crossing_polysib,
    detectable_by_group,
    dtf,
    equivalent,
    generalised_mantel,
    left_out,
    logistic,
    mantel,
    mantel_haenszel,
    minimum_detectable,
    polysib,
    purify,
    rater_error,
    screen,
    shrink,
    smd,
    standardisation,
    thresholds,
)
from psyalign.dif.counts.moments import moments_of
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.adjacent import adjacent_kernel
from psyalign.dif.methods.breslow_day import breslow_day_kernel
from psyalign.dif.methods.crossing import crossing_polysib_kernel
from psyalign.dif.methods.gmh import generalised_mantel_kernel, gmh_kernel
from psyalign.dif.methods.liu_agresti import liu_agresti_kernel
from psyalign.dif.methods.location_scale import location_scale_kernel
from psyalign.dif.methods.logistic import logistic_kernel
from psyalign.dif.methods.mantel import mantel_kernel
from psyalign.dif.methods.mantel_haenszel import mantel_haenszel_kernel
from psyalign.dif.methods.ordinal import ordinal_kernel
from psyalign.dif.methods.polysib import polysib_kernel
from psyalign.dif.methods.smd import smd_kernel
from psyalign.dif.methods.standardisation import standardisation_kernel
from psyalign.dif.methods.thresholds import thresholds_kernel
from psyalign.dif.whole.statistics import STATISTICS
from psyalign.foundation.errors import DataError, PsyalignError, UsageError

# The battery, and every function on cells that is not in it or has a setting that computes otherwise.
ON_CELLS = {
    **{name: method.run for name, method in METHODS.items()},
    "generalised_mantel": generalised_mantel,
    "thresholds": thresholds,
    "thresholds, adjacent": lambda counts: thresholds(counts, steps="adjacent"),
    "smd, multinomial": lambda counts: smd(counts, variance="multinomial"),
    "standardisation, total": lambda counts: standardisation(counts, weights="total"),
    "mantel_haenszel, exact": lambda counts: mantel_haenszel(counts, exact=True, continuity=False),
    "breslow_day, as printed": lambda counts: breslow_day(counts, tarone=False),
    "polysib, uncorrected": lambda counts: polysib(counts, correction=False),
    "polysib, mirt": lambda counts: polysib(counts, convention="mirt"),
    "crossing_polysib, mirt": lambda counts: crossing_polysib(counts, convention="mirt", weights="focal"),
}
# Numbers that may be NaN where the rest is estimable: no crossing; one step has nothing to differ from.
MAY_LACK = ("csib_crossing", "dsf_homogeneity_chi2", "dsf_homogeneity_df", "dsf_homogeneity_p")
# Numbers that describe the data or the design, known whether or not there is a result.
KNOWN = ("n_", "share_used", "sd", "polysib_n_strata", "reliability_", "step", "dsf_homogeneity")
KNOWN_DF = ("lr_total_df", "lr_uniform_df", "lr_nonuniform_df")

NAMES = ["i0", "i1", "i2", "i3"]


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def _plain() -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """40 persons a group, 4 items scored 0 to 3, and a criterion."""
    rng = np.random.default_rng(1)
    latent = 1.4 * rng.normal(size=(80, 1, 1)) + rng.logistic(size=(80, 4, 1))
    wide = pd.DataFrame((latent > 1.4 * np.linspace(-1, 1, 3)).sum(axis=2), columns=NAMES, dtype=float)
    group = pd.Series(np.repeat(["reference", "focal"], 40))
    return wide, group, pd.Series(np.arange(80) % 9, dtype=float)


def _first(scores: object) -> pd.DataFrame:
    return WIDE.assign(i0=scores)


WIDE, GROUP, CRITERION = _plain()
FOCAL = GROUP == "focal"
REST = WIDE[NAMES[1:]].sum(axis=1)
RNG = np.random.default_rng(2)
FEW = RNG.permutation(80)
ODD = [f"p \"{number}\n;'ä,\t%s" for number in range(80)]
# name -> scores, group, criterion (where they are not the plain ones)
DATA: dict[str, tuple[pd.DataFrame, pd.Series, pd.Series]] = {
    name: (parts[0], parts[1] if len(parts) > 1 else GROUP, parts[2] if len(parts) > 2 else CRITERION)
    for name, parts in {
        "nothing wrong": (WIDE,),
        "two categories": (WIDE.clip(1, 2),),
        "one category": (WIDE * 0 + 1,),
        "one group is empty": (WIDE, GROUP.replace("focal", "reference")),
        "the reference group is empty": (WIDE, GROUP.replace("reference", "focal")),
        "nobody in a group": (WIDE, GROUP.where(GROUP.index < 0)),
        "no stratum in common": (WIDE, GROUP, CRITERION + 100 * FOCAL),
        "separated by the group": (_first(FOCAL * 3.0),),
        "separated by the group, all items": (WIDE * 0 + np.outer(FOCAL, [1.0, 2, 1, 3]),),
        "separated by the match": (_first((REST > 4) * 2.0), GROUP, REST),
        "fixed by the match": (_first(np.floor(REST / 3)), GROUP, REST),
        **{f"{n} persons": (WIDE.loc[FEW[:n]], GROUP.loc[FEW[:n]]) for n in (1, 2, 3, 6)},
        "8 persons": (WIDE.iloc[36:44],),
        "one item": (WIDE[["i0"]],),
        "an item without scores": (_first(np.nan),),
        "no scores of the focal group": (_first(WIDE["i0"].mask(FOCAL)),),
        "no scores of the reference group": (_first(WIDE["i0"].where(FOCAL)),),
        "no scores at all": (WIDE * np.nan,),
        "half missing": (WIDE.where(RNG.random(WIDE.shape) > 0.5),),
        "constant criterion": (WIDE, GROUP, CRITERION * 0),
        "criterion mostly missing": (WIDE, GROUP, CRITERION.where(CRITERION.index % 5 == 0)),
        "criterion missing": (WIDE, GROUP, CRITERION * np.nan),
        "constant total": (WIDE.assign(i1=3 - WIDE["i0"], i3=3 - WIDE["i2"]),),
        "fractions": (WIDE + RNG.random(WIDE.shape), GROUP, CRITERION + RNG.random(80)),
        "huge": (WIDE * 1e12, GROUP, CRITERION * 1e12),
        "huge and close": (WIDE + 1e12, GROUP, CRITERION + 1e12),
        "larger still": (WIDE * 1e49, GROUP, CRITERION * 1e49),
        "tiny": (WIDE * 1e-12, GROUP, CRITERION * 1e-12),
        "smaller still": (WIDE * 1e-160, GROUP, CRITERION * 1e-160),
        "negative": (WIDE - 10, GROUP, CRITERION - 100),
        "half points": (WIDE / 2, GROUP, CRITERION / 2),
        "15 scores": (pd.DataFrame(RNG.integers(0, 15, WIDE.shape), columns=NAMES, dtype=float),),
        "15 scores below 1.5": (pd.DataFrame(RNG.integers(0, 15, WIDE.shape) / 10, columns=NAMES),),
        "a point of one group": (_first(WIDE["i0"].where(~FOCAL, WIDE["i0"].clip(upper=2))),),
        "the focal group all the same": (_first(WIDE["i0"].where(~FOCAL, 2.0)),),
        "the same item four times": (WIDE.apply(lambda _: WIDE["i0"]),),
        "one person differs": (_first((WIDE.index == 3) * 1.0),),
        "odd names": (
            WIDE.set_axis(ODD, axis=0).set_axis(['a"b', "x;y\n", "{0}", "%s"], axis=1),
            GROUP.set_axis(ODD),
            CRITERION.set_axis(ODD),
        ),
    }.items()
}


def _matrix(name: str) -> ScoreMatrix:
    wide, group, criterion = DATA[name]
    return ScoreMatrix.from_wide(wide, group, external=criterion)


def _long(wide: pd.DataFrame) -> pd.DataFrame:
    return wide.rename_axis("person").reset_index().melt("person", var_name="item", value_name="score")


def _sound(table: pd.DataFrame) -> None:
    """A reason exactly where not estimable; all numbers where estimable, no statistic where not."""
    assert table["estimable"].dtype == bool
    for row in table.to_dict("records"):  # pandas would take most of this file's time
        assert row["estimable"] == (row["reason"] == ""), row
        for name, value in row.items():
            if isinstance(value, str | bool):
                continue
            if row["estimable"]:
                assert math.isfinite(value) or name.startswith(MAY_LACK), (name, row)
            elif not name.startswith(KNOWN) and name not in KNOWN_DF:
                assert math.isnan(value), (name, row)
            if name == "p" or name.endswith("_p"):
                assert math.isnan(value) or 0 <= value <= 1, (name, row)


def _all_methods(counts: Cells) -> None:
    for run in ON_CELLS.values():
        table = run(counts).table
        _sound(table)
        assert list(dict.fromkeys(table.index)) == list(counts.items)


@pytest.mark.parametrize("name", DATA)
def test_every_method(name):
    matrix = _matrix(name)
    for spec in (MatchSpec("rest"), MatchSpec("external", bins="equal", n_bins=3)):
        counts = matrix.count(spec)
        _all_methods(counts)
        alpha = alpha_by_group(counts, variable="total")
        assert alpha.shape == (len(counts.items), 2)
        assert left_out(counts)["reason"].ne("").all()
        assert repr(counts)
    assert all(repr(run(counts)) for run in (smd, thresholds))


def _failed(reason: str) -> set[str]:
    """Methods that "smd and mantel: why; ordinal: why" names."""
    return {name for part in reason.split("; ") for name in part.split(": ")[0].split(" and ")}


def _screened(source: ScoreMatrix | ScoreFile, spec: MatchSpec, settings: Settings) -> pd.DataFrame:
    """A screening in which nothing is missing without a word."""
    found = screen(source, spec, settings)
    assert repr(found)
    table = found.table
    assert len(table) == len(source.items) * (len(source.groups) - 1)
    assert table["estimable"].dtype == bool
    assert table.loc[table["estimable"], ["smd", "se", "p", "es", "es_se", "mde"]].notna().all(axis=None)
    for name in found.settings.methods:
        p = table[METHODS[name].p]
        assert [name in failed for failed in table["reason"].map(_failed)] == p.isna().tolist(), name
        adjusted = table[f"{METHODS[name].p}_adjusted"]
        assert ((adjusted >= p) | p.isna()).all()
    assert not np.isinf(table.select_dtypes("number")).any(axis=None)
    _sound(found.steps.drop(columns=["focal"]))
    if found.omnibus is not None:
        assert found.omnibus["estimable"].equals(found.omnibus["reason"] == "")
        assert found.omnibus.loc[found.omnibus["estimable"], ["gm_chi2", "gm_p"]].notna().all(axis=None)
    return table


@pytest.mark.parametrize("name", DATA)
def test_screening_with_all_methods(name):
    matrix = _matrix(name)
    table = _screened(matrix, MatchSpec(), Settings(ALL, purify=True))
    _screened(matrix, MatchSpec("external", reliability=0.7), Settings(ALL))
    _sound(
        shrink(table["es"], table["es_se"])[["estimable", "reason", "posterior_mean", "p_a", "p_b", "p_c"]]
    )
    _sound(equivalent(table["es"], table["es_se"])[["estimable", "reason", "p_equivalence", "low", "high"]])
    detectable = minimum_detectable(table)
    assert detectable.loc[detectable["estimable"], ["mde", "smallest_bound"]].notna().all(axis=None)
    assert detectable_by_group(detectable)["n_items"].sum() == table["estimable"].sum()


@pytest.mark.parametrize("name", DATA)
def test_resampling_and_purification(name):
    matrix = _matrix(name)
    for table in (bootstrap(matrix, tuple(STATISTICS), replicates=3).table, dtf(matrix, replicates=3).table):
        assert table["estimable"].equals(table["reason"] == "")
        assert np.isfinite(table.loc[table["estimable"], ["value", "low", "high"]]).all(axis=None)
        assert table.loc[~table["estimable"], ["value", "low", "high"]].isna().all(axis=None)
    for flag in (lambda p: p < 0.05, lambda p: p < 2, lambda p: p > 2, lambda p: p):
        found = purify(matrix, MatchSpec(), lambda counts, flag=flag: flag(mantel(counts).table["mantel_p"]))
        assert set(found.anchors) <= set(matrix.items)
        assert repr(found)


@pytest.mark.parametrize("name", DATA)
def test_sets_of_scores_and_noisy_raters(name):
    wide, group, criterion = DATA[name]
    before = _long(wide)
    after = before.assign(score=before["score"] + np.random.default_rng(3).integers(-1, 2, len(before)))
    for sets in ({"before": before, "after": after}, {"before": before, "after": before}):
        found = compare_sets(sets, group, matching=criterion, replicates=3)
        assert repr(found)
        for table, needed in ((found.items, ["smd", "se", "p"]), (found.changes, ["change", "se", "p"])):
            assert table["estimable"].equals(table["reason"] == "")
            assert np.isfinite(table.loc[table["estimable"], needed]).all(axis=None)
    rated = before.rename(columns={"score": "human"}).assign(machine=after["score"])
    rated["group"] = before["person"].map(group)
    if not rated[["group", "human"]].notna().all(axis=1).any():
        with pytest.raises(DataError, match="No row"):
            rater_error(rated)
        return
    for table in (
        rater_error(rated, reliability=0.7).table,
        rater_error(rated.assign(human2=rated["machine"]), error_by="group").table,
        rater_error(rated.assign(machine=rated["human"], human2=rated["human"])).table,
    ):
        assert table["estimable"].equals(table["reason"] == "")
        assert np.isfinite(table.loc[table["estimable"], ["estimate", "se", "p"]]).all(axis=None)


def test_a_file_says_what_memory_says(tmp_path):
    for name in ("odd names", "half missing", "an item without scores", "3 persons", "larger still"):
        wide, group, _ = DATA[name]
        path = tmp_path / "scores.parquet"
        wide.assign(sex=group).to_parquet(path, index=False)
        with ScoreFile(path, group="sex") as source:
            table = _screened(source, MatchSpec(), Settings(ALL))
        expected = _screened(_matrix(name), MatchSpec(), Settings(ALL))
        pd.testing.assert_frame_equal(table, expected, rtol=1e-9)


KERNELS = {
    "adjacent": adjacent_kernel,
    "breslow_day": breslow_day_kernel,
    "crossing": lambda n: crossing_polysib_kernel(moments_of(n), np.array([0.7, 0.8])),
    "gmh": gmh_kernel,
    "generalised_mantel": lambda n: generalised_mantel_kernel(moments_of(n)),
    "liu_agresti": liu_agresti_kernel,
    "location_scale": location_scale_kernel,
    "logistic": logistic_kernel,
    "mantel": lambda n: mantel_kernel(moments_of(n)),
    "mantel_haenszel": mantel_haenszel_kernel,
    "ordinal": ordinal_kernel,
    "polysib": lambda n: polysib_kernel(moments_of(n), np.array([0.7, 0.8])),
    "smd": lambda n: smd_kernel(moments_of(n)),
    "standardisation": lambda n: standardisation_kernel(moments_of(n)),
    "thresholds": thresholds_kernel,
}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("lead", [(), (2, 3), (0,), (2, 0)], ids=str)
def test_kernels_without_strata_score_points_or_persons(kernel, lead):
    rng = np.random.default_rng(5)
    for strata in (0, 1, 4):
        for points in (0, 1, 2, 4):
            for most in (0, 1, 9):
                n = rng.integers(0, most + 1, (*lead, strata, 2, points)).astype(float)
                found = KERNELS[kernel](ItemCounts(n, np.arange(strata) * 1.0, np.arange(points) * 1.0))
                for name, value in found.items():
                    by_step = name in ("dsf_log_or", "dsf_se", "dsf_z")
                    assert np.shape(value) == ((*lead, max(points - 1, 0)) if by_step else lead)
                    assert not np.isinf(value).any()


@st.composite
def tiny(draw) -> tuple[ScoreMatrix, MatchSpec, Settings]:
    """1 to 40 persons, 1 to 4 items, 1 to 4 score points, 2 or 3 strata, 2 or 3 groups."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, items, points = draw(st.integers(1, 40)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    wide = pd.DataFrame(rng.integers(0, points, (n, items)) * draw(st.sampled_from([1.0, 0.5, -2.0, 1e6])))
    wide = wide.where(rng.random(wide.shape) >= draw(st.sampled_from([0.0, 0.0, 0.3])))
    if draw(st.booleans()):
        wide += np.where(rng.random(wide.shape) < 0.5, rng.random(wide.shape), 0.0)
    names = ("r", "f", "third")[: draw(st.integers(2, 3))]
    group = pd.Series(rng.choice([*names, None], n))
    criterion = pd.Series(rng.integers(0, draw(st.integers(2, 3)), n), dtype=float)
    matrix = ScoreMatrix.from_wide(
        wide, group, external=criterion, groups=names, min_group=draw(st.integers(1, 4))
    )
    spec = draw(
        st.sampled_from(
            [MatchSpec(), MatchSpec("rest"), MatchSpec("external"), MatchSpec("external", reliability=0.6)]
        )
    )
    purified = spec.variable != "external" and draw(st.booleans())
    return matrix, spec, Settings(ALL, purify=purified, flag_by=draw(st.sampled_from(["mantel", "ordinal"])))


@given(asked=tiny())
@how(max_examples=25, deadline=None)
def test_tiny_tables(asked):
    matrix, spec, settings = asked
    _screened(matrix, spec, settings)
    for _, counts in matrix.count(spec).pairs():
        _all_methods(counts)


def test_names_that_are_numbers():
    """Items 1 to 4, not "1" to "4": the same counts from the table of scores and from the matrix."""
    long = _long(WIDE.set_axis([1, 2, 3, 4], axis=1))
    total = WIDE.sum(axis=1)
    counts = cells(long, GROUP, total)
    assert counts.items == ("1", "2", "3", "4")
    assert counts.left_out.to_dict() == dict.fromkeys(counts.items, 0)
    assert mantel(counts).table["estimable"].all()
    pd.testing.assert_frame_equal(
        counts.table, ScoreMatrix.from_long(long, GROUP).count(MatchSpec(bins="thin")).table
    )
    by_item = long.assign(stratum=long["person"].map(total))
    pd.testing.assert_frame_equal(cells(long, GROUP, by_item).table, counts.table)
    assert analyse(long, GROUP, total)["estimable"].all()
    again = Cells.from_table(counts.table.assign(item=counts.table["item"].astype(int)))
    pd.testing.assert_frame_equal(again.table, counts.table)


def test_what_cannot_be_meant_is_refused(tmp_path):
    long, total = _long(WIDE), WIDE.sum(axis=1)
    matrix = ScoreMatrix.from_wide(WIDE, GROUP)
    rated = long.assign(group=long["person"].map(GROUP), machine=long["score"], human=long["score"])
    code = WIDE.replace(3.0, -1.7976931348623157e308)  # what some programs write for a missing score
    code.assign(sex=GROUP).to_csv(tmp_path / "code.csv", index=False)
    for wrong in (
        lambda: ScoreMatrix.from_wide(code, GROUP),
        lambda: ScoreMatrix.from_wide(WIDE, GROUP, external=code["i0"]),
        lambda: cells(_long(code), GROUP, total),
        lambda: ScoreFile(tmp_path / "code.csv", group="sex"),
        lambda: rater_error(rated.assign(machine=rated["machine"].replace(1.0, 1e300))),
    ):
        with pytest.raises(DataError, match="infinite or above 1e50"):
            wrong()
    for wrong in (total.where(total > 3, np.inf), pd.cut(total, 3), total.map("grade {}".format)):
        with pytest.raises(DataError, match="must be finite numbers"):
            cells(long, GROUP, wrong)
    with pytest.raises(DataError, match="no name"):
        cells(long.assign(item=long["item"].where(long["item"] != "i0")), GROUP, total)
    for wrong in ((WIDE.set_axis([1, "1", 2, 3], axis=1)), (WIDE.set_axis(["a", "b", "a", "c"], axis=1))):
        with pytest.raises(DataError, match=r"same name|there twice"):
            ScoreMatrix.from_wide(wrong, GROUP)
    for groups in ((), ("reference",), ("reference", "focal", "focal")):
        for make in (
            lambda groups: ScoreMatrix.from_wide(WIDE, GROUP.where(GROUP.isin(groups)), groups=groups),
            lambda groups: cells(long, GROUP.where(GROUP.isin(groups)), total, groups=groups),
            lambda groups: ScoreFile(tmp_path / "code.csv", group="sex", groups=groups),
        ):
            with pytest.raises(UsageError, match="two groups or more"):
                make(groups)
    for asked in ({"statistics": ()}, {"level": 0.0}, {"level": 95}, {"replicates": 0}):
        with pytest.raises(UsageError):
            bootstrap(matrix, **asked)
    for asked in ({"level": 2}, {"replicates": 0}):
        with pytest.raises(UsageError):
            dtf(matrix, **asked)
    with pytest.raises(UsageError, match="coverage"):
        rater_error(rated, level=95)
    with pytest.raises(UsageError, match="coverage"):
        compare_sets({"before": long, "after": long}, GROUP, matching=CRITERION, alpha=5.0)


def test_an_anchor_named_twice_is_one_anchor(tmp_path):
    path = tmp_path / "scores.parquet"
    WIDE.where(RNG.random(WIDE.shape) > 0.2).assign(sex=GROUP).to_parquet(path, index=False)
    with ScoreFile(path, group="sex") as source:
        once, twice = (source.count(MatchSpec(anchors=names)) for names in (("i0", "i1"), ("i0", "i1", "i0")))
    pd.testing.assert_frame_equal(once.table, twice.table)


def test_an_effect_size_without_a_unit_has_a_reason():
    counts = ScoreMatrix.from_wide(WIDE, GROUP).count(MatchSpec())
    table = smd(counts, sd=pd.Series({"i0": 1.0, "i1": 0.0, "i2": np.nan})).table
    assert table["estimable"].tolist() == [True, False, False, False]
    assert (table["reason"].iloc[1:] == "no SD to express the effect size in").all()
    _sound(table)


def test_no_multinomial_variance_within_groups():
    """Each group has one score: the hypergeometric variance sees that they differ, the multinomial is 0."""
    counts = ScoreMatrix.from_wide(_first(FOCAL * 3.0), GROUP, external=CRITERION).count(
        MatchSpec("external")
    )
    assert smd(counts).table.loc["i0", "smd"] == 3
    assert smd(counts).table.loc["i0", "z"] > 5
    row = smd(counts, variance="multinomial").table.loc["i0"]
    assert not row["estimable"]
    assert "multinomial variance is 0" in row["reason"]


def test_logistic_kernel_with_other_than_two_points_is_nan():
    n = np.random.default_rng(6).integers(1, 9, (2, 5, 2, 3)).astype(float)
    found = logistic_kernel(ItemCounts(n, np.arange(5.0), np.arange(3.0)))
    assert all(np.isnan(value).all() and value.shape == (2,) for value in found.values())
    assert not logistic(ScoreMatrix.from_wide(WIDE, GROUP).count(MatchSpec())).table["estimable"].any()


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_judgement_of_tables_without_items_or_numbers(rows):
    nothing = pd.Series(np.nan, index=[f"i{j}" for j in range(rows)], dtype=float)
    for table in (shrink(nothing, nothing), shrink(nothing, nothing, mean=0.0), equivalent(nothing, nothing)):
        assert len(table) == rows
        assert not table["estimable"].any()
        assert table["reason"].ne("").all()
    alone = shrink(nothing.fillna(0.3), nothing.fillna(0.1))
    assert alone["estimable"].tolist() == [rows > 1] * rows
    assert alone["reason"].eq("shrinkage needs at least 2 items").tolist() == [rows == 1] * rows
    empty = smd(ScoreMatrix.from_wide(WIDE * np.nan, GROUP).count(MatchSpec())).table.iloc[:rows]
    found = minimum_detectable(empty)
    assert len(found) == rows
    assert found[["mde", "smallest_bound"]].isna().all(axis=None)
    assert detectable_by_group(found)["n_items"].sum() == 0


def test_errors_are_ours():
    """Whatever is refused is refused by a PsyalignError that says what to mend or where."""
    matrix = ScoreMatrix.from_wide(WIDE, GROUP)
    for wrong in (
        lambda: screen(matrix, MatchSpec("external")),
        lambda: screen(matrix, MatchSpec(anchors=("nothing",))),
        lambda: screen(matrix, MatchSpec("external"), Settings(purify=True)),
        lambda: screen(matrix, MatchSpec(anchors=()), Settings(purify=True)),
        lambda: alpha_by_group(matrix.count(MatchSpec()), matching=("nothing",)),
        lambda: ScoreMatrix.from_wide(WIDE.iloc[:0], GROUP),
        lambda: ScoreMatrix.from_wide(WIDE.iloc[:, :0], GROUP),
    ):
        with pytest.raises(PsyalignError) as problem:
            wrong()
        assert "where" in str(problem.value) or "mend" in str(problem.value)
