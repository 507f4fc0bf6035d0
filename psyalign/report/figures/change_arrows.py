"""What became of each item's DIF: an arrow from before to after, with the status in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from psyalign.dif.judgement.classes import ES_LARGE, ES_MODERATE
from psyalign.report.facts import Estimate
from psyalign.report.figures.item_rows import (
    MANY,
    SHADES,
    Bands,
    Effect,
    by_item,
    effects,
    item_axis,
    row_names,
    side_label,
)
from psyalign.report.figures.style import AFTER, BEFORE, FAINT, GREY, HUMAN, INK, canvas, clean, short
from psyalign.report.figures.svg import to_svg
from psyalign.report.numerals import bounded, finite, real

__all__ = ["change_arrows"]

HEADS = {1: [(0, 0), (-1.5, 0.8), (-1.5, -0.8), (0, 0)], -1: [(0, 0), (1.5, 0.8), (1.5, -0.8), (0, 0)]}


@dataclass(frozen=True)
class _Move:
    """One item: its two effects, the human one, p of the paired change and the status, where known."""

    item: str
    before: float | None
    after: float | None
    human: float | None
    p: float | None
    status: str


def change_arrows(
    before: pd.DataFrame,
    after: pd.DataFrame,
    change: pd.DataFrame | None = None,
    *,
    human: pd.DataFrame | None = None,
    names: tuple[str, str] = ("before", "after"),
    labels: Mapping[str, str] | None = None,
    sort: bool = True,
    bands: Bands | None = (ES_MODERATE, ES_LARGE),
    alpha: float = 0.05,
    focal: str = "focal",
    name: str = "dif-arrows",
    origin: str = "",
    title: str = "Change in DIF per item",
) -> str:
    """Draw an arrow for each item from its effect size before to that after.

    Parameters
    ----------
    before, after : pandas.DataFrame
        Column (or index) item, and es: focal minus reference, both in the same unit.
    change : pandas.DataFrame, optional
        The paired test, as `compare` gives it: item, p_adjusted (else p); optional status, as
        `item_status` names it. The arrow's head is filled where p < `alpha`, hollow where
        the change may be chance; without the table all heads are filled.
    human : pandas.DataFrame, optional
        item, es of the human scores: an upright stroke.
    names : (str, str)
        What the two sets are called.
    labels, sort, bands, focal, name, origin, title
        See `dif_forest`; sorted by the effect before.

    Returns
    -------
    str
        An SVG element.
    """
    moves = _moves(before, after, change, human, sort=sort)
    height = 0.26 if len(moves) > MANY else 0.34
    with canvas(1.4 + height * max(len(moves), 1)) as (figure, (axes,)):
        values = [value for move in moves for value in (move.before, move.after, move.human) if value]
        reach = 1.1 * max([abs(value) for value in values] + [1.25 * bands[1] if bands else 1e-3])
        item_axis(axes, row_names([move.item for move in moves], labels), reach, bands)
        for position, move in enumerate(moves):
            _arrow(axes, position, move, significant=move.p is None or move.p < alpha)
        axes.set_xlabel(side_label(focal, "effect size", origin))
        _key(figure, names, bands, alpha if change is not None else None, human=human is not None)
        return to_svg(figure, name, title, _describe(moves, names, labels))


def _moves(
    before: pd.DataFrame,
    after: pd.DataFrame,
    change: pd.DataFrame | None,
    human: pd.DataFrame | None,
    *,
    sort: bool,
) -> list[_Move]:
    sides = [effects(table) if table is not None else {} for table in (before, after, human)]
    tests = {} if change is None else {str(row["item"]): row for row in by_item(change).to_dict("records")}
    nothing = Effect(Estimate())
    moves = []
    for item in dict.fromkeys([*sides[0], *sides[1]]):
        test = tests.get(item, {})
        p = finite(test.get("p_adjusted", test.get("p")))
        status = test.get("status")
        words = status.replace("_", " ") if isinstance(status, str) else ""
        first, last, given = (side.get(item, nothing).found.value for side in sides)
        moves.append(_Move(item, first, last, given, p, words))
    return sorted(moves, key=lambda move: (move.before is None, move.before or 0.0)) if sort else moves


def _arrow(axes: Any, y: int, move: _Move, *, significant: bool) -> None:
    if move.human is not None:
        axes.plot(move.human, y, "|", color=HUMAN, markersize=11, markeredgewidth=1.4, zorder=2)
    status = move.status
    if move.before is None or move.after is None:
        status = "not estimable"
    else:
        side = 1 if move.after >= move.before else -1
        axes.plot([move.before, move.after], [y, y], color=AFTER, linewidth=1.4, zorder=2)
        axes.plot(
            move.after, y, marker=HEADS[side], color=AFTER, markerfacecolor=AFTER if significant else "white",
            markersize=7.5, zorder=4,
        )  # fmt: skip
    if move.before is not None:
        axes.plot(move.before, y, "o", color=BEFORE, markerfacecolor="white", markersize=4.6, zorder=3)
    if move.before is None and move.after is not None:
        axes.plot(move.after, y, "s", color=AFTER, markersize=5, zorder=3)
    axes.text(
        1.02, y, status, transform=axes.get_yaxis_transform(), va="center",
        color=INK if significant else GREY,
    )  # fmt: skip


def _key(
    figure: Any, names: tuple[str, str], bands: Bands | None, alpha: float | None, *, human: bool
) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    first, last = (short(text, 14) for text in names)
    hollow: dict[str, Any] = {"linestyle": "", "mfc": "white"}
    handles: list[Any] = [Line2D([], [], marker="o", color=BEFORE, markersize=5, label=first, **hollow)]
    sure = last if alpha is None else f"{last}: change p < {bounded(alpha)}"
    handles.append(Line2D([], [], linestyle="", marker=">", color=AFTER, markersize=6, label=sure))
    if alpha is not None:
        handles.append(
            Line2D([], [], marker=">", color=AFTER, markersize=6, label=f"p ≥ {bounded(alpha)}", **hollow)
        )
    if human:
        stroke = Line2D([], [], linestyle="", marker="|", color=HUMAN, markersize=9, mew=1.4, label="human")
        handles.append(stroke)
    if bands:
        handles.append(Patch(color=FAINT, alpha=SHADES[0], label=f"|ES| ≤ {bounded(bands[0])}"))
    figure.legend(
        handles=handles, loc="outside upper left", ncols=3, frameon=False,
        handlelength=1.1, columnspacing=0.9, borderpad=0.1, handletextpad=0.4,
    )  # fmt: skip


def _describe(moves: list[_Move], names: tuple[str, str], labels: Mapping[str, str] | None) -> str:
    parts = []
    for move in moves:
        text = f"{real(move.before)} {clean(names[0])}, {real(move.after)} {clean(names[1])}"
        if move.before is None or move.after is None:
            text = "not estimable"
        more = "" if move.p is None else f", p of the change {bounded(move.p, 3)}"
        status = f", {move.status}" if move.status else ""
        parts.append(f"{clean((labels or {}).get(move.item, move.item))}: {text}{more}{status}")
    return "Effect size of DIF per item, focal minus reference. " + "; ".join(parts) + "."
