"""Score tables that people bring to `psyalign dif`: long or wide, with groups inside or beside them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.tables import read_table, require_columns

__all__ = ["TOTAL", "ScoreTable", "read_scores"]

TOTAL = "total"
SCORE = "score"
MIN_PERSONS = 4  # with fewer in a group no variance is worth printing
# Columns of psyalign's own score tables that are no items.
NO_ITEMS = frozenset({"origin", "arm", "wording", "response_id", "split"})


@dataclass(frozen=True)
class ScoreTable:
    """Scores ready for a DIF analysis.

    Attributes
    ----------
    scores : DataFrame
        Columns person, item, score; one row per person × item.
    group : Series
        "reference" or "focal", by person.
    matching : Series or None
        Value of the matching column, by person; None for the total of the scores.
    reference : str
        Value of the group column that is the reference group.
    notes : list of str
        What was left out or taken for granted, in sentences.
    origin : str
        What the table's column `origin` says ("simulated", say); "" without one.
    """

    scores: pd.DataFrame
    group: pd.Series
    matching: pd.Series | None
    reference: str
    notes: list[str] = field(default_factory=list)
    origin: str = ""


def read_scores(
    path: Path,
    *,
    group: str,
    focal: str,
    reference: str | None = None,
    match: str = TOTAL,
    score: str = SCORE,
    rater: str | None = None,
    persons: Path | None = None,
) -> ScoreTable:
    """Read a score table and the groups and matching values of its persons.

    Parameters
    ----------
    path : Path
        CSV or Parquet. Long: columns person, item, score. Wide: column person and one per item.
    group, focal, reference : str
        Column of the groups and its two values; `reference` may be left out if there is only one other.
    match : str
        "total" (of the person's scores) or a numeric column.
    score : str
        Column of the scores in a long table.
    rater : str, optional
        Keep only this rater's rows (column rater).
    persons : Path, optional
        Table with the columns person, `group` and `match`, if they are not in `path`.

    Raises
    ------
    DataError
        Missing column, score that is no number, duplicate person × item, attribute that varies within
        a person, person without a row in `persons`, no or too few persons in a group.
    UsageError
        `focal` or `reference` is no value of the group column, or the reference is not unique.
    """
    kept_as_text = ("person", "item", "rater", group)
    table = read_table(path, text_columns=kept_as_text)
    require_columns(table, ["person"], path)
    place: Path | str = path
    if rater is not None:
        table, place = _of_rater(table, rater, path), f"{path}, counting rows of rater '{rater}' only"
    wanted = [group] if match == TOTAL else [group, match]
    beside = read_table(persons, text_columns=kept_as_text) if persons is not None else table
    source = persons or path
    require_columns(beside, ["person", *wanted], source)
    attributes = _by_person(beside, wanted, source)
    notes: list[str] = []
    scores = _long(table, score, {*wanted, "person"}, place, notes)
    _check_scores(scores, place)
    _check_known(scores, attributes, source)
    selected = _select(scores, attributes, source, group=group, focal=focal, reference=reference, match=match)
    return replace(selected, notes=notes + selected.notes, origin=_origin(table))


def _of_rater(table: pd.DataFrame, rater: str, path: Path) -> pd.DataFrame:
    require_columns(table, ["rater"], path)
    kept = table[table["rater"] == rater]
    if not len(kept):
        raters = sorted(table["rater"].dropna().unique())
        raise UsageError(
            f"There is no rater '{rater}'.",
            where=f"--rater, {path}",
            mend=f"The table has: {', '.join(raters)}.",
        )
    return kept.reset_index(drop=True)


def _origin(table: pd.DataFrame) -> str:
    return ", ".join(sorted({str(value) for value in table.get("origin", pd.Series(dtype="str")).dropna()}))


def _by_person(table: pd.DataFrame, columns: list[str], path: Path) -> pd.DataFrame:
    """The columns, one row per person; they must not vary within a person."""
    unique = table[["person", *columns]].drop_duplicates()
    repeated = unique.loc[unique["person"].duplicated(), "person"]
    if len(repeated):
        raise DataError(
            f"Person '{repeated.iloc[0]}' has different values of {' or '.join(columns)}.",
            where=str(path),
            mend="Give each person one value.",
        )
    return unique.set_index("person")


def _long(
    table: pd.DataFrame, score: str, no_items: set[str], path: Path | str, notes: list[str]
) -> pd.DataFrame:
    if "item" in table.columns or score in table.columns:
        require_columns(table, ["item", score], path)
        return table[["person", "item", score]].rename(columns={score: SCORE})
    items = [name for name in table.columns if name not in no_items | NO_ITEMS]
    if not items:
        raise DataError(
            "The table has no scores.",
            where=f"{path}, header",
            mend="Long tables have the columns person, item, score; wide ones person and a column per item.",
        )
    for name in items:
        if not pd.api.types.is_numeric_dtype(table[name]):
            raise DataError(
                f"Column '{name}' is taken for an item, but holds text.",
                where=f"{path}, header",
                mend="In a wide table all columns but person, group and matching are items: drop others.",
            )
    if table["person"].duplicated().any():
        person = table.loc[table["person"].duplicated(), "person"].iloc[0]
        raise DataError(
            f"Person '{person}' has more than one row.", where=str(path), mend="Keep one of them."
        )
    notes.append(f"Columns taken for items: {', '.join(items)}.")
    long = table.melt(id_vars="person", value_vars=items, var_name="item", value_name="score")
    return long.dropna(subset=["score"])  # an empty cell of a wide table is an item not answered


def _check_scores(scores: pd.DataFrame, path: Path | str) -> None:
    if scores[["person", "item"]].isna().any(axis=None):
        row = int(scores[["person", "item"]].isna().any(axis=1).argmax()) + 2
        raise DataError("A person or item is missing.", where=f"{path}, row {row}", mend="Fill it in.")
    numbers = pd.to_numeric(scores["score"], errors="coerce")
    bad = numbers.isna() | numbers.abs().eq(float("inf"))
    if bad.any():
        row = int(bad.argmax()) + 2  # row 1 is the header
        raise DataError(
            "A score is missing or not a number.",
            where=f"{path}, row {row}, column score",
            mend="Drop rows without a score; write scores as numbers.",
        )
    repeated = scores.duplicated(["person", "item"])
    if repeated.any():
        first = scores[repeated].iloc[0]
        raise DataError(
            f"Person '{first['person']}' has more than one score on item '{first['item']}'.",
            where=f"{path}, row {int(repeated.argmax()) + 2}",
            mend="Keep one score per person and item, or choose one rater with --rater.",
        )


def _check_known(scores: pd.DataFrame, attributes: pd.DataFrame, path: Path | str) -> None:
    unknown = scores.loc[~scores["person"].isin(attributes.index), "person"]
    if len(unknown):
        raise DataError(
            f"Person '{unknown.iloc[0]}' has scores but no row here.",
            where=str(path),
            mend=f"Add the missing persons ({unknown.nunique()}).",
        )


def _select(
    scores: pd.DataFrame,
    attributes: pd.DataFrame,
    path: Path | str,
    *,
    group: str,
    focal: str,
    reference: str | None,
    match: str,
) -> ScoreTable:
    """Narrow to persons of the two groups that have a matching value."""
    notes = []
    values = attributes[group]
    baseline = _reference(values, group, focal, reference, path)
    labels = values.map({baseline: "reference", focal: "focal"}).dropna()
    if len(labels) < len(values):
        notes.append(f"{len(values) - len(labels)} persons of neither group were left out.")
    matching = None
    if match != TOTAL:
        matching = _column(attributes[match], match, path, notes)
        labels = labels[labels.index.isin(matching.index)]
    labels = labels[labels.index.isin(scores["person"])]
    for name, value in (("reference", baseline), ("focal", focal)):
        count = int((labels == name).sum())
        if count < MIN_PERSONS:
            raise DataError(
                f"The {name} group '{value}' has {count} persons that can be analysed.",
                where=f"{path}, column {group}",
                mend=f"DIF needs at least {MIN_PERSONS} in each group, and many more to find anything.",
            )
    kept = scores[scores["person"].isin(labels.index)].astype({"score": float}).reset_index(drop=True)
    return ScoreTable(kept, labels, matching, baseline, notes)


def _reference(values: pd.Series, group: str, focal: str, reference: str | None, path: Path | str) -> str:
    present = sorted(str(value) for value in values.dropna().unique())
    _check_value(focal, "--focal", present, group, path)
    others = [value for value in present if value != focal]
    if not others:
        raise DataError(
            f"All persons are of one group: {group} is '{focal}'.",
            where=f"{path}, column {group}",
            mend="DIF compares two groups: add the other one.",
        )
    if reference is None:
        if len(others) > 1:
            raise UsageError(
                f"'{group}' has more than two values, so the reference group must be named.",
                mend=f"Add --reference with one of: {', '.join(others[:20])}.",
            )
        return others[0]
    if reference == focal:
        raise UsageError(f"Focal and reference group are both '{focal}'.", mend="Name two different values.")
    _check_value(reference, "--reference", present, group, path)
    return reference


def _check_value(value: str, option: str, present: Iterable[str], group: str, path: Path | str) -> None:
    values = list(present)
    if value in values:
        return
    near = difflib.get_close_matches(value, values, n=1)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    raise UsageError(
        f"{option}: '{group}' has no value '{value}'.",
        where=f"{path}, column {group}",
        mend=f"{guess}Its values are: {', '.join(values[:20]) or 'none'}.",
    )


def _column(values: pd.Series, name: str, path: Path | str, notes: list[str]) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    if (numbers.isna() & values.notna()).any():
        raise DataError(
            f"The matching column '{name}' holds text.", where=f"{path}, header", mend="It must be numeric."
        )
    if numbers.isna().any():
        notes.append(f"{int(numbers.isna().sum())} persons without a value of '{name}' were left out.")
    return numbers.dropna()
