"""Hashes name contents; equal contents have equal names for ever."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from psyalign.foundation.hashing import hash_file, hash_json, hash_texts


def test_file_of_more_than_one_block(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "weights").write_bytes(content)
    assert hash_file(tmp_path / "weights") == hashlib.sha256(content).hexdigest()


def test_json_does_not_depend_on_the_order_of_keys() -> None:
    assert hash_json({"b": 1, "a": [1.5, None, "é"]}) == hash_json({"a": [1.5, None, "é"], "b": 1})
    assert hash_json([1, 2]) != hash_json([2, 1])


def test_values_do_not_change_silently() -> None:
    """SHA-256 of `{"a":[1.5,null,"é"],"b":1}` and of `2:ab1:c`."""
    assert hash_json({"b": 1, "a": [1.5, None, "é"]}) == (
        "10c71012fb391fead6e4d481b11c8b16696561c1fd93a68cca35fa194c3aa97d"
    )
    assert hash_texts(["ab", "c"]) == "430fb1b4ac43316eca81fab27a1930ab8eff8fef6a1dc7903dce44bbc2790dc5"


def test_borders_count() -> None:
    together = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["", "abc"], ["2:ab1:c"], ["ab1:c"], []]
    assert len({hash_texts(texts) for texts in together}) == len(together)


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_texts_are_told_apart(first: list[str], second: list[str]) -> None:
    assert (hash_texts(first) == hash_texts(second)) == (first == second)
