"""Stage "reward": reference log-probabilities, the reward model, and its rewards, all kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from psyalign.foundation.seeds import derive_seed, unit_interval
from psyalign.foundation.tables import read_table, write_parquet
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import read_texts
from psyalign.pipeline.stages.sft import loss_table
from psyalign.reward import RewardModel, pair_accuracy, win_counts
from psyalign.scorer import LoraScorer, Training

__all__ = ["matrix", "work"]


def work(run: Run, folder: Path) -> Mapping[str, Any]:
    """Train the reward model on part of the feedback persons; test it on the others."""
    settings, seed = run.study.reward, derive_seed(run.study.study.seed, "reward")
    feedback = read_texts(run, split="feedback")
    audit = read_texts(run, split="audit", primary=True)
    _reference(run, folder, feedback)
    preferences = read_table(run.path("feedback", "preferences.parquet"))
    judged = feedback[feedback["response_id"].isin(preferences["response_id"])].reset_index(drop=True)
    wins = win_counts(preferences, judged["response_id"].tolist(), run.max_scores)
    held_out = np.array(
        [unit_interval(seed, "holdout", person) < settings.holdout for person in judged["person"]]
    )
    training = Training(settings.epochs, settings.batch_size, settings.learning_rate, seed)
    model = RewardModel(LoraScorer.load(run.path("sft"), run.bank.items), training)
    model.fit(
        judged[~held_out].reset_index(drop=True),
        wins[~held_out],
        checkpoint=folder / "checkpoint.safetensors",
    )
    model.save(folder)
    ids = [
        read_table(run.path("feedback", f"{name}.parquet"))["response_id"]
        for name in ("preferences", "scores")
    ]
    wanted = feedback["primary"] | feedback["response_id"].isin(pd.concat(ids))
    scored = pd.concat([feedback[wanted], audit], ignore_index=True)
    rewards = model.rewards(scored, label="rewards")
    _write_matrix(folder / "rewards.parquet", scored["response_id"], rewards)
    write_parquet(folder / "loss.parquet", loss_table(model.history_))
    own = pd.DataFrame(rewards, index=scored["response_id"]).loc[judged["response_id"]].to_numpy()
    baseline = matrix(folder / "reference.parquet", judged["response_id"])
    metrics = {
        "n_train": int(wins[~held_out].sum()),
        "n_holdout": int(wins[held_out].sum()),
        "train_accuracy": pair_accuracy(own[~held_out], wins[~held_out]),
        "holdout_accuracy": pair_accuracy(own[held_out], wins[held_out]),
        "holdout_accuracy_of_reference_scorer": pair_accuracy(baseline[held_out], wins[held_out]),
    }
    write_parquet(folder / "metrics.parquet", pd.DataFrame(metrics.items(), columns=["metric", "value"]))
    return {"fingerprint": model.fingerprint()}


def _reference(run: Run, folder: Path, feedback: pd.DataFrame) -> None:
    """Log-probabilities of the frozen reference scorer: computed once, used by every arm."""
    scorer = LoraScorer.load(run.path("sft"), run.bank.items)
    _write_matrix(
        folder / "reference.parquet",
        feedback["response_id"],
        scorer.predict_log_proba(feedback, label="reference"),
    )


def _write_matrix(path: Path, ids: pd.Series, values: np.ndarray) -> None:
    table = pd.DataFrame(values, columns=[f"s{score}" for score in range(values.shape[1])])
    table.insert(0, "response_id", ids.to_numpy())
    write_parquet(path, table)


def matrix(path: Path, ids: pd.Series) -> np.ndarray:
    """Rows of a kept (N, K) matrix, in the order of `ids`."""
    table = read_table(path).set_index("response_id")
    return np.asarray(table.loc[ids].to_numpy(float))
