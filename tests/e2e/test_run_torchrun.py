"""torchrun with two processes: stopped, gone on with, and then the tables of a run in one process.

The base model is a small BERT without dropout, whose noise would be another with each number of processes.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from psyalign.foundation.tables import read_table
from psyalign.pipeline import run_study

TOKENIZER = Path(__file__).parents[1] / "scorer" / "conftest.py"
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
PATIENCE = 900  # seconds; a machine may be busy with other things


def save_base(folder: Path) -> None:
    """A one-layer BERT that reads bytes, long prompts of them."""
    import torch
    from transformers import BertConfig, BertModel

    from psyalign.scorer.models import quiet_transformers

    tokenizer = runpy.run_path(str(TOKENIZER))["save_byte_tokenizer"]
    folder.mkdir(parents=True)
    size = tokenizer(folder, cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]")
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=size,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=4096,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.3,  # responses are told apart
    )
    with quiet_transformers():
        BertModel(config).save_pretrained(folder)


@pytest.fixture
def studies(small_toml: str, tmp_path: Path) -> tuple[Path, Path]:
    """The same small study in two folders."""
    text = small_toml.replace(
        "max_tokens = 192", 'max_tokens = 4096\nbase = "../base"\nprecision = "float32"'
    )
    text = text.replace("[align]", '[align]\narms = ["baseline", "dpo", "ppo+equivalence", "closed_form"]')
    text = text.replace(
        "epochs = 2\nbatch_size = 4\nlearning_rate = 4e-3", "epochs = 6\nlearning_rate = 2e-2"
    )
    save_base(tmp_path / "base")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.toml").write_text(text, encoding="utf-8")
    return tmp_path / "one", tmp_path / "two"


def start(study: Path) -> subprocess.Popen[str]:
    """`torchrun -m psyalign study run`, as a user types it."""
    command = [*TORCHRUN, "-m", "psyalign", "study", "run", str(study)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PSYALIGN_DEVICE": "cpu"}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def events(study: Path) -> list[dict[str, object]]:
    """What the run says about itself so far."""
    path = study / "runs" / "main" / "events.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


def stop_at(stage: str, study: Path) -> tuple[int, str]:
    """Start, send SIGTERM to torchrun when the stage has begun; exit code and stderr."""
    process = start(study)
    end = time.monotonic() + PATIENCE
    while not any(event.get("stage") == stage for event in events(study)):
        assert process.poll() is None and time.monotonic() < end, "it did not come to the stage"
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=PATIENCE)
    return process.returncode, stderr


@pytest.mark.slow
def test_two_processes_stopped_and_gone_on_with_make_the_tables_of_one(studies: tuple[Path, Path]) -> None:
    one, two = studies
    code, stderr = stop_at("reward", two)
    assert code != 0
    assert stderr.count("stopped: The run was stopped by a signal (SIGTERM).") == 1
    assert "error:" not in stderr
    process = start(two)
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, stderr
    assert stdout.count("Arms on the audit persons") == 1 and stderr.count("sft: done before") == 1
    starts = [event for event in events(two) if event["event"] == "run started"]
    assert [event["processes"] for event in starts] == [2, 2]

    expected = run_study(one / "study.toml")
    found = two / "runs" / "main"
    kept = sorted(path.relative_to(expected) for path in expected.rglob("*.parquet"))
    assert kept == sorted(path.relative_to(found) for path in found.rglob("*.parquet"))
    assert len(kept) > 20
    tables = {str(path): (read_table(found / path), read_table(expected / path)) for path in kept}
    # a scorer this small gives all responses nearly one score: slopes and z magnify what differs
    assert not [
        f"{name}, {column}: {distance:.1e}"
        for name, (mine, theirs) in tables.items()
        for column, distance in distances(mine, theirs).items()
        if distance > (1e-2 if name.startswith("tables") else 1e-5)
        and column != "seconds"
        and not (column == "change_p" and distance < 0.05)  # one of the 50 draws may change sides
    ]


def distances(found: pd.DataFrame, expected: pd.DataFrame) -> dict[str, float]:
    """Of each column: the largest distance, as a share of the value where that is above 1; ∞ if not alike."""
    assert list(found) == list(expected) and len(found) == len(expected)
    made = {}
    for column in expected:
        mine, theirs = found[column], expected[column]
        if pd.api.types.is_float_dtype(theirs) and (mine.isna() == theirs.isna()).all():
            made[column] = float(((mine - theirs).abs() / theirs.abs().clip(lower=1.0)).max())
        else:
            made[column] = 0.0 if mine.equals(theirs) else float("inf")
    return made
