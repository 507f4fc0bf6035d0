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


def test_one_rater_or_an_older_run_has_none(make_run: RunMaker) -> None:
    run = make_run()
    (run / "tables" / "raters.parquet").unlink(missing_ok=True)
    assert "The raters of the feedback." not in captions(run)
    assert "The raters of the feedback." not in captions(with_raters(run, 1))
