"""The principles that a judge is held to: a TOML file, the study's or the one that comes with psyalign."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from psyalign.foundation.errors import ItemError
from psyalign.foundation.toml import at, read_toml, refuse_unknown, suggest, tables, text

__all__ = ["CONSTITUTION", "PRINCIPLE_KINDS", "Principle", "load_principles", "of_kind"]

CONSTITUTION = Path(__file__).with_name("constitution.toml")
PrincipleKind = Literal["score", "rationale"]
PRINCIPLE_KINDS: tuple[PrincipleKind, ...] = ("score", "rationale")
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True)
class Principle:
    """One sentence that a judge is held to.

    Attributes
    ----------
    id : str
        Stands in records and tables.
    kind : {"score", "rationale"}
        What it is about: scoring a response or comparing two, or the rationale of a score.
    text : str
        The sentence.
    """

    id: str
    kind: PrincipleKind
    text: str


def load_principles(path: Path = CONSTITUTION) -> tuple[Principle, ...]:
    """Read a file of ``[[principle]]`` tables with the keys id, kind and text, in their order.

    Raises
    ------
    ItemError
        The file is missing or not TOML, a key is missing, unknown or of the wrong type, an id is repeated or
        no name, a kind is unknown, or there is no principle.
    """
    table = read_toml(path)
    refuse_unknown(table, ("principle",), path)
    found: dict[str, Principle] = {}
    for number, entry in enumerate(tables(table, "principle", path), start=1):
        prefix = f"principle[{number}]."
        refuse_unknown(entry, ("id", "kind", "text"), path, prefix)
        name, kind = text(entry, "id", path, prefix), text(entry, "kind", path, prefix)
        if kind not in PRINCIPLE_KINDS:
            raise ItemError(
                f"There is no kind of principle '{kind}'.",
                where=at(path, prefix + "kind"),
                mend=suggest(kind, PRINCIPLE_KINDS),
            )
        if not NAME.fullmatch(name) or name in found:
            raise ItemError(
                f"The id '{name}' is used twice, or has other characters than a-z, 0-9 and single hyphens.",
                where=at(path, prefix + "id"),
                mend="Give each principle a short name of its own.",
            )
        found[name] = Principle(name, kind, text(entry, "text", path, prefix))
    if not found:
        raise ItemError("The file has no principle.", where=str(path), mend="Add [[principle]] tables.")
    return tuple(found.values())


def of_kind(principles: Sequence[Principle], kind: PrincipleKind, path: str) -> list[Principle]:
    """The principles of a kind.

    Raises
    ------
    ItemError
        There is none, and `path` needs one.
    """
    found = [principle for principle in principles if principle.kind == kind]
    if not found:
        raise ItemError(
            f"The path '{path}' needs a principle of kind \"{kind}\".",
            where="the file of principles",
            mend=f'Add [[principle]] with kind = "{kind}".',
        )
    return found
