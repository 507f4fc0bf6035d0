"""The score table that somebody brings: read, checked, and narrowed to what can be evaluated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from psyalign.agreement import scale_scores, score_types
from psyalign.agreement.scores import TRIM_TOLERANCE
from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.tables import read_table, require_columns
from psyalign.foundation.toml import suggest
from psyalign.report.evaluation.checks import (
    check_repeats,
    check_variation,
    complete,
    levels_of,
    names_in,
    numbers_in,
)

__all__ = ["ASIS", "RAW", "Columns", "Given", "ScoreRange", "read_given"]

RAW, ASIS = "raw", "asis"


@dataclass(frozen=True)
class Columns:
    """Which column holds what.

    Attributes
    ----------
    system : str
        Scores of the engine.
    humans : tuple of str
        Human scores: the first is the criterion, further ones are ratings of the same responses.
    groups : tuple of str
        Attributes of persons.
    person, item : str, optional
        None: "person" and "item" where there are such columns.
    reference : mapping of str to str
        Attribute -> level that the others are compared with; default the largest.
    missing : tuple of str
        Values of attributes that mean "not known", such as -99; empty cells always do.
    """

    system: str = "system"
    humans: tuple[str, ...] = ("human",)
    groups: tuple[str, ...] = ()
    person: str | None = None
    item: str | None = None
    reference: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScoreRange:
    """The score points and how the engine's scores are brought to them.

    Attributes
    ----------
    low, high : float, optional
        Lowest and highest score point; default those that the human scores reach.
    tolerance : float
        Scores are held to [low − tolerance, high + tolerance] (RSMTool's `trim_tolerance`).
    scale : str or Path
        "raw": scores as they come. "asis": they are on the human scale already (only the name changes, as
        RSMTool's `scale_with = "asis"`). A table with the columns system and human (or RSMTool's prediction
        and sc1) of the training set: its means and SDs bring the scores to the human scale.
    exclude_zeros : bool
        Leave out rows with a score of 0 from the first human, as RSMTool does unless told otherwise.
    """

    low: float | None = None
    high: float | None = None
    tolerance: float = TRIM_TOLERANCE
    scale: str | Path = RAW
    exclude_zeros: bool = False


@dataclass(frozen=True)
class Given:
    """Rows ready to be evaluated.

    Attributes
    ----------
    rows : pandas.DataFrame
        person, item, human, rating_2 … (further human scores), the three forms of the machine score in
        `forms`, and the attributes as text.
    forms : tuple of str
        Names of the machine score: as it is, trimmed, trimmed and rounded (raw…, or scale…).
    ratings : tuple of str
        Columns of human scores, "human" first.
    levels : mapping of str to tuple of str
        Attribute -> levels, the reference level first.
    excluded : pandas.DataFrame
        reason, rows; the last row is what is left.
    low, high : float
    notes : list of str
        What was taken for granted, in sentences.
    origin : str
        What the table's column `origin` says ("simulated", say); "" without one.
    names : mapping of str to str
        What the columns are called in the file.
    items : int
        Distinct items; 0 without a column of items.
    """

    rows: pd.DataFrame
    forms: tuple[str, str, str]
    ratings: tuple[str, ...]
    levels: Mapping[str, tuple[str, ...]]
    excluded: pd.DataFrame
    low: float
    high: float
    tolerance: float
    notes: list[str]
    origin: str
    names: Mapping[str, str]
    items: int

    @property
    def n_persons(self) -> int:
        """Distinct persons."""
        return int(self.rows["person"].nunique())


def read_given(path: Path, columns: Columns, scores: ScoreRange) -> Given:
    """Read a table with one row a response.

    Parameters
    ----------
    path : Path
        CSV or Parquet.
    columns : Columns
    scores : ScoreRange

    Returns
    -------
    Given
        Rows without a machine score or without a first human score are left out and counted; rows
        without a value of an attribute stay, and are in no group of it.

    Raises
    ------
    DataError
        Missing column (with the nearest name), a score that is no number, a person and item twice,
        too few rows, scores that do not vary, an attribute with one level or one that varies
        within a person, human scores outside of the range.
    UsageError
        A column named twice; a reference level that is not there; a range that is none.
    """
    _check_names(columns)
    table = read_table(path, text_columns=_texts(columns))
    needed = [columns.system, *columns.humans, *columns.groups]
    require_columns(table, [*needed, *(name for name in (columns.person, columns.item) if name)], path)
    notes: list[str] = []
    origin = ", ".join(sorted({str(value) for value in table.get("origin", pd.Series()).dropna()}))
    rows = _rows(table, columns, path, notes)
    rows, excluded = complete(rows, columns, scores.exclude_zeros, path)
    check_variation(rows, columns, path)
    check_repeats(rows, path)
    low, high = _range(rows, columns, scores, path, notes)
    levels = {name: levels_of(rows, name, columns.reference, path) for name in columns.groups}
    prefix = RAW if scores.scale == RAW else "scale"
    machine = _scaled(rows["system"].to_numpy(), columns, scores, notes)
    types = score_types(machine, low, high, tolerance=scores.tolerance, prefix=prefix)
    rows = pd.concat([rows.drop(columns="system"), types], axis=1)
    ratings = ("human", *(f"rating_{number}" for number in range(2, len(columns.humans) + 1)))
    given_items = "item" in table.columns or columns.item is not None
    names = {"system": columns.system, **dict(zip(ratings, columns.humans, strict=True))}
    return Given(
        rows=rows,
        forms=(prefix, f"{prefix}_trim", f"{prefix}_trim_round"),
        ratings=ratings,
        levels=levels,
        excluded=excluded,
        low=low,
        high=high,
        tolerance=scores.tolerance,
        notes=notes,
        origin=origin,
        names=names,
        items=int(rows["item"].nunique()) if given_items else 0,
    )


def _texts(columns: Columns) -> tuple[str, ...]:
    return ("person", "item", *columns.groups, *(n for n in (columns.person, columns.item) if n))


def _check_names(columns: Columns) -> None:
    if not columns.humans:
        raise UsageError("No column of human scores is named.", where="--human")
    scores = [columns.system, *columns.humans]
    others = [*columns.groups, *(name for name in (columns.person, columns.item) if name)]
    for name in scores:
        if scores.count(name) > 1 or name in others:
            raise UsageError(
                f"Column '{name}' is named for two things.",
                where="--system, --human, --second-human, --groups",
                mend="Name each column once.",
            )
    for name in columns.groups:
        if columns.groups.count(name) > 1:
            raise UsageError(f"Group column '{name}' is named twice.", where="--groups")
    for name in columns.reference:
        if name not in columns.groups:
            raise UsageError(
                f"'{name}' has a reference group, but is no group column.",
                where="--reference",
                mend=suggest(name, columns.groups),
            )


def _rows(table: pd.DataFrame, columns: Columns, path: Path, notes: list[str]) -> pd.DataFrame:
    """The columns under the names of this room."""
    person = columns.person or ("person" if "person" in table.columns else None)
    item = columns.item or ("item" if "item" in table.columns else None)
    out: dict[str, pd.Series] = {}
    number = pd.Series(np.arange(len(table)).astype(str), dtype="str")
    if person is None:
        notes.append("There is no column of persons: every row counts as a person.")
    out["person"] = number if person is None else names_in(table[person], person, path)
    repeated = out["person"].duplicated().any()
    if item is not None:
        out["item"] = names_in(table[item], item, path)
    elif repeated:
        out["item"] = out["person"].groupby(out["person"]).cumcount().add(1).astype(str)
        notes.append(
            "Persons have several rows and there is no column of items: rows are taken as different "
            "responses."
        )
    else:
        out["item"] = pd.Series("1", index=table.index)
    out["system"] = numbers_in(table[columns.system], columns.system, path)
    for place, name in enumerate(columns.humans, 1):
        out["human" if place == 1 else f"rating_{place}"] = numbers_in(table[name], name, path)
    taken = set(out) | {"raw", "scale", "modal", "expected"}
    for name in columns.groups:
        if name in taken or name.startswith(("raw_", "scale_", "rating_")):
            raise UsageError(
                f"A group column cannot be called '{name}'.", where="--groups", mend="Rename it."
            )
        out[name] = table[name].mask(table[name].isin(columns.missing))
    return pd.DataFrame(out)


def _range(
    rows: pd.DataFrame, columns: Columns, scores: ScoreRange, path: Path, notes: list[str]
) -> tuple[float, float]:
    human = rows["human"]
    low = math.floor(human.min()) if scores.low is None else scores.low
    high = math.ceil(human.max()) if scores.high is None else scores.high
    if scores.low is None or scores.high is None:
        notes.append(f"Score points were taken from the human scores: {low:g} to {high:g}.")
    if not low < high:
        raise UsageError(
            "The lowest score point must lie below the highest.", where=f"--min {low:g}, --max {high:g}"
        )
    if human.min() < low or human.max() > high:
        raise DataError(
            f"Human scores go from {human.min():g} to {human.max():g}, beyond {low:g} to {high:g}.",
            where=f"{path}, column {columns.humans[0]}",
            mend="Set --min and --max to the score points, or mend the scores.",
        )
    return float(low), float(high)


def _scaled(
    system: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    columns: Columns,
    scores: ScoreRange,
    notes: list[str],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    if scores.scale in (RAW, ASIS):
        return system
    path = Path(scores.scale)
    names: Sequence[str] = (columns.system, columns.humans[0])
    table = read_table(path)
    if "prediction" in table.columns and "sc1" in table.columns:
        names = ("prediction", "sc1")  # RSMTool's own file of training scores
    require_columns(table, names, path)
    machine, human = (numbers_in(table[name], name, path) for name in names)
    known = machine.notna() & human.notna()
    unit = {"machine_mean": machine[known].mean(), "machine_sd": machine[known].std()}
    unit |= {"human_mean": human[known].mean(), "human_sd": human[known].std()}
    notes.append(
        f"Machine scores were brought to the human scale with means and SDs of {int(known.sum())} "
        "training rows."
    )
    return scale_scores(system, **{name: float(value) for name, value in unit.items()})
