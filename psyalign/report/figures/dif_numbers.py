"""The numbers of each DIF drawing as a table of texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from scipy import stats

from psyalign.dif.counts.points import ItemCounts
from psyalign.report.content import Table, column
from psyalign.report.figures.item_rows import by_item, effects, step_name
from psyalign.report.numerals import MISSING, count, finite, interval, percent, pvalue, real

__all__ = ["change_table", "effect_table", "response_table", "step_table"]

Label = Callable[[str], str]


def effect_table(
    tables: pd.DataFrame | Mapping[str, pd.DataFrame], label: Label, level: float = 0.95
) -> Table:
    """Numbers of persons, effect size, interval and class by item and set of scores."""
    sets = {"": tables} if isinstance(tables, pd.DataFrame) else tables
    found = {key: effects(table, level=level) for key, table in sets.items()}
    sizes = {key: by_item(table).astype({"item": str}).set_index("item") for key, table in sets.items()}
    rows: list[tuple[str, ...]] = []
    reasons = []
    for item in dict.fromkeys(item for items in found.values() for item in items):
        for key, items in found.items():
            if item not in items:
                continue
            one, row = items[item], sizes[key].loc[item]
            groups = (count(row.get(name)) for name in ("n_reference", "n_focal"))
            ends = interval(one.found.low, one.found.high)
            numbers = (*groups, real(one.found.value), ends, one.es_class or MISSING)
            rows.append((label(item), *((key,) if len(sets) > 1 else ()), *numbers))
            if one.reason:
                reasons.append(f"{label(item)}{f' ({key})' if key else ''}: {one.reason}")
    scores = ("Scores",) if len(sets) > 1 else ()
    titles = ("Item", *scores, "n reference", "n focal", "ES", f"{percent(level)} interval", "Class")
    return Table(
        "Effect sizes, focal minus reference.",
        column(*titles, text=(0, *range(1, 1 + len(scores)), len(titles) - 1)),
        tuple(rows),
        note="Not estimable: " + "; ".join(reasons) + "." if reasons else "",
    )


def change_table(
    before: pd.DataFrame,
    after: pd.DataFrame,
    change: pd.DataFrame | None,
    names: tuple[str, str],
    label: Label,
) -> Table:
    """Both effect sizes, and the paired change where there is a test of it."""
    first, last = effects(before), effects(after)
    tests = {} if change is None else {str(row["item"]): row for row in by_item(change).to_dict("records")}
    rows = []
    for item in dict.fromkeys([*first, *last]):
        sides = (real(side[item].found.value) if item in side else MISSING for side in (first, last))
        test = tests.get(item, {})
        status = test.get("status")
        words = status.replace("_", " ") if isinstance(status, str) else MISSING
        moved = (real(test.get("change"), signed=True), interval(test.get("low"), test.get("high")))
        rows.append((label(item), *sides, *moved, pvalue(test.get("p_adjusted", test.get("p"))), words))
    titles = ("Item", names[0], names[1], "Change", "Interval", "p", "Status")
    return Table("Effect sizes and their change.", column(*titles, text=(0, 6)), tuple(rows))


def step_table(steps: pd.DataFrame, label: Label, level: float = 0.95) -> Table:
    """Log odds ratio, standard error and interval by item and step."""
    z = float(stats.norm.isf((1 - level) / 2))
    rows = []
    for row in by_item(steps).to_dict("records"):
        value, se = finite(row["dsf_log_or"]), finite(row["dsf_se"])
        ends = MISSING if value is None or se is None else interval(value - z * se, value + z * se)
        rows.append((label(str(row["item"])), step_name(row["step"]), real(value), real(se), ends))
    titles = ("Item", "Step", "Log odds ratio", "SE", f"{percent(level)} interval")
    return Table("Score steps.", column(*titles), tuple(rows), folded=True)


def response_table(counts: ItemCounts, groups: Sequence[str], label: str, matching: str) -> Table:
    """Persons and mean score by stratum and group, all strata."""
    n, sums = counts.n.sum(axis=-1), counts.n @ counts.score
    rows = []
    for place, value in enumerate(counts.stratum):
        pairs = (
            (count(size), real(total / size) if size else MISSING)
            for size, total in zip(n[place], sums[place], strict=True)
        )
        rows.append((f"{value:.6g}", *(text for pair in pairs for text in pair)))
    titles = [title for group in groups for title in (f"n {group}", f"mean {group}")]
    caption = f"{label}: numbers by {matching}."
    return Table(
        caption, column(matching[:1].upper() + matching[1:], *titles, text=()), tuple(rows), folded=True
    )
