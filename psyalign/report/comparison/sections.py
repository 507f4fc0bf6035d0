"""The parts of a comparison in reading order, from the answers to how it was computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from psyalign.report.comparison.answers import answers, cautions, headline, item_row
from psyalign.report.comparison.background import asked_section, gates_sections, method_section
from psyalign.report.comparison.compared import Compared
from psyalign.report.comparison.drawings import arrows_figure, differences_figure, pair_label
from psyalign.report.content import Block, Bullets, Paragraph, Section, Table, Terms, column
from psyalign.report.load import Group
from psyalign.report.numerals import MISSING, bounded, count, finite, interval, pvalue, real
from psyalign.report.sections.dif import status_words

__all__ = ["comparison_sections"]

Row = dict[Any, Any]
METRICS = {
    "qwk": "QWK", "qwk_continuous": "QWK, expected score", "r": "r", "rmse": "RMSE", "smd": "SMD",
    "exact": "Exact agreement", "adjacent": "Exact or adjacent", "sd_ratio": "SD ratio",
}  # fmt: skip
UNIT = frozenset({"qwk", "qwk_continuous", "r", "exact", "adjacent"})
OVER = {
    "mean_es": "Mean ES", "distance": "|Mean ES|", "mean_square": "Mean ES²", "mean_abs_es": "Mean |ES|",
    "max_abs_es": "Largest |ES|", "flagged": "Flagged items",
}  # fmt: skip
TERMS = (
    ("ES", "effect size of DIF: how much higher the focal group is scored than the reference group of the "
     "same human total, in SDs of the human scores; 0 is none"),
    ("QWK", "quadratically weighted kappa: agreement of machine and human score; 1 is perfect, 0 is chance"),
    ("RMSE", "root mean squared error of the expected score, in score points; smaller is better"),
    ("SMD", "mean machine score minus mean human score, in SDs of the human scores; 0 is best"),
    ("SD ratio", "spread of the machine’s scores over that of the human ones"),
    ("paired", "the same responses, scored in both runs: what persons bring to both cancels out"),
)  # fmt: skip


def comparison_sections(found: Compared) -> list[Section]:
    """All sections; what the runs do not have is not there."""
    parts = [_decision(found), asked_section(found), _accuracy(found), *_groups(found), *_dif(found)]
    return [*parts, *gates_sections(found), *_alignment(found), method_section(found)]


def _decision(found: Compared) -> Section:
    blocks: list[Block] = [Paragraph(headline(found), tone="lead", label="Compared")]
    blocks += [Paragraph(text, label=question) for question, text in answers(found)]
    blocks.append(_summary(found))
    figure = differences_figure(found)
    if figure is not None:
        blocks.append(figure)
    blocks += [Paragraph("", label="What may not be concluded"), Bullets(tuple(cautions(found)))]
    return Section("answer", "Decision page", tuple(block for block in blocks if block != Paragraph("")))


def _summary(found: Compared) -> Table:
    """The figures of the first page, of every arm."""
    rows = []
    for pair in found.pairs:
        accuracy, dif = (found.tables[name] for name in ("accuracy", "dif"))
        cells = [
            _cells(row)
            for row in _records(accuracy[(accuracy["arm"] == pair.name) & (accuracy["metric"] == "qwk")])
        ]
        lines = [("QWK", *cell) for cell in cells]
        for row in _records(dif[(dif["arm"] == pair.name) & dif["statistic"].isin(("mean_es", "flagged"))]):
            lines.append((f"{OVER[str(row['statistic'])]}, {row['grouping']}", *_cells(row)))
        rows += [(pair_label(found, pair.name), *line) for line in lines]
    own = sum(1 for row in rows if row[0] == rows[0][0])
    return Table(
        "In short, by arm. Stressed: the runs’ own scorers.",
        column("Arm", "Figure", "A", "B", "B − A", "95% CI", text=(0, 1)),
        tuple(rows),
        note=_own_note(found) + " Intervals in this table are not corrected for their number.",
        emphasis=frozenset(range(own)),
        source="accuracy.csv, dif.csv",
    )


def _own_note(found: Compared) -> str:
    if not found.common.paired:
        return f"A and B: all audit responses of the run. No differences: {found.common.reason}."
    if found.common.whole:
        return "Both runs audited the same responses: differences are paired."
    return (
        "A and B: all audit responses of the run. B − A: the responses that both runs audited, paired; it "
        "need not be the difference of the two columns before it."
    )


def _records(table: pd.DataFrame) -> list[Row]:
    return table.to_dict("records")


def _cells(row: Row) -> tuple[str, str, str, str]:
    """A, B (with intervals where there are any), the difference and its interval."""
    what = str(row.get("metric", row.get("statistic", row.get("figure", ""))))
    show: Callable[..., str] = bounded if what in UNIT else real
    if what == "flagged":
        return count(row["a"]), count(row["b"]), MISSING, MISSING
    digits = 3
    own = []
    for letter in "ab":
        text = show(row[letter], digits)
        ends = interval(row.get(f"{letter}_low"), row.get(f"{letter}_high"), digits, unit_bound=what in UNIT)
        own.append(text if ends == MISSING else f"{text}\n{ends}")
    ends = interval(row["low"], row["high"], digits, unit_bound=what in UNIT)
    return own[0], own[1], show(row["difference"], digits, signed=True), ends


def _accuracy(found: Compared) -> Section:
    rows, stressed = _rows(found, found.tables["accuracy"], "metric", METRICS)
    table = Table(
        "Agreement with the human scores, by arm.",
        column("Arm", "Figure", "A", "B", "B − A", "95% CI", "p", text=(0, 1)),
        rows,
        note=f"{_own_note(found)} p is of no difference and not corrected.",
        emphasis=stressed,
        source="accuracy.csv",
    )
    return Section("accuracy", "Accuracy", (Terms(TERMS), table))


def _rows(
    found: Compared, table: pd.DataFrame, key: str, words: dict[str, str], lead: Sequence[str] = ()
) -> tuple[tuple[tuple[str, ...], ...], frozenset[int]]:
    rows = []
    labels = {pair.name: pair_label(found, pair.name) for pair in found.pairs}
    records = [row for row in _records(table) if str(row[key]) in words]
    for row in records:
        more = tuple(str(row[name]) for name in lead)
        rows.append((labels[str(row["arm"])], *more, words[str(row[key])], *_cells(row), pvalue(row["p"])))
    return tuple(rows), frozenset(place for place, row in enumerate(records) if bool(row["primary"]))


def _groups(found: Compared) -> list[Section]:
    table = found.tables["groups"]
    if table.empty:
        return []
    text = (
        "How well the scores of each group agree with its human scores, and the gap between the groups "
        "(focal minus reference). That a gap differs between the runs is tested on the same persons."
    )
    rows, stressed = _rows(found, table, "metric", METRICS, ("grouping", "level"))
    block = Table(
        "Agreement by group, by arm; “difference” is focal minus reference.",
        column("Arm", "Grouping", "Group", "Figure", "A", "B", "B − A", "95% CI", "p", text=(0, 1, 2, 3)),
        rows,
        note=f"{_own_note(found)} SMD is in SDs of all human scores. p is not corrected. Groups of fewer "
        "than 10 persons are not shown.",
        emphasis=stressed,
        folded=True,
        source="groups.csv",
    )
    first = table[table["primary"].astype(bool) & (table["level"] == "difference")]
    short, _ = _rows(found, first, "metric", METRICS, ("grouping",))
    gaps = Table(
        "Gaps between the groups, runs’ own scorers.",
        column("Arm", "Grouping", "Gap in", "A", "B", "B − A", "95% CI", "p", text=(0, 1, 2)),
        short,
        source="groups.csv",
    )
    return [Section("groups", "Groups", (Paragraph(text), gaps, block))]


def _dif(found: Compared) -> list[Section]:
    if not found.groups:
        return []
    blocks: list[Block] = [Paragraph(_reading(found))]
    for group in found.groups:
        blocks += [arrows_figure(found, group), _items(found, group)]
    rows, stressed = _rows(found, found.tables["dif"], "statistic", OVER, ("grouping",))
    note = (
        f"{_own_note(found)} p is not corrected. Mean |ES|, the largest |ES| and counts of flags are not "
        "tested: chance makes them larger, most where DIF is small. Mean ES² stands in for them."
    )
    blocks.append(
        Table(
            "DIF over all items, by arm.",
            column("Arm", "Grouping", "Figure", "A", "B", "B − A", "95% CI", "p", text=(0, 1, 2)),
            rows,
            note=note,
            emphasis=stressed,
            source="dif.csv",
        )
    )
    return [Section("dif", "DIF", tuple(blocks))]


def _reading(found: Compared) -> str:
    rules = found.rules
    text = (
        "Persons are compared with persons of the same human total, which neither run can move. An item "
        f"is flagged if its class is BB or CC: significant and |ES| > {bounded(rules.moderate)}. The "
        "change of an item is tested on the differences of the two scores of the same responses, in "
        "closed form; its p is corrected for the number of items."
    )
    if not rules.agreed:
        text += " The two studies flag by different rules; the usual ones are used for the comparison."
    return text


def _items(found: Compared, group: Group) -> Table:
    table = item_row(found.tables["dif_items"], group.attribute)
    rows, stressed = [], set()
    for place, row in enumerate(_records(table)):
        own = []
        for letter in "ab":
            ends = interval(row[f"{letter}_low"], row[f"{letter}_high"])
            label = str(row[f"{letter}_class"])
            own.append(f"{real(row[letter])} {label}".strip() + ("" if ends == MISSING else f"\n{ends}"))
        p = finite(row["p_adjusted"])
        if p is not None and p < found.rules.alpha:
            stressed.add(place)
        rows.append(
            (
                found.a.tables.item_title(str(row["item"])), *own, real(row["difference"], 3, signed=True),
                interval(row["low"], row["high"], 3), pvalue(row["p_adjusted"]), status_words(row["status"]),
            )
        )  # fmt: skip
    tested = _own_note(found)
    if table["difference"].isna().all():
        tested = f"Differences are not tested: {table['reason'].iloc[0]}."
    return Table(
        f"DIF per item on {group.attribute}, runs’ own scorers.",
        column("Item", "A", "B", "B − A", "95% CI", "p adj.", "From A to B", text=(0, 6)),
        tuple(rows),
        note=f"A and B: effect size, class, 95% interval. {tested} Stressed: a change is shown. “stable "
        "clean”: flagged in neither; “resolved”, “introduced”: the flag went or came, with a tested "
        "change; “stable dif”: flagged in A, and no tested change undid that; “inherited”, “masked”: "
        "also, or only, flagged in the human scores. All arms are in the file.",
        emphasis=frozenset(stressed),
        source="dif_items.csv",
    )


def _alignment(found: Compared) -> list[Section]:
    table = found.tables["diagnostics"]
    aligned = table[~((table["arm_a"] == "baseline") & (table["arm_b"] == "baseline"))]
    if aligned.empty:
        return []
    words = {"mean_kl": "Mean KL from the baseline", "optimality_gap": "Optimality gap"}
    rows, stressed = _rows(found, aligned, "figure", words)
    note = (
        "Both in nats of reward or KL. The KL counts from each run’s own baseline, the optimality gap "
        "also from its own reward model and β: gaps of two runs are not on one scale unless those are the "
        "same, and are not tested."
    )
    block = Table(
        "How far alignment moved the scorers, and how far they are from the optimum of their own objective.",
        column("Arm", "Figure", "A", "B", "B − A", "95% CI", "p", text=(0, 1)),
        rows,
        note=note,
        emphasis=stressed,
        source="diagnostics.csv",
    )
    return [Section("alignment", "Alignment", (block,))]
