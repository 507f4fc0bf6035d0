"""Texts from data made fit for a page, a Word file and JSON alike, before any renderer sees them.

XML 1.0 (production [2] Char) cannot hold most control characters, surrogates and U+FFFE/U+FFFF, and
UTF-8 cannot hold surrogates. Characters that turn the direction of the text after them (Unicode
Standard Annex #9: embeddings, overrides, isolates) would let a name rearrange a report's own
sentence. Words in right-to-left scripts need none of them and stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from psyalign.report.content import Section

__all__ = ["plain", "plain_sections", "plain_value"]

T = TypeVar("T")
# What no XML document may hold, and the C1 controls, which HTML forbids.
ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def plain(text: object) -> str:
    r"""`text` with a replacement character for what XML cannot hold and without what turns direction.

    Line ends become ``\n``; everything else stays, markup and formulas too: they are for the
    renderer to escape.

    >>> plain("a\x00b\r\n<i>\u202e")
    'a�b\n<i>'
    """
    lines = str(text).replace("\r\n", "\n").replace("\r", "\n")
    return TURNING.sub("", ILLEGAL.sub(REPLACEMENT, lines))


def plain_value(value: Any) -> Any:
    """A JSON value with every text and key in it made `plain`."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, dict):
        return {plain(key): plain_value(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(part) for part in value]
    return value


def plain_sections(sections: Iterable[Section]) -> list[Section]:
    """The sections with every text in them made `plain`; drawings stay, they were cleaned when drawn."""
    return [_cleaned(section) for section in sections]


def _cleaned(value: T) -> T:
    if isinstance(value, tuple):
        return tuple(map(_cleaned, value))  # type: ignore[return-value]
    if is_dataclass(value) and not isinstance(value, type):
        texts = [entry.name for entry in fields(value) if entry.init and entry.name != "svg"]
        return replace(value, **{name: _cleaned(getattr(value, name)) for name in texts})
    return plain(value) if isinstance(value, str) else value  # type: ignore[return-value]
