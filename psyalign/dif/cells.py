"""The cell table: item x stratum x group x score -> count. Every DIF statistic starts from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from psyalign.foundation.errors import DataError
from psyalign.foundation.tables import require_columns

__all__ = ["FOCAL", "GROUPS", "REFERENCE", "Cells", "cells"]

REFERENCE = "reference"
FOCAL = "focal"
GROUPS = (REFERENCE, FOCAL)


@dataclass(frozen=True, repr=False)
class Cells:
    """Counts of persons by item, stratum, group and score.

    Attributes
    ----------
    table : pandas.DataFrame
        Columns item, stratum, group ("reference" or "focal"), score (float), count
        (int); only cells that hold somebody. Strata with one group are kept: they
        are in the total sample's SD, though no comparison uses them.
    items : tuple of str
        All items that were asked for, also those without a usable score.
    left_out : pandas.Series
        By item: rows that were not counted (no score, no group or no stratum).
    """

    table: pd.DataFrame
    items: tuple[str, ...]
    left_out: pd.Series

    def __repr__(self) -> str:
        persons = int(self.table["count"].sum())
        return f"Cells: {len(self.items)} items, {len(self.table)} cells, {persons} scores"


def cells(scores: pd.DataFrame, group: pd.Series, stratum: pd.Series | pd.DataFrame) -> Cells:
    """Count persons by item, stratum, group and score.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns person, item, score; one row a person and item. Scores may be
        fractions (expected scores). NaN is no score.
    group : pandas.Series
        Indexed by person: "reference", "focal" or missing. Who is missing is left out.
    stratum : pandas.Series or pandas.DataFrame
        Matching stratum: a number indexed by person, or columns person, item,
        stratum where it differs between items (a rest score, say).

    Returns
    -------
    Cells

    Raises
    ------
    DataError
        Missing column, person x item twice, person twice in `group` or `stratum`,
        a group called otherwise, no rows, scores that are not numbers or infinite.
    """
    rows = _checked_scores(scores)
    items = tuple(str(item) for item in pd.unique(rows["item"]))
    rows["group"] = rows["person"].map(_checked_group(group))
    rows = _with_stratum(rows, stratum)
    usable = rows[["score", "group", "stratum"]].notna().all(axis=1)
    left_out = (~usable).groupby(rows["item"], sort=False).sum().astype(int)
    kept = rows[usable]
    table = (
        kept.groupby(["item", "stratum", "group", "score"], sort=True).size().rename("count").reset_index()
    )
    return Cells(table=table, items=items, left_out=left_out)


def _checked_scores(scores: pd.DataFrame) -> pd.DataFrame:
    require_columns(scores, ["person", "item", "score"], "scores")
    if scores.empty:
        raise DataError("There are no scores.", where="scores")
    rows = scores[["person", "item", "score"]].copy()
    if not pd.api.types.is_numeric_dtype(rows["score"]):
        raise DataError("Scores must be numbers.", where="scores, column 'score'")
    rows["score"] = rows["score"].astype(float)
    if np.isinf(rows["score"].to_numpy()).any():
        raise DataError("A score is infinite.", where="scores, column 'score'")
    twice = rows.duplicated(["person", "item"])
    if twice.any():
        first = rows[twice].iloc[0]
        raise DataError(
            f"{int(twice.sum())} scores are there twice for the same person and item.",
            where=f"scores, person '{first['person']}', item '{first['item']}'",
            mend="Keep one score for each person and item.",
        )
    return rows


def _checked_group(group: pd.Series) -> pd.Series:
    if group.index.has_duplicates:
        raise DataError("A person is there twice.", where="group")
    strange = set(group.dropna().unique()) - set(GROUPS)
    if strange:
        raise DataError(
            f"Groups are called 'reference' and 'focal', not '{min(map(str, strange))}'.",
            where="group",
            mend="Map the attribute's levels to these two words; leave others missing.",
        )
    return group


def _with_stratum(rows: pd.DataFrame, stratum: pd.Series | pd.DataFrame) -> pd.DataFrame:
    if isinstance(stratum, pd.DataFrame):
        require_columns(stratum, ["person", "item", "stratum"], "stratum")
        if stratum.duplicated(["person", "item"]).any():
            raise DataError("A person and item is there twice.", where="stratum")
        return rows.merge(stratum[["person", "item", "stratum"]], on=["person", "item"], how="left")
    if stratum.index.has_duplicates:
        raise DataError("A person is there twice.", where="stratum")
    return rows.assign(stratum=rows["person"].map(stratum))
