"""How to make the run again, and how to see that it is the same: files, hashes, versions, settings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from psyalign.report.content import Block, Bullets, Paragraph, Section, Table, column
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, count, finite, seconds

__all__ = ["flat", "provenance_section"]

COMMANDS = (
    ("psyalign study run STUDY", "runs the study from its data to this report; what is done is skipped."),
    ("psyalign study run STUDY --fresh", "runs it anew, as somebody else would."),
    ("psyalign report build RUN", "makes this report again from the run’s tables, without any model."),
)
IDENTICAL = (
    "With the same files, settings, seed and versions on the same kind of processor, the tables come out "
    "the same. Other versions, another device or another number of processes change sums in their last "
    "digits, and training carries such differences on: then results come out close, not the same, and how "
    "close is seen only by running it."
)
# What of the scorer stands in the model card already.
IN_CARD = frozenset(
    {"base", "base_sha256", "kind", "parameters", "trainable", "hashes", "precision", "device", "processes"}
)


def provenance_section(tables: RunTables) -> Section:
    """Commands, the run's tables with their hashes, and the manifest as tables."""
    raw = tables.manifest.raw
    made = {key: raw.get(key) for key in ("started", "finished")}
    made |= {"seed": raw.get("study", {}).get("seed"), **(raw.get("provenance") or {})}
    stages = raw.get("stages") or []
    blocks: list[Block] = [
        Paragraph(_said(tables, stages)),
        Bullets(COMMANDS),
        Paragraph(IDENTICAL),
        _pairs("When and with what the run was made.", made),
        _pairs("Input files by SHA-256.", raw.get("inputs") or {}, nested=False),
        _tables(tables),
        _stages(stages),
        _pairs("Settings: the study file with all defaults.", raw.get("settings") or {}, folded=True),
    ]
    rest = {key: value for key, value in (raw.get("scorer") or {}).items() if key not in IN_CARD}
    blocks.append(_pairs("Further facts of the fine-tuning.", rest, folded=True))
    return Section("provenance", "Reproducibility", tuple(block for block in blocks if _filled(block)))


def _said(tables: RunTables, stages: list[dict[str, Any]]) -> str:
    name = tables.manifest.raw.get("study", {}).get("name") or tables.manifest.title
    text = f"The study is called “{name}”."
    times = [value for stage in stages if (value := finite(stage.get("seconds"))) is not None]
    if times:
        stage = "one stage" if len(times) == 1 else f"{count(len(times))} stages"
        text += f" Its {stage} took {seconds(sum(times))} in all."
    return f"{text} With its study file (STUDY), or the folder of a finished run (RUN):"


def _tables(tables: RunTables) -> Table:
    """The run's tables; those that the run does not have have no hash."""
    rows = tuple(
        (f"tables/{name}.parquet", count(len(table)), tables.hashes.get(name, MISSING))
        for name, table in tables.named().items()
        if len(table) or name in tables.hashes
    )
    return Table(
        "The tables of the run, on which every number here rests.",
        column("File in the run’s folder", "Rows", "SHA-256", text=(0, 2)),
        rows,
        note="The CSV and JSON files beside this report hold the same rows.",
        folded=True,
    )


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
