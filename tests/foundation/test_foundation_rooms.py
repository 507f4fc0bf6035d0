"""Every room can be imported, and has what it says it exports."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import psyalign

PACKAGE = Path(psyalign.__file__).parent
# from the files' names: walking the packages would import torch while tests are collected
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if path.name != "__main__.py"
)


@pytest.mark.parametrize("name", MODULES)
def test_exported_names_are_there(name: str) -> None:
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])
    assert len(set(exported)) == len(exported)
    assert [item for item in exported if not hasattr(module, item)] == []


def test_foundation_without_tables_loads_nothing_heavy() -> None:
    """`psyalign --help` stands on these, and must answer at once."""
    program = (
        "import sys\n"
        "from psyalign.foundation import errors, files, hashing, progress, provenance, shipped\n"
        "print([name for name in ('torch', 'transformers', 'pandas', 'numpy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
