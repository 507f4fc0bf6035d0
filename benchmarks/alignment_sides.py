"""Running a side of `alignment.py`, in a process of its own, and keeping what it did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from alignment_task import Task, save_task

from psyalign.scorer.models import cache_folder

__all__ = ["PEERS", "Kept", "peer_folder"]

PEERS = {"reward": "1.16.0", "dpo": "1.16.0", "ppo": "1.12.0"}  # PPO ends with 1.12
BESIDE = ("datasets==5.2.0", "dill==0.4.1", "multiprocess==0.70.19", "xxhash==4.1.0")


class Kept:
    """What sides did, as lines of JSON; what the file has of the same task is not run again.

    `environment` is added to that of the processes.
    """

    def __init__(self, path: Path | None, environment: dict[str, str]):
        self._path, self._lock, self._environment = path, threading.Lock(), environment
        lines = path.read_text().splitlines() if path and path.is_file() else []
        self._known = {(line["side"], line["task"]): line["result"] for line in map(json.loads, lines)}

    def run(
        self, name: str, side: str, task: Task, folder: Path, command: list[str], peer: Path | None
    ) -> dict[str, Any] | None:
        """Run one side of a case unless it is known; None, and why, if it fails."""
        key = (side, task.fingerprint())
        if key not in self._known:
            result = _run(folder, task, command, peer, self._environment)
            if result is None:
                return None
            self._known[key] = result
            line = json.dumps({"case": name, "side": side, "task": key[1], "result": result})
            if self._path:
                with self._lock, self._path.open("a") as file:
                    file.write(line + "\n")
        return self._known[key]


def peer_folder(kind: str, where: str) -> Path | None:
    """Folder with the TRL that has the trainer of this kind, made if it is missing; None where there is none.

    `where` is "auto" (psyalign's cache folder), "none", or a folder.
    """
    if where == "none":
        return None
    root = cache_folder() / "peers" if where == "auto" else Path(where)
    folder = root / f"trl-{PEERS[kind]}"
    if (folder / "trl").is_dir() and (folder / "datasets").is_dir():
        return folder
    print(f"TRL {PEERS[kind]} is fetched into {folder} (your environment is left alone) …", file=sys.stderr)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    done = subprocess.run(
        [*command, f"trl=={PEERS[kind]}", *BESIDE], check=False, capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no word of why"])[-1]
        print(f"Skipped: TRL {PEERS[kind]} cannot be had here ({reason}).", file=sys.stderr)
        return None
    return folder


def _run(
    folder: Path, task: Task, command: list[str], peer: Path | None, more: dict[str, str]
) -> dict[str, Any] | None:
    """Run one side in a process of its own; None, and why, if it fails."""
    path = folder / "task.json"
    save_task(task, path)
    environment = os.environ | {"TRL_EXPERIMENTAL_SILENCE": "1", "HF_HUB_OFFLINE": "1"} | more
    if peer:
        environment["PYTHONPATH"] = os.pathsep.join([str(peer), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *command, str(path)], check=False, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        print(f"Skipped: {Path(command[0]).name} failed.\n{done.stderr[-3000:]}", file=sys.stderr)
        return None
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result
