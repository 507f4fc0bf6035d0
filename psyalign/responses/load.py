"""From the files that a study names to a checked Dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from psyalign.foundation.errors import DataError
from psyalign.responses.checks import (
    check_answered,
    check_attribute_names,
    check_constant,
    check_filled,
    check_identifiers,
    check_items,
    check_levels,
    check_response_ids,
    check_texts,
    check_unique,
    read_scores,
)
from psyalign.responses.dataset import (
    ORIGIN_REAL,
    RATING_COLUMNS,
    RESPONSE_COLUMNS,
    Dataset,
    alternate_id,
    empty_alternates,
    response_id,
)
from psyalign.responses.sheet import Sheet, read_sheet

__all__ = ["load_dataset", "load_responses", "load_wordings"]

RATINGS_MEND = (
    "The ratings table has the columns person, item, rater, score: one row per rating. "
    "With a single rater, write the same name in every row."
)


def load_dataset(
    responses: Path,
    ratings: Path,
    persons: Path | None,
    bank_scores: Mapping[str, tuple[int, ...]],
) -> Dataset:
    """Load and check the tables of a study.

    Parameters
    ----------
    responses : Path
        CSV or Parquet with columns person, item, response, and wording if known. Every
        other column is taken for a person attribute. A person × item without an answer
        has no row.
    ratings : Path
        CSV or Parquet with columns person, item, rater, score; other columns are ignored.
        Responses without ratings are allowed.
    persons : Path or None
        CSV or Parquet with column person and one column per attribute. Persons without
        a response are left out.
    bank_scores : mapping of str to tuple of int
        Score points of each item of the bank.

    Returns
    -------
    Dataset
        Origin "real", no alternates; persons sorted by id, rows in the files' order.

    Raises
    ------
    DataError
        A table cannot be read, lacks a column, or fails a check of `psyalign.responses.checks`;
        the error names the file and the row.

    Notes
    -----
    Ids, items, raters, scores and attributes are compared as text without white space around
    them; the marks NA, NaN, <NA>, #N/A and NULL count as empty there.
    """
    answers = _read_responses(responses, bank_scores)
    people = _persons(answers, persons)
    marks = _read_ratings(ratings, answers, bank_scores)
    return Dataset(
        responses=_responses(answers),
        alternates=empty_alternates(),
        ratings=marks,
        persons=people,
        origin=ORIGIN_REAL,
        notice="",
    )


def load_responses(path: Path, bank_scores: Mapping[str, tuple[int, ...]]) -> pd.DataFrame:
    """Load and check a table of responses alone, to be scored.

    Parameters and errors are those of `load_dataset`. Returns `RESPONSE_COLUMNS`, one row a
    response in the file's order.
    """
    return _responses(_read_responses(path, bank_scores))


def load_wordings(path: Path, dataset: Dataset, bank_scores: Mapping[str, tuple[int, ...]]) -> Dataset:
    """The same data with other wordings of responses from a table.

    Parameters
    ----------
    path : Path
        CSV or Parquet with columns person, item, wording, response; a row a wording of a response that is
        there.
    dataset : Dataset
    bank_scores : mapping of str to tuple of int
        As in `load_dataset`.

    Raises
    ------
    DataError
        A cell is empty, an item is unknown, there is no such response, or it has this wording already.

    Notes
    -----
    Rows of items that nobody in the data answered (which [items] leaves out, say) are left out.
    """
    sheet = read_sheet(path, ("person", "item", "wording", "response"))
    check_filled(sheet, ("person", "item", "wording"))
    check_identifiers(sheet, ("person", "item", "wording"))
    check_items(sheet, list(bank_scores))
    check_texts(sheet)
    check_unique(
        sheet,
        ("person", "item", "wording"),
        "Person '{person}' has the wording '{wording}' of item '{item}' more than once.",
        "Keep one row per person, item and wording.",
    )
    sheet = Sheet(path, sheet.table[sheet.table["item"].isin(dataset.items)])
    answered = pd.MultiIndex.from_frame(dataset.responses[["person", "item"]])
    sheet.refuse(
        pd.Series(
            ~pd.MultiIndex.from_frame(sheet.table[["person", "item"]]).isin(answered), sheet.table.index
        ),
        "The person has no response to this item, so there is nothing to word otherwise.",
        "Delete the row, or add the response to the table of responses.",
    )
    table = sheet.table.assign(
        response_id=alternate_id(sheet.table["person"], sheet.table["item"], sheet.table["wording"])
    )
    there = {*dataset.alternates["response_id"], *_own_wording(dataset.responses)}
    sheet.refuse(
        table["response_id"].isin(there),
        "The response has the wording '{value}' already.",
        "Give the other wording a name of its own, or delete the row.",
        "wording",
    )
    new = table[list(RESPONSE_COLUMNS)].astype("str")
    return replace(dataset, alternates=pd.concat([dataset.alternates, new], ignore_index=True))


def _own_wording(responses: pd.DataFrame) -> pd.Series:
    return responses["response_id"] + "|" + responses["wording"]


def _responses(sheet: Sheet) -> pd.DataFrame:
    table = sheet.table
    wording = table["wording"].fillna("") if "wording" in table.columns else ""
    primary = table.assign(response_id=response_id(table["person"], table["item"]), wording=wording)
    return primary[list(RESPONSE_COLUMNS)].reset_index(drop=True).astype("str")


def _read_responses(path: Path, bank_scores: Mapping[str, tuple[int, ...]]) -> Sheet:
    sheet = read_sheet(path, ("person", "item", "response"))
    check_filled(sheet, ("person", "item"))
    check_identifiers(sheet, ("person", "item"))
    check_items(sheet, list(bank_scores))
    check_texts(sheet)
    check_unique(
        sheet,
        ("person", "item"),
        "Person '{person}' has more than one response to item '{item}'.",
        "Keep one row per person and item.",
    )
    check_response_ids(sheet)
    if "wording" in sheet.table.columns:
        named = sheet.table[sheet.table["wording"].notna()]
        check_identifiers(Sheet(path, named), ("wording",))
    return sheet


def _read_ratings(path: Path, answers: Sheet, bank_scores: Mapping[str, tuple[int, ...]]) -> pd.DataFrame:
    sheet = read_sheet(path, RATING_COLUMNS, {"rater": RATINGS_MEND, "score": RATINGS_MEND})
    check_filled(sheet, ("person", "item", "rater"))
    check_identifiers(sheet, ("rater",))
    check_levels(sheet, "rater")
    check_items(sheet, list(bank_scores))
    scores = read_scores(sheet, bank_scores)
    check_unique(
        sheet,
        ("person", "item", "rater"),
        "Rater '{rater}' has scored person '{person}' on item '{item}' more than once.",
        "Keep one row per person, item and rater; give a second scoring a rater name of its own.",
    )
    check_answered(sheet, pd.MultiIndex.from_frame(answers.table[["person", "item"]]))
    names = sheet.table[["person", "item", "rater"]].astype("str")
    return names.assign(score=scores)[list(RATING_COLUMNS)].reset_index(drop=True)


def _persons(answers: Sheet, path: Path | None) -> pd.DataFrame:
    """Table of persons from the attributes beside the responses and from the persons file."""
    names = [name for name in answers.table.columns if name not in RESPONSE_COLUMNS]
    check_attribute_names(answers, names)
    for name in names:
        check_levels(answers, name)
    attributes = {name: check_constant(answers, name) for name in names}
    ids = pd.Index(sorted(answers.table["person"].unique()), name="person", dtype="str")
    if path is not None:
        attributes |= _person_file(path, ids, answers, set(names))
    table = pd.DataFrame({name: values.reindex(ids) for name, values in attributes.items()}, index=ids)
    return table.astype("str").fillna("").reset_index()


def _person_file(path: Path, ids: pd.Index, answers: Sheet, taken: set[str]) -> dict[str, pd.Series]:
    sheet = read_sheet(path, ("person",))
    check_filled(sheet, ("person",))
    check_identifiers(sheet, ("person",))
    names = [name for name in sheet.table.columns if name != "person"]
    check_attribute_names(sheet, names)
    for name in names:
        if name in taken:
            raise DataError(
                f"Attribute '{name}' is in the responses table and in the persons table.",
                where=f"{path}, header",
                mend="Keep it in one of them.",
            )
        check_levels(sheet, name)
    check_unique(sheet, ("person",), "Person '{person}' has more than one row.", "Keep one row per person.")
    answers.refuse(
        ~answers.table["person"].isin(sheet.table["person"]),
        f"Person '{{value}}' has no row in the persons table ({path.name}).",
        "Add the person there. Ids are compared as text: '7', '07' and '7.0' differ.",
        "person",
    )
    rows = sheet.table.set_index("person")
    return {name: rows[name] for name in names}
