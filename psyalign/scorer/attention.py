"""Attention of the backbone: over a layout with common beginnings, and fast in bf16 on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from psyalign.scorer.prefix import Group, current_groups

__all__ = ["NAME", "use_attention"]

NAME = "psyalign"


def use_attention(backbone: Any) -> bool:
    """Let a backbone that asks transformers' attention interface for "sdpa" have ours; whether it does."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    config = backbone.config
    if config._attn_implementation == "sdpa" and getattr(backbone, "_supports_attention_backend", False):
        AttentionInterface.register(NAME, attention)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        config._attn_implementation = NAME
    return bool(config._attn_implementation == NAME)


def attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **named: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot-product attention in transformers' shapes: (B, heads, L, d) to (B, L, heads, d).

    Within `laid_out` B is 1 and L the layout's T; the mask is the layout's own.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    groups = current_groups()
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if groups is not None:
        query, key, value = (_low(tensor) for tensor in (query, key, value))
        return _over_groups(query, key, value, groups, scale, dropout), None
    if dropout or named.get("position_bias") is not None or not _by_products(query):
        result: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **named
        )
        return result
    causal = named.get("is_causal")
    causal = getattr(module, "is_causal", True) if causal is None else causal
    if attention_mask is None and causal and query.shape[2] > 1:
        attention_mask = _causal_mask(query.shape[2], key.shape[2], query.device)
    query, key, value = (_low(tensor) for tensor in (query, key, value))
    return _products(query, key, value, attention_mask, scale).transpose(1, 2).contiguous(), None


def _over_groups(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    groups: tuple[Group, ...],
    scale: float,
    dropout: float,
) -> torch.Tensor:
    """Attention of a layout's sequence, (1, heads, T, d) to (1, T, heads, d)."""
    heads, size = query.shape[1], query.shape[3]
    parts: list[torch.Tensor] = []
    at = 0
    for group in groups:
        own = slice(at + group.prefix, at + group.tokens)
        rests = [
            tensor[0, :, own].reshape(tensor.shape[1], len(group.rows), group.width, size).transpose(0, 1)
            for tensor in (query, key, value)
        ]
        if group.prefix:
            start = [tensor[:, :, at : at + group.prefix] for tensor in (query, key, value)]
            parts.append(_causal(start[0], start[1], start[2], scale, dropout).transpose(1, 2)[0])
            shared = [tensor.expand(len(group.rows), -1, -1, -1) for tensor in start[1:]]
            rests[1:] = [torch.cat(pair, dim=2) for pair in zip(shared, rests[1:], strict=True)]
        result = _causal(rests[0], rests[1], rests[2], scale, dropout)
        parts.append(result.transpose(1, 2).reshape(-1, heads, size))
        at += group.tokens
    parts.append(query.new_zeros(query.shape[2] - at, heads, size))
    return torch.cat(parts)[None]


def _causal(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float, dropout: float
) -> torch.Tensor:
    """Attention where the last query sees every key, the one before all but the last, and so on."""
    square = query.shape[2] == key.shape[2]
    mask = _causal_mask(query.shape[2], key.shape[2], query.device)
    if not dropout and _by_products(query):
        return _products(query, key, value, mask, scale)
    key, value = (_repeat(tensor, query.shape[1]) for tensor in (key, value))
    return functional.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=None if square else mask,
        is_causal=square,
        dropout_p=dropout,
        scale=scale,
    )


def _products(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scale: float
) -> torch.Tensor:
    """Attention as two matrix products with a softmax between.

    On a CPU torch's fused kernel multiplies bf16 at the speed of float32 or less; this takes a third of
    its time. Heads that share keys and values are rows of one product.
    """
    batch, heads, rows, size = query.shape
    few, columns = key.shape[1:3]
    repeats = heads // few
    folded = query.reshape(batch * few, repeats * rows, size)
    keys, values = (tensor.reshape(batch * few, columns, size) for tensor in (key, value))
    if mask is None:
        scores = torch.bmm(folded * scale, keys.transpose(1, 2))
    else:
        if mask.dtype == torch.bool:
            least = torch.finfo(query.dtype).min
            mask = torch.zeros_like(mask, dtype=query.dtype).masked_fill(~mask, least)
        wide = (mask[:, :, None] if mask.dim() == 4 else mask).to(query.dtype)
        bias = wide.expand(batch, few, repeats, rows, columns).reshape(-1, repeats * rows, columns)
        scores = torch.baddbmm(bias, folded, keys.transpose(1, 2), alpha=scale)
    result = torch.bmm(torch.softmax(scores, dim=-1, dtype=query.dtype), values)
    return result.reshape(batch, heads, rows, size)


def _causal_mask(rows: int, columns: int, device: torch.device) -> torch.Tensor:
    return torch.ones(rows, columns, dtype=torch.bool, device=device).tril(columns - rows)


def _repeat(tensor: torch.Tensor, heads: int) -> torch.Tensor:
    """Keys or values for every query head, (B, heads, L, d)."""
    return tensor.repeat_interleave(heads // tensor.shape[1], dim=1) if tensor.shape[1] != heads else tensor


def _low(tensor: torch.Tensor) -> torch.Tensor:
    """In the precision that autocast gives matrix products."""
    kind = tensor.device.type
    return tensor.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else tensor


def _by_products(query: torch.Tensor) -> bool:
    """Whether `_products` is the faster way: bf16 on a CPU."""
    kind = query.device.type
    low = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else query.dtype
    return kind == "cpu" and low == torch.bfloat16
