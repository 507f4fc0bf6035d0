"""Texts to token ids, and token ids to length-bucketed batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from psyalign.foundation.errors import DataError, ModelError
from psyalign.items import Item
from psyalign.scorer.prompt import ANSWER_CUE, prompt_context

__all__ = ["WIDTHS", "Batch", "Encoded", "Encoder", "inference_batches", "training_batches"]

# Batches are as wide as a multiple of this: memory is used again, and kernels are made for fewer shapes.
WIDTHS = 8


@dataclass(frozen=True)
class Batch:
    """Padded tensors of B prompts with L tokens and K score points.

    Attributes
    ----------
    input_ids, attention_mask : (B, L) int64
    pool_mask : (B, L) float32
        Weights of the tokens that are pooled: the response's tokens (encoder) or the
        last token (causal LM).
    score_mask : (B, K) bool
        True where the item has the score point.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    pool_mask: torch.Tensor
    score_mask: torch.Tensor

    def rows(self, some: Sequence[int]) -> Batch:
        """A batch of these rows, as wide as this one."""
        chosen = list(some)
        return Batch(
            self.input_ids[chosen],
            self.attention_mask[chosen],
            self.pool_mask[chosen],
            self.score_mask[chosen],
        )


@dataclass(frozen=True)
class Encoded:
    """Token ids of N prompts, not yet padded, with the span that is pooled.

    `items` (N,) numbers the item of each prompt, and `heads` (N,) counts the tokens before its response:
    prompts of one item have them in common.
    """

    ids: list[list[int]]
    spans: list[tuple[int, int]]
    items: np.ndarray
    heads: np.ndarray
    n_scores: np.ndarray
    max_scores: int
    pad_id: int
    truncated: int
    max_tokens: int

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each prompt, shape (N,)."""
        return np.array([len(ids) for ids in self.ids], dtype=np.int64)

    def batch(self, rows: Sequence[int], device: torch.device, *, left: bool = False) -> Batch:
        """Pad `rows` to their longest, on the right (or the left), and move them to `device`.

        The width is a multiple of `WIDTHS` where that is no more than the longest prompt may have.
        """
        longest = max(len(self.ids[row]) for row in rows)
        width = max(longest, min(longest + -longest % WIDTHS, self.max_tokens))
        ids = torch.full((len(rows), width), self.pad_id, dtype=torch.long)
        attention = torch.zeros((len(rows), width), dtype=torch.long)
        pool = torch.zeros((len(rows), width))
        for at, row in enumerate(rows):
            tokens = self.ids[row]
            start = width - len(tokens) if left else 0
            ids[at, start : start + len(tokens)] = torch.tensor(tokens)
            attention[at, start : start + len(tokens)] = 1
            first, last = self.spans[row]
            pool[at, start + first : start + last] = 1.0 / (last - first)
        points = torch.from_numpy(self.n_scores[np.asarray(rows)])
        mask = torch.arange(self.max_scores)[None, :] < points[:, None]
        return Batch(ids.to(device), attention.to(device), pool.to(device), mask.to(device))


class Encoder:
    """Turns (item, response) into token ids.

    Parameters
    ----------
    tokenizer : transformers fast tokenizer
    kind : {"encoder", "causal"}
        An encoder gets [CLS] context [SEP] response [SEP] and pools the response's tokens;
        a causal LM gets context, response and the cue "Score: " and pools its last token.
    items : mapping of item id to Item
    max_tokens : int
        Longer prompts lose the end of the response (counted in `Encoded.truncated`), never
        the item.
    """

    def __init__(self, tokenizer: Any, kind: str, items: Mapping[str, Item], max_tokens: int):
        self._tokenizer = tokenizer
        self._kind = kind
        self._max_tokens = max_tokens
        self._contexts = {name: self._ids(prompt_context(item)) for name, item in items.items()}
        self._n_scores = {name: len(item.scores) for name, item in items.items()}
        self._before, self._between, self._after = self._frame()
        self.max_scores = max(self._n_scores.values())
        longest = max(len(ids) for ids in self._contexts.values())
        if longest + len(self._before + self._between + self._after) + 8 > max_tokens:
            raise ModelError(
                f"The longest item takes {longest} tokens and leaves no room for a response.",
                where="[scorer] max_tokens",
                mend=f"Set max_tokens to {longest + 128} or more, or shorten the scenario.",
            )

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _frame(self) -> tuple[list[int], list[int], list[int]]:
        if self._kind == "causal":
            start = [self._tokenizer.bos_token_id] if getattr(self._tokenizer, "add_bos_token", False) else []
            return start, [], self._ids(ANSWER_CUE)
        start, end = self._tokenizer.cls_token_id, self._tokenizer.sep_token_id
        return [start], [end], [end]

    def score_tokens(self) -> list[int]:
        """Token ids of the digits 0 … K−1 as they follow the cue.

        Raises
        ------
        ModelError
            A digit is not one token of its own in this place.
        """
        found = []
        for score in range(self.max_scores):
            ids = self._ids(f"{ANSWER_CUE}{score}")
            if ids[:-1] != self._after or ids[-1] in found:
                raise ModelError(
                    f"The score label '{score}' is not a single, distinct token for this model.",
                    where="[scorer] base",
                    mend="Choose another causal LM, or an encoder.",
                )
            found.append(ids[-1])
        return found

    def encode(self, items: Sequence[str], responses: Sequence[str]) -> Encoded:
        """Encode N responses to their items (ids in `items`)."""
        texts = [" " + " ".join(text.split()) for text in responses]
        # tokenizers refuse an empty list
        tokens = self._tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        numbers = {name: number for number, name in enumerate(self._contexts)}
        ids, spans, heads, truncated = [], [], [], 0
        for row, (name, response) in enumerate(zip(items, tokens, strict=True)):
            if name not in self._contexts:
                raise DataError(f"Item '{name}' is not in the scorer's item bank.", where=f"row {row + 1}")
            head = self._before + self._contexts[name] + self._between
            room = self._max_tokens - len(head) - len(self._after)
            truncated += len(response) > room
            body = list(response)[:room]
            whole = head + body + self._after
            first = len(head) if self._kind == "encoder" else len(whole) - 1
            last = len(head) + max(len(body), 1) if self._kind == "encoder" else len(whole)
            ids.append(whole)
            spans.append((first, last))
            heads.append(len(head))
        pad = self._tokenizer.pad_token_id
        return Encoded(
            ids,
            spans,
            np.array([numbers[name] for name in items], dtype=np.int64),
            np.array(heads, dtype=np.int64),
            np.array([self._n_scores[name] for name in items], dtype=np.int64),
            self.max_scores,
            pad if pad is not None else 0,
            truncated,
            self._max_tokens,
        )


def training_batches(
    lengths: np.ndarray, size: int, rng: np.random.Generator, items: np.ndarray | None = None
) -> list[list[int]]:
    """Random batches of similar length: shuffle, sort within pools of 16 batches, shuffle the batches.

    With `items`, (N,), prompts of one item go together within a pool, by length within the item: what they
    have in common is then run once for many of them (`psyalign.scorer.prefix`).
    """
    order = rng.permutation(len(lengths))
    batches: list[list[int]] = []
    for start in range(0, len(order), size * 16):
        pool = order[start : start + size * 16]
        keys = (lengths[pool],) if items is None else (lengths[pool], items[pool])
        pool = pool[np.lexsort(keys)]
        batches += [pool[at : at + size].tolist() for at in range(0, len(pool), size)]
    return [batches[at] for at in rng.permutation(len(batches))]


def inference_batches(encoded: Encoded, tokens: int = 4096, *, shared: bool = False) -> list[list[int]]:
    """Batches of similar length with at most `tokens` padded tokens each.

    With `shared`, for a network that runs the common beginning of an item's prompts once, they are sorted
    by item first and the beginning counts once for each item in a batch.
    """
    lengths = encoded.lengths
    items = encoded.items if shared else np.zeros(len(encoded), dtype=np.int64)
    heads = encoded.heads if shared else np.zeros(len(encoded), dtype=np.int64)
    batches: list[list[int]] = []
    current: list[int] = []
    before = taken = 0  # tokens of the items in the batch that are complete, and of all of them
    rests = 0  # prompts of the item that the batch ends with
    for row in np.lexsort((lengths, items, heads)).tolist():
        same = bool(current) and items[row] == items[current[-1]]
        before, rests = (before, rests + 1) if same else (taken, 1)
        taken = before + heads[row] + rests * (lengths[row] - heads[row])
        if current and taken > tokens:
            batches.append(current)
            current, before, rests, taken = [], 0, 1, lengths[row]
        current.append(row)
    return [*batches, current] if current else batches
