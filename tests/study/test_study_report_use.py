"""[report] use and users: free words of the study, empty unless given."""

from __future__ import annotations

from pathlib import Path

import pytest

from psyalign.foundation.errors import StudyError
from psyalign.study import Study, load_study, resolved, resolved_toml

STUDY = """
[study]
name = "purpose"
seed = 1
[items]
bank = "workplace-sjt"
[data]
source = "simulate"
[groups.variety]
reference = "standard"
focal = "everyday"
[align]
arms = ["baseline", "dpo"]
[report]
"""


def read(tmp_path: Path, lines: str = "") -> Study:
    (tmp_path / "study.toml").write_text(STUDY + lines + "\n", encoding="utf-8")
    return load_study(tmp_path)


def test_nothing_is_stated_by_default(tmp_path: Path) -> None:
    report = read(tmp_path).report
    assert (report.use, report.users) == ("", "")


def test_what_is_stated_is_kept_word_by_word(tmp_path: Path) -> None:
    study = read(tmp_path, 'use = "Practice \\"only\\"."\nusers = "Trainers"')
    assert resolved(study)["report"]["use"] == 'Practice "only".'
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "study.toml").write_text(resolved_toml(study), encoding="utf-8")
    assert load_study(tmp_path / "again").report == study.report


def test_a_use_that_is_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="use"):
        read(tmp_path, "use = 3")
