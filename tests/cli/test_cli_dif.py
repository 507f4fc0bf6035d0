"""`psyalign dif` on tables that people bring."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import Result

Invoke = Callable[..., Result]
ITEMS = ["i0", "i1", "i2"]


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """300 persons, three items 0–3; i2 is harder for girls by half a point."""
    random = np.random.default_rng(3)
    ability = random.normal(size=300)
    girl = np.arange(300) % 2 == 0
    table = pd.DataFrame({"person": [f"{n:03}" for n in range(300)], "gender": np.where(girl, "girl", "boy")})
    for item in ITEMS:
        raw = 1.5 + ability + 0.6 * random.normal(size=300) - 0.8 * (girl & (item == "i2"))
        table[item] = np.clip(np.round(raw), 0, 3).astype(int)
    table.to_csv(tmp_path / "wide.csv", index=False)
    return tmp_path / "wide.csv"


def long_of(wide: Path, **columns: Any) -> Path:
    table = pd.read_csv(wide, dtype={"person": str})
    long = table.melt(["person", "gender"], ITEMS, var_name="item", value_name="score").assign(**columns)
    path = wide.with_name("long.csv")
    long.to_csv(path, index=False)
    return path


def test_finds_the_item_and_its_direction(invoke: Invoke, wide: Path) -> None:
    result = invoke("dif", wide, "--group", "gender", "--focal", "girl", "--json")
    assert result.exit_code == 0, result.stderr
    rows = {row["item"]: row for row in json.loads(result.stdout)["items"]}
    assert list(rows) == ITEMS
    assert rows["i2"]["es"] < -0.25 and rows["i2"]["es_class"] == "CC"
    assert "Columns taken for items: i0, i1, i2." in result.stderr


def test_long_and_wide_and_persons_beside_agree(invoke: Invoke, wide: Path) -> None:
    expected = invoke("dif", wide, "--group", "gender", "--focal", "girl", "--json").stdout
    long = long_of(wide)
    assert invoke("dif", long, "--group", "gender", "--focal", "girl", "--json").stdout == expected
    table = pd.read_csv(long, dtype={"person": str})
    table.drop(columns="gender").to_csv(wide.with_name("scores.csv"), index=False)
    table[["person", "gender"]].drop_duplicates().to_csv(wide.with_name("persons.csv"), index=False)
    beside = ["--persons", wide.with_name("persons.csv")]
    arguments = ["--group", "gender", "--focal", "girl", "--reference", "boy", "--json", *beside]
    assert invoke("dif", wide.with_name("scores.csv"), *arguments).stdout == expected


def test_scores_in_another_column(invoke: Invoke, wide: Path) -> None:
    expected = invoke("dif", wide, "--group", "gender", "--focal", "girl", "--json").stdout
    long = long_of(wide, modal=9)
    pd.read_csv(long, dtype={"person": str}).rename(columns={"score": "expected"}).to_csv(long, index=False)
    result = invoke("dif", long, "--group", "gender", "--focal", "girl", "--score", "expected", "--json")
    assert result.stdout == expected


def test_matching_column_csv_and_label_of_simulated_data(invoke: Invoke, wide: Path) -> None:
    level = pd.read_csv(wide)["i0"]
    long = long_of(wide, origin="simulated", level=np.tile(level, 3))
    out = wide.with_name("out.csv")
    result = invoke("dif", long, "--group", "gender", "--focal", "girl", "--match", "level", "--csv", out)
    assert result.exit_code == 0, result.stderr
    head = result.stdout.splitlines()[0]
    assert head == "DIF by gender: girl (150) minus boy (150), matched on level in 4 strata · simulated data"
    assert list(pd.read_csv(out)["item"]) == ITEMS
    assert {"mantel_p", "lr_uniform_p"} <= set(pd.read_csv(out).columns)


BREAKS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "score": lambda table: table.astype({"score": object}).assign(score=["many", *table["score"][1:]]),
    "missing": lambda table: table.astype({"score": float}).assign(score=[np.nan, *table["score"][1:]]),
    "twice": lambda table: pd.concat([table, table.head(1)]),
    "varies": lambda table: table.assign(gender=["boy", *table["gender"][1:]]),
    "one group": lambda table: table[table["gender"] == "girl"],
    "three persons": lambda table: table[(table["gender"] == "girl") | (table["person"].astype(int) < 6)],
    "no gender": lambda table: table.drop(columns="gender"),
    "no person": lambda table: table.drop(columns="person"),
    "no item": lambda table: table.drop(columns="item"),
}


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("score", "row 2, column score"),
        ("missing", "A score is missing or not a number."),
        ("twice", "Person '000' has more than one score on item 'i0'."),
        ("varies", "Person '000' has different values of gender."),
        ("one group", "All persons are of one group"),
        ("three persons", "The reference group 'boy' has 3 persons"),
        ("no gender", "Column 'gender' is missing."),
        ("no person", "Column 'person' is missing."),
        ("no item", "Column 'item' is missing."),
    ],
)
def test_bad_tables_exit_3(invoke: Invoke, wide: Path, how: str, says: str) -> None:
    path = long_of(wide)
    BREAKS[how](pd.read_csv(path, dtype={"person": str})).to_csv(path, index=False)
    result = invoke("dif", path, "--group", "gender", "--focal", "girl")
    assert result.exit_code == 3
    assert says in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--focal", "gril"], "Did you mean 'girl'?"),
        (["--focal", "girl", "--reference", "by"], "--reference: 'gender' has no value 'by'."),
        (["--focal", "girl", "--reference", "girl"], "Focal and reference group are both 'girl'."),
    ],
)
def test_bad_groups_exit_2(invoke: Invoke, wide: Path, options: list[str], says: str) -> None:
    result = invoke("dif", wide, "--group", "gender", *options)
    assert result.exit_code == 2
    assert says in result.stderr


def test_three_values_need_a_reference(invoke: Invoke, wide: Path) -> None:
    table = pd.read_csv(wide, dtype={"person": str})
    table.loc[:9, "gender"] = "other"
    table.to_csv(wide, index=False)
    result = invoke("dif", wide, "--group", "gender", "--focal", "girl")
    assert result.exit_code == 2
    assert "--reference with one of: boy, other." in result.stderr
    result = invoke("dif", wide, "--group", "gender", "--focal", "girl", "--reference", "boy")
    assert result.exit_code == 0
    assert "10 persons of neither group were left out." in result.stderr


def test_text_in_a_wide_table(invoke: Invoke, wide: Path) -> None:
    pd.read_csv(wide).assign(school="north").to_csv(wide, index=False)
    result = invoke("dif", wide, "--group", "gender", "--focal", "girl")
    assert result.exit_code == 3
    assert "Column 'school' is taken for an item, but holds text." in result.stderr
