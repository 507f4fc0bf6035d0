"""The numbers behind the verdict and the two drawings that decide."""

from __future__ import annotations

from psyalign.report.content import FigureRow, Section, Table, Terms, column
from psyalign.report.facts import agreement_interval, agreement_row, estimate, one_row, summary_row
from psyalign.report.load import Group, RunTables
from psyalign.report.numerals import MISSING, bounded, interval, real
from psyalign.report.sections.drawings import forest_figure, tradeoff_figure

__all__ = ["TERMS", "summary_section"]

TERMS = (
    (
        "DIF",
        "differential item functioning: people of two groups who have the same total of human scores get "
        "different scores on an item. It is a difference to be explained, not yet a proof of unfairness.",
    ),
    (
        "Effect size (ES)",
        "the mean difference, focal group minus reference group, between people with the same human "
        "total, divided by the standard deviation of the item's human scores. Negative: lower scores for "
        "the focal group.",
    ),
    (
        "Before, after",
        "the scorer as it was fine-tuned on the operational scores, and the same scorer after alignment with "
        "rater feedback. Both scored the same audit persons, whom neither had seen.",
    ),
    (
        "QWK",
        "quadratic weighted kappa: agreement with the human scores, from 0 (chance) to 1; far misses "
        "count more.",
    ),
    (
        "95% CI",
        "95% interval: the range of values that the data do not speak against, found by drawing the persons "
        "again many times. A change is claimed only if its interval leaves out zero.",
    ),
)


def summary_section(tables: RunTables) -> Section:
    """The forest, the trade-off, a table of the numbers in the verdict, and its terms."""
    first = tables.manifest.groups[:1]
    figures = tuple(
        figure for group in first for figure in (forest_figure(tables, group), tradeoff_figure(tables, group))
    )
    return Section("key-figures", "Key figures", (Terms(TERMS), FigureRow(figures), _key_figures(tables)))


def _key_figures(tables: RunTables) -> Table:
    rows = [row for group in tables.manifest.groups for row in _dif_rows(tables, group)]
    rows += [
        _agreement_row(tables, "qwk", "QWK with human scores"),
        _agreement_row(tables, "r", "Correlation r with human scores"),
        _ratio_row(tables),
    ]
    if len(tables.wording):
        rows.append(_wording_row(tables, "effect", "Wording effect (score points)"))
    if len(tables.wording_items):
        rows.append(_wording_row(tables, "mean_abs_es", "Wording effect, mean |ES| over items"))
    return Table(
        "The numbers behind the verdict, on audit persons.",
        column("", "Human scores", "Before", "After", "Change", "95% interval"),
        tuple(rows),
        note="Change = after − before, of the same persons (paired). "
        f"{MISSING} means: not estimated, or not defined.",
        source="dif_summary.csv, agreement.csv, agreement_intervals.csv",
    )


def _dif_rows(tables: RunTables, group: Group) -> list[tuple[str, ...]]:
    human, before, after = (
        summary_row(tables, arm, group.attribute) if arm else None
        for arm in ("human", tables.before, tables.after)
    )
    change = estimate(after, "change", "change_low", "change_high")
    means = [
        real(estimate(row, "mean_es", "mean_low", "mean_high").value, 3) for row in (human, before, after)
    ]
    largest = [
        real(estimate(row, "max_abs_es", "max_low", "max_high").value, 3) for row in (human, before, after)
    ]
    return [
        (
            f"Mean ES, {group.attribute}",
            *means,
            real(change.value, 3, signed=True),
            interval(change.low, change.high, 3),
        ),
        (f"Largest |ES| of an item, {group.attribute}", *largest, MISSING, MISSING),
    ]


def _agreement_row(tables: RunTables, metric: str, name: str) -> tuple[str, ...]:
    rows = [agreement_row(tables, arm) if arm else None for arm in (tables.before, tables.after)]
    values = [bounded(None if row is None else row[metric], 3) for row in rows]
    found = agreement_interval(tables, tables.after, metric) if tables.after else None
    change = estimate(found, "change", "change_low", "change_high")
    return (
        name,
        MISSING,
        *values,
        bounded(change.value, 3, signed=True),
        interval(change.low, change.high, 3, unit_bound=True),
    )


def _ratio_row(tables: RunTables) -> tuple[str, ...]:
    rows = [agreement_row(tables, arm) if arm else None for arm in (tables.before, tables.after)]
    values = [real(None if row is None else row["sd_ratio"]) for row in rows]
    return ("Spread of scores (SD ratio to human)", "1.00", *values, MISSING, MISSING)


def _wording_row(tables: RunTables, figure: str, name: str) -> tuple[str, ...]:
    rows = [one_row(tables.wording, arm=arm) if arm else None for arm in (tables.before, tables.after)]
    values = [real(None if row is None else row[figure], 3) for row in rows]
    return (name, MISSING, *values, MISSING, MISSING)
