"""The data: what was read, what was missing, what was left out and why, and who served for what."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import pandas as pd

from psyalign.report.content import Block, Paragraph, Section, Table, column
from psyalign.report.facts import one_row
from psyalign.report.load import Group, RunTables
from psyalign.report.numerals import MISSING, count, finite, percent, real

__all__ = ["sample_section"]

# Groups whose shares of missing responses are farther apart than this are pointed out.
APART = 0.05
NOT_COUNTED = (
    "This run was made before missing and left-out responses were counted; run the study again to have "
    "them. Finished trainings are not repeated."
)
STEPS = {"read": "Read", "missing": "Missing", "left out": "Left out"}


def sample_section(tables: RunTables) -> Section:
    """The flow of persons and responses, and the split by person."""
    blocks: list[Block] = []
    if len(tables.flow):
        blocks += [Paragraph(_said(tables)), _flow(tables)]
    else:
        blocks.append(Paragraph(NOT_COUNTED, tone="note"))
    blocks.append(_split(tables))
    return Section("data", "Data, missing data and exclusions", tuple(blocks))


def _said(tables: RunTables) -> str:
    """The flow in sentences, for who does not read tables."""
    flow = tables.flow
    persons = one_row(flow, step="read", unit="persons")
    answers = one_row(flow, step="read", unit="responses")
    missing = one_row(flow, step="missing", unit="responses", grouping="all")
    text = ""
    if persons is not None and answers is not None:
        text = f"{count(persons['n'])} persons gave {count(answers['n'])} responses. "
    if missing is not None and finite(missing["of"]):
        text += (
            f"{share(missing['n'], missing['of'])} of the possible responses are missing. "
            if missing["n"]
            else "No response is missing. "
        )
        gaps = [gap for group in tables.manifest.groups if (gap := _gap(flow, group))]
        text += " ".join(gaps) + (" " if gaps else "")
    judged = one_row(flow, step="left out", unit="responses", what="audit persons’, not judged")
    if judged is not None:
        text += (
            f"{share(judged['n'], judged['of'])} of the audit persons’ responses could not be judged, as "
            "no criterion score is known of them."
            if judged["n"]
            else "Every response of the audit persons was judged."
        )
    return text.strip()


def _gap(flow: pd.DataFrame, group: Group) -> str:
    """How much the two groups left unanswered, where anything is missing."""
    parts = {}
    for level in (group.reference, group.focal):
        row = one_row(flow, step="missing", grouping=group.attribute, level=level)
        if row is None or not finite(row["of"]):
            return ""
        parts[level] = row["n"] / row["of"]
    if not any(parts.values()):
        return ""
    said = ", ".join(f"{share(part, 1)} for {level}" for level, part in parts.items())
    text = f"By {group.attribute}: {said}."
    if abs(parts[group.focal] - parts[group.reference]) > APART:
        text += (
            " The groups differ in what they left unanswered; if those who left it out would have scored "
            "differently, comparisons between the groups are off by an amount that the data do not tell."
        )
    return text


def share(part: object, whole: object) -> str:
    """A share as a percentage with one decimal: ``2.6%``; ``0%`` and ``100%`` are exact."""
    number, of = finite(part), finite(whole)
    if number is None or not of:
        return MISSING
    found = number / of
    return percent(found) if found in (0, 1) else f"{real(100 * found, 1)}%"


def _flow(tables: RunTables) -> Table:
    rows = tuple(
        (STEPS.get(str(row["step"]), str(row["step"])), *_what(row), count(row["n"]), count(row["of"]),
         share(row["n"], row["of"]), str(row["why"] or ""))
        for row in tables.flow.to_dict("records")
    )  # fmt: skip
    return Table(
        "From the data to the tables: what was read, missing and left out.",
        column("Step", "What", "Group", "Number", "Of", "Share", "Why, and what was done", text=(0, 1, 2, 6)),
        rows,
        note="Persons without any response do not appear in the data and are not counted. A row with 0 says "
        "that it was looked for and not found.",
        source="flow.csv",
    )


def _what(row: dict[Hashable, Any]) -> tuple[str, str]:
    what = f"{row['unit']}: {row['what']}"
    if row["grouping"] == "all":
        return what, "all"
    level = "" if row["level"] == "all" else f" = {row['level']}"
    return what, f"{row['grouping']}{level}"


def _split(tables: RunTables) -> Table:
    names = {"all": "everyone"} | {group.attribute: group.attribute for group in tables.manifest.groups}
    rows = tuple(
        (str(row.split), names.get(str(row.grouping), str(row.grouping)), str(row.level), count(row.persons),
         count(row.responses))
        for row in tables.split.itertuples()
    )  # fmt: skip
    return Table(
        "Persons and responses by split.",
        column("Split", "Grouping", "Group", "Persons", "Responses", text=(0, 1, 2)),
        rows,
        note="Split by person. Training, feedback and every choice of a setting left the audit persons "
        "out; DIF and agreement are reported on the audit persons only.",
        source="split.csv",
    )
