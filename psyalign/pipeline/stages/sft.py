"""Stages "sft" and "ceiling": the scorer fine-tuned on historical, or on criterion, scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from psyalign.foundation.seeds import derive_seed
from psyalign.foundation.tables import write_parquet
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import read_scores, read_texts
from psyalign.scorer import LoraScorer, LossRow, Training

__all__ = ["ceiling", "loss_table", "work"]


def work(run: Run, folder: Path) -> Mapping[str, Any]:
    """The baseline: trained on the operational scores. It is the frozen reference of all arms."""
    return _fine_tune(run, folder, "operational", label="sft")


def ceiling(run: Run, folder: Path) -> Mapping[str, Any]:
    """What the same scorer reaches when it may learn from the criterion scores."""
    return _fine_tune(run, folder, "criterion", label="ceiling")


def _fine_tune(run: Run, folder: Path, role: str, *, label: str) -> Mapping[str, Any]:
    settings = run.study.scorer
    # the same responses for baseline and ceiling: only the scores differ
    trained = read_scores(run, "operational", "train")["response_id"]
    scores = read_scores(run, role, "train")
    scores = scores[scores["response_id"].isin(trained)]
    frame = scores.merge(
        read_texts(run, split="train", primary=True)[["response_id", "response"]],
        on="response_id",
        validate="one_to_one",
    )
    scorer = LoraScorer(
        run.bank.items,
        settings.base,
        rank=settings.lora.rank,
        alpha=settings.lora.alpha,
        layers=settings.lora.layers,
        dropout=settings.dropout,
        max_tokens=settings.max_tokens,
        precision=settings.precision,
        training=Training(
            epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            # one seed for baseline and ceiling: the same start
            seed=derive_seed(run.study.study.seed, "sft"),
            warmup=settings.warmup,
            weight_decay=settings.weight_decay,
        ),
        random_state=derive_seed(run.study.study.seed, "sft"),
        folder=run.study.folder,
    )
    scorer.build()
    encoded = scorer.encode(frame)
    scorer.fit(frame, frame["score"].to_numpy(), label=label, checkpoint=folder / "checkpoint.safetensors")
    scorer.save(folder)
    write_parquet(folder / "loss.parquet", loss_table(scorer.history_))
    return {
        "responses": len(frame),
        "persons": int(frame["person"].nunique()),
        "truncated": encoded.truncated,
        "mean_tokens": float(encoded.lengths.mean()),
        "fingerprint": scorer.fingerprint(),
        "base_sha256": scorer.base_.sha256,
        "kind": scorer.base_.kind,
        "precision": scorer.network_.compute.precision,
        "device": str(scorer.network_.compute.device),
        "parameters": sum(value.numel() for value in scorer.network_.parameters()),
        "trainable": sum(value.numel() for value in scorer.network_.trainable().values()),
    }


def loss_table(history: list[LossRow]) -> pd.DataFrame:
    """Losses as a table: step, epoch, loss."""
    return pd.DataFrame(
        {
            "step": [row.step for row in history],
            "epoch": [row.epoch for row in history],
            "loss": [row.loss for row in history],
        }
    )
