"""Scoring speed: LoraScorer against the text-classification pipeline of transformers, as a ratio.

Same base model (MiniLM), same prompts, same batch size, one process, one run. The texts are
simulated. Run: ``.venv/bin/python benchmarks/scoring.py``
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable

import pandas as pd
import torch
from transformers import AutoModelForSequenceClassification, TextClassificationPipeline

from psyalign.foundation.shipped import shipped_folder
from psyalign.items import load_bank
from psyalign.responses import load_phrases, simulate_sjt
from psyalign.scorer import LoraScorer
from psyalign.scorer.prompt import prompt_context

PERSONS, ROUNDS, BATCH = 40, 3, 16


def main() -> None:
    """Print one line for each way of scoring: responses a second, and the ratio to the pipeline."""
    folder = shipped_folder("items") / "workplace-sjt"
    bank = load_bank(folder)
    texts = simulate_sjt(load_phrases(folder / "phrases"), PERSONS, 1).responses
    prompts = [f"{prompt_context(bank.items[row.item])} {row.response}" for row in texts.itertuples()]
    scorers = {
        name: LoraScorer(bank.items, "minilm", precision=precision).build()
        for name, precision in (
            ("psyalign, float32", "float32"),
            ("psyalign, as chosen for this machine", "auto"),
        )
    }
    base = next(iter(scorers.values()))
    model = AutoModelForSequenceClassification.from_pretrained(base.base_.location, num_labels=5)
    pipeline = TextClassificationPipeline(
        model=model, tokenizer=base.base_.load_tokenizer(), batch_size=BATCH, top_k=None, device="cpu"
    )
    ways: dict[str, Callable[[], object]] = {"transformers pipeline, float32": lambda: pipeline(prompts)}
    for name, scorer in scorers.items():
        ways[name] = lambda scorer=scorer: scorer.predict_proba(texts)
    seconds = {name: min(_time(way) for _ in range(ROUNDS)) for name, way in ways.items()}
    peer = seconds["transformers pipeline, float32"]
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    print(f"{len(texts)} simulated responses; {machine}")
    table = pd.DataFrame({"seconds": seconds})
    table["responses/s"] = len(texts) / table["seconds"]
    table["ratio"] = peer / table["seconds"]
    print(table.round(2).to_string())


def _time(way: Callable[[], object]) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
