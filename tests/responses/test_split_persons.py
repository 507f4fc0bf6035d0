"""The split by person: fixed by seed and id, shares kept in every stratum and in total."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psyalign.foundation.errors import DataError, StudyError
from psyalign.responses import split_persons

SHARES = {"train": 0.6, "feedback": 0.15, "audit": 0.25}


def people(sizes: list[int]) -> pd.DataFrame:
    groups = [f"g{number}" for number, size in enumerate(sizes) for _ in range(size)]
    return pd.DataFrame(
        {"person": [f"p{number}" for number in range(len(groups))], "group": groups}, dtype="str"
    )


def test_every_person_once_in_the_shares() -> None:
    persons = people([100, 60, 40])
    table = split_persons(persons, SHARES, 7, ["group"])
    assert sorted(table["person"]) == sorted(persons["person"])
    counts = table.merge(persons).groupby(["group", "split"]).size()
    # 100: 60/15/25; 60: 36/9/15; 40: 24/6/10 are whole numbers
    assert counts.to_dict() == {
        ("g0", "train"): 60, ("g0", "feedback"): 15, ("g0", "audit"): 25,
        ("g1", "train"): 36, ("g1", "feedback"): 9, ("g1", "audit"): 15,
        ("g2", "train"): 24, ("g2", "feedback"): 6, ("g2", "audit"): 10,
    }  # fmt: skip


def test_row_order_and_index_do_not_matter() -> None:
    persons = people([31, 12])
    shuffled = persons.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(
        split_persons(persons, SHARES, 7, ["group"]), split_persons(shuffled, SHARES, 7, ["group"])
    )


def test_seed_matters() -> None:
    persons = people([80])
    assert not split_persons(persons, SHARES, 1, []).equals(split_persons(persons, SHARES, 2, []))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=12).filter(lambda sizes: sum(sizes) >= 12))
def test_shares_hold_within_strata_and_in_total(sizes: list[int]) -> None:
    persons = people(sizes)
    table = split_persons(persons, SHARES, 3, ["group"]).merge(persons)
    for name, share in SHARES.items():
        assert abs((table["split"] == name).sum() - share * len(persons)) < 2
        for number, size in enumerate(sizes):
            own = table[(table["group"] == f"g{number}") & (table["split"] == name)]
            assert abs(len(own) - share * size) < 1


def test_many_strata_of_one_keep_the_shares() -> None:
    table = split_persons(people([1] * 40), SHARES, 3, ["group"])
    assert table["split"].value_counts().to_dict() == {"train": 24, "audit": 10, "feedback": 6}


def test_a_split_may_be_left_out() -> None:
    table = split_persons(people([8]), {"train": 0.5, "feedback": 0.0, "audit": 0.5}, 1, [])
    assert table["split"].value_counts().to_dict() == {"train": 4, "audit": 4}


def test_thirds_lose_nobody() -> None:
    shares = {"train": 0.333333, "feedback": 0.333333, "audit": 0.333334}
    assert len(split_persons(people([3000]), shares, 1, [])) == 3000


@pytest.mark.parametrize("shares", [{"train": 0.6, "audit": 0.3}, {"train": 1.2, "audit": -0.2}])
def test_shares_that_do_not_fit(shares: dict[str, float]) -> None:
    with pytest.raises(StudyError, match="sum to 1"):
        split_persons(people([20]), shares, 1, [])


def test_unknown_attribute() -> None:
    with pytest.raises(StudyError, match="'gender', which no person has"):
        split_persons(people([20]), SHARES, 1, ["gender"])


def test_too_few_persons() -> None:
    with pytest.raises(DataError, match="gets no person"):
        split_persons(people([2]), SHARES, 1, [])
