"""What goes out to another tool: records, or questions that nobody has answered yet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from psyalign.feedback.interop.claims import NOT_FEEDBACK, Left
from psyalign.feedback.interop.texts import StudyTexts
from psyalign.feedback.records import Equivalence, Rating, Record, ResponsePreference, ScorePreference
from psyalign.foundation.errors import UsageError
from psyalign.foundation.files import write_text
from psyalign.foundation.seeds import unit_interval

__all__ = ["Outgoing", "Question", "Said", "new_folder", "write_for_tool"]

KINDS = tuple(cls.kind for cls in (ScorePreference, ResponsePreference, Equivalence, Rating))


@dataclass(frozen=True, slots=True)
class Said:
    """One rater's answer to a question.

    Attributes
    ----------
    answer : str
        Score preference: "left" or "right". Response preference: "a", "b" or "tie". Equivalence: "same"
        or "different". Rating: the score.
    rater, source : str
    """

    answer: str
    rater: str
    source: str


@dataclass
class Question:
    """A question as a labelling tool asks it, with the answers that there are.

    Attributes
    ----------
    kind, item : str
    responses : tuple of str
        Ids of the response, or of the two.
    sides : tuple of int
        Score preference: the two scores as shown, left and right; else empty.
    answers : list of Said
    """

    kind: str
    item: str
    responses: tuple[str, ...]
    sides: tuple[int, ...] = ()
    answers: list[Said] = field(default_factory=list)


@dataclass(frozen=True)
class Outgoing:
    """What is written.

    Attributes
    ----------
    records : sequence of Record
    texts : StudyTexts
    plain_ids : bool, default False
        Name responses by their ids, which can tell the person and the wording, not by codes.
    open_questions : sequence of Question
        Questions without answers, to be asked elsewhere.
    conversational : bool, default False
        TRL: lists of messages instead of strings.
    """

    records: Sequence[Record]
    texts: StudyTexts
    plain_ids: bool = False
    open_questions: Sequence[Question] = ()
    conversational: bool = False

    def name(self, response: str) -> str:
        """How a response is called outside: its code, or its id."""
        return response if self.plain_ids else self.texts.code(response)

    def questions(self) -> tuple[dict[str, list[Question]], list[Left]]:
        """Questions by kind, those of all kinds in the order of the records, and what was left out.

        Records about the same responses (in the same order) and score points are answers to one question.
        """
        found: dict[tuple[object, ...], Question] = {}
        left = []
        for question in self.open_questions:
            sides = self._sides(question.responses[0], question.sides)
            key = (question.kind, question.item, question.responses, sides)
            found[key] = Question(question.kind, question.item, question.responses, sides)
        for number, record in enumerate(self.records, start=1):
            responses = _responses(record)
            if not all(self.texts.is_feedback(name) for name in responses):
                left.append(Left(number, NOT_FEEDBACK))
                continue
            sides, answer = self._answer(record)
            key = (record.kind, record.item, responses, sides)
            question = found.setdefault(key, Question(record.kind, record.item, responses, sides))
            question.answers.append(Said(answer, record.rater, record.source))
        kinds = {kind: [one for one in found.values() if one.kind == kind] for kind in KINDS}
        return {kind: questions for kind, questions in kinds.items() if questions}, left

    def _answer(self, record: Record) -> tuple[tuple[int, ...], str]:
        if isinstance(record, ScorePreference):
            sides = self._sides(record.response_id, (record.preferred, record.rejected))
            return sides, "left" if record.preferred == sides[0] else "right"
        if isinstance(record, ResponsePreference):
            return (), record.preferred
        if isinstance(record, Equivalence):
            return (), "same" if record.same else "different"
        return (), str(record.score)

    def _sides(self, response: str, scores: Iterable[int]) -> tuple[int, ...]:
        """Scores in the order in which they are shown: by chance, the same in each export."""
        low_first = tuple(sorted(scores))
        return (
            low_first[::-1]
            if unit_interval(self.texts.seed, "sides", response, *low_first) < 0.5
            else low_first
        )


def _responses(record: Record) -> tuple[str, ...]:
    if isinstance(record, (ScorePreference, Rating)):
        return (record.response_id,)
    return (record.response_a, record.response_b)


def write_for_tool(path: Path, value: Any) -> None:
    """Write a tool's JSON with its keys in the order that the tool writes them."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that takes the name `path` when the block ends well.

    Raises
    ------
    UsageError
        There is something at `path` that is no empty folder.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(
            "There is something here already.",
            where=str(path),
            mend="Name a new folder, or an empty one: the export writes several files.",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o700)  # response texts
        temporary.replace(path)
    finally:
        rmtree(temporary, ignore_errors=True)
