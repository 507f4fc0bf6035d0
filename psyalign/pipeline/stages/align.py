"""Stages "align/<arm>": a copy of the reference scorer, updated with the arm's objective, or π* itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from psyalign.align import (
    AlignSettings,
    ClosedFormScorer,
    EquivalencePairs,
    KLControl,
    Objective,
    ScoredFeedback,
    align,
)
from psyalign.foundation.errors import RunError
from psyalign.foundation.seeds import derive_seed
from psyalign.foundation.tables import read_table, write_parquet
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import group_of, read_persons, read_texts
from psyalign.pipeline.stages.judgements import score_feedback
from psyalign.pipeline.stages.reward import matrix, require_frozen
from psyalign.pipeline.stages.sft import loss_table
from psyalign.reward import win_counts
from psyalign.scorer import LoraScorer, Training

__all__ = ["OBJECTIVES", "work"]

# arm -> (objective on the score feedback, with the anchored equivalence term?); None trains nothing
OBJECTIVES: dict[str, tuple[Objective | None, bool]] = {
    "refit": ("refit", False),
    "dpo": ("dpo", False),
    "ppo": ("ppo", False),
    "distill": ("distill", False),
    "closed_form": (None, False),
    "equivalence": ("none", True),
    "refit+equivalence": ("refit", True),
    "dpo+equivalence": ("dpo", True),
    "ppo+equivalence": ("ppo", True),
    "distill+equivalence": ("distill", True),
}


def work(run: Run, folder: Path, arm: str) -> Mapping[str, Any]:
    """Train the arm from the reference scorer's adapter."""
    objective, equivalence = OBJECTIVES[arm]
    require_frozen(run)
    scorer = LoraScorer.load(run.path("sft"), run.bank.items)
    if scorer.fingerprint() != run.facts("sft")["fingerprint"]:
        raise RunError(
            "The reference scorer is not the one that the run trained.",
            where=str(run.path("sft")),
            mend="Run again with --fresh.",
        )
    if objective is None:
        return _closed_form(run, folder)
    feedback = _feedback(run, objective) if objective != "none" else None
    control = _control(run, objective)
    history = align(
        scorer,
        objective,
        feedback,
        _pairs(run) if equivalence else None,
        _settings(run),
        label=arm,
        checkpoint=folder / "checkpoint.safetensors",
        control=control,
    )
    require_frozen(run)
    scorer.save(folder)
    write_parquet(folder / "loss.parquet", loss_table(history))
    facts = {"fingerprint": scorer.fingerprint(), "trained_on": len(feedback.responses) if feedback else 0}
    if not control.watches:
        return facts
    ended = f"Arm {arm}: training ended after {len(history)} updates, where a batch passed kl_budget."
    return {**facts, "beta": control.beta, "warnings": [ended] if control.spent() else []}


def _closed_form(run: Run, folder: Path) -> Mapping[str, Any]:
    """Nothing is trained; what is kept says which models and which β make the scores."""
    scorer = ClosedFormScorer.of(run.path("sft"), run.path("reward"), run.bank.items, run.study.align.beta)
    scorer.save(folder)
    write_parquet(folder / "loss.parquet", loss_table([]))
    _, preferences = score_feedback(run)
    return {"fingerprint": scorer.fingerprint(), "trained_on": int(preferences["response_id"].nunique())}


def _settings(run: Run) -> AlignSettings:
    settings = run.study.align
    training = Training(
        settings.epochs,
        settings.batch_size,
        settings.learning_rate,
        derive_seed(run.study.study.seed, "align"),
    )
    return AlignSettings(
        training,
        beta=settings.beta,
        equivalence_weight=settings.equivalence_weight,
        ppo_clip=settings.ppo_clip,
        ppo_inner=settings.ppo_inner,
        dpo=settings.dpo,
        label_noise=settings.label_noise,
        entropy=settings.entropy,
        ppo_actions=settings.ppo_actions,
        sft_anchor=settings.sft_anchor,
        group_robust=settings.group_robust,
    )


def _control(run: Run, objective: Objective) -> KLControl:
    """The target is PPO's; the budget is that of every arm whose loss has the KL to the reference in it."""
    settings = run.study.align
    return KLControl(
        settings.beta,
        target=settings.kl_target if objective == "ppo" else 0.0,
        budget=settings.kl_budget if objective in ("dpo", "ppo", "distill") else 0.0,
    )


def _feedback(run: Run, objective: Objective) -> ScoredFeedback:
    scores, preferences = score_feedback(run)
    if objective == "dpo":  # nothing can be learned from a response without a preference
        scores = scores[scores["response_id"].isin(preferences["response_id"])]
    texts = read_texts(run, split="feedback")
    frame = scores.merge(
        texts[["response_id", "person", "response"]], on="response_id", validate="one_to_one"
    )
    ids = frame["response_id"]
    return ScoredFeedback(
        responses=frame,
        scores=frame["score"].to_numpy(int),
        wins=win_counts(preferences, ids.tolist(), run.max_scores),
        reference=matrix(run.path("reward", "reference.parquet"), ids),
        rewards=matrix(run.path("reward", "rewards.parquet"), ids),
        groups=_groups(run, frame["person"]),
    )


def _groups(run: Run, persons: pd.Series) -> np.ndarray:
    """0 for the reference group of the first attribute of [groups], 1 for the focal one, 2 for neither."""
    named = group_of(run, next(iter(run.study.groups)), read_persons(run))
    return persons.map(named).map({"reference": 0, "focal": 1}).fillna(2).to_numpy(int)


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
