"""The report says where raters deny most what the scorer tells apart most, and claims nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from psyalign.foundation.files import read_json
from psyalign.foundation.tables import write_parquet
from psyalign.report.content import Paragraph
from psyalign.report.load import load_run
from psyalign.report.sections.denied import MEANING
from psyalign.report.sections.limits import limits_section
from psyalign.report.sections.raters import raters_section

RunMaker = Callable[..., Path]


def told(run: Path, difference: float, reach: float, reason: str = "") -> tuple[str, str]:
    """What the section on raters says, and the limits."""
    row = {"same": 0.11, "denied": 0.11 + difference, "difference": difference, "reason": reason}
    row |= {"low": difference - reach, "high": difference + reach, "n": 400, "n_denied": 90, "n_persons": 80}
    origin = read_json(run / "manifest.json")["study"]["origin"]
    write_parquet(run / "tables" / "denied.parquet", pd.DataFrame([row]).assign(origin=origin))
    tables = load_run(run)
    text = " ".join(block.text for block in raters_section(tables).blocks if isinstance(block, Paragraph))
    return text, str(limits_section(tables).blocks)


def test_denials_that_follow_the_scorer_are_named_and_a_limit(make_run: RunMaker) -> None:
    text, limits = told(make_run(), 0.21, 0.03)
    assert "Of 400 judgements" in text and "90 say that they do not" in text
    assert "0.32 score points apart, and of the others 0.11" in text and "+0.21 [0.18, 0.24]" in text
    assert MEANING in text
    assert "0.21 score points further apart" in limits and MEANING in limits


def test_a_wide_interval_and_the_other_direction_claim_nothing(make_run: RunMaker) -> None:
    for difference, said in ((0.02, "cannot be told from chance"), (-0.09, "Raters do not deny")):
        text, limits = told(make_run(), difference, 0.05)
        assert said in text and MEANING not in text
        assert "further apart" not in limits


def test_what_could_not_be_estimated_says_why(make_run: RunMaker) -> None:
    text, limits = told(make_run(), np.nan, 0.0, "fewer than 10 persons' answers were affirmed, or denied")
    assert "could not be estimated: fewer than 10 persons" in text
    assert "further apart" not in limits


def test_without_a_denial_nothing_is_said(make_run: RunMaker) -> None:
    tables = load_run(make_run())
    assert not any("two wordings of one answer" in str(block) for block in raters_section(tables).blocks)
