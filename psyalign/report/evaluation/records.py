"""Tables read row by row."""

from __future__ import annotations

from typing import Any

import pandas as pd

__all__ = ["rows_of"]


def rows_of(table: pd.DataFrame) -> list[Any]:
    """Rows as named tuples; a column's name is an attribute."""
    return list(table.itertuples(index=False))
