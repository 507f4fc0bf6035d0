"""The wording effect: the same answer in other words."""

from __future__ import annotations

from psyalign.report.content import Figure, Paragraph, Section, Table, column
from psyalign.report.facts import estimate
from psyalign.report.figures.rows import Panel, estimate_rows
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, count, finite, interval, percent, real
from psyalign.report.sections.drawings import mark, role

__all__ = ["wording_section"]

EXPLANATION = (
    "Some answers exist in two wordings that say the same thing. The wording effect is the mean "
    "difference in expected score between the two wordings of one answer, in score points. Because each "
    "answer is its own comparison, it is much more precise than DIF between groups; but it covers only "
    "the wordings at hand."
)


def wording_section(tables: RunTables) -> Section | None:
    """Effect by arm; None if the run has no answers in two wordings."""
    if not len(tables.wording):
        return None
    rows, stressed = [], []
    for position, row in enumerate(tables.wording.to_dict("records")):
        arm = str(row["arm"])
        reduction = MISSING if arm == tables.before else percent(row["reduction"])
        ends = interval(row["low"], row["high"], 3)
        rows.append((tables.label(arm), real(row["effect"], 3), ends, reduction, count(row["n_pairs"])))
        if role(tables, arm):
            stressed.append(position)
    table = Table(
        "Wording effect by arm.",
        column("Arm", "Effect", "95% interval", "Share of the baseline’s effect removed", "Answer pairs"),
        tuple(rows),
        emphasis=frozenset(stressed),
        note="Other wording minus neutral wording. Share removed: by size, whatever the direction; negative "
        "where the effect grew.",
        source="wording.csv",
    )
    return Section("wording", "Wording effect", (Paragraph(EXPLANATION), _figure(tables), table))


def _figure(tables: RunTables) -> Figure:
    part = tables.wording[[finite(effect) is not None for effect in tables.wording["effect"]]]
    arms = [str(arm) for arm in part["arm"]]
    panel = Panel(
        "wording effect (score points)",
        tuple(estimate(row, "effect", "low", "high") for _, row in part.iterrows()),
    )
    svg = estimate_rows(
        [tables.label(arm) for arm in arms],
        [role(tables, arm) for arm in arms],
        [panel],
        name="wording-effect",
        origin=mark(tables),
        title="Wording effect of each arm",
    )
    return Figure(
        "wording-effect",
        "Wording effect of each arm: at zero, an answer gets the same score in either wording. Bars are "
        "95% intervals.",
        svg,
    )
