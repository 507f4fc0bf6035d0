"""Phrase banks: what simulated respondents say at each score point, in two varieties.

One TOML file per item, ``<bank>/phrases/<item id>.toml``, with one ``[[point]]`` per score
point that holds lists of `actions` and `reasons`. Every phrase is a pair that says the
same thing in the standard and in the everyday variety. ``_shared.toml`` beside them may
hold openings, closings and connectives that fit every item and score point.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psyalign.foundation.errors import ItemError
from psyalign.foundation.toml import at, read_toml, refuse_unknown

__all__ = ["VARIETIES", "Phrase", "PhraseBank", "PhrasePoint", "SharedPhrases", "load_phrases"]

VARIETIES = ("standard", "everyday")

SHARED_FILE = "_shared.toml"
SHARED_KEYS = ("openings", "closings", "connectives")
FILE_KEYS = ("item", "point")
POINT_KEYS = ("score", "actions", "reasons")
# With fewer, so many simulated responses repeat each other that a scorer could learn them by heart.
MIN_PHRASES = {"actions": 4, "reasons": 3}


@dataclass(frozen=True)
class Phrase:
    """The same statement in both varieties.

    Attributes
    ----------
    standard, everyday : str
        Formal workplace register; informal, plain, non-standard English.
    """

    standard: str
    everyday: str

    def in_variety(self, variety: str) -> str:
        """The statement in "standard" or "everyday"."""
        return self.standard if variety == "standard" else self.everyday


@dataclass(frozen=True)
class PhrasePoint:
    """What a response of one score point is made of.

    Attributes
    ----------
    score : int
        The score point.
    actions, reasons : tuple of Phrase
        What the person would do, and why.
    """

    score: int
    actions: tuple[Phrase, ...]
    reasons: tuple[Phrase, ...]


@dataclass(frozen=True)
class SharedPhrases:
    """What carries no content and fits every response.

    Attributes
    ----------
    openings, closings : tuple of Phrase
        Whole sentences before and after the content.
    connectives : tuple of Phrase
        Said between two sentences; each ends in a colon.
    """

    openings: tuple[Phrase, ...] = ()
    closings: tuple[Phrase, ...] = ()
    connectives: tuple[Phrase, ...] = ()


@dataclass(frozen=True)
class PhraseBank:
    """The phrases of one item.

    Attributes
    ----------
    item : str
        Id of the item.
    points : tuple of PhrasePoint
        One per score point, ascending from 0 without gaps.
    shared : SharedPhrases
        Openings, closings and connectives, the same for all items of a bank.
    """

    item: str
    points: tuple[PhrasePoint, ...]
    shared: SharedPhrases = SharedPhrases()

    @property
    def scores(self) -> tuple[int, ...]:
        """The score points, ascending."""
        return tuple(point.score for point in self.points)

    @property
    def max_score(self) -> int:
        """The highest score point."""
        return self.points[-1].score

    def phrases(self) -> list[Phrase]:
        """Every phrase of the item that has content."""
        return [phrase for point in self.points for phrase in point.actions + point.reasons]


def load_phrases(folder: Path) -> dict[str, PhraseBank]:
    """Read the phrase banks of an item bank.

    Parameters
    ----------
    folder : Path
        Folder with one TOML file per item and, if wanted, ``_shared.toml``; usually
        ``<bank>/phrases``.

    Returns
    -------
    dict of str to PhraseBank
        By item id, in alphabetical order.

    Raises
    ------
    ItemError
        No such folder or no files in it; missing, unknown or ill-typed key; score points that
        are not 0, 1, …; fewer than 4 actions or 3 reasons at a score point; a phrase that is
        empty in a variety or appears twice. Names the file and the key.
    """
    found = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    files = [file for file in found if file.name != SHARED_FILE and file.name[0] != "."]
    if not files:
        raise ItemError(
            "There are no phrase banks here, so respondents cannot be simulated.",
            where=str(folder),
            mend="Name a bank that has a folder 'phrases' with one TOML file per item.",
        )
    shared = _shared(folder / SHARED_FILE) if (folder / SHARED_FILE).is_file() else SharedPhrases()
    return {file.stem: _load(file, shared) for file in files}


def _shared(path: Path) -> SharedPhrases:
    table = read_toml(path)
    _keys(table, ("composition",), path, "")
    entry = table["composition"]
    if not isinstance(entry, dict):
        raise _problem("'composition' must be one table: [composition]", path, "composition")
    _keys(entry, SHARED_KEYS, path, "composition.", required=False)
    return SharedPhrases(
        **{key: _phrases(entry, key, path, "composition.") for key in SHARED_KEYS if key in entry}
    )


def _load(path: Path, shared: SharedPhrases) -> PhraseBank:
    table = read_toml(path)
    _keys(table, FILE_KEYS, path, "")
    if table["item"] != path.stem:
        raise _problem(f"'item' differs from the file's name '{path.stem}'", path, "item")
    entries = table["point"]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise _problem("'point' must be a list of tables: start each one with [[point]]", path, "point")
    points = [_point(entry, path, f"point[{number}].") for number, entry in enumerate(entries, start=1)]
    points.sort(key=lambda point: point.score)
    if len(points) < 2 or [point.score for point in points] != list(range(len(points))):
        raise _problem("Score points must be 0, 1, … without gaps or repeats, at least two", path, "point")
    bank = PhraseBank(path.stem, tuple(points), shared)
    _refuse_repeats(bank, path)
    return bank


def _point(entry: dict[str, Any], path: Path, prefix: str) -> PhrasePoint:
    _keys(entry, POINT_KEYS, path, prefix)
    score = entry["score"]
    if isinstance(score, bool) or not isinstance(score, int) or score < 0:
        raise _problem("'score' must be a whole number from 0", path, prefix + "score")
    return PhrasePoint(
        score, _phrases(entry, "actions", path, prefix), _phrases(entry, "reasons", path, prefix)
    )


def _phrases(entry: dict[str, Any], key: str, path: Path, prefix: str) -> tuple[Phrase, ...]:
    value = entry[key]
    if not isinstance(value, list) or not all(isinstance(pair, dict) for pair in value):
        raise _problem(f"'{key}' must be a list of {{standard = …, everyday = …}}", path, prefix + key)
    least = MIN_PHRASES.get(key, 0)
    if len(value) < least:
        message = f"{len(value)} {key}; at least {least} are needed for responses to vary"
        raise _problem(message, path, prefix + key)
    phrases = []
    for number, pair in enumerate(value, start=1):
        place = f"{prefix}{key}[{number}]."
        _keys(pair, VARIETIES, path, place)
        for variety in VARIETIES:
            if not isinstance(pair[variety], str) or not pair[variety].strip():
                raise _problem(f"'{variety}' must be text that is not empty", path, place + variety)
        phrases.append(Phrase(*(" ".join(pair[variety].split()) for variety in VARIETIES)))
    return tuple(phrases)


def _refuse_repeats(bank: PhraseBank, path: Path) -> None:
    """A phrase that stands for two score points would make the true score unknowable."""
    for variety in VARIETIES:
        counts = Counter(phrase.in_variety(variety).casefold() for phrase in bank.phrases())
        for point in bank.points:
            for key, phrases in (("actions", point.actions), ("reasons", point.reasons)):
                for number, phrase in enumerate(phrases, start=1):
                    if counts[phrase.in_variety(variety).casefold()] > 1:
                        place = f"score point {point.score}, {key}[{number}].{variety}"
                        raise _problem("The same phrase appears twice in this item", path, place)


def _keys(
    table: dict[str, Any], known: tuple[str, ...], path: Path, prefix: str, *, required: bool = True
) -> None:
    refuse_unknown(table, known, path, prefix)
    for key in known if required else ():
        if key not in table:
            raise _problem(f"Key '{key}' is missing", path, prefix + key)


def _problem(message: str, path: Path, key: str) -> ItemError:
    return ItemError(message + ".", where=at(path, key))
