"""AI feedback in the report: agreement with people first, and nothing where all feedback is people's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from psyalign.foundation.files import read_json
from psyalign.foundation.tables import write_parquet
from psyalign.report.load import load_run
from psyalign.report.numerals import MISSING
from psyalign.report.sections import build_sections
from psyalign.report.sections.ai_feedback import ai_feedback_section

RunMaker = Callable[..., Path]
NAN = float("nan")


def with_table(run: Path, *rows: tuple[object, ...]) -> Path:
    columns = [
        *("kind", "source", "rater", "compared_with", "grouping", "level", "records", "n_persons", "n"),
        *("ties", "agreement", "kappa", "qwk", "mean_difference"),
    ]
    origin = read_json(run / "manifest.json")["study"]["origin"]
    write_parquet(
        run / "tables" / "ai_feedback.parquet", pd.DataFrame(rows, columns=columns).assign(origin=origin)
    )
    return run


def row(level: str, n: int, kappa: float, kind: str = "score_preference") -> tuple[object, ...]:
    grouping = "all" if level == "all" else "variety"
    head = (kind, "ai:rlaif", "smollm2", "human scores", grouping, level)
    return (*head, n + 2, n, n, 2, 0.55 if n else NAN, kappa, NAN, NAN)


def test_no_section_without_ai_feedback(make_run: RunMaker) -> None:
    assert ai_feedback_section(load_run(make_run())) is None


def test_agreement_is_told_and_small_groups_are_not_shown(make_run: RunMaker) -> None:
    run = with_table(
        make_run(), row("all", 40, 0.07), row("standard", 28, 0.1), row("everyday", 12, 0.0),
        row("all", 20, 0.5, "rating"), row("standard", 15, 0.5, "rating"), row("everyday", 5, 0.4, "rating"),
    )  # fmt: skip
    section = ai_feedback_section(load_run(run))
    assert section is not None
    said, table = section.blocks
    assert "64 records" in said.text and "In 1 of 2 kinds" in said.text  # type: ignore[union-attr]
    compared = [cells[5] for cells in table.rows]  # type: ignore[union-attr]
    # the second group of the ratings is hidden too: the total would give the small one away
    assert compared[:4] == ["40", "28", "12", "20"] and compared[4:] == [MISSING, MISSING]


def test_nothing_to_compare_with_is_said(make_run: RunMaker) -> None:
    section = ai_feedback_section(load_run(with_table(make_run(), row("all", 0, NAN, "equivalence"))))
    assert section is not None
    assert "is not known" in section.blocks[0].text  # type: ignore[union-attr]


def test_the_section_stands_before_the_raters(make_run: RunMaker) -> None:
    sections = build_sections(load_run(with_table(make_run(), row("all", 40, 0.5))))
    anchors = [section.anchor for section in sections]
    assert anchors.index("ai-feedback") + 1 == anchors.index("raters")
