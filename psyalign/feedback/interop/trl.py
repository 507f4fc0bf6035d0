"""TRL preference datasets: rows of prompt, chosen and rejected, as strings or as lists of messages.

Two kinds of record are such pairs. A score preference: the scorer's prompt for a response, and two scores.
A response preference: the item, and two responses. Ties, equivalences and ratings have no place in them.
The rows have columns more than TRL reads, so that an import finds its way back to the records.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from psyalign.feedback.interop.claims import NOT_FEEDBACK, Claim, Left
from psyalign.feedback.interop.outgoing import Outgoing
from psyalign.feedback.interop.texts import item_prompt
from psyalign.feedback.records import Record, ResponsePreference, ScorePreference
from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.files import atomic_path, read_text, write_text

__all__ = ["read", "write"]

TIE = "ties have no place in TRL's pairs"
NO_PAIR = "TRL's pairs have no place for this kind of record"
NOT_A_PAIR = "the row has no prompt, chosen and rejected that could be read"
OWN_COLUMNS = ("kind", "item", "response_a", "response_b", "chosen_is", "rater", "source")
SUFFIXES = (".jsonl", ".parquet")
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def write(path: Path, outgoing: Outgoing) -> list[Left]:
    """Write a preference dataset, JSON Lines or Parquet by the path's ending; return what was left out.

    Columns prompt, chosen, rejected, and kind, item, response_a, response_b, chosen_is ("a" or "b"), rater,
    source. The first three are strings, or lists of messages (role, content) if `outgoing` asks for that.
    """
    _require_suffix(path)
    if outgoing.open_questions:
        raise UsageError(
            "A TRL dataset has no place for questions without answers.",
            where="--questions",
            mend="Export them with --format label-studio or argilla.",
        )
    rows, left = [], []
    for number, record in enumerate(outgoing.records, start=1):
        made = _row(record, outgoing)
        if isinstance(made, str):
            left.append(Left(number, made))
        else:
            rows.append(_as_messages(made) if outgoing.conversational else made)
    if path.suffix == ".jsonl":
        write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        return left
    text = MESSAGES if outgoing.conversational else pa.string()
    columns = [(name, text) for name in ("prompt", "chosen", "rejected")]
    schema = pa.schema([*columns, *((name, pa.string()) for name in OWN_COLUMNS)])
    with atomic_path(path) as temporary:
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), temporary)
    return left


def _require_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise UsageError(
            "A TRL dataset is JSON Lines or Parquet.",
            where=str(path),
            mend="Give the file an ending: .jsonl or .parquet.",
        )


def _row(record: Record, outgoing: Outgoing) -> dict[str, Any] | str:
    texts = outgoing.texts
    if isinstance(record, ScorePreference):
        if not texts.is_feedback(record.response_id):
            return NOT_FEEDBACK
        pair = (texts.scoring_prompt(record.response_id), str(record.preferred), str(record.rejected))
        names: tuple[str | None, ...] = (outgoing.name(record.response_id), None, None)
    elif isinstance(record, ResponsePreference):
        both = (record.response_a, record.response_b)
        if not all(texts.is_feedback(name) for name in both):
            return NOT_FEEDBACK
        if record.preferred == "tie":
            return TIE
        chosen, rejected = both if record.preferred == "a" else both[::-1]
        # a plain prompt and its completion are put together as they are, so the space is the completion's
        pair = (
            item_prompt(texts.items[record.item]),
            f" {texts.text(chosen)}",
            f" {texts.text(rejected)}",
        )
        names = (*map(outgoing.name, both), record.preferred)
    else:
        return NO_PAIR
    values = (*pair, record.kind, record.item, *names, record.rater, record.source)
    return dict(zip(("prompt", "chosen", "rejected", *OWN_COLUMNS), values, strict=True))


def _as_messages(row: dict[str, Any]) -> dict[str, Any]:
    def message(role: str, text: str) -> list[dict[str, str]]:
        return [{"role": role, "content": text.strip()}]

    return row | {
        "prompt": message("user", row["prompt"]),
        "chosen": message("assistant", row["chosen"]),
        "rejected": message("assistant", row["rejected"]),
    }


def read(path: Path) -> Iterator[Claim | Left]:
    """Claims of a preference dataset: one a row.

    A row with the columns that `write` adds is matched by them; another by its texts: a score preference
    by the scorer's prompt, a response preference by the two responses.

    Raises
    ------
    DataError
        Missing, not JSON Lines or Parquet, or an unpaired (KTO) dataset.
    UsageError
        Another ending than .jsonl or .parquet.
    """
    _require_suffix(path)
    for number, row in enumerate(_rows(path), start=1):
        if isinstance(row, dict) and "label" in row and "completion" in row:
            raise DataError(
                "This is an unpaired (KTO) dataset: it says of one completion that it is good or not.",
                where=f"{path}, row {number}",
                mend="Give pairs: prompt, chosen, rejected.",
            )
        yield _claim(number, row) if isinstance(row, dict) else Left(number, NOT_A_PAIR)


def _rows(path: Path) -> Iterator[Any]:
    if path.suffix == ".parquet":
        try:
            yield from pq.read_table(path).to_pylist()
        except FileNotFoundError:
            raise DataError("File not found.", where=str(path), mend="Check the path.") from None
        except (pa.ArrowException, OSError):
            raise DataError("The file is not Parquet, or damaged.", where=str(path)) from None
        return
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            try:
                yield json.loads(line)
            except (json.JSONDecodeError, RecursionError):
                raise DataError(
                    "The line is not valid JSON.",
                    where=f"{path}, line {number}",
                    mend="Write one JSON object on each line.",
                ) from None


def _claim(number: int, row: dict[str, Any]) -> Claim | Left:
    chosen, rejected = _text(row.get("chosen"), "assistant"), _text(row.get("rejected"), "assistant")
    prompt = _text(row.get("prompt") or _common(row.get("chosen"), row.get("rejected")), "user")
    if chosen is None or rejected is None:
        return Left(number, NOT_A_PAIR)
    own: dict[str, str] = {name: row[name] if isinstance(row.get(name), str) else "" for name in OWN_COLUMNS}
    about: dict[str, Any] = {
        "item": own["item"],
        "rater": own["rater"],
        "source": own["source"],
        "prompt": prompt or "",
    }
    names = tuple(own[name] for name in ("response_a", "response_b") if own[name])
    if _is_score(chosen) and _is_score(rejected) and own["kind"] != ResponsePreference.kind:
        scores = (int(chosen), int(rejected))
        return Claim(number, ScorePreference.kind, scores, responses=names[:1], **about)
    ordered = (rejected, chosen) if own["chosen_is"] == "b" else (chosen, rejected)
    better = "b" if own["chosen_is"] == "b" else "a"
    responses = names if len(names) == 2 and own["chosen_is"] else ()
    return Claim(number, ResponsePreference.kind, better, responses, ordered, **about)


def _is_score(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 4


def _text(value: Any, role: str) -> str | None:
    """A string, stripped, or the content of the last message of `role`; None if there is none."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, Sequence):
        for message in reversed(value):
            if isinstance(message, dict) and message.get("role") == role:
                return _content(message.get("content"))
    return None


def _content(value: Any) -> str | None:
    """A message's content: a string, or parts of which the texts are taken."""
    if isinstance(value, list):
        parts = [part.get("text") for part in value if isinstance(part, dict)]
        value = "".join(part for part in parts if isinstance(part, str))
    return value.strip() if isinstance(value, str) else None


def _common(chosen: Any, rejected: Any) -> list[Any] | None:
    """The messages that both sides begin with: TRL's implicit prompt."""
    if not isinstance(chosen, list) or not isinstance(rejected, list):
        return None
    shared = []
    for first, second in zip(chosen, rejected, strict=False):
        if first != second:
            break
        shared.append(first)
    return shared
