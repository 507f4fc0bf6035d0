"""What Williamson, Xi and Breyer (2012) ask of automated scores, held beside the figures."""

from __future__ import annotations

from typing import Any

import pandas as pd

from psyalign.agreement import Figure, judge_gates
from psyalign.report.evaluation.given import Given
from psyalign.report.evaluation.records import rows_of

__all__ = ["gated"]

OVERALL = (
    ("qwk", "qwk_continuous", ""),
    ("r", "r", ""),
    ("exact", "exact", ""),
    ("adjacent", "adjacent", ""),
    ("degradation", "degradation_qwk", "QWK"),
    ("degradation", "degradation_r", "r"),
    ("smd", "smd", ""),
)
# Gates of alignment studies, which an evaluation of one set of scores has nothing for.
OFF = ("wording", "noninferiority")


def gated(given: Given, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row a gate, as `judge_gates` makes it; gates that need groups, cuts or items only with them."""
    table = tables["intervals"]
    table = table[table["contrast"] == ""].set_index(["grouping", "level", "metric"])
    figures = [
        _figure(table, gate, ("all", "all", metric), scope, given.n_persons)
        for gate, metric, scope in OVERALL
        if ("all", "all", metric) in table.index
    ]
    sizes = tables["groups"].set_index(["grouping", "level"])["n_persons"]
    for grouping, levels in given.levels.items():
        for level in levels:
            scope = f"{grouping}: {level}"
            n = float(sizes[grouping, level])
            figures.append(_figure(table, "smd_group", (grouping, level, "smd"), scope, n))
    off = [*OFF]
    off += [] if given.levels else ["smd_group"]
    figures += _of_items(tables["dif"]) if "dif" in tables else []
    off += [] if "dif" in tables else ["es_class"]
    figures += _of_impact(tables["impact"]) if "impact" in tables else []
    off += [] if "impact" in tables else ["impact_ratio"]
    return judge_gates(figures, dict.fromkeys(off, False))


def _figure(
    table: pd.DataFrame, gate: str, key: tuple[str, str, str], scope: str, n_persons: float
) -> Figure:
    figures: Any = table
    row = figures.loc[key]
    value, low, high = (float(row[name]) for name in ("value", "low", "high"))
    return Figure(gate, scope, value, low, high, n_persons, reason=str(row["reason"] or ""))


def _of_items(dif: pd.DataFrame) -> list[Figure]:
    machine = dif[dif["scores"] == "machine"]
    out = []
    for (grouping, focal), part in machine.groupby(["grouping", "focal"], sort=False):
        known = part[part["es_class"].isin(["AA", "BB", "CC"])]
        if known.empty:
            out.append(Figure("es_class", f"{grouping}: {focal}", reason="no item is estimable"))
            continue
        worst = known.loc[known["es_class"].max() == known["es_class"]]
        row = worst.loc[worst["es"].abs().idxmax()]
        n = float(min(row["n_reference"], row["n_focal"]))
        out.append(
            Figure("es_class", f"{grouping}: {focal}", float(row["es"]), n_persons=n, grade=row["es_class"])
        )
    return out


def _of_impact(impact: pd.DataFrame) -> list[Figure]:
    out = []
    for row in rows_of(impact[impact["scores"] == "machine"]) if len(impact) else []:
        if not row.is_reference:
            scope = f"{row.grouping}: {row.group}, cut {row.cut:g}"
            figures = (float(row.impact_ratio), float(row.low), float(row.high), float(row.n))
            out.append(Figure("impact_ratio", scope, *figures, reason=str(row.reason or "")))
    return out
