"""First page: is it accurate enough, for whom does it differ, what was not assessable; the gates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from psyalign.report.content import Block, Bullets, Paragraph, Section, Table, column
from psyalign.report.evaluation.measures import Measured
from psyalign.report.evaluation.records import rows_of
from psyalign.report.numerals import bounded, count, interval, real

__all__ = ["answers_section"]

HARD = "\N{NO-BREAK SPACE}"
SIGNED = ("smd", "smd_group", "es_class")


def answers_section(found: Measured) -> Section:
    """Answers in words, then every gate with its source."""
    gates, given = found.tables["gates"], found.given
    overall = gates[~gates["gate"].isin(("smd_group", "es_class", "impact_ratio"))]
    blocks: list[Block] = [
        Paragraph(
            f"{count(len(given.rows))} responses of {count(given.n_persons)} persons, machine scores beside "
            f"human scores. {_count_of(gates)}",
            "lead",
        ),
        Bullets((("Accurate enough?", _accurate(overall)), *_groups(found), *_raters(found))),
        _table(gates),
    ]
    return Section("answers", "In short", tuple(blocks))


def _count_of(gates: pd.DataFrame) -> str:
    n = gates["status"].value_counts()
    parts = [f"{n.get('met', 0)} of {len(gates)} gates are met"]
    parts += [f"{n[kind]} {kind}" for kind in ("missed", "not assessable") if kind in n.index]
    return ", ".join(parts) + "."


def _accurate(gates: pd.DataFrame) -> str:
    missed = gates[gates["status"] == "missed"]
    met = gates[gates["status"] == "met"]
    unsure = [_named(row) for row in gates[gates["crosses"]].to_dict("records")]
    if missed.empty and met.empty:
        return "Not assessable: see the table."
    if missed.empty:
        text = f"By the usual conventions yes: all {len(met)} gates that could be assessed are met."
    else:
        names = "; ".join(_named(row) for row in missed.to_dict("records"))
        text = f"Not by all of the usual conventions. Missed: {names}."
    return text + (
        f" The interval reaches to the other side of the threshold for: {'; '.join(unsure)}."
        if unsure
        else ""
    )


def _named(row: Mapping[Any, Any]) -> str:
    scope = f" ({row['scope']})" if row["scope"] else ""
    show = real if row["gate"] in SIGNED else bounded
    return f"{row['what']}{scope} {show(row['value'])}"


def _groups(found: Measured) -> tuple[tuple[str, str], ...]:
    if not found.given.levels:
        return (
            ("For whom does it differ?", "No groups were named (--groups): nothing is known about fairness."),
        )
    gates = found.tables["gates"]
    mine = gates[gates["gate"].isin(("smd_group", "es_class", "impact_ratio"))]
    missed = [_named(row) for row in mine[mine["status"] == "missed"].to_dict("records")]
    silent = [str(row["scope"]) for row in mine[mine["status"] == "not assessable"].to_dict("records")]
    text = f"Gates missed: {'; '.join(missed)}." if missed else "No gate for groups is missed."
    text += f" Not assessable: {'; '.join(silent)}." if silent else ""
    return (("For whom does it differ?", f"{text} {_bias(found)}".strip()),)


def _bias(found: Measured) -> str:
    if "bias" not in found.tables:
        return ""
    table = found.tables["bias"]
    rows = table[(table["method"] == "corrected") & (table["p"] < 0.05)]
    if rows.empty:
        return (
            "With the raters' error taken out, no group's difference from its reference is shown (p < .05)."
        )
    named = [
        f"{row.grouping}: {row.focal} {real(row.estimate, signed=True)} {interval(row.low, row.high)}"
        for row in rows_of(rows)
    ]
    return (
        "With the raters' error taken out, in score points, against the reference group: "
        + "; ".join(named)
        + "."
    )


def _raters(found: Measured) -> tuple[tuple[str, str], ...]:
    if "true_score" not in found.tables:
        return (
            (
                "Against a second human?",
                "Not assessable: there is no second human score, so the raters' own error is unknown.",
            ),
        )
    humans = found.tables["consistency"].iloc[0]
    whole = found.tables["intervals"]
    value = whole[(whole["grouping"] == "all") & (whole["metric"] == "qwk_continuous")].iloc[0]["value"]
    true = found.tables["true_score"].iloc[1]
    text = (
        f"Two humans agree with QWK {bounded(humans['qwk'])}, machine and human with {bounded(value)}. "
        + (
            f"Of the differences between true scores the machine explains {bounded(true['prmse'])} (PRMSE)."
            if true["prmse"] == true["prmse"]
            else f"PRMSE is not estimable: {true['reason']}."
        )
    )
    return (("Against a second human?", text),)


def _table(gates: pd.DataFrame) -> Table:
    rows = []
    for row in gates.to_dict("records"):
        show, unit = (real, False) if row["gate"] in SIGNED else (bounded, True)
        status = str(row["status"])
        more = row["reason"] or row["note"]
        rows.append(
            (
                str(row["what"]), str(row["scope"]), status, show(row["value"]),
                interval(row["low"], row["high"], unit_bound=unit),
                str(row["asked"]).replace(" ", HARD), str(row["source"]), str(more or ""),
            )
        )  # fmt: skip
    titles = ("Figure", "Of", "Status", "Found", "95% interval", "Asked", "Source", "Note")
    shown = len(titles) if any(row[-1] for row in rows) else len(titles) - 1
    stressed = frozenset(place for place, row in enumerate(rows) if row[2] == "missed")
    return Table(
        "Gates: what is usually asked of machine scores.",
        column(*titles[:shown], text=(0, 1, 2, 5, 6, 7)),
        tuple(row[:shown] for row in rows),
        note="The estimate decides, as in the sources; the note says where the interval reaches to the other "
        "side. Missed gates are stressed.",
        emphasis=stressed,
        source="gates.csv",
    )
