"""Answers to the four questions of the decision page, in one or two plain sentences each."""

from __future__ import annotations

from psyalign.report.facts import Estimate, agreement_interval, agreement_row, estimate, one_row, summary_row
from psyalign.report.gates import ACCURACY, GateRow, gate_rows
from psyalign.report.load import Group, RunTables
from psyalign.report.numerals import bounded, count, interval, percent, real
from psyalign.report.schema import JUDGED
from psyalign.report.verdict import shrunk, verdict

__all__ = ["QUESTIONS", "answers"]

QUESTIONS = (
    "Is it accurate enough?",
    "For whom is it unfair, how much, and how sure is that?",
    "Did alignment help, and what did it cost?",
    "What may I not conclude?",
)


def answers(tables: RunTables) -> tuple[tuple[str, str], ...]:
    """Each question with its answer, for the arm called "after" (the only scorer, if none is aligned)."""
    found = verdict(tables)
    texts = (_accurate(tables), _unfair(tables), _helped(tables, found.dif, found.agreement), found.limits)
    return tuple(zip(QUESTIONS, texts, strict=True))


def _arm(tables: RunTables) -> str:
    return tables.after or tables.before


def _accurate(tables: RunTables) -> str:
    rows = [row for row in gate_rows(tables) if row.gate in ACCURACY]
    text = f"{_by_gates(rows)} {_agrees(tables)}".strip()
    if rows and any(row.gate == "degradation" and row.reason for row in rows):
        text += " Whether it agrees with a human as well as two humans agree is not known."
    return text


def _by_gates(rows: list[GateRow]) -> str:
    missed = [row for row in rows if row.status == "missed"]
    met = [row for row in rows if row.status == "met"]
    if missed:
        listed = "; ".join(f"{row.short} = {row.value}, asked {row.asked}" for row in missed)
        return f"Not by every gate. Missed: {listed}."
    if met:
        return "It meets every gate for accuracy that could be assessed."
    return "This cannot be said: no gate for accuracy could be assessed." if rows else ""


def _agrees(tables: RunTables) -> str:
    arm = _arm(tables)
    row = agreement_row(tables, arm)
    if row is None:
        return ""
    parts = []
    for metric, name in (("qwk", "QWK (1 is perfect, 0 is chance)"), ("r", "r")):
        found = estimate(agreement_interval(tables, arm, metric), "value", "low", "high")
        value = row[metric] if found.value is None else found.value
        parts.append(f"{name} = {bounded(value)}" + _ci(found, unit_bound=True))
    return (
        f"Agreement with the human scores: {'; '.join(parts)}. It gives {percent(row['exact'])} of the "
        f"responses the human score itself, and {percent(row['adjacent'])} that or a neighbouring one."
    )


def _ci(found: Estimate, *, unit_bound: bool = False) -> str:
    if found.low is None or found.high is None:
        return ""
    return f", 95% CI {interval(found.low, found.high, unit_bound=unit_bound)}"


def _unfair(tables: RunTables) -> str:
    parts = [_of_group(tables, group) for group in tables.manifest.groups]
    missed = [row for row in gate_rows(tables) if row.status == "missed"]
    parts += [
        f"Set against their own human scores, SMD of {row.scope} = {row.value} (gate missed)."
        for row in missed
        if row.gate == "smd_group"
    ]
    parts += [_passes(tables, group) for group in tables.manifest.groups]
    return " ".join(part for part in parts if part)


def _passes(tables: RunTables, group: Group) -> str:
    """Who passes the cut less often, by the scorer and by human scores; "" without a cut."""
    table = tables.impact[tables.impact["grouping"] == group.attribute]
    own = table[(table["arm"] == _arm(tables)) & table["impact_ratio"].notna()]
    at_top = own["is_reference"].eq(True)
    if at_top.all() or not at_top.any():
        return ""
    row = own[~at_top].sort_values("impact_ratio").iloc[0]
    name = own.loc[at_top, "group"].iloc[0]
    rates = table[table["arm"] == "human"].set_index("group")["rate"]
    human = rates[row["group"]] / rates[name] if rates[name] > 0 else None
    return (
        f"At the cut “{row['group']}” pass {real(row['impact_ratio'])} times as often as “{name}”, 95% CI "
        f"{interval(row['low'], row['high'])}; by human scores {real(human)} times."
    )


def _of_group(tables: RunTables, group: Group) -> str:
    found = estimate(summary_row(tables, _arm(tables), group.attribute), "mean_es", "mean_low", "mean_high")
    if found.value is None:
        return f"On {group.attribute} no DIF could be estimated."
    numbers = f"mean effect size = {real(found.value)} SD{_ci(found)}"
    sure = tables.manifest.intervals_hold and found.low is not None
    if sure and found.excludes_zero:
        side = "lower" if found.value < 0 else "higher"
        text = (
            f"On {group.attribute}, “{group.focal}” get {side} scores than “{group.reference}” with the same "
            f"human total: {numbers}"
        )
    elif sure:
        text = (
            f"On {group.attribute} there is no evidence of a difference, over all items, between "
            f"“{group.focal}” and “{group.reference}” with the same human total: {numbers}"
        )
    else:
        text = f"On {group.attribute}: {numbers}; its interval is too uncertain to claim anything"
    return f"{text}. {_items(tables, group)}".strip()


def _items(tables: RunTables, group: Group) -> str:
    """Single items: classes, and what is shown negligible."""
    items = tables.dif_items
    part = items[(items["arm"] == _arm(tables)) & (items["grouping"] == group.attribute)]
    classes = part["es_class"].fillna("").astype(str)
    words = {"BB": "moderate", "CC": "large"}
    flagged = [f"{count((classes == name).sum())} with {word} ({name})" for name, word in words.items()]
    tested = int((classes != "").sum())
    if not tested:
        return ""
    row = summary_row(tables, _arm(tables), group.attribute)
    text = f"Of {count(tested)} items tested, {' and '.join(flagged)} DIF"
    largest = estimate(row, "max_abs_es", "max_low", "max_high").value
    if largest is not None:
        text += f" (largest |ES| = {real(largest)})"
    if set(JUDGED) <= set(items.columns):
        text += f"; DIF is shown negligible on {count((part['shown'] == 'negligible').sum())}"
    ratio = shrunk(tables, _arm(tables))
    if ratio is not None:  # effect sizes against the human SD shrink with the scores
        text += f". Scores spread {real(ratio)} times as wide as the human ones, which alone "
        text += "makes DIF look smaller"
    return text + "."


def _helped(tables: RunTables, dif: str, agreement: str) -> str:
    arm = tables.after
    if arm is None:
        return "Nothing was aligned."
    parts = [dif, agreement, _kept(tables), _price(tables, arm)]
    return " ".join(part for part in parts if part)


def _kept(tables: RunTables) -> str:
    """Non-inferiority of QWK, where it was tested."""
    row = one_row(tables.noninferiority, metric="qwk")
    if row is None or row["reason"]:
        return ""
    shown = "It is shown" if bool(row["noninferior"]) else "It is not shown"
    return f"{shown} that QWK is not lower by {bounded(row['margin'])} or more than before."


def _price(tables: RunTables, arm: str) -> str:
    row = one_row(tables.arms, arm=arm)
    records = "" if row is None else count(row["feedback_records"])
    return f"It took {records} feedback records." if records not in ("", "0", "–") else ""
