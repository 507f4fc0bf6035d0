"""What two runs have in common: the responses that both scored, of persons whom both audited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from psyalign.report.comparison.sides import Rows, Side
from psyalign.report.load import Group

__all__ = ["MIN_PERSONS", "Common", "common_rows"]

# With fewer persons a percentile interval of their means is too narrow to be printed.
MIN_PERSONS = 20
# Above this share of changed human scores the two runs are judged by different criteria.
MOST_CHANGED = 0.05


@dataclass(frozen=True)
class Common:
    """Responses that were scored in both runs.

    Attributes
    ----------
    rows : DataFrame
        person, item, human, place_a, place_b (the row in each side's `Rows`): same person, item, text
        and human score in both. Empty if nothing is paired.
    human : DataFrame
        person, item, score: human scores that are the same in both runs, for matching; the texts may differ.
    groups : dict of str to Series
        By grouping: person -> "reference" or "focal", for persons who are in the same group in both runs.
    counts : dict of str to int
        Of persons and responses: in A, in B, in both, and why rows were left out.
    reason : str
        Why nothing is paired; "" if something is.
    """

    rows: pd.DataFrame
    human: pd.DataFrame
    groups: Mapping[str, pd.Series] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""

    @property
    def paired(self) -> bool:
        """Whether differences can be tested."""
        return not self.reason

    @property
    def n_persons(self) -> int:
        """Persons with a response in `rows`."""
        return int(self.rows["person"].nunique())

    @property
    def whole(self) -> bool:
        """Whether both runs audited these responses and no others."""
        n = len(self.rows)
        return self.paired and n == self.counts["responses_a"] == self.counts["responses_b"]


NOTHING = pd.DataFrame(columns=["person", "item", "human", "place_a", "place_b"])


def common_rows(a: Side, b: Side, groups: Sequence[Group]) -> Common:
    """Pair the responses of two runs; `Common.reason` says why not, where that cannot be done."""
    for side in (a, b):
        if side.rows is None:
            return _none(f"run {side.letter} does not hold its scores any more ({side.missing} is missing)")
    assert a.rows is not None and b.rows is not None
    counts = _counts(a.rows, b.rows)
    if _other_people(a, b):
        return _none(
            "each run simulated its persons anew, with another seed or other settings: persons of the same "
            "name are not the same",
            counts,
        )
    both = _merged(a.rows, b.rows)
    if both.empty:
        return _none("no person and item is in the audit part of both runs", counts)
    changed = both["human_a"] != both["human_b"]
    same_text = both["text_a"] == both["text_b"]
    counts |= {"other_human": int(changed.sum()), "other_text": int((~same_text & ~changed).sum())}
    if changed.mean() > MOST_CHANGED:
        return _none(
            f"the human scores differ on {int(changed.sum())} of {len(both)} responses: the runs are not "
            "judged by the same criterion",
            counts,
        )
    kept = both[~changed]
    human = kept[["person", "item", "human_a"]].rename(columns={"human_a": "score"}).reset_index(drop=True)
    rows = kept[same_text[~changed]].rename(columns={"human_a": "human"})
    rows = rows[list(NOTHING.columns)].reset_index(drop=True)
    counts |= {"responses": len(rows), "persons": int(rows["person"].nunique())}
    if counts["persons"] < MIN_PERSONS:
        return _none(
            f"only {counts['persons']} persons have responses that both runs audited with the same text and "
            f"human score; {MIN_PERSONS} are needed",
            counts,
        )
    found = {group.attribute: _members(a.rows, b.rows, group, rows["person"]) for group in groups}
    return Common(rows, human, found, counts)


def _none(reason: str, counts: Mapping[str, int] | None = None) -> Common:
    return Common(NOTHING, pd.DataFrame(columns=["person", "item", "score"]), {}, dict(counts or {}), reason)


def _other_people(a: Side, b: Side) -> bool:
    """Whether at least one run made up its persons, and not with the seed and settings of the other."""
    told = []
    for side in (a, b):
        manifest = side.tables.manifest
        source = manifest.setting("data", "source", default="files")
        seed = manifest.raw.get("study", {}).get("seed")
        told.append((source, manifest.setting("simulation"), seed if source == "simulate" else None))
    return "simulate" in (told[0][0], told[1][0]) and told[0] != told[1]


def _counts(a: Rows, b: Rows) -> dict[str, int]:
    people = [set(rows.responses["person"]) for rows in (a, b)]
    return {
        "responses_a": len(a.responses),
        "responses_b": len(b.responses),
        "persons_a": len(people[0]),
        "persons_b": len(people[1]),
        "persons_both": len(people[0] & people[1]),
    }


def _merged(a: Rows, b: Rows) -> pd.DataFrame:
    """Persons and items in both, in an order that does not hang on which run is called A."""
    sides = [
        rows.responses[["person", "item", "human", "text"]].assign(place=range(len(rows.responses)))
        for rows in (a, b)
    ]
    both = sides[0].merge(sides[1], on=["person", "item"], suffixes=("_a", "_b"), validate="one_to_one")
    return both.sort_values(["person", "item"], ignore_index=True)


def _members(a: Rows, b: Rows, group: Group, persons: pd.Series) -> pd.Series:
    """Group of the persons who are in the same one in both runs."""
    names = {group.reference: "reference", group.focal: "focal"}
    known = [rows.persons.set_index("person")[group.attribute].map(names) for rows in (a, b)]
    both = pd.DataFrame({"a": known[0], "b": known[1]}).reindex(pd.unique(persons))
    return both.loc[both["a"].notna() & (both["a"] == both["b"]), "a"].rename(group.attribute)
