"""The gates of a study: which figures of a run they look at."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from psyalign.agreement import Figure, judge_gates
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.audit import Audit
from psyalign.study import Gates

__all__ = ["gate_table"]

Tables = Mapping[str, pd.DataFrame]
Row = Mapping[Hashable, Any]

TOO_SMALL = "a group has too few persons to be shown"


def gate_table(run: Run, audit: Audit, tables: Tables, gates: Gates) -> pd.DataFrame:
    """`judge_gates` on the arm called "after".

    `binding` says whether the study has [gates]: without it the defaults are shown and fail nothing.
    """
    arm = str(run.study.report.primary_arm)
    figures = [
        *_agreement(run, tables["evaluation"], arm),
        *_classes(run, audit, tables, arm),
        *_wording(audit, tables["wording"], arm),
        *_noninferiority(tables),
        *_impact(tables["impact"], arm),
    ]
    table = judge_gates(figures, gates.thresholds, min_persons=gates.min_persons)
    return table.assign(arm=arm, binding=run.study.gates is not None)


def _agreement(run: Run, evaluation: pd.DataFrame, arm: str) -> Iterator[Figure]:
    own = evaluation[(evaluation["arm"] == arm) & (evaluation["contrast"] == "")]
    rows = {(row["grouping"], row["level"], row["metric"]): row for row in own.to_dict("records")}
    for gate, metric, scope in (
        ("qwk", "qwk", ""), ("r", "r", ""), ("exact", "exact", ""), ("adjacent", "adjacent", ""),
        ("smd", "smd_pooled", ""), ("degradation", "degradation_qwk", "QWK"),
        ("degradation", "degradation_r", "r"),
    ):  # fmt: skip
        if ("all", "all", metric) in rows:
            yield _figure(gate, scope, rows["all", "all", metric])
    for grouping, group in run.study.groups.items():
        for level in (group.reference, group.focal):
            yield _figure("smd_group", f"{grouping}: {level}", rows[grouping, level, "smd_pooled"])


def _figure(gate: str, scope: str, row: Row) -> Figure:
    if row["suppressed"]:
        return Figure(gate, scope, reason=TOO_SMALL)
    value = float(row["value"])
    return Figure(
        gate, scope, value, float(row["low"]), float(row["high"]), float(row["n_persons"]),
        reason=str(row["reason"]) if np.isnan(value) else "",
    )  # fmt: skip


def _classes(run: Run, audit: Audit, tables: Tables, arm: str) -> Iterator[Figure]:
    """Worst class of an item and largest |ES|, by grouping."""
    items, summary = tables["dif_items"], tables["dif_summary"]
    for grouping, group in run.study.groups.items():
        own = items[(items["arm"] == arm) & (items["grouping"] == grouping)]
        classes = [str(name) for name in own["es_class"].dropna() if name]
        sizes = audit.persons[grouping].value_counts()
        persons = min(int(sizes.get(level, 0)) for level in (group.reference, group.focal))
        if not classes:
            yield Figure("es_class", grouping, reason="no item has a DIF effect size")
            continue
        kind = (summary["grouping"] == grouping) & (summary["sd_kind"] == "human")
        row = summary[(summary["arm"] == arm) & kind].iloc[0]
        value, low, high = (float(row[name]) for name in ("max_abs_es", "max_low", "max_high"))
        yield Figure("es_class", grouping, value, low, high, n_persons=persons, grade=max(classes))


def _wording(audit: Audit, wording: pd.DataFrame, arm: str) -> Iterator[Figure]:
    sd = float(audit.human["score"].std(ddof=1))
    for row in wording[wording["arm"] == arm].to_dict("records"):
        value, low, high = (float(row[name]) / sd for name in ("effect", "low", "high"))
        yield Figure("wording", "", value, low, high)


def _noninferiority(tables: Tables) -> Iterator[Figure]:
    for row in tables["noninferiority"].to_dict("records"):
        yield Figure(
            "noninferiority", {"qwk": "QWK", "r": "r"}[row["metric"]], float(row["difference"]),
            float(row["bound"]), passed=bool(row["noninferior"]), reason=str(row["reason"]),
        )  # fmt: skip


def _impact(impact: pd.DataFrame, arm: str) -> Iterator[Figure]:
    """The lowest ratio of each grouping."""
    for grouping, part in impact[impact["arm"] == arm].groupby("grouping", sort=False):
        scope, rows = str(grouping), part.to_dict("records")
        compared = [row for row in rows if np.isfinite(row["impact_ratio"]) and not row["is_reference"]]
        if any(row["suppressed"] for row in rows):
            yield Figure("impact_ratio", scope, reason=TOO_SMALL)
        elif not compared:
            reasons = [str(row["reason"]) for row in rows if row["reason"]]
            yield Figure("impact_ratio", scope, reason=reasons[0] if reasons else "there is only one group")
        else:
            row = min(compared, key=lambda one: float(one["impact_ratio"]))
            value, low, high = (float(row[name]) for name in ("impact_ratio", "low", "high"))
            yield Figure("impact_ratio", scope, value, low, high, n_persons=float(part["n"].min()))
