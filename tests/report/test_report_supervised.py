"""What the report says of the fine-tuning: nothing if it was the usual one of an encoder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from psyalign.report.content import Paragraph
from psyalign.report.load import load_run
from psyalign.report.sections.training import training_section

RunMaker = Callable[..., Path]


def said(run: Path, settings: dict[str, Any], facts: dict[str, Any]) -> str:
    path = run / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["settings"]["scorer"] |= settings
    manifest["scorer"] |= facts
    path.write_text(json.dumps(manifest), encoding="utf-8")
    blocks = training_section(load_run(run)).blocks
    return " ".join(block.text for block in blocks if isinstance(block, Paragraph))


def test_the_usual_fine_tuning_needs_no_words(make_run: RunMaker) -> None:
    assert said(make_run("old"), {}, {}) == ""  # a run of before there was a choice
    assert said(make_run("new"), {"loss": "cross_entropy", "class_weights": "none"}, {}) == ""


def test_loss_weights_and_label_mass_are_explained(make_run: RunMaker) -> None:
    mass = {"label_mass_outside_mean": 0.124, "label_mass_outside_max": 0.51, "label_mass_responses": 64}
    text = said(make_run(), {"loss": "rps", "class_weights": "balanced"}, mass)
    assert "fine-tuned by the ranked probability score, which takes the order of scores into account" in text
    assert "all score points of an item had the same weight" in text
    assert "12% of its probability on tokens that are no score labels (mean of 64 training responses" in text
    assert "at most 51%" in text
    assert "ranked logarithmic score" in said(make_run("log"), {"loss": "ranked_log"}, {})
