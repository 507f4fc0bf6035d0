"""The training loop that supervised fine-tuning, reward modelling and alignment share."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from psyalign.foundation.errors import ModelError
from psyalign.foundation.files import atomic_path
from psyalign.foundation.progress import progress_bar
from psyalign.foundation.seeds import derive_seed
from psyalign.scorer.device import deterministic
from psyalign.scorer.distributed import current_team
from psyalign.scorer.encode import training_batches
from psyalign.scorer.network import KWayNetwork

__all__ = ["LossRow", "Training", "train"]


@dataclass(frozen=True)
class Training:
    """Settings of one training: AdamW with linear warm-up and decay, gradients clipped at norm 1.

    With `by_item` a batch holds prompts of one item, or of few: see `training_batches`.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    warmup: float = 0.1
    weight_decay: float = 0.01
    clip: float = 1.0
    by_item: bool = False

    def batches(self, lengths: np.ndarray, items: np.ndarray, rng: np.random.Generator) -> list[list[int]]:
        """The rows of an epoch's batches, for prompts of these lengths and items, both (N,)."""
        return training_batches(lengths, self.batch_size, rng, items if self.by_item else None)


@dataclass(frozen=True)
class LossRow:
    """Loss of one update: `step` counts from 1 over the whole training."""

    step: int
    epoch: int
    loss: float


def train(
    network: KWayNetwork,
    plan: Callable[[int], Sequence[Any]],
    losses: Callable[[Any], Iterator[torch.Tensor]],
    settings: Training,
    *,
    label: str,
    updates_per_step: int = 1,
    dropout: bool = True,
    checkpoint: Path | None = None,
) -> list[LossRow]:
    """Update the network's LoRA and head.

    Under torchrun the other processes share the passes; see `psyalign.scorer.distributed`. The result
    is the same up to the order of float32 sums, but for the noise of dropout, where that is active.

    Parameters
    ----------
    network : KWayNetwork
    plan : callable
        Epoch number (from 0) to the steps of that epoch; must depend on nothing but the
        epoch, so that a resumed training sees the same steps. Every epoch is equally long.
    losses : callable
        A step to an iterator of scalar losses; after each one the network is updated, so
        the next is computed with the new weights (PPO's inner epochs).
    settings : Training
    label : str
        Shown beside the progress bar.
    updates_per_step : int
        How many losses each step yields.
    dropout : bool
        Whether dropout (LoRA's, and the base model's own: .1 in MiniLM) is active. Not where
        log-probabilities are compared with cached ones: its noise would be taken for a difference.
    checkpoint : Path, optional
        Safetensors file written after each epoch. If it exists, training goes on after the
        epoch that it holds, and ends with the same weights as an unbroken training.

    Returns
    -------
    list of LossRow

    Raises
    ------
    ModelError
        The loss is not finite; or, under torchrun, the processes come to differ.
    """
    parameters = network.trainable()
    optimiser = torch.optim.AdamW(
        parameters.values(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    total = settings.epochs * len(plan(0)) * updates_per_step
    warm = max(1, round(settings.warmup * total))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warm, max(0.0, (total - step) / max(1, total - warm)))
    )
    history: list[LossRow] = []
    start = 0
    if checkpoint is not None and checkpoint.is_file():
        start, history = _restore(checkpoint, parameters, optimiser, schedule)
    network.train(dropout)
    team = current_team()
    with progress_bar(total, label) as bar, team.training(network) if team else nullcontext():
        bar.update(len(history))
        for epoch in range(start, settings.epochs):
            seed = derive_seed(settings.seed, label, epoch)
            deterministic(seed)  # dropout, if there is any
            if team:
                team.start_epoch(seed, dropout)
            for step in plan(epoch):
                for loss in losses(step):
                    history.append(
                        LossRow(len(history) + 1, epoch, _update(loss, parameters, optimiser, settings))
                    )
                    schedule.step()
                    bar.update()
                    bar.set_postfix(loss=f"{history[-1].loss:.3f}", refresh=False)
            if checkpoint is not None and epoch + 1 < settings.epochs:
                _keep(checkpoint, epoch + 1, history, parameters, optimiser)
    network.eval()
    return history


def _update(
    loss: torch.Tensor, parameters: dict[str, Any], optimiser: torch.optim.Optimizer, settings: Training
) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise ModelError(
            "Training diverged: the loss is not a finite number.",
            where="learning_rate",
            mend="Lower the learning rate or raise warmup, and run again.",
        )
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    team = current_team()
    if team:
        team.gather_gradients()
    torch.nn.utils.clip_grad_norm_(parameters.values(), settings.clip)
    optimiser.step()
    if team:
        team.spread_weights()
    return value


def _keep(
    path: Path,
    done: int,
    history: list[LossRow],
    parameters: dict[str, Any],
    optimiser: torch.optim.Optimizer,
) -> None:
    """Weights, Adam's moments and the loss history in one safetensors file."""
    from safetensors.torch import save_file

    tensors: dict[str, torch.Tensor] = {}
    for name, value in parameters.items():
        tensors[f"weight/{name}"] = value.detach().cpu().contiguous().clone()
        for key, moment in optimiser.state[value].items():
            tensors[f"{key}/{name}"] = moment.detach().cpu().contiguous().clone()
    losses = json.dumps([[row.step, row.epoch, row.loss] for row in history])
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={"done": str(done), "losses": losses})


def _restore(
    path: Path, parameters: dict[str, Any], optimiser: torch.optim.Optimizer, schedule: Any
) -> tuple[int, list[LossRow]]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        facts = file.metadata()
        with torch.no_grad():
            for name, value in parameters.items():
                value.copy_(file.get_tensor(f"weight/{name}"))
        keys = {name.split("/", 1)[0] for name in file.keys()} - {"weight"}  # noqa: SIM118 - not a dict
        for name, value in parameters.items():
            optimiser.state[value] = {
                key: file.get_tensor(f"{key}/{name}").to("cpu" if key == "step" else value.device)
                for key in keys
                if f"{key}/{name}" in file.keys()  # noqa: SIM118
            }
    history = [
        LossRow(int(step), int(epoch), float(loss)) for step, epoch, loss in json.loads(facts["losses"])
    ]
    rates = schedule.lr_lambdas[0]
    schedule.last_epoch = len(history)
    for group, base in zip(optimiser.param_groups, schedule.base_lrs, strict=True):
        group["lr"] = base * rates(len(history))
    return int(facts["done"]), history
