"""The supervised stage: its facts, its options, and the raw base's mass outside the score labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from psyalign.pipeline import study_run
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages import sft as sft_stage
from psyalign.pipeline.stages.align import arm_settings
from psyalign.scorer import LoraScorer

Change = Callable[..., None]
Perform = Callable[..., Run]
MASS = {"label_mass_outside_mean", "label_mass_outside_max", "label_mass_responses"}


@pytest.fixture
def tiny_study(small_study: Path, change: Change) -> Path:
    """The small study, four responses, one epoch."""
    change(small_study, "max_train_responses = 16", "max_train_responses = 4")
    change(small_study, "[scorer]\nepochs = 2", "[scorer]\nepochs = 1")
    return small_study


def test_training_texts_are_tokenised_once_and_options_reach_baseline_and_ceiling(
    tiny_study: Path, perform: Perform, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = 'loss = "rps"\nclass_weights = "balanced"\nbatches = "by_item"\n'
    change(tiny_study, "[scorer]\n", f"[scorer]\n{options}")
    encoded: list[int] = []
    encode = LoraScorer.encode

    def counted(scorer: LoraScorer, responses: pd.DataFrame) -> object:
        assert (scorer.loss, scorer.class_weights) == ("rps", "balanced")
        assert scorer.training is not None and scorer.training.by_item
        encoded.append(len(responses))
        return encode(scorer, responses)

    monkeypatch.setattr(LoraScorer, "encode", counted)
    # it scores, and so encodes, what it was trained on
    monkeypatch.setattr(LoraScorer, "_refuse_collapse", lambda *_: None)
    run = perform(tiny_study, "data", "sft", "ceiling")
    assert encoded == [4, 4]
    for stage in ("sft", "ceiling"):
        facts = run.facts(stage)
        assert (facts["responses"], facts["truncated"]) == (4, 0)
        assert 20 < facts["mean_tokens"] < 192
        assert not MASS & facts.keys()  # an encoder has no vocabulary
    assert run.facts("sft")["fingerprint"] != run.facts("ceiling")["fingerprint"]
    assert arm_settings(run).training.by_item


@pytest.mark.parametrize(("outside", "warned"), [((0.2, 0.6), False), ((0.4, 0.9), True)])
def test_mass_outside_the_labels_of_a_causal_base(
    tiny_study: Path,
    perform: Perform,
    monkeypatch: pytest.MonkeyPatch,
    outside: tuple[float, ...],
    warned: bool,
) -> None:
    """The stage's own part: sample, facts, warning, manifest. The numbers have tests in tests/scorer."""
    sampled: list[pd.DataFrame] = []

    def measured(_: LoraScorer, responses: pd.DataFrame) -> np.ndarray:
        sampled.append(responses)
        return np.array(outside)

    run = perform(tiny_study, "data")
    scorer = type("Scorer", (), {"base_": type("Base", (), {"kind": "causal"})})()
    monkeypatch.setattr(sft_stage, "label_mass_outside", measured)
    monkeypatch.setattr(sft_stage, "LABEL_MASS_RESPONSES", 3)
    facts = sft_stage._label_mass(run, scorer)
    assert facts["label_mass_outside_mean"] == pytest.approx(np.mean(outside))
    assert (facts["label_mass_outside_max"], facts["label_mass_responses"]) == (outside[1], 2)
    assert len(sampled[0]) == 3 and {"item", "response"} <= set(sampled[0].columns)
    assert set(sampled[0]["split"]) == {"train"}
    assert ("warnings" in facts) is warned
    if warned:
        assert "65% of its probability on tokens that are no score labels" in facts["warnings"][0]
        assert not any(text in facts["warnings"][0] for text in sampled[0]["response"])
    assert sft_stage._label_mass(run, scorer) == facts  # the same sample again
    known = ("kind", "precision", "device", "parameters", "trainable", "base_sha256")
    counts = dict.fromkeys(("truncated", "persons", "responses", "mean_tokens"), 0)
    run.done["sft"] = {
        "key": "k", "seconds": 1.0, "finished": "now",
        "facts": {**dict.fromkeys(known, "x"), **counts, **facts},
    }  # fmt: skip
    manifest = study_run._manifest(run, {}, "now")
    assert manifest["scorer"].keys() >= MASS
    assert any("no score labels" in text for text in manifest["warnings"]) is warned
