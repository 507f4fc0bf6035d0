"""Reward and gold over KL: how far the reward can be followed before agreement pays for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psyalign.report.facts import Estimate
from psyalign.report.figures.style import AFTER, BEFORE, FAINT, GREY, INK, canvas, clean, number_ticks, short
from psyalign.report.figures.svg import to_svg
from psyalign.report.figures.tradeoff import MARKERS
from psyalign.report.numerals import bounded, real

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Ended", "Step", "over_optimisation"]

PANELS = ("reward gained", "QWK gained", "RPS saved")
LEGEND_COLUMNS = 3


@dataclass(frozen=True)
class Step:
    """The optimum at one β: its KL, and what it gains over the reference in reward, QWK and RPS."""

    kl: float
    reward: float
    qwk: float
    rps: Estimate

    @property
    def gains(self) -> tuple[float, float, float]:
        """In the order of the panels."""
        return self.reward, self.qwk, math.nan if self.rps.value is None else self.rps.value


@dataclass(frozen=True)
class Ended:
    """Where an arm ended on the audit persons; `role` is "before", "after" or ""."""

    arm: str
    label: str
    role: str
    step: Step


def over_optimisation(
    curve: Sequence[Step],
    learned: Sequence[Step],
    arms: Sequence[Ended],
    marks: Sequence[tuple[str, Step]],
    *,
    name: str,
    origin: str,
    title: str,
) -> str:
    """Three panels over one KL axis: `curve` drawn full, `learned` dashed, arms as points.

    `marks` are steps of the curve to point out, with the words that say what they are.
    """
    with canvas(6.1, rows=3) as (figure, axes):
        for index, (place, heading) in enumerate(zip(axes, PANELS, strict=True)):
            _lines(place, curve, learned, index)
            for number, (_, step) in enumerate(marks):
                place.axvline(step.kl, color=GREY, linewidth=0.8, linestyle=(":", "--")[number % 2])
            for arm in arms:
                _point(place, arm, index)
            place.set_title(heading, loc="left")
            _scale(place, [*curve, *learned, *(arm.step for arm in arms)], index)
        _name_marks(axes[0], marks)
        label = "KL to the reference scorer (nats; square-root scale)"
        axes[-1].set_xlabel(label + (f"\n{origin}" if origin else ""))
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=LEGEND_COLUMNS, frameon=False)
        return to_svg(figure, name, title, _describe(curve, arms, marks))


def _lines(axes: Axes, curve: Sequence[Step], learned: Sequence[Step], index: int) -> None:
    axes.axhline(0, color=GREY, linewidth=0.6)
    if index == 2:
        known = [step for step in curve if step.rps.known]
        lows, highs = ([getattr(step.rps, end) for step in known] for end in ("low", "high"))
        axes.fill_between([step.kl for step in known], lows, highs, color=FAINT, linewidth=0)
    for steps, colour, line, label in (
        (curve, INK, "-", "new to the reward model"),
        (learned, GREY, "--", "known to it"),
    ):
        kls, gains = [step.kl for step in steps], [step.gains[index] for step in steps]
        axes.plot(kls, gains, color=colour, linestyle=line, linewidth=1.2, label=label)


def _point(axes: Axes, arm: Ended, index: int) -> None:
    colour = {"before": BEFORE, "after": AFTER}.get(arm.role, GREY)
    axes.plot(
        arm.step.kl, arm.step.gains[index], MARKERS.get(arm.arm, "h"), color=colour, zorder=4,
        markerfacecolor="white" if arm.role == "before" else colour, markersize=7 if arm.role else 5.5,
        linestyle="none", label=short(arm.label, 24), clip_on=False,
    )  # fmt: skip


def _scale(axes: Axes, steps: Sequence[Step], index: int) -> None:
    """Square root across (small KL matter most), and a formatter that knows what is bounded by 1."""
    widest = max((step.kl for step in steps), default=0.0) or 0.01
    axes.set_xscale("function", functions=(_root, _square))
    axes.set_xlim(0, 1.04 * widest)
    axes.locator_params(axis="y", nbins=4)
    axes.xaxis.set_major_formatter(lambda value, _: real(value, 2 if widest > 0.05 else 3))
    axes.xaxis.set_major_locator(_ticks(widest))
    number_ticks(axes.yaxis, bounded if index == 1 else real)


def _root(values: Any) -> Any:
    return abs(values) ** 0.5  # matplotlib asks beyond the axis, below 0 too


def _square(values: Any) -> Any:
    return values**2


def _ticks(widest: float) -> Any:
    """Ticks at squares, so that they stand at equal distances on the square-root scale."""
    from matplotlib.ticker import FixedLocator

    return FixedLocator([widest * (part / 5) ** 2 for part in range(6)])


def _name_marks(axes: Axes, marks: Sequence[tuple[str, Step]]) -> None:
    """Words at the feet of the upright lines, one above the other, to the right where there is room."""
    widest = axes.get_xlim()[1]
    for number, (words, step) in enumerate(marks):
        left = _root(step.kl) > 0.8 * _root(widest)
        axes.annotate(
            words, (step.kl, 0.06 + 0.17 * number), xycoords=("data", "axes fraction"),
            xytext=(-4 if left else 4, 0), textcoords="offset points", color=INK,
            ha="right" if left else "left", va="bottom", zorder=5,
            bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
        )  # fmt: skip


def _describe(curve: Sequence[Step], arms: Sequence[Ended], marks: Sequence[tuple[str, Step]]) -> str:
    shown = [*((words, step) for words, step in marks), ("end of the sweep", curve[-1])] if curve else []
    shown += [(arm.label, arm.step) for arm in arms]
    parts = (
        f"{clean(words)}: KL {step.kl:.3f}, reward {step.reward:+.3f}, QWK {step.qwk:+.3f}, "
        f"RPS saved {step.rps.value or 0:+.3f}"
        for words, step in shown
    )
    return "Gains over the reference scorer. " + "; ".join(parts) + "."
