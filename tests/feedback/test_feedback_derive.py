"""Score preferences and equivalences derived from scores and answers."""

from __future__ import annotations

import pandas as pd
import pytest

from psyalign.feedback import (
    Equivalence,
    ScorePreference,
    check_graph,
    equivalences_from_alternates,
    equivalences_from_matched_answers,
    from_panel,
    from_second_scoring,
    limit_records,
)
from psyalign.feedback.equivalences import content_words
from psyalign.foundation.errors import DataError

POINTS = {"i": (0, 1, 2), "j": (0, 1, 2, 3, 4)}


def scores(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["person", "item", "score"])


def test_second_scoring_gives_only_what_changed() -> None:
    first = scores(("b", "i", 0), ("a", "i", 1), ("a", "j", 3), ("c", "i", 2))
    second = scores(("a", "i", 2), ("b", "i", 0), ("a", "j", 1), ("d", "i", 2))
    assert from_second_scoring(first, second, rater="corrected") == [
        ScorePreference("i", "a|i", 2, 1, "corrected", "second_scoring"),
        ScorePreference("j", "a|j", 1, 3, "corrected", "second_scoring"),
    ]


def test_panel_gives_all_adjacent_pairs() -> None:
    """Panel score 3 on 0–4: 1 beats 0, 2 beats 1, 3 beats 2, and 3 beats 4."""
    records = from_panel(scores(("a", "j", 3)), POINTS, "panel", "panel")
    assert [(record.preferred, record.rejected) for record in records] == [(1, 0), (2, 1), (3, 2), (3, 4)]
    assert {record.response_id for record in records} == {"a|j"}


def test_panel_graphs_are_connected_and_free_of_cycles() -> None:
    records = from_panel(scores(*[(f"p{score}", "j", score) for score in range(5)]), POINTS)
    report = check_graph(records, POINTS)
    assert report.connected_share == 1
    assert report.cyclic_share == 0
    assert len(records) == 20


def test_scores_that_cannot_be_used() -> None:
    good = scores(("a", "i", 1))
    with pytest.raises(DataError, match="more than one score"):
        from_second_scoring(scores(("a", "i", 1), ("a", "i", 2)), good)
    for bad in (1.5, float("nan"), float("inf")):
        with pytest.raises(DataError, match="whole number"):
            from_panel(scores(("a", "i", bad)), POINTS)
    with pytest.raises(DataError, match="no score point"):
        from_panel(scores(("a", "i", 3)), POINTS)
    with pytest.raises(DataError, match="no item 'k'"):
        from_panel(scores(("a", "k", 1)), POINTS)
    with pytest.raises(DataError, match="Column 'score' is missing"):
        from_panel(good.drop(columns="score"), POINTS)


def test_limit_keeps_a_response_whole_and_ignores_the_order() -> None:
    records = from_panel(scores(*[(f"p{number}", "j", number % 5) for number in range(40)]), POINTS)
    kept = limit_records(records, 10, seed=5)
    assert len(kept) == 40
    assert check_graph(kept, POINTS).connected_share == 1
    assert set(limit_records(records[::-1], 10, seed=5)) == set(kept)
    assert set(limit_records(records, 10, seed=6)) != set(kept)
    assert set(limit_records(records, 9, seed=5)) < set(kept)
    assert limit_records(records, 40, seed=5) == records
    pairs = [Equivalence("i", f"{n}|i", f"{n}|i|everyday", True, "r", "s") for n in range(9)]
    assert len(limit_records(pairs, 4, seed=1)) == 4


RESPONSES = pd.DataFrame(
    {
        "response_id": ["a|i", "b|i", "a|j"],
        "person": ["a", "b", "a"],
        "item": ["i", "i", "j"],
    }
)


def test_alternates() -> None:
    alternates = pd.DataFrame(
        {
            "response_id": ["b|i|everyday", "a|i|plain", "a|i|everyday", "z|i|everyday"],
            "person": ["b", "a", "a", "z"],
            "item": "i",
        }
    )
    assert equivalences_from_alternates(RESPONSES, alternates, "panel", "alternates") == [
        Equivalence("i", "a|i", "a|i|everyday", True, "panel", "alternates"),
        Equivalence("i", "a|i", "a|i|plain", True, "panel", "alternates"),
        Equivalence("i", "b|i", "b|i|everyday", True, "panel", "alternates"),
    ]
    assert equivalences_from_alternates(RESPONSES, alternates.iloc[:0]) == []


def matched(
    rows: list[tuple[str, str, str, int]], attribute: str | None = "group", shuffle: bool = False
) -> list[tuple[str, str]]:
    """Rows are person, group, answer, score; all to item i."""
    table = pd.DataFrame(rows, columns=["person", "group", "response", "score"]).assign(item="i")
    if shuffle:
        table = table.iloc[::-1]
    table["response_id"] = table["person"] + "|i"
    found = equivalences_from_matched_answers(
        table[["response_id", "person", "item", "response"]],
        table[["person", "item", "score"]],
        table[["person", "group"]],
        attribute,
    )
    assert all(record.same for record in found)
    return [(record.response_a[0], record.response_b[0]) for record in found]


def test_matched_answers_say_the_same_in_other_words() -> None:
    rows = [
        ("a", "boy", "Because he thought it was a snake", 2),
        ("b", "girl", "He thought that the scarf is a snake", 2),
        ("c", "girl", "he thought it was the snake, because", 2),
        ("d", "girl", "because he thought it was a snake", 1),  # another score
        ("e", "girl", "because he did n't think it was a snake", 2),  # not
        ("f", "boy", "because he thought it a snake", 2),  # same group as a
    ]
    assert matched(rows) == [("a", "c")]
    assert matched(rows, shuffle=True) == [("a", "c")]


def test_matched_answers_differ_and_are_used_once() -> None:
    rows = [
        ("a", "boy", "they were hiding", 1),
        ("b", "girl", "They were hiding!", 1),  # the same words: teaches nothing
        ("c", "girl", "hiding", 1),  # too little content
    ]
    assert matched(rows) == []
    rows = [
        ("a", "boy", "they hid in the house", 1),
        ("b", "girl", "they hid in a house", 1),
        ("c", "girl", "they hid at a house", 1),
        ("d", "boy", "hid at the house", 1),
    ]
    assert matched(rows) == [("a", "b"), ("c", "d")]


def test_matched_answers_without_a_known_group() -> None:
    rows = [("a", "boy", "they hid in the house", 1), ("b", "boy", "they hid in a house", 1)]
    assert matched(rows) == []
    assert matched(rows, attribute=None) == [("a", "b")]
    rows[1] = ("b", "", "they hid in a house", 1)
    assert matched(rows) == [("a", "b")]


def test_content_words() -> None:
    assert content_words("He did n't know!") == content_words("she didn't know") == {"not", "know"}
    assert content_words("cos they walked") == {"becaus", "walk"} == content_words("because she walks")
    assert content_words("walks") == content_words("walking") == {"walk"}
    assert content_words("") == frozenset()
