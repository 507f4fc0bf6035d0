"""Rendering a text in the everyday wording, and what that does to a set of texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from psyalign.responses.wording.grammar import GRAMMAR
from psyalign.responses.wording.negatives import NEGATIVES
from psyalign.responses.wording.rule import Rule
from psyalign.responses.wording.words import WORDS

__all__ = ["RULES", "RenderingSummary", "render", "rendering_summary", "rules_used"]

RULES: tuple[Rule, ...] = NEGATIVES + GRAMMAR + WORDS


def render(text: str) -> str:
    """The everyday wording of `text`: all rules, in their order.

    Examples
    --------
    >>> render("Because he thought that the man was going to rob them .")
    'Cuz he reckoned the bloke was gonna rob em .'
    """
    return _render(text)[0]


def rules_used(text: str) -> list[str]:
    """Names of the rules that change `text` when it is rendered."""
    return _render(text)[1]


def _render(text: str) -> tuple[str, list[str]]:
    used = []
    for rule in RULES:
        changed = rule.apply(text)
        if changed != text:
            used.append(rule.name)
        text = changed
    return text, used


@dataclass(frozen=True)
class RenderingSummary:
    """What rendering does to a set of texts.

    Attributes
    ----------
    texts : int
        Number of texts.
    share_changed : float
        Share of texts that differ from their rendering.
    mean_tokens, mean_changed_tokens : float
        Tokens per text, and tokens per text that do not return in the rendering.
    rules : dict of str to int
        Number of texts that each rule changes.
    """

    texts: int
    share_changed: float
    mean_tokens: float
    mean_changed_tokens: float
    rules: dict[str, int]


def rendering_summary(texts: Iterable[str]) -> RenderingSummary:
    """Count what `render` changes in `texts` (at least one)."""
    number = changed = tokens = changed_tokens = 0
    rules: Counter[str] = Counter({rule.name: 0 for rule in RULES})
    for text in texts:
        new, used = _render(text)
        old_tokens = Counter(text.split())
        number += 1
        changed += new != text
        tokens += old_tokens.total()
        changed_tokens += (old_tokens - Counter(new.split())).total()
        rules.update(used)
    return RenderingSummary(number, changed / number, tokens / number, changed_tokens / number, dict(rules))
