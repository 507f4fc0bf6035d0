"""Score distribution, agreement with the human scores, and with the human true score."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from psyalign.report.content import Block, Figure, Paragraph, Section, Table, Terms, column
from psyalign.report.evaluation.measures import Measured
from psyalign.report.evaluation.records import rows_of
from psyalign.report.figures.written import share_bars
from psyalign.report.numerals import MISSING, bounded, count, interval, real

__all__ = ["accuracy_section", "distribution_section", "mark", "true_section"]

Show = Callable[..., str]
# metric, name, how it is shown; the fourth: the column of human–human agreement
MEASURES: tuple[tuple[str, str, Show, str], ...] = (
    ("qwk_continuous", "QWK of the trimmed score", bounded, "qwk"),
    ("qwk", "QWK of the rounded score", bounded, "qwk"),
    ("r", "Correlation r", bounded, "r"),
    ("kappa", "Kappa, unweighted (rounded)", bounded, "kappa"),
    ("kappa_linear", "Kappa, linear weights (rounded)", bounded, "kappa_linear"),
    ("exact", "Exact agreement, share (rounded)", bounded, "exact"),
    ("adjacent", "Exact or adjacent, share (rounded)", bounded, "adjacent"),
    ("smd", "SMD by the human SD", real, ""),
    ("smd_pooled", "SMD by the pooled SD", real, "smd"),
    ("sd_ratio", "SD ratio, machine / human", real, "sd_ratio"),
    ("r2", "R² (1 − SSE / SST)", bounded, ""),
    ("rmse", "RMSE, score points", real, ""),
    ("mse", "MSE, score points²", real, ""),
    ("degradation_qwk", "Degradation of QWK (rounded)", bounded, ""),
    ("degradation_r", "Degradation of r", bounded, ""),
    ("r_disattenuated", "r, human error taken out", bounded, ""),
)
TERMS = (
    (
        "QWK",
        "quadratically weighted kappa: agreement beyond chance, large differences counting more. 1 "
        "is perfect, 0 is "
        "chance. For scores with fractions Haberman's (2019) extension, as RSMTool has it",
    ),
    ("r", "Pearson correlation: do the two scores put responses in the same order?"),
    ("SMD", "standardised mean difference, (mean machine − mean human) / SD of the human scores. "
     "Above 0: the "
     "machine is more lenient"),
    ("Exact, adjacent", "shares of responses with equal scores, and with scores at most one point apart"),
    ("Degradation", "human–human agreement minus human–machine agreement. Above 0: the machine "
     "agrees less with the "
     "first human than a second human does (RSMTool prints the opposite sign)"),
)  # fmt: skip
NAMES = ("as it is", "trimmed", "trimmed and rounded")


def mark(found: Measured) -> str:
    """What is printed in a drawing whose data are not real."""
    origin = found.given.origin
    return "" if origin in ("", "real") else origin[:1].upper() + origin[1:]


def distribution_section(found: Measured) -> Section:
    """Which score points were given, by humans and machine."""
    table = found.tables["distribution"]
    points = [(f"{row.point:g}", row.human / 100, row.score / 100) for row in rows_of(table)]
    drawing = share_bars(
        points,
        name="distribution",
        origin=mark(found),
        title="Score points given by humans and by the machine",
    )
    figure = Figure(
        "distribution",
        "Score points given by humans and by the machine. See whether the machine avoids the lowest and the "
        "highest point.",
        drawing,
    )
    far = [f"{row.point:g}" for row in rows_of(table) if abs(row.difference) > 5]
    rows = [
        (f"{row.point:g}", real(row.human, 1), real(row.score, 1), real(row.difference, 1, signed=True))
        for row in rows_of(table)
    ]
    note = "RSMTool flags differences of more than 5 points of percent" + (
        f": here score point {', '.join(far)}." if far else "; here there is none."
    )
    shares = Table(
        "Percent of responses at each score point.",
        column("Score point", "Human", "Machine", "Difference"),
        tuple(rows),
        note=note,
        source="distribution.csv, confusion.csv",
    )
    return Section("distribution", "Score distribution", (figure, shares))


def accuracy_section(found: Measured) -> Section:
    """One table with intervals, human–human beside; then RSMTool's three forms of the score."""
    blocks: list[Block] = [
        Paragraph(
            "How well the machine's scores agree with the first human's; beside it, where there is "
            "one, how well a "
            "second human's do."
        ),
        _with_intervals(found),
        Terms(TERMS),
        _forms(found),
    ]
    undefined = found.tables["undefined"]
    if len(undefined):
        told = "; ".join(f"{row.metric} ({row.score}): {row.reason}" for row in rows_of(undefined))
        blocks.append(Paragraph(f"Not defined: {told}.", "note"))
    if "degradation" in found.tables:
        blocks.append(_lost(found))
    return Section("accuracy", "Agreement with the human scores", tuple(blocks))


def _with_intervals(found: Measured) -> Table:
    table = found.tables["intervals"]
    whole = table[(table["grouping"] == "all") & (table["contrast"] == "")].set_index("metric")
    humans = found.tables["consistency"].iloc[0] if "consistency" in found.tables else None
    wanted = found.asked.metrics
    rows = []
    for metric, name, show, second in MEASURES:
        if metric not in whole.index or (wanted and metric not in wanted):
            continue
        row = whole.loc[metric]
        between = interval(row["low"], row["high"], 3, unit_bound=show is bounded)
        beside = MISSING if humans is None or not second else show(humans[second], 3)
        rows.append((name, show(row["value"], 3), between, *([] if humans is None else [beside])))
    extra = [] if humans is None else ["Human–human"]
    n = "" if humans is None else f" Human–human: {count(humans['n'])} responses with both scores."
    return Table(
        "Agreement of machine and human scores.",
        column("Measure", "Machine–human", "95% interval", *extra),
        tuple(rows),
        note="The machine's score is trimmed, and rounded where it says so." + n,
        source="intervals.csv" + ("" if humans is None else ", consistency.csv"),
    )


def _forms(found: Measured) -> Table:
    table = found.tables["accuracy"]
    columns: tuple[tuple[str, str, Show], ...] = (
        ("n", "N", count), ("human_mean", "Human mean", real), ("human_sd", "Human SD", real),
        ("score_mean", "Machine mean", real), ("score_sd", "Machine SD", real), ("qwk", "QWK", bounded),
        ("r", "r", bounded), ("kappa", "Kappa", bounded), ("exact", "Exact", bounded),
        ("adjacent", "Adjacent", bounded), ("smd", "SMD", real), ("r2", "R²", bounded),
        ("rmse", "RMSE", real),
    )  # fmt: skip
    rows = [
        (form, *(count(row[key]) if key == "n" else show(row[key], 3) for key, _, show in columns))
        for form, (_, row) in zip(NAMES, table.iterrows(), strict=True)
    ]
    return Table(
        "The three forms of the machine score, as RSMTool evaluates them.",
        column("Machine score", *(title for _, title, _ in columns)),
        tuple(rows),
        note="Exact and adjacent are of the score in that form, not rounded; RSMTool prints percent.",
        folded=True,
        source="accuracy.csv",
    )


def _lost(found: Measured) -> Table:
    keys = ("qwk", "r", "kappa", "exact", "adjacent", "smd")
    rows = [
        (form, *(bounded(row[key], 3, signed=True) for key in keys), bounded(row["r_disattenuated"], 3))
        for form, (_, row) in zip(NAMES, found.tables["degradation"].iterrows(), strict=True)
    ]
    return Table(
        "Degradation: human–human minus human–machine agreement.",
        column("Machine score", "QWK", "r", "Kappa", "Exact", "Adjacent", "SMD", "r, human error taken out"),
        tuple(rows),
        note="Human–machine of all responses, human–human of those with both scores; of SMD the "
        "human–human one is "
        "pooled. Exact and adjacent mean something for rounded scores only.",
        folded=True,
        source="degradation.csv",
    )


def true_section(found: Measured) -> Section | None:
    """PRMSE and its parts; None without a second human score."""
    if "true_score" not in found.tables:
        return None
    table = found.tables["true_score"]
    first = table.iloc[0]
    whole = found.tables["intervals"]
    whole = whole[(whole["grouping"] == "all") & (whole["contrast"] == "")].set_index("metric")
    prmse = whole.loc["prmse"]
    keys = ("error_variance", "true_variance", "reliability", "mse_true", "prmse")
    rows = [
        (form, *(_value(row, key) for key in keys))
        for form, (_, row) in zip(NAMES, table.iterrows(), strict=True)
    ]
    reasons = sorted({str(reason) for reason in table["reason"] if reason})
    blocks: list[Block] = [
        Paragraph(
            "A single human score holds the rater's error. From responses with two ratings or more "
            "the size of "
            "that error is known, and the machine can be judged by the true score: the mean of "
            "endless ratings of "
            "the same response."
        ),
        Paragraph(
            f"PRMSE of the trimmed score: {bounded(prmse['value'], 3)} "
            f"{interval(prmse['low'], prmse['high'], 3, unit_bound=True)}. Ratings: "
            f"{count(first['n_multiple'])} "
            f"responses with two or more, {count(first['n_single'])} with one."
        ),
        Table(
            "Evaluation against the true score.",
            column(
                "Machine score", "Variance of rater error", "Variance of true scores",
                "Reliability of one rating", "MSE against true score", "PRMSE",
            ),
            tuple(rows),
            note="; ".join(reasons),
            source="true_score.csv, intervals.csv",
        ),
        Terms(
            (
                (
                    "PRMSE",
                    "proportional reduction in mean squared error: the share of the differences between true "
                    "scores that the machine's score, as it is, accounts for. 1 is perfect; it does "
                    "not suffer "
                    "from the raters' error, so that machines judged by different raters can be compared",
                ),
            )
        ),
    ]  # fmt: skip
    return Section("true-score", "Against the human true score", tuple(blocks))


def _value(row: pd.Series, key: str) -> str:
    return (bounded if key in ("reliability", "prmse") else real)(row[key], 3)
