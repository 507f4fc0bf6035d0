"""Groups side by side, decisions and whom they select, DIF of the items."""

from __future__ import annotations

from typing import Any

from psyalign.report.content import Block, Figure, Paragraph, Section, Table, Terms, column
from psyalign.report.evaluation.accuracy import mark
from psyalign.report.evaluation.measures import Measured
from psyalign.report.evaluation.records import rows_of
from psyalign.report.facts import Estimate
from psyalign.report.figures.written import Row, interval_rows
from psyalign.report.numerals import MISSING, bounded, count, finite, interval, percent, pvalue, real

__all__ = ["decisions_section", "dif_section", "groups_section"]

ASKED = 0.10  # |SMD| within a group, Williamson et al. (2012): the band of the drawing
TERMS = (
    ("SMD of a group", "mean machine minus mean human score of the group, in SDs of all human "
     "scores. Above 0: the "
     "machine is more lenient to the group than humans are"),
    ("DSM", "difference of standardised means: the same after machine and human scores are each "
     "standardised over "
     "all responses, so that a machine that is lenient to everybody has 0"),
    ("Bias with the rater's error taken out", "difference of the machine score between groups at the "
     "same human "
     "true score, in score points, group minus reference"),
    ("OSA, OSD, CSD", "RSMTool's tests: do groups differ in squared error (overall score accuracy), in error "
     "(overall score difference), in error at the same human score (conditional score difference)? R² is the "
     "share explained by the group"),
)  # fmt: skip
TRAP = (
    "Read CSD with care: it holds the machine to one noisy human score, and finds a difference for a "
    "perfectly fair machine where groups differ in ability."
)


def groups_section(found: Measured) -> Section | None:
    """A drawing of the groups' SMD, then a table for each attribute; None without groups."""
    levels = found.given.levels
    if not levels:
        return None
    blocks: list[Block] = [_figure(found), Terms(TERMS if "bias" in found.tables else (*TERMS[:2], TERMS[3]))]
    for grouping in levels:
        blocks += [_by_level(found, grouping), _tests(found, grouping)]
        if "bias" in found.tables and (found.tables["bias"]["grouping"] == grouping).any():
            blocks.append(_bias(found, grouping))
    cure = "The corrected bias does not." if "bias" in found.tables else "A second human score would tell."
    blocks.append(Paragraph(f"{TRAP} {cure}", "note"))
    return Section("groups", "Groups", tuple(blocks))


def _plain(found: Measured, grouping: str) -> Any:
    """Figures of the levels: metric by level."""
    table = found.tables["intervals"]
    return table[(table["grouping"] == grouping) & (table["contrast"] == "")].set_index(["level", "metric"])


def _figure(found: Measured) -> Figure:
    rows: list[Row] = []
    for grouping, levels in found.given.levels.items():
        rows.append(Row(grouping))
        part = _plain(found, grouping)
        for level in levels:
            row = part.loc[(level, "smd")]
            rows.append(Row(level, Estimate(finite(row["value"]), finite(row["low"]), finite(row["high"]))))
    drawing = interval_rows(
        rows,
        ASKED,
        "← harder · machine minus human, in human SDs · more lenient →",
        name="groups",
        origin=mark(found),
        title="SMD of each group, machine minus human scores",
    )
    return Figure(
        "groups",
        "Machine minus human score of each group with 95% interval, in SDs of all human scores. The "
        "shaded band "
        "is what Williamson et al. (2012) ask of a group, ±.10: see which groups lie outside of it.",
        drawing,
    )


def _by_level(found: Measured, grouping: str) -> Table:
    part = _plain(found, grouping)
    size: Any = found.tables["groups"].set_index(["grouping", "level"])
    rows = []
    for level in found.given.levels[grouping]:
        cells = [level, count(size.loc[(grouping, level), "n_persons"])]
        for metric, show in (("smd", real), ("dsm", real), ("qwk_continuous", bounded), ("r", bounded)):
            row = part.loc[(level, metric)]
            between = interval(row["low"], row["high"], unit_bound=show is bounded)
            cells.append(show(row["value"]) + (f"\n{between}" if between != MISSING else ""))
        cells += [bounded(part.loc[(level, metric), "value"]) for metric in ("exact", "adjacent")]
        cells.append(real(part.loc[(level, "rmse"), "value"]))
        rows.append(tuple(cells))
    return Table(
        f"Agreement by {grouping}, with 95% intervals.",
        column("Group", "Persons", "SMD", "DSM", "QWK (trimmed)", "r", "Exact", "Adjacent", "RMSE"),
        tuple(rows),
        note="Groups of less spread have a lower QWK and r even if they are scored as well. "
        "Differences between "
        "groups with intervals and p: intervals.csv.",
        source="intervals.csv, by_group.csv",
    )


def _tests(found: Measured, grouping: str) -> Table:
    table = found.tables["fairness"]
    rows = [
        (
            row.metric,
            bounded(row.r2, 3),
            real(row.f),
            f"{row.df1:.0f}, {row.df2:.0f}",
            pvalue(row.p),
            row.reason,
        )
        for row in rows_of(table[table["grouping"] == grouping])
    ]
    return Table(
        f"RSMTool's tests by {grouping}.",
        column("Test", "R², adjusted", "F", "df", "p", "Note", text=(0, 5)),
        tuple(rows),
        note="Of the trimmed score. Responses are taken as independent, as RSMTool does: with "
        "several responses a "
        "person p is too small.",
        folded=True,
        source="fairness.csv, fairness_estimates.csv",
    )


def _bias(found: Measured, grouping: str) -> Table:
    table = found.tables["bias"]
    names = {
        "marginal": "as it is (OSD)",
        "naive": "at the same human score",
        "corrected": "at the same true score",
    }
    rows = [
        (
            row.focal, names[row.method], real(row.estimate, 3, signed=True), interval(row.low, row.high, 3),
            pvalue(row.p), row.reason,
        )
        for row in rows_of(table[table["grouping"] == grouping])
    ]  # fmt: skip
    reference = table.loc[table["grouping"] == grouping, "reference"].iloc[0]
    return Table(
        f"Machine minus human score by {grouping}, in score points, against {reference}.",
        column("Group", "Comparison", "Difference", "95% interval", "p", "Note", text=(0, 1, 5)),
        tuple(rows),
        note="Standard errors are clustered by person. The stressed row of a group is the one to go by: "
        "the rater's "
        "error is taken out (Fuller, 1987).",
        emphasis=frozenset(place for place, row in enumerate(rows) if row[1] == names["corrected"]),
        source="bias.csv",
    )


def decisions_section(found: Measured) -> Section | None:
    """Machine against human decisions, impact ratios, the audit table; None without cuts and --impact."""
    blocks: list[Block] = []
    if "decisions" in found.tables:
        blocks += [
            Paragraph(
                "A person passes with a mean rounded score at or above the cut. Sensitivity: of "
                "those who pass by the "
                "human score, the share who pass by the machine's; specificity: the same of those who fail."
            ),
            _decisions(found),
        ]
    if "impact" in found.tables:
        blocks.append(_impact(found))
    if "audit" in found.tables:
        blocks.append(_audit(found))
    return Section("decisions", "Decisions and impact", tuple(blocks)) if blocks else None


def _decisions(found: Measured) -> Table:
    keys = ("human_rate", "rate", "accuracy", "sensitivity", "specificity", "kappa")
    rows = [
        (str(row["cut"]), count(row["n"]), *(bounded(row[key]) for key in keys))
        for row in found.tables["decisions"].to_dict("records")
    ]
    return Table(
        "Decisions at the cuts.",
        column(
            "Cut", "Persons", "Pass, human", "Pass, machine", "Same", "Sensitivity", "Specificity", "Kappa"
        ),
        tuple(rows),
        source="decisions.csv",
    )


def _impact(found: Measured) -> Table:
    rows = [
        (
            f"{row.cut:g}", row.grouping, row.group, row.scores, count(row.n), percent(row.rate),
            "reference" if row.is_reference else bounded(row.impact_ratio),
            interval(row.low, row.high, unit_bound=True), pvalue(row.p), row.reason,
        )
        for row in rows_of(found.tables["impact"])
    ]  # fmt: skip
    return Table(
        "Impact ratios: share of a group that passes, over that of the group with the highest share.",
        column(
            *("Cut", "Attribute", "Group", "Scores", "Persons", "Pass", "Ratio", "95% interval", "p", "Note"),
            text=(0, 1, 2, 3, 9),
        ),
        tuple(rows),
        note="Below .80 is the four-fifths rule's sign of adverse impact (29 CFR 1607.4(D)), no "
        "finding of unlawful "
        "discrimination; look at the interval (Koopman) and p (Fisher's exact test) too.",
        source="impact.csv",
    )


def _audit(found: Measured) -> Table:
    rows = [
        (
            row.attribute, row.category if not row.suppressed else f"{row.category} (too few to be shown)",
            count(row.n), percent(row.share), percent(row.rate), bounded(row.impact_ratio),
            str(row.reason or ""),
        )
        for row in rows_of(found.tables["audit"].fillna({"reason": ""}))
    ]  # fmt: skip
    return Table(
        "Bias-audit table of New York City's Local Law 144 (6 RCNY § 5-301).",
        column(
            *("Attribute", "Category", "Persons", "Share", "Scoring rate", "Impact ratio", "Note"),
            text=(0, 1, 6),
        ),
        tuple(rows),
        note="Scoring rate: share with a score above the median of all. The law asks for sex and "
        "race/ethnicity; "
        "the table has the attributes that you named, and their pairs.",
        source="audit.csv",
    )


def dif_section(found: Measured) -> Section | None:
    """Effect sizes by item, machine beside human; None if it was not asked for."""
    if "dif" not in found.tables:
        return None
    blocks: list[Block] = [
        Paragraph(
            "Differential item functioning (DIF): persons of different groups with the same human total get "
            "different scores on an item. The human scores are tested the same way: DIF in both may "
            "lie in the "
            "item, DIF in the machine's alone is the machine's."
        )
    ]
    table = found.tables["dif"]
    for (grouping, focal), part in table.groupby(["grouping", "focal"], sort=False):
        human = part[part["scores"] == "human"].set_index("item")
        rows = []
        for row in rows_of(part[part["scores"] == "machine"]):
            beside = human.loc[row.item] if row.item in human.index else None
            rows.append(
                (
                    str(row.item), real(row.es, signed=True), str(row.es_class or ""), pvalue(row.p_adjusted),
                    MISSING if beside is None else real(beside["es"], signed=True),
                    "" if beside is None else str(beside["es_class"] or ""), str(row.reason or ""),
                )
            )  # fmt: skip
        blocks.append(
            Table(
                f"DIF by {grouping}: {focal} minus {part['reference'].iloc[0]}.",
                column(
                    *(
                        "Item",
                        "Machine, effect size",
                        "Class",
                        "p, Holm",
                        "Human, effect size",
                        "Class",
                        "Note",
                    ),
                    text=(0, 2, 5, 6),
                ),
                tuple(rows),
                note="Effect size: SMD / SD of the item's human scores. Class AA: not significant or "
                "at most .17; "
                "BB: at most .25; CC: above. A convention, no policy.",
                emphasis=frozenset(place for place, row in enumerate(rows) if row[2] in ("BB", "CC")),
                source="dif.csv",
            )
        )
    return Section("dif", "DIF of the items", tuple(blocks))
