"""From a study file on disk to a `Study`, or to one error that says what to change and where."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from psyalign.foundation.errors import StudyError
from psyalign.foundation.files import read_text
from psyalign.study.changes import apply_changes, change_of
from psyalign.study.lines import key_line
from psyalign.study.problem import Problem
from psyalign.study.schema import Group, Study

__all__ = ["load_study"]

# Plain words for pydantic's error types; braces take the values of the error's context.
SAYINGS = {
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "tuple_type": 'must be a list, such as ["a", "b"]',
    "dict_type": "must be a table",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "may hold only small letters, digits and single hyphens between them",
}


def load_study(path: Path, changes: Sequence[str] = ()) -> Study:
    """Read and validate a study file.

    Parameters
    ----------
    path : Path
        A study file, or a folder that holds ``study.toml``.
    changes : sequence of str
        Keys to set otherwise than the file does, each ``TABLE.KEY=VALUE``.

    Returns
    -------
    Study
        Frozen; `Study.path` and `Study.folder` say where it lies.

    Raises
    ------
    StudyError
        The file is missing or not TOML; a key is unknown (with the nearest known one), missing, of the
        wrong type or out of range; keys contradict each other. The first problem is told in full, the
        others are counted.
    """
    file = path / "study.toml" if path.is_dir() else path
    text = read_text(file, error=StudyError)
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise _syntax_error(file, text, problem) from None
    apply_changes(raw, changes)
    try:
        study = Study.model_validate(raw)
    except ValidationError as problem:
        raise _study_error(file, text, problem, changes) from None
    return study.placed_at(file)


def _syntax_error(file: Path, text: str, problem: tomllib.TOMLDecodeError) -> StudyError:
    said = str(problem)
    at = re.search(r"\(at line (\d+), column (\d+)\)", said)
    # "at end of document" is what an unclosed string or list looks like
    line = int(at.group(1)) if at else text.count("\n") + 1
    what = re.sub(r"\s*\(at .*\)$", "", said)
    return StudyError(
        f"The study file is not valid TOML: {what}.",
        where=f"{file}, line {line}",
        mend="Text stands in quotes, lists in [ ], numbers have a digit before the point (0.5).",
    )


def _study_error(file: Path, text: str, error: ValidationError, changes: Sequence[str]) -> StudyError:
    details = error.errors(include_url=False)
    # An unknown key explains a missing one (it is often the same, misspelt), so it is told first.
    details.sort(key=lambda detail: detail["type"] != "extra_forbidden")
    first, others = _problem(details[0]), len(details) - 1
    if details[0]["type"] == "study_rule":
        others += int(details[0]["ctx"]["more"])
    message = first.message
    if others:
        message += f" (And {others} more problem{'s' if others > 1 else ''} in this file.)"
    change = change_of(first.key, changes)
    if change:
        return StudyError(message, where=f"--set {change}", mend=first.mend)
    line = key_line(text, first.key)
    where = f"{file}, {_toml_path(first.key)}" + (f" (line {line})" if line else "")
    return StudyError(message, where=where, mend=first.mend)


def _toml_path(key: tuple[str, ...]) -> str:
    """("scorer", "lora", "rank") as "[scorer.lora] rank"; a table alone as "[scorer.lora]"."""
    if len(key) == 1:
        return f"[{key[0]}]"
    depth = _deepest_table(key)[1]
    table, rest = key[:depth], key[depth:]
    return " ".join([f"[{'.'.join(table)}]" if table else "top level", *rest])


def _problem(detail: ErrorDetails) -> Problem:
    """Put one of pydantic's errors into our words."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "study_rule":
        return Problem(tuple(context["key"]), context["message"], context["mend"])
    key = _key(detail["loc"])
    if kind == "extra_forbidden":
        return _unknown_key(key)
    if kind == "missing":
        return _missing_key(key)
    value = _shown(detail["input"])
    options = [option for option in re.findall(r"'([^']*)'", str(context.get("expected", ""))) if option]
    if kind == "literal_error":
        saying = f"must be one of {', '.join(options)}" if len(options) > 1 else f"can only be {options[0]}"
    else:
        saying = SAYINGS.get(kind, detail["msg"][:1].lower() + detail["msg"][1:]).format(**context)
    subject = f"Each of '{key[-1]}'" if isinstance(detail["loc"][-1], int) else f"'{key[-1]}'"
    message = f"{subject} {saying}; it is {value}."
    near = _near(str(detail["input"]), options) if kind == "literal_error" else None
    return Problem(key, message, f'Did you mean "{near}"?' if near else f"Change '{key[-1]}'.")


def _key(loc: tuple[int | str, ...]) -> tuple[str, ...]:
    """The TOML keys of a pydantic location: positions in a list and branches of a union are no keys."""
    key: list[str] = []
    for part in loc:
        if isinstance(part, int):
            break
        if _deepest_table(tuple(key))[1] < len(key):
            break
        key.append(part)
    return tuple(key)


def _deepest_table(key: tuple[str, ...]) -> tuple[type[BaseModel] | None, int]:
    """Model of the innermost table on the way to `key` (None: the table of groups), and its depth."""
    model: type[BaseModel] | None = Study
    for depth, part in enumerate(key):
        if model is None:
            model = Group
            continue
        if model is Study and part == "groups":
            model = None
            continue
        inner = _table_of(model, part)
        if inner is None:
            return model, depth
        model = inner
    return model, len(key)


def _table_of(model: type[BaseModel], field: str) -> type[BaseModel] | None:
    """Model of the table that stands under `field`, or None if it holds a plain value."""
    info = model.model_fields.get(field)
    if info is None:
        return None
    for candidate in (info.annotation, *getattr(info.annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _unknown_key(key: tuple[str, ...]) -> Problem:
    name, table = key[-1], key[:-1]
    model = _deepest_table(table)[0] or Study
    known = list(model.model_fields)
    what = "key" if table else "table"
    place = f"[{'.'.join(table)}]" if table else "the study file"
    near = _near(name, known)
    home = _homes(name)
    if near:
        mend = f"Did you mean '{near}'?"
    elif home:
        mend = f"'{name}' belongs in {' or '.join(home)}."
    else:
        mend = f"{place[0].upper()}{place[1:]} knows: {', '.join(known)}."
    return Problem(key, f"Unknown {what} '{name}' in {place}.", mend)


def _homes(name: str) -> list[str]:
    """The tables that have a key called `name`."""
    tables: dict[str, Any] = {field: _table_of(Study, field) for field in Study.model_fields}
    return [f"[{field}]" for field, model in tables.items() if model and name in model.model_fields]


def _missing_key(key: tuple[str, ...]) -> Problem:
    if len(key) == 1:
        return Problem(key, f"The table [{key[0]}] is missing.", f"Add [{key[0]}] and its keys.")
    table = ".".join(key[:-1])
    return Problem(key, f"'{key[-1]}' is missing in [{table}].", f"Add {key[-1]} = … under [{table}].")


def _near(word: str, options: list[str]) -> str | None:
    """The option that `word` is probably meant to be; case does not count."""
    folded = {option.lower(): option for option in options if option}
    close = difflib.get_close_matches(word.lower(), list(folded), n=1, cutoff=0.6)
    return folded[close[0]] if close else None


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "…"
