"""What every process but the first does: carries out the first one's orders until it is sent home."""

from __future__ import annotations

import signal
import warnings
from typing import Any

import numpy as np
import torch

from psyalign.foundation.errors import Interrupted
from psyalign.foundation.seeds import derive_seed
from psyalign.scorer.channel import Channel
from psyalign.scorer.device import deterministic
from psyalign.scorer.distributed import fingerprint, flat_gradients, flat_weights, run_batches
from psyalign.scorer.encode import Batch, Encoded
from psyalign.scorer.lora_scorer import LoraScorer

__all__ = ["follow"]


def follow(channel: Channel) -> None:
    """Carry out orders until "end" comes.

    An error is sent to process 0, which says it once, for all. Signals are left to process 0 too:
    when it goes, its connections close and this process ends.

    Parameters
    ----------
    channel : Channel

    Raises
    ------
    SystemExit
        Process 0 has gone without an order to end; nothing is printed, with the exit code of `Interrupted`.
    """
    signals = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.SIG_IGN) for number in signals]
    follower = Follower(channel)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # process 0 gives the same
            while True:
                name, arguments = channel.order()
                if name == "end":
                    break
                follower.obey(name, arguments)
    except Interrupted:
        raise SystemExit(Interrupted.exit_code) from None
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
    channel.close()


class Follower:
    """A replica of the network that process 0 trains or scores with, and the passes that it is in.

    Its public methods but `obey` are the orders, see `Team`.

    Parameters
    ----------
    channel : Channel
    """

    def __init__(self, channel: Channel):
        self._channel = channel
        self._settings: dict[str, Any] = {}
        self._scorer: LoraScorer | None = None
        self._shared: dict[str, torch.nn.Parameter] = {}
        self._passes: list[torch.Tensor | None] = []

    def obey(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Carry out one order, and reply, but where the order is itself an exchange of weights."""
        if name in ("weights", "update"):
            getattr(self, name)()
            return
        try:
            value = getattr(self, name)(*arguments)
        except Interrupted:
            raise
        except Exception as problem:  # of whatever kind: process 0 says it
            self._channel.reply(problem=problem)
        else:
            self._channel.reply(value)

    def take(self, wanted: dict[str, Any]) -> tuple[list[str], str | None]:
        """Build the network unless it is there; the names of its weights, and the hash of its base."""
        self._passes.clear()
        settings = wanted["settings"]
        if self._scorer is None or settings != self._settings:
            self._scorer = None  # its memory is free before the next is built
            self._scorer, self._settings = LoraScorer(**settings).build(), settings
            self._shared = self._scorer.network_.trainable()
        self.network.eval()
        self._forget_gradients()
        return list(self._shared), self._scorer.base_.sha256

    def weights(self) -> None:
        """Take process 0's weights."""
        flat = self._channel.spread(flat_weights(self._shared))
        with torch.no_grad():
            sizes = [value.numel() for value in self._shared.values()]
            parts = torch.split(flat, sizes)
            for value, part in zip(self._shared.values(), parts, strict=True):
                value.copy_(part.reshape(value.shape))

    def start_epoch(self, seed: int, dropout: bool) -> None:
        """Rows of other processes get other noise: each has its own random numbers."""
        deterministic(derive_seed(seed, "process", self._channel.rank))
        self.network.train(dropout)
        self._passes.clear()

    def forward(self, batch: Batch | None) -> np.ndarray | None:
        """Outputs of this process's rows; None if it has none."""
        if batch is None:
            self._passes.append(None)
            return None
        device = self.network.compute.device
        own = self.network.own_outputs(
            Batch(**{name: value.to(device) for name, value in vars(batch).items()})
        )
        self._passes.append(own)
        return np.asarray(own.detach().cpu().numpy())

    def backward(self, slopes: list[np.ndarray | None]) -> None:
        """The passes since the last update, backwards, given the loss's gradient in their outputs."""
        for own, slope in zip(self._passes, slopes, strict=True):
            if own is not None and slope is not None:
                own.backward(torch.from_numpy(slope).to(own.device))  # type: ignore[no-untyped-call]
        self._passes.clear()

    def update(self) -> None:
        """Give the gradients, get the new weights."""
        self._channel.add(flat_gradients(self._shared))
        self._forget_gradients()
        self.weights()

    def score(self, function: str, encoded: Encoded, batches: list[list[int]]) -> list[np.ndarray]:
        """`function` of the network on the batches."""
        return run_batches(self.network, function, encoded, batches)

    def fingerprint(self) -> str:
        """SHA-256 of the weights."""
        return fingerprint(self._shared)

    @property
    def network(self) -> Any:
        """The replica."""
        assert self._scorer is not None, "the first order is 'take'"
        return self._scorer.network_

    def _forget_gradients(self) -> None:
        for value in self._shared.values():
            value.grad = None
