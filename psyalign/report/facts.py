"""Small look-ups that several sections share: one row for an arm, a grouping, a kind of SD."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from psyalign.report.load import RunTables
from psyalign.report.numerals import finite

__all__ = [
    "Estimate",
    "agreement_interval",
    "agreement_row",
    "estimate",
    "one_row",
    "origin_tag",
    "summary_row",
]


class Estimate(NamedTuple):
    """A value with its interval; any of the three may be missing."""

    value: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def known(self) -> bool:
        """Whether value and both ends of the interval are there."""
        return None not in self

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval is known and zero lies outside it."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def estimate(row: pd.Series | None, value: str, low: str, high: str) -> Estimate:
    """Value and interval from three columns of a row; all None without a row."""
    if row is None:
        return Estimate()
    return Estimate(finite(row[value]), finite(row[low]), finite(row[high]))


def one_row(table: pd.DataFrame, **conditions: object) -> pd.Series | None:
    """The first row in which every column equals its value, or None."""
    for name, value in conditions.items():
        table = table[table[name] == value]
    return table.iloc[0] if len(table) else None


def summary_row(tables: RunTables, arm: str, grouping: str, sd_kind: str = "human") -> pd.Series | None:
    """Mean and largest effect size of an arm."""
    return one_row(tables.dif_summary, arm=arm, grouping=grouping, sd_kind=sd_kind)


def agreement_row(tables: RunTables, arm: str, grouping: str = "all", level: str = "all") -> pd.Series | None:
    """Agreement of an arm with the human scores."""
    return one_row(tables.agreement, arm=arm, grouping=grouping, level=level)


def agreement_interval(tables: RunTables, arm: str, metric: str) -> pd.Series | None:
    """Interval of an arm's QWK or r, and of its change against the baseline."""
    return one_row(tables.agreement_intervals, arm=arm, metric=metric)


def origin_tag(tables: RunTables) -> str:
    """What every caption ends with when the data are not wholly real; else nothing."""
    manifest = tables.manifest
    return "" if manifest.real else f" [{manifest.origin[:1].upper()}{manifest.origin[1:]}]"
