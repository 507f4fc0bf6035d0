"""What was to be tested, how, by which thresholds, and what such numbers of persons can show."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from psyalign.report.content import Block, Paragraph, Section, Table, column
from psyalign.report.load import MIN_DRAWS, Group, RunTables
from psyalign.report.numerals import MISSING, bounded, count, finite, real
from psyalign.report.sections.drawings import thresholds
from psyalign.report.verdict import shrunk

__all__ = ["plan_section"]

Row = tuple[str, str, str]
FEW = 20  # persons in a group, below which standard errors are themselves uncertain
METHODS = {
    "mantel": ("Mantel’s test of ordered scores", "Mantel (1963)"),
    "smd": ("Standardised mean difference given the total", "Dorans & Schmitt (1991)"),
    "ordinal": ("Cumulative-logit regression, uniform and non-uniform", "Zumbo (1999)"),
    "liu_agresti": ("Common cumulative log odds ratio", "Liu & Agresti (1996)"),
    "gmh": ("Generalised Mantel–Haenszel test", "Landis, Heyman & Koch (1978)"),
    "location_scale": ("Location–scale model: noise by group", "McCullagh (1980); Cox (1995)"),
    "adjacent": ("Adjacent-category logit models", "Agresti (2010)"),
    "standardisation": ("Standardised difference in score points", "Dorans & Kulick (1986)"),
}
CORRECTIONS = {
    "holm": ("Holm’s, over the items of a grouping", "Holm (1979)"),
    "BH": ("Benjamini and Hochberg’s, over the items of a grouping", "Benjamini & Hochberg (1995)"),
    "none": ("no correction: of 20 items without DIF, about 1 is significant at .05", ""),
}
SETTLED = (
    "All this stands in the study file, whose settings and inputs are printed with their hashes under "
    "“Reproducibility”. A run cannot tell whether they were settled before anybody saw results: who needs "
    "that shown should deposit the study file, or its hash, beforehand."
)
NO_POWER = (
    "The smallest DIF that could have been found was not computed: the run is older than that, or the study "
    "asks for no SMD. “Not significant” must not be read as “no DIF”."
)


def plan_section(tables: RunTables) -> Section:
    """The analyses and their sources; then power, in words and by item."""
    blocks: list[Block] = [
        Table(
            "The analyses, and where they come from.",
            column("What", "How", "Source", text=(0, 1, 2)),
            tuple(_analyses(tables)),
        ),
        Paragraph(SETTLED),
    ]
    if "mde" not in tables.dif_items or not len(tables.dif_items["mde"].dropna()):
        blocks.append(Paragraph(NO_POWER, label="What could have been found"))
        return Section("plan", "Analysis plan and power", tuple(blocks))
    label = "What could have been found"
    for group in tables.manifest.groups:
        part = _items(tables, group)
        if len(part["mde"].dropna()):
            blocks.append(Paragraph(_words(tables, group, part), label=label))
            blocks.append(_table(tables, group, part))
            label = ""
    return Section("plan", "Analysis plan and power", tuple(blocks))


def _analyses(tables: RunTables) -> Iterator[Row]:
    setting = tables.manifest.setting
    moderate, large = thresholds(tables)
    alpha = bounded(setting("dif", "alpha", default=0.05))
    for name in setting("dif", "methods", default=[]):
        how, source = METHODS.get(str(name), (str(name), ""))
        yield "DIF of an item", how, source or MISSING
    matching = "total of the criterion (human) scores, the same before and after"
    yield "Who is compared with whom", matching, "fixed, so that alignment cannot move it"
    how, source = CORRECTIONS.get(str(setting("dif", "correction", default="none")), (MISSING, ""))
    yield "Many tests", f"{how}; significant at {alpha}", source or MISSING
    default = (moderate, large) == (0.17, 0.25)
    origin = "psyalign’s defaults; a convention, no official rule" if default else "set by this study"
    yield "Size of DIF", f"|ES| up to {bounded(moderate)} negligible, above {bounded(large)} large", origin
    if "shown" in tables.dif_items:
        how = f"two one-sided tests within ±{bounded(moderate)}"
        yield "DIF shown negligible", how, "Schuirmann (1987)"
        yield "Shrunken effect sizes", "empirical Bayes over the items", "Zwick, Thayer & Lewis (1999)"
    yield "Change", "tests on after − before of the same persons", "paired; linear in the scores"
    draws = setting("dif", "bootstrap")
    few = "" if tables.manifest.intervals_hold else f"; fewer than the {MIN_DRAWS} that a claim takes"
    yield "Intervals", f"95%, {count(draws)} draws of whole persons{few}", "Efron & Tibshirani (1993)"
    yield "Agreement", "QWK, r, and standardised differences", "Cohen (1968); Williamson et al. (2012)"
    if setting("gates"):
        yield "Gates", "thresholds that the scores after alignment are held to", "named on the decision page"


def _items(tables: RunTables, group: Group) -> pd.DataFrame:
    arm = tables.after or tables.before
    part = tables.dif_items
    return part[(part["arm"] == arm) & (part["grouping"] == group.attribute)]


def _words(tables: RunTables, group: Group, part: pd.DataFrame) -> str:
    """Power for a reader who has never computed one."""
    moderate, _ = thresholds(tables)
    known = part["mde"].dropna()
    typical = float(known.median())
    sizes = part.loc[part["mde"].notna()]
    text = (
        f"On {group.attribute}, with {_about(sizes['n_reference'])} {group.reference} and "
        f"{_about(sizes['n_focal'])} {group.focal} persons an item, a study like this one finds DIF of "
        f"{real(typical)} SD on a typical item in 4 of 5 cases, and smaller DIF less often."
    )
    text += _caution(tables, sizes)
    short = int((known > moderate).sum())
    if not short:
        return (
            f"{text} That is enough, on every item, for DIF of {real(moderate)} SD, the line between "
            "negligible and moderate."
        )
    text += (
        f" DIF of {real(moderate)} SD, the line between negligible and moderate, is missed more often than "
        f"in 1 of 5 cases on {count(short)} of {count(len(known))} items: there “not significant” is no "
        "finding."
    )
    if typical > moderate:
        factor = (typical / moderate) ** 2
        text += f" To find it on a typical item, about {real(factor, 1)} times as many persons are needed."
    return text


def _caution(tables: RunTables, sizes: pd.DataFrame) -> str:
    """What makes power look better than it is."""
    text = ""
    ratio = shrunk(tables, tables.after) if tables.after else None
    if ratio is not None:
        text += (
            f" This looks better than it is: the scores spread only {real(ratio)} times as wide as the "
            "human ones, and so does DIF in them."
        )
    if sizes[["n_reference", "n_focal"]].to_numpy().min() < FEW:
        text += f" With fewer than {FEW} persons in a group, such figures are rough guesses."
    return text


def _about(numbers: pd.Series) -> str:
    """One number, or the range of them."""
    low, high = numbers.min(), numbers.max()
    return count(low) if low == high else f"{count(low)} to {count(high)}"


def _table(tables: RunTables, group: Group, part: pd.DataFrame) -> Table:
    spread = tables.items.set_index("item")["human_sd"]
    bounds = "smallest_bound" in part
    rows = tuple(
        (
            tables.item_title(row["item"]),
            count(row["n_reference"]),
            count(row["n_focal"]),
            real(row["mde"]),
            real((finite(row["mde"]) or float("nan")) * spread.get(row["item"], float("nan"))),
            *([real(row["smallest_bound"])] if bounds else []),
        )
        for row in part.to_dict("records")
    )
    titles = ("Item", f"n {group.reference}", f"n {group.focal}", "Smallest DIF found, SD", "in score points")
    note = (
        "Smallest DIF found: significant with a probability of .80 on that item alone, before correction for "
        "many items; from the standard errors of the scores "
        f"{'after' if tables.after else 'before'} alignment, not from the DIF that was seen."
    )
    if bounds:
        note += (
            " Could be shown within: the narrowest bound that an item without DIF would meet with "
            "the same probability."
        )
    return Table(
        f"Power by item, {group.attribute}.",
        column(*titles, *(["Could be shown within, SD"] if bounds else [])),
        rows,
        note=note,
        folded=True,
        source="dif_items.csv",
    )
