"""What the DIF section says about the size of DIF, and the columns of further methods."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from psyalign.report.content import Bullets, Paragraph, Section, Table
from psyalign.report.load import load_run
from psyalign.report.schema import COLUMNS, JUDGED
from psyalign.report.sections.dif import FURTHER, dif_section
from psyalign.report.sections.limits import limits_section

RunMaker = Callable[..., Path]
WORDS = {"negligible": "shown negligible", "present": "present", "not shown": "no evidence\neither way"}


@pytest.fixture
def judged_run(make_run: RunMaker) -> Callable[..., Path]:
    """A run that has the judgements, and the columns of methods if given; the last item is not estimable."""

    def make(*methods: str, shown: tuple[str, ...] = tuple(WORDS), **settings: Any) -> Path:
        run = make_run(arms=["baseline", "equivalence"])
        path = run / "tables" / "dif_items.parquet"
        table = pd.read_parquet(path)
        known = table["estimable"].to_numpy(dtype=bool)
        for name in (*JUDGED, *(column for method in methods for column, _, _ in FURTHER[method][0])):
            table[name] = np.where(known, 0.31, np.nan)
        cycle = [shown[row % len(shown)] for row in range(len(table))]
        table["shown"] = np.where(known, cycle, "")
        table.to_parquet(path, index=False)
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        manifest["settings"]["dif"] |= {"methods": ["mantel", "smd", "ordinal", *methods], **settings}
        (run / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        return run

    return make


def paragraphs(section: Section) -> str:
    return " ".join(block.text for block in section.blocks if isinstance(block, Paragraph))


def grids(section: Section) -> list[Table]:
    return [block for block in section.blocks if isinstance(block, Table)]


def sample(run: Path) -> str:
    """The limit about the sample's size."""
    (block,) = limits_section(load_run(run)).blocks
    assert isinstance(block, Bullets)
    return dict(block.entries)["Sample."]


def test_cells_say_what_is_shown_in_the_words_of_the_explanation(judged_run: Callable[..., Path]) -> None:
    run = judged_run()
    section = dif_section(load_run(run))
    items, everything = grids(section)
    table = pd.read_parquet(run / "tables" / "dif_items.parquet").set_index(["arm", "item"])["shown"]
    for number, row in enumerate(items.rows[:-1], start=1):
        for place, arm in enumerate(("human", "baseline", "equivalence"), start=3):
            assert row[place].endswith("\n" + WORDS[table[arm, f"item-{number}"]])
    assert items.rows[-1][3:6] == ("–", "–", "–")
    text = paragraphs(section)
    assert "the 90% interval of the ES lies wholly within ±.17" in text
    for word in WORDS.values():
        assert f"“{word.capitalize()}”".replace("\n", " ") in text
    assert not re.search(r"\b(no DIF|free of|fair)\b", text)
    assert [column.title for column in everything.columns][-3:] == ["p equiv.", "MDE", "ES, shrunk"]


def test_explanation_follows_the_settings(judged_run: Callable[..., Path]) -> None:
    text = paragraphs(dif_section(load_run(judged_run(alpha=0.1, es_moderate=0.1))))
    assert "the 80% interval of the ES lies wholly within ±.10" in text
    assert "(p < .10)" in text


def test_run_without_judgements_is_reported_as_before(make_run: RunMaker) -> None:
    run = make_run()
    section = dif_section(load_run(run))
    items, everything = grids(section)
    assert "hown negligible" not in paragraphs(section)
    assert items.note.startswith("Cells: ES and class, 95% interval below.")
    assert all(len(cell.split("\n")) <= 2 for row in items.rows for cell in row)
    assert everything.columns[-1].title == "ΔR²"
    assert "“not significant” does not mean “shown to be negligible”" in sample(run)
    assert not set(JUDGED) & set(COLUMNS["dif_items"])


def test_further_methods_have_their_columns_and_a_word_of_explanation(
    judged_run: Callable[..., Path],
) -> None:
    everything = grids(dif_section(load_run(judged_run("gmh", "liu_agresti"))))[1]
    titles = [column.title for column in everything.columns]
    assert titles[-6:] == ["L–A log OR", "SE", "p", "GMH χ²", "df", "p"]
    assert "Liu and Agresti" in everything.note and "generalised Mantel–Haenszel" in everything.note
    assert "Scale:" not in everything.note
    assert all(len(row) == len(titles) for row in everything.rows)


def test_columns_of_a_method_that_was_not_asked_for_are_not_shown(judged_run: Callable[..., Path]) -> None:
    run = judged_run("gmh")
    manifest = (run / "manifest.json").read_text(encoding="utf-8").replace(', "gmh"', "")
    (run / "manifest.json").write_text(manifest, encoding="utf-8")
    assert "GMH" not in str(grids(dif_section(load_run(run)))[1])


def test_every_further_method_has_an_entry() -> None:
    from typing import get_args

    from psyalign.study.judging import DifMethod

    assert set(FURTHER) == set(get_args(DifMethod)) - {"mantel", "smd", "ordinal"}


def test_limits_say_what_could_have_been_found(judged_run: Callable[..., Path]) -> None:
    text = sample(judged_run(shown=("negligible",)))
    assert "with a probability of .80 if its |ES| were 0.31 on variety (median item)" in text
    assert "shown negligible, after alignment, for 9 of 10 items on variety" in text
    assert "for 0 of 10 items on variety" in sample(judged_run(shown=("not shown",)))
