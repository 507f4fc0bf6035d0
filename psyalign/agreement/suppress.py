"""Tables by group without small cells, also without those that the total would give away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.foundation.errors import UsageError
from psyalign.foundation.tables import require_columns

__all__ = ["MIN_CELL", "suppress_small"]

# Fewer persons than this are not shown: the usual reporting minimum of educational testing.
MIN_CELL = 10
WHOLE = ("all", "difference")


def suppress_small(
    table: pd.DataFrame,
    *,
    n: str = "n_persons",
    minimum: int = MIN_CELL,
    grouping: str = "grouping",
    level: str = "level",
    keep: Sequence[str] = (),
    total: bool = True,
) -> pd.DataFrame:
    """A table by group in which cells of few persons are blanked, with complementary suppression.

    Parameters
    ----------
    table : pandas.DataFrame
        One row a level of a grouping; rows called "all" are totals, rows called "difference" lie between
        levels (as `agreement_table` makes them).
    n : str
        Column of persons.
    minimum : int
        Levels with 1 to minimum − 1 persons are blanked. A level of nobody is shown: it tells of no one.
    grouping, level : str
        Columns that name the row.
    keep : sequence of str
        Columns beside grouping and level that are not blanked (arm, metric, …); each
        combination of them is a table of its own.
    total : bool
        The total over the levels is shown somewhere: then blanked cells must hold at least two levels and
        `minimum` persons together, or the smallest level that is still shown is blanked too, as
        the total less the shown levels would give them away. False: primary suppression only.

    Returns
    -------
    pandas.DataFrame
        The rows in their order; numbers of blanked rows (n too) missing; column suppressed: "",
        "few persons", "complement" or "of a suppressed level" (differences).

    Raises
    ------
    DataError
        Missing column.
    UsageError
        `minimum` below 1.
    """
    require_columns(table, [grouping, level, n, *keep], "table")
    if minimum < 1:
        raise UsageError("The minimum is at least 1.", where=f"minimum {minimum}")
    reasons = np.full(len(table), "", dtype=object)
    parts = [grouping, *keep]
    by_part = pd.Series(np.arange(len(table))).groupby([table[name].to_numpy() for name in parts], sort=False)
    for rows in by_part.indices.values():
        reasons[rows] = _reasons(
            table[level].to_numpy()[rows], table[n].to_numpy(dtype=float)[rows], minimum, total
        )
    out = table.copy()
    hidden = reasons != ""
    for name in out.columns:
        if name not in (level, *parts) and hidden.any():
            numeric = pd.api.types.is_numeric_dtype(out[name]) or pd.api.types.is_bool_dtype(out[name])
            column = out[name].astype(float) if numeric else out[name].astype(object)
            out[name] = column.mask(hidden)
    return out.assign(suppressed=reasons)


def _reasons(
    level: npt.NDArray[np.object_], n: npt.NDArray[np.float64], minimum: int, total: bool
) -> npt.NDArray[np.object_]:
    cells = np.array([str(name) not in WHOLE for name in level])
    found = np.where(cells & (n > 0) & (n < minimum), "few persons", "").astype(object)
    while total and (found != "").any():
        hidden = cells & (found != "")
        shown = np.flatnonzero(cells & (found == "") & (n > 0))
        if (hidden.sum() > 1 and n[hidden].sum() >= minimum) or not len(shown):
            break
        found[shown[np.argmin(n[shown])]] = "complement"
    if (cells & (found != "")).any():
        found[np.array([str(name) == "difference" for name in level])] = "of a suppressed level"
    return found
