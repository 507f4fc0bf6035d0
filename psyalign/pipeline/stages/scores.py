"""Stages "scores/<arm>": an arm's scorer on audit persons whom no training has seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from psyalign.align import ClosedFormScorer
from psyalign.foundation.seeds import unit_interval
from psyalign.foundation.tables import read_table, write_parquet
from psyalign.items import Item
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import read_texts
from psyalign.scorer import LoraScorer

__all__ = ["adapter_folder", "arm_scorer", "audit_scores", "score_table", "work"]


def adapter_folder(arm: str) -> str:
    """Where an arm's adapter lies in a run directory; of the closed form, what it is made of."""
    return {"baseline": "sft", "ceiling": "ceiling"}.get(arm, f"align/{arm}")


def arm_scorer(folder: Path, arm: str, items: Mapping[str, Item]) -> LoraScorer | ClosedFormScorer:
    """An arm's scorer, read from a run directory."""
    own = folder / adapter_folder(arm)
    if arm != "closed_form":
        return LoraScorer.load(own, items)
    return ClosedFormScorer.load(own, folder / adapter_folder("baseline"), folder / "reward", items)


def work(run: Run, folder: Path, arm: str) -> Mapping[str, Any]:
    """Score the audit persons' responses, and their other wordings as probes of the wording effect."""
    scorer = arm_scorer(run.folder, arm, run.bank.items)
    texts = _probed(read_texts(run, split="audit"), run.study.dif.wording_probes, run.study.study.seed)
    table = score_table(scorer, texts, label=f"score {arm}")
    write_parquet(folder / "scores.parquet", table)
    return {"responses": len(table)}


def _probed(texts: pd.DataFrame, limit: int, seed: int) -> pd.DataFrame:
    """All primary responses and at most `limit` other wordings (0: all), the same ones for every arm."""
    other = texts[~texts["primary"]]
    if not limit or len(other) <= limit:
        return texts
    place = other["response_id"].map(lambda name: unit_interval(seed, "probe", name))
    return texts.drop(index=place.sort_values().index[limit:]).reset_index(drop=True)


def score_table(scorer: LoraScorer | ClosedFormScorer, texts: pd.DataFrame, *, label: str) -> pd.DataFrame:
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
