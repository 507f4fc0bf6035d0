"""The arms side by side: fairness, agreement, and what each one cost."""

from __future__ import annotations

from psyalign.report.content import Block, Figure, Paragraph, Section, Table, column
from psyalign.report.facts import agreement_row, estimate, summary_row
from psyalign.report.figures.rows import Panel, estimate_rows
from psyalign.report.load import Group, RunTables
from psyalign.report.numerals import MISSING, bounded, count, interval, pvalue, real, seconds
from psyalign.report.sections.drawings import mark, qwk_estimate, role, slug, tradeoff_figure

__all__ = ["arms_section"]

EXPLANATION = (
    "Every arm but the ceiling starts from the same fine-tuned scorer; all are judged on the same audit "
    "persons. “Refit” goes on training on the feedback scores and is the simple arm that alignment has to "
    "beat; the ceiling, where there is one, was trained on the criterion scores, which no real study has. "
    "Look at the SD ratio and at the effect size against the arm’s own SD before trusting a small effect "
    "size: scores that shrink towards the middle make every difference against the human SD look smaller."
)
GAP = (
    "Optimality gap: how far the arm is from the best possible scorer under the reward model and the KL "
    "penalty, in reward units; 0 is the optimum. Why a gap is missing, or only a description, stands in "
    "the section on alignment. "
)
KL = "KL: mean distance of the arm’s score probabilities from the reference scorer’s, in nats."


def arms_section(tables: RunTables) -> Section:
    """For each grouping a drawing and a table; one table of costs."""
    blocks: list[Block] = [Paragraph(EXPLANATION)]
    for position, group in enumerate(tables.manifest.groups):
        if position == 0:
            blocks.append(
                Paragraph(f"Figure 2, under the verdict, sets {group.attribute} against QWK.", "note")
            )
        else:
            blocks.append(tradeoff_figure(tables, group))
        blocks += [_figure(tables, group), _fairness(tables, group)]
    blocks.append(_cost(tables))
    return Section("arms", "The arms compared", tuple(blocks))


def _stressed(tables: RunTables, arms: list[str]) -> frozenset[int]:
    return frozenset(position for position, arm in enumerate(arms) if role(tables, arm))


def _figure(tables: RunTables, group: Group) -> Figure:
    arms = tables.scored_arms
    columns = ("mean_es", "mean_low", "mean_high")
    es = {
        kind: tuple(estimate(summary_row(tables, arm, group.attribute, kind), *columns) for arm in arms)
        for kind in ("human", "own")
    }
    panels = [
        Panel("mean ES,\nhuman SD", es["human"]),
        Panel("mean ES,\nown SD", es["own"]),
        Panel("QWK", tuple(qwk_estimate(tables, arm) for arm in arms), zero=False, unit_bound=True),
    ]
    name = f"arms-{slug(group.attribute, tables.manifest.groups)}"
    title = f"Mean effect size and QWK of each arm, {group.attribute}"
    svg = estimate_rows(
        [tables.label(arm) for arm in arms], [role(tables, arm) for arm in arms], panels,
        name=name, origin=mark(tables), title=title,
    )  # fmt: skip
    return Figure(
        name,
        f"The arms on {group.attribute}: an arm whose effect is near zero in the first panel but not in "
        "the second has shrunk its scores. Bars are 95% intervals over persons; hollow circle: before, "
        "square: after.",
        svg,
    )


def _fairness(tables: RunTables, group: Group) -> Table:
    # The human scores have no agreement with themselves to show, but their DIF is the yardstick.
    arms = [
        *(["human"] if summary_row(tables, "human", group.attribute) is not None else []),
        *tables.scored_arms,
    ]
    titles = ("Arm", "Mean ES, human SD", "Mean ES, own SD", "Largest |ES|", "Change of mean ES", "p")
    return Table(
        f"Fairness on {group.attribute} and agreement by arm.",
        column(*titles, "QWK", "r", "SD ratio"),
        tuple(_fairness_row(tables, arm, group) for arm in arms),
        note="Values with 95% intervals (persons drawn again). Change: of mean ES against the arm before, "
        "same persons. p: two-sided, by the same draws, not corrected for the number of arms.",
        emphasis=_stressed(tables, arms),
        source="dif_summary.csv, agreement.csv, agreement_intervals.csv",
    )


def _fairness_row(tables: RunTables, arm: str, group: Group) -> tuple[str, ...]:
    human = summary_row(tables, arm, group.attribute, "human")
    own = summary_row(tables, arm, group.attribute, "own")
    agreement = agreement_row(tables, arm)
    change = estimate(human, "change", "change_low", "change_high")
    qwk = qwk_estimate(tables, arm)
    cells = [
        tables.label(arm),
        _cell(*estimate(human, "mean_es", "mean_low", "mean_high")),
        _cell(*estimate(own, "mean_es", "mean_low", "mean_high")),
        _cell(*estimate(human, "max_abs_es", "max_low", "max_high")),
        _cell(*change, signed=True),
        MISSING if human is None else pvalue(human["change_p"]),
        _cell(*qwk, unit_bound=True),
    ]
    if agreement is None:
        return (*cells, MISSING, MISSING)
    return (*cells, bounded(agreement["r"], 3), real(agreement["sd_ratio"]))


def _cell(
    value: float | None,
    low: float | None,
    high: float | None,
    *,
    signed: bool = False,
    unit_bound: bool = False,
) -> str:
    shown = (bounded if unit_bound else real)(value, 3, signed=signed)
    ends = interval(low, high, 3, unit_bound=unit_bound)
    return shown if ends == MISSING else f"{shown}\n{ends}"


def _cost(tables: RunTables) -> Table:
    arms = [row for row in tables.arms.to_dict("records") if row["arm"] != "human"]
    rows = tuple(
        (
            tables.label(str(row["arm"])),
            _text(row["what"]),
            _text(row["trained_on"]),
            count(row["feedback_records"]),
            *([real(row["optimality_gap"], 3)] if tables.rewarded else []),
            real(row["mean_kl"], 3),
            count(row["parameters_trained"]),
            seconds(row["seconds"]),
        )
        for row in arms
    )
    titles = (
        "Arm",
        "What it is",
        "Trained on",
        "Feedback records",
        *(["Optimality gap"] if tables.rewarded else []),
        "Mean KL",
        "Parameters trained",
    )
    return Table(
        "What each arm is and what it cost.",
        column(*titles, "Time", text=(0, 1, 2)),
        rows,
        note=GAP + KL if tables.rewarded else KL,
        emphasis=_stressed(tables, [str(row["arm"]) for row in arms]),
        source="arms.csv",
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) and value else MISSING
