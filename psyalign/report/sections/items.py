"""The items and how the human raters scored them."""

from __future__ import annotations

from psyalign.report.content import Section, Table, column
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, count, finite, real

__all__ = ["items_section"]


def items_section(tables: RunTables) -> Section:
    """One row an item."""
    rows = []
    for row in tables.items.to_dict("records"):
        top = finite(row["max_score"])
        rows.append(
            (
                str(row["item"]),
                tables.item_title(row["item"]),
                row["construct"] if isinstance(row["construct"], str) else MISSING,
                MISSING if top is None else f"0–{top:g}",
                count(row["n_audit"]),
                real(row["human_mean"]),
                real(row["human_sd"]),
            )
        )
    table = Table(
        "The items, with the human scores of the audit persons.",
        column("Item", "Title", "Construct", "Scores", "Responses", "Mean", "SD", text=(0, 1, 2)),
        tuple(rows),
        source="items.csv",
    )
    return Section("items", "Items", (table,))
