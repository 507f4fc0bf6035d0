"""A study's responses as other tools know them: by id, by a code that tells nothing, or by their text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd

from psyalign.foundation.hashing import hash_texts
from psyalign.foundation.tables import require_columns
from psyalign.items import Item

__all__ = ["StudyTexts", "item_prompt", "plain"]

CODE_LENGTH = 16  # hex digits: 64 bits, no two of a million responses alike
COLUMNS = ("response_id", "item", "response", "feedback")
ANSWER_CUE = "\nAnswer:"


def plain(text: str) -> str:
    """`text` with runs of white space as one space: what "the same text" means here."""
    return " ".join(text.split())


def item_prompt(item: Item) -> str:
    """What a person answers: scenario and question, as the prompt of a comparison of two responses."""
    return f"{plain(item.scenario)}\nQuestion: {plain(item.prompt)}{ANSWER_CUE}"


class StudyTexts:
    """The responses that records may be about, found by id, code or text.

    A response id tells the person and sometimes the wording, so what leaves for other tools names a
    response by a code: the same in each export of a study, and found again by whoever has the study. It
    keeps raters blind; it does not make anything anonymous.

    Parameters
    ----------
    items : mapping of str to Item
    texts : DataFrame
        Columns response_id, item, response and feedback (bool: of a feedback person, so that feedback may
        be about it).
    seed : int
        The study's seed; the codes depend on it.
    scoring_prompt : callable (Item, str) -> str
        The prompt by which the scorer is asked for the score of a response.

    Raises
    ------
    DataError
        A column is missing.
    """

    def __init__(
        self,
        items: Mapping[str, Item],
        texts: pd.DataFrame,
        *,
        seed: int,
        scoring_prompt: Callable[[Item, str], str],
    ) -> None:
        require_columns(texts, COLUMNS, "texts of the study")
        self.items, self.seed, self._scoring_prompt = items, seed, scoring_prompt
        ids = [str(name) for name in texts["response_id"]]
        self._item: dict[str, str] = dict(zip(ids, texts["item"].astype(str), strict=True))
        self._text: dict[str, str] = dict(zip(ids, texts["response"].astype(str), strict=True))
        self._feedback = {name for name, has in zip(ids, texts["feedback"], strict=True) if has}
        self._by_code: dict[str, str] | None = None
        self._by_text: dict[str, list[str]] | None = None
        self._by_prompt: dict[str, list[str]] | None = None
        self._item_prompts = {plain(item_prompt(item)): name for name, item in items.items()}

    def item_of(self, response: str) -> str:
        """The item that a response (id) answers."""
        return self._item[response]

    def is_feedback(self, response: str) -> bool:
        """Whether a response (id) is a feedback person's."""
        return response in self._feedback

    def text(self, response: str) -> str:
        """The text of a response (id)."""
        return self._text[response]

    def scoring_prompt(self, response: str) -> str:
        """The prompt that asks for the score of a response (id)."""
        return self._scoring_prompt(self.items[self._item[response]], self._text[response])

    def code(self, response: str) -> str:
        """The code of a response (id): 16 hex digits."""
        return hash_texts(["psyalign", str(self.seed), response])[:CODE_LENGTH]

    def named(self, name: str) -> str | None:
        """The id of the response that an id or a code names; None if there is none."""
        if name in self._text:
            return name
        if self._by_code is None:
            self._by_code = {self.code(response): response for response in self._text}
        return self._by_code.get(name)

    def with_text(self, text: str) -> list[str]:
        """Ids of the responses with this text."""
        if self._by_text is None:
            self._by_text = {}
            for response, own in self._text.items():
                self._by_text.setdefault(plain(own), []).append(response)
        return self._by_text.get(plain(text), [])

    def with_scoring_prompt(self, prompt: str) -> list[str]:
        """Ids of the responses whose scoring prompt this is."""
        if self._by_prompt is None:
            self._by_prompt = {}
            for response in self._text:
                self._by_prompt.setdefault(plain(self.scoring_prompt(response)), []).append(response)
        return self._by_prompt.get(plain(prompt), [])

    def item_with_prompt(self, prompt: str) -> str:
        """The item whose prompt for comparisons this is; "" if none's."""
        return self._item_prompts.get(plain(prompt), "")
