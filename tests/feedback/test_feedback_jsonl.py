"""Feedback records on disk: exact round trip, one clear error a bad line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from psyalign.feedback import (
    Equivalence,
    Rating,
    Record,
    ResponsePreference,
    ScorePreference,
    equivalence_table,
    preference_table,
    rating_table,
    read_records,
    write_records,
)
from psyalign.foundation.errors import DataError

RECORDS: list[Record] = [
    ScorePreference("late-report", "p1|late-report", 3, 2, "ann", "panel"),
    ResponsePreference("late-report", "p1|late-report", "p2|late-report", "tie", "ann", "panel"),
    Equivalence("late-report", "p1|late-report", "p1|late-report|everyday", True, "bo", "alternates"),
    Equivalence("late-report", "p1|late-report", "p2|late-report", False, "bo", "panel"),
    Rating("late-report", "p1|late-report", 4, "cy", "panel"),
]
GOOD = {
    "kind": "score_preference",
    "item": "i",
    "response_id": "p|i",
    "preferred": 1,
    "rejected": 0,
    "rater": "r",
    "source": "s",
}
# any text that UTF-8 can hold: no lone surrogates
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def test_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "feedback.jsonl"
    write_records(path, RECORDS)
    assert read_records(path) == RECORDS
    first = json.loads(path.read_text(encoding="utf-8").split("\n")[0])
    assert next(iter(first)) == "kind"
    assert first["kind"] == "score_preference"


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXT, TEXT, TEXT, TEXT, st.integers(0, 9)), max_size=4))
def test_round_trip_of_any_text(tmp_path: Path, parts: list[tuple[str, str, str, str, int]]) -> None:
    path = tmp_path / "feedback.jsonl"
    records = [Rating(item, response, score, rater, source) for item, response, rater, source, score in parts]
    write_records(path, records)
    assert read_records(path) == records


def test_blank_lines_are_skipped_and_no_records_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "feedback.jsonl"
    path.write_text("\n" + json.dumps(GOOD) + "\n\n", encoding="utf-8")
    assert len(read_records(path)) == 1
    write_records(path, [])
    assert read_records(path) == []


BAD: list[tuple[str, dict[str, Any] | str, str, str]] = [
    ("not json", "{'kind': 1}", "not valid JSON", "one JSON object"),
    ("a list", "[1]", "not a JSON object", ""),
    ("no kind", {"kind": None}, "has no kind", "score_preference"),
    ("misspelt kind", {"kind": "score_preferense"}, "Unknown kind", "'score_preference'"),
    ("unknown key", {"prefered": 2}, "no key 'prefered'", "'preferred'"),
    ("text as score", {"preferred": "1"}, "'preferred' must be a whole number", ""),
    ("true as score", {"preferred": True}, "'preferred' must be a whole number", ""),
    ("half a score", {"preferred": 0.5}, "'preferred' must be a whole number", ""),
    ("empty rater", {"rater": ""}, "'rater' must be text", ""),
    ("number as id", {"response_id": 7}, "'response_id' must be text", ""),
    ("same score", {"preferred": 0}, "are the same", "two different score points"),
]


@pytest.mark.parametrize(("name", "change", "message", "mend"), BAD, ids=[row[0] for row in BAD])
def test_bad_line(tmp_path: Path, name: str, change: dict[str, Any] | str, message: str, mend: str) -> None:
    path = tmp_path / "feedback.jsonl"
    line = change if isinstance(change, str) else json.dumps({**GOOD, **change})
    path.write_text(json.dumps(GOOD) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_records(path)
    assert message in caught.value.message
    assert mend in str(caught.value.mend)
    assert caught.value.where == f"{path}, line 2"
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("missing", [key for key in GOOD if key != "kind"])
def test_missing_key(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "feedback.jsonl"
    path.write_text(
        json.dumps({key: value for key, value in GOOD.items() if key != missing}), encoding="utf-8"
    )
    with pytest.raises(DataError, match=f"'{missing}' is missing"):
        read_records(path)


def test_values_of_pairs(tmp_path: Path) -> None:
    path = tmp_path / "feedback.jsonl"
    pair = {"item": "i", "response_a": "a", "response_b": "b", "rater": "r", "source": "s"}
    for change, message in (
        ({"kind": "equivalence", "same": 1}, "true or false"),
        ({"kind": "response_preference", "preferred": "c"}, '"tie"'),
        ({"kind": "equivalence", "same": True, "response_b": "a"}, "are the same"),
    ):
        path.write_text(json.dumps({**pair, **change}), encoding="utf-8")
        with pytest.raises(DataError, match=message):
            read_records(path)


def test_tables_take_their_kind_and_keep_their_types_without_rows() -> None:
    assert len(preference_table(RECORDS)) == 1
    assert len(equivalence_table(RECORDS)) == 2
    assert rating_table(RECORDS)["score"].tolist() == [4]
    for table in (preference_table, equivalence_table, rating_table):
        assert table([]).dtypes.equals(table(RECORDS).dtypes)
    assert equivalence_table([])["same"].dtype == bool
