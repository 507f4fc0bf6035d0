"""The prompt: scenario, question, rubric in brief, response."""

from __future__ import annotations

from psyalign.items import Item

__all__ = ["ANSWER_CUE", "prompt_context"]

# Score digits are single tokens only without a leading space (" 1" is two tokens in SmolLM2),
# so the cue ends with the space and the digit follows it.
ANSWER_CUE = "\nScore: "


def prompt_context(item: Item) -> str:
    """What stands before the response; the same text for every response to one item."""
    rubric = "; ".join(f"{point.score} = {point.label}" for point in item.rubric)
    scenario = " ".join(item.scenario.split())
    question = " ".join(item.prompt.split())
    return f"{scenario}\nQuestion: {question}\nRubric: {rubric}.\nAnswer:"
