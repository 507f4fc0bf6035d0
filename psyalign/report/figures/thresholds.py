"""Where on the score scale an item works differently: an effect for each score step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from psyalign.foundation.tables import require_columns
from psyalign.report.figures.item_rows import by_item, distinct, step_name
from psyalign.report.figures.style import AFTER, BEFORE, GREY, INK, canvas, clean, short
from psyalign.report.figures.svg import to_svg
from psyalign.report.numerals import finite, percent, real

__all__ = ["threshold_effects"]

COLUMNS = 3


def threshold_effects(
    table: pd.DataFrame,
    *,
    common: Mapping[str, float] | pd.Series | None = None,
    labels: Mapping[str, str] | None = None,
    level: float = 0.95,
    reference: str = "reference",
    name: str = "dif-thresholds",
    origin: str = "",
    title: str = "DIF at each score step",
) -> str:
    """Draw one small panel an item: log odds ratio with interval by score step.

    Parameters
    ----------
    table : pandas.DataFrame
        Column (or index) item, and step, dsf_log_or, dsf_se; one row an item and step. Above 0: the
        step favours the reference group.
    common : mapping of item to float, optional
        The common log odds ratio over all steps (Liu-Agresti): a line.
    labels : mapping of item to str, optional
        What to print instead of the item's id.
    level : float
        Confidence level of the intervals. The point is filled where zero lies outside.
    reference, name, origin, title : str
        Name of the reference group; prefix of ids; word printed under the drawing; title of the
        alternative text.

    Returns
    -------
    str
        An SVG element. All panels have one scale; a cross stands for a step without an estimate.
    """
    rows = by_item(table)
    require_columns(rows, ["step", "dsf_log_or", "dsf_se"], "table of step effects")
    items = {str(item): part for item, part in rows.groupby("item", sort=False)}
    lines = {str(item): finite(value) for item, value in dict(common if common is not None else {}).items()}
    z = float(stats.norm.isf((1 - level) / 2))
    height = max(1, -(-len(items) // COLUMNS))
    reach = _reach(rows, [value for value in lines.values() if value is not None], z)
    with canvas(0.9 + 1.25 * height, columns=COLUMNS, rows=height) as (figure, axes):
        for place in axes[len(items) :]:
            place.set_visible(False)
        names = distinct([(labels or {}).get(item, item) for item in items], 19)
        for position, (place, item, text) in enumerate(zip(axes, items, names, strict=False)):
            _panel(place, items[item], lines.get(item), reach, z)
            place.set_title(text, loc="left")
            place.tick_params(labelleft=position % COLUMNS == 0)
        figure.supxlabel("score step" + (f"\n{origin}" if origin else ""), fontsize=9)
        figure.supylabel(f"log odds ratio; above 0 favours {short(reference, 14)}", fontsize=9)
        _key(
            figure,
            level,
            common=any(item in items for item in lines),
            missing=bool(rows["dsf_log_or"].isna().any()),
        )
        return to_svg(figure, name, title, _describe(items, lines, labels))


def _reach(rows: pd.DataFrame, lines: list[float], z: float) -> float:
    """Half the height of all panels: all values, and intervals unless they would dwarf the rest."""
    values, se = rows["dsf_log_or"].to_numpy(dtype=float), rows["dsf_se"].to_numpy(dtype=float)
    known = np.isfinite(values)
    largest = max([0.1, *np.abs(values[known]), *map(abs, lines)])
    ends = (np.abs(values) + z * se)[known & np.isfinite(se)]
    return float(1.08 * max(largest, min(ends.max(initial=0.0), 2.5 * largest)))


def _panel(axes: Any, part: pd.DataFrame, common: float | None, reach: float, z: float) -> None:
    axes.axhline(0, color=GREY, linewidth=0.8)
    if common is not None:
        axes.axhline(common, color=BEFORE, linewidth=1.2, linestyle=(0, (4, 1.5)), zorder=2)
    steps = [step_name(step) for step in part["step"]]
    for place, (value, se) in enumerate(zip(part["dsf_log_or"], part["dsf_se"], strict=True)):
        middle, half = finite(value), finite(se)
        if middle is None:
            axes.plot(place, 0, "x", color=GREY, markersize=5, zorder=3)
            continue
        low, high = (middle, middle) if half is None else (middle - z * half, middle + z * half)
        axes.plot([place, place], [max(low, -reach), min(high, reach)], color=AFTER, linewidth=1.3, zorder=3)
        for end, tip in ((low, "v"), (high, "^")):
            if abs(end) > reach:  # the interval goes on beyond the axis
                axes.plot(place, np.sign(end) * reach, tip, color=AFTER, markersize=3.5, clip_on=False)
        face = AFTER if low > 0 or high < 0 else "white"
        axes.plot(place, middle, "o", color=AFTER, markerfacecolor=face, markersize=4.6, zorder=4)
    axes.set_ylim(-reach, reach)
    axes.set_xlim(-0.6, max(len(steps) - 0.4, 0.6))
    axes.set_xticks(range(len(steps)), steps)
    axes.locator_params(axis="y", nbins=5)
    axes.yaxis.set_major_formatter(lambda value, _: real(value, 1))


def _key(figure: Any, level: float, *, common: bool, missing: bool) -> None:
    from matplotlib.lines import Line2D

    dot: dict[str, Any] = {"linestyle": "", "marker": "o", "color": AFTER, "markersize": 5}
    handles = [
        Line2D([], [], **dot, label=f"{percent(level)} interval without 0"),
        Line2D([], [], mfc="white", **dot, label="with 0"),
    ]
    if common:
        handles.append(Line2D([], [], color=BEFORE, linestyle=(0, (4, 1.5)), label="common (Liu–Agresti)"))
    if missing:
        handles.append(Line2D([], [], linestyle="", marker="x", color=GREY, label="not estimable"))
    figure.legend(
        handles=handles, loc="outside upper left", ncols=3 if len(handles) == 3 else 2, frameon=False,
        labelcolor=INK, handlelength=1.6, columnspacing=0.9, borderpad=0.1, handletextpad=0.4,
    )  # fmt: skip


def _describe(
    items: Mapping[str, pd.DataFrame],
    lines: Mapping[str, float | None],
    labels: Mapping[str, str] | None,
) -> str:
    parts = []
    for item, part in items.items():
        steps = ", ".join(
            f"step {clean(step_name(step))} {real(value)}"
            for step, value in zip(part["step"], part["dsf_log_or"], strict=True)
        )
        line = lines.get(item)
        more = "" if line is None else f", common {real(line)}"
        parts.append(f"{clean((labels or {}).get(item, item))}: {steps}{more}")
    return "Log odds ratio by score step, above 0 in favour of the reference group. " + "; ".join(parts) + "."
