"""The study as it was understood: every setting with its value, defaults included."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from psyalign.study.schema import Study

__all__ = ["resolved", "resolved_toml"]

BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def resolved(study: Study) -> dict[str, Any]:
    """All settings as plain dicts, lists and scalars, in the order of the schema; unset ones are left out.

    So are the keys of [align] that [choice] is to choose: they have no value before the run.
    """
    settings: dict[str, Any] = study.model_dump(mode="json", exclude_none=True)
    for key in study.choice.chosen_keys if study.choice is not None else ():
        del settings["align"][key]
    return settings


def resolved_toml(study: Study) -> str:
    """The study as a TOML document with all defaults written out.

    Read back, it gives the same settings. Paths stay as they were written: relative to the
    folder of the original study file, which the first line names.
    """
    lines = [f"# Resolved from {_one_line(str(study.path))}; paths are relative to its folder."]
    _write_table(lines, (), resolved(study))
    return "\n".join(lines) + "\n"


def _write_table(lines: list[str], name: tuple[str, ...], table: Mapping[str, Any]) -> None:
    """Append a table: its header, its plain values, then the tables inside it."""
    plain = {key: value for key, value in table.items() if not isinstance(value, dict)}
    if plain:
        lines.append("")
        lines.append("[" + ".".join(_key(part) for part in name) + "]")
        lines.extend(f"{_key(key)} = {_value(value)}" for key, value in plain.items())
    for key, value in table.items():
        if isinstance(value, dict):
            _write_table(lines, (*name, key), value)


def _key(name: str) -> str:
    return name if name and set(name) <= BARE else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_value(entry) for entry in value) + "]"
    return repr(value)


def _text(value: str) -> str:
    # JSON's escapes are TOML's, but TOML wants DEL escaped too
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _one_line(value: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in value)
