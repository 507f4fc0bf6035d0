"""Prompts that start alike: their common beginning is run once, and with gradient.

Prompts of one item share scenario, question and rubric. In a causal LM the states of a beginning do
not depend on what follows, so the prompts of a batch are laid out as one sequence in which each common
beginning stands once, before the rests of its prompts. Every token keeps its position; attention goes
to the beginning and to what stands before in the same rest, so that outputs and gradients are those of
whole prompts up to the order of summation.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from psyalign.scorer.encode import WIDTHS, Batch

__all__ = ["Group", "Layout", "can_share", "current_groups", "laid_out", "lay_out"]

# A layout is used from this saving on; below, its more and smaller products cost what it saves.
WORTHWHILE = 0.9
# Shortest beginning that is worth a group of its own, in tokens.
SHORTEST = 16


@dataclass(frozen=True)
class Group:
    """Rows of a batch with a common beginning of `prefix` tokens; their rests are padded to `width`."""

    rows: tuple[int, ...]
    prefix: int
    width: int

    @property
    def tokens(self) -> int:
        """Places that the group takes: the beginning once, and every rest."""
        return self.prefix + len(self.rows) * self.width


@dataclass(frozen=True)
class Layout:
    """One sequence of T places for the B prompts of a batch.

    Attributes
    ----------
    groups : tuple of Group
        In the order of the sequence; places after the last group are padding.
    index : (T,) int64
        Where each place's token is in the batch's (B, L) tensors, flattened.
    positions : (T,) int64
        Position of each token in its prompt.
    places : tuple of B (length,) int64
        Where each prompt's tokens stand in the sequence; a common beginning stands there for all its prompts.
    """

    groups: tuple[Group, ...]
    index: torch.Tensor
    positions: torch.Tensor
    places: tuple[torch.Tensor, ...]

    @property
    def last(self) -> torch.Tensor:
        """Place of each prompt's last token, (B,) int64."""
        return torch.stack([places[-1] for places in self.places])

    def tokens(self, batch: Batch) -> dict[str, Any]:
        """What the backbone is given for the batch within `laid_out`."""
        return {
            "input_ids": batch.input_ids.flatten()[self.index][None],
            "position_ids": self.positions[None],
            # attention makes its own mask; one of four dimensions is left alone on its way there
            "attention_mask": torch.ones(1, 1, 1, 1, dtype=torch.bool, device=self.index.device),
        }


def can_share(backbone: Any) -> bool:
    """Whether a backbone's attention is ours to lay out: causal, over all positions, told positions."""
    config = backbone.config
    full = all(kind == "full_attention" for kind in getattr(config, "layer_types", None) or [])
    window = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    told = "position_ids" in inspect.signature(backbone.forward).parameters
    return bool(full and not window and told and getattr(backbone, "_supports_attention_backend", False))


def lay_out(batch: Batch) -> Layout | None:
    """The layout of a batch; None where prompts have too little in common to gain by it."""
    present = batch.attention_mask.bool().cpu().numpy()
    tokens = batch.input_ids.cpu().numpy()
    starts = present.argmax(axis=1)
    prompts = [ids[mask] for ids, mask in zip(tokens, present, strict=True)]
    groups = _groups(prompts)
    whole = len(prompts) * max(len(prompt) for prompt in prompts)
    if sum(group.tokens for group in groups) > WORTHWHILE * whole:
        return None
    index: list[np.ndarray] = []
    positions: list[np.ndarray] = []
    stands: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(prompts)
    at = 0
    for group in groups:
        base = starts + np.arange(len(prompts)) * tokens.shape[1]
        spans = [(group.rows[0], 0, group.prefix)] if group.prefix else []
        spans += [(row, group.prefix, group.prefix + group.width) for row in group.rows]
        for row, first, end in spans:
            places = np.arange(first, end)
            positions.append(places)
            # behind a prompt's end its last token is repeated: nothing attends to it
            index.append(base[row] + np.minimum(places, len(prompts[row]) - 1))
        for number, row in enumerate(group.rows):
            rest = at + group.prefix + number * group.width + np.arange(len(prompts[row]) - group.prefix)
            stands[row] = np.concatenate([np.arange(at, at + group.prefix), rest])
        at += group.tokens
    spare = np.zeros(-at % WIDTHS, dtype=np.int64)
    device = batch.input_ids.device
    return Layout(
        tuple(groups),
        torch.from_numpy(np.concatenate([*index, spare])).to(device),
        torch.from_numpy(np.concatenate([*positions, spare])).to(device),
        tuple(torch.from_numpy(places).to(device) for places in stands),
    )


def _groups(prompts: Sequence[np.ndarray]) -> list[Group]:
    """Split the prompts, in alphabetical order, into the runs that save most; what is left is one group."""
    order = sorted(range(len(prompts)), key=lambda row: prompts[row].tolist())
    common = [_common(prompts[one], prompts[two]) for one, two in pairwise(order)]
    best: list[tuple[int, int, int]] = [(0, 0, 0)]  # saving of the first prompts; last run's start and prefix
    for end in range(1, len(order) + 1):
        choices = [(best[end - 1][0], end - 1, 0)]
        shared = len(prompts[order[end - 1]]) - 1  # one token at least is left to be a rest
        for start in range(end - 2, -1, -1):
            shared = min(shared, common[start], len(prompts[order[start]]) - 1)
            if shared < SHORTEST:
                break
            choices.append((best[start][0] + (end - start - 1) * shared, start, shared))
        best.append(max(choices))
    groups: list[Group] = []
    alone: list[int] = []
    end = len(order)
    while end:
        _, start, shared = best[end]
        rows = order[start:end]
        if shared:
            width = max(len(prompts[row]) for row in rows) - shared
            groups.append(Group(tuple(rows), shared, width))
        else:
            alone += rows
        end = start
    if alone:
        groups.append(Group(tuple(alone), 0, max(len(prompts[row]) for row in alone)))
    return groups


def _common(first: np.ndarray, second: np.ndarray) -> int:
    """How many tokens two prompts share from the start."""
    shortest = min(len(first), len(second))
    differ = np.flatnonzero(first[:shortest] != second[:shortest])
    return int(differ[0]) if len(differ) else shortest


_GROUPS: ContextVar[tuple[Group, ...] | None] = ContextVar("groups", default=None)


@contextmanager
def laid_out(layout: Layout) -> Iterator[None]:
    """Within this context attention is that of the layout's sequence."""
    token = _GROUPS.set(layout.groups)
    try:
        yield
    finally:
        _GROUPS.reset(token)


def current_groups() -> tuple[Group, ...] | None:
    """Groups of the layout that a forward pass runs in, if it does."""
    return _GROUPS.get()
