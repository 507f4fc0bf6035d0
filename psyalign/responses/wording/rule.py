"""What a rule of the everyday wording is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Rule", "rule"]


@dataclass(frozen=True)
class Rule:
    """One rule of the everyday wording.

    Attributes
    ----------
    name : str
        Short name, used in counts.
    pattern : re.Pattern
        What is replaced.
    replacement : str or callable
        Template for `re.Match.expand`, or a function of the match. The first letter
        stays a capital if it was one.
    why : str
        Why the meaning stays the same.
    example : tuple of str
        A text before and after this rule alone.
    """

    name: str
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str]
    why: str
    example: tuple[str, str]

    def apply(self, text: str) -> str:
        """`text` with this rule applied wherever it fits."""
        return self.pattern.sub(self._replace, text)

    def _replace(self, match: re.Match[str]) -> str:
        new = match.expand(self.replacement) if isinstance(self.replacement, str) else self.replacement(match)
        return new[:1].upper() + new[1:] if match[0][:1].isupper() else new


def rule(
    name: str,
    pattern: str,
    replacement: str | Callable[[re.Match[str]], str],
    why: str,
    example: tuple[str, str],
    *,
    capitals: bool = True,
) -> Rule:
    """A rule from its parts; `capitals` says whether it also replaces words with capitals."""
    flags = re.IGNORECASE if capitals else re.NOFLAG
    return Rule(name, re.compile(pattern, flags), replacement, why, example)
