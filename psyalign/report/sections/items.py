"""The items, how the human raters scored them, and the rubrics that they scored by."""

from __future__ import annotations

from psyalign.report.content import Block, Paragraph, Section, Table, column
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, count, finite, real

__all__ = ["items_section"]


def items_section(tables: RunTables) -> Section:
    """One row an item; the rubrics where the run has them."""
    blocks: list[Block] = [_items(tables)]
    if said := _hardest(tables):
        blocks.insert(0, Paragraph(said))
    if len(tables.rubric):
        blocks.append(_rubric(tables))
    return Section("items", "Items and rubrics", tuple(blocks))


def _hardest(tables: RunTables) -> str:
    """Which items people scored lowest and highest, as shares of the highest score."""
    known = tables.items.assign(level=tables.items["human_mean"] / tables.items["max_score"])
    known = known[[finite(level) is not None for level in known["level"]]].sort_values("level", kind="stable")
    if len(known) < 2:
        return ""
    lowest, highest = known.iloc[0], known.iloc[-1]
    return (
        f"{count(len(tables.items))} items. People scored “{tables.item_title(lowest['item'])}” lowest (mean "
        f"{real(lowest['human_mean'])} of {lowest['max_score']:g} points) and "
        f"“{tables.item_title(highest['item'])}” highest ({real(highest['human_mean'])} of "
        f"{highest['max_score']:g})."
    )


def _items(tables: RunTables) -> Table:
    versions = "version" in tables.items
    rows = []
    for row in tables.items.to_dict("records"):
        top = finite(row["max_score"])
        rows.append(
            (
                str(row["item"]),
                tables.item_title(row["item"]),
                *([_text(row["version"])] if versions else []),
                _text(row["construct"]),
                MISSING if top is None else f"0–{top:g}",
                count(row["n_audit"]),
                real(row["human_mean"]),
                real(row["human_sd"]),
            )
        )
    titles = ("Item", "Title", *(["Version"] if versions else []), "Construct")
    return Table(
        "The items, with the human scores of the audit persons.",
        column(*titles, "Scores", "Responses", "Mean", "SD", text=tuple(range(len(titles)))),
        tuple(rows),
        source="items.csv",
    )


def _rubric(tables: RunTables) -> Table:
    rows = tuple(
        (tables.item_title(row["item"]), count(row["score"]), _text(row["label"]), _text(row["description"]))
        for row in tables.rubric.to_dict("records")
    )
    return Table(
        "The rubrics: what each score point takes.",
        column("Item", "Score", "Label", "What a rater looks for", text=(0, 2, 3)),
        rows,
        note="The scorer reads the labels in its prompt. The scored sample responses of the item bank are "
        "not printed here.",
        folded=True,
        source="rubric.csv",
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) and value else MISSING
