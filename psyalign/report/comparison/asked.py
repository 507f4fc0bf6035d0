"""What differs between two runs before anything was scored: settings, inputs, persons, items, software."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from psyalign.foundation.errors import RunError
from psyalign.foundation.files import read_text
from psyalign.foundation.hashing import hash_file
from psyalign.report.comparison.common import Common
from psyalign.report.comparison.sides import Side

__all__ = ["input_table", "person_table", "setting_table"]

ABSENT = "(not set)"
INPUTS = {
    "items": "Item bank",
    "responses": "Responses",
    "ratings": "Ratings",
    "persons": "Persons",
    "records": "Feedback records",
}
# What a study is called does not change what it finds.
NAMES = frozenset({"study.name", "study.title", "study.question"})


def setting_table(a: Side, b: Side) -> pd.DataFrame:
    """Keys of the resolved study files that differ: key, a, b (texts), and whether it is only a name."""
    flat = [_flat(_settings(side)) for side in (a, b)]
    keys = [*flat[0], *(key for key in flat[1] if key not in flat[0])]
    rows = [
        {"key": key, "a": flat[0].get(key, ABSENT), "b": flat[1].get(key, ABSENT), "name_only": key in NAMES}
        for key in keys
    ]
    table = pd.DataFrame(rows, columns=["key", "a", "b", "name_only"])
    return table[table["a"] != table["b"]].reset_index(drop=True)


def _settings(side: Side) -> dict[str, Any]:
    """study.resolved.toml, or the settings that the manifest keeps of it."""
    path = side.tables.run / "study.resolved.toml"
    if not path.is_file():
        raw = side.tables.manifest.raw
        return {"study": raw.get("study", {}), **raw.get("settings", {})}
    try:
        return tomllib.loads(read_text(path, error=RunError))
    except tomllib.TOMLDecodeError as problem:
        raise RunError(f"The run's study file is not valid TOML: {problem}.", where=str(path)) from None


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    out: dict[str, str] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            out |= _flat(value, f"{name}.")
        elif isinstance(value, list):
            out[name] = ", ".join(map(str, value)) or "(none)"
        else:
            out[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return out


def input_table(a: Side, b: Side) -> pd.DataFrame:
    """What went in: what, a, b (short hashes, versions), same ("yes", "no" or why that is not known)."""
    rows = []
    raws = [side.tables.manifest.raw for side in (a, b)]
    given = [raw.get("inputs", {}) for raw in raws]
    for key in dict.fromkeys([*INPUTS, *given[0], *given[1]]):
        if key in given[0] or key in given[1]:
            rows.append((INPUTS.get(key, key), *(str(part.get(key, ABSENT))[:12] for part in given)))
    rows += _items(a, b)
    base = [raw.get("scorer", {}) for raw in raws]
    rows.append(("Base model", *(str(part.get("base", ABSENT)) for part in base)))
    rows.append(("Weights of the base model", *(str(part.get("base_sha256", ABSENT))[:12] for part in base)))
    baseline = [str(part.get("hashes", {}).get("sft", ABSENT))[:12] for part in base]
    rows.append(("Trained baseline scorer", *baseline))
    rows += _software(raws)
    table = pd.DataFrame(rows, columns=["what", "a", "b"])
    same = (table["a"] == table["b"]).map({True: "yes", False: "no"})
    return table.assign(same=same.mask((table["a"] == ABSENT) & (table["b"] == ABSENT), "not known"))


def _items(a: Side, b: Side) -> list[tuple[str, str, str]]:
    """Items whose file is not the same in both runs: a revision."""
    rows = []
    for item in a.tables.items["item"]:
        paths = [side.tables.run / "items" / f"{item}.toml" for side in (a, b)]
        if all(path.is_file() for path in paths):
            first, second = (_item(path) for path in paths)
            if first != second:
                rows.append((f"Item {a.tables.item_title(item)}", first, second))
    return rows


def _item(path: Path) -> str:
    return hash_file(path)[:12]


def _software(raws: list[Any]) -> list[tuple[str, str, str]]:
    made = [raw.get("provenance") or {} for raw in raws]
    rows = [
        (name, *(str(part.get(key) or ABSENT)[:12] for part in made))
        for key, name in (("psyalign", "psyalign"), ("commit", "Commit of psyalign"), ("python", "Python"))
    ]
    packages = [part.get("packages") or {} for part in made]
    for name in dict.fromkeys([*packages[0], *packages[1]]):
        versions = [str(part.get(name, ABSENT)) for part in packages]
        if versions[0] != versions[1]:
            rows.append((name, versions[0], versions[1]))
    return [(row[0], row[1], row[2]) for row in rows]


def person_table(common: Common) -> pd.DataFrame:
    """Persons and responses: what, n; empty if a run does not hold its scores any more."""
    words = {
        "persons_a": "Audit persons of A",
        "persons_b": "Audit persons of B",
        "persons_both": "Audit persons of both",
        "responses_a": "Audit responses of A",
        "responses_b": "Audit responses of B",
        "other_human": "Responses left out: another human score in B than in A",
        "other_text": "Responses left out: another text in B than in A",
        "responses": "Responses that are compared in pairs",
        "persons": "Persons whose responses these are",
    }
    rows = [(words[key], n) for key, n in common.counts.items()]
    for name, members in common.groups.items():
        rows.append((f"Persons compared by {name}: in the same group in both runs", len(members)))
    return pd.DataFrame(rows, columns=["what", "n"])
