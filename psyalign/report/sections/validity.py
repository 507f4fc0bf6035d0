"""Evidence beside one human score: a second human, the true score, and no loss against the scorer before."""

from __future__ import annotations

from psyalign.report.content import Block, Paragraph, Section, Table, column
from psyalign.report.facts import one_row
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, bounded, pvalue, real
from psyalign.report.sections.subgroups import arms_shown, cell

__all__ = ["validity_section"]

HUMANS = (
    ("qwk", "QWK"),
    ("r", "Correlation r"),
    ("exact", "Exact agreement"),
    ("adjacent", "Adjacent agreement"),
)
TRUE = (
    ("prmse", "PRMSE: share of the true scores’ variance that the scorer predicts", bounded),
    ("r_disattenuated", "r with the human true score (disattenuated)", bounded),
    ("rmse_true", "Error against the true score (RMSE, score points)", real),
    ("reliability", "Reliability of one human rating", bounded),
)
ALONE = (
    "There are no second ratings of the same responses ([gates] raters in the study file), so agreement "
    "between humans, degradation, and the scorer’s error against the human true score are not known."
)
EXPLANATION = (
    "Two ratings of the same responses show how far humans agree with each other. Degradation is human–human "
    "minus human–scorer agreement: above zero, the scorer agrees less with the first human than a second "
    "human does. The true score is the mean of endless ratings of a response: the raters’ chance errors are "
    "taken out of these figures."
)


def validity_section(tables: RunTables) -> Section | None:
    """Human–human agreement, true scores, non-inferiority."""
    if not len(tables.evaluation):
        return None
    blocks: list[Block] = []
    rated = tables.evaluation[tables.evaluation["metric"] == "human_qwk"]
    blocks += [Paragraph(EXPLANATION), _humans(tables), _true(tables)] if len(rated) else [Paragraph(ALONE)]
    if len(tables.noninferiority):
        blocks.append(_noninferiority(tables))
    return Section("validity", "Raters, true scores, and what was kept", tuple(blocks))


def _whole(tables: RunTables, arm: str, metric: str) -> str:
    found = tables.evaluation[tables.evaluation["contrast"] == ""]
    return cell(one_row(found, arm=arm, grouping="all", level="all", metric=metric), bounded)


def _humans(tables: RunTables) -> Table:
    arms = [arm for _, arm in arms_shown(tables)]
    rows = []
    for metric, name in HUMANS:
        lost = [
            _whole(tables, arm, f"degradation_{metric}") if metric in ("qwk", "r") else MISSING
            for arm in arms
        ]
        rows.append((name, _whole(tables, tables.before, f"human_{metric}"), *lost))
    return Table(
        "Agreement of two human ratings, and degradation where the scorer takes the second’s place.",
        column("Measure", "Human–human", *(f"Degradation, {name.lower()}" for name, _ in arms_shown(tables))),
        tuple(rows),
        note="Williamson, Xi and Breyer (2012) accept a degradation of up to .10 for QWK and r.",
        source="evaluation.csv",
    )


def _true(tables: RunTables) -> Table:
    found = tables.evaluation[tables.evaluation["contrast"] == ""]
    rows = []
    for metric, name, show in TRUE:
        values = [
            cell(one_row(found, arm=arm, grouping="all", level="all", metric=metric), show)
            for _, arm in arms_shown(tables)
        ]
        rows.append((name, *values))
    return Table(
        "The scorer against the human true score.",
        column("Measure", *(name for name, _ in arms_shown(tables))),
        tuple(rows),
        note="Of the expected score. Ratings’ errors are taken as independent and of one variance. A "
        "disattenuated r can exceed 1.",
        source="evaluation.csv",
    )


def _noninferiority(tables: RunTables) -> Table:
    rows = []
    for row in tables.noninferiority.to_dict("records"):
        result = "shown" if row["noninferior"] else "not shown"
        if row["reason"]:
            result = f"not assessable: {row['reason']}"
        rows.append(
            (
                {"qwk": "QWK", "r": "Correlation r"}[str(row["metric"])],
                bounded(row["difference"], 3, signed=True), bounded(row["bound"], 3, signed=True),
                bounded(row["margin"]), pvalue(row["p"]), result,
            )
        )  # fmt: skip
    return Table(
        "Was agreement kept? Non-inferiority of the scorer after, against the one before.",
        column("Measure", "Change", "Lower 95% bound", "Margin", "p", "Not lower by the margin", text=(0, 5)),
        tuple(rows),
        note="One-sided test on the same persons drawn again: shown if the lower bound lies above minus the "
        "margin. “Not shown” does not say that agreement was lost.",
        source="noninferiority.csv",
    )
