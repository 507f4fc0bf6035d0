"""The section on the wording effect: by arm, and by item before and after."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from psyalign.foundation.tables import read_table, write_parquet
from psyalign.report.content import Figure, Paragraph, Table
from psyalign.report.load import load_run
from psyalign.report.sections.wording import BY_ITEM, wording_section

RunMaker = Callable[..., Path]


def tables_of(run: Path) -> dict[str, Table]:
    section = wording_section(load_run(run))
    assert section is not None
    return {block.caption: block for block in section.blocks if isinstance(block, Table)}


def test_by_arm_and_by_item(make_run: RunMaker) -> None:
    run = make_run()
    found = tables_of(run)
    sizes = found["Size of the wording effect over items, by arm."]
    assert sizes.rows[0][2:] == ("–", "–")
    assert all(row[3].startswith("[") and "%" in row[2] for row in sizes.rows[1:])
    items = found["Wording effect per item."]
    loaded = load_run(run)
    assert [row[0] for row in items.rows] == [loaded.item_title(item) for item in loaded.items["item"]]
    assert all(len(row) == 6 and row[5].startswith("[") for row in items.rows)


def test_the_drawing_names_no_human_scores(make_run: RunMaker) -> None:
    section = wording_section(load_run(make_run()))
    assert section is not None
    drawings = {block.name: block.svg for block in section.blocks if isinstance(block, Figure)}
    assert "human scores" not in drawings["wording-items"]
    assert "Effect size per item." in drawings["wording-items"]


def test_an_item_that_could_not_be_estimated_says_why(make_run: RunMaker) -> None:
    run = make_run()
    path = run / "tables" / "wording_items.parquet"
    table = read_table(path)
    first = table["item"] == table.loc[0, "item"]
    table.loc[first, ["es", "low", "high"]] = np.nan
    table.loc[first, "reason"] = "fewer than 10 persons in both wordings"
    write_parquet(path, table)
    rows = tables_of(run)["Wording effect per item."].rows
    assert rows[0][2:4] == ("–", "fewer than 10 persons in both wordings")


def test_a_run_of_before_these_tables_shows_the_arms_alone(make_run: RunMaker) -> None:
    run = make_run(drop=("wording_items",))
    path = run / "tables" / "wording.parquet"
    table = read_table(path)
    write_parquet(path, table.drop(columns=[name for name in table if "abs" in str(name)]))
    assert list(tables_of(run)) == ["Wording effect by arm."]
    section = wording_section(load_run(run))
    assert section is not None
    assert all(block.text != BY_ITEM for block in section.blocks if isinstance(block, Paragraph))
