"""Alignment of a K-way scorer against TRL's trainers, as ratios, in one run on the same task.

    .venv/bin/python benchmarks/alignment.py                  makes TRL's environments if they are missing
    .venv/bin/python benchmarks/alignment.py --peers PATH     folder with trl-1.16.0 and trl-1.12.0
    .venv/bin/python benchmarks/alignment.py --peers none     ours alone

A ratio is TRL's over ours, so that above 1 psyalign is faster or smaller. Both sides get the same
base model (SmolLM2), prompts, judgements, batches, optimiser steps, learning rates, LoRA and its
start, precision and threads; each runs in a process of its own. In TRL's formulation the prompt is
ours and the completion the score's digit: with K = 5 score points a response has 10 pairs, and
each is two sequences, where our K-way head sees the response once. `trl_peer.py` says what was
mended in TRL's favour. Responses are simulated; the gold reward of a score is minus its distance
to the response's simulated quality. "Held-out" is the gold reward that the policy expects to get on
responses that neither side trained on; for a reward model, the share of all pairs of score points
of those responses that it puts in the right order. "To the same" compares the times at
which the two sides first came within .01 of TRL's best. The held-out figure is taken after every
batch, outside the time. Processor time is what to look at on a machine that does other work
too.
Prompts of one item share their beginning, which our side runs once a batch; TRL's runs it in each.
By default the scenario is left out of the prompts and batches mix items, which leaves little to share;
--scenario --by-item gives both sides whole prompts in batches of one item, or of few, as in a study
with `[scorer] batches = "by_item"`.
--responses, --all-pairs and --held change the sizes, --cases selects.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

# read when torch is first imported; TRL's side gets it too
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from alignment_task import Meter, Task, expected_reward, load_task, ordered_pairs, save_task

from psyalign.align import AlignSettings, ScoredFeedback, align
from psyalign.foundation.seeds import generator
from psyalign.foundation.shipped import shipped_folder
from psyalign.items import load_bank
from psyalign.responses import load_phrases, simulate_sjt
from psyalign.reward import RewardModel
from psyalign.scorer import LoraScorer, Training
from psyalign.scorer.device import choose_compute
from psyalign.scorer.encode import Encoded, inference_batches, training_batches
from psyalign.scorer.models import cache_folder
from psyalign.scorer.prefix import lay_out

HERE = Path(__file__).parent
# The two sides round differently in bf16: DPO, whose gradients are the same, differed by .007.
NOISE = 0.01
K = 5
PEERS = {"reward": "1.16.0", "dpo": "1.16.0", "ppo": "1.12.0"}  # PPO ends with 1.12
BESIDE = ("datasets==5.2.0", "dill==0.4.1", "multiprocess==0.70.19", "xxhash==4.1.0")
BETA, RATE, RANK, ALPHA, INNER, SEED = 0.1, 3e-4, 8, 16.0, 4, 1


class Case(NamedTuple):
    """A row of the table: what is trained, on how many responses, with one pair of each or all."""

    name: str
    kind: str
    responses: int
    batch: int
    all_pairs: bool = False


def main() -> None:
    """Run every case on both sides and print a Markdown table."""
    options = _options()
    if options.ours:
        _ours(Path(options.ours))
        return
    began = time.perf_counter()
    peaks, bf16 = _matmul_peaks(), choose_compute(options.precision).bf16
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        for case in _cases(options):
            task = _task(case, options, Path(name))
            peer = _peer(case, options)
            print(f"{case.name}: {task.n_pairs} pairs, {task.updates} updates …", file=sys.stderr)
            ours = _run(Path(name), task, [str(Path(__file__)), "--ours"], None)
            theirs = _run(Path(name), task, [str(HERE / "trl_peer.py")], peer) if peer else None
            rows.append(_row(case, task, ours, theirs, peaks["bfloat16" if bf16 else "float32"]))
    _print(rows, peaks, bf16, options, time.perf_counter() - began)


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
    parser.add_argument("--held", type=int, default=24, help="held-out responses")
    parser.add_argument("--precision", choices=("auto", "float32", "bf16"), default="auto")
    parser.add_argument(
        "--peer-weights", choices=("float32", "bfloat16"), default="float32", help="TRL's frozen weights"
    )
    parser.add_argument("--layers", type=int, default=0, help="top layers that LoRA adapts; 0: all")
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
        Case("PPO, all-action (TRL: sampled)", "ppo", many, 8),
    ]
    wanted = [part.strip() for part in options.cases.split(",")]
    return [case for case in cases if any(part in case.name for part in wanted)]


def _items(scenario: bool) -> tuple[dict[str, Any], Path]:
    folder = shipped_folder("items") / "workplace-sjt"
    items = load_bank(folder).items
    if not scenario:
        items = {name: dataclasses.replace(item, scenario="") for name, item in items.items()}
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


def _scorer(items: Any, options: argparse.Namespace) -> LoraScorer:
    made = LoraScorer(
        items,
        "smollm2",
        rank=RANK,
        alpha=ALPHA,
        layers=options.layers,
        precision=options.precision,
        random_state=SEED,
    )
    return made.build()


def _task(case: Case, options: argparse.Namespace, folder: Path) -> Task:
    items, responses, gold = _sample(options)
    scorer = _scorer(items, options)
    scorer.network_.save(folder / "start.safetensors")
    encoded = scorer.encode(responses)
    n, held = case.responses, slice(case.responses, case.responses + options.held)
    rng = generator(SEED, case.kind, "batches", 0)  # as `align` and `RewardModel.fit` draw them
    together = encoded.items[:n] if options.by_item else None
    batches = training_batches(encoded.lengths[:n], case.batch, rng, together)
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
        learning_rate=RATE,
        rank=RANK,
        alpha=ALPHA,
        layers=options.layers,
        inner=INNER,
        seed=SEED,
        bf16=choose_compute(options.precision).bf16,
        weights=options.peer_weights,
        evaluations=list(range(1, len(batches) + 1)),
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
    scorer = _scorer(items, options)
    scorer.network_.load(Path(task.adapter))
    if task.kind != "reward":
        scorer.network_.head.requires_grad_(False)  # TRL's LM head is frozen, too: the same weights learn
    assert scorer.encode(train).ids == task.prompts
    wins = np.zeros((n, K, K), dtype=np.float32)
    for row, pairs in enumerate(task.pairs):
        for better, worse in pairs:
            wins[row, better, worse] += 1

    def evaluate() -> float:
        model = RewardModel(scorer, training)
        if task.kind == "reward":
            return ordered_pairs(model.rewards(held, quiet=True), task.held_gold)
        return expected_reward(scorer.predict_log_proba(held, quiet=True), task.held_gold)

    size = max(len(rows) for rows in task.batches)
    training = Training(1, size, task.learning_rate, task.seed, by_item=options.by_item)
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
    6nT, and 2NT for the reference's log-probabilities. Layers below the adapted ones: 2NT once.
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
        else 2 * everything * _tokens(encoded, inference_batches(encoded, shared=scorer.network_.shares))
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


def _matmul_peaks() -> dict[str, float]:
    """Best GFLOP per processor second of a short matmul loop: what this machine can do."""
    found = {}
    for name in ("float32", "bfloat16"):
        left, right = (torch.randn(1536, 1536).to(getattr(torch, name)) for _ in range(2))
        rates = []
        for _ in range(30):
            start = time.process_time()
            left @ right
            rates.append(2 * 1536**3 / max(time.process_time() - start, 1e-9) / 1e9)
        found[name] = float(np.quantile(rates, 0.9))
    return found


def _peer(case: Case, options: argparse.Namespace) -> Path | None:
    """Folder with the TRL that has this case's trainer, made if it is missing."""
    if options.peers == "none":
        return None
    root = cache_folder() / "peers" if options.peers == "auto" else Path(options.peers)
    folder = root / f"trl-{PEERS[case.kind]}"
    if (folder / "trl").is_dir() and (folder / "datasets").is_dir():
        return folder
    print(
        f"TRL {PEERS[case.kind]} is fetched into {folder} (your environment is left alone) …", file=sys.stderr
    )
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    done = subprocess.run(
        [*command, f"trl=={PEERS[case.kind]}", *BESIDE], check=False, capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no word of why"])[-1]
        print(f"Skipped: TRL {PEERS[case.kind]} cannot be had here ({reason}).", file=sys.stderr)
        return None
    return folder


def _run(folder: Path, task: Task, command: list[str], peer: Path | None) -> dict[str, Any] | None:
    """Run one side in a process of its own; None, and why, if it fails."""
    path = folder / "task.json"
    save_task(task, path)
    environment = os.environ | {"TRL_EXPERIMENTAL_SILENCE": "1", "HF_HUB_OFFLINE": "1"}
    environment["ALIGNMENT_OPTIONS"] = json.dumps(vars(_options()))
    if peer:
        environment["PYTHONPATH"] = os.pathsep.join([str(peer), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *command, str(path)], check=False, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        print(f"Skipped: {Path(command[0]).name} failed.\n{done.stderr[-3000:]}", file=sys.stderr)
        return None
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def _row(
    case: Case, task: Task, ours: dict[str, Any] | None, theirs: dict[str, Any] | None, peak: float
) -> dict[str, Any]:
    assert ours is not None, "our own side failed"
    last = ours["steps"][-1]
    print(json.dumps({"case": case.name, "ours": ours, "TRL": theirs}), file=sys.stderr)
    row: dict[str, Any] = {
        "": case.name,
        "pairs": str(task.n_pairs),
        "updates": str(task.updates),
        "held-out: start": ours["first"],
        "ours at the end": last["reward"],
        "our share of the matmul peak": f"{ours['flops'] / last['cpu'] / 1e9 / peak:.0%}",
    }
    if theirs is None:
        return row
    end = theirs["steps"][-1]
    best = max(step["reward"] for step in theirs["steps"] if step["reward"])
    there, reached = _first(theirs, best - NOISE), _first(ours, best - NOISE)
    return row | {
        "TRL at the end": end["reward"],
        "TRL's best": best,
        "processor time": end["cpu"] / last["cpu"],
        "wall time": end["wall"] / last["wall"],
        "processor time to the same": there["cpu"] / reached["cpu"] if there and reached else "not reached",
        "wall time to the same": there["wall"] / reached["wall"] if there and reached else "not reached",
        "peak memory": theirs["peak_mib"] / ours["peak_mib"],
    }


def _first(side: dict[str, Any], level: float) -> dict[str, Any] | None:
    """The first step at which the held-out figure was `level` or better."""
    return next((step for step in side["steps"] if step["reward"] and step["reward"] >= level), None)


def _print(
    rows: list[dict[str, Any]],
    peaks: dict[str, float],
    bf16: bool,
    options: argparse.Namespace,
    took: float,
) -> None:
    """The machine, and a Markdown table."""
    names = ("torch", "transformers", "peft", "psyalign")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    print(f"{_processor()}, {torch.get_num_threads()} threads, {platform.system()}; {versions}; ", end="")
    print(f"TRL {PEERS['dpo']}, PPO of TRL {PEERS['ppo']}. SmolLM2-135M-Instruct, LoRA r = {RANK} ", end="")
    print(f"on {f'the top {options.layers}' if options.layers else 'all'} layers, ", end="")
    print(f"{'bf16 autocast' if bf16 else 'float32'}. ", end="")
    print(f"Prompts {'with' if options.scenario else 'without'} scenario, batches ", end="")
    print(f"{'by item' if options.by_item else 'of all items'}. Simulated responses. ", end="")
    print(f"One run of {took / 60:.0f} minutes.")
    peak = ", ".join(f"{name} {rate:.0f}" for name, rate in peaks.items())
    print(f"Matmul peak, GFLOP a processor second: {peak}.\n")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        cells = (row.get(name, "–") for name in columns)
        print(f"| {' | '.join(f'{cell:.2f}' if isinstance(cell, float) else cell for cell in cells)} |")


def _processor() -> str:
    """What /proc calls the processor, else the platform's word for it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    found = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
