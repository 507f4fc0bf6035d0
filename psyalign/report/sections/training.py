"""The fine-tuning, the reward model and how the trainings went."""

from __future__ import annotations

from psyalign.report.content import Block, Figure, Paragraph, Section, Table, column
from psyalign.report.figures.learning import learning_curves
from psyalign.report.load import RunTables
from psyalign.report.numerals import bounded, count, finite, percent, real
from psyalign.report.sections.drawings import mark

__all__ = ["training_section"]

# A curve is drawn through at most this many means: more is noise for the eye and weight for the page.
CURVE_POINTS = 40
SHARES = ("accuracy", "agreement", "share", "rate", "auc", "ece")
COUNTS = "n_"  # how metrics that count start
LOSS_WORDS = {"rps": "the ranked probability score", "ranked_log": "the ranked logarithmic score"}


def training_section(tables: RunTables) -> Section:
    """Fine-tuning where it was out of the ordinary, reward model, losses."""
    blocks = _supervised(tables)
    blocks.append(_reward(tables) if tables.rewarded else Paragraph(_without(tables)))
    curves = _curves(tables)
    if curves:
        title = "Loss of every training by step"
        svg = learning_curves(curves, name="learning-curves", origin=mark(tables), title=title)
        caption = (
            "Loss by step of every training (means of neighbouring steps). The losses are of different "
            "kinds: see that each falls and levels off, and do not compare their heights."
        )
        blocks += [Figure("learning-curves", caption, svg), _losses(curves)]
    return Section("training", "Reward model and training", tuple(blocks))


def _without(tables: RunTables) -> str:
    """What a run without a reward model lacks, and why."""
    if tables.scores_heard:
        return "This run has no reward model."
    return (
        "There was no score feedback, so this run has no reward model, no optimality gap and no "
        "over-optimisation curve."
    )


def _supervised(tables: RunTables) -> list[Block]:
    """How the baseline was fine-tuned, if not as usual; and what its base made of the prompt before."""
    manifest = tables.manifest
    texts = []
    if loss := LOSS_WORDS.get(str(manifest.setting("scorer", "loss"))):
        texts.append(f"The scorer was fine-tuned by {loss}, which takes the order of scores into account.")
    if manifest.setting("scorer", "class_weights") == "balanced":
        texts.append(
            "In fine-tuning all score points of an item had the same weight, however often raters gave them. "
            "So the scorer finds rare scores more often, and is apt to give them more often than raters do."
        )
    scorer = manifest.raw.get("scorer") or {}
    mean, most = (finite(scorer.get(f"label_mass_outside_{kind}")) for kind in ("mean", "max"))
    if mean is not None and most is not None:
        texts.append(
            f"Before fine-tuning the base model put {percent(mean)} of its probability on tokens that are no "
            f"score labels (mean of {count(scorer.get('label_mass_responses'))} training responses; at most "
            f"{percent(most)}): the share by which it would have answered the prompt with something else "
            "than a score. After fine-tuning there is none, as the scorer can give nothing but scores."
        )
    return [Paragraph(text) for text in texts]


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
