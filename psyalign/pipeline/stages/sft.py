"""Stages "sft" and "ceiling": the scorer fine-tuned on historical, or on criterion, scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from psyalign.foundation.seeds import derive_seed, generator
from psyalign.foundation.tables import write_parquet
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import read_scores, read_texts
from psyalign.scorer import LoraScorer, LossRow, Training
from psyalign.scorer.label_mass import label_mass_outside

__all__ = ["ceiling", "fresh_scorer", "loss_table", "work"]

# The base's mass outside the labels is a fact about its prompts, of which this many tell enough.
LABEL_MASS_RESPONSES = 64
LABEL_MASS_ALARM = 0.5  # more outside than on the labels: a warning


def work(run: Run, folder: Path) -> Mapping[str, Any]:
    """The baseline: trained on the operational scores. It is the frozen reference of all arms."""
    scorer, facts = _fine_tune(run, folder, "operational", label="sft")
    return {**facts, **_label_mass(run, scorer)}


def ceiling(run: Run, folder: Path) -> Mapping[str, Any]:
    """What the same scorer reaches when it may learn from the criterion scores."""
    return _fine_tune(run, folder, "criterion", label="ceiling")[1]


def fresh_scorer(run: Run, base: str, seed: int) -> LoraScorer:
    """A scorer on `base`, not yet trained, with all other settings of the study's [scorer]."""
    settings = run.study.scorer
    return LoraScorer(
        run.bank.items,
        base,
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
            seed=seed,
            warmup=settings.warmup,
            weight_decay=settings.weight_decay,
            by_item=settings.batches == "by_item",
        ),
        random_state=seed,
        folder=run.study.folder,
        loss=settings.loss,
        class_weights=settings.class_weights,
    )


def _fine_tune(run: Run, folder: Path, role: str, *, label: str) -> tuple[LoraScorer, dict[str, Any]]:
    # the same responses for baseline and ceiling: only the scores differ
    trained = read_scores(run, "operational", "train")["response_id"]
    scores = read_scores(run, role, "train")
    scores = scores[scores["response_id"].isin(trained)]
    frame = scores.merge(_train_texts(run), on="response_id", validate="one_to_one")
    # one seed for baseline and ceiling: the same start
    scorer = fresh_scorer(run, run.study.scorer.base, derive_seed(run.study.study.seed, "sft"))
    scorer.fit(frame, frame["score"].to_numpy(), label=label, checkpoint=folder / "checkpoint.safetensors")
    scorer.save(folder)
    write_parquet(folder / "loss.parquet", loss_table(scorer.history_))
    return scorer, {
        "responses": len(frame),
        "persons": int(frame["person"].nunique()),
        "truncated": scorer.truncated_,
        "mean_tokens": scorer.mean_tokens_,
        "fingerprint": scorer.fingerprint(),
        "base_sha256": scorer.base_.sha256,
        "kind": scorer.base_.kind,
        "precision": scorer.network_.compute.precision,
        "device": str(scorer.network_.compute.device),
        "parameters": sum(value.numel() for value in scorer.network_.parameters()),
        "trainable": sum(value.numel() for value in scorer.network_.trainable().values()),
    }


def _train_texts(run: Run) -> pd.DataFrame:
    return read_texts(run, split="train", primary=True)[["response_id", "response"]]


def _label_mass(run: Run, scorer: LoraScorer) -> dict[str, Any]:
    """Mass that the raw base leaves outside the score labels on some training responses; causal LMs only."""
    if scorer.base_.kind != "causal":
        return {}
    frame = read_scores(run, "operational", "train").merge(_train_texts(run), on="response_id")
    sample = generator(run.study.study.seed, "label mass").permutation(len(frame))[:LABEL_MASS_RESPONSES]
    outside = label_mass_outside(scorer, frame.iloc[sample])
    mean = float(outside.mean())
    facts: dict[str, Any] = {
        "label_mass_outside_mean": mean,
        "label_mass_outside_max": float(outside.max()),
        "label_mass_responses": len(outside),
    }
    if mean > LABEL_MASS_ALARM:
        facts["warnings"] = [
            f"Scorer: before fine-tuning the base puts {mean:.0%} of its probability on tokens that are no "
            f"score labels (mean of {len(outside)} training responses), so it would not answer the prompt "
            "with a score. Fine-tuning has to teach that too; compare another base."
        ]
    return facts


def loss_table(history: list[LossRow]) -> pd.DataFrame:
    """Losses as a table: step, epoch, loss."""
    return pd.DataFrame(
        {
            "step": [row.step for row in history],
            "epoch": [row.epoch for row in history],
            "loss": [row.loss for row in history],
        }
    )
