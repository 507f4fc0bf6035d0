"""Common beginnings run once; attention and LoRA in fewer steps: the numbers are those of the plain ways.

The plain way is transformers' own: whole, padded prompts through its SDPA and peft's LoRA layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from psyalign.items import Item
from psyalign.scorer import LoraScorer
from psyalign.scorer.attention import NAME, _products
from psyalign.scorer.encode import Batch, Encoded
from psyalign.scorer.network import KWayNetwork
from psyalign.scorer.prefix import can_share, lay_out

CPU = torch.device("cpu")
ANSWERS = ["I would ask.", "No.", "I would wait, then ask both of them.", "Leave it.", "No.", ""]
LONG = "They talk about it for a long time and nobody says what is meant. " * 12


@pytest.fixture
def make(two_items: dict[str, Item], tiny_causal: Path) -> Callable[..., LoraScorer]:
    def scorer(layers: int = 0) -> LoraScorer:
        made = LoraScorer(
            two_items, str(tiny_causal), layers=layers, max_tokens=512, precision="float32"
        ).build()
        torch.manual_seed(2)
        with torch.no_grad():  # LoRA starts at zero; give it something to do
            for value in made.network_.trainable().values():
                value.add_(0.1 * torch.randn_like(value))
        return made

    return scorer


def frame(items: list[str], responses: list[str]) -> pd.DataFrame:
    return pd.DataFrame({"item": items, "response": responses})


def passes(network: KWayNetwork, batch: Batch) -> tuple[torch.Tensor, list[torch.Tensor]]:
    network.zero_grad()
    outputs = network.outputs(batch)
    outputs.square().sum().backward()
    return outputs.detach(), [value.grad.clone() for value in network.trainable().values()]


def plain(network: KWayNetwork, batch: Batch) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Whole prompts through transformers' SDPA and peft's LoRA layers."""
    from peft.tuners.lora.layer import Linear

    layers = [module for module in network.modules() if isinstance(module, Linear)]
    ours = [module.__dict__.pop("forward") for module in layers]
    config = network.backbone.base_model.model.config
    network.shares, config._attn_implementation = False, "sdpa"
    try:
        return passes(network, batch)
    finally:
        network.shares, config._attn_implementation = True, NAME
        for module, forward in zip(layers, ours, strict=True):
            module.forward = forward


def agree(network: KWayNetwork, batch: Batch) -> None:
    assert network.shares and lay_out(batch) is not None  # else this would compare a thing with itself
    outputs, gradients = passes(network, batch)
    expected, wanted = plain(network, batch)
    assert float(expected.std()) > 0.05
    torch.testing.assert_close(outputs, expected, atol=1e-5, rtol=1e-5)
    for name, mine, theirs in zip(network.trainable(), gradients, wanted, strict=True):
        assert float((mine - theirs).norm()) <= 1e-5 * max(float(theirs.norm()), 1.0), name


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("layers", [0, 1])
def test_mixed_items_have_the_outputs_and_gradients_of_whole_prompts(make, two_items, left, layers):
    names = list(two_items)
    scorer = make(layers)
    responses = frame([names[0], names[1]] * 6, [*ANSWERS, *(text + " Then I go." for text in ANSWERS)])
    batch = scorer.encode(responses).batch(range(12), CPU, left=left)
    assert len(lay_out(batch).groups) >= 2
    agree(scorer.network_, batch)


def test_one_item_and_responses_that_are_cut_off(make, two_items):
    scorer = make()
    name = next(iter(two_items))
    encoded = scorer.encode(frame([name] * 4, [LONG, LONG + " more", "Short.", "Short, too."]))
    assert encoded.truncated == 2 and encoded.ids[0] == encoded.ids[1]  # alike to the last token
    agree(scorer.network_, encoded.batch(range(4), CPU))
    agree(scorer.network_, encoded.batch([0, 1], CPU))


def test_an_item_that_comes_once_beside_one_that_comes_often(make, two_items):
    names = list(two_items)
    scorer = make()
    encoded = scorer.encode(frame([names[0]] * 5 + [names[1]], ANSWERS))
    batch = encoded.batch(range(6), CPU)
    assert sorted((group.prefix > 0, len(group.rows)) for group in lay_out(batch).groups) in (
        [(False, 1), (True, 5)],
        [(False, 1), (True, 2), (True, 3)],
    )
    agree(scorer.network_, batch)


def test_prompts_without_a_common_beginning_are_run_whole(make):
    ids = [[token] * 20 for token in range(1, 5)]
    encoded = Encoded(ids, [(19, 20)] * 4, np.arange(4), np.zeros(4, int), np.full(4, 3), 3, 0, 0, 512)
    assert lay_out(encoded.batch(range(4), CPU)) is None
    assert lay_out(encoded.batch([0], CPU)) is None
    scorer = make()
    outputs, _ = passes(scorer.network_, encoded.batch(range(4), CPU))
    expected, _ = plain(scorer.network_, encoded.batch(range(4), CPU))
    torch.testing.assert_close(outputs, expected, atol=1e-5, rtol=1e-5)


def test_a_beginning_stands_once_and_every_place_has_its_token():
    """Three prompts of 30 + (2, 4, 3) tokens: 30 + 3 · 4 places, and padding to 48."""
    ids = [list(range(1, 31)) + [40 + row] * rest for row, rest in enumerate((2, 4, 3))]
    spans = [(len(one) - 1, len(one)) for one in ids]
    encoded = Encoded(ids, spans, np.zeros(3, int), np.full(3, 30), np.full(3, 3), 3, 0, 0, 512)
    batch = encoded.batch(range(3), CPU)
    layout = lay_out(batch)
    (group,) = layout.groups
    assert (group.prefix, group.width, group.tokens, len(layout.index)) == (30, 4, 42, 48)
    placed = batch.input_ids.flatten()[layout.index]
    assert placed[:30].tolist() == ids[0][:30]
    assert placed[layout.last].tolist() == [40, 41, 42]
    assert layout.positions[layout.last].tolist() == [31, 33, 32]


def test_the_scores_of_a_study_are_the_same(make, two_items):
    """Scoring, too, runs a beginning once; float32 moves by the order of summation only."""
    scorer = make()
    responses = frame([name for name in two_items for _ in ANSWERS], ANSWERS * 2)
    shared = scorer.predict_log_proba(responses, quiet=True)
    scorer.network_.shares = False
    np.testing.assert_allclose(shared, scorer.predict_log_proba(responses, quiet=True), atol=1e-5)


def test_only_causal_attention_over_all_positions_is_shared(make, untrained: LoraScorer):
    assert make().network_.shares
    assert not untrained.network_.shares  # an encoder looks both ways
    backbone = make().network_.backbone.base_model.model
    assert can_share(backbone)
    backbone.config.sliding_window = 64
    assert not can_share(backbone)
    backbone.config.use_sliding_window = False
    assert can_share(backbone)
    backbone.config.layer_types = ["full_attention", "sliding_attention"]
    assert not can_share(backbone)
    told = SimpleNamespace(config=SimpleNamespace(), forward=lambda input_ids: None)
    assert not can_share(told)


@pytest.mark.parametrize("masked", ["none", "causal", "batch"])
def test_attention_by_products_is_sdpa(masked: str):
    """Four query heads on two of keys and values; eight queries and eight keys."""
    torch.manual_seed(0)
    query, key, value = (torch.randn(3, heads, 8, 16, requires_grad=True) for heads in (4, 2, 2))
    mask = {
        "none": None,
        "causal": torch.ones(8, 8, dtype=torch.bool).tril(),
        "batch": torch.arange(8)[None, None, None, :] < torch.tensor([8, 5, 6])[:, None, None, None],
    }[masked]
    expected = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, scale=0.3, enable_gqa=True
    )
    result = _products(query, key, value, mask, 0.3)
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=1e-5)
    weights = torch.randn_like(result)
    mine = torch.autograd.grad((result * weights).sum(), [query, key, value], retain_graph=True)
    theirs = torch.autograd.grad((expected * weights).sum(), [query, key, value])
    for one, two in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)


def test_bf16_is_as_near_to_float32_as_the_plain_way(make, two_items):
    """Weights that are kept in bf16 are the numbers that autocast would make of them."""
    scorer = make()
    network, names = scorer.network_, list(two_items)
    batch = scorer.encode(frame([names[0]] * 6, ANSWERS)).batch(range(6), CPU)
    exact, _ = plain(network, batch)
    network.compute = replace(network.compute, bf16=True)
    rough, _ = plain(network, batch)
    ours, _ = passes(network, batch)
    from psyalign.scorer.lora_linear import keep_frozen_low

    keep_frozen_low(network)
    kept, _ = passes(network, batch)
    assert torch.equal(ours, kept)
    assert network.head.weight.dtype == torch.float32
    assert {value.dtype for value in network.trainable().values()} == {torch.float32}
    plain_error, error = ((table - exact).abs().mean() for table in (rough, ours))
    assert 0 < float(error) < 1.5 * float(plain_error)


def test_lora_with_dropout_or_switched_off_is_pefts(make):
    network = make().network_
    layer = next(module for name, module in network.named_modules() if name.endswith("layers.0.mlp.up_proj"))
    x = torch.randn(2, 3, 32)
    torch.testing.assert_close(layer(x), type(layer).forward(layer, x), atol=1e-6, rtol=1e-5)
    layer._disable_adapters = True
    assert torch.equal(layer(x), layer.base_layer(x))
    layer._disable_adapters = False
    layer.lora_dropout["default"] = torch.nn.Dropout(0.5)
    layer.train()
    torch.manual_seed(1)
    noisy = layer(x)
    torch.manual_seed(1)
    assert torch.equal(noisy, type(layer).forward(layer, x))
    layer.eval()
    torch.testing.assert_close(layer(x), type(layer).forward(layer, x), atol=1e-6, rtol=1e-5)
