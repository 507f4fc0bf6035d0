"""What a run was made with: versions, machine, commit."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from psyalign import __version__

__all__ = ["provenance"]

PACKAGES = ("torch", "transformers", "peft", "statsmodels", "scikit-learn", "numpy", "pandas", "scipy")


def provenance() -> dict[str, object]:
    """Versions of psyalign, Python and the packages that compute, the platform and the git commit."""
    return {
        "psyalign": __version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "commit": _commit(),
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the checkout that psyalign runs from, "+changes" if it differs; None in a wheel."""
    folder = Path(__file__).resolve().parent.parent.parent
    if not (folder / ".git").exists():
        return None
    try:
        head = _git(folder, "rev-parse", "HEAD")
        return head + ("+changes" if _git(folder, "status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(folder: Path, *arguments: str) -> str:
    # without optional locks, so that a commit that the user makes meanwhile is not refused
    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    return result.stdout.strip()
