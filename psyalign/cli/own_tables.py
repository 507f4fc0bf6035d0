"""What a user's own tables tell about a study that is to be made for them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.tables import read_table, require_columns
from psyalign.items.item import ITEM_ID

__all__ = ["Group", "OwnTables"]

NO_ATTRIBUTES = frozenset({"person", "item", "response", "response_id", "wording"})
MOST_LEVELS = 6  # a column with more values is a number or a date rather than a group
NO_DATA_LEVELS = ("men", "women")


@dataclass(frozen=True)
class Group:
    """An attribute and the two of its values that are compared; `comment` says why these."""

    attribute: str
    reference: str
    focal: str
    comment: str


@dataclass(frozen=True)
class OwnTables:
    """Paths of the user's tables, as far as there are any, and the attribute to compare.

    Raises
    ------
    UsageError
        Ratings or persons without responses.
    """

    responses: Path | None = None
    ratings: Path | None = None
    persons: Path | None = None
    attribute: str | None = None

    def __post_init__(self) -> None:
        if self.responses is None and (self.ratings or self.persons):
            raise UsageError(
                "Ratings and persons belong to responses.", mend="Give --responses too, or none of the three."
            )

    def items(self) -> dict[str, int | None]:
        """Ids of the items that have responses, sorted, and their highest score where there are ratings."""
        if self.responses is None:
            return {}
        found = sorted(_read(self.responses, ("person", "item", "response"))["item"].dropna().unique())
        for item in found:
            if not ITEM_ID.fullmatch(item):
                raise DataError(
                    f"The item '{item}' has a name that item files cannot have.",
                    where=f"{self.responses}, column item",
                    mend="Use letters, digits, '-', '_' and '.'; start with a letter or digit.",
                )
        highest = self._highest()
        return {item: highest.get(item) for item in found}

    def _highest(self) -> dict[str, int]:
        if self.ratings is None:
            return {}
        table = _read(self.ratings, ("person", "item", "rater", "score"))
        scores = pd.to_numeric(table["score"], errors="coerce").groupby(table["item"]).max().dropna()
        return {str(item): max(1, int(score)) for item, score in scores.items()}

    def raters(self) -> list[str]:
        """Names of the raters, sorted; none without ratings."""
        if self.ratings is None:
            return []
        table = _read(self.ratings, ("person", "item", "rater", "score"))
        return sorted(str(name) for name in table["rater"].dropna().unique())

    def group(self) -> Group:
        """The groups to compare: the two most frequent values of the attribute, the larger as reference."""
        table_path = self.persons or self.responses
        if table_path is None:
            return Group(
                self.attribute or "gender", *NO_DATA_LEVELS, "Write the values as they stand in your data."
            )
        table = _read(table_path, ("person",), self.attribute)
        attribute = self.attribute or _guess_attribute(table, table_path)
        require_columns(table, [attribute], table_path)
        persons = table.drop_duplicates("person")[attribute].dropna().astype("str")
        counts = persons.value_counts().sort_index().sort_values(ascending=False, kind="stable")
        if len(counts) < 2:
            raise DataError(
                f"All persons have the same value of '{attribute}'.",
                where=f"{table_path}, column {attribute}",
                mend="Name another attribute with --group: DIF compares two groups.",
            )
        listed = ", ".join(f"{value} ({count})" for value, count in counts.head(MOST_LEVELS).items())
        reference, focal = (str(value) for value in counts.index[:2])
        return Group(attribute, reference, focal, f"In your data: {listed}.")


def _read(path: Path, columns: tuple[str, ...], attribute: str | None = None) -> pd.DataFrame:
    text = ("person", "item", "rater", "response", *([attribute] if attribute else []))
    table = read_table(path, text_columns=text)
    require_columns(table, columns, path)
    return table


def _guess_attribute(table: pd.DataFrame, path: Path) -> str:
    """The first column with a few values."""
    for name in table.columns:
        if name not in NO_ATTRIBUTES and 2 <= table[name].nunique() <= MOST_LEVELS:
            return str(name)
    raise UsageError(
        "No column looks like a person attribute with groups to compare.",
        where=str(path),
        mend="Name one with --group; if it stands in a table of its own, give that with --persons.",
    )
