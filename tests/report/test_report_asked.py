"""The report says what the feedback's scores ask for each group, and where raters hold a difference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from psyalign.foundation.files import read_json
from psyalign.foundation.tables import write_parquet
from psyalign.report.content import Paragraph, Table
from psyalign.report.load import load_run
from psyalign.report.sections.limits import limits_section
from psyalign.report.sections.raters import raters_section

RunMaker = Callable[..., Path]
TITLE = "What the scores of the feedback ask to change, by group."
COLUMNS = ["scores", "against", "reference", "focal", "difference", "low", "high"]


def told(run: Path, rows: list[tuple[Any, ...]], reason: str = "") -> tuple[str, Table | None]:
    """All that the section says in sentences, and the table."""
    table = pd.DataFrame(rows, columns=COLUMNS).assign(
        grouping="variety", n=80, n_reference=20, n_focal=20, reason=reason
    )
    origin = read_json(run / "manifest.json")["study"]["origin"]
    write_parquet(run / "tables" / "asked.parquet", table.assign(origin=origin))
    blocks = raters_section(load_run(run)).blocks
    text = " ".join(block.text for block in blocks if isinstance(block, Paragraph))
    tables = [block for block in blocks if isinstance(block, Table) and block.caption == TITLE]
    return text, tables[0] if tables else None


def limits(run: Path) -> str:
    (bullets,) = limits_section(load_run(run)).blocks
    return str(bullets)


ASKS_MORE = ("feedback", "baseline", 0.0, 0.2, 0.2, 0.1, 0.3)
ASKS_NOTHING = ("feedback", "baseline", 0.0, -0.02, -0.02, -0.1, 0.06)
BIASED = ("feedback", "criterion", 0.0, -0.32, -0.32, -0.39, -0.25)


def test_feedback_that_asks_for_more_in_one_group(make_run: RunMaker) -> None:
    text, table = told(make_run(), [ASKS_MORE])
    assert "ask to raise" in text and "0.20 score points more than" in text
    assert "Against the criterion" not in text
    assert table is not None
    assert table.rows[0][1:] == ("feedback − baseline", "80", "0.00", "+0.20", "+0.20 [0.10, 0.30]")


def test_raters_who_share_the_difference_are_named(make_run: RunMaker) -> None:
    run = make_run()
    assert "hold a difference" not in limits(run)
    text, table = told(run, [ASKS_NOTHING, BIASED])
    assert "0.32 score points lower for" in limits(run)
    assert "cannot be told from nothing (−0.02 [−0.10, 0.06] score points)" in text
    assert "stays open" in text
    assert "0.32 score points lower for" in text and "are taught it" in text
    assert table is not None and len(table.rows) == 2


def test_what_could_not_be_estimated_says_why(make_run: RunMaker) -> None:
    nothing = ("feedback", "baseline", *[np.nan] * 5)
    text, table = told(make_run(), [nothing], "fewer than 10 persons in a group")
    assert "could not be estimated" in text
    assert table is not None and table.rows[0][-1] == "fewer than 10 persons in a group"


def test_a_run_without_the_table_says_nothing_of_it(make_run: RunMaker) -> None:
    run = make_run()
    (run / "tables" / "asked.parquet").unlink(missing_ok=True)
    blocks = raters_section(load_run(run)).blocks
    assert not any(isinstance(block, Table) and block.caption == TITLE for block in blocks)
