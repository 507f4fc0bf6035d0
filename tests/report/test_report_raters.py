"""The raters of the feedback in the report: a table where there are several, and none where there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from psyalign.foundation.files import read_json
from psyalign.foundation.tables import write_parquet
from psyalign.report.load import load_run
from psyalign.report.schema import COLUMNS
from psyalign.report.sections.raters import raters_section

RunMaker = Callable[..., Path]


def with_raters(run: Path, number: int) -> Path:
    table = pd.DataFrame({name: [0.5] * number for name in COLUMNS["raters"]})
    table = table.assign(rater=[f"r{at}" for at in range(number)], ratings=12, severity=-0.25)
    table["drf[variety]"] = 0.4
    origin = read_json(run / "manifest.json")["study"]["origin"]
    write_parquet(run / "tables" / "raters.parquet", table.assign(origin=origin))
    return run


def captions(run: Path) -> dict[str, object]:
    blocks = raters_section(load_run(run)).blocks
    return {block.caption: block for block in blocks if hasattr(block, "caption")}


def test_several_raters_have_a_table(make_run: RunMaker) -> None:
    table = captions(with_raters(make_run(), 2))["The raters of the feedback."]
    assert [row[0] for row in table.rows] == ["r0", "r1"]  # type: ignore[attr-defined]
    assert "−0.25 (0.50)" in table.rows[0] and "+0.40" in table.rows[0]  # type: ignore[attr-defined]
    assert table.columns[-1].title == "Harder on focal: variety"  # type: ignore[attr-defined]


def test_the_table_counts_the_kinds_that_anyone_judged(make_run: RunMaker) -> None:
    run = with_raters(make_run(), 2)
    path = run / "tables" / "raters.parquet"
    found = pd.read_parquet(path)
    write_parquet(path, found.assign(score_preferences=0, response_preferences=0, equivalences=[0, 40]))
    table = captions(run)["The raters of the feedback."]
    heads = [column.title for column in table.columns]  # type: ignore[attr-defined]
    assert heads[:4] == ["Rater", "Ratings", "Same intention", "Severity (SE)"]
    assert [row[2] for row in table.rows] == ["0", "40"]  # type: ignore[attr-defined]


def test_one_rater_or_an_older_run_has_none(make_run: RunMaker) -> None:
    run = make_run()
    (run / "tables" / "raters.parquet").unlink(missing_ok=True)
    assert "The raters of the feedback." not in captions(run)
    assert "The raters of the feedback." not in captions(with_raters(run, 1))


def test_care_leanings_and_what_the_study_did_about_raters(make_run: RunMaker) -> None:
    run = with_raters(make_run(), 3)
    path = run / "tables" / "raters.parquet"
    table = pd.read_parquet(path).assign(
        eta=[0.9, 0.5, 0.95], eta_low=0.4, eta_high=0.99, score_sets=10, contradictory=[0, 7, 1], repeats=8,
        consistent=0.5, consistent_low=0.2, consistent_high=0.8, seconds=12.5, timed=20, fast=[0, 0.25, 0],
    )  # fmt: skip
    table["drf_p[variety]"] = [0.01, 0.9, 0.9]
    write_parquet(path, table)
    origin = read_json(run / "manifest.json")["study"]["origin"]
    rows = [
        ("ratings", 30, 20, None, None),
        ("responses with a score", 10, 10, 10, 3),
        ("agreement", 0.5, 0.6, None, None),
    ]
    changes = pd.DataFrame(rows, columns=["what", "before", "after", "compared", "changed"]).astype(
        dict.fromkeys(("before", "after", "compared", "changed"), "float64")
    )
    write_parquet(run / "tables" / "rater_changes.parquet", changes.assign(origin=origin))
    found = captions(run)
    assert "+0.40*" in found["The raters of the feedback."].rows[0]  # type: ignore[attr-defined]
    care = found["How consistent the raters were with themselves."]
    assert [entry.title for entry in care.columns][:2] == ["Rater", "Contradictory"]  # type: ignore[attr-defined]
    assert "7 of 10" in care.rows[1] and "ζ" not in [entry.title for entry in care.columns]  # type: ignore[attr-defined]
    changed = found["The feedback before and after raters were excluded or weighed."]
    assert [row[-1] for row in changed.rows] == ["–", "3 of 10", "–"]  # type: ignore[attr-defined]
