"""Stage "reward": reference log-probabilities, the reward model, and its rewards, all kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from psyalign.feedback.raters import OUTCOMES
from psyalign.foundation.errors import DataError, RunError
from psyalign.foundation.hashing import hash_file
from psyalign.foundation.seeds import derive_seed
from psyalign.foundation.tables import write_parquet
from psyalign.pipeline.run import CHECKPOINT, Run
from psyalign.pipeline.stages.data import read_scores, read_texts
from psyalign.pipeline.stages.holdout import held_out
from psyalign.pipeline.stages.judgements import (
    adjust_severity,
    comparison_table,
    score_feedback,
    write_raters,
)
from psyalign.pipeline.stages.matrices import matrix, write_matrix, write_members
from psyalign.pipeline.stages.reward_metrics import Judged, reward_metrics
from psyalign.pipeline.stages.score_needs import has_rewards
from psyalign.pipeline.stages.sft import fresh_scorer, loss_table
from psyalign.reward import Comparisons, RewardEnsemble, RewardModel, win_counts
from psyalign.reward.ensemble import MemberCheckpoints, combined, member_rows, member_seed, spread
from psyalign.reward.structure import quality
from psyalign.scorer import LoraScorer, LossRow, Training

__all__ = [
    "Material",
    "require_frozen",
    "reward_material",
    "reward_start",
    "train_ensemble",
    "work",
]

# What a stage leaves besides its results.
NO_RESULT = ("started.json", "done.json")
SIGNS = {0: 1, 1: 0, 2: -1}  # of `OUTCOMES`: the first is liked, a tie, the second


@dataclass(frozen=True)
class Material:
    """What the reward model is trained and tested on.

    Attributes
    ----------
    texts : DataFrame
        The feedback persons' texts.
    preferences, scores, compared : DataFrame
        Score preferences and refit scores in force; comparisons of responses.
    judged : DataFrame
        Responses with score preferences, N rows.
    wins : (N, K, K)
    held_out, compared_out : (N,), (M,) bool
        Kept for testing: their person (one of their persons) is.
    """

    texts: pd.DataFrame
    preferences: pd.DataFrame
    scores: pd.DataFrame
    compared: pd.DataFrame
    judged: pd.DataFrame
    wins: np.ndarray
    held_out: np.ndarray
    compared_out: np.ndarray


def work(run: Run, folder: Path) -> Mapping[str, Any]:
    """Train the reward model on part of the feedback persons; test it on the others.

    Without score feedback no reward model is made: what is kept is what the equivalence term and the
    report need, the reference scorer's log-probabilities and the raters.
    """
    texts = read_texts(run, split="feedback")
    audit = read_texts(run, split="audit", primary=True)
    _reference(run, folder, texts)
    warnings = adjust_severity(run, folder) if run.study.reward.adjust_severity else []
    write_raters(run, folder)
    if not has_rewards(run):
        write_parquet(folder / "loss.parquet", loss_table([]))
        return {"said": "no reward model: no score feedback", "frozen": _hashes(folder), "warnings": warnings}
    kept = held_out(run.study.study.seed, run.study.reward.holdout, texts["person"].unique())
    material = reward_material(run, texts, kept)
    start, checkpoint = _start(run, folder), folder / "checkpoint.safetensors"
    ensemble = train_ensemble(run, material, start, checkpoint)
    ensemble.save(folder)
    used = [material.preferences["response_id"], material.scores["response_id"]]
    used += [material.compared[side] for side in ("response_a", "response_b")]
    wanted = texts["primary"] | texts["response_id"].isin(pd.concat(used))
    scored = pd.concat([texts[wanted], audit], ignore_index=True)
    members = ensemble.member_rewards(scored, label="rewards")
    write_matrix(folder / "rewards.parquet", scored["response_id"], combined(members, ensemble.how))
    if len(members) > 1:
        write_matrix(folder / "spread.parquet", scored["response_id"], spread(members))
        write_members(folder / "members.parquet", scored["response_id"], members)
    write_parquet(folder / "loss.parquet", loss_table(_mean_history(ensemble)))
    metrics, bins = reward_metrics(run, _judged(run, folder, material))
    write_parquet(folder / "metrics.parquet", metrics)
    write_parquet(folder / "calibration.parquet", bins)
    return {"fingerprint": ensemble.fingerprint(), "frozen": _hashes(folder), "warnings": warnings}


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every result in the stage's folder, which no later stage may change."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in NO_RESULT)
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: hash_file(path) for name, path in names.items() if not name.startswith(CHECKPOINT)}


def reward_material(run: Run, texts: pd.DataFrame, kept: Mapping[str, bool]) -> Material:
    """The judgements of the feedback persons; those of the `kept` ones are not learned from."""
    scores, preferences = score_feedback(run)
    judged = texts[texts["response_id"].isin(preferences["response_id"])].reset_index(drop=True)
    if not len(judged):
        raise DataError(
            "There is no score preference for the reward model to learn from.",
            where=f"{run.study.path}, [reward]",
            mend="Set adjust_severity = true to make preferences of the ratings, or give score preferences.",
        )
    persons = texts.set_index("response_id")["person"]
    out = persons.map(kept).astype(bool)
    compared = comparison_table(run)
    first, second = (out.loc[compared[side]].to_numpy(bool) for side in ("response_a", "response_b"))
    return Material(
        texts=texts,
        preferences=preferences,
        scores=scores,
        compared=compared,
        judged=judged,
        wins=win_counts(preferences, judged["response_id"].tolist(), run.max_scores),
        held_out=out.loc[judged["response_id"]].to_numpy(bool),
        compared_out=first | second,
    )


def require_frozen(run: Run) -> None:
    """Assert that the reward model and what was computed with it are what the stage left.

    Called before and after the policy learns: rewards that move with the policy would be no reward.

    Raises
    ------
    RunError
        A file is gone or its hash is another.
    """
    for name, known in run.facts("reward")["frozen"].items():
        path = run.path("reward", name)
        if not path.is_file() or hash_file(path) != known:
            raise RunError(
                "The frozen reward model is not the one that the run trained.",
                where=str(path),
                mend="Run again with --fresh.",
            )


def train_ensemble(run: Run, material: Material, start: Path, checkpoint: Path) -> RewardEnsemble:
    """Train one model, or several on bootstrap samples of the responses, from the scorer in `start`."""
    settings, seed = run.study.reward, derive_seed(run.study.study.seed, "reward")
    comparisons = _comparisons(run, material)
    judged, wins = material.judged[~material.held_out], material.wins[~material.held_out]
    members, kept = [], MemberCheckpoints(checkpoint, settings.ensemble)
    for at in range(settings.ensemble):
        done = kept.finished(at, run.bank.items)
        if done is not None:
            members.append(done)
            continue
        training = Training(
            settings.epochs,
            settings.batch_size,
            settings.learning_rate,
            member_seed(seed, at),
            by_item=run.study.scorer.batches == "by_item",
        )
        model = RewardModel(LoraScorer.load(start, run.bank.items), training, structure=settings.structure)
        rows = member_rows(len(judged), seed, at)
        model.fit(
            judged.iloc[rows].reset_index(drop=True),
            wins[rows],
            comparisons=comparisons.take(member_rows(len(comparisons.outcomes), seed, at))
            if comparisons is not None
            else None,
            checkpoint=kept.path(at),
        )
        kept.keep(at, model)
        members.append(model)
    return RewardEnsemble(members, settings.ensemble_reward)


def reward_start(run: Run) -> Path:
    """The scorer that the run's reward models started as."""
    return run.path("reward", "start") if run.study.reward.base else run.path("sft")


def _start(run: Run, folder: Path) -> Path:
    """The scorer that reward models start as: the reference, or another base fine-tuned in the same way."""
    if not run.study.reward.base:
        return run.path("sft")
    scores = read_scores(run, "operational", "train")
    texts = read_texts(run, split="train", primary=True)[["response_id", "response"]]
    frame = scores.merge(texts, on="response_id", validate="one_to_one")
    scorer = fresh_scorer(run, run.study.reward.base, derive_seed(run.study.study.seed, "reward base"))
    checkpoint = folder / f"{CHECKPOINT}-start.safetensors"
    scorer.fit(frame, frame["score"].to_numpy(), label="reward base", checkpoint=checkpoint)
    scorer.save(folder / "start")
    return folder / "start"


def _comparisons(run: Run, material: Material) -> Comparisons | None:
    """Comparisons of responses to learn from; None without any, or where the study gives them no weight."""
    compared, weight = material.compared[~material.compared_out], run.study.reward.response_weight
    if not len(compared) or not weight:
        return None
    texts = material.texts.set_index("response_id")[["item", "response"]]
    first, second = (
        texts.loc[compared[side]].reset_index(drop=True) for side in ("response_a", "response_b")
    )
    counts = compared["weight"].to_numpy(float) if "weight" in compared else None
    return Comparisons(first, second, compared["preferred"].map(OUTCOMES).to_numpy(int), weight, counts)


def _judged(run: Run, folder: Path, material: Material) -> Judged:
    """What the metrics are computed of."""
    ids = material.judged["response_id"]
    rewards, reference = folder / "rewards.parquet", folder / "reference.parquet"
    return Judged(
        responses=material.judged,
        preferences=material.preferences,
        wins=win_counts(
            material.preferences.drop(columns="weight", errors="ignore"), ids.tolist(), run.max_scores
        ),
        held_out=material.held_out,
        rewards=matrix(rewards, ids),
        reference=matrix(reference, ids),
        liked=material.compared["preferred"].map(OUTCOMES).map(SIGNS).to_numpy(int),
        apart=_apart(run, rewards, material.compared),
        apart_of_reference=_apart(run, reference, material.compared),
        compared_held_out=material.compared_out,
    )


def _apart(run: Run, path: Path, compared: pd.DataFrame) -> np.ndarray:
    """Difference in quality of compared responses, by a kept matrix."""
    points = {name: len(item.scores) for name, item in run.bank.items.items()}
    number = torch.tensor(compared["item"].map(points).to_numpy(int))
    present = torch.arange(run.max_scores)[None, :] < number[:, None]
    first, second = (
        quality(torch.tensor(matrix(path, compared[side])), present) for side in ("response_a", "response_b")
    )
    return np.asarray((first - second).numpy())


def _mean_history(ensemble: RewardEnsemble) -> list[LossRow]:
    """Losses of the members' equally many updates, averaged."""
    histories = [member.history_ for member in ensemble.members]
    return [
        LossRow(rows[0].step, rows[0].epoch, float(np.mean([row.loss for row in rows])))
        for rows in zip(*histories, strict=True)
    ]


def _reference(run: Run, folder: Path, feedback: pd.DataFrame) -> None:
    """Log-probabilities of the frozen reference scorer: computed once, used by every arm."""
    scorer = LoraScorer.load(run.path("sft"), run.bank.items)
    write_matrix(
        folder / "reference.parquet",
        feedback["response_id"],
        scorer.predict_log_proba(feedback, label="reference"),
    )
