"""The feedback, the reward model and how the trainings went."""

from __future__ import annotations

from psyalign.report.content import Block, Figure, Paragraph, Section, Table, column
from psyalign.report.figures.learning import learning_curves
from psyalign.report.load import RunTables
from psyalign.report.numerals import MISSING, bounded, count, finite, percent, real
from psyalign.report.sections.drawings import mark

__all__ = ["training_section"]

# A curve is drawn through at most this many means: more is noise for the eye and weight for the page.
CURVE_POINTS = 40
SHARES = ("accuracy", "agreement", "share", "rate", "auc", "ece")
COUNTS = "n_"  # how metrics that count start


def training_section(tables: RunTables) -> Section:
    """Feedback records, reward model, losses."""
    blocks: list[Block] = [_feedback(tables)]
    blocks.append(_reward(tables) if len(tables.reward) else Paragraph("This run has no reward model."))
    if len(tables.raters) > 1:
        blocks.append(_raters(tables))
    curves = _curves(tables)
    if curves:
        title = "Loss of every training by step"
        svg = learning_curves(curves, name="learning-curves", origin=mark(tables), title=title)
        caption = (
            "Loss by step of every training (means of neighbouring steps). The losses are of different "
            "kinds: see that each falls and levels off, and do not compare their heights."
        )
        blocks += [Figure("learning-curves", caption, svg), _losses(curves)]
    return Section("training", "Feedback, reward model and training", tuple(blocks))


def _feedback(tables: RunTables) -> Table:
    def text(value: object) -> str:
        return value if isinstance(value, str) and value else MISSING

    rows = tuple(
        (text(row["kind"]).replace("_", " "), text(row["source"]), text(row["rater"]), count(row["records"]),
         count(row["responses"]), percent(row["connected_share"]), text(row["note"]))
        for row in tables.feedback.to_dict("records")
    )  # fmt: skip
    return Table(
        "Feedback records.",
        column("Kind", "Source", "Rater", "Records", "Responses", "Connected", "Note", text=(0, 1, 2, 6)),
        rows,
        note="Connected: share of responses whose preferences link all score points. Where they do not, "
        "preferences say nothing about some pairs of scores.",
        source="feedback.csv",
    )


def _reward(tables: RunTables) -> Table:
    rows = []
    for row in tables.reward.to_dict("records"):
        metric, value = str(row["metric"]), finite(row["value"])
        if any(word in metric for word in SHARES) and not metric.startswith(COUNTS):
            shown = bounded(value, 3)
        else:
            shown = count(value) if value is not None and value == round(value) else real(value, 3)
        rows.append((metric.replace("_", " "), shown))
    return Table(
        "The reward model.",
        column("Measure", "Value"),
        tuple(rows),
        note="Accuracy: share of score preferences that the reward model puts in the rater’s order; .50 "
        "is guessing. Holdout: responses that it was not trained on.",
        source="reward.csv",
    )


def _raters(tables: RunTables) -> Table:
    """Who judged how: only with two raters or more can a rater be compared with the others."""
    leanings = [str(name) for name in tables.raters.columns if str(name).startswith("drf[")]
    rows = tuple(
        (str(row["rater"]), count(row["ratings"]), count(row["score_preferences"]),
         count(row["response_preferences"]), _with_error(row["severity"], row["severity_se"]),
         real(row["discrimination"]), real(row["pair_discrimination"]), bounded(row["agreement"]),
         *(real(row[name], signed=True) for name in leanings))
        for row in tables.raters.to_dict("records")
    )  # fmt: skip
    return Table(
        "The raters of the feedback.",
        column(
            *("Rater", "Ratings", "Score preferences", "Response preferences", "Severity (SE)"),
            *("Discrimination", "Discrimination, pairs", "Agreement"),
            *(f"Harder on focal: {name[4:-1]}" for name in leanings),
        ),
        rows,
        note="Severity: in logits, relative to the mean of the raters. Discrimination: how sharply a rater "
        "tells score points, or responses, apart; 1 is typical, near 0 careless. Agreement: with what most "
        "of the other raters said on the same question. Harder on focal: severity with the focal group "
        "minus severity with the reference group, in logits, relative to the other raters; what all raters "
        "share does not show.",
        source="raters.csv",
    )


def _with_error(value: object, error: object) -> str:
    return f"{real(value, signed=True)} ({real(error)})" if finite(value) is not None else MISSING


def _curves(tables: RunTables) -> dict[str, list[tuple[float, float]]]:
    known = tables.training[[finite(loss) is not None for loss in tables.training["loss"]]]
    curves = {}
    for stage, part in known.groupby("stage", sort=False):
        ordered = part.sort_values("step")
        pairs = list(zip(ordered["step"].astype(float), ordered["loss"].astype(float), strict=True))
        curves[str(stage)] = _thinned(pairs)
    return curves


def _thinned(pairs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Means of neighbouring points, at most CURVE_POINTS of them."""
    size = -(-len(pairs) // CURVE_POINTS)
    if size <= 1:
        return pairs
    bins = (pairs[start : start + size] for start in range(0, len(pairs), size))
    return [(part[-1][0], sum(loss for _, loss in part) / len(part)) for part in bins]


def _losses(curves: dict[str, list[tuple[float, float]]]) -> Table:
    rows = tuple(
        (stage, count(points[-1][0]), real(points[0][1], 3), real(points[-1][1], 3))
        for stage, points in curves.items()
    )
    return Table(
        "Loss at the start and at the end of every training (as drawn).",
        column("Training", "Last step", "First loss", "Last loss"),
        rows,
        source="training.csv",
    )
