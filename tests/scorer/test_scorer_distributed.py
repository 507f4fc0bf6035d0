"""Two processes give what one gives: weights, scores, checkpoints; and end together, with one message."""

from __future__ import annotations

import os
import runpy
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from psyalign.foundation.launch import launch
from psyalign.scorer import LoraScorer
from psyalign.scorer.distributed import current_team, together

SCRIPT = Path(__file__).with_name("several_processes.py")
CASES = [
    "sft",
    "sft of single rows",
    "sft of the top layer",
    "gone on with",
    "reward model",
    "reward model: thresholds",
    "scores of 1",
    "scores of 11",
    "scores of 35",
    "raw outputs",
    "dpo",
    "ppo",
    "distill",
    "equivalence",
    "ppo+equivalence, sampled",
    "dpo+equivalence, group-robust",
]


def two(folder: Path, *commands: str) -> list[tuple[int, str, str]]:
    """Start the script twice, as torchrun does; exit code, stdout and stderr of both."""
    ports = []
    for _ in commands:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    ordered = [f"{port}:{command}" for port, command in zip(ports, commands, strict=True)]
    shared = {
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "1",
        "TORCHELASTIC_RUN_ID": "test",
        "OMP_NUM_THREADS": "1",
        "PSYALIGN_DEVICE": "cpu",
    }
    started = [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), str(folder), *ordered],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        said = [process.communicate(timeout=600) for process in started]
    finally:
        for process in started:
            process.kill()
    return [(process.returncode, *texts) for process, texts in zip(started, said, strict=True)]


pytestmark = pytest.mark.slow  # starts processes that import torch


@pytest.fixture(scope="module")
def folder(tiny_encoder: Path, tiny_causal: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny models, an adapter for the encoder, and a checkpoint that one process left."""
    made = tmp_path_factory.mktemp("several")
    shutil.copytree(tiny_encoder, made / "encoder")
    shutil.copytree(tiny_causal, made / "causal")
    script = runpy.run_path(str(SCRIPT))
    answers = script["material"]()[1]
    script["scorer"](made / "encoder").fit(answers, answers["score"].to_numpy()).save(made / "tuned")
    script["cut_off"](made, made / "given.safetensors")
    return made


@pytest.fixture(scope="module")
def alone(folder: Path) -> dict[str, np.ndarray]:
    """What this process makes."""
    made: dict[str, np.ndarray] = runpy.run_path(str(SCRIPT))["everything"](folder)
    return made


@pytest.fixture(scope="module")
def shared(folder: Path) -> Iterator[dict[str, np.ndarray]]:
    """What two processes make."""
    ended = two(folder, "work:two.npz")
    assert [code for code, _, _ in ended] == [0, 0], ended[0][2]
    assert ended[1][1:] == ("work:two.npz: 0\n".removeprefix("work:"), ""), "the second process is silent"
    with np.load(folder / "two.npz") as made:
        yield dict(made)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_give_what_one_gives(
    case: str, alone: dict[str, np.ndarray], shared: dict[str, np.ndarray]
) -> None:
    assert list(alone) == list(shared) == CASES
    scoring = case in ("scores of 1", "scores of 11", "scores of 35", "raw outputs")  # batches stay whole
    np.testing.assert_allclose(shared[case], alone[case], rtol=0, atol=0 if scoring else 2e-6)


def test_trainings_did_something(alone: dict[str, np.ndarray]) -> None:
    """Equal because nothing moved would be no news."""
    weights = [case for case in CASES if alone[case].ndim == 1 and case in ("dpo", "ppo", "distill")]
    for first in weights:
        for second in weights:
            assert first == second or np.abs(alone[first] - alone[second]).max() > 1e-3


def test_one_process_goes_on_where_two_were_cut_off(
    folder: Path, alone: dict[str, np.ndarray], shared: dict[str, np.ndarray]
) -> None:
    script = runpy.run_path(str(SCRIPT))
    answers = script["material"]()[1]
    assert (folder / "left.safetensors").is_file()
    model: LoraScorer = script["scorer"](folder / "causal")
    model.fit(answers, answers["score"].to_numpy(), checkpoint=folder / "left.safetensors")
    assert len(model.history_) == 6
    np.testing.assert_allclose(script["state"](model), alone["sft"], rtol=0, atol=2e-6)
    np.testing.assert_allclose(alone["gone on with"], alone["sft"], rtol=0, atol=0)


def test_an_error_in_one_process_ends_all_with_one_message(folder: Path) -> None:
    """Codes: 2 a model error, 70 our bug, 3 bad data, 4 the other process was killed."""
    first, second = two(folder, "fail:model", "fail:bug", "fail:leader", "fail:kill")
    assert first[1].splitlines() == ["model: 2", "bug: 70", "leader: 3", "kill: 4"], first[2]
    messages = [line for line in first[2].splitlines() if line.startswith(("error:", "stopped:"))]
    assert [message.split(".")[0] for message in messages] == [
        "error: This process has no memory left",
        "error: This is a bug in psyalign: KeyError at psyalign/scorer/channel",
        "error: A table is wrong",
        "stopped: Another process of this run ended or does not answer",
    ]
    assert "nobody is to see" not in first[2]
    assert second[1].splitlines() == ["model: 0", "bug: 0", "leader: 0"] and second[2] == ""
    assert first[0] == 0 and second[0] < 0, "the script's own; SIGKILL"


def test_without_torchrun_nothing_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")  # a batch system's
    monkeypatch.setenv("RANK", "0")
    assert launch() is None
    with together() as leads:
        assert leads and current_team() is None
