"""Stages "align/<arm>": a copy of the reference scorer, updated with the arm's objective."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from psyalign.align import AlignSettings, EquivalencePairs, ScoredFeedback, align
from psyalign.align.policy import Objective
from psyalign.foundation.errors import RunError
from psyalign.foundation.seeds import derive_seed
from psyalign.foundation.tables import read_table, write_parquet
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import read_texts
from psyalign.pipeline.stages.reward import matrix
from psyalign.pipeline.stages.sft import loss_table
from psyalign.reward import win_counts
from psyalign.scorer import LoraScorer, Training

__all__ = ["OBJECTIVES", "work"]

# arm -> (objective on the score feedback, with the anchored equivalence term?)
OBJECTIVES: dict[str, tuple[Objective, bool]] = {
    "refit": ("refit", False),
    "dpo": ("dpo", False),
    "ppo": ("ppo", False),
    "equivalence": ("none", True),
    "dpo+equivalence": ("dpo", True),
    "ppo+equivalence": ("ppo", True),
}


def work(run: Run, folder: Path, arm: str) -> Mapping[str, Any]:
    """Train the arm from the reference scorer's adapter."""
    objective, equivalence = OBJECTIVES[arm]
    settings = run.study.align
    training = Training(
        settings.epochs,
        settings.batch_size,
        settings.learning_rate,
        derive_seed(run.study.study.seed, "align"),
    )
    scorer = LoraScorer.load(run.path("sft"), run.bank.items)
    if scorer.fingerprint() != run.facts("sft")["fingerprint"]:
        raise RunError(
            "The reference scorer is not the one that the run trained.",
            where=str(run.path("sft")),
            mend="Run again with --fresh.",
        )
    feedback = _feedback(run, objective) if objective != "none" else None
    history = align(
        scorer,
        objective,
        feedback,
        _pairs(run) if equivalence else None,
        AlignSettings(
            training,
            beta=settings.beta,
            equivalence_weight=settings.equivalence_weight,
            ppo_clip=settings.ppo_clip,
            ppo_inner=settings.ppo_inner,
        ),
        label=arm,
        checkpoint=folder / "checkpoint.safetensors",
    )
    scorer.save(folder)
    write_parquet(folder / "loss.parquet", loss_table(history))
    return {"fingerprint": scorer.fingerprint(), "trained_on": len(feedback.responses) if feedback else 0}


def _feedback(run: Run, objective: str) -> ScoredFeedback:
    scores = read_table(run.path("feedback", "scores.parquet"))
    preferences = read_table(run.path("feedback", "preferences.parquet"))
    if objective == "dpo":  # nothing can be learned from a response without a preference
        scores = scores[scores["response_id"].isin(preferences["response_id"])]
    texts = read_texts(run, split="feedback")
    frame = scores.merge(texts[["response_id", "response"]], on="response_id", validate="one_to_one")
    ids = frame["response_id"]
    return ScoredFeedback(
        responses=frame,
        scores=frame["score"].to_numpy(int),
        wins=win_counts(preferences, ids.tolist(), run.max_scores),
        reference=matrix(run.path("reward", "reference.parquet"), ids),
        rewards=matrix(run.path("reward", "rewards.parquet"), ids),
    )


def _pairs(run: Run) -> EquivalencePairs:
    pairs = read_table(run.path("feedback", "pairs.parquet"))
    texts = read_texts(run, split="feedback").set_index("response_id")[["item", "response"]]
    of_a, of_b = (
        matrix(run.path("reward", "reference.parquet"), pairs[side]) for side in ("response_a", "response_b")
    )
    weight_a = pairs["teacher"].map({"a": 1.0, "b": 0.0, "mean": 0.5}).to_numpy(float)[:, None]
    teacher = np.logaddexp(
        of_a + np.log(np.maximum(weight_a, 1e-300)), of_b + np.log(np.maximum(1 - weight_a, 1e-300))
    )
    return EquivalencePairs(
        _texts_of(texts, pairs["response_a"]), _texts_of(texts, pairs["response_b"]), teacher
    )


def _texts_of(texts: pd.DataFrame, ids: pd.Series) -> pd.DataFrame:
    return texts.loc[ids].reset_index(drop=True)
