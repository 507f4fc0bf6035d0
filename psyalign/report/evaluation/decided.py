"""Decisions at cut scores, and whom they select."""

from __future__ import annotations

import pandas as pd

from psyalign.agreement import decisions, impact_ratios, ll144_table, suppress_small
from psyalign.foundation.errors import UsageError
from psyalign.report.evaluation.given import Given
from psyalign.report.evaluation.grouped import Hidden

__all__ = ["decided"]


def decided(
    given: Given, hidden: Hidden, cuts: tuple[float, ...], *, impact: bool
) -> dict[str, pd.DataFrame]:
    """Tables decisions and impact at the cuts, and audit (Local Law 144) if `impact`.

    A person's score is the mean of his or her rounded scores (with one response, that score); it passes
    at or above the cut. The audit table takes unrounded scores, as the law's median needs.
    """
    if impact and not given.levels:
        raise UsageError("Impact ratios compare groups.", where="--impact", mend="Name them with --groups.")
    if not (cuts or impact):
        return {}
    _, trimmed, rounded = given.forms
    columns = {"human": "mean", rounded: "mean", trimmed: "mean", **dict.fromkeys(given.levels, "first")}
    persons = given.rows.groupby("person", sort=False).agg(columns)
    tables = {}
    if cuts:
        for cut in cuts:
            if not given.low < cut <= given.high:
                raise UsageError(
                    f"No decision is made at {cut:g}.",
                    where="--cut",
                    mend=f"Cuts lie above {given.low:g} and at most at {given.high:g}.",
                )
        tables["decisions"] = decisions(persons["human"], persons[rounded], cuts).astype({"cut": str})
    if cuts and given.levels:
        tables["impact"] = _impact(persons, given, hidden, cuts)
    if impact:
        audit = ll144_table(persons, list(given.levels), score=trimmed)
        tables["audit"] = _small(audit, hidden)
    return tables


def _impact(persons: pd.DataFrame, given: Given, hidden: Hidden, cuts: tuple[float, ...]) -> pd.DataFrame:
    parts = []
    for grouping in given.levels:
        shown = hidden.shown(given, grouping)
        if len(shown) < 2:
            continue
        group = persons[grouping].where(persons[grouping].isin(shown))
        for cut in cuts:
            for scores, column in (("machine", given.forms[2]), ("human", "human")):
                found = impact_ratios(persons[column] >= cut, group)
                parts.append(found.assign(grouping=grouping, cut=cut, scores=scores))
    if not parts:
        return pd.DataFrame(columns=["grouping", "cut", "scores", "group"])
    table = pd.concat(parts, ignore_index=True)
    first = ["grouping", "cut", "scores", "group"]
    return table[[*first, *(name for name in table.columns if name not in first)]]


def _small(audit: pd.DataFrame, hidden: Hidden) -> pd.DataFrame:
    """The audit table without categories that are too small to be shown."""
    return suppress_small(audit, n="n", minimum=hidden.minimum, grouping="attribute", level="category")
