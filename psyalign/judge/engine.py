"""What a judge is: something that answers a prompt by a label, or in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Choice", "Judge", "Prompt"]


@dataclass(frozen=True)
class Prompt:
    """What a judge is asked.

    Attributes
    ----------
    system : str
        The judge's role.
    parts : tuple of str
        The user's message in parts, from what many prompts share (the item) to what only this one has (the
        question). A local judge remembers what it has read of the leading parts.
    """

    system: str
    parts: tuple[str, ...]

    @property
    def text(self) -> str:
        """The user's message as one text."""
        return "\n\n".join(self.parts)


@dataclass(frozen=True)
class Choice:
    """A judge's answer by a label.

    Attributes
    ----------
    label : str
        The label that it chose; "" where its answer was none of them, or two were equally likely.
    logprobs : tuple of float, or None
        Natural logarithm of each label's probability, in the order of the labels; None from an endpoint that
        does not tell.
    """

    label: str
    logprobs: tuple[float, ...] | None


class Judge(Protocol):
    """A language model that answers prompts; `name` is the rater in its records."""

    @property
    def name(self) -> str:
        """Who judges; stands in records and tables."""
        ...

    @property
    def identity(self) -> str:
        """Name and what else decides the answers (weights, address); answers are kept under it."""
        ...

    def choose(self, prompt: Prompt, labels: Sequence[str]) -> Choice:
        """The label that comes first in the answer, of two or more."""
        ...

    def write(self, prompt: Prompt, max_tokens: int) -> str:
        """An answer in words, the most probable token at each step, of at most `max_tokens` tokens."""
        ...


def most_probable(labels: Sequence[str], logprobs: Sequence[float]) -> str:
    """The label with the largest log-probability; "" where two share it."""
    best = max(logprobs)
    found = [label for label, value in zip(labels, logprobs, strict=True) if value == best]
    return found[0] if len(found) == 1 else ""
