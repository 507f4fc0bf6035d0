"""A judge's answers on disk, so that no question is asked twice."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from filelock import FileLock, Timeout

from psyalign.foundation.errors import RunError
from psyalign.foundation.files import read_text, write_text
from psyalign.foundation.hashing import hash_json
from psyalign.judge.engine import Choice, Judge, Prompt
from psyalign.judge.orders import LABELS, ORDERS, Side, side_of

__all__ = ["Asker"]


class Asker:
    """Asks a judge, and remembers every answer in a file of JSON lines.

    A line holds the hash of the question (judge, prompt, labels) and the answer: numbers of a choice, or the
    text that the judge wrote, which may repeat a response, so the file is as sensitive as the responses. It
    is flushed to disk after each answer: a kill costs the question that was under way.

    Use as a context: two commands never work on one file.

    Parameters
    ----------
    judge : Judge
    path : Path
        The file; made if it is not there.

    Attributes
    ----------
    asked, remembered : int
        Questions put to the judge, and those that the file knew.
    """

    def __init__(self, judge: Judge, path: Path):
        self.judge = judge
        self.asked = 0
        self.remembered = 0
        self._path = path
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))
        self._known: dict[str, dict[str, Any]] = {}
        self._file: TextIO | None = None

    def __enter__(self) -> Asker:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunError(
                "Another process is asking a judge for this file.",
                where=str(self._path),
                mend="Wait for it, or give another --out.",
            ) from None
        self._known = _answers(self._path)
        self._file = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        self._lock.release()

    def choose(self, prompt: Prompt, labels: Sequence[str]) -> Choice:
        """`Judge.choose`, from the file if it knows the answer."""
        key = hash_json([self.judge.identity, prompt.system, list(prompt.parts), list(labels)])
        known = self._known.get(key)
        if known is None:
            choice = self.judge.choose(prompt, labels)
            known = {"label": choice.label, "logprobs": choice.logprobs and list(choice.logprobs)}
            self._keep(key, known)
        else:
            self.remembered += 1
        values = known["logprobs"]
        return Choice(known["label"], None if values is None else tuple(values))

    def write(self, prompt: Prompt, max_tokens: int) -> str:
        """`Judge.write`, from the file if it knows the answer."""
        key = hash_json([self.judge.identity, prompt.system, list(prompt.parts), max_tokens])
        known = self._known.get(key)
        if known is None:
            known = {"text": self.judge.write(prompt, max_tokens)}
            self._keep(key, known)
        else:
            self.remembered += 1
        return str(known["text"])

    def both(self, first: Prompt, second: Prompt) -> tuple[Side, Side]:
        """The two orders of one question, whose labels are A and B, seen from its first option."""
        return (
            side_of(self.choose(first, LABELS), ORDERS[0]),
            side_of(self.choose(second, LABELS), ORDERS[1]),
        )

    def _keep(self, key: str, answer: dict[str, Any]) -> None:
        assert self._file is not None, "an Asker is used as a context"
        self._known[key] = answer
        self.asked += 1
        self._file.write(json.dumps({"key": key, **answer}) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _answers(path: Path) -> dict[str, dict[str, Any]]:
    """The answers in the file; a last line that a kill cut off is taken away."""
    if not path.is_file():
        return {}
    found: dict[str, dict[str, Any]] = {}
    lines = read_text(path, error=RunError).split("\n")
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            value = json.loads(line)
            found[value.pop("key")] = value
        except (ValueError, KeyError, AttributeError):
            if number < len(lines):
                raise RunError(
                    "The file with the judge's answers is damaged.",
                    where=f"{path}, line {number}",
                    mend="Delete the file; the judge is then asked again.",
                ) from None
            write_text(path, "".join(f"{whole}\n" for whole in lines[:-1]))
    return found
