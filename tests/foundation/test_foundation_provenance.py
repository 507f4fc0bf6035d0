"""What a run says of the software and the machine it was made with."""

from __future__ import annotations

import json
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

import psyalign
from psyalign.foundation import provenance as module
from psyalign.foundation.provenance import provenance
from psyalign.foundation.shipped import shipped_folder


def test_versions_and_platform() -> None:
    facts = json.loads(json.dumps(provenance()))  # a manifest must be able to hold it
    assert facts.keys() == {"psyalign", "python", "platform", "packages", "commit"}
    assert facts["psyalign"] == psyalign.__version__
    assert facts["python"] == platform.python_version()
    assert facts["packages"]["numpy"] == metadata.version("numpy")
    assert facts["commit"] is None or re.fullmatch(r"[0-9a-f]{40}(\+changes)?", facts["commit"])


def test_a_package_that_is_missing_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACKAGES", ("numpy", "surely-not-installed"))
    assert provenance()["packages"] == {"numpy": metadata.version("numpy"), "surely-not-installed": None}


def test_a_wheel_has_no_commit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "__file__", str(tmp_path / "psyalign" / "foundation" / "provenance.py"))
    assert provenance()["commit"] is None


@pytest.mark.parametrize(
    "problem",
    [FileNotFoundError("git"), subprocess.CalledProcessError(128, "git")],
    ids=["no git", "refused"],
)
def test_without_a_working_git_there_is_no_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, problem: Exception
) -> None:
    def fail(*_: object) -> str:
        raise problem

    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(module, "__file__", str(tmp_path / "psyalign" / "foundation" / "provenance.py"))
    monkeypatch.setattr(module, "_git", fail)
    assert provenance()["commit"] is None


def test_a_changed_checkout_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    replies = {"rev-parse": "a" * 40, "status": " M psyalign/scorer/train.py"}
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(module, "__file__", str(tmp_path / "psyalign" / "foundation" / "provenance.py"))
    monkeypatch.setattr(module, "_git", lambda _folder, verb, *_: replies[verb])
    assert provenance()["commit"] == "a" * 40 + "+changes"
    replies["status"] = ""
    assert provenance()["commit"] == "a" * 40


def test_shipped_banks_are_found() -> None:
    assert (shipped_folder("items") / "mindca" / "bank.toml").is_file()
