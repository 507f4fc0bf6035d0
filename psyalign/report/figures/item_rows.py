"""What drawings of DIF with one row an item share: reading the table, names, axis and bands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from scipy import stats

from psyalign.foundation.tables import require_columns
from psyalign.report.facts import Estimate
from psyalign.report.figures.style import FAINT, GREY, clean, short, wrapped
from psyalign.report.numerals import MISSING, finite, real

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "MANY",
    "SHADES",
    "Bands",
    "Effect",
    "by_item",
    "distinct",
    "effects",
    "item_axis",
    "row_names",
    "side_label",
]

Bands = tuple[float, float]

MANY = 20  # items from which names get one line and rows less height
SHADES = (0.8, 0.35)  # of the bands: negligible, moderate
RULE = "#c3cad2"


@dataclass(frozen=True)
class Effect:
    """One item's effect size, its class ("" if not known) and why it is missing, if it is."""

    found: Estimate
    es_class: str = ""
    reason: str = ""


def effects(table: pd.DataFrame, *, effect: str = "es", level: float = 0.95) -> dict[str, Effect]:
    """Effects by item from a table as `dif_forest` takes it.

    Raises
    ------
    DataError
        No column (or index) item, no column of the effect.
    """
    rows = by_item(table)
    require_columns(rows, [effect], "table of effects")
    reach = float(stats.norm.isf((1 - level) / 2))
    found = {}
    for row in rows.to_dict("records"):
        value = finite(row[effect])
        low, high = finite(row.get("low")), finite(row.get("high"))
        se = _standard_error(row, effect)
        if low is None and high is None and value is not None and se is not None:
            low, high = value - reach * se, value + reach * se
        texts = [row.get(key) for key in ("es_class", "reason")]
        es_class, reason = (text if isinstance(text, str) else "" for text in texts)
        found[str(row["item"])] = Effect(Estimate(value, low, high), es_class, reason)
    return found


def by_item(table: pd.DataFrame) -> pd.DataFrame:
    """The table with item as a column, also where it came as the index."""
    rows = table if "item" in table.columns or table.index.name != "item" else table.reset_index()
    require_columns(rows, ["item"], "table of effects")
    return rows


def _standard_error(row: Mapping[Any, object], effect: str) -> float | None:
    given = finite(row.get(f"{effect}_se"))
    if given is not None:
        return given
    se, sd = finite(row.get("se")), finite(row.get("sd"))
    if effect != "es":
        return se
    return se / sd if se is not None and sd else None


def step_name(step: object) -> str:
    """A score step as text: 1 for 1.0, an en dash where there is none."""
    number = finite(step)
    return step if isinstance(step, str) else MISSING if number is None else f"{number:g}"


def row_names(items: Sequence[str], labels: Mapping[str, str] | None) -> list[str]:
    """What stands beside the rows: two lines at most, one where there are many items."""
    names = [clean((labels or {}).get(item, item)) for item in items]
    if len(items) > MANY:
        return distinct(names, 22)
    lines = [wrapped(text, 18) for text in names]
    return lines if len(set(lines)) == len(lines) else distinct(names, 22)


def distinct(names: Sequence[str], length: int) -> list[str]:
    """Names cut to `length` characters: at the end, or in the middle where that would make them equal."""
    cut = [short(text, length) for text in names]
    twins = Counter(cut)
    half = length // 2
    return [
        f"{whole[: half - 1].rstrip()}…{whole[-half:].lstrip()}"
        if twins[text] > 1 and text != whole
        else text
        for text, whole in zip(cut, map(clean, names), strict=True)
    ]


def item_axis(axes: Axes, names: Sequence[str], reach: float, bands: Bands | None) -> None:
    """Rows from top to bottom, the line at zero in the middle, and the bands behind."""
    _draw_bands(axes, bands)
    axes.axvline(0, color=GREY, linewidth=0.8, zorder=1)
    for position in range(len(names)):
        axes.axhline(position, color=RULE, linewidth=0.5, linestyle=(0, (1, 2)), zorder=1)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=7)
    axes.xaxis.set_major_formatter(lambda value, _: real(value, 2 if reach < 1 else 1))
    if not names:
        axes.text(0, 0, "no items", ha="center", va="center", color=GREY, style="italic")


def _draw_bands(axes: Axes, bands: Bands | None) -> None:
    """Shade what is negligible, and more lightly what is moderate."""
    if bands:
        axes.axvspan(-bands[1], bands[1], color=FAINT, alpha=SHADES[1], linewidth=0, zorder=0)
        axes.axvspan(-bands[0], bands[0], color=FAINT, alpha=SHADES[0], linewidth=0, zorder=0)


def side_label(focal: str, unit: str, origin: str) -> str:
    """What lies to the left and to the right of zero, in words."""
    return f"← lower for {short(focal, 16)} · {unit} · higher →" + (f"\n{origin}" if origin else "")
