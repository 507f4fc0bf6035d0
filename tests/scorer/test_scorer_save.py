"""Saved scorers: the same scores after loading, safetensors only, and what does not fit is refused."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from psyalign.foundation.errors import DataError, ModelError
from psyalign.foundation.files import read_json, write_json
from psyalign.items import Item
from psyalign.scorer import LoraScorer, Training


@pytest.fixture
def saved(reference_folder: Path, tmp_path: Path) -> Path:
    """A copy of the saved reference scorer that the test may damage."""
    return Path(shutil.copytree(reference_folder, tmp_path / "sft"))


def test_round_trip_gives_the_same_scores(
    reference_copy: Callable[[], LoraScorer], saved: Path, two_items: dict[str, Item], answers: pd.DataFrame
) -> None:
    first, second = reference_copy(), LoraScorer.load(saved, two_items)
    assert np.array_equal(first.predict_log_proba(answers), second.predict_log_proba(answers))
    assert first.fingerprint() == second.fingerprint() == read_json(saved / "scorer.json")["fingerprint"]
    second.save(saved.parent / "again")
    for name in ("adapter.safetensors", "scorer.json"):
        assert (saved.parent / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_only_safetensors_and_json_are_written(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == ["adapter.safetensors", "scorer.json"]
    content = (saved / "adapter.safetensors").read_bytes()
    header = int.from_bytes(content[:8], "little")
    assert content[8:9] == b"{" and header < len(content)  # length, JSON, tensors: no pickle, no zip
    assert len(content) < 5_000_000  # the adapter, not the base


def test_checkpoints_are_safetensors_too(
    tiny_scorer: Callable[..., LoraScorer], answers: pd.DataFrame, tmp_path: Path
) -> None:
    scorer = tiny_scorer()
    scorer.fit(answers, answers["score"], checkpoint=tmp_path / "checkpoint.safetensors").save(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["adapter.safetensors", "checkpoint.safetensors", "scorer.json"]
    assert (tmp_path / "checkpoint.safetensors").read_bytes()[8:9] == b"{"


def test_no_response_text_is_written(saved: Path, answers: pd.DataFrame) -> None:
    kept = b"".join(path.read_bytes() for path in saved.iterdir())
    assert not any(text.encode() in kept for text in answers["response"])


def test_a_loaded_scorer_can_be_trained_further(
    saved: Path, two_items: dict[str, Item], answers: pd.DataFrame
) -> None:
    training = Training(epochs=1, batch_size=10, learning_rate=1e-3, seed=0)
    scorer = LoraScorer.load(saved, two_items, training=training)
    before = scorer.fingerprint()
    assert scorer.fit(answers, answers["score"]).fingerprint() != before


def test_another_rank_is_refused(saved: Path, two_items: dict[str, Item]) -> None:
    write_json(saved / "scorer.json", {**read_json(saved / "scorer.json"), "rank": 4})
    with pytest.raises(ModelError, match="does not fit the base model, the LoRA rank or the score points"):
        LoraScorer.load(saved, two_items)


def test_another_base_is_refused(saved: Path, two_items: dict[str, Item], tiny_encoder: Path) -> None:
    facts = read_json(saved / "scorer.json")
    write_json(saved / "scorer.json", {**facts, "base": str(tiny_encoder), "max_tokens": 512})
    with pytest.raises(ModelError, match="weights have changed"):
        LoraScorer.load(saved, two_items)
    assert (
        LoraScorer(two_items, str(tiny_encoder), max_tokens=512).build().base_.sha256 != facts["base_sha256"]
    )


def test_an_adapter_of_another_base_is_refused(
    saved: Path, two_items: dict[str, Item], tiny_scorer: Callable[..., LoraScorer]
) -> None:
    with pytest.raises(ModelError, match="does not fit"):
        tiny_scorer().build().network_.load(saved / "adapter.safetensors")


def test_other_score_points_are_refused(saved: Path, two_items: dict[str, Item]) -> None:
    narrow = {name: dataclasses.replace(item, rubric=item.rubric[:2]) for name, item in two_items.items()}
    with pytest.raises(ModelError, match="score points"):
        LoraScorer.load(saved, narrow)


def test_another_wording_of_an_item_is_refused(saved: Path, two_items: dict[str, Item]) -> None:
    changed = dict(two_items, sf1=dataclasses.replace(two_items["sf1"], prompt="Why do they hide?"))
    with pytest.raises(ModelError, match="items' prompts are not those"):
        LoraScorer.load(saved, changed)


def test_missing_and_damaged_files(saved: Path, two_items: dict[str, Item]) -> None:
    adapter = saved / "adapter.safetensors"
    adapter.write_bytes(adapter.read_bytes()[:1000])
    with pytest.raises(ModelError, match="missing or damaged"):
        LoraScorer.load(saved, two_items)
    adapter.unlink()
    with pytest.raises(ModelError, match="missing or damaged") as problem:
        LoraScorer.load(saved, two_items)
    assert problem.value.where == str(adapter)
    (saved / "scorer.json").unlink()
    with pytest.raises(DataError, match="File not found"):
        LoraScorer.load(saved, two_items)
