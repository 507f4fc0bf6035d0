"""Who gave the feedback, on what, and how the raters compare with one another."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from psyalign.report.content import Block, Figure, Paragraph, Section, Table, Terms, column
from psyalign.report.facts import Estimate
from psyalign.report.figures.rows import Panel, estimate_rows
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, bounded, count, finite, percent, real
from psyalign.report.sections.asked import asked_table, asked_text
from psyalign.report.sections.denied import denied_text
from psyalign.report.sections.drawings import Z_95, mark
from psyalign.report.sections.rater_care import (
    CARE_TERMS,
    care_table,
    changes_table,
    policy_text,
    right_order,
    same_again,
    within,
)

__all__ = ["raters_section"]

MAP_FROM = 3  # raters; two are told in a sentence
MAP_MOST = 40  # rows that a drawing can hold: beyond, those in the middle are left to the table
TERMS = (
    (
        "Severity",
        "how much lower than the other raters someone scores the same responses, in logits; 0 is the mean of "
        "the raters. It cancels where a rater compares two score points of one response.",
    ),
    (
        "Discrimination",
        "how sharply a rater tells score points apart: 1 is typical, near 0 careless.",
    ),
    (
        "Right order",
        "probability that a rater, asked which of two responses is better, sides with the order that all "
        "raters’ comparisons together imply (Crowd-BT’s η): 1 for errors between close responses only, .5 "
        "for guessing, below .5 for a scale turned upside down.",
    ),
    (
        "Agreement",
        "share of a rater’s judgements that equal what most of the other raters said on the same question.",
    ),
)
LEANING_LEVEL = 0.05
# What raters may say, and its heading; a run of before the last has no count of it.
KINDS = {
    "ratings": "Ratings",
    "score_preferences": "Score preferences",
    "response_preferences": "Response preferences",
    "equivalences": "Same intention",
}


def raters_section(tables: RunTables) -> Section:
    """The feedback; with two raters or more, each of them; with three or more, a drawing."""
    several = len(tables.raters) > 1
    blocks: list[Block] = [Paragraph(_said(tables)), _feedback(tables)]
    if several:
        if len(tables.raters) >= MAP_FROM and (figure := _map(tables)) is not None:
            blocks.append(figure)
        blocks.append(_raters(tables))
        if (care := care_table(tables)) is not None:
            blocks += [care, Terms((*TERMS, *CARE_TERMS))]
        else:
            blocks.append(Terms(TERMS))
    if len(tables.asked):
        blocks += [Paragraph(asked_text(tables)), asked_table(tables)]
    if len(tables.denied):
        blocks.append(Paragraph(denied_text(tables)))
    if len(tables.rater_changes):
        blocks += [Paragraph(policy_text(tables)), changes_table(tables)]
    return Section("raters", "Raters and feedback", tuple(blocks))


def _said(tables: RunTables) -> str:
    kinds = tables.feedback.groupby("kind", sort=False)["records"].sum()
    records = ", ".join(f"{count(n)} {str(kind).replace('_', ' ')}s" for kind, n in kinds.items())
    named = len({name for name in tables.feedback["rater"] if isinstance(name, str) and name})
    if not len(tables.raters) and named > 1:
        return (
            f"The feedback: {records}. This run has no figures of single raters; how far they differ in "
            "severity, and whether they agree, is not known."
        )
    if len(tables.raters) < 2 and not tables.scores_heard:
        return (
            f"The feedback: {records}. It comes from one rater or from a rule: whether raters agree cannot "
            "be seen from it. What this source gets wrong, the aligned arms learn."
        )
    if len(tables.raters) < 2:
        return (
            f"The feedback: {records}. All scores in it come from one rater or from a panel taken as one: "
            "how far raters differ in severity, and whether they agree, cannot be seen from them. What this "
            "source gets wrong, the aligned arms learn."
        )
    text = f"The feedback, by {count(len(tables.raters))} raters: {records}. "
    severe = _apart(tables.raters, 1)
    mild = _apart(tables.raters, -1)
    if not any(finite(value) is not None for value in tables.raters["severity"]):
        return text + "Their severities cannot be told from what they judged."
    if not severe and not mild:
        text += "No rater’s severity differs from their mean by more than its 95% interval allows for."
    else:
        said = []
        if severe:
            said.append(f"more severe than their mean: {_names(severe)}")
        if mild:
            said.append(f"more lenient: {_names(mild)}")
        text += f"Beyond what chance explains (95% interval of one rater alone), {'; '.join(said)}."
    if dull := [str(row["rater"]) for row in _records(tables.raters) if _dull(row)]:
        text += f" Telling score points less sharply apart than is typical: {_names(dull)}."
    return text + _leaning(tables.raters)


def _leaning(raters: pd.DataFrame) -> str:
    """Who is harder or milder on a group than the others, after Holm's adjustment over the raters."""
    said = []
    for name in (str(known)[6:-1] for known in raters.columns if str(known).startswith("drf_p[")):
        for sign, word in ((1, "harder"), (-1, "milder")):
            found = [
                str(row["rater"])
                for row in _records(raters)
                if (p := finite(row[f"drf_p[{name}]"])) is not None
                and p < LEANING_LEVEL
                and sign * (finite(row[f"drf[{name}]"]) or 0.0) > 0
            ]
            if found:
                said.append(f"{word} on the focal group of {name} than the others: {_names(found)}")
    return f" Of the raters, {'; '.join(said)} (5% level, adjusted by Holm for their number)." if said else ""


def _records(raters: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(key): value for key, value in row.items()} for row in raters.to_dict("records")]


def _apart(raters: pd.DataFrame, sign: int) -> list[str]:
    """Raters whose severity has an interval wholly above (1) or below (−1) zero."""
    found = []
    for row in _records(raters):
        value = _severity(row)
        if value.low is not None and value.high is not None and min(sign * value.low, sign * value.high) > 0:
            found.append(str(row["rater"]))
    return found


def _dull(row: dict[str, object]) -> bool:
    found = _sharpness(row, "discrimination")
    return found.high is not None and found.high < 1


def _names(names: Sequence[str]) -> str:
    """Some names; beyond six, their number."""
    return ", ".join(names) if len(names) <= 6 else f"{count(len(names))} raters"


def _severity(row: dict[str, object]) -> Estimate:
    value, error = finite(row["severity"]), finite(row["severity_se"])
    if value is None or error is None:
        return Estimate(value)
    return Estimate(value, value - Z_95 * error, value + Z_95 * error)


def _sharpness(row: dict[str, object], name: str) -> Estimate:
    """Discrimination, whose standard error is that of its logarithm."""
    value, error = finite(row[name]), finite(row[f"{name}_se"])
    if value is None or error is None or value <= 0:
        return Estimate(value)
    return Estimate(value, value * math.exp(-Z_95 * error), value * math.exp(Z_95 * error))


def _map(tables: RunTables) -> Figure | None:
    """Raters from the most severe to the most lenient; None where nothing tells them apart."""
    rows = _records(tables.raters)
    if any(finite(row["severity"]) is not None for row in rows):
        rows = sorted(rows, key=lambda row: -(finite(row["severity"]) or 0.0))
    left_out = len(rows) - MAP_MOST
    if left_out > 0:
        rows = rows[: MAP_MOST // 2] + rows[-MAP_MOST // 2 :]
    panels = []
    for heading, found, zero, unit in (
        ("severity (logits)", [_severity(row) for row in rows], True, False),
        ("discrimination", [_sharpness(row, "discrimination") for row in rows], False, False),
        ("right order", [right_order(row) for row in rows], False, True),
        ("agreement", [Estimate(finite(row["agreement"])) for row in rows], False, True),
        ("same again", [same_again(row) for row in rows], False, True),
    ):
        if any(each.value is not None for each in found):
            panels.append(Panel(heading, tuple(found), zero=zero, unit_bound=unit))
    if not panels:
        return None
    svg = estimate_rows(
        [str(row["rater"]) for row in rows], [""] * len(rows), panels,
        name="rater-map", origin=mark(tables), title="The raters: severity, discrimination and agreement",
    )  # fmt: skip
    caption = (
        "Rater map, from the most severe rater (top) to the most lenient. Look for raters far from the "
        "others, and for those who discriminate or agree little. Bars are 95% intervals of one rater alone."
    )
    if left_out > 0:
        caption += f" {count(left_out)} raters of middling severity are left to the table."
    return Figure("rater-map", caption, svg, source="raters.csv")


def _feedback(tables: RunTables) -> Table:
    rows = tuple(
        (_text(row["kind"]).replace("_", " "), _text(row["source"]), _text(row["rater"]),
         count(row["records"]), count(row["responses"]), percent(row["connected_share"]), _text(row["note"]))
        for row in tables.feedback.to_dict("records")
    )  # fmt: skip
    return Table(
        "Feedback records.",
        column("Kind", "Source", "Rater", "Records", "Responses", "Connected", "Note", text=(0, 1, 2, 6)),
        rows,
        note="Connected: share of responses whose preferences link all score points. Where they do not, "
        "preferences say nothing about some pairs of scores.",
        source="feedback.csv",
    )


def _raters(tables: RunTables) -> Table:
    """Who judged how, and how often, of the kinds that anyone judged.

    Only with two raters or more can a rater be compared with the others.
    """
    leanings = [str(name) for name in tables.raters.columns if str(name).startswith("drf[")]
    said = [kind for kind in KINDS if kind in tables.raters and (tables.raters[kind] > 0).any()]
    rows = tuple(
        (str(row["rater"]), *(count(row[kind]) for kind in said),
         _with_error(row["severity"], row["severity_se"]), real(row["discrimination"]),
         within(right_order(row)), bounded(row["agreement"]), *(_marked(row, name) for name in leanings))
        for row in _records(tables.raters)
    )  # fmt: skip
    note = ""
    if leanings:
        note = (
            "Harder on focal: severity with the focal group minus severity with the reference group, in "
            "logits, relative to the other raters; what all raters share does not show. *: differs from 0 at "
            "the 5% level, adjusted (Holm) for the number of raters. Not given for a rater who answers "
            "mostly at random (discrimination below .5, η below .7), which cannot be told from a leaning."
        )
    return Table(
        "The raters of the feedback.",
        column(
            *("Rater", *(KINDS[kind] for kind in said), "Severity (SE)"),
            *("Discrimination", "Right order", "Agreement"),
            *(f"Harder on focal: {name[4:-1]}" for name in leanings),
        ),
        rows,
        note=note,
        source="raters.csv",
    )


def _marked(row: dict[str, object], name: str) -> str:
    """A leaning, starred where it is told from chance."""
    p = finite(row.get(name.replace("drf[", "drf_p[")))
    return real(row[name], signed=True) + ("*" if p is not None and p < LEANING_LEVEL else "")


def _with_error(value: object, error: object) -> str:
    return f"{real(value, signed=True)} ({real(error)})" if finite(value) is not None else MISSING


def _text(value: object) -> str:
    return value if isinstance(value, str) and value else MISSING
