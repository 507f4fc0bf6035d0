"""Progress on stderr: a moving bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["progress_bar", "say"]


def progress_bar(total: int, label: str, unit: str = "step") -> Any:
    """A tqdm bar on stderr; in a log it speaks at most every 20 seconds."""
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=label,
        unit=unit,
        file=sys.stderr,
        mininterval=0.5 if terminal else 20.0,
        maxinterval=0.5 if terminal else 30.0,
        leave=not terminal,
        dynamic_ncols=terminal,
        ascii=not terminal,
    )


def say(text: str) -> None:
    """One line to stderr, at once."""
    print(text, file=sys.stderr, flush=True)
