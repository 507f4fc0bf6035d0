"""Who trains the scorer, who gives feedback, who audits: a split by person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import floor

import pandas as pd

from psyalign.foundation.errors import DataError, StudyError
from psyalign.foundation.seeds import unit_interval

__all__ = ["split_persons"]


def split_persons(
    persons: pd.DataFrame, shares: Mapping[str, float], seed: int, stratify: Sequence[str]
) -> pd.DataFrame:
    """Assign each person to one split, in the given shares within every stratum.

    Within a stratum (persons with the same values of `stratify`) persons are ordered by a hash
    of seed and id, and every split gets its share, rounded down or up by less than one person.
    Which splits are rounded up is chosen so that the totals over strata keep the shares too,
    so no split, the audit included, falls short by more than rounding.

    Parameters
    ----------
    persons : DataFrame
        Column person and attribute columns.
    shares : mapping of str to float
        Share of each split, positive or 0, with sum 1, such as train .6, feedback .15, audit .25.
    seed : int
        Seed of the study.
    stratify : sequence of str
        Attributes whose combinations are the strata; may be empty.

    Returns
    -------
    DataFrame
        Columns person, split, sorted by person: the same for any order of the rows.

    Raises
    ------
    StudyError
        Shares are negative or do not sum to 1; an attribute does not exist.
    DataError
        A split with a positive share would get no person.
    """
    _check_shares(shares)
    whole = sum(shares.values())
    shares = {name: share / whole for name, share in shares.items()}
    for name in stratify:
        if name not in persons.columns:
            there = ", ".join(str(column) for column in persons.columns if column != "person") or "none"
            raise StudyError(
                f"The split is stratified by '{name}', which no person has.",
                where="[split] stratify",
                mend=f"Attributes there: {there}.",
            )
    order = sorted((unit_interval(seed, "split", person), str(person)) for person in persons["person"])
    strata = _strata(persons, stratify)
    members: dict[tuple[str, ...], list[str]] = {key: [] for key in sorted(set(strata.values()))}
    for _, person in order:
        members[strata[person]].append(person)
    owed = dict.fromkeys(shares, 0.0)
    assigned: dict[str, str] = {}
    for people in members.values():
        start = 0
        for name, number in _seats(len(people), shares, owed).items():
            assigned |= dict.fromkeys(people[start : start + number], name)
            start += number
    _check_filled(assigned, shares)
    table = pd.DataFrame({"person": sorted(assigned)}, dtype="str")
    return table.assign(split=table["person"].map(assigned).astype("str"))


def _strata(persons: pd.DataFrame, stratify: Sequence[str]) -> dict[str, tuple[str, ...]]:
    values = persons[list(stratify)].fillna("").astype("str").itertuples(index=False, name=None)
    return {str(person): tuple(row) for person, row in zip(persons["person"], values, strict=True)}


def _seats(number: int, shares: Mapping[str, float], owed: dict[str, float]) -> dict[str, int]:
    """Persons of one stratum per split; `owed` carries the rounding to the next stratum."""
    # the tiny term keeps 0.15 * 20 from being 2 because of binary fractions
    seats = {name: floor(share * number + 1e-9) for name, share in shares.items()}
    for name, share in shares.items():
        owed[name] += share * number - seats[name]
    left = number - sum(seats.values())
    fractional = [name for name, share in shares.items() if share * number - seats[name] > 1e-9]
    # among equals the audit comes first: it carries every claim of a report
    ranked = sorted(fractional, key=lambda name: (-round(owed[name], 9), name != "audit", name))
    for name in ranked[:left]:
        seats[name] += 1
        owed[name] -= 1
    return seats


def _check_shares(shares: Mapping[str, float]) -> None:
    if any(share < 0 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        listed = ", ".join(f"{name} {share:g}" for name, share in shares.items())
        raise StudyError(
            f"The shares of the splits must be 0 or more and sum to 1; they are {listed}.",
            where="[split]",
            mend="Take, for example, train 0.6, feedback 0.15, audit 0.25.",
        )


def _check_filled(assigned: Mapping[str, str], shares: Mapping[str, float]) -> None:
    for name, share in shares.items():
        if share > 0 and name not in assigned.values():
            raise DataError(
                f"Split '{name}' gets no person: there are only {len(assigned)} persons.",
                where="[split]",
                mend="Add persons or give the split a larger share.",
            )
