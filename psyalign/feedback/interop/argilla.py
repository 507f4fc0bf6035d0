"""Argilla 2: records as `records.to_json` writes them, and the settings of a dataset."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from psyalign.feedback.interop.answers import (
    ABOUT,
    HEADINGS,
    LABELS,
    about,
    as_dict,
    as_dicts,
    as_text,
    claim_of,
    shown,
)
from psyalign.feedback.interop.claims import Claim, Left
from psyalign.feedback.interop.outgoing import Outgoing, Question, new_folder, write_for_tool
from psyalign.foundation.errors import DataError
from psyalign.foundation.files import read_json

__all__ = ["read", "write"]

NOT_SUBMITTED = "a draft, or discarded by the rater"
UNANSWERED = "not answered"
SUGGESTED = "a suggestion, not a rater's answer"
MOST_STARS = 10  # Argilla's ratings lie between 0 and 10


def write(path: Path, outgoing: Outgoing) -> list[Left]:
    """Write a folder with, for each kind of question, a dataset as `rg.Dataset.from_disk` reads it.

    `<kind>/records.json`, `<kind>/.argilla/settings.json` and `<kind>/.argilla/dataset.json`. Argilla knows
    raters by UUIDs; names and sources stand in each record's metadata. A rater has one response to a
    record, so second answers to a question stand in a record of their own. Nothing is lost but the order
    of records about different questions.
    """
    kinds, left = outgoing.questions()
    with new_folder(path) as folder:
        for kind, questions in kinds.items():
            records = [record for question in questions for record in _records(question, outgoing)]
            home = folder / kind
            write_for_tool(home / "records.json", records)
            write_for_tool(home / ".argilla" / "settings.json", _settings(kind, outgoing))
            write_for_tool(home / ".argilla" / "dataset.json", _dataset(kind))
    return left


def _records(question: Question, outgoing: Outgoing) -> list[dict[str, Any]]:
    """One record, and one more for each time that a rater answered again."""
    rounds: list[dict[str, tuple[str, str]]] = [{}]
    for said in question.answers:
        place = next((r for r in rounds if said.rater not in r), None)
        if place is None:
            rounds.append(place := {})
        place[said.rater] = (said.answer, said.source)
    facts = about(question, outgoing)
    name = "|".join(str(value) for value in facts.values())
    made = []
    for number, answers in enumerate(rounds, start=1):
        responses = [
            {"value": _value(question.kind, answer, outgoing), "user_id": _user(rater), "status": "submitted"}
            for rater, (answer, _) in answers.items()
        ]
        who = [json.dumps([_user(rater), rater, source]) for rater, (_, source) in answers.items()]
        made.append(
            {
                "id": name if number == 1 else f"{name}|{number}",
                "fields": shown(question, outgoing),
                "metadata": facts | ({"raters": who} if who else {}),
                "suggestions": {},
                "responses": {question.kind: responses} if responses else {},
                "vectors": {},
                "status": "completed" if responses else "pending",
                "_server_id": None,
            }
        )
    return made


def _user(rater: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"psyalign:rater:{rater}"))


def _highest(outgoing: Outgoing) -> int:
    return max(score for item in outgoing.texts.items.values() for score in item.scores)


def _value(kind: str, answer: str, outgoing: Outgoing) -> str | int:
    return int(answer) if kind == "rating" and _highest(outgoing) <= MOST_STARS else answer


def _settings(kind: str, outgoing: Outgoing) -> dict[str, Any]:
    """Fields, one required question, and free metadata that annotators need not see."""
    fields = ["question"]
    if kind in ("score_preference", "rating"):
        fields += ["rubric", "response"]
        fields += ["left", "right"] if kind == "score_preference" else []
    else:
        fields += ["response_a", "response_b"]
    if kind == "rating":
        points = range(_highest(outgoing) + 1)
        if len(points) - 1 <= MOST_STARS:
            asked: dict[str, Any] = {"type": "rating", "options": [{"value": point} for point in points]}
        else:
            options = [{"value": str(point), "text": str(point)} for point in points]
            asked = {"type": "label_selection", "options": options}
    else:
        options = [{"value": value, "text": label} for value, label in LABELS[kind].items()]
        asked = {"type": "label_selection", "options": options}
    return {
        "guidelines": HEADINGS[kind],
        "questions": [{"name": kind, "title": HEADINGS[kind], "required": True, "settings": asked}],
        "fields": [
            {
                "name": name,
                "title": name.replace("_", " ").capitalize(),
                "required": True,
                "settings": {"type": "text", "use_markdown": False},
            }
            for name in fields
        ],
        "vectors": [],
        "metadata": [],
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "mapping": None,
    }


def _dataset(kind: str) -> dict[str, Any]:
    return {
        "name": f"psyalign-{kind}",
        "status": "draft",
        "guidelines": HEADINGS[kind],
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
    }


def read(path: Path) -> Iterator[Claim | Left]:
    """Claims of an Argilla export: one a response to a question; the row is the record's place in the file.

    Argilla's own export does not say whether a response was submitted, a draft or discarded; where a file
    does, only submitted ones count. Suggestions are not raters' answers and are left out. A record made by
    our export is matched by its metadata; another by those of its fields that are responses of the study.

    Raises
    ------
    DataError
        Missing, or not a JSON list of records.
    """
    found = read_json(path)
    if not isinstance(found, list) or not all(
        isinstance(record, dict) and isinstance(record.get("fields"), dict) for record in found
    ):
        raise DataError(
            "The file is not a list of Argilla records.",
            where=str(path),
            mend="Write it with dataset.records.to_json(path), or name the records.json of a dataset folder.",
        )
    for row, record in enumerate(found, start=1):
        suggestions = as_dict(record.get("suggestions"))
        yield from (Left(row, SUGGESTED) for _ in suggestions)
        questions = as_dict(record.get("responses")).values()
        said = [response for responses in questions for response in as_dicts(responses)]
        if not said and not suggestions:
            yield Left(row, UNANSWERED)
        for response in said:
            yield _claim(row, record, response)


def _claim(row: int, record: Mapping[str, Any], response: Mapping[str, Any]) -> Claim | Left:
    if response.get("status") not in (None, "submitted"):
        return Left(row, NOT_SUBMITTED)
    if response.get("value") is None:
        return Left(row, UNANSWERED)
    metadata = as_dict(record.get("metadata"))
    facts = {key: metadata[key] for key in ABOUT if key in metadata}
    user = as_text(response.get("user_id"))
    names = metadata.get("raters")
    rater, source = _named(user, names if isinstance(names, list) else [])
    texts = tuple(value for value in record["fields"].values() if isinstance(value, str))
    return claim_of(row, facts, texts, response["value"], rater or user, source)


def _named(user: str, names: list[Any]) -> tuple[str, str]:
    """Name and source of a rater whom our export knew; both "" for others."""
    for entry in names:
        try:
            known, rater, source = json.loads(entry)
        except (TypeError, ValueError):  # not written by us, or edited
            continue
        if known == user and isinstance(rater, str) and isinstance(source, str):
            return rater, source
    return "", ""
