"""The layers below those that LoRA adapts: run once for each text, then remembered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from psyalign.foundation.errors import ModelError
from psyalign.scorer.encode import Batch
from psyalign.scorer.prefix import laid_out, lay_out

__all__ = ["LowerLayers", "adapted_modules"]

# Beyond this much, states are computed anew in each step: slower, never wrong.
LIMIT_BYTES = 2 * 2**30


@dataclass
class _Memory:
    """States of texts by their token ids, and how many bytes they take."""

    states: dict[bytes, torch.Tensor] = field(default_factory=dict)
    size: int = 0


# By what makes the states: all scorers of a process that share it share the memory, so that the
# arms of a study, which differ in the layers above, run a text's lower layers once between them.
_SHARED: dict[str, _Memory] = {}


def _stack(backbone: nn.Module) -> nn.ModuleList:
    """The backbone's list of transformer layers."""
    count = getattr(backbone.config, "num_hidden_layers", None)
    for module in backbone.modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise ModelError(
        "The layers of this base model cannot be told apart.",
        where="[scorer.lora] layers",
        mend="Set layers = 0, which adapts all of them.",
    )


def adapted_modules(backbone: nn.Module, layers: int) -> str | list[str]:
    """What LoRA adapts, in peft's words: all linear layers, or those of the top `layers` layers.

    Raises
    ------
    ModelError
        The base model has fewer layers.
    """
    if layers == 0:
        return "all-linear"
    stack = _stack(backbone)
    if layers > len(stack):
        raise ModelError(
            f"The base model has {len(stack)} layers; {layers} cannot be adapted.",
            where="[scorer.lora] layers",
            mend=f"Set layers to at most {len(stack)}; 0 is all of them.",
        )
    inside = {id(module) for layer in list(stack)[len(stack) - layers :] for module in layer.modules()}
    return [
        name
        for name, module in backbone.named_modules()
        if id(module) in inside and isinstance(module, nn.Linear)
    ]


class LowerLayers:
    """Hidden states below the top `layers` layers of a backbone.

    They depend on frozen weights only, so a text's states are the same in every step: exact in
    float32 up to the order of summation. They are computed without dropout.

    Parameters
    ----------
    backbone : transformers model without a head, LoRA already in it
    layers : int
        How many top layers are adapted.
    made_by : str
        Names the frozen weights, the number of layers and the precision: what else the states depend
        on. Backbones with the same name share what they remember; an empty one shares nothing.
    shares : bool
        Whether common beginnings of prompts may be run once (`psyalign.scorer.prefix.can_share`).
    """

    def __init__(self, backbone: nn.Module, layers: int, made_by: str = "", *, shares: bool = False):
        self._backbone, self._shares = backbone, shares
        stack = list(_stack(backbone))
        self._below, self._first = stack[: len(stack) - layers], stack[len(stack) - layers]
        self._memory = _SHARED.setdefault(made_by, _Memory()) if made_by else _Memory()

    def states(self, batch: Batch) -> torch.Tensor:
        """Hidden states that the first adapted layer gets, shape (B, L, hidden); 0 at padding."""
        present = batch.attention_mask.bool()
        keys = [ids[mask].cpu().numpy().tobytes() for ids, mask in zip(batch.input_ids, present, strict=True)]
        found: dict[int, torch.Tensor] = {
            row: self._memory.states[key] for row, key in enumerate(keys) if key in self._memory.states
        }
        missing = [row for row in range(len(keys)) if row not in found]
        if missing:
            for row, states in zip(missing, self._compute(batch.rows(missing)), strict=True):
                found[row] = states
                self._remember(keys[row], found[row])
        some = found[0]
        result = torch.zeros((*present.shape, some.shape[-1]), dtype=some.dtype, device=present.device)
        for row, states in found.items():
            result[row, present[row]] = states.to(present.device)
        return result

    @contextmanager
    def given(self, states: torch.Tensor) -> Iterator[None]:
        """Within this context a forward pass of the backbone starts at the first adapted layer."""

        def swap(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
            return ((states, *args[1:]), named) if args else (args, named | {"hidden_states": states})

        hook = self._first.register_forward_pre_hook(swap, with_kwargs=True)
        for layer in self._below:
            layer.forward = _pass_on  # on the instance; its class keeps its own
        try:
            yield
        finally:
            hook.remove()
            for layer in self._below:
                del layer.forward

    def _compute(self, batch: Batch) -> list[torch.Tensor]:
        """States of each prompt's tokens, (length, hidden)."""
        layout = lay_out(batch) if self._shares else None
        if layout is None:
            states = self._run_below({"input_ids": batch.input_ids, "attention_mask": batch.attention_mask})
            return [row[mask] for row, mask in zip(states, batch.attention_mask.bool(), strict=True)]
        with laid_out(layout):
            states = self._run_below(layout.tokens(batch))
        return [states[0, places] for places in layout.places]

    def _run_below(self, tokens: dict[str, Any]) -> torch.Tensor:
        """What reaches the first adapted layer when the backbone is given `tokens`."""

        def keep(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
            raise _Reached(args[0] if args else named["hidden_states"])

        training = self._backbone.training
        hook = self._first.register_forward_pre_hook(keep, with_kwargs=True)
        self._backbone.eval()
        try:
            # also when only scoring: what is remembered may be trained on later
            with torch.inference_mode(False), torch.no_grad():
                self._backbone(**tokens)
        except _Reached as reached:
            return reached.states
        finally:
            hook.remove()
            self._backbone.train(training)
        raise AssertionError("the backbone did not reach its adapted layers")

    def _remember(self, key: bytes, states: torch.Tensor) -> None:
        size = states.numel() * states.element_size()
        if self._memory.size + size <= LIMIT_BYTES:
            self._memory.states[key] = states.cpu().clone()
            self._memory.size += size


class _Reached(Exception):  # noqa: N818 - not an error
    """Ends a forward pass where the frozen layers end; carries what they made."""

    def __init__(self, states: torch.Tensor):
        super().__init__("reached the adapted layers")
        self.states = states


def _pass_on(hidden_states: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    """A layer that does nothing: what it would make is known."""
    return hidden_states
