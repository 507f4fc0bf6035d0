"""DIF per item: human, before, after, what each shows, the paired change and the item's status."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from psyalign.report.content import Block, Paragraph, Section, Table, Terms, column
from psyalign.report.facts import Estimate, estimate, one_row
from psyalign.report.load import Group, RunTables
from psyalign.report.numerals import MISSING, bounded, count, finite, interval, pvalue, real
from psyalign.report.schema import JUDGED
from psyalign.report.sections.drawings import forest_figure, item_estimate, thresholds

__all__ = ["STATUS", "dif_section", "status_words"]

# The rules are those of `psyalign.dif.item_status`; a flag is a class of BB or CC.
STATUS = (
    ("stable clean", "flagged nowhere."),
    ("stable dif", "flagged before and after, in the same direction."),
    ("inherited", "flagged after, and in the human scores in the same direction."),
    ("introduced", "flagged after, not before."),
    ("resolved", "flagged before, not after, and the paired test shows a change."),
    ("masked", "flagged in the human scores only."),
    ("new direction", "flagged before and after, in opposite directions."),
    ("not estimable", "before or after could not be tested."),
)
# Column of dif_items, its heading, how its values are printed.
Statistic = tuple[str, str, Callable[[object], str]]
ALL_COLUMNS: tuple[Statistic, ...] = (
    ("smd", "SMD", real), ("se", "SE", real), ("z", "z", real), ("p", "p", pvalue),
    ("p_adjusted", "p adj.", pvalue), ("es", "ES", real), ("es_own", "ES, own SD", real),
    ("mantel_z", "Mantel z", real), ("mantel_p", "p", pvalue), ("lr_total", "LR total", real),
    ("lr_total_p", "p", pvalue), ("lr_uniform", "LR uniform", real), ("lr_uniform_p", "p", pvalue),
    ("lr_nonuniform", "LR non-unif.", real), ("lr_nonuniform_p", "p", pvalue),
    ("nagelkerke_change", "ΔR²", bounded),
)  # fmt: skip
# What `psyalign.dif` calls "shown", in words that claim no more than it does. Two lines keep the cell narrow.
SHOWN = {
    "negligible": "shown negligible",
    "present": "present",
    "not shown": "no evidence\neither way",
}
JUDGED_COLUMNS: tuple[Statistic, ...] = (
    ("p_equivalence", "p equiv.", pvalue),
    ("mde", "MDE", real),
    ("eb_es", "ES, shrunk", real),
)
JUDGED_NOTE = (
    "p equiv.: of the hypothesis that |ES| is {bound} or more; MDE: the |ES| that would be significant "
    "with a probability of .80 at these numbers of persons; ES, shrunk: pulled towards the mean of the "
    "items, the more the less certain it is (empirical Bayes)."
)
# Of methods that a study may ask for beyond the usual three: columns, and what they are.
FURTHER: dict[str, tuple[tuple[Statistic, ...], str]] = {
    "liu_agresti": (
        (("la_log_or", "L–A log OR", real), ("la_se", "SE", real), ("la_p", "p", pvalue)),
        "L–A: Liu and Agresti’s common cumulative log odds ratio; above 0: the item favours the reference "
        "group",
    ),
    "gmh": (
        (("gmh_chi2", "GMH χ²", real), ("gmh_df", "df", count), ("gmh_p", "p", pvalue)),
        "GMH: generalised Mantel–Haenszel, of any difference between the distributions of scores",
    ),
    "location_scale": (
        (("scale_effect", "Scale", real), ("scale_se", "SE", real), ("scale_p", "p", pvalue)),
        "Scale: log ratio of the spreads on the latent scale; above 0: the focal group is scored with more "
        "noise",
    ),
    "adjacent": (
        (
            ("adjacent_lr_total", "Adjacent LR total", real), ("adjacent_lr_total_p", "p", pvalue),
            ("adjacent_lr_uniform", "uniform", real), ("adjacent_lr_uniform_p", "p", pvalue),
            ("adjacent_lr_nonuniform", "non-unif.", real), ("adjacent_lr_nonuniform_p", "p", pvalue),
        ),
        "Adjacent LR: as LR, of adjacent-category logit models",
    ),
    "standardisation": (
        (("std_p_dif", "STD", real), ("std_se", "SE", real), ("std_p", "p", pvalue)),
        "STD: standardised difference in score points, on expected scores",
    ),
}  # fmt: skip


def dif_section(tables: RunTables) -> Section:
    """For each grouping: the drawing (the first stands under the verdict), the items, all statistics."""
    moderate, large = thresholds(tables)
    blocks: list[Block] = [Paragraph(_reading(tables, moderate, large))]
    if _judged(tables):
        blocks.append(Paragraph(_showing(tables, moderate)))
    for position, group in enumerate(tables.manifest.groups):
        if position == 0:
            blocks.append(
                Paragraph(f"Figure 1, under the verdict, draws the table of {group.attribute}.", "note")
            )
        else:
            blocks.append(forest_figure(tables, group))
        blocks.append(_items(tables, group))
        blocks.append(_everything(tables, group))
    present = set(map(status_words, tables.dif_changes["status"].dropna()))
    blocks.append(Terms(tuple((word, meaning) for word, meaning in STATUS if word in present)))
    return Section("dif", "DIF per item", tuple(blocks))


def status_words(status: object) -> str:
    """A status as words: ``new direction`` for ``new_direction``."""
    return MISSING if pd.isna(status) else str(status).replace("_", " ")  # type: ignore[call-overload]


def _reading(tables: RunTables, moderate: float, large: float) -> str:
    correction = tables.manifest.setting("dif", "correction", default="none")
    corrected = {"holm": "by Holm’s method", "BH": "by Benjamini and Hochberg’s method"}.get(correction)
    alpha = tables.manifest.setting("dif", "alpha", default=0.05)
    return (
        "Effect sizes are in standard deviations of the item’s human scores. Classes: AA, not significant "
        f"at {bounded(alpha)} or |ES| ≤ {bounded(moderate)}; BB, up to {bounded(large)}; CC, above. The "
        "change is tested on the differences after − before of the same persons, which is far more "
        "precise than a comparison of two separate tests. “p adj.” is corrected for the number of items "
        f"{corrected or '(not corrected in this study)'}."
    )


def _judged(tables: RunTables) -> bool:
    """Whether the run says what its effect sizes show."""
    return set(JUDGED) <= set(tables.dif_items.columns)


def _showing(tables: RunTables, moderate: float) -> str:
    alpha = finite(tables.manifest.setting("dif", "alpha"))
    alpha = 0.05 if alpha is None else alpha
    bound = bounded(moderate)
    return (
        "Last in each cell stands what the scores show about that item. “Shown negligible”: the "
        f"{100 * (1 - 2 * alpha):g}% interval of the ES lies wholly within ±{bound} (two one-sided tests). "
        f"“Present”: there is evidence of DIF (p < {bounded(alpha)}); the interval tells whether it exceeds "
        f"{bound}. “No evidence either way”: these persons are too few to show DIF, and too few to rule out "
        f"that it exceeds {bound}. Each is about one item alone and not corrected for the number of items."
    )


def _items(tables: RunTables, group: Group) -> Table:
    part = tables.dif_items[tables.dif_items["grouping"] == group.attribute]
    changes = tables.dif_changes[tables.dif_changes["grouping"] == group.attribute]
    rows: list[tuple[str, ...]] = []
    reasons: list[str] = []
    for item in tables.items["item"]:
        found = {
            arm: one_row(part, arm=arm, item=item) for arm in ("human", tables.before, tables.after) if arm
        }
        after = found.get(tables.after or "")
        change = one_row(changes, arm=tables.after, item=item)
        rows.append(
            (tables.item_title(item), *_sizes(found[tables.before]), *_row(tables, found, after, change))
        )
        reasons += _reasons(tables, item, found)
    lines = "95% interval and what is shown below" if _judged(tables) else "95% interval below"
    note = f"Cells: ES and class, {lines}. " + (
        "Not estimable: " + "; ".join(reasons) + "." if reasons else ""
    )
    titles = (
        "Item",
        f"n {group.reference}",
        f"n {group.focal}",
        "Human",
        "Before",
        "After",
        "Change",
        "p adj.",
    )
    return Table(
        f"DIF on {group.attribute} by item, {group.focal} minus {group.reference}.",
        column(*titles, "Status", text=(0, 8)),
        tuple(rows),
        note=note.strip(),
        source="dif_items.csv, dif_changes.csv",
    )


def _sizes(row: pd.Series | None) -> tuple[str, str]:
    if row is None:
        return MISSING, MISSING
    return count(row["n_reference"]), count(row["n_focal"])


def _row(
    tables: RunTables, found: dict[str, pd.Series | None], after: pd.Series | None, change: pd.Series | None
) -> tuple[str, ...]:
    moved = estimate(change, "change", "low", "high")
    return (
        _cell(tables, found["human"], with_interval=False),
        _cell(tables, found[tables.before]),
        _cell(tables, after),
        _with_interval(moved, signed=True),
        MISSING if change is None else pvalue(change["p_adjusted"]),
        MISSING if change is None else status_words(change["status"]),
    )


def _cell(tables: RunTables, row: pd.Series | None, *, with_interval: bool = True) -> str:
    found = item_estimate(tables, row)
    if row is None or found.value is None:
        return MISSING
    size = _with_interval(found) if with_interval else real(found.value)
    klass = row["es_class"]
    if not isinstance(klass, str) or not klass:
        return size
    value, *ends = size.split("\n")
    words = SHOWN.get(row.get("shown", ""), "")
    return "\n".join((f"{value} {klass}", *ends, *([words] if words else [])))


def _with_interval(found: Estimate, *, signed: bool = False) -> str:
    ends = interval(found.low, found.high)
    size = real(found.value, signed=signed)
    return size if ends == MISSING else f"{size}\n{ends}"


def _reasons(tables: RunTables, item: str, found: dict[str, pd.Series | None]) -> list[str]:
    """What could not be estimated on an item, each reason once with the scores that it holds for."""
    where: dict[str, list[str]] = {}
    for arm, row in found.items():
        if row is not None and isinstance(row["reason"], str) and row["reason"]:
            where.setdefault(row["reason"], []).append(tables.label(arm))
    title = tables.item_title(item)
    return [f"{title} ({', '.join(labels)}): {reason}" for reason, labels in where.items()]


def _everything(tables: RunTables, group: Group) -> Table:
    arms = [arm for arm in ("human", tables.before, tables.after) if arm]
    part = tables.dif_items[tables.dif_items["grouping"] == group.attribute]
    columns, notes = _statistics(tables)
    rows = []
    for item in tables.items["item"]:
        for arm in arms:
            row = one_row(part, arm=arm, item=item)
            if row is not None:
                numbers = (show(row[name]) for name, _, show in columns)
                rows.append((tables.item_title(item), tables.label(arm), *numbers))
    return Table(
        f"All DIF statistics on {group.attribute}.",
        column("Item", "Scores", *(title for _, title, _ in columns), text=(0, 1)),
        tuple(rows),
        note="Mantel (1963) and SMD (Dorans and Schmitt, 1991) with the hypergeometric variance, on "
        "expected scores; LR: likelihood-ratio tests of cumulative-logit models on the most probable "
        "scores, total with 2 degrees of freedom, the others with 1; ΔR²: Nagelkerke’s, of the total. "
        f"{notes}The CSV file holds every arm.",
        folded=True,
        source="dif_items.csv",
    )


def _statistics(tables: RunTables) -> tuple[list[Statistic], str]:
    """Columns of all statistics: the usual ones and what the run has beyond them; and notes on the latter."""
    columns, notes = list(ALL_COLUMNS), ""
    if _judged(tables):
        columns += JUDGED_COLUMNS
        notes += JUDGED_NOTE.format(bound=bounded(thresholds(tables)[0])) + " "
    asked = tables.manifest.setting("dif", "methods", default=[])
    for method, (own, meaning) in FURTHER.items():
        if method in asked and {name for name, _, _ in own} <= set(tables.dif_items.columns):
            columns += own
            notes += f"{meaning}. "
    return columns, notes
