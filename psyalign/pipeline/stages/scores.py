"""Stages "scores/<arm>": an arm's scorer on audit persons whom no training has seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from psyalign.foundation.tables import read_table, write_parquet
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import read_texts
from psyalign.scorer import LoraScorer

__all__ = ["adapter_folder", "audit_scores", "score_table", "work"]


def adapter_folder(arm: str) -> str:
    """Where an arm's adapter lies in a run directory."""
    return {"baseline": "sft", "ceiling": "ceiling"}.get(arm, f"align/{arm}")


def work(run: Run, folder: Path, arm: str) -> Mapping[str, Any]:
    """Score all audit texts, other wordings included."""
    scorer = LoraScorer.load(run.path(adapter_folder(arm)), run.bank.items)
    texts = read_texts(run, split="audit")
    table = score_table(scorer, texts, label=f"score {arm}")
    write_parquet(folder / "scores.parquet", table)
    return {"responses": len(table)}


def score_table(scorer: LoraScorer, texts: pd.DataFrame, *, label: str) -> pd.DataFrame:
    """Person, item, modal and expected score, and log-probabilities l0 … l(K−1); no response text."""
    log_probs = scorer.predict_log_proba(texts, label=label)
    points = np.arange(log_probs.shape[1])
    keys = [name for name in ("response_id", "person", "item", "wording", "primary") if name in texts]
    table = texts[keys].reset_index(drop=True)
    table["modal"] = log_probs.argmax(axis=1)
    table["expected"] = np.exp(log_probs) @ points
    for point in points:
        table[f"l{point}"] = log_probs[:, point]
    return table


def audit_scores(run: Run, arm: str) -> pd.DataFrame:
    """What `work` wrote."""
    return read_table(run.path("scores", arm, "scores.parquet"))
