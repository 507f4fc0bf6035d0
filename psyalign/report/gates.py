"""The gates of a run for readers: which are met, missed or not assessable, and in what words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psyalign.agreement import GATES
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, bounded, interval, real

__all__ = ["ACCURACY", "GateRow", "gate_rows", "gates_bind", "gates_sentence", "named", "sources"]

ACCURACY = ("qwk", "r", "exact", "adjacent", "smd", "degradation")
# Figures that cannot exceed 1.
UNIT_BOUND = frozenset({"qwk", "r", "exact", "adjacent", "degradation", "noninferiority"})
SHORT = {
    "qwk": "QWK", "r": "r", "exact": "exact agreement", "adjacent": "adjacent agreement",
    "degradation": "degradation of", "smd": "SMD", "smd_group": "SMD of", "es_class": "largest |ES| of",
    "wording": "wording effect", "noninferiority": "non-inferiority of", "impact_ratio": "impact ratio of",
}  # fmt: skip


@dataclass(frozen=True)
class GateRow:
    """One judged gate; numbers as text."""

    gate: str
    scope: str
    status: str
    value: str
    interval: str
    asked: str
    reason: str
    note: str
    source: str

    @property
    def title(self) -> str:
        """What it looks at, and of whom."""
        what = GATES[self.gate].what
        return f"{what}, {self.scope}" if self.scope else what

    @property
    def short(self) -> str:
        """The same in a sentence."""
        name = SHORT[self.gate]
        return f"{name} {self.scope}" if self.scope else name.removesuffix(" of")

    @property
    def result(self) -> str:
        """met, missed or not assessable, with what has to be known about it."""
        return f"not assessable: {self.reason}" if self.reason else self.note or self.status


def gate_rows(tables: RunTables) -> list[GateRow]:
    """The gates of the arm called "after"; none in a run of before there were gates."""
    return [_row(row) for row in tables.gates.to_dict("records") if row["gate"] in GATES]


def _row(row: dict[Any, Any]) -> GateRow:
    gate = str(row["gate"])
    show = bounded if gate in UNIT_BOUND else real
    found = interval(row["low"], row["high"], unit_bound=gate in UNIT_BOUND)
    if gate == "noninferiority" and show(row["low"]) != MISSING:
        found = f"from {show(row['low'])} (one-sided)"
    return GateRow(
        gate, str(row["scope"]), str(row["status"]), show(row["value"]), found, str(row["asked"]),
        str(row["reason"]), str(row["note"]), str(row["source"]),
    )  # fmt: skip


def gates_bind(tables: RunTables) -> bool:
    """Whether the study has gates of its own, so that one that is missed fails."""
    return bool(len(tables.gates)) and bool(tables.gates["binding"].astype(bool).any())


def named(rows: list[GateRow]) -> str:
    """Gates in a list: "QWK; SMD of gender: girl"."""
    return "; ".join(row.short for row in rows)


def sources(rows: list[GateRow]) -> str:
    """Where the thresholds come from: each source with its gates."""
    found: dict[str, list[str]] = {}
    for row in rows:
        name = SHORT[row.gate].removesuffix(" of")
        of = found.setdefault(row.source, [])
        if name not in of:
            of.append(name)
    return "Sources. " + " ".join(f"{', '.join(names)}: {source}." for source, names in found.items())


def gates_sentence(tables: RunTables) -> str:
    """How many gates are met, and which are not."""
    rows = gate_rows(tables)
    if not rows:
        return ""
    missed = [row for row in rows if row.status == "missed"]
    lacking = [row for row in rows if row.status == "not assessable"]
    met = len(rows) - len(missed) - len(lacking)
    whose = (
        "the study’s gates" if gates_bind(tables) else "psyalign’s default gates (the study has no [gates])"
    )
    parts = [f"{met} of {len(rows)} are met"]
    parts.append(f"{len(missed)} missed ({named(missed)})" if missed else "0 missed")
    if lacking:
        parts.append(f"{len(lacking)} not assessable ({named(lacking)})")
    return f"Of {whose}, {', '.join(parts)}."
