"""[gates] in a study file: defaults, gates that are off, contradictions, and a way back from TOML."""

from __future__ import annotations

from pathlib import Path

import pytest

from psyalign.foundation.errors import StudyError
from psyalign.study import Gates, Study, load_study, resolved, resolved_toml

SMALL = Path(__file__).parents[1] / "pipeline" / "small.toml"


def study(folder: Path, gates: str, *changes: tuple[str, str]) -> Study:
    text = SMALL.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / "study.toml"
    path.write_text(text + gates, encoding="utf-8")
    return load_study(path)


def test_without_the_table_there_are_no_gates_of_the_study(tmp_path: Path) -> None:
    found = study(tmp_path, "")
    assert found.gates is None
    assert "gates" not in resolved(found)


def test_an_empty_table_asks_for_the_defaults(tmp_path: Path) -> None:
    assert study(tmp_path, "[gates]\n").gates == Gates()


def test_false_turns_a_gate_off_and_survives_the_way_to_toml_and_back(tmp_path: Path) -> None:
    found = study(tmp_path, "[gates]\nqwk = false\nexact = 1\nes_class = false\nsmd = 0.2\ncut = 2\n")
    assert found.gates is not None
    asked = found.gates.thresholds
    assert (asked["qwk"], asked["es_class"], asked["exact"], asked["smd"]) == (False, False, 1.0, 0.2)
    again = tmp_path / "again.toml"
    again.write_text(resolved_toml(found), encoding="utf-8")
    assert "qwk = false" in again.read_text(encoding="utf-8")
    assert load_study(again).gates == found.gates


def test_the_defaults_written_out_contradict_nothing(tmp_path: Path) -> None:
    found = study(tmp_path, '\nmethods = ["mantel"]\n[gates]\n')
    again = tmp_path / "again.toml"
    again.write_text(resolved_toml(found), encoding="utf-8")
    assert load_study(again).gates == Gates()


@pytest.mark.parametrize(
    ("gates", "message", "mend"),
    [
        ("qwk = true", "'qwk' must be a number; it is True", "Change 'qwk'"),
        ("qwk = 1.2", "'qwk' must be at most 1.0", "Change"),
        ("smd = 0", "'smd' must be greater than 0.0", "Change"),
        ('es_class = "CC"', "'es_class' must be one of AA, BB", "Change"),
        ("qwq = 0.7", "Unknown key 'qwq' in .gates.", "Did you mean 'qwk'"),
        ("impact_ratio = 0.9", "'impact_ratio' needs 'cut'", "Add, say, cut"),
        ('raters = ["panel"]', "must name two or more different raters", "List, say"),
        ('raters = ["panel", "panel"]', "must name two or more different raters", "List, say"),
        ('raters = ["operational", "panel"]', "must be the criterion rater 'panel'", "Begin the list"),
    ],
)
def test_what_is_wrong_is_said_once_and_where(tmp_path: Path, gates: str, message: str, mend: str) -> None:
    with pytest.raises(StudyError, match=message) as caught:
        study(tmp_path, f"[gates]\n{gates}\n")
    assert "[gates]" in str(caught.value) and mend in str(caught.value)
    assert "more problem" not in str(caught.value)


def test_a_stricter_class_needs_the_smd(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="'es_class' judges the SMD"):
        study(tmp_path, '\nmethods = ["mantel"]\n[gates]\nes_class = "AA"\n')
