"""Agreement by group with intervals, and whether errors differ between the groups."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from psyalign.report.content import Block, Paragraph, Section, Table, column
from psyalign.report.facts import one_row
from psyalign.report.load import Group, RunTables
from psyalign.report.numerals import MISSING, bounded, count, interval, pvalue, real

__all__ = ["arms_shown", "cell", "subgroups_section"]

MEASURES: tuple[tuple[str, str, Callable[..., str]], ...] = (
    ("qwk", "QWK", bounded),
    ("r", "r", bounded),
    ("exact", "Exact", bounded),
    ("smd_pooled", "SMD", real),
    ("dsm", "DSM", real),
)
EXPLANATION = (
    "SMD is the mean difference scorer minus human of the group, in pooled standard deviations of all "
    "persons. DSM compares the group’s standing: its mean among all scorer scores minus its mean among all "
    "human scores, each in its own standard deviations. Every cell: estimate, and 95% interval from drawing "
    "persons again."
)
FAIRNESS = {
    "OSA": "OSA: squared error",
    "OSD": "OSD: scorer minus human",
    "CSD": "CSD: the same, given the human score",
}
METHODS = {
    "marginal": "Scorer minus human",
    "naive": "Given the human score as it is",
    "corrected": "Given the human true score (rater error taken out)",
}


def arms_shown(tables: RunTables) -> list[tuple[str, str]]:
    """("Before", arm) and, if an arm is aligned, ("After", arm)."""
    return [("Before", tables.before)] + ([("After", tables.after)] if tables.after else [])


def cell(row: pd.Series | None, show: Callable[..., str], *, signed: bool = False) -> str:
    """Value and, on a second line, its interval."""
    if row is None:
        return MISSING
    found = interval(row["low"], row["high"], unit_bound=show is bounded)
    value = show(row["value"], signed=signed)
    return value if found == MISSING else f"{value}\n{found}"


def subgroups_section(tables: RunTables) -> Section | None:
    """One table of agreement for each grouping, then group differences in errors."""
    if not len(tables.evaluation):
        return None
    blocks: list[Block] = [Paragraph(EXPLANATION)]
    blocks += [_by_group(tables, group) for group in tables.manifest.groups]
    if len(tables.fairness):
        blocks += [Paragraph(TRAP), _fairness(tables)]
    blocks += _bias(tables)
    return Section("subgroups", "Agreement and errors by group", tuple(blocks))


TRAP = (
    "Errors by group, focal minus reference. OSA and OSD ask whether the errors differ between the groups; "
    "CSD asks it among people with the same human score. One human score is a noisy thing to compare people "
    "by: CSD flags fair scorers where the groups differ in what is measured, so a small p of CSD alone shows "
    "no bias."
)


def _by_group(tables: RunTables, group: Group) -> Table:
    rows = []
    part = tables.evaluation[tables.evaluation["grouping"] == group.attribute]
    for name, arm in arms_shown(tables):
        for level, contrast in ((group.reference, ""), (group.focal, ""), (group.focal, "difference")):
            own = part[(part["arm"] == arm) & (part["level"] == level) & (part["contrast"] == contrast)]
            title = "difference" if contrast else level
            if len(own) and own["suppressed"].astype(bool).any():
                rows.append((name, title, "too few", *([MISSING] * len(MEASURES))))
                continue
            cells = [
                cell(one_row(own, metric=metric), show, signed=bool(contrast)) for metric, _, show in MEASURES
            ]
            persons = count(own["n_persons"].iloc[0]) if len(own) and not contrast else MISSING
            rows.append((name, title, persons, *cells))
    return Table(
        f"Agreement with the human scores by {group.attribute}, with 95% intervals.",
        column("Scorer", "Group", "Persons", *(title for _, title, _ in MEASURES), text=(0, 1)),
        tuple(rows),
        note=f"Difference: {group.focal} minus {group.reference}. A group with fewer high or low scorers "
        "has a lower QWK and r even if it is scored as well. “Too few”: a group of fewer than 10 persons, "
        "or one that the total would give away, is not shown.",
        emphasis=frozenset(place for place, row in enumerate(rows) if row[1] == "difference"),
        source="evaluation.csv",
    )


def _fairness(tables: RunTables) -> Table:
    rows = []
    for row in tables.fairness.to_dict("records"):
        names = {arm: name for name, arm in arms_shown(tables)}
        if row["arm"] not in names:
            continue
        ends = interval(row["low"], row["high"])
        rows.append(
            (
                FAIRNESS[str(row["metric"])], str(row["grouping"]), names[str(row["arm"])],
                real(row["estimate"], signed=True), ends, real(row["f"]), pvalue(row["p"]),
                bounded(row["r2"], 3),
            )
        )  # fmt: skip
    return Table(
        "Group differences in errors (OSA, OSD, CSD as RSMTool defines them).",
        column("Measure", "Grouping", "Scorer", "Difference", "95% CI", "F", "p", "Adj. R²", text=(0, 1, 2)),
        tuple(rows),
        note="Score points (OSA: squared). Adj. R²: the share of the errors that the group explains. F, p "
        "and interval take responses as independent, as RSMTool does; several of one person are not.",
        source="fairness.csv",
    )


def _bias(tables: RunTables) -> list[Block]:
    found = tables.rater_bias
    if not len(found):
        text = (
            "There are no second ratings of the same responses ([gates] raters), so bias given the human "
            "true score, with the raters’ error taken out, cannot be estimated."
        )
        return [Paragraph(text, tone="note")]
    names = {arm: name for name, arm in arms_shown(tables)}
    rows = []
    whole = found[found["item"] == "all"].to_dict("records")
    order = (
        {arm: place for place, arm in enumerate(names)},
        {name: place for place, name in enumerate(METHODS)},
    )
    whole.sort(key=lambda row: (str(row["grouping"]), order[0][row["arm"]], order[1][row["method"]]))
    for row in whole:
        rows.append(
            (
                METHODS[str(row["method"])], str(row["grouping"]), names[str(row["arm"])],
                real(row["estimate"], signed=True), interval(row["low"], row["high"]), pvalue(row["p"]),
                bounded(row["reliability"]), str(row["reason"]) or count(row["n_twice"]),
            )
        )  # fmt: skip
    return [
        Table(
            "Bias of the scorer with and without the raters’ error, all items, focal minus reference.",
            column(
                *("Compared", "Grouping", "Scorer", "Bias", "95% CI", "p", "Reliability", "Rated twice"),
                text=(0, 1, 2),
            ),
            tuple(rows),
            note="Score points; standard errors clustered by person. The last line of each scorer is the one "
            "to judge by. Reliability: of the human score within items and groups. Assumed: raters’ errors "
            "are independent of each other and of the scorer’s. By item: rater_bias.csv.",
            emphasis=frozenset(place for place, row in enumerate(whole) if row["method"] == "corrected"),
            source="rater_bias.csv",
        )
    ]
