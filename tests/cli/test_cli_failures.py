"""Exit codes, messages on stderr, tracebacks only on request, signals."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from psyalign.cli.failures import stop_on_sigterm
from psyalign.cli.main import app
from psyalign.cli.output import paint
from psyalign.foundation import errors

Invoke = Callable[..., Result]
SECRET = "a private sentence nobody may log"


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch, invoke: Invoke) -> Callable[..., Result]:
    """Run `items check` with a loader that raises what is given."""

    def run(problem: BaseException, *options: str) -> Result:
        def find_bank(name: str, base: Path) -> Path:
            raise problem

        monkeypatch.setattr("psyalign.items.find_bank", find_bank)
        return invoke(*options, "items", "check", "any")

    return run


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.GateMissed, 1),
        (errors.UsageError, 2),
        (errors.StudyError, 2),
        (errors.ModelError, 2),
        (errors.RunError, 2),
        (errors.DataError, 3),
        (errors.ItemError, 3),
        (errors.Interrupted, 4),
    ],
)
def test_expected_error(failing: Callable[..., Result], kind: type[errors.PsyalignError], code: int) -> None:
    result = failing(kind("It went wrong.", where="file.csv, row 3", mend="Mend it."))
    assert result.exit_code == code
    assert result.stdout == ""
    assert "It went wrong.\n  where: file.csv, row 3\n  mend:  Mend it.\n" in result.stderr
    assert "Traceback" not in result.stderr


def test_unexpected_error_is_our_bug_and_keeps_its_text_to_itself(failing: Callable[..., Result]) -> None:
    result = failing(ValueError(SECRET))
    assert result.exit_code == 70
    assert len(result.stderr.splitlines()) == 1
    assert "bug in psyalign: ValueError at psyalign/cli/items.py:" in result.stderr
    assert "--debug" in result.stderr
    assert SECRET not in result.output


def test_debug_shows_the_traceback(failing: Callable[..., Result]) -> None:
    result = failing(ValueError(SECRET), "--debug")
    assert result.exit_code == 70
    assert "Traceback (most recent call last)" in result.stderr
    assert f"ValueError: {SECRET}" in result.stderr
    expected = failing(errors.DataError("Wrong."), "--debug")
    assert expected.exit_code == 3
    assert "Traceback" in expected.stderr


def test_debug_by_environment(failing: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    failing(ValueError(SECRET))  # sets the loader that fails
    result = CliRunner().invoke(app, ["items", "check", "any"], env={"PSYALIGN_DEBUG": "1"})
    assert result.exit_code == 70
    assert SECRET in result.stderr


def test_refused_file_is_not_called_a_bug(failing: Callable[..., Result]) -> None:
    result = failing(PermissionError(13, "Permission denied", "/root/secret.csv"))
    assert result.exit_code == 2
    assert result.stderr == "error: Permission denied.\n  where: /root/secret.csv\n"


def test_ctrl_c(failing: Callable[..., Result]) -> None:
    result = failing(KeyboardInterrupt())
    assert result.exit_code == 130
    assert "goes on where it stopped" in result.stderr


def test_sigterm_is_an_interruption_and_the_handler_is_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(errors.Interrupted, match="SIGTERM"), stop_on_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    assert signal.getsignal(signal.SIGTERM) == before


def test_usage_errors_exit_2(invoke: Invoke) -> None:
    for arguments in (["nope"], ["items", "check"], ["dif", "a.csv"], ["--nope"]):
        result = invoke(*arguments)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert "Error: " in result.stderr


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert paint("error", "red", sys.stderr) == "\033[31merror\033[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("error", "red", sys.stderr) == "error"
    monkeypatch.setenv("NO_COLOR", "")  # no-color.org: an empty value does not count
    assert paint("error", "red", sys.stderr) != "error"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert paint("error", "red", sys.stderr) == "error"
