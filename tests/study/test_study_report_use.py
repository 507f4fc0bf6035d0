"""[report] use and users: free words of the study, empty unless given."""

from __future__ import annotations

from pathlib import Path

from psyalign.study import load_study, resolved, resolved_toml

from .conftest import assert_refused, read

REPORT = '[align]\narms = ["baseline", "dpo"]\n[report]\n'


def test_nothing_is_stated_by_default(tmp_path: Path) -> None:
    report = read(tmp_path, REPORT).report
    assert (report.use, report.users) == ("", "")


def test_what_is_stated_is_kept_word_by_word(tmp_path: Path) -> None:
    study = read(tmp_path, REPORT + 'use = "Practice \\"only\\"."\nusers = "Trainers"')
    assert resolved(study)["report"]["use"] == 'Practice "only".'
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "study.toml").write_text(resolved_toml(study), encoding="utf-8")
    assert load_study(tmp_path / "again").report == study.report


def test_a_use_that_is_no_text_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path, REPORT + "use = 3", "'use' must be text", "[report] use", "'use'")
