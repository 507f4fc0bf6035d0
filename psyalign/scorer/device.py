"""Which device and precision a model runs with."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch

from psyalign.foundation.errors import ModelError
from psyalign.foundation.launch import launch

__all__ = ["Compute", "choose_compute", "deterministic"]

Precision = Literal["auto", "float32", "bf16"]


@dataclass(frozen=True)
class Compute:
    """Device and precision of one model.

    In bf16 the weights stay float32 and matrix products are autocast; pooling, head and
    log-softmax are always float32 (bf16 heads lose score differences of .01).
    """

    device: torch.device
    bf16: bool

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        """Context of the backbone's forward pass."""
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
            yield

    @property
    def precision(self) -> str:
        """ "bf16" or "float32"."""
        return "bf16" if self.bf16 else "float32"


def choose_compute(precision: Precision = "auto", device: str = "auto") -> Compute:
    """CUDA before MPS before CPU; bf16 where the hardware multiplies it natively.

    Under torchrun each process of a machine has the CUDA device of its number there.

    Parameters
    ----------
    precision : {"auto", "float32", "bf16"}
        "auto" is bf16 on CUDA devices and CPUs that support it, float32 elsewhere.
    device : str
        "auto" or a torch device name; the environment variable PSYALIGN_DEVICE
        decides for "auto" if it is set.

    Raises
    ------
    ModelError
        The device is not there, or torchrun started more processes than there are CUDA devices.
    """
    name = device if device != "auto" else os.environ.get("PSYALIGN_DEVICE", "auto")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if _mps() else "cpu"
    if name == "cuda" and (started := launch()) is not None:
        if started.local_processes > torch.cuda.device_count():
            raise ModelError(
                f"{started.local_processes} processes were started for {torch.cuda.device_count()} CUDA "
                "device(s) of this machine.",
                where="torchrun --nproc-per-node",
                mend="Start at most one process a device, or set PSYALIGN_DEVICE=cpu.",
            )
        name = f"cuda:{started.local_rank}"
    try:
        chosen = torch.device(name)
        torch.empty(1, device=chosen)
    except (RuntimeError, AssertionError):
        raise ModelError(
            f"The device '{name}' is not available.",
            where="PSYALIGN_DEVICE" if device == "auto" else "device",
            mend="Use 'cpu', 'cuda' or 'mps' as this machine has it; 'psyalign doctor' tells.",
        ) from None
    return Compute(chosen, bf16=_native_bf16(chosen) if precision == "auto" else precision == "bf16")


def _mps() -> bool:
    return torch.backends.mps.is_available()


def _native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device.type == "cpu":
        check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # no public name in torch 2.13
        amx = getattr(torch.cpu, "_is_amx_tile_supported", None)
        return bool((check and check()) or (amx and amx()))
    return False


def deterministic(seed: int) -> None:
    """Seed torch and ask for deterministic kernels (on CPU: the same bytes in every run)."""
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # memory that is about to be written need not be filled with NaN first
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
