"""`psyalign dif` beyond its defaults: groups, matching, purification, resampling, drawings, files on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import Result

from psyalign.dif.simulation.graded import default_items
from psyalign.dif.simulation.scores import simulate_grm

Invoke = Callable[..., Result]
ITEMS = [f"item{j}" for j in range(6)]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """600 simulated persons, six items 0-3, item2 harder for girls; attributes and a criterion beside."""
    items = default_items(6, 4, seed=3)
    shift = np.where(np.arange(6) == 2, 0.8, 0.0)
    scores, group = simulate_grm(
        300, 300, slopes=items.slopes, thresholds=items.thresholds, shift=shift, seed=5
    )
    found = pd.DataFrame(scores[0], columns=ITEMS)
    found.insert(0, "person", [f"p{n}" for n in range(600)])
    found["gender"] = np.where(group == 1, "girl", "boy")
    found["language"] = np.where(np.arange(600) % 3 == 0, "bilingual", "one")
    found["school"] = np.array(["north", "south", "west"])[np.arange(600) % 3]
    noise = np.random.default_rng(1).normal(size=600)
    found["criterion"] = (found[ITEMS].sum(axis=1) + 2 * noise).round()
    return found


@pytest.fixture
def path(table: pd.DataFrame, tmp_path: Path) -> Path:
    table.to_csv(tmp_path / "scores.csv", index=False)
    return tmp_path / "scores.csv"


TWO = ("--group", "gender", "--focal", "girl", "--reference", "boy", "--items", "item*")


def answer(invoke: Invoke, *arguments: Any) -> dict[str, Any]:
    result = invoke("dif", *arguments, "--json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert isinstance(found, dict)
    return found


def test_word_test_may_be_left_out(invoke: Invoke, path: Path) -> None:
    assert invoke("dif", "test", path, *TWO).stdout == invoke("dif", path, *TWO).stdout


def test_all_methods_and_purification(invoke: Invoke, path: Path) -> None:
    found = answer(invoke, path, *TWO, "--methods", "all", "--purify")
    assert found["anchors"] == [name for name in ITEMS if name != "item2"]
    assert "mantel_haenszel" not in found["methods"] and "location_scale" in found["methods"]
    rows = {row["item"]: row for row in found["items"]}
    assert rows["item2"]["es_class"] in ("BB", "CC") and rows["item2"]["shown"] == "present"
    assert all(row["reason"] == "" for row in found["items"])
    assert [row["item"] for row in found["purification"] if row["flagged"]] == ["item2"]
    assert {row["step"] for row in found["steps"]} == {1, 2, 3}
    text = invoke("dif", path, *TWO, "--purify").stdout
    assert "matched without item2" in text


def test_several_groups_and_intersections(invoke: Invoke, path: Path) -> None:
    found = answer(invoke, path, "--group", "school", "--reference", "north", "--items", "item*")
    assert found["groups"] == ["north", "south", "west"]
    assert len(found["items"]) == 12 and len(found["omnibus"]) == 6
    both = ("--group", "gender", "--group", "language", "--reference", "boy/one", "--items", "item*")
    assert set(answer(invoke, path, *both)["groups"][1:]) == {"boy/bilingual", "girl/bilingual", "girl/one"}


def test_matching_options(invoke: Invoke, path: Path) -> None:
    criterion = ("--match", "criterion", "--strata", "10")
    plain = answer(invoke, path, *TWO, *criterion)
    assert plain["strata"]["n"] <= 10
    assert any("free of error" in note for note in plain["notes"])
    regressed = answer(invoke, path, *TWO, *criterion, "--reliability", "0.8", "--methods", "smd,polysib")
    assert regressed["strata"]["reliability"] == 0.8 and not regressed["notes"]
    anchored = answer(invoke, path, *TWO, "--anchors", "item0,item1,item3")
    assert anchored["anchors"] == ["item0", "item1", "item3"]
    rest = answer(invoke, path, *TWO, "--match", "rest")
    assert any("Rest-score" in note for note in rest["notes"])


def test_resampling_and_the_whole_test(invoke: Invoke, path: Path) -> None:
    arguments = (path, *TWO, "--match", "criterion", "--bootstrap", "60", "--methods", "smd,ordinal")
    found = answer(invoke, *arguments)
    smd = {row["item"]: row for row in found["intervals"] if row["statistic"] == "smd"}
    assert smd["item2"]["high"] < 0
    signed = next(row for row in found["whole_test"] if row["statistic"] == "signed")
    assert signed["low"] <= signed["value"] <= signed["high"]
    text = invoke("dif", *arguments).stdout
    assert "The whole test" in text and "lr_total " not in text


def test_drawings(invoke: Invoke, path: Path) -> None:
    folder = path.parent / "plots"
    result = invoke("dif", path, *TWO, "--plots", folder)
    assert result.exit_code == 0, result.stderr
    names = {file.name for file in folder.iterdir()}
    assert {"index.html", "forest.svg", "thresholds.svg", "response-item2.svg"} <= names
    assert f"wrote {folder / 'index.html'}" in result.stderr
    result = invoke("dif", path, *TWO, "--plots", folder, "--methods", "mantel")
    assert result.exit_code == 2 and "Add smd to --methods." in result.stderr


def test_counted_on_disk_gives_the_same(invoke: Invoke, path: Path, table: pd.DataFrame) -> None:
    names = (*TWO[:6], "--items", ",".join(ITEMS))
    memory, disk = (answer(invoke, path, *names, where) for where in ("--in-memory", "--on-disk"))
    assert disk["items"] == memory["items"]
    parquet = path.with_suffix(".parquet")
    table.to_parquet(parquet)
    assert answer(invoke, parquet, *names, "--on-disk")["items"] == memory["items"]
    long = table.melt(["person", "gender"], ITEMS, var_name="item", value_name="score")
    long.to_csv(path, index=False)
    assert answer(invoke, path, *TWO[:6], "--on-disk")["items"] == memory["items"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--group", "gender", "--focal", "girl", "--on-disk"], "needs one --group, --focal and --reference"),
        ([*TWO[:6], "--items", "item0", "--on-disk", "--bootstrap", "9"], "cannot have --bootstrap"),
        (["--group", "school", "--items", "item*"], "The groups to compare are not named."),
        ([*TWO[:6], "--items", "itme*"], "No item is called 'itme*'."),
        ([*TWO, "--strata", "few"], "'few' is no way to form strata."),
        ([*TWO, "--methods", "mantle"], "Did you mean 'mantel'?"),
        ([*TWO, "--methods", ""], "No DIF method was asked for."),
        ([*TWO, "--anchors", "item9"], "The anchor 'item9' is no item."),
        ([*TWO, "--correction", "bonferroni"], "Correction 'bonferroni' is unknown."),
        ([*TWO, "--purify", "--flag-by", "eye"], "'eye' cannot flag items."),
        ([*TWO, "--purify", "--match", "criterion"], "An external matching value cannot be purified"),
    ],
)
def test_bad_options_exit_2(invoke: Invoke, path: Path, options: list[str], says: str) -> None:
    result = invoke("dif", path, *options)
    assert result.exit_code == 2, result.output
    assert says in result.stderr
    assert result.stdout == ""


def test_on_disk_groups_that_nobody_has(invoke: Invoke, path: Path) -> None:
    result = invoke(
        *("dif", path, "--group", "gender", "--focal", "gril", "--reference", "by"),
        *("--items", "item0,item1", "--on-disk"),
    )
    assert result.exit_code == 2
    assert "Its values are: boy, girl" in result.stderr


# ---------------------------------------------------------------- dif compare


@pytest.fixture
def sets(path: Path, table: pd.DataFrame) -> list[Any]:
    """before.csv is the table; in after.csv girls have got back half a point on item2."""
    after = table.copy()
    lucky = (after["gender"] == "girl") & (np.arange(600) % 2 == 0)
    after.loc[lucky, "item2"] = (after.loc[lucky, "item2"] + 1).clip(upper=3)
    after.to_csv(path.with_name("after.csv"), index=False)
    return [f"before={path}", f"after={path.with_name('after.csv')}"]


def test_compare_finds_the_change_and_draws_it(invoke: Invoke, sets: list[Any], path: Path) -> None:
    options = (*TWO, "--match", "criterion", "--bootstrap", "50")
    found = answer(invoke, "compare", *sets, *options)
    changed = {row["item"]: row for row in found["effect_changes"]}
    assert changed["item2"]["change"] > 0.2 and changed["item2"]["p_adjusted"] < 0.001
    assert all(row["change"] == 0 for item, row in changed.items() if item != "item2")
    assert {row["test"] for row in found["other_changes"]} == {"bootstrap"}
    human = ("--human", path, *TWO, "--bootstrap", "50", "--plots", path.with_name("plots"))
    result = invoke("dif", "compare", *sets, *human)
    assert result.exit_code == 0, result.stderr
    assert "matched on the total of human" in result.stdout
    assert path.with_name("plots").joinpath("arrows.svg").is_file()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda sets, path: (*sets, *TWO), "There is nothing to match on"),
        (lambda sets, path: (sets[0], *TWO, "--human", path), "One set of scores cannot be compared."),
        (lambda sets, path: (sets[0], sets[0], *TWO, "--human", path), "The name 'before' is there twice."),
        (
            lambda sets, path: (f"human={path}", sets[1], *TWO, "--human", path),
            "The human scores have --human.",
        ),
        (
            lambda sets, path: (
                *sets,
                "--group",
                "school",
                "--reference",
                "north",
                "--human",
                path,
                *TWO[6:],
            ),
            "one focal group at a time",
        ),
    ],
)
def test_bad_sets_exit_2(
    invoke: Invoke, sets: list[Any], path: Path, change: Callable[..., Any], says: str
) -> None:
    result = invoke("dif", "compare", *change(sets, path))
    assert result.exit_code == 2, result.output
    assert says in result.stderr


# ---------------------------------------------------------------- dif power


def test_power(invoke: Invoke, path: Path) -> None:
    quick = ("--replications", "200", "--tests", "smd")
    found = answer(invoke, "power", "--es", "0.3", "--items", "8", "--points", "3", *quick)
    (needed,) = found["needed"]
    assert 50 < needed["n_focal"] < 400
    assert "simulated" in found["about"]
    like = answer(invoke, "power", "--like", path, "--es", "0.3", *quick)
    assert "simulated" in like["about"]
    result = invoke("dif", "power", "--tests", "telepathy")
    assert result.exit_code == 2 and result.stdout == ""
