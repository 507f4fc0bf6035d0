"""The arms that are asked for by name, "distill" and "closed_form", and the options of [align], in a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

from psyalign.align import mean_kl, optimal_log_probs, optimality_gap
from psyalign.foundation.tables import read_table
from psyalign.pipeline import score_responses
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages import align as align_stage
from psyalign.pipeline.stages.align import OBJECTIVES
from psyalign.pipeline.stages.matrices import matrix
from psyalign.pipeline.stages.summaries import ARMS
from psyalign.study import ALIGNED_ARMS, Arm
from psyalign.study.plan import ARM_WORDS

Change = Callable[..., None]
Perform = Callable[..., Run]


def test_every_arm_has_its_objective_and_its_words() -> None:
    assert set(OBJECTIVES) == set(ALIGNED_ARMS) == set(ARM_WORDS)
    assert set(ARMS) == set(get_args(Arm))


def test_the_closed_form_scores_audit_persons_and_new_responses(
    small_study: Path, change: Change, perform: Perform, tmp_path: Path
) -> None:
    """Its scores are π* of the run's own baseline and rewards; `psyalign score` gives the same."""
    change(small_study, "beta = 0.1", 'beta = 0.1\narms = ["baseline", "closed_form"]')
    change(small_study, "learning_rate = 4e-3", 'learning_rate = 4e-3\nprecision = "float32"')
    change(small_study, "bootstrap = 50", "bootstrap = 50\nwording_probes = 1")
    change(small_study, "max_train_responses = 16", "max_train_responses = 4")
    stages = ("data", "sft", "feedback", "reward", "align/closed_form", "scores/baseline")
    run = perform(small_study, *stages, "scores/closed_form")
    scores = {arm: read_table(run.path("scores", arm, "scores.parquet")) for arm in run.study.align.arms}
    scores = {arm: table[table["primary"]] for arm, table in scores.items()}
    points = [f"l{point}" for point in range(run.max_scores)]
    reference, found = (scores[arm][points].to_numpy() for arm in ("baseline", "closed_form"))
    rewards = matrix(run.path("reward", "rewards.parquet"), scores["baseline"]["response_id"])
    np.testing.assert_allclose(found, optimal_log_probs(reference, rewards, 0.1), atol=1e-3)
    assert optimality_gap(found, reference, rewards, 0.1) < 1e-8
    assert mean_kl(found, reference) > 1e-4
    judged = read_table(run.path("feedback", "preferences.parquet"))["response_id"].nunique()
    assert run.facts("align/closed_form")["trained_on"] == judged
    texts = read_table(run.path("data", "texts.parquet")).set_index("response_id")
    some = scores["closed_form"].iloc[:5]
    new = texts.loc[some["response_id"], ["person", "item", "response"]]
    new.to_csv(tmp_path / "new.csv", index=False)
    (run.folder / "items").mkdir()
    for name in ("bank.toml", *(f"{item}.toml" for item in run.bank.items)):
        (run.folder / "items" / name).write_bytes((run.bank.folder / name).read_bytes())
    score_responses(run.folder, "closed_form", tmp_path / "new.csv", tmp_path / "out.csv")
    out = pd.read_csv(tmp_path / "out.csv").merge(some, on=["person", "item"], validate="one_to_one")
    assert len(out) == 5
    np.testing.assert_allclose(out["expected_x"], out["expected_y"], atol=1e-4)


def test_the_options_of_the_study_reach_the_training(
    small_study: Path, change: Change, perform: Perform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups are those of the first attribute; the budget is not refit's, the target is PPO's alone."""
    change(small_study, "max_train_responses = 16", "max_train_responses = 4")
    change(
        small_study,
        "ppo_inner = 2",
        """ppo_inner = 2
arms = ["baseline", "refit", "dpo", "ppo", "distill"]
dpo = "robust"
label_noise = 0.1
kl = "adaptive"
kl_target = 0.02
kl_budget = 0.3
entropy = 0.01
ppo_actions = "sampled"
sft_anchor = 0.2
group_robust = 0.05""",
    )
    seen: dict[str, Any] = {}

    def watched(scorer: Any, objective: Any, feedback: Any, pairs: Any, settings: Any, **rest: Any) -> Any:
        seen[rest["label"]] = (objective, feedback, settings, rest["control"])
        if rest["label"] == "ppo":
            rest["control"].check(0.5)
        return []

    monkeypatch.setattr(align_stage, "align", watched)
    arms = ("refit", "dpo", "ppo", "distill")
    run = perform(small_study, "data", "sft", "feedback", "reward", *(f"align/{arm}" for arm in arms))
    _, feedback, settings, control = seen["ppo"]
    assert (settings.dpo, settings.label_noise, settings.entropy) == ("robust", 0.1, 0.01)
    assert (settings.ppo_actions, settings.sft_anchor, settings.group_robust) == ("sampled", 0.2, 0.05)
    limits = {arm: (seen[arm][3].target, seen[arm][3].budget) for arm in arms}
    assert limits == {"refit": (0, 0), "dpo": (0, 0.3), "ppo": (0.02, 0.3), "distill": (0, 0.3)}
    assert seen["distill"][0] == "distill" and control.beta == 0.1
    persons = read_table(run.path("data", "persons.parquet")).set_index("person")
    variety = persons.loc[feedback.responses["person"], "variety"]
    assert feedback.groups.tolist() == variety.map({"standard": 0, "everyday": 1}).tolist()
    assert "training ended after 0 updates" in run.facts("align/ppo")["warnings"][0]
    assert run.facts("align/ppo")["beta"] == 0.1 and run.facts("align/dpo")["warnings"] == []
    assert "beta" not in run.facts("align/refit")
