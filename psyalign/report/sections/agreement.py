"""Agreement with the human scores, before and after, overall and by group."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from psyalign.report.content import Block, Paragraph, Section, Table, column
from psyalign.report.facts import Estimate, agreement_interval, agreement_row, estimate, one_row
from psyalign.report.load import Group, RunTables
from psyalign.report.numerals import MISSING, bounded, count, interval, real

__all__ = ["agreement_section"]

EXPLANATION = (
    "QWK, exact and adjacent agreement (same score; at most one point apart) use the single score that "
    "the scorer finds most probable; r, SMD, RMSE and the SD ratio use its expected score. SMD is the "
    "mean difference scorer minus human in standard deviations of the human scores. As a yardstick, "
    "Williamson, Xi and Breyer (2012) ask for QWK and r of at least .70 and |SMD| of at most .15 overall "
    "and .10 in every group."
)
MEASURES: tuple[tuple[str, str, Callable[..., str]], ...] = (
    ("qwk", "QWK", bounded),
    ("qwk_continuous", "QWK of the expected score", bounded),
    ("r", "Correlation r", bounded),
    ("exact", "Exact agreement (share)", bounded),
    ("adjacent", "Adjacent agreement (share)", bounded),
    ("smd", "SMD", real),
    ("rmse", "RMSE (score points)", real),
    ("sd_ratio", "SD ratio to human", real),
)


def agreement_section(tables: RunTables) -> Section:
    """One table overall, one for each grouping."""
    # with intervals in the section on groups, where the run has them
    shown = () if len(tables.evaluation) else tables.manifest.groups
    groups = (_by_group(tables, group) for group in shown)
    blocks: tuple[Block, ...] = (Paragraph(EXPLANATION), _overall(tables), *groups)
    return Section("agreement", "Agreement with the human scores", blocks)


def _overall(tables: RunTables) -> Table:
    before = agreement_row(tables, tables.before)
    after = agreement_row(tables, tables.after) if tables.after else None
    rows = []
    for metric, name, show in MEASURES:
        change = _change(tables, metric)
        # Without an interval the change is a description only.
        plain = None if before is None or after is None else after[metric] - before[metric]
        rows.append(
            (
                name,
                MISSING if before is None else show(before[metric], 3),
                MISSING if after is None else show(after[metric], 3),
                show(plain if change.value is None else change.value, 3, signed=True),
                interval(change.low, change.high, 3, unit_bound=show is bounded),
            )
        )
    people = (
        "" if before is None else f", {count(before['n_persons'])} persons, {count(before['n'])} responses"
    )
    return Table(
        f"Agreement with the human scores, audit persons{people}.",
        column("Measure", "Before", "After", "Change", "95% interval"),
        tuple(rows),
        note="Intervals by drawing persons again; a change without one is a description only.",
        source="agreement.csv, agreement_intervals.csv" + ", evaluation.csv" * bool(len(tables.evaluation)),
    )


def _change(tables: RunTables, metric: str) -> Estimate:
    """Of QWK and r from the intervals that every run has, of the others where the run has them."""
    if tables.after is None:
        return Estimate()
    found = agreement_interval(tables, tables.after, metric)
    if found is not None:
        return estimate(found, "change", "change_low", "change_high")
    whole = {"arm": tables.after, "grouping": "all", "metric": metric, "contrast": "change"}
    return estimate(one_row(tables.evaluation, **whole), "value", "low", "high")


def _by_group(tables: RunTables, group: Group) -> Table:
    rows = []
    arms = [("Before", tables.before)] + ([("After", tables.after)] if tables.after else [])
    part = tables.agreement[tables.agreement["grouping"] == group.attribute]
    for name, arm in arms:
        for level in (group.reference, group.focal, "difference"):
            row = one_row(part, arm=arm, level=level)
            if row is not None:
                rows.append((name, level, *_measures(row, difference=level == "difference")))
    return Table(
        f"Agreement by {group.attribute}.",
        column(
            *("Scorer", "Group", "Persons", "Responses", "QWK", "r", "Exact", "Adjacent", "SMD", "RMSE"),
            text=(0, 1),
        ),
        tuple(rows),
        note=f"Difference: {group.focal} minus {group.reference}. A group with fewer high or low scorers "
        "has a lower QWK and r even if it is scored as well.",
        source="agreement.csv",
    )


def _measures(row: pd.Series, *, difference: bool) -> tuple[str, ...]:
    persons = (MISSING, MISSING) if difference else (count(row["n_persons"]), count(row["n"]))
    shares = tuple(bounded(row[name], 3, signed=difference) for name in ("qwk", "r", "exact", "adjacent"))
    return (*persons, *shares, *(real(row[name], 3, signed=difference) for name in ("smd", "rmse")))
