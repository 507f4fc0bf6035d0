"""What the tables of a study file are made of: their base class and the ranges of their values."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from psyalign.study.problem import Problem

__all__ = [
    "Count",
    "LearningRate",
    "Name",
    "NotNegative",
    "Positive",
    "Probability",
    "Share",
    "Table",
    "Text",
    "Texts",
    "rule_error",
]

# A study and its runs are folders; a name must be safe in a path on every system.
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
LearningRate = Annotated[float, Field(gt=0, le=0.1)]
# TOML gives lists; the models are frozen and hold tuples, so the outer type alone is not strict.
Texts = Annotated[tuple[Text, ...], Field(strict=False)]


class Table(BaseModel):
    """Base of all tables: unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def rule_error(problem: Problem, *, more: int = 0) -> PydanticCustomError:
    """A broken rule as pydantic's error, which `load_study` takes apart again."""
    context = {"key": list(problem.key), "mend": problem.mend, "more": more}
    # the message goes in as a value: braces in it would be read as a template
    return PydanticCustomError("study_rule", "{message}", {"message": problem.message, **context})
