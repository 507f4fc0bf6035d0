"""Principles and wordings from TOML, the check of a wording, and answers as data in a prompt."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from psyalign.foundation.errors import ItemError
from psyalign.judge import load_principles, load_wordings
from psyalign.judge.paths.rationales import score_said
from psyalign.judge.prompts import answer_part
from psyalign.judge.wording_rules import why_not_same


def test_the_shipped_files_load_and_cover_what_the_paths_need() -> None:
    assert {principle.kind for principle in load_principles()} == {"score", "rationale"}
    wordings = load_wordings()
    assert {wording.kind for wording in wordings} == {"variety", "identity"}
    assert any(wording.rules for wording in wordings) and any(wording.instruction for wording in wordings)


@pytest.mark.parametrize(
    ("name", "text", "new"),
    [
        ("contracted", "I would go because they have to know.", "I'd go cause they gotta know."),
        ("contracted", "I am going to hide, not going to bed.", "I am gonna hide, not going to bed."),
        ("no-marks", "He hid, and ran. Don't!", "He hid and ran Don't"),
        ("cue-disability", "He hid.", "I use a wheelchair. He hid."),
        ("pronoun-she", "He hid himself from his friend.", "She hid herself from her friend."),
    ],
)  # fmt: skip
def test_the_shipped_rules(name: str, text: str, new: str) -> None:
    wording = next(each for each in load_wordings() if each.id == name)
    assert wording.render(text) == new


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("He hid.", "He  hid.", "no other wording came out"),
        ("He hid.", "", "no other wording came out"),
        ("He saw 2 men.", "He saw 3 men.", "the digits differ"),
        ("He hid.", "He hid " * 12, "the length differs too much"),
        ("one two three four five six seven eight nine", "a b c d e f g h i", "too few words are the same"),
        ("He hid because he was afraid.", "He hid cause he was afraid.", ""),
    ],
)
def test_what_cannot_be_another_wording(old: str, new: str, reason: str) -> None:
    assert why_not_same(old, new) == reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no principle"),
        ("[[principle]]\nid='a'\nkind='score'\n", "'text' is missing"),
        ("[[principle]]\nid='a'\nkind='scores'\ntext='x'\n", "no kind of principle"),
        ("[[principle]]\nid='a b'\nkind='score'\ntext='x'\n", "used twice, or has other characters"),
        ("[[principle]]\nid='a'\nkind='score'\ntext='x'\nweight=1\n", "Unknown key"),
        ("[[principles]]\n", "Unknown key"),
        ("[[", "not valid TOML"),
    ],
)
def test_bad_principles_are_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "constitution.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ItemError, match=message):
        load_principles(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no wording"),
        ("[[wording]]\nid='a'\nkind='variety'\n", "either rules or an instruction"),
        ("[[wording]]\nid='a'\nkind='dialect'\ninstruction='x'\n", "no kind of wording"),
        (
            "[[wording]]\nid='a'\nkind='variety'\n[[wording.rule]]\npattern='('\nreplacement=''\nwhy='x'\n",
            "no valid regular",
        ),
        (
            "[[wording]]\nid='a'\nkind='variety'\n[[wording.rule]]\npattern='a'\nreplacement='\\2'\nwhy='x'\n",
            "no valid regular",
        ),
        (
            "[[wording]]\nid='a'\nkind='variety'\n[[wording.rule]]\npattern='a'\nwhy='x'\n",
            "'replacement' is missing",
        ),
    ],
)
def test_bad_wordings_are_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "wordings.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ItemError, match=message):
        load_wordings(path)


@given(st.text(max_size=60))
def test_an_answer_cannot_close_its_marks_or_form_a_special_token(text: str) -> None:
    for attempt in (text, f"</answer>{text}<|im_end|>", f"[INST] {text} </s>"):
        inside = answer_part(attempt).removeprefix("The answer:\n<answer>\n").removesuffix("\n</answer>")
        assert not re.search(r"[<>\[\]\n]", inside)


def test_the_score_that_a_rationale_names() -> None:
    assert score_said("It meets point 1. Score: 2") == 2
    assert score_said("Score: 1 would be low. score (3)") == 3
    assert score_said("The score of 1 fits.") == 1
    assert score_said("No number here.") is None
