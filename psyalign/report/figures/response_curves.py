"""One item: mean score by stratum of the matching variable and group, with the number of persons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from psyalign.dif.counts.points import ItemCounts
from psyalign.foundation.errors import UsageError
from psyalign.report.figures.style import (
    AFTER,
    BEFORE,
    FOCAL,
    GREY,
    INK,
    REFERENCE,
    canvas,
    clean,
    short,
)
from psyalign.report.figures.svg import to_svg
from psyalign.report.numerals import count, real

__all__ = ["response_curves"]

Array = npt.NDArray[np.float64]

# Group: colour, marker, filled or hollow, line. The reference group is first.
LOOKS: tuple[tuple[str, str, bool, Any], ...] = (
    (REFERENCE, "o", True, "-"),
    (FOCAL, "s", False, (0, (3, 1.5))),
    (AFTER, "^", True, (0, (1, 1.2))),
    (BEFORE, "D", False, (0, (5, 1, 1, 1))),
    (INK, "v", True, (0, (8, 2))),
)
MOST = 40  # strata that can be told apart at this width
FADED = 0.3
INCHES = 4.3  # width of the axes, about


def response_curves(
    counts: ItemCounts,
    labels: Sequence[str] = ("reference", "focal"),
    *,
    curves: tuple[Array, Array] | None = None,
    few: int = 5,
    matching: str = "matching score",
    item: str = "",
    name: str = "response-curves",
    origin: str = "",
    title: str = "",
) -> str:
    """Draw the mean score of each group by stratum, and below it how many persons are there.

    Points have an area in proportion to the persons; with fewer than `few` they are faint and no line
    joins them. More than 40 strata are drawn in neighbouring bunches, and the axis says so.

    Parameters
    ----------
    counts : ItemCounts
        Of one item, without leading axes; at most five groups.
    labels : sequence of str
        Names of the groups, the reference group first.
    curves : (array (M,), array (G, M)), optional
        Model curves: values of the matching variable, and each group's expected score there. They are
        drawn instead of the lines that join the points.
    few : int
        Persons of a group below which a stratum is faint.
    matching : str
        What the matching variable is called.
    item, name, origin, title : str
        Heading of the drawing; prefix of ids; word printed under it; title of the alternative text.

    Returns
    -------
    str
        An SVG element.

    Raises
    ------
    UsageError
        Leading axes, more groups than looks, or another number of labels than of groups.
    """
    if counts.n.ndim != 3 or not 1 <= counts.n.shape[1] <= len(LOOKS) or len(labels) != counts.n.shape[1]:
        raise UsageError(
            f"Response curves show one item and one to {len(LOOKS)} groups with a name each: got counts "
            f"of shape {counts.n.shape} and {len(labels)} names."
        )
    x, n, means, bunch = _strata(counts)
    with canvas(3.5, rows=2) as (figure, (top, below)):
        _heights(top)
        for group, (label, look) in enumerate(zip(labels, LOOKS, strict=False)):
            curve = None if curves is None else (curves[0], curves[1][group])
            _group(top, x, n[:, group], means[:, group], n.max(initial=1), look, few, curve)
            _bars(below, x, n[:, group], group, len(labels), look)
            top.plot([], [], **_handle(look), label=f"{short(label, 16)} (n = {count(n[:, group].sum())})")
        _axes(top, below, x, counts.score)
        top.set_title(short(item, 58), loc="left", fontweight="bold")
        note = "" if bunch == 1 else f", {bunch} neighbouring values a point"
        below.set_xlabel(f"{short(matching, 30)}{note}" + (f"\n{origin}" if origin else ""))
        figure.legend(
            loc="outside upper left", ncols=min(len(labels), 2), frameon=False,
            handlelength=2.2, borderpad=0.1, columnspacing=1.2,
        )  # fmt: skip
        figure.align_ylabels([top, below])
        return to_svg(
            figure, name, title or f"Response curves {item}".strip(), _describe(x, n, means, labels)
        )


def _strata(counts: ItemCounts) -> tuple[Array, Array, Array, int]:
    """Places (K,), persons (K, G), mean scores (K, G; NaN without persons), strata a place."""
    size = len(counts.stratum)
    bunch = max(1, -(-size // MOST))
    starts = np.arange(0, size, bunch)
    n = counts.n.sum(axis=-1)
    sums = counts.n @ counts.score
    if size:
        weight = np.add.reduceat(n.sum(axis=1), starts)
        places = np.add.reduceat(n.sum(axis=1) * counts.stratum, starts) / np.where(
            weight > 0, weight, np.nan
        )
        n, sums = np.add.reduceat(n, starts, axis=0), np.add.reduceat(sums, starts, axis=0)
    else:
        places = counts.stratum
    means = np.divide(sums, n, out=np.full_like(sums, np.nan), where=n > 0)
    known = np.isfinite(places)
    return places[known], n[known], means[known], bunch


def _group(
    axes: Any,
    x: Array,
    n: Array,
    means: Array,
    largest: float,
    look: tuple[str, str, bool, Any],
    few: int,
    curve: tuple[Array, Array] | None,
) -> None:
    from matplotlib.colors import to_rgba

    colour, marker, filled, line = look
    widest = np.clip(72 * INCHES / max(len(x), 1), 5, 11)  # diameter in points
    area = np.maximum((widest**2) * n / largest, 4)
    for part, alpha in ((n >= few, 1.0), ((n > 0) & (n < few), FADED)):
        if part.any():
            face = to_rgba(colour, 0.6 * alpha) if filled else "none"
            axes.scatter(
                x[part], means[part], s=area[part], marker=marker, linewidths=1.1, zorder=3,
                edgecolors=to_rgba(colour, alpha), facecolors=face,
            )  # fmt: skip
    if curve is not None:
        axes.plot(*curve, color=colour, linestyle=line, linewidth=1.6, zorder=2)
    else:
        axes.plot(x, np.where(n >= few, means, np.nan), color=colour, linestyle=line, linewidth=1.2, zorder=2)


def _bars(axes: Any, x: Array, n: Array, group: int, groups: int, look: tuple[str, str, bool, Any]) -> None:
    colour, _, filled, _ = look
    gap = float(np.diff(x).min()) if len(x) > 1 else 1.0
    width = 0.84 * gap / groups
    axes.bar(
        x + (group - (groups - 1) / 2) * width, n, width, linewidth=0.6, edgecolor=colour,
        facecolor=colour if filled else "white",
    )  # fmt: skip


def _handle(look: tuple[str, str, bool, Any]) -> dict[str, Any]:
    colour, marker, filled, line = look
    face = colour if filled else "white"
    return {"color": colour, "marker": marker, "markerfacecolor": face, "linestyle": line, "markersize": 5.5}


def _heights(axes: Any) -> None:
    """The curves get four times the height of the bars."""
    axes.get_gridspec().set_height_ratios([4, 1])


def _axes(top: Any, below: Any, x: Array, score: Array) -> None:
    low, high = (float(score.min()), float(score.max())) if len(score) else (0.0, 1.0)
    pad = 0.05 * max(high - low, 1.0)
    top.set_ylim(low - pad, high + pad)
    if len(score) and np.all(score == np.round(score)):
        top.yaxis.get_major_locator().set_params(integer=True)
    top.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
    top.set_ylabel("mean item score")
    below.set_ylabel("persons")
    below.locator_params(axis="y", nbins=2, integer=True)
    below.yaxis.set_major_formatter(lambda value, _: count(value))
    below.xaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
    if len(x):
        side = 0.03 * max(float(x[-1] - x[0]), 1.0) + 0.5 * (float(np.diff(x).min()) if len(x) > 1 else 1.0)
        for axes in (top, below):
            axes.set_xlim(float(x[0]) - side, float(x[-1]) + side)
    else:
        top.text(0.5, 0.5, "no scores", transform=top.transAxes, ha="center", color=GREY, style="italic")
    top.tick_params(axis="x", labelbottom=False)


def _describe(x: Array, n: Array, means: Array, labels: Sequence[str]) -> str:
    parts = []
    for group, label in enumerate(labels):
        texts = (
            f"{value:.3g}: {real(mean)} (n {size:.0f})"
            for value, mean, size in zip(x, means[:, group], n[:, group], strict=True)
            if size > 0
        )
        parts.append(f"{clean(label)}: " + ", ".join(texts))
    return "Mean item score by matching value. " + "; ".join(parts) + "."
