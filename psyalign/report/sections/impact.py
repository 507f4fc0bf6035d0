"""What follows for persons: who passes a cut score, by group, and the bias-audit table."""

from __future__ import annotations

from psyalign.report.content import Block, Paragraph, Section, Table, column
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, bounded, count, interval, pvalue, real
from psyalign.report.sections.subgroups import arms_shown

__all__ = ["impact_section"]

EXPLANATION = (
    "A person’s score is the mean of the expected scores over the items. The impact ratio is a group’s pass "
    "rate divided by that of the group that passes most often; the four-fifths rule (EEOC, 1978) looks at "
    "ratios below .80. It is no test and finds no cause: groups may differ in what is measured. The human "
    "scores’ ratios stand beside the scorer’s for that reason."
)
NO_CUT = "The study gives no cut score ([gates] cut), so pass rates and impact ratios at a cut are not shown."


def impact_section(tables: RunTables) -> Section | None:
    """Impact ratios and decisions at the cut; the bias-audit table, folded."""
    if not len(tables.bias_audit):
        return None
    blocks: list[Block] = []
    if len(tables.impact):
        blocks += [Paragraph(EXPLANATION), _ratios(tables), _decisions(tables)]
    else:
        blocks.append(Paragraph(NO_CUT))
    blocks.append(_audit(tables))
    return Section("impact", "Impact on persons", tuple(blocks))


def _names(tables: RunTables) -> dict[str, str]:
    return {"human": "Human scores"} | {arm: name for name, arm in arms_shown(tables)}


def _ratios(tables: RunTables) -> Table:
    names, rows = _names(tables), []
    for row in tables.impact.to_dict("records"):
        if row["suppressed"]:
            numbers = ("too few", MISSING, MISSING, MISSING, MISSING)
        else:
            passed = f"{count(row['n_selected'])} of {count(row['n'])}"
            ratio = "compared with" if row["is_reference"] else real(row["impact_ratio"])
            ends = interval(row["low"], row["high"])
            numbers = (passed, bounded(row["rate"]), ratio, ends, pvalue(row["p"]))
        rows.append((names[str(row["arm"])], str(row["group"]), *numbers))
    cut = real(tables.impact["cut"].iloc[0])
    return Table(
        f"Who passes at the cut {cut}, by group.",
        column("Scores", "Group", "Passed", "Rate", "Impact ratio", "95% CI", "p", text=(0, 1)),
        tuple(rows),
        note="Score interval of Koopman (1984), Fisher’s exact test, two-sided. Groups below 2% of the "
        "persons are left out of the comparison; groups of fewer than 10 persons are not shown.",
        source="impact.csv",
    )


def _decisions(tables: RunTables) -> Table:
    names = _names(tables)
    rows = tuple(
        (
            names[str(row["arm"])], bounded(row["human_rate"]), bounded(row["rate"]),
            bounded(row["accuracy"]), bounded(row["sensitivity"]), bounded(row["specificity"]),
            bounded(row["kappa"]),
        )
        for row in tables.decisions.to_dict("records")
    )  # fmt: skip
    return Table(
        "Decisions at the cut compared with those by human scores.",
        column(
            "Scorer",
            "Pass by human",
            "Pass by scorer",
            "Same decision",
            "Sensitivity",
            "Specificity",
            "Kappa",
        ),
        rows,
        note="Sensitivity: of those who pass by human scores, the share who pass by the scorer; specificity: "
        "the same of those who fail.",
        source="decisions.csv",
    )


def _audit(tables: RunTables) -> Table:
    names = _names(tables)
    rows = tuple(
        (
            names[str(row["arm"])], str(row["attribute"]), str(row["category"]),
            "too few" if row["suppressed"] else count(row["n"]), bounded(row["rate"]),
            real(row["impact_ratio"]),
        )
        for row in tables.bias_audit.to_dict("records")
    )  # fmt: skip
    return Table(
        "Scoring rates: share of persons above the median score (New York City, Local Law 144).",
        column("Scores", "Attribute", "Category", "Persons", "Scoring rate", "Impact ratio", text=(0, 1, 2)),
        rows,
        note="The table that 6 RCNY § 5-301 asks of an audit of historical data, here of audit persons; it "
        "does not replace an independent audit. Unknown: persons in neither group.",
        folded=True,
        source="bias_audit.csv",
    )
