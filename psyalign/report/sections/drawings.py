"""Drawings that more than one section may show, made from the tables."""

from __future__ import annotations

import re

import pandas as pd

from psyalign.report.content import Figure
from psyalign.report.facts import Estimate, agreement_interval, agreement_row, estimate, one_row, summary_row
from psyalign.report.figures.forest import ForestRow, forest
from psyalign.report.figures.tradeoff import ArmPoint, tradeoff
from psyalign.report.load import Group, RunTables
from psyalign.report.numerals import bounded, finite

__all__ = [
    "forest_figure",
    "item_estimate",
    "mark",
    "qwk_estimate",
    "role",
    "slug",
    "thresholds",
    "tradeoff_figure",
]

Z_95 = 1.959963984540054


def slug(text: str, groups: tuple[Group, ...]) -> str:
    """`text` as part of a file name; a number tells apart names that come out the same."""
    names = [re.sub(r"[^a-z0-9]+", "-", group.attribute.lower()).strip("-") for group in groups]
    index = [group.attribute for group in groups].index(text)
    name = names[index] or "group"
    return name if names.count(names[index]) == 1 and names[index] else f"{name}-{index + 1}"


def mark(tables: RunTables) -> str:
    """What is printed in a drawing whose data are not wholly real."""
    origin = tables.manifest.origin
    return "" if tables.manifest.real else origin[:1].upper() + origin[1:]


def role(tables: RunTables, arm: str) -> str:
    """ "before", "after" or nothing."""
    return {tables.before: "before", tables.after: "after"}.get(arm, "")


def thresholds(tables: RunTables) -> tuple[float, float]:
    """|ES| above which an effect is moderate, and large."""
    moderate = finite(tables.manifest.setting("dif", "es_moderate"))
    large = finite(tables.manifest.setting("dif", "es_large"))
    return (0.17 if moderate is None else moderate), (0.25 if large is None else large)


def item_estimate(tables: RunTables, row: pd.Series | None) -> Estimate:
    """Effect size of one item (SD of the human scores) with the 95% interval of its standard error."""
    if row is None or not bool(row["estimable"]):
        return Estimate()
    es, smd, se = finite(row["es"]), finite(row["smd"]), finite(row["se"])
    if es is None or se is None:
        return Estimate(es)
    item = one_row(tables.items, item=row["item"])
    spread = None if item is None else finite(item["human_sd"])
    # es = smd / SD: the SD that was used is known from the two, except where both are zero.
    scale = es / smd if smd else (1 / spread if spread else None)
    return Estimate(es) if scale is None else Estimate(es, es - Z_95 * se * scale, es + Z_95 * se * scale)


def qwk_estimate(tables: RunTables, arm: str) -> Estimate:
    """QWK of an arm; without its interval if that was not computed."""
    found = estimate(agreement_interval(tables, arm, "qwk"), "value", "low", "high")
    if found.value is not None:
        return found
    row = agreement_row(tables, arm)
    return Estimate(None if row is None else finite(row["qwk"]))


def forest_figure(tables: RunTables, group: Group) -> Figure:
    """DIF per item before → after for one grouping."""
    part = tables.dif_items[tables.dif_items["grouping"] == group.attribute]
    rows = []
    for item in tables.items["item"]:
        found = {
            arm: item_estimate(tables, one_row(part, arm=arm, item=item))
            for arm in ("human", tables.before, tables.after or tables.before)
        }
        after = found[tables.after] if tables.after else Estimate()
        title = tables.item_title(item)
        rows.append(ForestRow(title, found["human"].value, found[tables.before], after))
    moderate, _ = thresholds(tables)
    name = f"dif-forest-{slug(group.attribute, tables.manifest.groups)}"
    title = f"DIF per item on {group.attribute}, before and after alignment"
    svg = forest(rows, group.focal, moderate, name=name, origin=mark(tables), title=title)
    caption = (
        f"DIF per item on {group.attribute}: what moves towards the line at zero is less DIF. Hollow "
        "circle, dashed: before; filled square: after; upright stroke: the human scores themselves. Bars "
        "are 95% intervals of one item alone; the grey band is "
        f"|ES|\N{NO-BREAK SPACE}≤\N{NO-BREAK SPACE}{bounded(moderate)}, taken as negligible."
    )
    return Figure(name, caption, svg, source="dif_items.csv")


def tradeoff_figure(tables: RunTables, group: Group) -> Figure:
    """Mean effect size against QWK for every arm of one grouping."""
    points = [
        ArmPoint(
            arm,
            tables.label(arm),
            estimate(summary_row(tables, arm, group.attribute), "mean_es", "mean_low", "mean_high"),
            qwk_estimate(tables, arm),
            role(tables, arm),
        )
        for arm in tables.scored_arms
    ]
    title = f"Fairness against accuracy of the arms, {group.attribute}"
    name = f"tradeoff-{slug(group.attribute, tables.manifest.groups)}"
    svg = tradeoff(points, group.focal, name=name, origin=mark(tables), title=title)
    caption = (
        f"Fairness against accuracy on {group.attribute}: better arms lie higher and nearer the upright "
        "line. Bars are 95% intervals over persons; where they overlap widely, the order of two arms may "
        "be chance."
    )
    return Figure(name, caption, svg, source="dif_summary.csv, agreement_intervals.csv")
