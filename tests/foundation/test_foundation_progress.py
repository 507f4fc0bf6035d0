"""Progress goes to stderr, so that stdout stays a clean result."""

from __future__ import annotations

import pytest

from psyalign.foundation.progress import progress_bar, say


def test_bar_and_lines_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(3, "score", "response") as bar:
        bar.update(3)
    say("done")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "score" in captured.err and "3/3" in captured.err and captured.err.endswith("done\n")
