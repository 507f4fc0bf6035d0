"""Drawings of a comparison: an arrow for each item from A to B, and the differences of all arms."""

from __future__ import annotations

from psyalign.report.comparison.answers import item_row
from psyalign.report.comparison.compared import Compared
from psyalign.report.content import Figure
from psyalign.report.facts import Estimate, estimate, one_row
from psyalign.report.figures.change_arrows import change_arrows
from psyalign.report.figures.rows import Panel, estimate_rows
from psyalign.report.load import Group
from psyalign.report.numerals import bounded
from psyalign.report.sections.drawings import slug

__all__ = ["arrows_figure", "differences_figure", "origin_words", "pair_label"]


def origin_words(found: Compared) -> str:
    """What is printed in a drawing whose data are not wholly real."""
    origins = sorted(
        {side.tables.manifest.origin for side in (found.a, found.b) if not side.tables.manifest.real}
    )
    text = " / ".join(origins)
    return text[:1].upper() + text[1:]


def pair_label(found: Compared, name: str) -> str:
    """Two arms' name for readers: the arm's, or both where the runs' own scorers are of different arms."""
    pair = next(pair for pair in found.pairs if pair.name == name)
    first, second = found.a.tables.label(pair.a), found.b.tables.label(pair.b)
    return first if pair.a == pair.b else f"{first} (A), {second} (B)"


def arrows_figure(found: Compared, group: Group) -> Figure:
    """DIF per item in A and in B for one grouping; without a test, intervals side by side."""
    rows = item_row(found.tables["dif_items"], group.attribute)
    titles = {item: found.a.tables.item_title(item) for item in rows["item"]}
    name = f"items-{slug(group.attribute, found.groups)}"
    title = f"DIF per item on {group.attribute}, in A and in B"
    tested = bool(rows["difference"].notna().any())
    if not tested:
        panels = [
            Panel(letter.upper(), tuple(_own(row, letter) for _, row in rows.iterrows())) for letter in "ab"
        ]
        svg = estimate_rows(
            [titles[item] for item in rows["item"]], [""] * len(rows), panels, name=name,
            origin=origin_words(found), title=title,
        )  # fmt: skip
        caption = (
            f"DIF per item on {group.attribute} in each run, with 95% intervals. The differences are not "
            "tested, and the intervals do not test them."
        )
        return Figure(name, caption, svg, source="dif_items.csv")
    first, second = (rows[["item"]].assign(es=rows[f"{letter}_common"].to_numpy()) for letter in "ab")
    svg = change_arrows(
        first, second, rows[["item", "p_adjusted", "status"]], human=rows[["item"]].assign(es=rows["human"]),
        names=("A", "B"), labels=titles, bands=(found.rules.moderate, found.rules.large),
        alpha=found.rules.alpha, focal=group.focal, name=name, origin=origin_words(found), title=title,
    )  # fmt: skip
    whom = "" if found.common.whole else ", on the persons whom both runs audited"
    caption = (
        f"DIF per item on {group.attribute}, from A (circle) to B (arrow’s head){whom}: towards the line "
        "at zero is less DIF. A filled head is a change that the paired test shows, corrected for the "
        "number of items; a hollow one may be chance. The darker band is |ES| ≤ "
        f"{bounded(found.rules.moderate)}; words at the right: what became of the item’s flag."
    )
    return Figure(name, caption, svg, source="dif_items.csv")


def _own(row: object, letter: str) -> Estimate:
    return estimate(row, letter, f"{letter}_low", f"{letter}_high")  # type: ignore[arg-type]


def differences_figure(found: Compared) -> Figure | None:
    """Difference in mean ES and in QWK of every arm; None where nothing is tested."""
    if not found.common.paired:
        return None
    panels = [Panel("QWK, B − A", tuple(_qwk(found, pair.name) for pair in found.pairs), unit_bound=True)]
    for group in found.groups[:2]:
        means = tuple(_mean(found, pair.name, group) for pair in found.pairs)
        if any(mean.known for mean in means):
            panels.append(Panel(f"Mean ES {group.attribute}, B − A", means))
    labels = [pair_label(found, pair.name) for pair in found.pairs]
    roles = ["after" if pair.primary else "" for pair in found.pairs]
    title = "Differences between the two runs, by arm"
    svg = estimate_rows(labels, roles, panels, name="differences", origin=origin_words(found), title=title)
    caption = (
        "Differences B − A of each arm with 95% intervals, not corrected for their number. Right of the "
        "line: larger in B. A mean ES that rises is nearer to zero if it was below it. Square: the runs’ "
        "own scorers."
    )
    return Figure("differences", caption, svg, source="accuracy.csv, dif.csv")


def _qwk(found: Compared, name: str) -> Estimate:
    row = one_row(found.tables["accuracy"], arm=name, metric="qwk")
    return estimate(row, "difference", "low", "high")


def _mean(found: Compared, name: str, group: Group) -> Estimate:
    row = one_row(found.tables["dif"], arm=name, grouping=group.attribute, statistic="mean_es")
    return estimate(row, "difference", "low", "high")
