"""Effect sizes of DIF with intervals, one row an item; class by marker, thresholds as shaded bands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from psyalign.dif.judgement.classes import ES_LARGE, ES_MODERATE
from psyalign.foundation.errors import UsageError
from psyalign.report.facts import Estimate
from psyalign.report.figures.item_rows import (
    MANY,
    SHADES,
    Bands,
    Effect,
    effects,
    item_axis,
    row_names,
    side_label,
)
from psyalign.report.figures.style import (
    AFTER,
    BEFORE,
    FAINT,
    FOCAL,
    GREY,
    HUMAN,
    INK,
    REFERENCE,
    canvas,
    clean,
    short,
)
from psyalign.report.figures.svg import to_svg
from psyalign.report.numerals import bounded, interval, real

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["dif_forest"]

DASHES = (0, (3, 1.5))
# Class: marker, filled or not, colour where there is one set only.
CLASSES = {"AA": ("o", False, INK), "BB": ("D", True, AFTER), "CC": ("s", True, BEFORE), "": ("o", True, INK)}
KNOWN = {"human": (HUMAN, "-"), "before": (BEFORE, DASHES), "after": (AFTER, "-")}
OTHERS = (
    (AFTER, "-"), (BEFORE, DASHES), (REFERENCE, (0, (1, 1.2))), (FOCAL, (0, (4, 1, 1, 1))), (INK, "-"),
)  # fmt: skip


def dif_forest(
    tables: pd.DataFrame | Mapping[str, pd.DataFrame],
    *,
    effect: str = "es",
    labels: Mapping[str, str] | None = None,
    sort: bool = True,
    bands: Bands | None = (ES_MODERATE, ES_LARGE),
    level: float = 0.95,
    focal: str = "focal",
    name: str = "dif-forest",
    origin: str = "",
    title: str = "DIF per item",
) -> str:
    """Draw one interval an item, or one for each set of scores in the item's row.

    Parameters
    ----------
    tables : DataFrame, or mapping of a set's name to one
        Column (or index) item, the column `effect`, and for the interval `low` and `high`, or a
        standard error: es_se (smd_se), else for "es" se and sd as `smd` gives them, for another effect
        se. Optional: es_class, reason. At most five sets; items are those of all sets.
    effect : str
        Column to draw, focal minus reference: "es", or "smd" in score points.
    labels : mapping of item to str, optional
        What to print instead of the item's id.
    sort : bool
        From the most negative effect of the first set (top) to the most positive; else as in the table.
    bands : (float, float), optional
        Thresholds on the absolute effect up to which it is negligible, and moderate; None: no bands.
        Drawn for "es" only, because they are in units of SD.
    level : float
        Confidence level of intervals that are made from standard errors.
    focal, name, origin, title : str
        Name of the focal group; prefix of ids; word printed under the drawing (as "Simulated"); title
        of the alternative text.

    Returns
    -------
    str
        An SVG element.
    """
    sets = {"": tables} if isinstance(tables, pd.DataFrame) else dict(tables)
    if not 1 <= len(sets) <= len(OTHERS):
        raise UsageError(f"A forest shows one to {len(OTHERS)} sets of scores, not {len(sets)}.")
    found = {key: effects(table, effect=effect, level=level) for key, table in sets.items()}
    order = _order(list(found.values()), sort=sort)
    looks = {key: _look(key, index, alone=len(sets) == 1) for index, key in enumerate(sets)}
    height = max(0.26 if len(order) > MANY else 0.34, 0.16 * len(sets) + 0.12)
    with canvas(1.25 + 0.2 * (len(sets) > 1) + height * max(len(order), 1)) as (figure, (axes,)):
        shown = bands if effect == "es" else None
        reach = _reach([one for items in found.values() for one in items.values()], shown)
        item_axis(axes, row_names(order, labels), reach, shown)
        step = 0.78 / len(sets)
        for position, item in enumerate(order):
            for place, (key, items) in enumerate(found.items()):
                shift = (place - (len(sets) - 1) / 2) * step
                _mark(axes, items.get(item, Effect(Estimate())), position + shift, looks[key])
        unit = "effect size" if effect == "es" else f"{effect.upper()} in score points"
        axes.set_xlabel(side_label(focal, unit, origin))
        classes = {one.es_class for items in found.values() for one in items.values()}
        _key(figure, axes, looks, sorted(classes - {""}), shown)
        return to_svg(figure, name, title, _describe(found, order, labels, effect))


def _order(sets: Sequence[Mapping[str, Effect]], *, sort: bool) -> list[str]:
    items = list(dict.fromkeys(item for found in sets for item in found))
    if not sort:
        return items
    nothing = Effect(Estimate())
    values = {item: sets[0].get(item, nothing).found.value for item in items}
    return sorted(items, key=lambda item: (values[item] is None, values[item] or 0.0))


def _reach(found: Sequence[Effect], bands: Bands | None) -> float:
    """Half the width of the axis: all effects, and intervals unless they would dwarf the rest."""
    values = [abs(one.found.value) for one in found if one.found.value is not None]
    ends = [abs(end) for one in found for end in one.found[1:] if end is not None]
    largest = max(values, default=0.0)
    least = 1.25 * bands[1] if bands else 1e-3
    return 1.06 * max(least, 1.05 * largest, min(max(ends, default=0.0), 2 * max(largest, least)))


def _look(key: str, index: int, *, alone: bool) -> tuple[str | None, Any]:
    """Colour (None: the class's) and line of a set."""
    return (None, "-") if alone else KNOWN.get(key, OTHERS[index])


def _mark(axes: Axes, one: Effect, y: float, look: tuple[str | None, Any]) -> None:
    marker, filled, own = CLASSES.get(one.es_class, CLASSES[""])
    colour, line = look[0] or own, look[1]
    value, low, high = one.found
    if value is None:
        style: dict[str, Any] = {
            "ha": "center",
            "va": "center",
            "color": GREY,
            "style": "italic",
        }
        axes.text(0, y, "not estimable", **style)
        return
    reach = axes.get_xlim()[1]
    if low is not None and high is not None:
        inside = [max(low, -reach), min(high, reach)]
        axes.plot(inside, [y, y], color=colour, linestyle=line, linewidth=1.3, zorder=2)
        for end, edge, tip in ((low, -reach, "<"), (high, reach, ">")):
            if abs(end) > reach:  # the interval goes on beyond the axis
                axes.plot(edge, y, tip, color=colour, markersize=4, clip_on=False, zorder=2)
    axes.plot(
        value, y, marker, color=colour, markerfacecolor=colour if filled else "white",
        markersize=4.4 if marker == "D" else 5, zorder=3,
    )  # fmt: skip
    axes.annotate(
        f"{real(value)} {one.es_class}".rstrip(), (1, y), (49, 0), xycoords=axes.get_yaxis_transform(),
        textcoords="offset points", ha="right", va="center", annotation_clip=False,
        fontweight="bold" if one.es_class == "CC" else "normal",
    )  # fmt: skip


def _key(
    figure: Figure,
    axes: Axes,
    looks: Mapping[str, tuple[str | None, Any]],
    classes: Sequence[str],
    bands: Bands | None,
) -> None:
    """Above the drawing: the sets in the order of their lines, then classes and bands."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    sets = [
        Line2D([], [], color=colour, linestyle=line, linewidth=1.5, label=short(key, 18))
        for key, (colour, line) in looks.items()
        if colour
    ]
    marks: list[Any] = []
    for one in classes:
        marker, filled, own = CLASSES.get(one, CLASSES[""])
        colour = INK if sets else own
        face = colour if filled else "white"
        marks.append(
            Line2D([], [], linestyle="", marker=marker, color=colour, mfc=face, markersize=5, label=one)
        )
    if bands:
        labels = (f"|ES| ≤ {bounded(bands[0])}", f"≤ {bounded(bands[1])}")
        marks += [Patch(color=FAINT, alpha=a, label=text) for a, text in zip(SHADES, labels, strict=True)]
    style: dict[str, Any] = {
        "frameon": False,
        "borderpad": 0.1,
        "handletextpad": 0.5,
        "columnspacing": 1.1,
    }
    if sets:
        figure.legend(handles=sets, loc="outside upper left", ncols=len(sets), handlelength=1.8, **style)
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.3}
    if marks:
        axes.legend(handles=marks, ncols=len(marks), handlelength=1.1, **place, **style)


def _describe(
    found: Mapping[str, Mapping[str, Effect]],
    order: Sequence[str],
    labels: Mapping[str, str] | None,
    effect: str,
) -> str:
    parts = []
    for item in order:
        texts = []
        for key, items in found.items():
            one = items.get(item, Effect(Estimate()))
            if one.found.value is None:
                text = "not estimable"
            else:
                ends = interval(one.found.low, one.found.high) if one.found.known else ""
                text = " ".join(filter(None, (real(one.found.value), ends, one.es_class)))
            texts.append(f"{clean(key)} {text}".strip())
        parts.append(f"{clean((labels or {}).get(item, item))}: {', '.join(texts)}")
    what = "Effect size" if effect == "es" else effect.upper()
    return f"{what} of DIF per item, focal minus reference. " + "; ".join(parts) + "."
