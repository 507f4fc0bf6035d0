"""All drawings of a DIF analysis in a folder, and a page that shows them with their numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign import __version__
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.judgement.classes import ES_LARGE, ES_MODERATE
from psyalign.foundation.files import write_text
from psyalign.report.content import Block, Figure, Section
from psyalign.report.figures.change_arrows import change_arrows
from psyalign.report.figures.dif_forest import dif_forest
from psyalign.report.figures.dif_numbers import change_table, effect_table, response_table, step_table
from psyalign.report.figures.response_curves import response_curves
from psyalign.report.figures.style import clean
from psyalign.report.figures.thresholds import threshold_effects
from psyalign.report.numerals import bounded, percent
from psyalign.report.page import fill

__all__ = ["DifPlots", "write_dif_plots"]

Array = npt.NDArray[np.float64]
T = TypeVar("T")
PAIR = ("before", "after")
MOST_SETS = 5  # sets of scores, or groups, that one drawing can tell apart


@dataclass(frozen=True)
class DifPlots:
    """What can be drawn of a DIF analysis; only `effects` is needed.

    Attributes
    ----------
    effects : DataFrame, or mapping of a set of scores to one
        As `dif_forest` takes them: item, es, and es_se, or low and high, or se and sd; es_class.
    counts : mapping of item to ItemCounts
        For response curves, one drawing an item.
    curves : mapping of item to (array (M,), array (G, M))
        Model curves, see `response_curves`.
    steps : pandas.DataFrame, optional
        item, step, dsf_log_or, dsf_se.
    common : mapping of item to float
        Liu-Agresti log odds ratio, a line among the steps.
    change : pandas.DataFrame, optional
        Paired tests (`compare`), with status if known. Arrows are drawn where `effects` has
        the sets of `pair`; the set "human" is marked in them.
    pair : (str, str)
        Names of the two sets.
    groups : sequence of str
        The reference group first.
    labels : mapping of item to str
        What to print instead of ids.
    """

    effects: pd.DataFrame | Mapping[str, pd.DataFrame]
    counts: Mapping[str, ItemCounts] | None = None
    curves: Mapping[str, tuple[Array, Array]] | None = None
    steps: pd.DataFrame | None = None
    common: Mapping[str, float] | pd.Series | None = None
    change: pd.DataFrame | None = None
    pair: tuple[str, str] = PAIR
    groups: Sequence[str] = ("reference", "focal")
    labels: Mapping[str, str] | None = None
    matching: str = "matching score"
    bands: tuple[float, float] = (ES_MODERATE, ES_LARGE)
    level: float = 0.95
    alpha: float = 0.05
    origin: str = ""
    title: str = "DIF"

    @property
    def focal(self) -> str:
        """The focal group's name; with several, a word for all."""
        return self.groups[1] if len(self.groups) == 2 else "focal groups"

    def label(self, item: str) -> str:
        """What is printed for an item."""
        return clean((self.labels or {}).get(item, item))


def write_dif_plots(folder: Path, plots: DifPlots) -> list[Path]:
    """Write forest.svg, arrows.svg, thresholds.svg, response-<item>.svg and index.html.

    What is not given is not drawn. More than five sets or groups are spread over numbered
    drawings. The page needs no other file and no network. Files of the same names are replaced,
    each atomically; the folder is made if it is missing.

    Returns
    -------
    list of Path
        What was written, index.html last.
    """
    sections = [_forest(plots)]
    sections += [part for part in (_arrows(plots), _steps(plots), _responses(plots)) if part]
    figures = [block for section in sections for block in section.blocks if isinstance(block, Figure)]
    written = []
    for figure in figures:
        path = folder / f"{figure.name}.svg"
        write_text(path, figure.svg + "\n")
        written.append(path)
    page = folder / "index.html"
    write_text(page, _page(plots, sections))
    return [*written, page]


def _forest(plots: DifPlots) -> Section:
    moderate, large = (bounded(value) for value in plots.bands)
    sets = {"": plots.effects} if isinstance(plots.effects, pd.DataFrame) else plots.effects
    caption = (
        f"Effect size per item, {plots.focal} minus {plots.groups[0]}, with {percent(plots.level)} intervals "
        "of one item alone. "
        f"Hollow circle: AA, not significant or |ES| ≤ {moderate}; diamond: BB, up to {large}; "
        "filled square: CC, above. An arrow at the rim is an interval that goes on."
    )
    blocks: list[Block] = []
    for number, part in enumerate(_batched(sets, MOST_SETS), 1):
        name = "forest" if number == 1 else f"forest-{number}"
        tables = {key: sets[key] for key in part} if len(sets) > 1 else sets[part[0]]
        svg = dif_forest(
            tables, labels=plots.labels, bands=plots.bands, level=plots.level, focal=plots.focal,
            name=name, origin=plots.origin,
        )  # fmt: skip
        blocks.append(Figure(name, caption, svg))
    blocks.append(effect_table(plots.effects, plots.label, plots.level))
    return Section("forest", "DIF per item", tuple(blocks))


def _arrows(plots: DifPlots) -> Section | None:
    sets = {} if isinstance(plots.effects, pd.DataFrame) else plots.effects
    if not all(key in sets for key in plots.pair):
        return None
    first, last = plots.pair
    svg = change_arrows(
        sets[first], sets[last], plots.change, human=sets.get("human"), names=plots.pair,
        labels=plots.labels, bands=plots.bands, alpha=plots.alpha, focal=plots.focal, name="arrows",
        origin=plots.origin,
    )  # fmt: skip
    test = "" if plots.change is None else (
        f" The head is filled where the paired test of the change has p < {bounded(plots.alpha)}, hollow "
        "where the change may be chance."
    )  # fmt: skip
    caption = f"From {first} (circle) to {last} (arrow head): towards the line at zero is less DIF.{test}"
    table = change_table(sets[first], sets[last], plots.change, plots.pair, plots.label)
    return Section("arrows", f"From {first} to {last}", (Figure("arrows", caption, svg), table))


def _steps(plots: DifPlots) -> Section | None:
    if plots.steps is None or plots.steps.empty:
        return None
    svg = threshold_effects(
        plots.steps, common=plots.common, labels=plots.labels, level=plots.level,
        reference=plots.groups[0], name="thresholds", origin=plots.origin,
    )  # fmt: skip
    line = "" if plots.common is None else " The dashed line is the common value of all steps."
    caption = (
        f"DIF at each score step as a log odds ratio, above 0 in favour of {plots.groups[0]}. Points at one "
        f"height: the item differs as a whole; at different heights: only some scores do.{line}"
    )
    table = step_table(plots.steps, plots.label, plots.level)
    return Section("thresholds", "Score steps", (Figure("thresholds", caption, svg), table))


def _responses(plots: DifPlots) -> Section | None:
    if not plots.counts:
        return None
    blocks: list[Block] = []
    names = _file_names(list(plots.counts))
    for item, counts in plots.counts.items():
        caption = (
            f"{plots.label(item)}: mean score by {plots.matching}. The area of a point is the number of "
            "persons, also drawn below; with fewer than five it is faint."
        )
        for number, focal in enumerate(_batched(range(1, len(plots.groups)), MOST_SETS - 1), 1):
            shown = [0, *focal]
            curve = (plots.curves or {}).get(item)
            name = names[item] if number == 1 else f"{names[item]}--{number}"
            svg = response_curves(
                ItemCounts(counts.n[..., shown, :], counts.stratum, counts.score),
                [plots.groups[place] for place in shown],
                curves=None if curve is None else (curve[0], curve[1][shown]),
                matching=plots.matching, item=plots.label(item), name=name, origin=plots.origin,
            )  # fmt: skip
            blocks.append(Figure(name, caption, svg))
        blocks.append(response_table(counts, plots.groups, plots.label(item), plots.matching))
    return Section("responses", "Response curves", tuple(blocks))


def _batched(values: Iterable[T], size: int) -> Iterator[tuple[T, ...]]:
    """Neighbours in bunches of `size`; the last may be smaller."""
    left = iter(values)
    while bunch := tuple(islice(left, size)):
        yield bunch


def _file_names(items: Sequence[str]) -> dict[str, str]:
    """A name of plain letters and digits for each item, numbered where two would be one file."""
    taken: set[str] = set()
    names = {}
    for item in items:
        plain = re.sub(r"[^a-z0-9]+", "-", item.lower()).strip("-")[:60].strip("-") or "item"
        name, number = f"response-{plain}", 1
        while name in taken:
            number += 1
            name = f"response-{plain}-{number}"
        taken.add(name)
        names[item] = name
    return names


def _page(plots: DifPlots, sections: Sequence[Section]) -> str:
    return fill(
        "plots.html.jinja",
        title=clean(plots.title),
        origin=plots.origin,
        reference=plots.groups[0],
        focal=plots.focal,
        sections=sections,
        version=__version__,
    )
