"""The table of `alignment.py`: ratios of TRL's figures to ours, and what the machine can do."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from markdown_table import markdown

__all__ = ["Result", "compare", "fastest", "matmul_peaks", "processor", "table"]

# The two sides round differently in bf16: DPO, whose gradients are the same, differed by .007.
NOISE = 0.01


class Result(NamedTuple):
    """What both sides did in a case: their steps, with seconds and held-out figures.

    TRL's side may have been run in more than one way; it is compared at its best.
    """

    name: str
    pairs: int
    updates: int
    ours: dict[str, Any]
    theirs: Sequence[dict[str, Any]]


def compare(result: Result, peak: float) -> dict[str, Any]:
    """A row of the table for one case; `peak` is the machine's matmul peak, GFLOP a processor second."""
    ours, theirs = result.ours, result.theirs
    last = ours["steps"][-1]
    row: dict[str, Any] = {
        "": result.name,
        "pairs": str(result.pairs),
        "updates": str(result.updates),
        "held-out: start": ours["first"],
        "ours at the end": last["reward"],
        "our share of the matmul peak": f"{ours['flops'] / last['cpu'] / 1e9 / peak:.0%}",
    }
    if not theirs:
        return row
    ends = [side["steps"][-1] for side in theirs]
    return row | {
        "TRL at the end": max(end["reward"] for end in ends),
        "TRL's best": _best(theirs),
        "processor time": min(end["cpu"] for end in ends) / last["cpu"],
        "wall time": min(end["wall"] for end in ends) / last["wall"],
        **_to_the_same([ours], theirs),
        "peak memory": min(side["peak_mib"] for side in theirs) / ours["peak_mib"],
    }


def fastest(name: str, tried: Sequence[Result]) -> dict[str, Any]:
    """A row that compares the sides over all settings that both tried: each at its own best."""
    ours = [result.ours for result in tried]
    theirs = [side for result in tried for side in result.theirs]
    return {
        "": name,
        "held-out: start": ours[0]["first"],
        "TRL's best": _best(theirs),
        **_to_the_same(ours, theirs),
    }


def _to_the_same(ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Time until TRL's best, less what is noise, over the time until we were as good."""
    level = _best(theirs) - NOISE
    return {
        f"{kind} time to the same": _ratio(_soonest(theirs, level, key), _soonest(ours, level, key))
        for kind, key in (("processor", "cpu"), ("wall", "wall"))
    }


def _ratio(there: float | None, reached: float | None) -> float | str:
    return there / reached if there and reached else "not reached"


def _best(sides: Iterable[dict[str, Any]]) -> float:
    return max(step["reward"] for side in sides for step in side["steps"] if step["reward"] is not None)


def _soonest(sides: Iterable[dict[str, Any]], level: float, key: str) -> float | None:
    """Least time at which a held-out figure was `level` or better."""
    times = [
        step[key]
        for side in sides
        for step in side["steps"]
        if step["reward"] is not None and step["reward"] >= level
    ]
    return min(times, default=None)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as Markdown; a dash where a row lacks a column."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    values = [[row.get(name, "–") for name in columns] for row in rows]
    return markdown(
        columns, [[f"{cell:.2f}" if isinstance(cell, float) else cell for cell in row] for row in values]
    )


def matmul_peaks() -> dict[str, float]:
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


def processor() -> str:
    """What /proc calls the processor, else the platform's word for it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    found = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return found[0] if found else platform.processor() or platform.machine()
