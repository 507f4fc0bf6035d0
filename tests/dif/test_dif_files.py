"""ScoreFile: the same counts as ScoreMatrix, from every layout and format; hostile names; what it refuses."""

from __future__ import annotations

import gc
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from psyalign.dif.counts.files import ScoreFile
from psyalign.dif.counts.matrix import ScoreMatrix
from psyalign.dif.counts.source import ScoreSource
from psyalign.dif.matching.purify import purify
from psyalign.dif.matching.spec import MatchSpec
from psyalign.dif.methods.mantel import mantel
from psyalign.foundation.errors import DataError, UsageError

LEVELS = {"M": "reference", "F": "focal"}
# names that would end a quotation, open another, or be a glob
NASTY = ["it'em", 'say "x"; DROP TABLE rows; --', "a,b", "{c: 'd'}", "select", "e%s$1?"]
SPECS = (
    MatchSpec(),
    MatchSpec(bins="thin"),
    MatchSpec(bins="equal", n_bins=4),
    MatchSpec(reliability={"reference": 0.8, "focal": 0.7}),
    MatchSpec(anchors=(NASTY[1], NASTY[4]), bins="thin"),
    MatchSpec("rest"),
    MatchSpec("rest", anchors=(NASTY[0], NASTY[1])),
    MatchSpec("external", bins="equal"),
    MatchSpec("external"),
)


@pytest.fixture
def people(graded):
    """Wide table of persons with groups M, F, X and none, and an external value; holes in everything."""

    def draw(fractions: bool = False) -> pd.DataFrame:
        rng = np.random.default_rng(11)
        wide, group = graded(rng, 120, items=6, points=3)
        wide = wide.astype(float).set_axis(NASTY, axis=1)
        wide += 0.25 * rng.integers(0, 4, wide.shape) if fractions else 0
        external = (wide.sum(axis=1) + rng.normal(0, 2, len(wide))).round(1)
        wide = wide.mask(rng.random(wide.shape) < 0.15)
        sex = group.map({"reference": "M", "focal": "F"}).astype(object)
        sex.iloc[:7], sex.iloc[7:10] = "X", None
        table = pd.DataFrame({"who": [f"p{k:03d}" for k in range(len(wide))], "g'\"x": sex})
        return table.join(wide).assign(ext=external.mask(rng.random(len(wide)) < 0.1))

    return draw


def matrix_of(table: pd.DataFrame, items: list[str] = NASTY) -> ScoreMatrix:
    by_person = table.set_index("who")
    group = by_person["g'\"x"].map(LEVELS)
    return ScoreMatrix.from_wide(by_person[items], group, external=by_person["ext"])


def write(table: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)
    return path


def long_of(table: pd.DataFrame, keep_missing: bool = True) -> pd.DataFrame:
    long = table.melt(["who", "g'\"x", "ext"], var_name="what", value_name="points")
    return long.sample(frac=1, random_state=1) if keep_missing else long.dropna(subset=["points"])


def same(found: ScoreSource, expected: ScoreSource, specs: tuple[MatchSpec, ...] = SPECS) -> None:
    for spec in specs:
        mine, theirs = found.count(spec), expected.count(spec)
        order = list(theirs.items)
        for item in order:
            one, other = mine.by_item[item], theirs.by_item[item]
            np.testing.assert_array_equal(one.group, other.group)
            np.testing.assert_array_equal(one.score, other.score)
            np.testing.assert_array_equal(one.count, other.count)
            np.testing.assert_allclose(one.stratum, other.stratum, rtol=1e-13)
        assert mine.left_out[order].to_dict() == theirs.left_out.to_dict()


OPTIONS = {"group": "g'\"x", "levels": LEVELS, "external": "ext"}
LONG = {**OPTIONS, "layout": "long", "person": "who", "item": "what", "score": "points"}


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("fractions", [False, True])
def test_wide(people, tmp_path, kind, fractions):
    table = people(fractions)
    path = write(table, tmp_path / f"we[i]rd*'na me?.{kind}")
    with ScoreFile(path, person="who", **OPTIONS) as source:
        assert source.items == tuple(NASTY)
        assert source.n_persons == 240
        assert source.left_out_groups.to_dict() == {"X": 7, "": 3}
        assert repr(source) == f"Scores of 240 persons on 6 items in {path}"
        same(source, matrix_of(table))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("keep_missing", [True, False])
def test_long(people, tmp_path, kind, keep_missing):
    table = people()
    path = write(long_of(table, keep_missing), tmp_path / f"long.{kind}")
    with ScoreFile(path, **LONG) as source:
        assert source.items == tuple(sorted(NASTY))
        same(source, matrix_of(table))
    with ScoreFile(path, items=NASTY[:3], **LONG) as source:
        known = table if keep_missing else table.dropna(subset=NASTY[:3], how="all")
        same(source, matrix_of(known, NASTY[:3]), (MatchSpec(), MatchSpec("rest")))


def test_relations(people, tmp_path):
    table = people()
    con = duckdb.connect()
    con.register("people", table)
    wide = con.sql("SELECT * FROM people")
    same(ScoreFile.from_relation(wide, person="who", **OPTIONS), matrix_of(table))
    con.register("long", long_of(table))
    same(ScoreFile(con.sql("SELECT * FROM long WHERE points IS NOT NULL"), **LONG), matrix_of(table))
    assert con.execute("SELECT count(*) FROM people").fetchone() == (240,)


def test_many_items_in_a_long_table(tmp_path):
    """More than fit into the bits of one number, or into one scan."""
    rng = np.random.default_rng(8)
    wide = pd.DataFrame(rng.integers(0, 3, (40, 130)), columns=[f"i{j:03d}" for j in range(130)])
    group = pd.Series(rng.choice(["reference", "focal"], 40))
    long = wide.rename_axis("person").reset_index().melt("person", var_name="item", value_name="score")
    long["g"] = long["person"].map(group)
    path = write(long, tmp_path / "long.parquet")
    same(ScoreFile(path, group="g", layout="long"), ScoreMatrix.from_wide(wide, group), (MatchSpec(),))
    write(pd.concat([long, long.tail(3)]), path)
    with pytest.raises(DataError, match="3 scores are there twice"):
        ScoreFile(path, group="g", layout="long")


def test_some_items_in_another_order_and_batches(people, tmp_path, monkeypatch):
    table = people()
    path = write(table, tmp_path / "scores.parquet")
    chosen = [NASTY[4], NASTY[1], NASTY[0]]
    monkeypatch.setattr("psyalign.dif.counts.files.BATCH", 2)
    source = ScoreFile(path, items=chosen, **OPTIONS)
    assert source.count(MatchSpec()).items == tuple(chosen)
    same(source, matrix_of(table, chosen), (MatchSpec(), MatchSpec("rest"), MatchSpec(anchors=(NASTY[4],))))


def test_group_values_of_any_type(graded, groups, tmp_path):
    wide, group = graded(np.random.default_rng(2), 50)
    expected = ScoreMatrix.from_wide(wide, group)
    code = group.map({"reference": 0, "focal": 1})
    for column, levels in (
        (code, {0: "reference", 1: "focal"}),
        (code.astype(float), {0: "reference", 1: "focal"}),
        (code.astype(bool), {False: "reference", True: "focal"}),
        (group, None),
    ):
        path = write(wide.assign(g=column), tmp_path / "scores.parquet")
        same(ScoreFile(path, group="g", levels=levels), expected, (MatchSpec(),))
    path = write(wide.assign(g=code), tmp_path / "scores.csv")
    same(ScoreFile(path, group="g", levels={"0": "reference", "1": "focal"}), expected, (MatchSpec(),))


def test_purification_from_a_file(reference, groups, tmp_path):
    table, values = reference("dich")
    path = write(table, tmp_path / "dich.parquet")
    source = ScoreFile(path, group="group", levels={0: "reference", 1: "focal"}, items=values["items"])
    found = purify(source, MatchSpec(bins="thin"), lambda counts: mantel(counts).table["mantel_p"] < 0.05)
    expected = values["MH_correctFALSE_purifyTRUE"]
    assert found.n_iterations == expected["nrPur"]
    assert mantel(found.cells).table["mantel_chi2"].to_list() == pytest.approx(expected["chi2"], rel=1e-8)


def test_byte_order_mark_line_ends_case_and_missing(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_bytes('\ufeffA,a,"b""c"\r\nreference,1,2\r\nfocal,,nan\r\n"focal"," 3",""\r\n'.encode())
    source = ScoreFile(path, group="A")
    assert source.items == ("a", 'b"c')
    counts = source.count(MatchSpec(bins="thin"))
    assert counts.left_out.to_dict() == {"a": 1, 'b"c': 2}
    assert counts.table.query("item == 'a'")["score"].to_list() == [1, 3]


def test_nobody_in_a_group(tmp_path):
    path = write(pd.DataFrame({"g": ["X", "Y"], "a": [1, 2]}), tmp_path / "scores.parquet")
    source = ScoreFile(path, group="g")
    for spec in (MatchSpec(), MatchSpec("rest"), MatchSpec(bins="equal")):
        counts = source.count(spec)
        assert counts.table.empty
        assert counts.left_out["a"] == 2
        assert not mantel(counts).table["estimable"].any()


def test_the_temporary_table_goes_with_the_object(tmp_path):
    path = write(pd.DataFrame({"g": ["focal"], "a": [1]}), tmp_path / "scores.csv")
    home = tmp_path / "home"
    home.mkdir()
    source = ScoreFile(path, group="g", temp_directory=home, memory_limit="200MB", threads=1)
    assert list(home.iterdir())
    del source
    gc.collect()
    assert not list(home.iterdir())
    with ScoreFile(path, group="g", temp_directory=home):
        assert list(home.iterdir())
    assert not list(home.iterdir())
    with pytest.raises(DataError):
        ScoreFile(path, group="h", temp_directory=home)
    gc.collect()
    assert not list(home.iterdir())


WIDE_CSV = "who,g,a,b\np,focal,1,2\nq,reference,0,1\n"
LONG_CSV = "person,g,item,score\np,focal,a,1\np,focal,b,2\nq,reference,a,0\n"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (WIDE_CSV, {"group": "sex"}, "'sex' is missing"),
        (WIDE_CSV, {"group": "g"}, "2 cells are not numbers.*column 'who'"),
        (WIDE_CSV.replace("1,2", "1,NA"), {"group": "g", "person": "who"}, "1 cells are not numbers.*'b'"),
        (WIDE_CSV.replace("1,2", "1,inf"), {"group": "g", "person": "who"}, "1 values are infinite.*'b'"),
        (WIDE_CSV.replace("q,", "p,"), {"group": "g", "person": "who"}, "1 persons have more than one row"),
        (WIDE_CSV, {"group": "g", "items": ["a", "c"]}, "'c' is missing"),
        (WIDE_CSV, {"group": "g", "items": ["a"], "external": "who"}, "not numbers.*'who'"),
        (WIDE_CSV.replace("1,2", "1,2,3"), {"group": "g", "person": "who"}, "cannot be read.*row 2"),
        (WIDE_CSV.replace("1,2", "1"), {"group": "g", "person": "who"}, "cannot be read"),
        (WIDE_CSV.replace("1,2", '1,"2'), {"group": "g", "person": "who"}, "cannot be read"),
        (WIDE_CSV.replace("b\n", "a\n"), {"group": "g"}, "more than once"),
        ("who,g,a,b\n", {"group": "g", "person": "who"}, "no scores"),
        ("", {"group": "g"}, "empty"),
        (LONG_CSV, {"group": "g", "layout": "long", "score": "points"}, "'points' is missing"),
        (LONG_CSV.replace("a,0", "a,zero"), {"group": "g", "layout": "long"}, "1 cells are not numbers"),
        (LONG_CSV.replace("b,2", "a,2"), {"group": "g", "layout": "long"}, "1 scores are there twice"),
        (LONG_CSV.replace("focal,b", "reference,b"), {"group": "g", "layout": "long"}, "1 persons have diff"),
        (LONG_CSV.replace("focal,b", ",b"), {"group": "g", "layout": "long"}, "1 persons have diff"),
        (LONG_CSV.replace("q,", ","), {"group": "g", "layout": "long"}, "1 rows have no person"),
        (LONG_CSV, {"group": "g", "layout": "long", "items": ["a", "c"]}, "'c' has no rows"),
    ],
)  # fmt: skip
def test_bad_data(tmp_path, text, options, message):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        ScoreFile(path, **options)
    told = str(caught.value)
    assert pd.Series([told.replace("\n", " ")]).str.contains(message, regex=True).all(), told
    assert str(path) in told
    assert "focal,1" not in told  # no line of the data


def test_bad_files_and_settings(tmp_path):
    good = tmp_path / "scores.csv"
    good.write_text(WIDE_CSV)
    (tmp_path / "scores.parquet").write_text("no Parquet")
    (tmp_path / "latin.csv").write_bytes(b"g,a\nfocal,1\n\xe4,2\n")
    text = write(pd.DataFrame({"g": ["focal"], "a": ["1"]}), tmp_path / "text.parquet")
    for path, message in (
        (tmp_path / "none.csv", "not found"),
        (tmp_path, "not found"),
        (tmp_path / "scores.parquet", "cannot be read"),
        (tmp_path / "latin.csv", "cannot be read"),
        (text, "must be numbers"),
        (good.rename(tmp_path / "scores.tsv"), "not from '.tsv'"),
    ):
        with pytest.raises(DataError, match=message):
            ScoreFile(path, group="g")
    good.write_text(WIDE_CSV)
    for options, message in (
        ({"layout": "square"}, "Layout"),
        ({"levels": {"F": "women"}}, "no group 'women'"),
        ({"items": []}, "items"),
        ({"items": ["a", "a"]}, "once"),
        ({"memory_limit": "much"}, "memory limit"),
        ({"threads": 0}, "threads"),
    ):
        with pytest.raises(UsageError, match=message):
            ScoreFile(good, group="g", **options)
    source = ScoreFile(good, group="g", person="who")
    with pytest.raises(UsageError, match="external"):
        source.count(MatchSpec("external"))
    with pytest.raises(UsageError, match="anchor"):
        source.count(MatchSpec(anchors=("c",)))
