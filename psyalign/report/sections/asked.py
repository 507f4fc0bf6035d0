"""What the score feedback asks to change for each group, and whether raters share a difference."""

from __future__ import annotations

from typing import Any

from psyalign.report.content import Table, column
from psyalign.report.load import Group, RunTables
from psyalign.report.numerals import MISSING, count, finite, interval, real

__all__ = ["asked_table", "asked_text", "shared_difference"]


def asked_text(tables: RunTables) -> str:
    """The table in words, for each group comparison."""
    said = [text for group in tables.manifest.groups for text in _said(tables, group)]
    return " ".join(said) or (
        "Whether the score feedback asks for more in one group than in the other could not be estimated."
    )


def _said(tables: RunTables, group: Group) -> list[str]:
    rows = _rows(tables, group)
    said = []
    if (row := rows.get(("feedback", "baseline"))) is not None:
        side = _side(row)
        if side:
            word = "raise" if side > 0 else "lower"
            said.append(
                f"By {group.attribute}, the scores of the feedback ask to {word} {group.focal} by "
                f"{real(abs(row['difference']))} score points more than {group.reference}."
            )
        else:
            said.append(
                f"By {group.attribute}, what the scores of the feedback ask of {group.focal} beyond "
                f"{group.reference} cannot be told from nothing ({_with_ends(row)} score points): whether "
                "arms that learn from these scores alone are asked to close a gap between groups stays open."
            )
    shared = shared_difference(tables, group)
    return [*said, shared] if shared else said


def shared_difference(tables: RunTables, group: Group) -> str | None:
    """What is to be said where raters hold a difference between groups that the criterion does not."""
    row = _rows(tables, group).get(("feedback", "criterion"))
    side = 0 if row is None else _side(row)
    if row is None or not side:
        return None
    word = "lower" if side < 0 else "higher"
    return (
        f"Against the criterion, the feedback’s scores are {real(abs(row['difference']))} score points "
        f"{word} for {group.focal} than for {group.reference}: the raters hold a difference that the "
        "criterion does not, and arms that learn from their scores are taught it. Judgements that two "
        "answers show the same intention carry no level of scores."
    )


def asked_table(tables: RunTables) -> Table:
    """Means by group and their difference, each set of scores against another."""
    cells = []
    for group in tables.manifest.groups:
        for (scores, against), row in _rows(tables, group, all_of_them=True).items():
            known = finite(row["difference"]) is not None
            cells.append(
                (
                    f"{group.attribute}: {group.focal} − {group.reference}",
                    f"{scores} − {against}",
                    count(row["n"]) if known else MISSING,
                    real(row["reference"], signed=True),
                    real(row["focal"], signed=True),
                    _with_ends(row) if known else str(row["reason"]),
                )
            )
    return Table(
        "What the scores of the feedback ask to change, by group.",
        column(
            *("Groups", "Scores", "Responses", "Reference", "Focal", "Difference [95% CI]"),
            text=(0, 1),
        ),
        tuple(cells),
        note="Mean differences between two sets of scores of the same responses, in score points, at one mix "
        "of items; the last column is focal minus reference, and takes a person’s responses for dependent. "
        "Where the groups differ in ability, a scorer that draws scores to the middle leaves a difference of "
        "its own against human scores; feedback minus criterion is free of that.",
        source="asked.csv",
    )


def _rows(
    tables: RunTables, group: Group, *, all_of_them: bool = False
) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows of a group comparison by what is compared; unless all are wanted, those with an estimate."""
    part = tables.asked[tables.asked["grouping"] == group.attribute]
    return {
        (str(row["scores"]), str(row["against"])): {str(key): value for key, value in row.items()}
        for row in part.to_dict("records")
        if all_of_them or finite(row["difference"]) is not None
    }


def _with_ends(row: dict[str, Any]) -> str:
    return f"{real(row['difference'], signed=True)} {interval(row['low'], row['high'])}"


def _side(row: dict[str, Any]) -> int:
    """1 or −1 where the interval of the difference lies on that side of 0; 0 where it holds 0."""
    return int(row["low"] > 0) - int(row["high"] < 0)
