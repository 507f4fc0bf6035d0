"""What can be wrong with a table of responses, ratings or persons, one check a function.

Every check raises DataError for the first row that fails it, with the row as a spreadsheet
counts it and what mends it, and says how many other rows fail too. Response text is never
shown: it is personal data.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import pandas as pd

from psyalign.foundation.errors import DataError
from psyalign.responses.sheet import MISSING_MARKS, Sheet

__all__ = [
    "check_answered",
    "check_attribute_names",
    "check_constant",
    "check_filled",
    "check_identifiers",
    "check_items",
    "check_levels",
    "check_response_ids",
    "check_texts",
    "check_unique",
    "read_scores",
]

# What a spreadsheet leaves where it took a text for a formula
SPREADSHEET_ERRORS = ("#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!", "#ERROR!")
RESERVED = ("item", "response", "response_id", "wording", "rater", "score", "split")
FEW_LEVELS = 20


def check_filled(sheet: Sheet, columns: Sequence[str]) -> None:
    """Every row has a value in every one of `columns`."""
    for column in columns:
        sheet.refuse(
            sheet.table[column].isna(),
            f"The cell of '{column}' is empty.",
            "Fill it in or delete the row.",
            column,
        )


def check_identifiers(sheet: Sheet, columns: Sequence[str]) -> None:
    """Names and ids survive being joined by '|' and were not rounded by a spreadsheet."""
    for column in columns:
        cells = sheet.table[column].astype("str")
        sheet.refuse(
            cells.str.contains("|", regex=False) | cells.str.contains(r"[\x00-\x1f\x7f]"),
            f"'{column}' holds '|', a line break or a control character.",
            "Use letters, digits, '-', '_' and '.' in ids; psyalign joins them by '|'.",
            column,
        )
        sheet.refuse(
            cells.str.fullmatch(r"\d([.,]\d+)?E\+\d+"),
            f"'{column}' is '{{value}}', a long number that a spreadsheet has rounded.",
            "Export the table again from its source with this column as text.",
            column,
        )


def check_items(sheet: Sheet, known: Sequence[str]) -> None:
    """Every item is in the item bank."""
    unknown = ~sheet.table["item"].isin(list(known))
    if not unknown.any():
        return
    name = str(sheet.table.loc[unknown, "item"].iloc[0])
    lowered = {item.lower(): item for item in known}
    near = difflib.get_close_matches(name.lower().replace("_", "-").replace(" ", "-"), lowered, n=1)
    guess = f"Did you mean '{lowered[near[0]]}'? " if near else ""
    sheet.refuse(
        unknown,
        "Item '{value}' is not in the item bank.",
        f"{guess}The bank has: {', '.join(known)}.",
        "item",
    )


def check_texts(sheet: Sheet) -> None:
    """Every response has text that is the person's own."""
    cells = sheet.table["response"]
    visible = cells.fillna("").str.replace(r"[\s\u200b-\u200d\u2060\ufeff\x00-\x1f]", "", regex=True)
    sheet.refuse(
        visible == "",
        "The response is empty.",
        "Delete the row: a missing answer needs none, and is counted. If 'no answer' is to be scored, "
        "write a word for it.",
        "response",
    )
    sheet.refuse(
        cells.str.strip().isin(MISSING_MARKS),
        "The response is the mark of a missing value.",
        "Delete the row if the answer is missing; if the person wrote these letters, add a full stop.",
        "response",
    )
    sheet.refuse(
        cells.str.strip().isin(SPREADSHEET_ERRORS),
        "The response is the error code of a spreadsheet that took the text for a formula.",
        "Take the response from its source again and import the column as text.",
        "response",
    )
    sheet.refuse(
        cells.str.contains("\ufffd", regex=False),
        "The response holds U+FFFD, the sign for characters lost in a change of encoding.",
        "Export the table again from its source with encoding UTF-8.",
        "response",
    )


def check_unique(sheet: Sheet, columns: Sequence[str], message: str, mend: str) -> None:
    """No two rows agree in all `columns`; `message` may name the cells as ``{person}``."""
    repeated = sheet.table.duplicated(list(columns))
    if not repeated.any():
        return
    row = sheet.table.loc[repeated, list(columns)].iloc[0]
    same = (sheet.table[list(columns)] == row).all(axis=1)
    first = sheet.place(int(same.index[same.to_numpy()][0])).rsplit(", ", 1)[-1]
    sheet.refuse(
        repeated,
        f"{message.format(**{str(name): cell for name, cell in row.items()})} The first is in {first}.",
        mend,
    )


def check_response_ids(sheet: Sheet) -> None:
    """A column `response_id`, where there is one, holds ``person|item``."""
    if "response_id" not in sheet.table.columns:
        return
    expected = sheet.table["person"] + "|" + sheet.table["item"]
    sheet.refuse(
        sheet.table["response_id"].fillna("") != expected,
        "'response_id' is not 'person|item'.",
        "Delete the column: psyalign makes the ids itself.",
        "response_id",
    )


def check_attribute_names(sheet: Sheet, names: Sequence[str]) -> None:
    """No person attribute bears a name that psyalign's own tables use."""
    for name in names:
        if name in RESERVED:
            home = "the ratings table" if name in ("rater", "score") else "another table"
            raise DataError(
                f"Column '{name}' cannot be a person attribute.",
                where=f"{sheet.path}, header",
                mend=f"Rename it, or move it to {home} if that is what it is.",
            )


def check_constant(sheet: Sheet, attribute: str) -> pd.Series:
    """An attribute has one value per person; empty cells beside a value are no conflict.

    Returns
    -------
    Series
        The value of each person, indexed by person; missing where the person has none.
    """
    value = sheet.table.groupby("person", sort=False)[attribute].first()
    own = sheet.table["person"].map(value)
    sheet.refuse(
        sheet.table[attribute].notna() & (sheet.table[attribute] != own),
        f"'{attribute}' differs from an earlier row of the same person.",
        "Give a person one value in all rows; delete the column if it does not describe the person.",
        attribute,
    )
    return value


def check_levels(sheet: Sheet, column: str) -> None:
    """No two values of a column differ in upper and lower case only."""
    levels = pd.Series(sheet.table[column].dropna().unique(), dtype="str")
    clash = levels[levels.str.lower().duplicated(keep=False)]
    if clash.empty or len(levels) > FEW_LEVELS:
        return
    first = clash.iloc[0]
    other = clash[clash.str.lower() == first.lower()].iloc[1]
    sheet.refuse(
        sheet.table[column] == other,
        f"'{column}' is '{first}' in some rows and '{other}' in others.",
        "Write a level in one way.",
        column,
    )


def read_scores(sheet: Sheet, bank_scores: Mapping[str, tuple[int, ...]]) -> pd.Series:
    """Scores as int64; each is a whole number and a score point of its item's rubric."""
    cells = sheet.table["score"]
    sheet.refuse(
        cells.isna(), "The score is missing.", "Delete the row: a missing rating needs none.", "score"
    )
    number = pd.to_numeric(cells, errors="coerce")
    finite = number.notna() & (number.abs() < 2**31)
    sheet.refuse(
        ~finite, "The score '{value}' is not a number.", "Write scores as whole numbers: 0, 1, 2, …", "score"
    )
    sheet.refuse(
        number != number.round(),
        "The score '{value}' is not a whole number.",
        "Enter each rater's own score in a row of its own; psyalign makes the mean.",
        "score",
    )
    scores = number.astype("int64")
    points = {item: set(values) for item, values in bank_scores.items()}
    outside = pd.Series(
        [score not in points[item] for item, score in zip(sheet.table["item"], scores, strict=True)],
        index=scores.index,
    )
    if outside.any():
        _refuse_outside(sheet, outside, scores, bank_scores)
    return scores


def _refuse_outside(
    sheet: Sheet, outside: pd.Series, scores: pd.Series, bank_scores: Mapping[str, tuple[int, ...]]
) -> None:
    item = str(sheet.table.loc[outside, "item"].iloc[0])
    points = bank_scores[item]
    own = scores[sheet.table["item"] == item]
    mend = "Correct the score, or the rubric in the item bank."
    if own.min() == 1 and own.max() == len(points):
        mend = f"The scores of this item run from 1 to {len(points)}: subtract 1."
    sheet.refuse(
        outside,
        f"The score {{value}} is outside the rubric of '{item}' ({points[0]} to {points[-1]}).",
        mend,
        "score",
    )


def check_answered(sheet: Sheet, answered: pd.MultiIndex) -> None:
    """Every rating belongs to a response."""
    pairs = pd.MultiIndex.from_frame(sheet.table[["person", "item"]])
    bad = pd.Series(~pairs.isin(answered), index=sheet.table.index)
    if not bad.any():
        return
    row = sheet.table.loc[bad].iloc[0]
    sheet.refuse(
        bad,
        f"Person '{row['person']}' has a rating but no response for item '{row['item']}'.",
        "Add the response or delete the rating. Ids are compared as text: '7', '07' and '7.0' differ.",
    )
