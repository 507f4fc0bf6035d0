"""Loss against step for every training of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from psyalign.report.figures.style import AFTER, canvas, clean, number_ticks, short
from psyalign.report.figures.svg import to_svg
from psyalign.report.numerals import real

__all__ = ["learning_curves"]

COLUMNS = 3


def learning_curves(
    curves: Mapping[str, Sequence[tuple[float, float]]], *, name: str, origin: str, title: str
) -> str:
    """Small panels, one a training; each has its own axes, because the losses are different ones."""
    rows = -(-len(curves) // COLUMNS)
    with canvas(0.5 + 1.25 * rows, columns=COLUMNS, rows=rows) as (figure, axes):
        for place in axes[len(curves) :]:
            place.set_visible(False)
        for place, (stage, points) in zip(axes, curves.items(), strict=False):
            steps, losses = [step for step, _ in points], [loss for _, loss in points]
            place.plot(steps, losses, color=AFTER, linewidth=1.2, marker="." if len(points) < 3 else "")
            place.set_title(short(stage.removeprefix("align/"), 20), loc="left")
            place.locator_params(nbins=3)
            number_ticks(place.yaxis, real)
        figure.supxlabel("step" + (f"\n{origin}" if origin else ""), fontsize=9)
        figure.supylabel("loss", fontsize=9)
        return to_svg(figure, name, title, _describe(curves))


def _describe(curves: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    parts = (
        f"{clean(stage)}: from {points[0][1]:.3f} to {points[-1][1]:.3f} in {points[-1][0]:g} steps"
        for stage, points in curves.items()
        if points
    )
    return "Loss by step. " + "; ".join(parts) + "."
