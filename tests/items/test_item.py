"""Item files: what is read, and what each mistake says."""

from __future__ import annotations

from pathlib import Path

import pytest

from psyalign.foundation.errors import ItemError
from psyalign.items import Exemplar, RubricPoint, format_item, load_item

GOOD = '''id = "late-report"
version = "1.0"
title = "The late report"
construct = "conscientiousness"
scenario = """
A report is due
  tomorrow."""
prompt = "What would you do?"
[[rubric]]
score = 1
label = "Acts"
description = "Does something."
[[rubric]]
score = 0
label = "Waits"
description = "Does nothing."
[[exemplar]]
score = 1
response = "I would ask my manager for one more day."
rationale = "An action."
'''


def write(folder: Path, text: str, name: str = "late-report.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_good_item_is_read_whole(tmp_path: Path) -> None:
    item = load_item(write(tmp_path, GOOD))
    assert item.id == "late-report"
    assert item.scenario == "A report is due tomorrow."  # one line
    waits, acts = RubricPoint(0, "Waits", "Does nothing."), RubricPoint(1, "Acts", "Does something.")
    assert item.rubric == (waits, acts)  # by score, not as written
    assert item.exemplars == (Exemplar(1, "I would ask my manager for one more day.", "An action."),)
    assert item.scores == (0, 1)
    assert item.max_score == 1


def test_item_is_frozen(tmp_path: Path) -> None:
    item = load_item(write(tmp_path, GOOD))
    with pytest.raises(AttributeError):
        item.title = "Other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ('title = "The late report"\n', "", "title", "missing"),
        ('title = "The late report"', 'titel = "The late report"', "titel", "Did you mean 'title'?"),
        ('title = "The late report"', 'colour = "The late report"', "colour", "Known are: id"),
        ('title = "The late report"', "title = 3", "title", "must be text"),
        ('title = "The late report"', 'title = "  "', "title", "empty"),
        ('id = "late-report"', 'id = "late-rapport"', "id", "rename the file to late-rapport.toml"),
        ('id = "late-report"', 'id = "late|report"', "id", "cannot have"),
        ("score = 0\n", "score = 2\n", "rubric", "here: 1, 2"),
        ("score = 0\n", "score = 1\n", "rubric", "here: 1, 1"),
        ("score = 0\n", "score = true\n", "rubric[2].score", "whole number"),
        ("score = 0\n", "score = -1\n", "rubric[2].score", "whole number"),
        ("score = 0\n", "score = 0.0\n", "rubric[2].score", "whole number"),
        ("score = 0\n", "", "rubric[2].score", "missing"),
        ('label = "Waits"', 'lable = "Waits"', "rubric[2].lable", "Did you mean 'label'?"),
        ("score = 1\nresponse", "score = 2\nresponse", "exemplar[1].score", "Score points are 0 to 1"),
        ('rationale = "An action."', "", "exemplar[1].rationale", "missing"),
        ("[[exemplar]]", "[exemplar]", "exemplar", "[[exemplar]]"),
    ],
)
def test_mistakes_name_file_and_key(tmp_path: Path, old: str, new: str, key: str, says: str) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ItemError) as caught:
        load_item(path)
    assert caught.value.where == f"{path}, key '{key}'"
    assert says in str(caught.value)
    assert caught.value.exit_code == 3


def test_no_rubric(tmp_path: Path) -> None:
    with pytest.raises(ItemError, match="at least two; here: none"):
        load_item(write(tmp_path, GOOD[: GOOD.index("[[rubric]]")]))


def test_broken_toml_names_file_and_line(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace('prompt = "', "prompt = "))
    with pytest.raises(ItemError, match=r"not valid TOML.*line 8") as caught:
        load_item(path)
    assert caught.value.where == str(path)


def test_wrong_encoding_is_an_item_error(tmp_path: Path) -> None:
    path = tmp_path / "late-report.toml"
    path.write_bytes(GOOD.replace("late report", "l\u00e4te report").encode("latin-1"))
    with pytest.raises(ItemError, match="not UTF-8"):
        load_item(path)


def test_errors_hold_no_exemplar_text(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD.replace("score = 1\nresponse", "score = 7\nresponse"))
    with pytest.raises(ItemError) as caught:
        load_item(path)
    assert "ask my manager" not in str(caught.value)


def test_format_item_shows_everything_within_width(tmp_path: Path) -> None:
    item = load_item(write(tmp_path, GOOD))
    text = format_item(item, width=40)
    assert max(len(line) for line in text.splitlines()) <= 40
    flat = " ".join(text.split())
    for part in (item.id, item.title, item.version, item.construct, item.scenario, item.prompt):
        assert part in flat
    assert "0 Waits. Does nothing. 1 Acts. Does something." in flat
    assert "1 “I would ask my manager for one more day.” An action." in flat


def test_format_item_without_exemplars(tmp_path: Path) -> None:
    item = load_item(write(tmp_path, GOOD[: GOOD.index("[[exemplar]]")]))
    assert "Exemplars" not in format_item(item)
