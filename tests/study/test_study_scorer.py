"""Loss and class weights of [scorer]: defaults, values, and what the plan says of them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from psyalign.study import Study, plan, resolved
from psyalign.study.learning import Scorer

from .conftest import assert_refused, read

SCORER = '[align]\narms = ["baseline", "dpo"]\n[scorer]\n'


def sft_line(study: Study) -> str:
    return next(row.what for row in plan(study) if row.stage == "sft")


def test_by_default_cross_entropy_without_weights(tmp_path: Path) -> None:
    study = read(tmp_path, SCORER)
    assert (study.scorer.loss, study.scorer.class_weights) == ("cross_entropy", "none")
    assert resolved(study)["scorer"]["loss"] == "cross_entropy"
    assert sft_line(study).endswith("on the adjudicated scores")


@pytest.mark.parametrize(
    ("lines", "end"),
    [
        ('loss = "rps"', "scores by RPS"),
        ('loss = "ranked_log"', "scores by the ranked log score"),
        ('class_weights = "balanced"', "scores, score points weighed equally"),
        ('loss = "rps"\nclass_weights = "balanced"', "scores by RPS, score points weighed equally"),
    ],
)
def test_the_plan_says_what_is_out_of_the_ordinary(tmp_path: Path, lines: str, end: str) -> None:
    assert sft_line(read(tmp_path, SCORER + lines)).endswith(end)


@pytest.mark.parametrize(
    ("lines", "message", "mend"),
    [
        ('loss = "rsp"', "must be one of cross_entropy, rps, ranked_log", 'Did you mean "rps"?'),
        ('class_weights = "balance"', "must be one of none, balanced", 'Did you mean "balanced"?'),
        ("class_weight = 1", "Unknown key 'class_weight'", "'class_weights'"),
    ],
)
def test_values_that_there_are_not(tmp_path: Path, lines: str, message: str, mend: str) -> None:
    assert_refused(tmp_path, SCORER + lines, message, "[scorer] ", mend)


def test_the_study_file_and_the_scorer_know_the_same_losses() -> None:
    from psyalign.scorer.losses import LOSSES, ClassWeights, Loss

    assert get_args(Scorer.model_fields["loss"].annotation) == get_args(Loss) == tuple(LOSSES)
    assert Scorer.model_fields["class_weights"].annotation == ClassWeights
