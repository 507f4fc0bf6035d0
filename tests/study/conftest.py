"""A small study, and ways to read it with more lines or to be refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from psyalign.foundation.errors import StudyError
from psyalign.study import Study, load_study

# The tables that every study has; what a test is about comes after them.
HEAD = """
[study]
name = "small"
seed = 1
[items]
bank = "workplace-sjt"
[data]
source = "simulate"
[groups.variety]
reference = "standard"
focal = "everyday"
"""


def read(folder: Path, lines: str, *changes: str, head: str = HEAD) -> Study:
    """The study of `head` and `lines`, with keys changed as ``--set`` does."""
    (folder / "study.toml").write_text(f"{head}{lines}\n", encoding="utf-8")
    return load_study(folder, changes)


def assert_refused(folder: Path, lines: str, message: str, where: str, mend: str) -> None:
    """The study is refused with parts of a message, of a place and of advice."""
    with pytest.raises(StudyError) as caught:
        read(folder, lines)
    assert message in caught.value.message
    assert where in str(caught.value.where)
    assert mend in str(caught.value.mend)
    assert caught.value.exit_code == 2
