"""The wording effect: the same answer in other words."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from psyalign.report.content import Block, Figure, Paragraph, Section, Table, column
from psyalign.report.facts import Estimate, estimate, one_row
from psyalign.report.figures.forest import ForestRow, forest
from psyalign.report.figures.rows import Panel, estimate_rows
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, bounded, count, finite, interval, percent, real
from psyalign.report.sections.drawings import mark, role, thresholds

__all__ = ["wording_section"]

EXPLANATION = (
    "Some answers exist in two wordings that say the same thing. The wording effect is the mean "
    "difference in expected score between the two wordings of one answer, in score points. Because each "
    "answer is its own comparison, it is much more precise than DIF between groups; but it covers only "
    "the wordings at hand."
)
BY_ITEM = (
    "By item it is an effect size, in standard deviations of the item’s human scores, as DIF is. Where two "
    "groups differ in wording alone, this is the DIF that the scorer has in expectation. The mean |ES| of "
    "DIF between groups of a few hundred persons cannot fall to zero, as even the human scores’ own does "
    "not; this one can."
)


def wording_section(tables: RunTables) -> Section | None:
    """Effect by arm, and by item before and after; None if the run has no answers in two wordings."""
    if not len(tables.wording):
        return None
    blocks: list[Block] = [Paragraph(EXPLANATION), _figure(tables), _arms(tables)]
    if len(tables.wording_items):
        blocks += [Paragraph(BY_ITEM), _by_item_figure(tables), _sizes(tables), _items(tables)]
    return Section("wording", "Wording effect", tuple(blocks))


def _by_arm(
    tables: RunTables, cells: Callable[[dict[Hashable, Any]], tuple[str, ...]]
) -> tuple[tuple[tuple[str, ...], ...], frozenset[int]]:
    """Rows of `cells` behind the arm's name, and the places of those called before and after."""
    records = tables.wording.to_dict("records")
    rows = tuple((tables.label(str(row["arm"])), *cells(row)) for row in records)
    return rows, frozenset(at for at, row in enumerate(records) if role(tables, str(row["arm"])))


def _arms(tables: RunTables) -> Table:
    def cells(row: dict[Hashable, Any]) -> tuple[str, ...]:
        gone = MISSING if row["arm"] == tables.before else percent(row["reduction"])
        return real(row["effect"], 3), interval(row["low"], row["high"], 3), gone, count(row["n_pairs"])

    rows, stressed = _by_arm(tables, cells)
    return Table(
        "Wording effect by arm.",
        column("Arm", "Effect", "95% interval", "Share of the baseline’s effect removed", "Answer pairs"),
        rows,
        emphasis=stressed,
        note="Other wording minus neutral wording. Share removed: by size, whatever the direction; negative "
        "where the effect grew.",
        source="wording.csv",
    )


def _sizes(tables: RunTables) -> Table:
    """Mean |ES| over items by arm, and how much of the baseline's is gone."""

    def cells(row: dict[Hashable, Any]) -> tuple[str, ...]:
        gone, low, high = (percent(row[f"abs_reduction{end}"]) for end in ("", "_low", "_high"))
        unknown = row["arm"] == tables.before or MISSING in (gone, low, high)
        return real(row["mean_abs_es"], 3), *((MISSING, MISSING) if unknown else (gone, f"[{low}, {high}]"))

    rows, stressed = _by_arm(tables, cells)
    known = tables.wording_items[tables.wording_items["arm"] == tables.before]
    return Table(
        "Size of the wording effect over items, by arm.",
        column("Arm", "Mean |ES|", "Share of the baseline’s removed", "95% interval"),
        rows,
        emphasis=stressed,
        note=f"Mean over {known['es'].notna().sum()} items. Effects of items in opposite directions do not "
        "cancel here. Noise adds to a mean of sizes, most where little is left: the share errs to the low "
        "side. Intervals: bootstrap of persons.",
        source="wording.csv",
    )


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


def _shown(tables: RunTables) -> list[str]:
    """The arms that are drawn by item: before and after."""
    return [tables.before, tables.after] if tables.after else [tables.before]


def _estimate(tables: RunTables, arm: str, item: str) -> Estimate:
    return estimate(one_row(tables.wording_items, arm=arm, item=item), "es", "low", "high")


def _measured(tables: RunTables) -> list[str]:
    """Items with answers in two wordings, in the study's order."""
    known = set(tables.wording_items["item"])
    return [str(item) for item in tables.items["item"] if item in known]


def _by_item_figure(tables: RunTables) -> Figure:
    rows = [
        ForestRow(
            tables.item_title(item),
            None,
            _estimate(tables, tables.before, item),
            _estimate(tables, tables.after, item) if tables.after else Estimate(),
        )
        for item in _measured(tables)
    ]
    moderate, _ = thresholds(tables)
    title = "Wording effect per item, before and after alignment"
    svg = forest(rows, "other wording", moderate, name="wording-items", origin=mark(tables), title=title)
    caption = (
        "Wording effect per item, in standard deviations of its human scores: what moves towards the line at "
        "zero depends less on wording. Hollow circle, dashed: before; filled square: after. Bars are 95% "
        "intervals; the grey band is "
        f"|ES|\N{NO-BREAK SPACE}≤\N{NO-BREAK SPACE}{bounded(moderate)}, taken as negligible."
    )
    return Figure("wording-items", caption, svg, source="wording_items.csv")


def _items(tables: RunTables) -> Table:
    rows = []
    for item in _measured(tables):
        first = one_row(tables.wording_items, arm=tables.before, item=item)
        pairs, reason = (MISSING, "") if first is None else (count(first["n_pairs"]), str(first["reason"]))
        cells: list[str] = []
        for arm in _shown(tables):
            found = _estimate(tables, arm, item)
            cells += [real(found.value), interval(found.low, found.high) if found.known else reason]
        rows.append((tables.item_title(item), pairs, *cells))
    heads = [head for arm in _shown(tables) for head in (f"{tables.label(arm)}: ES", "95% interval")]
    return Table(
        "Wording effect per item.",
        column("Item", "Answer pairs", *heads),
        tuple(rows),
        note="Other wording minus neutral wording, in standard deviations of the item’s human scores.",
        source="wording_items.csv",
    )
