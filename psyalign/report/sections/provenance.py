"""With what the run was made: hashes, versions, seed, settings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from psyalign.report.content import Block, Section, Table, column
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, seconds

__all__ = ["flat", "provenance_section"]


def provenance_section(tables: RunTables) -> Section:
    """The manifest as tables."""
    raw = tables.manifest.raw
    made = {key: raw.get(key) for key in ("started", "finished")}
    made |= {"seed": raw.get("study", {}).get("seed"), **(raw.get("provenance") or {})}
    blocks: list[Block] = [
        _pairs("When and with what the run was made.", made),
        _pairs("The scorer.", raw.get("scorer") or {}),
        _pairs("Input files by SHA-256.", raw.get("inputs") or {}, nested=False),
        _stages(raw.get("stages") or []),
        _pairs("Settings: the study file with all defaults.", raw.get("settings") or {}, folded=True),
    ]
    return Section("provenance", "Provenance", tuple(block for block in blocks if _filled(block)))


def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested settings as (dotted key, text)."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from flat(part, f"{name}.{key}" if name else str(key))
    elif isinstance(value, (list, tuple)):
        yield name, ", ".join(_show(part) for part in value) or MISSING
    else:
        yield name, _show(value)


def _show(value: Any) -> str:
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _pairs(caption: str, values: dict[str, Any], *, folded: bool = False, nested: bool = True) -> Table:
    rows = tuple(flat(values)) if nested else tuple((str(key), _show(value)) for key, value in values.items())
    return Table(caption, column("Key", "Value", text=(0, 1)), rows, folded=folded)


def _stages(stages: list[dict[str, Any]]) -> Table:
    rows = tuple(
        (
            _show(stage.get("name")),
            _show(stage.get("key"))[:16],
            seconds(stage.get("seconds")),
            _show(stage.get("finished")),
        )
        for stage in stages
    )
    return Table(
        "Stages of the run.",
        column("Stage", "Key", "Time", "Finished", text=(0, 1, 3)),
        rows,
        note="The key names a stage’s settings, inputs and version; equal keys mean equal work.",
    )


def _filled(block: Block) -> bool:
    return not isinstance(block, Table) or bool(block.rows)
