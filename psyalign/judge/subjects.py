"""Which responses, and which pairs of them, a judge is asked about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, pairwise

import pandas as pd

from psyalign.feedback.equivalences import content_words
from psyalign.foundation.errors import DataError
from psyalign.foundation.seeds import unit_interval
from psyalign.foundation.tables import require_columns
from psyalign.items import Item

__all__ = ["Subjects", "choose_subjects"]

COLUMNS = ("response_id", "person", "item", "response", "primary")


@dataclass(frozen=True)
class Subjects:
    """What is judged.

    Attributes
    ----------
    items : mapping of str to Item
    texts : DataFrame
        Chosen primary responses and all other wordings of them, columns response_id, person, item, wording,
        response, primary.
    seed : int
    """

    items: Mapping[str, Item]
    texts: pd.DataFrame
    seed: int

    @property
    def responses(self) -> list[tuple[str, str]]:
        """Ids and items of the chosen primary responses, in the order of choice."""
        primary = self.texts[self.texts["primary"]]
        return list(primary[["response_id", "item"]].itertuples(index=False, name=None))

    def text(self, response: str) -> str:
        """A response's text."""
        return self._by_id[response]

    @cached_property
    def _by_id(self) -> dict[str, str]:
        return dict(zip(self.texts["response_id"], self.texts["response"], strict=True))

    def chains(self) -> list[tuple[str, str, str]]:
        """Item and two responses: neighbours in the order of choice, so that an item's responses connect."""
        by_item: dict[str, list[str]] = {}
        for response, item in self.responses:
            by_item.setdefault(item, []).append(response)
        return [(item, a, b) for item, found in by_item.items() for a, b in pairwise(found)]

    def likely_same(self) -> list[tuple[str, str, str]]:
        """Item and two responses that may show one intention.

        Each response with its other wordings, and responses of two persons by the share of content words
        that they have in common (Jaccard), each in at most one pair.
        """
        return [*self._wordings(), *self._alike()]

    def _wordings(self) -> Iterator[tuple[str, str, str]]:
        primary, other = (self.texts[self.texts["primary"] == flag] for flag in (True, False))
        both = primary.merge(other, on=["person", "item"], suffixes=("_a", "_b"))
        yield from both[["item", "response_id_a", "response_id_b"]].itertuples(index=False, name=None)

    def _alike(self) -> Iterator[tuple[str, str, str]]:
        by_item: dict[str, list[str]] = {}
        for response, item in self.responses:
            by_item.setdefault(item, []).append(response)
        texts = self._by_id
        for item, found in by_item.items():
            words = {response: content_words(texts[response]) for response in found}
            ranked = [
                (len(words[a] & words[b]) / len(words[a] | words[b]), a, b)
                for a, b in combinations(found, 2)
                if words[a] & words[b] and texts[a].split() != texts[b].split()
            ]
            used: set[str] = set()
            for _, a, b in sorted(ranked, key=lambda entry: (-entry[0], entry[1], entry[2])):
                if not {a, b} & used:
                    used |= {a, b}
                    yield item, a, b


def choose_subjects(
    items: Mapping[str, Item], texts: pd.DataFrame, max_responses: int, seed: int
) -> Subjects:
    """At most `max_responses` primary responses, items in turns, within an item by hash.

    Parameters
    ----------
    items : mapping of str to Item
    texts : DataFrame
        Columns response_id, person, item, response, primary; the persons whose responses may be judged, which
        are the feedback persons and never the audit persons.
    max_responses : int
    seed : int
        With the ids, all that the choice depends on.

    Raises
    ------
    DataError
        There is no response, or one is to an item that is not in `items`.
    """
    require_columns(texts, COLUMNS, "texts")
    table = texts[texts["primary"]].copy()
    unknown = ~table["item"].isin(list(items))
    if unknown.any() or not len(table):
        raise DataError(
            "There is no response to judge." if not len(table) else "A response is to an unknown item.",
            where="[split] feedback",
            mend="Raise [split] feedback, or check [items].",
        )
    table["place"] = [unit_interval(seed, "judge", name) for name in table["response_id"]]
    table = table.sort_values(["place", "response_id"])
    table["turn"] = table.groupby("item").cumcount()
    chosen = table.sort_values(["turn", "place", "response_id"]).iloc[:max_responses]
    keys = set(zip(chosen["person"], chosen["item"], strict=True))
    pairs = zip(texts["person"], texts["item"], strict=True)
    chosen_too = pd.Series([pair in keys for pair in pairs], index=texts.index)
    other = texts[chosen_too & ~texts["primary"]]
    found = pd.concat([chosen[list(texts.columns)], other], ignore_index=True)
    return Subjects(dict(items), found, seed)
