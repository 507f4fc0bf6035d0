"""What both sides of `alignment.py` share: the task on disk, the meter, the held-out reward."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

__all__ = ["HeldOut", "Meter", "Task", "load_task", "ordered_pairs", "save_task", "schedule"]


@dataclass
class Task:
    """One comparison: the same model, prompts, judgements, batches and settings for both sides.

    Attributes
    ----------
    kind : {"reward", "dpo", "ppo"}
    model : str
        Folder of the base model.
    prompts, held : list of lists of int
        Token ids of the training and the held-out prompts, cue included.
    digits : list of K int
        Token ids of the score points.
    gold, held_gold : lists of lists of float
        Gold reward of every score point of a response.
    pairs : list of lists of (preferred, rejected)
        Judgements on each training response.
    batches : list of lists of int
        Training responses of each optimiser step, in order.
    inner, epochs : int
        PPO's updates on each batch; how often the responses are gone through, all of it in `batches`.
    evaluations : list of int
        After how many batches the held-out figure is taken.
    shuffled : bool
        TRL's PPO: batches of its own making, as its trainer draws them by default, not ours.
    adapter : str
        Safetensors file with LoRA's start, the same for both.
    layers : int
        How many top layers LoRA adapts; 0 is all.
    """

    kind: str
    model: str
    prompts: list[list[int]]
    held: list[list[int]]
    digits: list[int]
    gold: list[list[float]]
    held_gold: list[list[float]]
    pairs: list[list[tuple[int, int]]]
    batches: list[list[int]]
    adapter: str
    beta: float
    learning_rate: float
    rank: int
    alpha: float
    layers: int
    inner: int
    epochs: int
    seed: int
    bf16: bool
    weights: str
    evaluations: list[int]
    shuffled: bool = False

    @property
    def n_pairs(self) -> int:
        return sum(len(pairs) for pairs in self.pairs)

    @property
    def updates(self) -> int:
        return len(self.batches) * self.passes

    @property
    def passes(self) -> int:
        """How many updates each batch is for."""
        return self.inner if self.kind == "ppo" else 1

    def fingerprint(self) -> str:
        """What the figures depend on, but for the machine: all of it but where files lie."""
        facts = {name: value for name, value in asdict(self).items() if name not in ("model", "adapter")}
        return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def save_task(task: Task, path: Path) -> None:
    path.write_text(json.dumps(asdict(task)))


def load_task(path: Path) -> Task:
    return Task(**json.loads(path.read_text()))


def schedule(total: int) -> Callable[[int], float]:
    """psyalign's learning-rate schedule, given to the peer too: one tenth of warm-up, linear decay."""
    warm = max(1, round(0.1 * total))
    return lambda step: min((step + 1) / warm, max(0.0, (total - step) / max(1, total - warm)))


class HeldOut:
    """The held-out figure of a policy, by its log-probabilities (N, K); first called with the reference's.

    The gold reward that the policy expects to get; in PPO less β times its KL from the reference, which is
    what both sides maximise: a policy that gives everybody the same score can have a good reward.
    """

    def __init__(self, task: Task):
        self._gold, self._beta = np.asarray(task.held_gold), task.beta if task.kind == "ppo" else 0.0
        self._reference: np.ndarray | None = None

    def __call__(self, log_probs: np.ndarray) -> dict[str, float]:
        if self._reference is None:
            self._reference = log_probs
        chances = np.exp(log_probs)
        gold = float((chances * self._gold).sum(axis=1).mean())
        kl = float((chances * (log_probs - self._reference)).sum(axis=1).mean())
        return {"reward": gold - self._beta * kl, "gold": gold, "kl": kl}


def ordered_pairs(rewards: np.ndarray, gold: list[list[float]]) -> dict[str, float]:
    """The held-out figure of a reward model: share of pairs of score points that it puts in gold's order."""
    mine, true = (table[:, :, None] - table[:, None, :] for table in (rewards, np.asarray(gold)))
    return {"reward": float(((mine > 0) + 0.5 * (mine == 0))[true > 0].mean())}


class Meter:
    """Wall and processor seconds of training, without the time that evaluation takes.

    Processor time is the measure that other programs on the machine hardly disturb.
    """

    def __init__(self, evaluate: Callable[[], dict[str, float]], at: list[int]):
        self._evaluate, self._at = evaluate, set(at)
        self.steps: list[dict[str, float | None]] = []
        self._excluded = (0.0, 0.0)

    def start(self) -> None:
        self._began = (time.perf_counter(), time.process_time())
        self.first = self._evaluate()["reward"]
        self._began = (time.perf_counter(), time.process_time())

    def step(self) -> None:
        """After an update; evaluates where the task asks for it."""
        now = (time.perf_counter(), time.process_time())
        wall, cpu = (a - b - c for a, b, c in zip(now, self._began, self._excluded, strict=True))
        number = len(self.steps) + 1
        figures = self._evaluate() if number in self._at else {"reward": None}
        after = (time.perf_counter(), time.process_time())
        self._excluded = tuple(  # type: ignore[assignment]
            old + b - a for old, a, b in zip(self._excluded, now, after, strict=True)
        )
        self.steps.append({"step": number, "wall": wall, "cpu": cpu, **figures})

    def finish(self, **facts: object) -> None:
        """Print the result as the last line of standard output, for the program that started us."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"first": self.first, "steps": self.steps, "peak_mib": peak, **facts}))
