"""What `psyalign.dif` offers by name: loaded when asked for, and not hidden by a module of the same name."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import psyalign.dif

MODULES = [info.name for info in pkgutil.walk_packages(psyalign.dif.__path__, "psyalign.dif.")]
HEAVY = ("scipy.stats", "scipy.optimize", "statsmodels", "duckdb", "sklearn", "matplotlib", "torch")


def _run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _homes() -> dict[str, str]:
    """Name -> module, as a type checker reads them."""
    tree = ast.parse(Path(psyalign.dif.__file__).read_text(encoding="utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return {
        alias.name: node.module
        for node in found
        if node.module.startswith("psyalign.dif")
        for alias in node.names
    }


@pytest.mark.parametrize("name", psyalign.dif.__all__)
def test_each_name_is_what_a_checker_takes_it_for(name):
    home = importlib.import_module(_homes()[name])
    assert getattr(psyalign.dif, name) is getattr(home, name)


def test_names_loaded_named_and_checked_are_the_same():
    assert sorted(_homes()) == sorted(psyalign.dif._HOMES) == sorted(psyalign.dif.__all__)
    assert set(psyalign.dif.__all__) <= set(dir(psyalign.dif))


def test_modules_imported_first_hide_no_name():
    """No module or room in `psyalign.dif` may be called as one of its names: the order of imports is free."""
    inside = {name.removeprefix("psyalign.dif.") for name in MODULES if name.count(".") == 2}
    assert not inside & set(psyalign.dif.__all__)
    program = (
        f"import importlib, types, psyalign.dif as dif\n"
        f"for name in {MODULES!r}: importlib.import_module(name)\n"
        "print([n for n in dif.__all__ if isinstance(getattr(dif, n), types.ModuleType)])"
    )
    assert _run(program) == "[]"


def test_importing_from_the_room_in_a_fresh_process():
    names = ", ".join(psyalign.dif.__all__)
    assert _run(f"from psyalign.dif import {names}\nprint(screen.__module__)") == "psyalign.dif.screening"


def test_the_room_and_one_method_load_little():
    shown = f"print([name for name in {HEAVY!r} if name in sys.modules])"
    assert _run(f"import sys, psyalign.dif\n{shown}\nprint('pandas' in sys.modules)") == "[]\nFalse"
    assert _run(f"import sys\nfrom psyalign.dif import rater_error, battery, screen\n{shown}") == "[]"


def test_an_unknown_name_is_said_to_be_one():
    with pytest.raises(AttributeError, match=r"'psyalign\.dif' has no attribute 'magic'"):
        psyalign.dif.magic  # noqa: B018
