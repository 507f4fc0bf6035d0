"""Label Studio: tasks with annotations as its JSON export writes them, and the configuration of a project."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from psyalign.feedback.interop.answers import (
    ABOUT,
    LABELS,
    about,
    as_dict,
    as_dicts,
    as_text,
    claim_of,
    shown,
)
from psyalign.feedback.interop.claims import Claim, Left
from psyalign.feedback.interop.label_config import label_config
from psyalign.feedback.interop.outgoing import Outgoing, Question, Said, new_folder, write_for_tool
from psyalign.foundation.errors import DataError
from psyalign.foundation.files import read_json, write_text

__all__ = ["read", "write"]

SKIPPED = "skipped by the rater"
UNANSWERED = "not answered"
PREDICTED = "a model's prediction, not a rater's answer"
CONTRADICTORY = "says that one response is better and that both are equal"
# how our configurations name what a rater sets
CONTROLS = {
    "score_preference": "fits",
    "response_preference": "better",
    "equivalence": "intention",
    "rating": "score",
}
RESULT_TYPES = ("pairwise", "choices", "rating", "number")


def write(path: Path, outgoing: Outgoing) -> list[Left]:
    """Write a folder with, for each kind of question, `<kind>.json` (tasks) and `<kind>.xml` (configuration).

    A task's annotations are its raters' answers. Label Studio lets an annotation say who made it only if
    that is a member of its organisation, so rater and source stand in `meta` of each result. Nothing is
    lost but the order of records about different questions.
    """
    kinds, left = outgoing.questions()
    with new_folder(path) as folder:
        for kind, questions in kinds.items():
            points = sorted({s for item in outgoing.texts.items.values() for s in item.scores})
            tasks = [_task(question, outgoing) for question in questions]
            write_for_tool(folder / f"{kind}.json", tasks)
            write_text(folder / f"{kind}.xml", label_config(kind, points))
    return left


def _task(question: Question, outgoing: Outgoing) -> dict[str, Any]:
    annotations = [_annotation(question.kind, said, n) for n, said in enumerate(question.answers, start=1)]
    return {
        "data": {**shown(question, outgoing), **about(question, outgoing)},
        **({"annotations": annotations} if annotations else {}),
    }


def _annotation(kind: str, said: Said, number: int) -> dict[str, Any]:
    name, answer = CONTROLS[kind], said.answer
    result: dict[str, Any] = {"id": f"answer-{number}", "from_name": name}
    if kind in ("score_preference", "response_preference") and answer != "tie":
        # a Pairwise compares two objects, and names itself as what it is about
        side = "left" if answer in ("left", "a") else "right"
        result |= {"to_name": name, "type": "pairwise", "value": {"selected": side}}
    else:
        to = "response" if kind == "rating" else "response_a"
        name = "equal" if answer == "tie" else name
        result |= {
            "from_name": name,
            "to_name": to,
            "type": "choices",
            "value": {"choices": [answer]},
        }
    result["meta"] = {"rater": said.rater, "source": said.source}
    return {"result": [result], "was_cancelled": False, "ground_truth": False}


def read(path: Path) -> Iterator[Claim | Left]:
    """Claims of a JSON export: one an annotation; the row is the task's place in the file.

    Understood are results of the types pairwise, choices, rating and number. A task made by our export is
    matched by its data's ids; another by those of its data's texts that are responses of the study, the
    first as the left one.

    Raises
    ------
    DataError
        Missing, or not a JSON list of tasks (JSON-MIN has no annotations and is not read).
    """
    tasks = read_json(path)
    if not isinstance(tasks, list) or not all(
        isinstance(task, dict) and isinstance(task.get("data"), dict) for task in tasks
    ):
        raise DataError(
            "The file is not a list of Label Studio tasks.",
            where=str(path),
            mend="Export the project as JSON (not JSON-MIN, CSV or another format).",
        )
    for row, task in enumerate(tasks, start=1):
        annotations, predictions = as_dicts(task.get("annotations")), as_dicts(task.get("predictions"))
        yield from (Left(row, PREDICTED) for _ in predictions)
        if not annotations and not predictions:
            yield Left(row, UNANSWERED)
        for annotation in annotations:
            yield _claim(row, task["data"], annotation)


def _claim(row: int, data: Mapping[str, Any], annotation: Mapping[str, Any]) -> Claim | Left:
    if annotation.get("was_cancelled") or annotation.get("skipped"):
        return Left(row, SKIPPED)
    results = [
        one
        for one in as_dicts(annotation.get("result"))
        if as_text(one.get("type")) in RESULT_TYPES and isinstance(one.get("value"), dict)
    ]
    values = [value for value in map(_value, results) if value is not None]
    if not values:
        return Left(row, UNANSWERED)
    if len(values) > 1 and "tie" in values:
        return Left(row, CONTRADICTORY)
    meta = as_dict(next((one["meta"] for one in results if one.get("meta")), None))
    rater = as_text(meta.get("rater")) or _annotator(annotation.get("completed_by"))
    facts = {key: data[key] for key in ABOUT if key in data}
    texts = tuple(value for value in data.values() if isinstance(value, str))
    return claim_of(row, facts, texts, values[0], rater, as_text(meta.get("source")))


def _value(result: Mapping[str, Any]) -> Any:
    """What a result chose: side, choice, stars or number; a label of ours as the value that it stands for."""
    value = result["value"]
    if result["type"] != "choices":
        return value.get({"pairwise": "selected"}.get(result["type"], result["type"]))
    choices = value.get("choices")
    if not isinstance(choices, list) or not choices:
        return None
    labels = {label: name for kind in LABELS.values() for name, label in kind.items()}
    return labels.get(choices[0], choices[0]) if isinstance(choices[0], str) else None


def _annotator(by: Any) -> str:
    """An annotator: the e-mail address, or the number of a Label Studio user."""
    if isinstance(by, dict):
        by = by.get("email") or by.get("id")
    if isinstance(by, int) and not isinstance(by, bool):
        return f"user {by}"
    return as_text(by)
