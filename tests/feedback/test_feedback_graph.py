"""Preference graphs: connected or not, cycles, references to what is not there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from psyalign.feedback import Equivalence, Rating, Record, ScorePreference, check_graph, check_records
from psyalign.foundation.errors import DataError

POINTS = {"i": (0, 1, 2, 3, 4)}
ALL = pd.DataFrame({"response_id": ["a|i", "b|i", "b|i|everyday", "c|j"], "item": ["i", "i", "i", "j"]})


def preferences(*pairs: tuple[int, int], response: str = "a|i") -> list[Record]:
    return [ScorePreference("i", response, preferred, rejected, "r", "s") for preferred, rejected in pairs]


def test_connected_without_cycles() -> None:
    report = check_graph(preferences((1, 0), (2, 1), (2, 3), (3, 4)), POINTS, ALL)
    row = report.table.iloc[0]
    assert (row["pairs"], row["components"], row["connected"], row["cyclic"]) == (4, 1, True, False)
    assert "connected and free of cycles" in report.note
    report.require_connected("feedback.jsonl")


def test_free_of_cycles_but_disconnected() -> None:
    report = check_graph(preferences((1, 0), (2, 1), (4, 3)), POINTS)
    assert report.table["components"].tolist() == [2]
    assert report.disconnected_share == 1
    assert report.cyclic_share == 0
    assert "incomparable" in report.note
    with pytest.raises(DataError, match=r"1 of 1 responses .* 'a\|i', in 2 parts") as caught:
        report.require_connected("feedback.jsonl")
    assert caught.value.where == "feedback.jsonl"
    assert "adjacent pairs" in str(caught.value.mend)


def test_cycles() -> None:
    assert check_graph(preferences((1, 0), (2, 1), (0, 2)), POINTS).cyclic_share == 1
    assert check_graph(preferences((1, 0), (0, 1)), POINTS).cyclic_share == 1
    assert check_graph(preferences((1, 0), (1, 0)), POINTS).cyclic_share == 0
    assert "contradictory" in check_graph(preferences((1, 0), (0, 1)), POINTS).note


def test_shares_over_responses() -> None:
    whole = preferences((1, 0), (2, 1), (3, 2), (4, 3))
    report = check_graph([*whole, *preferences((1, 0), response="b|i")], POINTS)
    assert report.responses == 2
    assert report.connected_share == 0.5


def test_nothing_to_check() -> None:
    report = check_graph([], POINTS)
    assert report.responses == 0
    assert np.isnan(report.connected_share)
    assert report.note == "No score preferences."
    report.require_connected("")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(lambda p: p[0] != p[1]), min_size=1))
def test_graph_against_scipy(pairs: list[tuple[int, int]]) -> None:
    """Components are scipy's weak ones; a graph is cyclic when a strong one has several points."""
    first, second = zip(*pairs, strict=True)
    matrix = coo_array((np.ones(len(pairs)), (first, second)), shape=(5, 5)).tocsr()
    weak = connected_components(matrix, connection="weak")[0]
    strong = connected_components(matrix, connection="strong")[0]
    row = check_graph(preferences(*pairs), POINTS).table.iloc[0]
    assert row["components"] == weak
    assert row["cyclic"] == (strong < 5)


WRONG: list[tuple[Record, str]] = [
    (ScorePreference("k", "a|i", 1, 0, "r", "s"), "no item 'k'"),
    (ScorePreference("i", "a|i", 5, 4, "r", "s"), "Score 5 is no score point"),
    (Rating("i", "a|i", -1, "r", "s"), "Score -1 is no score point"),
    (ScorePreference("i", "z|i", 1, 0, "r", "s"), "no response 'z|i'"),
    (Equivalence("i", "b|i", "b|i|formal", True, "r", "s"), "no response 'b|i|formal'"),
    (Equivalence("i", "b|i", "c|j", True, "r", "s"), "answers item 'j', the record says 'i'"),
]


@pytest.mark.parametrize(("record", "message"), WRONG, ids=[row[1] for row in WRONG])
def test_records_that_refer_to_nothing(record: Record, message: str) -> None:
    good = Equivalence("i", "b|i", "b|i|everyday", True, "r", "s")
    with pytest.raises(DataError) as caught:
        check_records([good, record], POINTS, ALL)
    assert message in caught.value.message
    assert caught.value.where == f"feedback record 2 ({record.kind})"
    check_records([good], POINTS, ALL)
