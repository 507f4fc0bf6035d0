"""Files are whole or not there, and reading them fails with a message."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from psyalign.foundation.errors import DataError, ItemError
from psyalign.foundation.files import atomic_path, read_json, read_text, write_json, write_text


def test_a_failure_leaves_the_old_file_and_no_leftovers(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_text(path, "old")
    with pytest.raises(RuntimeError, match="disk full"), atomic_path(path) as temporary:
        temporary.write_text("half of the n", encoding="utf-8")
        raise RuntimeError("disk full")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_without_an_old_file_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "new.txt"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    write_text(path, "old")
    program = (
        "import os, sys; from pathlib import Path; from psyalign.foundation.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); os._exit(9)"
    )
    result = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert result.returncode == 9
    assert path.read_text(encoding="utf-8") == "old"


def test_writing_makes_the_folder_and_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "notes.txt"
    write_text(path, "one")
    write_text(path, "two\n")
    assert path.read_bytes() == b"two\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask for files")
def test_others_may_read_what_the_umask_lets_them(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "notes.txt", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "notes.txt").stat().st_mode & 0o777 == 0o640


def test_text_is_utf8_with_plain_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "t.txt", "naïve\nsecond")
    assert (tmp_path / "t.txt").read_bytes() == "naïve\nsecond".encode()


def test_byte_order_mark_is_not_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"\xef\xbb\xbfperson")
    assert read_text(tmp_path / "t.txt") == "person"


def test_missing_file_folder_and_other_encoding(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="File not found") as missing:
        read_text(tmp_path / "none.txt")
    assert missing.value.where == str(tmp_path / "none.txt")
    with pytest.raises(DataError, match="this is a folder"):
        read_text(tmp_path)
    (tmp_path / "latin.txt").write_bytes("naïve".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8") as encoding:
        read_text(tmp_path / "latin.txt")
    assert encoding.value.where is not None and encoding.value.where.endswith("byte 2")


def test_the_caller_chooses_the_error(tmp_path: Path) -> None:
    with pytest.raises(ItemError):
        read_text(tmp_path / "none.toml", error=ItemError)


def test_json_round_trip_with_sorted_keys(tmp_path: Path) -> None:
    value = {"b": [1, 2.5, None], "a": "naïve", "c": {"z": True}}
    write_json(tmp_path / "v.json", value)
    assert read_json(tmp_path / "v.json") == value
    text = (tmp_path / "v.json").read_text(encoding="utf-8")
    assert text.index('"a"') < text.index('"b"') < text.index('"c"')
    assert "naïve" in text and text.endswith("}\n")


def test_json_has_no_nan_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    write_json(path, {"old": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"new": float("nan")})
    assert read_json(path) == {"old": 1}


def test_broken_json_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text('{"a": 1,\n"b": }', encoding="utf-8")
    with pytest.raises(DataError, match="not valid JSON") as problem:
        read_json(tmp_path / "v.json")
    assert problem.value.where is not None and problem.value.where.endswith("line 2")
