"""Purification: matching on the items that show no DIF, found by testing again and again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from psyalign.dif.counts.cells import Cells
from psyalign.dif.counts.source import ScoreSource
from psyalign.dif.matching.spec import MatchSpec
from psyalign.foundation.errors import UsageError

__all__ = ["Purification", "purify"]

Status = Literal["converged", "cycle", "too few anchors", "limit"]
Flag = Callable[[Cells], "Mapping[str, bool] | pd.Series"]

# A total of fewer items says too little about a person; and of a test, a third should remain.
FEWEST, SHARE = 4, 3


@dataclass(frozen=True, repr=False)
class Purification:
    """Anchors that purification left, and how it came to them.

    Attributes
    ----------
    items : tuple of str
    flagged : tuple of str
        Items that the last test flagged, matched on `anchors`.
    anchors : tuple of str
        Items of the total that `cells` is matched on (each item beside itself).
    path : tuple of tuple of str
        Items flagged by each test.
    removed : tuple of tuple of str
        Items taken out of the total for each test; none for the first.
    status : {"converged", "cycle", "too few anchors", "limit"}
    cells : Cells
        Counts matched on `anchors`.
    """

    items: tuple[str, ...]
    flagged: tuple[str, ...]
    anchors: tuple[str, ...]
    path: tuple[tuple[str, ...], ...]
    removed: tuple[tuple[str, ...], ...]
    status: Status
    cells: Cells

    @property
    def n_iterations(self) -> int:
        """Tests after the first (difR's `nrPur`)."""
        return len(self.path) - 1

    @property
    def table(self) -> pd.DataFrame:
        """Rows: items; columns: anchor, flagged, and for each test whether it flagged the item."""
        columns = {"anchor": self.anchors, "flagged": self.flagged}
        columns |= {f"step_{step}": names for step, names in enumerate(self.path)}
        index = pd.Index(self.items, name="item", dtype="str")
        return pd.DataFrame({name: index.isin(held) for name, held in columns.items()}, index=index)

    def __repr__(self) -> str:
        times = "1 iteration" if self.n_iterations == 1 else f"{self.n_iterations} iterations"
        lines = [f"Purification: {ENDS[self.status]}; {times}"]
        for step, (names, out) in enumerate(zip(self.path, self.removed, strict=True)):
            lines.append(f"  test {step}, matched without {_list(out)}: {_list(names)} flagged")
        return "\n".join(lines)


ENDS = {
    "converged": "the items flagged are those left out",
    "cycle": "it went in a circle, so whatever was flagged in it was left out",
    "too few anchors": "stopped, because too few anchors would have remained",
    "limit": "stopped at the limit of iterations",
}


def purify(
    source: ScoreSource,
    spec: MatchSpec,
    flag: Flag,
    *,
    max_iterations: int = 30,
    min_anchors: int | None = None,
) -> Purification:
    """Test all items, take those flagged out of the total, and test all again, until nothing changes.

    Every test is of all items, so that an item can come back; an item that is no anchor is matched
    on the anchors and itself (difR's convention, for Mantel-Haenszel, standardisation and logistic
    regression; difNLR's difORD leaves it out of its own total).

    How it ends:

    - "converged": the items flagged are those that the total was without. Also when nothing is
      flagged at first.
    - "cycle": the items to be left out are those of an earlier test, so it would go on for ever. All
      that any test of the circle flagged are left out, and all items are tested once more: an item
      that is suspect half of the time is no anchor. Where this leaves too few anchors, only what every
      test of the circle flagged is left out. (difR goes on to its cap of iterations and reports
      whichever test came last.)
    - "too few anchors": fewer than `min_anchors` would remain. The last test stands.
    - "limit": there were `max_iterations` tests after the first. The last test stands.

    Parameters
    ----------
    source : ScoreSource
    spec : MatchSpec
        With `anchors`, only these can be anchors; others are tested but never in the total.
    flag : callable
        Cells -> for each item whether it shows DIF; missing or NaN counts as no.
    max_iterations : int
        Tests after the first, at least 1.
    min_anchors : int, optional
        At least 1. Default 4 or a third of the items, whichever is more, but not more than there
        are to begin with.

    Returns
    -------
    Purification

    Raises
    ------
    UsageError
        An external matching value: no item is in it. Settings out of range.

    References
    ----------
    Holland, P. W., & Thayer, D. T. (1988). In Test validity (pp. 129-145).
    Clauser, B., Mazor, K., & Hambleton, R. K. (1993). Applied Measurement in Education 6,
    269-279. Magis, D., et al. (2010). Behavior Research Methods 42, 847-862 (difR).
    """
    if spec.variable == "external":
        raise UsageError(
            "An external matching value cannot be purified: no item is in it.",
            where="purify",
            mend="Match on total or rest.",
        )
    candidates = tuple(source.items if spec.anchors is None else spec.anchors)
    fewest = min(len(candidates), max(FEWEST, -(-len(source.items) // SHARE)))
    fewest = fewest if min_anchors is None else min_anchors
    if max_iterations < 1 or fewest < 1:
        raise UsageError("max_iterations and min_anchors must be at least 1.", where="purify")
    run = _Run(source, spec, flag, candidates)
    out = run.test(())
    while True:
        if out == run.removed[-1]:
            return run.end("converged")
        if out in run.removed:
            first = run.removed.index(out)
            union, common = run.flagged_since(first)
            run.test(union if len(candidates) - len(union) >= fewest else common)
            return run.end("cycle")
        if len(candidates) - len(out) < fewest:
            return run.end("too few anchors")
        if len(run.path) > max_iterations:
            return run.end("limit")
        out = run.test(out)


class _Run:
    """The tests so far."""

    def __init__(self, source: ScoreSource, spec: MatchSpec, flag: Flag, candidates: Sequence[str]) -> None:
        self.source, self.spec, self.flag, self.candidates = source, spec, flag, candidates
        self.path: list[tuple[str, ...]] = []
        self.removed: list[tuple[str, ...]] = []

    def test(self, out: tuple[str, ...]) -> tuple[str, ...]:
        """Test all items matched without `out`; what is to be left out next."""
        self.anchors = tuple(name for name in self.candidates if name not in out)
        anchors = self.spec.anchors if not out else self.anchors
        self.cells = self.source.count(replace(self.spec, anchors=anchors))
        found = self.flag(self.cells)
        flagged = [item for item in self.source.items if _is_true(found.get(item, False))]
        self.path.append(tuple(flagged))
        self.removed.append(out)
        return tuple(name for name in flagged if name in self.candidates)

    def flagged_since(self, first: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Candidates flagged by any and by every test from the `first`."""
        sets = [set(names) for names in self.path[first:]]
        union, common = set.union(*sets), set.intersection(*sets)
        names = [name for name in self.source.items if name in self.candidates]
        return tuple(n for n in names if n in union), tuple(n for n in names if n in common)

    def end(self, status: Status) -> Purification:
        return Purification(
            items=tuple(self.source.items),
            flagged=self.path[-1],
            anchors=self.anchors,
            path=tuple(self.path),
            removed=tuple(self.removed),
            status=status,
            cells=self.cells,
        )


def _is_true(value: Any) -> bool:
    """Not estimable (NaN, missing) is not flagged."""
    return bool(pd.notna(value) and value)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "nothing"
