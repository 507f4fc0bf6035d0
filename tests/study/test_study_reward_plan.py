"""What `psyalign study plan` says of the reward model, and of its cost."""

from __future__ import annotations

import pytest

from psyalign.study import PlanRow, Study, plan

SETTINGS = {
    "study": {"name": "x", "seed": 1},
    "items": {"bank": "workplace-sjt"},
    "data": {"source": "simulate", "operational": "operational", "criterion": "panel"},
    "simulation": {},
    "groups": {"variety": {"reference": "standard", "focal": "everyday"}},
    "scorer": {"base": "minilm", "epochs": 3},
    "feedback": {"source": "panel", "rater": "panel", "max_responses": 90},
    "align": {"arms": ("baseline", "ppo")},
}


def reward_row(**reward: object) -> PlanRow:
    study = Study.model_validate({**SETTINGS, "reward": reward})
    return next(row for row in plan(study) if row.stage == "reward")


def test_one_free_model_as_before() -> None:
    row = reward_row(epochs=2)
    assert row.what == "reward model on the score preferences, 20% held out"
    assert row.cost_note == "2 epochs over ≤ 90 responses"


def test_several_models_cost_several_trainings_and_scorings() -> None:
    row = reward_row(epochs=2, ensemble=4, ensemble_reward="worst", structure="pcm")
    assert row.what.startswith("partial credit reward model on the score preferences")
    assert "4 of them" in row.what and "least reward" in row.what
    assert row.cost_note.startswith("2 epochs over ≤ 90 responses, 4 times") and "scoring" in row.cost_note


@pytest.mark.parametrize("ensemble", [1, 2])
def test_another_base_is_fine_tuned_first(ensemble: int) -> None:
    row = reward_row(base="smollm2", epochs=2, ensemble=ensemble)
    assert row.what.startswith("fine-tune smollm2 as the baseline was; reward model")
    assert row.cost_note.startswith("3 epochs over the train persons' responses; then 2 epochs")
    assert ("2 times" in row.cost_note) == (ensemble == 2)
