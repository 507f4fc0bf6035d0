"""A real OpenAI-compatible server on loopback: llama-cpp-python's, with the same GGUF as the local judge.

Skipped where it is not installed; `make test-endpoint` installs it and runs this file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from benchmarks.llama_server import MODEL, free_port, llama_server, why_not
from psyalign.foundation.errors import Interrupted, ModelError
from psyalign.judge import (
    PATHS,
    Choice,
    EndpointJudge,
    JudgeSettings,
    Prompt,
    Subjects,
    choose_subjects,
    judge_path,
    load_principles,
    load_wordings,
)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(why_not()), reason=why_not() or "it is there")]

FRUIT = Prompt("You judge.", ("Which is a fruit?\nA: apple\nB: brick\nReply with A or B only.",))
WORDINGS = [wording for wording in load_wordings() if wording.id in ("no-marks", "cue-name", "informal")]
SETTINGS = JudgeSettings(load_principles(), tuple(WORDINGS))
# Of a margin in logits between the server's 4-bit kernels and weights that are taken out of 4 bits first.
# Seen on real answers (docs/judge-smollm2.md): .06 in the median, .20 at the 95th percentile, .32 at most
# of 260.
TOLERANCE = 0.5


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The server's address."""
    with llama_server(free_port()) as address:
        yield address


@pytest.fixture
def few(subjects: Subjects) -> Subjects:
    """An answer to each of the two items, and another wording of one of them."""
    return choose_subjects(subjects.items, subjects.texts, 3, seed=3)


def judge(address: str) -> EndpointJudge:
    return EndpointJudge(address, MODEL, timeout=300, retries=0)


@pytest.mark.parametrize("path", PATHS)
def test_paths_run_against_the_server(path: str, server: str, few: Subjects, tmp_path: Path) -> None:
    found = judge_path(path, judge(server), few, SETTINGS, tmp_path / "answers.jsonl")
    assert found.asked and len(found.trail)
    assert found.trail["kept"].eq(found.trail["reason"].eq("")).all()
    asked_in_an_order = found.trail[found.trail["order"] != ""]
    assert asked_in_an_order["margin"].notna().all()
    again = judge_path(path, judge(server), few, SETTINGS, tmp_path / "answers.jsonl")
    assert again.asked == 0 and again.remembered == found.asked + found.remembered
    assert again.records == found.records


def test_margins_are_those_of_the_same_weights_at_home(
    server: str, smollm2: Any, few: Subjects, tmp_path: Path
) -> None:
    served = judge_path("principles", judge(server), few, SETTINGS, tmp_path / "served.jsonl").trail
    at_home = judge_path("principles", smollm2, few, SETTINGS, tmp_path / "local.jsonl").trail
    assert served[["question", "order"]].equals(at_home[["question", "order"]])
    gaps = (served["margin"] - at_home["margin"]).abs()
    assert gaps.max() < TOLERANCE


def test_a_path_goes_on_after_the_server_was_restarted(subjects: Subjects, tmp_path: Path) -> None:
    port, answers = free_port(), tmp_path / "answers.jsonl"
    with ExitStack() as running:

        class Watched(EndpointJudge):
            asked = 0

            def choose(self, prompt: Prompt, labels: Sequence[str]) -> Choice:
                self.asked += 1
                if self.asked == 6:
                    running.close()  # the server goes away
                return super().choose(prompt, labels)

        one = Watched(running.enter_context(llama_server(port)), MODEL, timeout=300, retries=1)
        one._pause = lambda _: None
        with pytest.raises(Interrupted, match=r"did not answer .*ConnectionRefusedError; asked 2 times"):
            judge_path("rlaif", one, subjects, SETTINGS, answers)
    assert len(answers.read_text(encoding="utf-8").splitlines()) == 5
    with llama_server(port) as address:
        found = judge_path("rlaif", judge(address), subjects, SETTINGS, answers)
        whole = judge_path("rlaif", judge(address), subjects, SETTINGS, tmp_path / "whole.jsonl")
    assert found.remembered == 5 and found.asked == whole.asked - 5
    assert found.trail["question"].tolist() == whole.trail["question"].tolist()
    # llama.cpp's numbers depend a little on what it was asked before
    assert (found.trail["margin"] - whole.trail["margin"]).abs().max() < TOLERANCE


def test_a_server_without_log_probabilities_is_read_by_its_text(few: Subjects, tmp_path: Path) -> None:
    with llama_server(free_port(), logprobs=False) as address:
        assert judge(address).choose(FRUIT, ("A", "B")) == Choice("A", None)
        found = judge_path("equivalence", judge(address), few, SETTINGS, tmp_path / "answers.jsonl")
    assert found.asked and found.trail["margin"].isna().all()
    assert set(found.trail["reason"]) <= {"", "orders disagree", "no readable verdict"}


def test_a_prompt_that_the_server_refuses_is_told_without_quoting_it(server: str) -> None:
    with pytest.raises(ModelError, match=r"refused the request .HTTP status 400") as caught:
        judge(server).write(Prompt("You judge.", ("private " * 3000,)), 4)
    assert "private" not in str(caught.value)
