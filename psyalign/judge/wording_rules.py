"""Other wordings of an answer: rules and instructions in a TOML file, and a plain check of what came out."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psyalign.foundation.errors import ItemError
from psyalign.foundation.toml import at, read_toml, refuse_unknown, suggest, tables, text
from psyalign.responses.wording import Rule

__all__ = ["WORDINGS", "WORDING_KINDS", "Wording", "load_wordings", "why_not_same"]

WORDINGS = Path(__file__).with_name("wordings.toml")
WORDING_KINDS = ("variety", "identity")
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# Of the words of both texts, the share that must stand in both, in order; and how much longer one may be.
LEAST_SHARED, MOST_LONGER = 0.4, 2.0
SPARE_WORDS = 8  # an identity cue makes a short answer more than twice as long


@dataclass(frozen=True)
class Wording:
    """Another wording of answers.

    Attributes
    ----------
    id : str
        Its name; in response ids "ai:<id>".
    kind : {"variety", "identity"}
        Another variety of the language, or a cue to who the writer, or who is written about, may be.
    rules : tuple of Rule
        Substitutions, in their order; none where the judge rewrites.
    instruction : str
        What the judge is told; "" where rules rewrite.
    """

    id: str
    kind: str
    rules: tuple[Rule, ...] = ()
    instruction: str = ""

    def render(self, text: str) -> str | None:
        """`text` by the rules; None where the judge is to rewrite it."""
        if not self.rules:
            return None
        for each in self.rules:
            text = each.apply(text)
        return text


def load_wordings(path: Path = WORDINGS) -> tuple[Wording, ...]:
    """Read a file of ``[[wording]]`` tables: id, kind, and either ``[[wording.rule]]`` or instruction.

    A rule has a pattern (Python's regular expressions; capitals count only with ``capitals = true``), a
    replacement (``\\1`` for groups; the first letter stays a capital if it was one), and `why` the meaning
    stays.

    Raises
    ------
    ItemError
        A key is missing, unknown or of the wrong type, an id is repeated or no name, a pattern or a
        replacement is not valid, or there is no wording.
    """
    table = read_toml(path)
    refuse_unknown(table, ("wording",), path)
    found: dict[str, Wording] = {}
    for number, entry in enumerate(tables(table, "wording", path), start=1):
        prefix = f"wording[{number}]."
        refuse_unknown(entry, ("id", "kind", "rule", "instruction"), path, prefix)
        wording = _wording(entry, path, prefix)
        if not NAME.fullmatch(wording.id) or wording.id in found:
            raise ItemError(
                f"The id '{wording.id}' is used twice, or has other characters than a-z, 0-9 and hyphens.",
                where=at(path, prefix + "id"),
                mend="Give each wording a short name of its own.",
            )
        found[wording.id] = wording
    if not found:
        raise ItemError("The file has no wording.", where=str(path), mend="Add [[wording]] tables.")
    return tuple(found.values())


def why_not_same(old: str, new: str) -> str:
    """Why `new` cannot be another wording of `old`; "" if it may be.

    A plain check before a judge is asked: the text changed, its digits are the same, it is at most twice as
    long or half as short (eight words aside), and of the words of both, two fifths stand in both in one order
    (2 · matches / words, difflib's ratio) where a text has more than eight words.
    """
    a, b = old.split(), new.split()
    if not b or a == b:
        return "no other wording came out"
    if Counter(re.findall(r"\d", old)) != Counter(re.findall(r"\d", new)):
        return "the digits differ"
    if len(b) > MOST_LONGER * len(a) + SPARE_WORDS or len(a) > MOST_LONGER * len(b) + SPARE_WORDS:
        return "the length differs too much"
    lower_a, lower_b = old.lower().split(), new.lower().split()
    shared = difflib.SequenceMatcher(None, lower_a, lower_b, autojunk=False).ratio()
    if max(len(a), len(b)) > SPARE_WORDS and shared < LEAST_SHARED:
        return "too few words are the same"
    return ""


def _wording(entry: Mapping[str, Any], path: Path, prefix: str) -> Wording:
    name, kind = text(entry, "id", path, prefix), text(entry, "kind", path, prefix)
    if kind not in WORDING_KINDS:
        raise ItemError(
            f"There is no kind of wording '{kind}'.",
            where=at(path, prefix + "kind"),
            mend=suggest(kind, WORDING_KINDS),
        )
    if ("rule" in entry) == ("instruction" in entry):
        raise ItemError(
            "A wording has either rules or an instruction.",
            where=at(path, prefix + "rule"),
            mend="Keep [[wording.rule]] tables, or the instruction.",
        )
    if "instruction" in entry:
        return Wording(name, kind, instruction=text(entry, "instruction", path, prefix))
    rules = tuple(
        _rule(f"{name}-{number}", rule, path, f"{prefix}rule[{number}].")
        for number, rule in enumerate(tables(entry, "rule", path), start=1)
    )
    return Wording(name, kind, rules)


def _rule(name: str, entry: Mapping[str, Any], path: Path, prefix: str) -> Rule:
    refuse_unknown(entry, ("pattern", "replacement", "why", "capitals"), path, prefix)
    capitals = entry.get("capitals", False)
    if not isinstance(capitals, bool):
        raise ItemError("'capitals' must be true or false.", where=at(path, prefix + "capitals"))
    for key in ("pattern", "replacement"):
        if not isinstance(entry.get(key), str):
            raise ItemError(
                f"Key '{key}' is missing, or is no text.",
                where=at(path, prefix + key),
                mend=f"Add: {key} = '…'",
            )
    try:
        pattern = re.compile(entry["pattern"], re.NOFLAG if capitals else re.IGNORECASE)
        pattern.sub(entry["replacement"], "")  # a template is read even where nothing matches
    except (re.error, IndexError) as problem:
        raise ItemError(
            f"The rule is no valid regular expression: {problem}.",
            where=at(path, prefix + "pattern"),
            mend=r"Write it in single quotes; groups are \1, \2, …",
        ) from None
    return Rule(name, pattern, entry["replacement"], text(entry, "why", path, prefix), ("", ""))
