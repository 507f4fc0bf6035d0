"""What scores and groups must be, however they come: the same words from tables and matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.foundation.errors import DataError, UsageError

__all__ = ["LARGEST", "check_groups", "check_levels", "check_once", "numbers", "refuse_twice"]

# No score is larger, and fourth powers of larger ones overflow: it is a program's code for missing.
LARGEST = 1e50


def check_groups(groups: Sequence[str]) -> None:
    """Raise a UsageError unless there are two groups or more, each named once."""
    if len(groups) < 2 or len(set(groups)) < len(groups):
        raise UsageError("There must be two groups or more, each named once.", where="groups")


def check_levels(values: pd.Series, groups: Sequence[str]) -> None:
    """Raise a DataError if a value is no group's name."""
    strange = set(values.unique()) - set(groups)
    if strange:
        known = " and ".join(f"'{name}'" for name in groups)
        raise DataError(
            f"Groups are called {known}, not '{min(map(str, strange))}'.",
            where="group",
            mend="Map the attribute's levels to these words; leave others missing.",
        )


def check_once(by_person: pd.Series, where: str) -> None:
    """Raise a DataError if a person is there twice in the index."""
    if by_person.index.has_duplicates:
        raise DataError("A person is there twice.", where=where)


def numbers(column: pd.Series, where: str) -> pd.Series:
    """The column as floats, NaN for missing; DataError if it holds something else."""
    if not pd.api.types.is_numeric_dtype(column):
        raise DataError("Scores must be numbers.", where=where)
    found = column.astype(float)
    if (found.abs() > LARGEST).any():
        raise DataError("A score is infinite or above 1e50.", where=where)
    return found


def refuse_twice(twice: npt.NDArray[np.bool_], scores: pd.DataFrame) -> None:
    """Raise a DataError that names the first of the rows that repeat a person and item."""
    if twice.any():
        first = scores[twice].iloc[0]
        raise DataError(
            f"{int(twice.sum())} scores are there twice for the same person and item.",
            where=f"scores, person '{first['person']}', item '{first['item']}'",
            mend="Keep one score for each person and item.",
        )
