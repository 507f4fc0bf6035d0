"""The errors that psyalign raises on purpose, as a tree, each with its exit code.

A message says what is wrong, where (file, row, key) and how to mend it. It never
holds response text: responses are personal data and errors end up in logs.
"""

from __future__ import annotations

__all__ = [
    "DataError",
    "GateMissed",
    "Interrupted",
    "ItemError",
    "ModelError",
    "PsyalignError",
    "RunError",
    "StudyError",
    "UsageError",
]


class PsyalignError(Exception):
    """Base of all expected errors.

    Parameters
    ----------
    message : str
        What is wrong, in one sentence.
    where : str, optional
        File, row, column or key where it was found.
    mend : str, optional
        What the user can do about it.
    """

    exit_code = 70

    def __init__(self, message: str, *, where: str | None = None, mend: str | None = None):
        self.message = message
        self.where = where
        self.mend = mend
        super().__init__(message)

    def __str__(self) -> str:
        lines = [self.message]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.mend:
            lines.append(f"  mend:  {self.mend}")
        return "\n".join(lines)


class UsageError(PsyalignError):
    """A command was called with arguments that do not fit."""

    exit_code = 2


class StudyError(PsyalignError):
    """The study file is wrong."""

    exit_code = 2


class ModelError(StudyError):
    """A model that the study names cannot be found or used."""


class DataError(PsyalignError):
    """A table of responses, ratings, persons, scores or feedback is wrong."""

    exit_code = 3


class ItemError(PsyalignError):
    """An item or an item bank is wrong."""

    exit_code = 3


class RunError(PsyalignError):
    """A run directory cannot be used for what was asked."""

    exit_code = 2


class GateMissed(PsyalignError):  # noqa: N818 - says what happened, not that we erred
    """A gate of the study was missed, and the user asked to be told by the exit code."""

    exit_code = 1


class Interrupted(PsyalignError):  # noqa: N818
    """A run was stopped from outside; the same command goes on where it stopped."""

    exit_code = 4
