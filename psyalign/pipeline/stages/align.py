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
    smd_contrast,
)
from psyalign.dif import matching_strata
from psyalign.foundation.errors import RunError
from psyalign.foundation.seeds import derive_seed
from psyalign.foundation.tables import read_table, write_parquet
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import group_of, read_persons, read_scores, read_texts
from psyalign.pipeline.stages.judgements import score_feedback
from psyalign.pipeline.stages.matrices import matrix
from psyalign.pipeline.stages.moves import preference_moves
from psyalign.pipeline.stages.reward import require_frozen
from psyalign.pipeline.stages.settled import settled_align
from psyalign.pipeline.stages.sft import loss_table
from psyalign.reward import win_counts
from psyalign.scorer import LoraScorer, Training

__all__ = ["OBJECTIVES", "arm_control", "arm_feedback", "arm_pairs", "arm_settings", "work"]

# arm -> (objective on the score feedback, with the equivalence term?); None trains nothing
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
    feedback = arm_feedback(run, objective) if objective != "none" else None
    control = arm_control(run, objective)
    history = align(
        scorer,
        objective,
        feedback,
        arm_pairs(run) if equivalence else None,
        arm_settings(run),
        label=arm,
        checkpoint=folder / "checkpoint.safetensors",
        control=control,
    )
    require_frozen(run)
    scorer.save(folder)
    write_parquet(folder / "loss.parquet", loss_table(history))
    if feedback is not None:
        moves = preference_moves(run, lambda texts: scorer.predict_log_proba(texts, label=f"{arm}, feedback"))
        write_parquet(folder / "moves.parquet", moves)
    facts = {"fingerprint": scorer.fingerprint(), "trained_on": len(feedback.responses) if feedback else 0}
    warnings = _unmatched(feedback, arm) if feedback is not None else []
    if not control.watches:
        return {**facts, "warnings": warnings} if warnings else facts
    ended = f"Arm {arm}: training ended after {len(history)} updates, where a batch passed kl_budget."
    return {**facts, "beta": control.beta, "warnings": [*warnings, *([ended] if control.spent() else [])]}


def _unmatched(feedback: ScoredFeedback, arm: str) -> list[str]:
    """A warning where the conditional-DIF penalty cannot see some of the items."""
    if feedback.strata is None or feedback.groups is None:
        return []
    items = feedback.responses["item"].to_numpy()
    counts = smd_contrast(items, feedback.groups, feedback.strata) != 0
    seen = pd.Series(counts).groupby(items).any()
    if seen.all():
        return []
    return [
        f"Arm {arm}: dif_penalty leaves out {int((~seen).sum())} of {len(seen)} items, on which no judged "
        "responses of both groups lie in one stratum of the matching score."
    ]


def _closed_form(run: Run, folder: Path) -> Mapping[str, Any]:
    """Nothing is trained; what is kept says which models and which β make the scores."""
    _, preferences = score_feedback(run)
    scorer = ClosedFormScorer.of(run.path("sft"), run.path("reward"), run.bank.items, settled_align(run).beta)
    scorer.save(folder)
    write_parquet(folder / "loss.parquet", loss_table([]))
    write_parquet(folder / "moves.parquet", preference_moves(run, scorer.predict_log_proba))
    return {"fingerprint": scorer.fingerprint(), "trained_on": int(preferences["response_id"].nunique())}


def arm_settings(run: Run) -> AlignSettings:
    """How the run's arms learn."""
    settings = settled_align(run)
    training = Training(
        settings.epochs,
        settings.batch_size,
        settings.learning_rate,
        derive_seed(run.study.study.seed, "align"),
        by_item=run.study.scorer.batches == "by_item",
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
        equivalence=settings.equivalence,
        equivalence_guard=settings.equivalence_guard,
        dif_penalty=settings.dif_penalty,
        parity_penalty=settings.parity_penalty,
    )


def arm_control(run: Run, objective: Objective) -> KLControl:
    """The target is PPO's; the budget is that of every arm whose loss has the KL to the reference in it."""
    settings = settled_align(run)
    return KLControl(
        settings.beta,
        target=settings.kl_target if objective == "ppo" else 0.0,
        budget=settings.kl_budget if objective in ("dpo", "ppo", "distill") else 0.0,
    )


def arm_feedback(run: Run, objective: Objective) -> ScoredFeedback:
    """The score feedback that an arm learns from; its responses have response_id and person, too."""
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
        strata=_strata(run, frame["person"]) if run.study.align.dif_penalty else None,
    )


def _groups(run: Run, persons: pd.Series) -> np.ndarray:
    """0 for the reference group of the first attribute of [groups], 1 for the focal one, 2 for neither."""
    named = group_of(run, next(iter(run.study.groups)), read_persons(run))
    return persons.map(named).map({"reference": 0, "focal": 1}).fillna(2).to_numpy(int)


def _strata(run: Run, persons: pd.Series) -> np.ndarray:
    """Stratum of the criterion total of each person over all items answered, as the audit matches; or NaN.

    The total, not the criterion score on the response itself: conditioning on one noisy rating
    would find differences between groups that are not there (METHODS.md, section 3).
    """
    human = read_scores(run, "criterion", "feedback")[["person", "item", "score"]]
    group = group_of(run, next(iter(run.study.groups)), read_persons(run)).dropna()
    return persons.map(matching_strata(human, group).stratum).to_numpy(float)


def arm_pairs(run: Run) -> EquivalencePairs:
    """The pairs that an arm learns from, in the order of feedback/pairs.parquet."""
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
