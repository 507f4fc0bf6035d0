"""What the processes of one run say to each other: orders, replies, weights and gradients."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from psyalign.foundation.errors import Interrupted, RunError
from psyalign.foundation.launch import Launch
from psyalign.scorer.device import choose_compute

__all__ = ["Channel", "Reply"]

# A process that is alive and silent for so long while another waits for its part of a step is stuck.
STUCK = timedelta(hours=1)
# The others wait for orders while the first one does without them: tables, bootstrap, report.
PATIENCE = timedelta(days=30)


@dataclass(frozen=True)
class Reply:
    """What a process answers an order with: a value, or the error that kept it from one."""

    value: Any = None
    problem: Exception | None = None
    trace: str = ""

    def content(self) -> Any:
        """The value; raises the error, with its traceback as a note, which --debug shows."""
        if self.problem is not None:
            self.problem.add_note(f"In another process:\n{self.trace}")
            raise self.problem
        return self.value


class Channel:
    """The process group of one run: orders go from process 0 to the others, replies come back.

    Orders and replies are Python objects and go over gloo; weights and gradients go over NCCL
    between CUDA devices, one a process, and over gloo elsewhere. A process that dies closes its
    connections, so that none waits for it.

    Parameters
    ----------
    started : Launch

    Raises
    ------
    ModelError
        This process has no device of its own.
    RunError
        The processes do not find each other.
    """

    def __init__(self, started: Launch):
        self.rank = started.rank
        self.size = started.processes
        device = choose_compute().device
        cuda = device.type == "cuda"
        self._device = device if cuda else torch.device("cpu")  # gloo has no other
        if cuda:
            torch.cuda.set_device(device)
        try:
            dist.init_process_group("nccl" if cuda else "gloo", timeout=STUCK)
            self._orders = dist.new_group(backend="gloo", timeout=PATIENCE)
            self._replies = dist.new_group(backend="gloo", timeout=STUCK)
        except RuntimeError as problem:
            raise RunError(
                f"The {self.size} processes cannot be joined ({type(problem).__name__}).",
                where="torchrun",
                mend="Check --master-addr and --master-port, or start one process without torchrun.",
            ) from None

    def order(self, orders: Sequence[Any] | None = None) -> Any:
        """Give each process its order (in process 0), or wait for one's own (in the others)."""
        mine: list[Any] = [None]
        with _connected():
            dist.scatter_object_list(mine, list(orders) if orders else None, src=0, group=self._orders)
        return mine[0]

    def reply(self, value: Any = None, problem: Exception | None = None) -> None:
        """Answer an order, with an error if it could not be carried out."""
        reply = Reply(value) if problem is None else _portable(problem)
        with _connected():
            dist.gather_object(reply, None, dst=0, group=self._replies)

    def replies(self) -> list[Reply]:
        """The others' answers, in their order."""
        answers: list[Any] = [None] * self.size
        with _connected():
            dist.gather_object(Reply(), answers, dst=0, group=self._replies)
        return answers[1:]

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """Process 0's `values` in every process; the others give a tensor of the same shape."""
        there = values.to(self._device)
        with _connected():
            dist.broadcast(there, src=0)
        return there.to(values.device)

    def add(self, values: torch.Tensor) -> torch.Tensor:
        """Σ of all processes' `values` in process 0; of no meaning in the others."""
        there = values.to(self._device)
        with _connected():
            dist.reduce(there, dst=0)
        return there.to(values.device)

    def close(self) -> None:
        """Leave the group; only when no other process waits for anything."""
        dist.destroy_process_group()


@contextmanager
def _connected() -> Iterator[None]:
    try:
        yield
    except RuntimeError:
        raise Interrupted(
            "Another process of this run ended or does not answer.",
            where="torchrun",
            mend="See its message above, if any (memory?); the same command goes on where the run stopped.",
        ) from None


def _portable(problem: Exception) -> Reply:
    """An error as it can be sent."""
    trace = "".join(traceback.format_exception(problem))
    try:
        pickle.loads(pickle.dumps(problem))
    except Exception:  # whatever keeps it from being sent: its type is what is left
        return Reply(problem=RuntimeError(type(problem).__name__), trace=trace)
    return Reply(problem=problem.with_traceback(None), trace=trace)
