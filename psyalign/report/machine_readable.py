"""The report as JSON for programs: the same sections, and where the numbers behind them are.

``report.json`` is one object. Every text is plain text, neither HTML nor escaped for it.

schema : "psyalign-report"
schema_version : int
    1. It grows with a change that would break a reader; new keys do not.
study : object
    name, title, question, origin ("real", "simulated", …), notice, seed, primary_arm (the arm called
    "after", or null) and groups: a list of {grouping, reference, focal}.
made : object
    psyalign (its version), started and finished (ISO 8601, of the run), each or null.
verdict : object
    sentences: {dif, agreement, limits} as on the page. after: the arm, or null; without one the next
    four are null too. dif: a list of {grouping, reference, focal, kind, before, after, change}, mean
    effect sizes in SD of the human scores, focal minus reference; kind is "reduced", "grown",
    "reversed", "not_shown" or "unknown". agreement: {metric: "qwk", kind, before, after, change}; kind
    is "gained", "lost", "not_shown" or "unknown". refit: {kind, mean_es, qwk}. small_sd_ratio: the SD
    ratio after alignment if it is below .8, else null. A change is {value, low, high}, a paired 95%
    interval; what is not known is null.
sections : list
    {anchor, title, blocks}, the same for every kind of report that has sections. A block has a kind:
    "paragraph" (text, tone, label), "bullets" and "terms" (entries: a list of {lead, text}), "table"
    (caption, columns: {title, numeric}, rows: lists of formatted cells, note, emphasis: indices of rows,
    sources), "figure" (name, caption, alternative text, file, sources). Drawings side by side on the page
    are blocks of their own. sources are names of tables: there the cells' numbers are unrounded.
tables : object
    For each table of the run: csv and json (files beside this one), rows, and columns: {name, type},
    type being "number", "integer", "boolean" or "text". The JSON file is a list of records.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from psyalign.report.content import Block, Bullets, Figure, FigureRow, Paragraph, Section, Table, Terms
from psyalign.report.documents import table_files
from psyalign.report.facts import Estimate
from psyalign.report.figures.svg import Drawing
from psyalign.report.load import RunTables
from psyalign.report.plain import plain_value
from psyalign.report.verdict import accuracy, dif_outcome, refit, shrunk, verdict

__all__ = ["SCHEMA_VERSION", "machine_readable", "readable_sections"]

SCHEMA_VERSION = 1
SOURCE = re.compile(r"([\w-]+)\.csv")


def machine_readable(tables: RunTables, sections: Sequence[Section]) -> dict[str, Any]:
    """The report as a JSON value; the module's text says what is in it.

    Parameters
    ----------
    tables : RunTables
        Where the verdict's unrounded numbers and the list of tables come from.
    sections : sequence of Section
        The sections as the page shows them.

    Returns
    -------
    dict
        Strings, numbers, booleans, lists, objects and null; no NaN.
    """
    raw = tables.manifest.raw
    made = raw.get("provenance")
    value = {
        "schema": "psyalign-report",
        "schema_version": SCHEMA_VERSION,
        "study": _study(tables),
        "made": {
            "psyalign": made.get("psyalign") if isinstance(made, dict) else None,
            "started": raw.get("started"),
            "finished": raw.get("finished"),
        },
        "verdict": _verdict(tables),
        "sections": readable_sections(sections),
        "tables": table_files(tables.named()),
    }
    cleaned: dict[str, Any] = plain_value(value)
    return cleaned


def readable_sections(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """The sections of any report as ``report.json`` holds them; the module's text says what a block has.

    Parameters
    ----------
    sections : sequence of Section

    Returns
    -------
    list of dict
        One a section; a row of drawings becomes one block a drawing.
    """
    return [
        {
            "anchor": section.anchor,
            "title": section.title,
            "blocks": [part for block in section.blocks for part in _blocks(block)],
        }
        for section in sections
    ]


def _study(tables: RunTables) -> dict[str, Any]:
    manifest = tables.manifest
    study = manifest.raw.get("study", {})
    return {
        "name": study.get("name"),
        "title": manifest.title,
        "question": manifest.question,
        "origin": manifest.origin,
        "notice": manifest.notice,
        "seed": study.get("seed"),
        "primary_arm": tables.after,
        "groups": [
            {"grouping": group.attribute, "reference": group.reference, "focal": group.focal}
            for group in manifest.groups
        ],
    }


def _verdict(tables: RunTables) -> dict[str, Any]:
    found, arm = verdict(tables), tables.after
    facts: dict[str, Any] = {
        "sentences": {"dif": found.dif, "agreement": found.agreement, "limits": found.limits},
        "after": arm,
        **dict.fromkeys(("dif", "agreement", "refit", "small_sd_ratio")),
    }
    if arm is None:
        return facts
    outcomes = [dif_outcome(tables, arm, group) for group in tables.manifest.groups]
    agreed, again = accuracy(tables, arm), refit(tables, arm)
    facts["dif"] = [
        {
            "grouping": outcome.group.attribute,
            "reference": outcome.group.reference,
            "focal": outcome.group.focal,
            "kind": outcome.kind,
            "before": outcome.before,
            "after": outcome.after,
            "change": _change(outcome.change),
        }
        for outcome in outcomes
    ]
    facts["agreement"] = {
        "metric": "qwk",
        "kind": agreed.kind,
        "before": agreed.before,
        "after": agreed.after,
        "change": _change(agreed.change),
    }
    facts["refit"] = {"kind": again.kind, "mean_es": list(again.mean_es), "qwk": again.qwk}
    facts["small_sd_ratio"] = shrunk(tables, arm)
    return facts


def _change(found: Estimate) -> dict[str, float | None]:
    return found._asdict()


def _blocks(block: Block) -> list[dict[str, Any]]:
    if isinstance(block, FigureRow):
        return [_figure(figure) for figure in block.figures]
    if isinstance(block, Figure):
        return [_figure(block)]
    if isinstance(block, Table):
        return [_table(block)]
    if isinstance(block, Paragraph):
        return [{"kind": block.kind, "text": block.text, "tone": block.tone, "label": block.label}]
    return [_entries(block)]


def _entries(block: Bullets | Terms) -> dict[str, Any]:
    return {"kind": block.kind, "entries": [{"lead": lead, "text": text} for lead, text in block.entries]}


def _table(block: Table) -> dict[str, Any]:
    return {
        "kind": block.kind,
        "caption": block.caption,
        "columns": [{"title": column.title, "numeric": column.numeric} for column in block.columns],
        "rows": block.rows,
        "note": block.note,
        "emphasis": sorted(block.emphasis),
        "sources": SOURCE.findall(block.source),
    }


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        "kind": figure.kind,
        "name": figure.name,
        "caption": figure.caption,
        "alternative": figure.svg.alternative if isinstance(figure.svg, Drawing) else figure.caption,
        "file": f"figures/{figure.name}.svg",
        "sources": SOURCE.findall(figure.source),
    }
