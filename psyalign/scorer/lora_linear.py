"""LoRA's linear layer in one step: the sum that peft writes, with fewer passes over memory."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import nn

__all__ = ["fuse_lora", "keep_frozen_low"]


def fuse_lora(backbone: nn.Module) -> None:
    """Let peft's LoRA layers over `nn.Linear` compute x Wᵀ + b + s (x Aᵀ) Bᵀ by one function.

    The same sum as peft's, without copies of its parts; where peft does something else (dropout,
    merged or disabled adapters) it still does.
    """
    from peft.tuners.lora.layer import Linear

    for module in backbone.modules():
        if isinstance(module, Linear) and isinstance(module.base_layer, nn.Linear):
            module.forward = MethodType(_forward, module)  # on the instance; its class keeps its own


def keep_frozen_low(backbone: nn.Module) -> None:
    """Keep the frozen weights of linear layers in bf16.

    Autocast would round them in every forward pass, to the same numbers: it remembers only what
    it rounded of weights that learn.
    """
    for module in backbone.modules():
        if isinstance(module, nn.Linear):
            for value in module.parameters(recurse=False):
                if not value.requires_grad:
                    value.data = value.data.to(torch.bfloat16)


def _forward(self: Any, x: torch.Tensor, *others: Any, **named: Any) -> torch.Tensor:
    dropout = self.lora_dropout["default"]
    drops = self.training and getattr(dropout, "p", 0.0)
    if others or named or drops or self.merged or self.disable_adapters:
        plain: torch.Tensor = type(self).forward(self, x, *others, **named)
        return plain
    kind = x.device.type
    low = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
    base, bias = self.base_layer, self.base_layer.bias
    result: torch.Tensor = _Adapted.apply(  # type: ignore[no-untyped-call]
        x.to(low),
        base.weight.to(low),
        None if bias is None else bias.to(low),
        self.lora_A["default"].weight.to(low),
        self.lora_B["default"].weight.to(low),
        self.scaling["default"],
    )
    return result


class _Adapted(torch.autograd.Function):
    """x Wᵀ + b + s (x Aᵀ) Bᵀ for x (…, in), frozen W (out, in) and b (out,), A (r, in), B (out, r)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        down: torch.Tensor,
        up: torch.Tensor,
        scaling: float,
    ) -> torch.Tensor:
        rows = x.reshape(-1, x.shape[-1])
        inner = rows @ down.t()
        result = nn.functional.linear(rows, weight, bias)
        result.addmm_(inner, up.t(), alpha=scaling)
        ctx.save_for_backward(rows, inner, weight, down, up)
        ctx.scaling = scaling
        return result.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, inner, weight, down, up = ctx.saved_tensors
        (gradient,) = gradients
        outer = gradient.reshape(-1, gradient.shape[-1])
        through = (outer @ up) * ctx.scaling
        for_up = (outer.t() @ inner) * ctx.scaling
        for_down = through.t() @ rows
        for_x = None
        if ctx.needs_input_grad[0]:
            for_x = (outer @ weight).addmm_(through, down)
            for_x = for_x.view(*gradient.shape[:-1], -1)
        return for_x, None, None, for_down, for_up, None
