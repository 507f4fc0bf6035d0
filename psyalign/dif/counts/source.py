"""Where counts come from: what analyses ask of scores, wherever they lie."""

from __future__ import annotations

from typing import Protocol

from psyalign.dif.counts.cells import Cells
from psyalign.dif.matching.spec import MatchSpec

__all__ = ["ScoreSource"]


class ScoreSource(Protocol):
    """Scores that can be counted by any matching: `ScoreMatrix` in memory, `ScoreFile` on disk."""

    @property
    def items(self) -> tuple[str, ...]:
        """Names of the items."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups, the reference group first."""

    def count(self, spec: MatchSpec) -> Cells:
        """Counts by item, the strata of `spec`, group and score."""
