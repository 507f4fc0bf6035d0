"""An item as readable text."""

from __future__ import annotations

import textwrap

from psyalign.items.item import Item

__all__ = ["format_item"]


def format_item(item: Item, width: int = 88) -> str:
    """Lay an item out for reading: situation, question, rubric, exemplars.

    Parameters
    ----------
    item : Item
        The item.
    width : int, default 88
        Longest line, in characters.

    Returns
    -------
    str
        Plain text without colour, lines of at most `width`, no newline at the end.
    """
    head = f"{item.id}  {item.title}"
    lines = [*_wrap(head, width), *_wrap(f"version {item.version}, construct: {item.construct}", width), ""]
    lines += ["Situation", *_wrap(item.scenario, width, "  "), ""]
    lines += ["Question", *_wrap(item.prompt, width, "  "), "", "Rubric"]
    for point in item.rubric:
        lines += _wrap(f"{point.label}. {point.description}", width, f"  {point.score}  ", "     ")
    for exemplar in item.exemplars:
        if exemplar is item.exemplars[0]:
            lines += ["", "Exemplars"]
        lines += _wrap(f"“{exemplar.response}”", width, f"  {exemplar.score}  ", "     ")
        lines += _wrap(exemplar.rationale, width, "     ")
    return "\n".join(lines)


def _wrap(words: str, width: int, first: str = "", rest: str | None = None) -> list[str]:
    return textwrap.wrap(
        words, width, initial_indent=first, subsequent_indent=first if rest is None else rest
    )
