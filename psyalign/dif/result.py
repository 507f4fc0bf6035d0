"""The shape of every DIF result: a method's name and a table, one row an item."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

__all__ = ["DifResult"]


@dataclass(frozen=True, repr=False)
class DifResult:
    """Result of one DIF method.

    Attributes
    ----------
    method : str
        Name of the method, as in "Mantel" or "ordinal logistic".
    table : pandas.DataFrame
        Indexed by item. Always has `estimable` (bool) and `reason` (text, "" where
        estimable); numbers are NaN where not estimable. Focal minus reference.
    """

    method: str
    table: pd.DataFrame

    @classmethod
    def of(cls, method: str, rows: Mapping[str, Mapping[str, object]]) -> DifResult:
        """Result from one mapping of columns an item."""
        index = pd.Index(list(rows), name="item", dtype="str")
        return cls(method, pd.DataFrame([dict(row) for row in rows.values()], index=index))

    def __repr__(self) -> str:
        by_item = self.table["estimable"].groupby(level=0).any()
        found = f"{int(by_item.sum())} of {len(by_item)} items estimable"
        head = f"{self.method} DIF, focal minus reference: {found}"
        return head + "\n" + self.table.to_string(float_format=lambda value: f"{value:.3f}")
