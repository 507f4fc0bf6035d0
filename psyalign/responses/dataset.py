"""The tables of a study, held together: responses, their other wordings, ratings, persons."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import pandas as pd

__all__ = [
    "ORIGIN_PLANTED",
    "ORIGIN_REAL",
    "ORIGIN_SIMULATED",
    "RATING_COLUMNS",
    "RESPONSE_COLUMNS",
    "Dataset",
    "alternate_id",
    "empty_alternates",
    "response_id",
]

ORIGIN_REAL = "real"
ORIGIN_SIMULATED = "simulated"
ORIGIN_PLANTED = "real answers, planted bias"

RESPONSE_COLUMNS = ("response_id", "person", "item", "wording", "response")
RATING_COLUMNS = ("person", "item", "rater", "score")


def response_id(person: pd.Series, item: pd.Series) -> pd.Series:
    """Ids of primary responses, ``person|item``, one per row."""
    return person.astype("str") + "|" + item.astype("str")


def alternate_id(person: pd.Series, item: pd.Series, wording: pd.Series) -> pd.Series:
    """Ids of other wordings of a response, ``person|item|wording``, one per row."""
    return response_id(person, item) + "|" + wording.astype("str")


def empty_alternates() -> pd.DataFrame:
    """A table of alternates without rows, every column of type str."""
    return pd.DataFrame({name: pd.Series([], dtype="str") for name in RESPONSE_COLUMNS})


@dataclass(frozen=True)
class Dataset:
    """What a study knows about its people before any scorer is trained.

    Attributes
    ----------
    responses : DataFrame
        Columns response_id, person, item, wording, response; one row per person × item.
        `response_id` is ``person|item``; `wording` is "" where it is not known.
    alternates : DataFrame
        Same columns: the same answers in another wording, with ids
        ``person|item|wording``. May have no rows.
    ratings : DataFrame
        Columns person, item, rater, score (int64); at most one row per person × item × rater.
    persons : DataFrame
        Column person and one text column per attribute; one row per person; missing
        attribute values are "".
    origin : str
        "real", "simulated" or "real answers, planted bias".
    notice : str
        A sentence that every report must print; "" for real data.
    """

    responses: pd.DataFrame
    alternates: pd.DataFrame
    ratings: pd.DataFrame
    persons: pd.DataFrame
    origin: str = ORIGIN_REAL
    notice: str = ""

    @property
    def items(self) -> list[str]:
        """Ids of the items that have responses, sorted."""
        return sorted(self.responses["item"].unique())

    @property
    def raters(self) -> list[str]:
        """Names of the raters, sorted."""
        return sorted(self.ratings["rater"].unique())

    @property
    def attributes(self) -> list[str]:
        """Names of the person attributes, in the table's order."""
        return [str(name) for name in self.persons.columns if name != "person"]

    @property
    def missing_responses(self) -> int:
        """Number of person × item combinations without a response."""
        return len(self.persons) * len(self.items) - len(self.responses)

    def keep_items(self, items: Collection[str]) -> Dataset:
        """The same data for some of the items, and for the persons with a response to one of them."""
        responses, alternates, ratings = (
            table[table["item"].isin(list(items))].reset_index(drop=True)
            for table in (self.responses, self.alternates, self.ratings)
        )
        persons = self.persons[self.persons["person"].isin(responses["person"])].reset_index(drop=True)
        return replace(self, responses=responses, alternates=alternates, ratings=ratings, persons=persons)

    def counts(self) -> Mapping[str, int]:
        """Numbers of persons, items, responses, missing responses, alternates, raters, ratings."""
        return {
            "persons": len(self.persons),
            "items": len(self.items),
            "responses": len(self.responses),
            "missing_responses": self.missing_responses,
            "alternates": len(self.alternates),
            "raters": len(self.raters),
            "ratings": len(self.ratings),
        }

    def __repr__(self) -> str:
        counts = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in self.counts().items())
        return f"Dataset({self.origin}: {counts})"
