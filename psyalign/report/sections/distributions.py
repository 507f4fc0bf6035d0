"""Which score points were given to whom."""

from __future__ import annotations

from psyalign.report.content import Block, Figure, Paragraph, Section, Table, column
from psyalign.report.figures.distributions import distributions
from psyalign.report.load import Group, RunTables
from psyalign.report.numerals import count, percent
from psyalign.report.sections.drawings import mark, slug

__all__ = ["distributions_section"]

Panels = dict[str, dict[str, list[tuple[float, float]]]]
EXPLANATION = (
    "All items together, audit persons. Groups may differ here without any DIF, because their abilities "
    "may differ: compare the panels with one another, not the two lines within a panel."
)


def distributions_section(tables: RunTables) -> Section | None:
    """A drawing and its table for each grouping; None without any."""
    blocks: list[Block] = [Paragraph(EXPLANATION)]
    for group in tables.manifest.groups:
        panels = _panels(tables, group)
        if panels:
            blocks += [_figure(tables, group, panels), _table(tables, group)]
    return (
        Section("distributions", "Score distributions by group", tuple(blocks)) if len(blocks) > 1 else None
    )


def _arms(tables: RunTables) -> dict[str, str]:
    shown = {"human": "human", tables.before: "before"}
    return shown | ({tables.after: "after"} if tables.after else {})


def _panels(tables: RunTables, group: Group) -> Panels:
    panels: Panels = {}
    part = tables.distributions[tables.distributions["grouping"] == group.attribute]
    for arm, heading in _arms(tables).items():
        levels = {}
        for level in (group.reference, group.focal):
            rows = part[(part["arm"] == arm) & (part["level"] == level)].dropna(subset=["score", "share"])
            if len(rows):
                levels[level] = sorted(
                    zip(rows["score"].astype(float), rows["share"].astype(float), strict=True)
                )
        if levels:
            panels[heading] = levels
    return panels


def _figure(tables: RunTables, group: Group, panels: Panels) -> Figure:
    name = f"distributions-{slug(group.attribute, tables.manifest.groups)}"
    title = f"Score distributions by {group.attribute}: human, before and after"
    svg = distributions(panels, group.reference, group.focal, name=name, origin=mark(tables), title=title)
    return Figure(
        name,
        f"Score points by {group.attribute}: see whether the gap between the lines after alignment looks "
        "like the gap in the human scores, and whether the middle score points have swollen.",
        svg,
    )


def _table(tables: RunTables, group: Group) -> Table:
    part = tables.distributions[tables.distributions["grouping"] == group.attribute].dropna(subset=["score"])
    scores = sorted({float(score) for score in part["score"]})
    rows = []
    for arm, heading in _arms(tables).items():
        for level in (group.reference, group.focal):
            found = part[(part["arm"] == arm) & (part["level"] == level)]
            shares = dict(zip(found["score"].astype(float), found["share"], strict=True))
            cells = (percent(shares.get(score, 0.0)) for score in scores)
            rows.append((heading, level, count(found["count"].sum()), *cells))
    return Table(
        f"Share of responses at each score point by {group.attribute}.",
        column("Scores", "Group", "Responses", *(f"{score:g}" for score in scores), text=(0, 1)),
        tuple(rows),
        source="distributions.csv",
    )
