"""Whether torchrun started this process together with others, and which of them it is."""

from __future__ import annotations

import os
from dataclasses import dataclass

__all__ = ["Launch", "launch"]

# torchrun sets all of these; WORLD_SIZE alone may come from a batch system that started one process
NAMES = ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT")
NUMBERS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")


@dataclass(frozen=True)
class Launch:
    """This process among those that torchrun started.

    Attributes
    ----------
    rank, processes : int
        Number of this process, from 0, and of all of them.
    local_rank, local_processes : int
        The same on this machine.
    """

    rank: int
    local_rank: int
    processes: int
    local_processes: int


def launch() -> Launch | None:
    """What torchrun's environment says; None where there is none, or only one process.

    Returns
    -------
    Launch or None
    """
    values = [os.environ.get(name, "") for name in NUMBERS]
    if not all(os.environ.get(name) for name in NAMES) or not all(value.isdigit() for value in values):
        return None
    started = Launch(*(int(value) for value in values))
    return started if started.processes > 1 else None
