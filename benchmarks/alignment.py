"""Alignment of a K-way scorer against TRL's trainers, as ratios, in one run on the same task.

    .venv/bin/python benchmarks/alignment.py                  makes TRL's environments if they are missing
    .venv/bin/python benchmarks/alignment.py --peers PATH     folder with trl-1.16.0 and trl-1.12.0
    .venv/bin/python benchmarks/alignment.py --peers none     ours alone

A ratio is TRL's over ours, so that above 1 psyalign is faster or smaller. Both sides get the same base
model (SmolLM2), prompts, judgements, batches, optimiser steps, learning rates, LoRA and its start,
precision and threads; each runs in a process of its own. In TRL's formulation the prompt is ours and the
completion the score's digit: with K = 5 score points a response has 10 pairs, and each is two sequences,
where our K-way head sees the response once. `trl_peer.py` says what was mended in TRL's favour.
Responses are simulated; the gold reward of a score is minus its distance to the response's simulated
quality.

"Held-out" is the gold reward that the policy expects to get on responses that neither side trained on,
in PPO less the KL penalty (what both maximise); for a reward model, the share of all pairs of score
points of those responses that it puts in the right order. It is taken some times in a training (after
each batch, where there are few), outside the time. "To the same" compares the times at which the two
sides first came within .01 of TRL's best. Processor time is what to look at on a machine that does other
work, too.

In PPO each side tries the same settings (--rates, --inner, --layers), always with as many updates, and
TRL also batches of its own making; the last row compares what took each side there soonest.

Prompts of one item share their beginning, which our side runs once a batch; TRL's runs it in each. By
default the scenario is left out of the prompts and batches mix items, which leaves little to share;
--scenario --by-item gives both sides whole prompts in batches of one item, or of few, as in a study with
`[scorer] batches = "by_item"`. --responses, --all-pairs and --held change the sizes, --cases selects,
--keep goes on where an earlier run stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

# read when torch is first imported; TRL's side gets it too
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from alignment_sides import PEERS, Kept, peer_folder
from alignment_table import Result, compare, fastest, matmul_peaks, processor, table
from alignment_task import HeldOut, Meter, Task, load_task, ordered_pairs

from psyalign.align import AlignSettings, ScoredFeedback, align
from psyalign.foundation.seeds import generator
from psyalign.foundation.shipped import shipped_folder
from psyalign.items import load_bank
from psyalign.responses import load_phrases, simulate_sjt
from psyalign.reward import RewardModel
from psyalign.scorer import LoraScorer, Training
from psyalign.scorer.device import choose_compute
from psyalign.scorer.encode import Encoded, inference_batches, training_batches
from psyalign.scorer.prefix import lay_out

HERE = Path(__file__).parent
K = 5
BETA, RATE, RANK, ALPHA, SEED = 0.1, 3e-4, 8, 16.0, 1
# Held-out figures of a training, at most: they take longer than the training otherwise.
FIGURES = 16


class Case(NamedTuple):
    """A row of the table: what is trained, on how many responses, with one pair of each or all; and how."""

    name: str
    kind: str
    responses: int
    batch: int
    all_pairs: bool = False
    rate: float = RATE
    inner: int = 1
    epochs: int = 1
    layers: int = 0


def main() -> None:
    """Run every case on both sides and print a Markdown table."""
    options = _options()
    if options.ours:
        _ours(Path(options.ours))
        return
    began = time.perf_counter()
    peaks, bf16 = matmul_peaks(), choose_compute(options.precision).bf16
    peak = peaks["bfloat16" if bf16 else "float32"]
    cases = _cases(options)
    peers = {kind: peer_folder(kind, options.peers) for kind in dict.fromkeys(case.kind for case in cases)}
    told = {"ALIGNMENT_OPTIONS": json.dumps(vars(options))}
    kept = Kept(Path(options.keep) if options.keep else None, told)
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(options.jobs) as pool:
        folders = [Path(tempfile.mkdtemp(dir=name)) for _ in cases]
        tasks = [_task(case, options, folder) for case, folder in zip(cases, folders, strict=True)]

        def both(case: Case, task: Task, folder: Path) -> Result:
            return _both(case, task, folder, peers[case.kind], kept)

        results = list(pool.map(both, cases, tasks, folders))
    rows = [compare(result, peak) for result in results]
    tried = [one for case, one in zip(cases, results, strict=True) if case.kind == "ppo" and one.theirs]
    if len(tried) > 1:
        rows.append(fastest("PPO, each side at what took it there soonest", tried))
    _print_machine(peaks, bf16, options, time.perf_counter() - began)
    print(table(rows))


def _both(case: Case, task: Task, folder: Path, peer: Path | None, kept: Kept) -> Result:
    """Both sides of a case, each in a process of its own; TRL's PPO with our batches and with its own."""
    print(f"{case.name}: {task.n_pairs} pairs, {task.updates} updates …", file=sys.stderr)
    ours = kept.run(case.name, "ours", task, folder, [str(Path(__file__)), "--ours"], None)
    assert ours is not None, "our own side failed"
    theirs = []
    for shuffled in (False, True) if case.kind == "ppo" else (False,):
        if peer:
            side, one = "TRL, its own batches" if shuffled else "TRL", replace(task, shuffled=shuffled)
            theirs.append(kept.run(case.name, side, one, folder, [str(HERE / "trl_peer.py")], peer))
    return Result(case.name, task.n_pairs, task.updates, ours, [side for side in theirs if side])


def _print_machine(peaks: dict[str, float], bf16: bool, options: argparse.Namespace, took: float) -> None:
    print(f"{processor()}, {torch.get_num_threads()} threads, {platform.system()}; ", end="")
    names = ("torch", "transformers", "peft", "psyalign")
    print(", ".join(f"{name} {version(name)}" for name in names), end="; ")
    print(f"TRL {PEERS['dpo']}, PPO of TRL {PEERS['ppo']}. SmolLM2-135M-Instruct, LoRA r = {RANK}, ", end="")
    print(f"{'bf16 autocast' if bf16 else 'float32'}. ", end="")
    print(f"Prompts {'with' if options.scenario else 'without'} scenario, batches ", end="")
    print(f"{'by item' if options.by_item else 'of all items'}. Simulated responses. ", end="")
    print(f"This run took {took / 60:.0f} minutes.")
    peak = ", ".join(f"{name} {rate:.0f}" for name, rate in peaks.items())
    print(f"Matmul peak, GFLOP a processor second: {peak}.\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", default="auto", help="auto, none, or a folder")
    parser.add_argument(
        "--responses",
        type=int,
        default=96,
        help="with one pair each in DPO and the reward model, and in PPO",
    )
    parser.add_argument("--all-pairs", type=int, default=8, help="responses with all ten pairs")
    parser.add_argument("--keep", default="", help="file of what was run; the same command goes on with it")
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time; look at no wall time then")
    parser.add_argument("--held", type=int, default=24, help="held-out responses")
    parser.add_argument("--precision", choices=("auto", "float32", "bf16"), default="auto")
    parser.add_argument(
        "--peer-weights", choices=("float32", "bfloat16"), default="float32", help="TRL's frozen weights"
    )
    parser.add_argument("--rates", default="3e-4,1e-3", help="PPO's learning rates")
    parser.add_argument("--inner", default="4,1", help="PPO's passes over a batch; fewer see more batches")
    parser.add_argument("--layers", default="0", help="top layers that LoRA adapts in PPO; 0: all")
    parser.add_argument("--scenario", action="store_true", help="whole prompts, not without the scenario")
    parser.add_argument("--by-item", action="store_true", help="batches of one item, or of few")
    parser.add_argument("--cases", default="", help="parts of the names of the cases to run, with commas")
    parser.add_argument("--ours", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def _cases(options: argparse.Namespace) -> list[Case]:
    many, few = options.responses, options.all_pairs
    cases = [
        Case("reward model, one pair a response", "reward", many, 8),
        Case("reward model, all 10 pairs", "reward", few, 2, True),
        Case("DPO, one pair a response", "dpo", many, 8),
        Case("DPO, all 10 pairs", "dpo", few, 2, True),
    ]
    passes = [int(part) for part in options.inner.split(",")]
    rates = [float(part) for part in options.rates.split(",")]
    for layers, inner, rate in product(map(int, options.layers.split(",")), passes, rates):
        name = f"PPO: {f'top {layers}' if layers else 'all'} layers, {inner} × each batch, rate {rate:g}"
        # as many updates in each: fewer passes over a batch, more epochs
        cases.append(
            Case(name, "ppo", many, 8, rate=rate, inner=inner, epochs=max(passes) // inner, layers=layers)
        )
    wanted = [part.strip() for part in options.cases.split(",")]
    return [case for case in cases if any(part in case.name for part in wanted)]


def _items(scenario: bool) -> tuple[dict[str, Any], Path]:
    folder = shipped_folder("items") / "workplace-sjt"
    items = load_bank(folder).items
    if not scenario:
        items = {name: replace(item, scenario="") for name, item in items.items()}
    return items, folder / "phrases"


def _sample(options: argparse.Namespace) -> Any:
    """Simulated responses, and the quality of each: its true score point, spread within the point."""
    items, phrases = _items(options.scenario)
    persons = max(32, -(-(max(options.responses, options.all_pairs) + options.held) // len(items)))
    data = simulate_sjt(load_phrases(phrases), persons, SEED)
    order = generator(SEED, "sample").permutation(len(data.responses))
    responses = data.responses.iloc[order].reset_index(drop=True)
    true = data.ratings[data.ratings["rater"] == "true"].set_index(["person", "item"])["score"]
    quality = true.loc[list(zip(responses["person"], responses["item"], strict=True))].to_numpy(float)
    quality += generator(SEED, "quality").uniform(-0.4, 0.4, len(quality))
    return items, responses, -np.abs(np.arange(K)[None, :] - quality[:, None])


def _scorer(items: Any, layers: int, options: argparse.Namespace) -> LoraScorer:
    made = LoraScorer(
        items,
        "smollm2",
        rank=RANK,
        alpha=ALPHA,
        layers=layers,
        precision=options.precision,
        random_state=SEED,
    )
    return made.build()


def _task(case: Case, options: argparse.Namespace, folder: Path) -> Task:
    items, responses, gold = _sample(options)
    scorer = _scorer(items, case.layers, options)
    scorer.network_.save(folder / "start.safetensors")
    encoded = scorer.encode(responses)
    n, held = case.responses, slice(case.responses, case.responses + options.held)
    together = encoded.items[:n] if options.by_item else None
    batches = []
    for epoch in range(case.epochs):
        rng = generator(SEED, case.kind, "batches", epoch)  # as `align` and `RewardModel.fit` draw them
        batches += training_batches(encoded.lengths[:n], case.batch, rng, together)
    every = -(-len(batches) // FIGURES)
    return Task(
        kind=case.kind,
        model=scorer.base_.location,
        prompts=encoded.ids[:n],
        held=encoded.ids[held],
        digits=scorer.encoder_.score_tokens(),
        gold=gold[:n].tolist(),
        held_gold=gold[held].tolist(),
        pairs=[_pairs(row, case.all_pairs, at) for at, row in enumerate(gold[:n])],
        batches=batches,
        adapter=str(folder / "start.safetensors"),
        beta=BETA,
        learning_rate=case.rate,
        rank=RANK,
        alpha=ALPHA,
        layers=case.layers,
        inner=case.inner,
        epochs=case.epochs,
        seed=SEED,
        bf16=choose_compute(options.precision).bf16,
        weights=options.peer_weights,
        evaluations=list(range(every, len(batches) + 1, every)),
    )


def _pairs(gold: np.ndarray, all_pairs: bool, row: int) -> list[tuple[int, int]]:
    """The best score over a random other, or every pair; the score with more gold is preferred."""
    best = int(gold.argmax())
    if not all_pairs:
        other = generator(SEED, "rejected", row).choice([score for score in range(K) if score != best])
        return [(best, int(other))]
    order = np.argsort(-gold)
    return [(int(order[i]), int(order[j])) for i in range(K) for j in range(i + 1, K)]


def _ours(path: Path) -> None:
    """Our side of a task: the code that a study runs, watched after each update."""
    task = load_task(path)
    options = argparse.Namespace(**json.loads(os.environ["ALIGNMENT_OPTIONS"]))
    items, responses, _ = _sample(options)
    n = len(task.prompts)
    train, held = responses.iloc[:n], responses.iloc[n : n + len(task.held)]
    scorer = _scorer(items, task.layers, options)
    scorer.network_.load(Path(task.adapter))
    if task.kind != "reward":
        scorer.network_.head.requires_grad_(False)  # TRL's LM head is frozen, too: the same weights learn
    assert scorer.encode(train).ids == task.prompts
    wins = np.zeros((n, K, K), dtype=np.float32)
    for row, pairs in enumerate(task.pairs):
        for better, worse in pairs:
            wins[row, better, worse] += 1

    held_out = HeldOut(task)

    def evaluate() -> dict[str, float]:
        if task.kind == "reward":
            return ordered_pairs(RewardModel(scorer, training).rewards(held, quiet=True), task.held_gold)
        return held_out(scorer.predict_log_proba(held, quiet=True))

    size = max(len(rows) for rows in task.batches)
    training = Training(task.epochs, size, task.learning_rate, task.seed, by_item=options.by_item)
    meter = Meter(evaluate, [step * task.passes for step in task.evaluations])
    _watch(meter)
    meter.start()
    if task.kind == "reward":
        RewardModel(scorer, training).fit(train, wins)
    else:
        feedback = ScoredFeedback(
            responses=train,
            scores=np.asarray(task.gold).argmax(axis=1),
            wins=wins,
            reference=scorer.predict_log_proba(train, quiet=True),  # in the time measured
            rewards=np.asarray(task.gold),
        )
        settings = AlignSettings(training, beta=task.beta, ppo_inner=task.inner)
        # the label seeds the order of the batches, which is the peer's
        align(scorer, task.kind, feedback, None, settings, label=task.kind)  # type: ignore[arg-type]
    meter.finish(flops=_flops(task, scorer, scorer.encode(train)))


def _watch(meter: Meter) -> None:
    """Tell the meter of each update of the shared training loop."""
    loop = sys.modules["psyalign.scorer.train"]
    update = loop._update  # type: ignore[attr-defined]

    def watched(*arguments: Any, **named: Any) -> Any:
        result = update(*arguments, **named)
        meter.step()
        return result

    loop._update = watched  # type: ignore[attr-defined]


def _flops(task: Task, scorer: LoraScorer, encoded: Encoded) -> float:
    """Multiply-adds times two of our training, attention scores left out.

    N parameters of the linear layers, n of LoRA, T tokens without padding and with common beginnings
    once: forward 2NT and gradient of the activations 2NT (frozen weights need none of their own), LoRA
    6nT, and 2NT for the reference's log-probabilities. Layers below the adapted ones: 2NT once for both.
    """
    adapted = sum(value.numel() for name, value in scorer.network_.trainable().items() if "lora_" in name)
    linear = {
        name: module.weight.numel()
        for name, module in scorer.network_.backbone.named_modules()
        if isinstance(module, torch.nn.Linear) and "lora_" not in name
    }
    frozen = sum(count for name, count in linear.items() if name.endswith("base_layer"))
    everything = sum(linear.values())
    tokens = _tokens(encoded, task.batches)
    below = 2 * (everything - frozen) * int(encoded.lengths.sum())
    scored = (
        0
        if task.kind == "reward"
        else 2 * frozen * _tokens(encoded, inference_batches(encoded, shared=scorer.network_.shares))
    )
    return float(task.passes * (4 * frozen + 6 * adapted) * tokens + below + scored)


def _tokens(encoded: Encoded, batches: list[list[int]]) -> int:
    """Tokens that a pass over the batches runs."""
    count = 0
    for rows in batches:
        layout = lay_out(encoded.batch(rows, torch.device("cpu")))
        count += int(encoded.lengths[rows].sum())
        if layout is not None:
            count -= sum(group.prefix * (len(group.rows) - 1) for group in layout.groups)
    return count


if __name__ == "__main__":
    main()
