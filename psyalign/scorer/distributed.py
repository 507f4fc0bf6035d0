"""Several processes, one device each: the first runs the study, the others share its networks' work.

Only forward and backward passes are shared out, so a loss never knows. Of a batch of B rows each process
runs its part through its replica of the network; process 0 puts the (B, K) outputs together, computes
the loss of the whole batch from them, and hands each process the gradient of its own rows. The gradients
of the weights are summed in process 0, which clips and steps as ever and spreads the new weights. Whatever
an objective is normalised by, the update is that of one process up to the order of float32 sums.
Files, random draws, the optimiser and the run's lock are process 0's alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from psyalign.foundation.errors import Interrupted, ModelError
from psyalign.foundation.launch import Launch, launch
from psyalign.scorer.channel import Channel
from psyalign.scorer.encode import Batch, Encoded

if TYPE_CHECKING:
    from psyalign.scorer.lora_scorer import LoraScorer
    from psyalign.scorer.network import KWayNetwork

__all__ = ["Team", "current_team", "recipe", "together"]

_team: Team | None = None


def current_team() -> Team | None:
    """The processes that share this one's work; None unless within `together` under torchrun."""
    return _team


@contextmanager
def together(started: Launch | None = None) -> Iterator[bool]:
    """Within the block the processes that torchrun started work on what process 0 trains and scores.

    Parameters
    ----------
    started : Launch, optional
        By default what torchrun's environment says.

    Yields
    ------
    bool
        Whether this process is to run the block's content. Process 0 is, and so is one that
        was started alone; the others have done their part by then.

    Raises
    ------
    ModelError, RunError
        The processes cannot be joined, or have no device of their own.

    Examples
    --------
    >>> with together() as leads:  # without torchrun, nothing else happens
    ...     leads
    True
    """
    global _team  # noqa: PLW0603 - a process has one place among the others
    started = started or launch()
    if started is None:
        yield True
        return
    channel = Channel(started)
    if started.rank:
        from psyalign.scorer.follower import follow

        follow(channel)
        yield False
        return
    _team = Team(channel)
    try:
        yield True
    finally:
        team, _team = _team, None
        team.leave()


@dataclasses.dataclass(frozen=True)
class _Pass:
    """One forward pass: process 0's own rows with their graph, and the whole table that the loss gets."""

    own: torch.Tensor
    table: torch.Tensor
    parts: list[np.ndarray]


class Team:
    """Process 0's view of the others: what it orders, and how it puts together what they make.

    Parameters
    ----------
    channel : Channel
    """

    def __init__(self, channel: Channel):
        self._channel = channel
        self._waiting = True  # for an order: the others may be sent home
        self._network: KWayNetwork | None = None  # while it is trained
        self._shared: dict[str, torch.nn.Parameter] = {}
        self._passes: list[_Pass] = []

    @property
    def size(self) -> int:
        """Number of processes, this one included."""
        return self._channel.size

    @property
    def free(self) -> bool:
        """Whether no network is trained, so that the others can score with one."""
        return self._network is None

    @contextmanager
    def training(self, network: KWayNetwork) -> Iterator[None]:
        """Share the network's passes while the block trains it; at its end all hold the same weights.

        Raises
        ------
        ModelError
            The processes' base models differ, or their weights at the end do.
        """
        if not network.recipe:  # of no scorer's making: only this process has it
            yield
            return
        self._enlist(network)
        self._network, network.team = network, self
        try:
            yield
            self._assert_same()
        finally:
            self._network, network.team = None, None
            self._passes.clear()

    def start_epoch(self, seed: int, dropout: bool) -> None:
        """Tell the others the mode, and the seed of the epoch, of which each makes its own."""
        if self._network is not None:
            self._passes.clear()
            self._order("start_epoch", [(seed, dropout)] * self.size)
            self._replies()

    def outputs(self, network: KWayNetwork, batch: Batch) -> torch.Tensor:
        """Outputs (B, K) of the whole batch, a leaf; each process has run its rows."""
        if not torch.is_grad_enabled():
            return network.own_outputs(batch)
        parts = np.array_split(np.arange(len(batch.input_ids)), self.size)
        theirs = [(_part(batch, rows) if len(rows) else None,) for rows in parts[1:]]
        self._order("forward", [(), *theirs])
        own = network.own_outputs(_part(batch, parts[0], batch.input_ids.device))
        tables = [torch.from_numpy(table).to(own.device) for table in self._replies() if table is not None]
        table = torch.cat([own.detach(), *tables]).requires_grad_()
        self._passes.append(_Pass(own, table, parts))
        return table

    def gather_gradients(self) -> None:
        """After the loss's backward pass: carry it on through all rows, and sum the weights' gradients."""
        if self._network is None:
            return
        theirs = [([_slope(one, number) for one in self._passes],) for number in range(1, self.size)]
        self._order("backward", [(), *theirs])
        for one in self._passes:
            if one.table.grad is not None:
                one.own.backward(one.table.grad[one.parts[0]])  # type: ignore[no-untyped-call]
        self._passes.clear()
        self._replies()
        self._order("update", [()] * self.size)
        put_gradients(self._shared, self._channel.add(flat_gradients(self._shared)))

    def spread_weights(self) -> None:
        """After the optimiser's step: the others get the new weights."""
        if self._network is not None:
            self._channel.spread(flat_weights(self._shared))
            self._waiting = True

    def score(
        self, scorer: LoraScorer, function: str, encoded: Encoded, batches: Sequence[list[int]], bar: Any
    ) -> np.ndarray:
        """Run `function` of the scorer's network on the batches, dealt out to the processes; (N, K)."""
        self._enlist(scorer.network_)
        dealt = [list(batches[number :: self.size]) for number in range(self.size)]
        self._order("score", [(), *((function, *_excerpt(encoded, hand)) for hand in dealt[1:])])
        own = run_batches(scorer.network_, function, encoded, dealt[0], bar)
        result = np.empty((len(encoded), encoded.max_scores))
        for hand, tables in zip(dealt, [own, *self._replies()], strict=True):
            for rows, table in zip(hand, tables, strict=True):
                result[rows] = table
        bar.update(len(encoded) - sum(len(rows) for rows in dealt[0]))
        return result

    def leave(self) -> None:
        """Send the others home if they wait for orders; else they go when this process has gone."""
        if self._waiting:
            try:
                self._order("end", [()] * self.size)
                self._channel.close()
            except Interrupted:
                return  # they have gone already

    def _enlist(self, network: KWayNetwork) -> None:
        """Each process makes a replica of the network, unless it has it, and takes its weights."""
        mine = network.trainable()
        self._order("take", [(network.recipe,)] * self.size)
        for names, base in self._replies():
            if names != [name for name in names if name in mine] or base != network.recipe["base_sha256"]:
                raise ModelError(
                    "The processes do not have the same base model.",
                    where=f"[scorer] base = '{network.recipe['settings']['base']}'",
                    mend="Install the same versions, and the same model, on every machine.",
                )
            self._shared = {name: mine[name] for name in names}
        self._order("weights", [()] * self.size)
        self._channel.spread(flat_weights(self._shared))
        self._waiting = True

    def _assert_same(self) -> None:
        self._order("fingerprint", [()] * self.size)
        if set(self._replies()) != {fingerprint(self._shared)}:
            raise ModelError(
                "The processes' weights differ at the end of a training.",
                where="torchrun",
                mend="Run again with --fresh; if it comes back, run in one process and report it.",
            )

    def _order(self, name: str, orders: Sequence[tuple[Any, ...]]) -> None:
        self._waiting = False
        self._channel.order([(name, order) for order in orders])

    def _replies(self) -> list[Any]:
        replies = self._channel.replies()
        self._waiting = True  # also where one of them replied with an error
        return [reply.content() for reply in replies]


def recipe(scorer: LoraScorer) -> dict[str, Any]:
    """What another process needs to build the same network: the scorer's settings, and its base's hash.

    Weights, the seed of their start, and what only concerns training are left out.
    """
    names = [name for name in inspect.signature(type(scorer).__init__).parameters if name != "self"]
    settings = {name: getattr(scorer, name) for name in names}
    settings |= {
        "items": dict(scorer.items),
        "training": None,
        "random_state": 0,
        "precision": scorer.network_.compute.precision,
        "folder": scorer.folder.resolve() if scorer.folder else None,
    }
    return {"settings": settings, "base_sha256": scorer.base_.sha256}


def run_batches(
    network: KWayNetwork, function: str, encoded: Encoded, batches: Sequence[list[int]], bar: Any = None
) -> list[np.ndarray]:
    """`function` ("outputs" or "log_probs") of the network on each batch of rows; float64."""
    tables = []
    with torch.inference_mode():
        for rows in batches:
            batch = encoded.batch(rows, network.compute.device)
            tables.append(getattr(network, function)(batch).double().cpu().numpy())
            if bar is not None:
                bar.update(len(rows))
    return tables


def flat_weights(shared: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """All weights in one vector."""
    return torch.cat([value.detach().reshape(-1) for value in shared.values()])


def flat_gradients(shared: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """All gradients in one vector, and for each weight whether there is one."""
    parts = [
        torch.zeros_like(value).reshape(-1) if value.grad is None else value.grad.reshape(-1)
        for value in shared.values()
    ]
    there = torch.tensor([float(value.grad is not None) for value in shared.values()])
    return torch.cat([*parts, there.to(parts[0])])


def put_gradients(shared: Mapping[str, torch.Tensor], flat: torch.Tensor) -> None:
    """The inverse of `flat_gradients`: where no process has a gradient there is none, which Adam skips."""
    sizes = [value.numel() for value in shared.values()]
    *parts, there = torch.split(flat, [*sizes, len(sizes)])
    for value, part, some in zip(shared.values(), parts, there.tolist(), strict=True):
        value.grad = part.reshape(value.shape).clone() if some else None


def fingerprint(shared: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of the weights."""
    return hashlib.sha256(flat_weights(shared).cpu().numpy().tobytes()).hexdigest()


def _slope(one: _Pass, number: int) -> np.ndarray | None:
    """The loss's gradient in the outputs of a process's rows."""
    slope = one.table.grad
    return None if slope is None else np.asarray(slope[one.parts[number]].cpu().numpy())


def _part(batch: Batch, rows: np.ndarray, device: torch.device | str = "cpu") -> Batch:
    values = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    return Batch(**{name: value[torch.from_numpy(rows)].to(device) for name, value in values.items()})


def _excerpt(encoded: Encoded, batches: Sequence[list[int]]) -> tuple[Encoded, list[list[int]]]:
    """The rows of the batches, numbered anew: what is sent is what is needed."""
    rows = [row for batch in batches for row in batch]
    part = dataclasses.replace(
        encoded,
        ids=[encoded.ids[row] for row in rows],
        spans=[encoded.spans[row] for row in rows],
        n_scores=encoded.n_scores[rows],
    )
    place = iter(range(len(rows)))
    return part, [[next(place) for _ in batch] for batch in batches]
