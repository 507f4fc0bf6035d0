"""Score tables that people bring to `psyalign dif`: long or wide, with groups inside or beside them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from psyalign.cli.levels import JOINT, Levels, choose_levels, joined
from psyalign.dif.counts.matrix import ScoreMatrix
from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.tables import read_table, require_columns

__all__ = ["OF_SCORES", "ScoreTable", "read_scores"]

OF_SCORES = ("total", "rest")  # matching variables that the scores themselves give
SCORE = "score"
MIN_PERSONS = 4  # with fewer in a group no variance is worth printing
PRIMARY = "primary"
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
        The person's group, by person; only groups that are compared.
    matching : Series or None
        Value of the matching column, by person; None for the total or rest of the scores.
    levels : Levels
        The groups that are compared.
    notes : list of str
        What was left out or taken for granted, in sentences.
    origin : str
        What the table's column `origin` says ("simulated", say); "" without one.
    """

    scores: pd.DataFrame
    group: pd.Series
    matching: pd.Series | None
    levels: Levels
    notes: list[str] = field(default_factory=list)
    origin: str = ""

    def matrix(self, min_group: int) -> ScoreMatrix:
        """The scores as the DIF room takes them."""
        return ScoreMatrix.from_long(
            self.scores, self.group, external=self.matching, groups=self.levels.groups, min_group=min_group
        )


def read_scores(
    path: Path,
    *,
    group: Sequence[str],
    focal: Sequence[str] = (),
    reference: str | None = None,
    match: str = "total",
    score: str = SCORE,
    rater: str | None = None,
    persons: Path | None = None,
    items: Sequence[str] = (),
) -> ScoreTable:
    """Read a score table and the groups and matching values of its persons.

    Parameters
    ----------
    path : Path
        CSV or Parquet. Long: columns person, item, score. Wide: column person and one per item.
    group : sequence of str
        Columns of the groups; of several, their intersections are compared.
    focal, reference
        Values of the group column, see `choose_levels`.
    match : str
        "total" or "rest" (of the person's scores) or a numeric column.
    score : str
        Column of the scores in a long table.
    rater : str, optional
        Keep only this rater's rows (column rater).
    persons : Path, optional
        Table with the columns person, `group` and `match`, if they are not in `path`.
    items : sequence of str
        Names or patterns (item*) of the items; default all.

    Raises
    ------
    DataError
        Missing column, score that is no number, duplicate person × item, attribute that varies within
        a person, person without a row in `persons`, no or too few persons in a group.
    UsageError
        `focal` or `reference` is no value of the group column, or the reference is not unique.
    """
    kept_as_text = ("person", "item", "rater", *group)
    table = read_table(path, text_columns=kept_as_text)
    require_columns(table, ["person"], path)
    place: Path | str = path
    if rater is not None:
        table, place = _of_rater(table, rater, path), f"{path}, counting rows of rater '{rater}' only"
    if PRIMARY in table.columns:  # a run's own scores: other wordings of the answers beside them
        table = table[table[PRIMARY].astype(bool)]
    wanted = [*group] if match in OF_SCORES else [*group, match]
    beside = read_table(persons, text_columns=kept_as_text) if persons is not None else table
    source = persons or path
    require_columns(beside, ["person", *wanted], source)
    attributes = _by_person(beside, wanted, source)
    notes: list[str] = []
    scores = _long(table, score, {*wanted, "person"}, items, place, notes)
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
    table: pd.DataFrame,
    score: str,
    no_items: set[str],
    patterns: Sequence[str],
    path: Path | str,
    notes: list[str],
) -> pd.DataFrame:
    if "item" in table.columns or score in table.columns:
        require_columns(table, ["item", score], path)
        long = table[["person", "item", score]].rename(columns={score: SCORE})
        if patterns:
            long = long[long["item"].isin(_matching(long["item"].dropna().unique(), patterns, path))]
        return long
    items = [name for name in table.columns if name not in no_items | NO_ITEMS]
    items = _matching(items, patterns, path) if patterns else items
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
                mend="All columns but person, group and matching count as items: name yours with --items.",
            )
    if table["person"].duplicated().any():
        person = table.loc[table["person"].duplicated(), "person"].iloc[0]
        raise DataError(
            f"Person '{person}' has more than one row.", where=str(path), mend="Keep one of them."
        )
    notes.append(f"Columns taken for items: {', '.join(items)}.")
    long = table.melt(id_vars="person", value_vars=items, var_name="item", value_name="score")
    return long.dropna(subset=["score"])  # an empty cell of a wide table is an item not answered


def _matching(names: Iterable[str], patterns: Sequence[str], path: Path | str) -> list[str]:
    """The names that a pattern fits, in their own order; each pattern must fit one."""
    known = [str(name) for name in names]
    for pattern in patterns:
        if not fnmatch.filter(known, pattern):
            raise UsageError(
                f"No item is called '{pattern}'.",
                where=f"--items, {path}",
                mend=f"There are: {', '.join(known[:20])}.",
            )
    return [name for name in known if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


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
    group: Sequence[str],
    focal: Sequence[str],
    reference: str | None,
    match: str,
) -> ScoreTable:
    """Narrow to persons of the groups that have a matching value."""
    notes: list[str] = []
    name = JOINT.join(group)
    values = joined(attributes, group)
    levels = choose_levels(values, name, focal, reference, path)
    labels = values[values.isin(levels.groups)]
    if len(labels) < len(values):
        which = "neither group" if len(levels.focal) == 1 else "none of these groups"
        notes.append(f"{len(values) - len(labels)} persons of {which} were left out.")
    matching = None
    if match not in OF_SCORES:
        matching = _column(attributes[match], match, path, notes)
        labels = labels[labels.index.isin(matching.index)]
    labels = labels[labels.index.isin(scores["person"])]
    levels = _large_enough(labels, levels, name, path, notes)
    labels = labels[labels.isin(levels.groups)]
    kept = scores[scores["person"].isin(labels.index)].astype({"score": float}).reset_index(drop=True)
    return ScoreTable(kept, labels, matching, levels, notes)


def _large_enough(labels: pd.Series, levels: Levels, name: str, path: Path | str, notes: list[str]) -> Levels:
    """The levels without focal groups that are too small; DataError if the reference is, or none is left."""
    counts = {level: int((labels == level).sum()) for level in levels.groups}
    small = [level for level in levels.groups if counts[level] < MIN_PERSONS]
    left = tuple(level for level in levels.focal if level not in small)
    if levels.reference in small or not left:
        level = levels.reference if levels.reference in small else levels.focal[0]
        role = "reference" if level == levels.reference else "focal"
        raise DataError(
            f"The {role} group '{level}' has {counts[level]} persons that can be analysed.",
            where=f"{path}, column {name}",
            mend=f"DIF needs at least {MIN_PERSONS} in each group, and many more to find anything.",
        )
    notes.extend(f"Group '{level}' was left out: it has {counts[level]} persons." for level in small)
    return Levels(levels.reference, left)


def _column(values: pd.Series, name: str, path: Path | str, notes: list[str]) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    if (numbers.isna() & values.notna()).any():
        raise DataError(
            f"The matching column '{name}' holds text.", where=f"{path}, header", mend="It must be numeric."
        )
    if numbers.isna().any():
        notes.append(f"{int(numbers.isna().sum())} persons without a value of '{name}' were left out.")
    return numbers.dropna()
