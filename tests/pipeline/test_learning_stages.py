"""Stages that train, on feedback that is out of the ordinary; real training, as little as there can be."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from psyalign.foundation.errors import RunError
from psyalign.foundation.tables import read_table
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages import align as align_stage

Change = Callable[..., None]
Perform = Callable[..., Run]


@pytest.fixture
def tiny_study(small_study: Path, change: Change) -> Path:
    """The small study with a scorer that learns next to nothing."""
    change(small_study, "max_train_responses = 16", "max_train_responses = 4")
    change(small_study, "[scorer]\nepochs = 2", "[scorer]\nepochs = 1")
    return small_study


def lines_of(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.path("feedback", "records.jsonl").read_text().splitlines()]


def test_feedback_on_another_wording_is_learned_from_too(
    tiny_study: Path, perform: Perform, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raters may judge the other wording of an answer; its text is that wording's."""
    run = perform(tiny_study, "data", "feedback")
    judged = lines_of(run)[0]["response_id"]
    texts = read_table(run.path("data", "texts.parquet"))
    own = texts.set_index("response_id").loc[judged, ["person", "item"]]
    other = texts[
        (texts["person"] == own["person"]) & (texts["item"] == own["item"]) & ~texts["primary"]
    ].iloc[0]
    unjudged = texts[(texts["split"] == "feedback") & ~texts["primary"] & (texts["item"] == own["item"])]
    rated = next(name for name in unjudged["response_id"] if name != other["response_id"])
    lines = [
        {**line, "response_id": other["response_id"]} if line.get("response_id") == judged else line
        for line in lines_of(run)
    ]
    rating = {
        "kind": "rating",
        "item": own["item"],
        "response_id": rated,
        "score": 2,
        "rater": "r",
        "source": "t",
    }
    text = "".join(json.dumps(line) + "\n" for line in [*lines, rating])
    (tiny_study.parent / "feedback.jsonl").write_text(text, encoding="utf-8")
    change(tiny_study, 'source = "panel"\nrater = "panel"', 'source = "records"\nrecords = "feedback.jsonl"')
    seen: list[Any] = []
    monkeypatch.setattr(
        align_stage,
        "align",
        lambda scorer, objective, feedback, *rest, **options: seen.append(feedback) or [],
    )
    run = perform(tiny_study, "data", "sft", "feedback", "reward", "align/refit", "align/dpo")
    refit, dpo = (feedback.responses.set_index("response_id")["response"] for feedback in seen)
    assert dpo[other["response_id"]] == other["response"] and judged not in dpo
    assert refit[rated] == texts.set_index("response_id").loc[rated, "response"] and rated not in dpo
    assert np.isfinite(seen[0].rewards).all()


def test_a_reference_scorer_that_was_exchanged_is_refused(tiny_study: Path, perform: Perform) -> None:
    run = perform(tiny_study, "data", "sft", "feedback", "reward")
    for name in ("adapter.safetensors", "scorer.json"):  # whole in itself, and not what the run trained
        shutil.copyfile(run.path("reward", name), run.path("sft", name))
    with pytest.raises(RunError, match="not the one that the run trained") as caught:
        perform(tiny_study, "data", "sft", "feedback", "reward", "align/equivalence")
    assert "--fresh" in str(caught.value)
