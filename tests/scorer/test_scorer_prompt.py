"""The prompt holds the item and the response, in this order, and nothing about the person."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd

from psyalign.items import Item
from psyalign.scorer import LoraScorer
from psyalign.scorer.prompt import ANSWER_CUE, prompt_context


def test_prompt_word_for_word(two_items: dict[str, Item]) -> None:
    assert prompt_context(two_items["sf1"]) == (
        "In a silent film clip two men are in a room. They hear a woman coming and quickly hide.\n"
        "Question: Why are the men hiding?\n"
        "Rubric: 0 = Trouble or fear only; 1 = Wants not to be seen; 2 = Keeps her from knowing.\n"
        "Answer:"
    )


def test_line_breaks_in_an_item_do_not_count(two_items: dict[str, Item]) -> None:
    item = two_items["sf1"]
    broken = dataclasses.replace(
        item, scenario=item.scenario.replace(" ", "\n  "), prompt=f" {item.prompt}\n"
    )
    assert prompt_context(broken) == prompt_context(item)


def test_cue_ends_with_the_space_so_that_the_digit_is_one_token() -> None:
    assert ANSWER_CUE == "\nScore: "


def test_exemplars_are_not_in_the_prompt(two_items: dict[str, Item]) -> None:
    for item in two_items.values():
        assert not any(exemplar.response in prompt_context(item) for exemplar in item.exemplars)


def test_group_membership_is_no_input(
    reference_copy: Callable[[], LoraScorer], answers: pd.DataFrame
) -> None:
    scorer = reference_copy()
    frame = answers.iloc[:4]
    known = frame.assign(person=["a", "b", "c", "d"], variety="everyday", gender="girl")
    assert np.array_equal(
        scorer.predict_log_proba(known, quiet=True), scorer.predict_log_proba(frame, quiet=True)
    )
