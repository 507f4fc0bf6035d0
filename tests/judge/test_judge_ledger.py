"""Answers on disk: nothing is asked twice, a kill costs one question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from psyalign.foundation.errors import RunError
from psyalign.judge import Asker, JudgeSettings, Prompt, Subjects, judge_path

PROMPT = Prompt("You judge.", ("item", "question"))


def test_a_stop_in_the_middle_costs_only_what_was_under_way(
    truth_judge: Any, subjects: Subjects, tmp_path: Path
) -> None:
    answers, settings = tmp_path / "answers.jsonl", JudgeSettings()
    whole = judge_path("rlaif", truth_judge, subjects, settings, tmp_path / "whole.jsonl")
    asked = truth_judge.asked

    class Stops(type(truth_judge)):  # type: ignore[misc]
        def choose(self, prompt: Any, labels: Any) -> Any:
            if self.asked == 7:
                raise KeyboardInterrupt
            return super().choose(prompt, labels)

    with pytest.raises(KeyboardInterrupt):
        judge_path("rlaif", Stops(), subjects, settings, answers)
    truth_judge.asked = 0
    again = judge_path("rlaif", truth_judge, subjects, settings, answers)
    assert (again.remembered, again.asked, truth_judge.asked) == (7, asked - 7, asked - 7)
    assert again.records == whole.records and again.trail.equals(whole.trail)


def test_a_torn_last_line_is_taken_away_and_asked_again(truth_judge: Any, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    with Asker(truth_judge, path) as asker:
        first = asker.write(PROMPT, 8)
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole + whole[:20], encoding="utf-8")
    with Asker(truth_judge, path) as asker:
        assert asker.write(PROMPT, 8) == first and asker.asked == 0
        asker.write(PROMPT, 9)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2


def test_damage_in_the_middle_is_told(truth_judge: Any, tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text("what is this\n{}\n", encoding="utf-8")
    with pytest.raises(RunError, match="damaged") as caught, Asker(truth_judge, path):
        pass
    assert "line 1" in str(caught.value.where)


def test_another_judge_is_asked_anew_and_two_commands_do_not_share_a_file(
    truth_judge: Any, place_judge: Any, tmp_path: Path
) -> None:
    path = tmp_path / "answers.jsonl"
    with Asker(truth_judge, path) as asker:
        asker.write(PROMPT, 8)
        with pytest.raises(RunError, match="Another process"), Asker(place_judge, path):
            pass
    with Asker(place_judge, path) as asker:
        asker.write(PROMPT, 8)
        assert (asker.asked, asker.remembered) == (1, 0)
