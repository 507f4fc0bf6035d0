"""Which values of the group columns are compared: one reference group and one or more focal groups."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from psyalign.foundation.errors import DataError, UsageError

__all__ = ["JOINT", "Levels", "choose_levels", "joined"]

JOINT = "/"  # between the values of an intersection, as in girl/bilingual
LISTED = 20


@dataclass(frozen=True)
class Levels:
    """The groups that are compared, by their values in the table."""

    reference: str
    focal: tuple[str, ...]

    @property
    def groups(self) -> tuple[str, ...]:
        return (self.reference, *self.focal)


def joined(attributes: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """One value a person; of several columns their intersection, missing where one of them is."""
    values = attributes[list(columns)]
    known = values.notna().all(axis=1)
    text = values.astype("str").agg(JOINT.join, axis=1) if len(columns) > 1 else values[columns[0]]
    return text.where(known)


def choose_levels(
    values: pd.Series, name: str, focal: Sequence[str], reference: str | None, path: Path | str
) -> Levels:
    """The reference group and the focal groups.

    Without `reference` it is the only value left beside the focal ones; without `focal`
    all values but the reference.

    Raises
    ------
    UsageError
        A value that is not there, none given, or a reference that is not unique.
    DataError
        All persons are of one group.
    """
    present = sorted(str(value) for value in values.dropna().unique())
    if not focal and reference is None:
        raise UsageError(
            "The groups to compare are not named.",
            where="--focal",
            mend=f"Add --focal (or --reference, for all others against it) with one of: {_list(present)}.",
        )
    for value in focal:
        _check_value(value, "--focal", present, name, path)
    if reference is not None:
        if reference in focal:
            raise UsageError(
                f"Focal and reference group are both '{reference}'.", mend="Name two different values."
            )
        _check_value(reference, "--reference", present, name, path)
    others = [value for value in present if value not in focal]
    if not others or len(present) < 2:
        raise DataError(
            f"All persons are of one group: {name} is '{', '.join(present)}'.",
            where=f"{path}, column {name}",
            mend="DIF compares two groups: add the other one.",
        )
    if reference is None:
        if len(others) > 1:
            raise UsageError(
                f"'{name}' has more than two values, so the reference group must be named.",
                mend=f"Add --reference with one of: {_list(others)}.",
            )
        reference = others[0]
    return Levels(reference, tuple(focal) or tuple(value for value in others if value != reference))


def _check_value(value: str, option: str, present: Sequence[str], name: str, path: Path | str) -> None:
    if value in present:
        return
    near = difflib.get_close_matches(value, present, n=1)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    raise UsageError(
        f"{option}: '{name}' has no value '{value}'.",
        where=f"{path}, column {name}",
        mend=f"{guess}Its values are: {_list(present)}.",
    )


def _list(values: Sequence[str]) -> str:
    return ", ".join(values[:LISTED]) or "none"
