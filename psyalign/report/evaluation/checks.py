"""What a score table must hold before anything is computed from it; every complaint names its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.toml import suggest

if TYPE_CHECKING:
    from psyalign.report.evaluation.given import Columns

__all__ = ["FEWEST", "check_repeats", "check_variation", "complete", "levels_of", "names_in", "numbers_in"]

FEWEST = 10  # rows; with fewer no figure of this report says anything


def names_in(column: pd.Series, name: str, path: Path) -> pd.Series:
    """The column, which must have a name in every row."""
    if column.isna().any():
        raise DataError(
            "A person or item has no name.",
            where=f"{path}, row {int(column.isna().argmax()) + 2}, column {name}",
            mend="Fill it in.",
        )
    return column


def numbers_in(column: pd.Series, name: str, path: Path) -> pd.Series:
    """The column as floats; empty cells stay missing, anything else that is no number is a DataError."""
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    bad = (numbers.isna() & column.notna()) | np.isinf(numbers)
    if bad.any():
        raise DataError(
            f"Column '{name}' holds {int(bad.sum())} scores that are no numbers.",
            where=f"{path}, row {int(bad.argmax()) + 2}, column {name}",
            mend="Write scores as numbers; leave the cell empty where there is none.",
        )
    return numbers


def complete(
    rows: pd.DataFrame, columns: Columns, exclude_zeros: bool, path: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows with both scores, and how many were left out, each for one reason."""
    no_system, no_human = rows["system"].isna(), rows["human"].isna()
    zero = rows["human"].eq(0) & exclude_zeros & ~no_system
    counted = {
        "rows read": len(rows),
        "no machine score and no human score": int((no_system & no_human).sum()),
        "no machine score": int((no_system & ~no_human).sum()),
        "no human score": int((~no_system & no_human).sum()),
    }
    if exclude_zeros:
        counted["human score of 0"] = int(zero.sum())
    kept = rows[~no_system & ~no_human & ~zero].reset_index(drop=True)
    counted["rows evaluated"] = len(kept)
    if len(kept) < FEWEST:
        raise DataError(
            f"Only {len(kept)} rows have a machine score and a human score.",
            where=f"{path}, columns {columns.system} and {columns.humans[0]}",
            mend=f"An evaluation needs at least {FEWEST}, and hundreds to say much.",
        )
    return kept, pd.DataFrame({"what": list(counted), "rows": list(counted.values())})


def check_variation(rows: pd.DataFrame, columns: Columns, path: Path) -> None:
    """Refuse scores that are all the same."""
    for name, label in (("system", columns.system), ("human", columns.humans[0])):
        if rows[name].min() == rows[name].max():
            raise DataError(
                f"All scores in column '{label}' are {rows[name].iloc[0]:g}.",
                where=str(path),
                mend="Agreement of scores that do not vary is undefined: is it the right column?",
            )


def check_repeats(rows: pd.DataFrame, path: Path) -> None:
    """Refuse a person and item that are there twice."""
    again = rows.duplicated(["person", "item"])
    if again.any():
        raise DataError(
            f"{int(again.sum())} persons and items are there twice.",
            where=str(path),
            mend="Keep one row a response; put further human scores into columns (--second-human).",
        )


def levels_of(rows: pd.DataFrame, name: str, reference: Mapping[str, str], path: Path) -> tuple[str, ...]:
    """Levels of an attribute, the reference first, the others by size."""
    counts = rows[name].dropna().astype(str).value_counts()
    order = sorted(counts.index, key=lambda level: (-counts[level], level))
    if len(order) < 2:
        raise DataError(
            f"Column '{name}' has {'no value' if not order else 'one group only'}.",
            where=f"{path}, column {name}",
            mend="Groups are compared: leave the column out of --groups, or add the other group.",
        )
    varied = rows.dropna(subset=[name]).groupby("person")[name].nunique()
    if (varied > 1).any():
        raise DataError(
            f"{int((varied > 1).sum())} persons are in two groups of '{name}'.",
            where=f"{path}, column {name}",
            mend="Give each person one value.",
        )
    first = reference.get(name, order[0])
    if first not in order:
        raise UsageError(f"'{name}' has no value '{first}'.", where="--reference", mend=suggest(first, order))
    return (first, *(level for level in order if level != first))
