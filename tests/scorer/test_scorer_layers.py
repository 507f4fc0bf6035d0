"""Adapting the top layers only: what lies below is remembered, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from psyalign.foundation.errors import ModelError
from psyalign.items import Item
from psyalign.scorer import LoraScorer, Training, lower_layers
from psyalign.scorer.lower_layers import LowerLayers
from psyalign.scorer.network import KWayNetwork
from psyalign.scorer.prefix import lay_out

FRAME = pd.DataFrame(
    {
        "item": ["a"] * 4,
        "response": ["I would ask.", "No.", "I would wait, then ask both of them.", "Leave it."],
    }
)


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lower_layers, "_SHARED", {})


@pytest.fixture
def make(two_items: dict[str, Item]):
    frame = FRAME.assign(item=next(iter(two_items)))

    def scorer(base: Path, layers: int) -> tuple[LoraScorer, pd.DataFrame]:
        training = Training(epochs=2, batch_size=2, learning_rate=1e-3, seed=1)
        made = LoraScorer(
            two_items, str(base), layers=layers, max_tokens=512, precision="float32", training=training
        )
        made.build()
        torch.manual_seed(2)
        with torch.no_grad():  # LoRA starts at zero; give it something to do
            for value in made.network_.trainable().values():
                value.add_(0.1 * torch.randn_like(value))
        return made, frame

    return scorer


def outputs_and_gradients(network: KWayNetwork, batch) -> tuple[torch.Tensor, list[torch.Tensor]]:
    network.zero_grad()
    outputs = network.outputs(batch)
    outputs.square().sum().backward()
    return outputs.detach(), [value.grad.clone() for value in network.trainable().values()]


def test_remembered_states_give_the_outputs_and_gradients_of_a_whole_pass(make, tiny_causal: Path):
    scorer, frame = make(tiny_causal, 1)
    network, encoded = scorer.network_, scorer.encode(frame)
    network.outputs(encoded.batch([1, 2], torch.device("cpu")))  # remembered from another batch and width
    batch = encoded.batch([0, 1, 3], torch.device("cpu"))
    outputs, gradients = outputs_and_gradients(network, batch)
    network._lower, lower = None, network._lower
    whole, expected = outputs_and_gradients(network, batch)
    assert len(lower._memory.states) == 4
    torch.testing.assert_close(outputs, whole, atol=1e-6, rtol=1e-5)
    for mine, theirs in zip(gradients, expected, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("left", [False, True])
def test_a_common_beginning_is_run_once_below_too(make, tiny_causal: Path, left: bool):
    scorer, frame = make(tiny_causal, 1)
    batch = scorer.encode(frame).batch([0, 1, 2, 3], torch.device("cpu"), left=left)
    assert lay_out(batch) is not None
    lower = scorer.network_._lower
    shared = lower.states(batch)
    whole = LowerLayers(lower._backbone, 1).states(batch)
    # left padding moves all positions, which rounds otherwise
    torch.testing.assert_close(shared, whole, atol=1e-4 if left else 1e-5, rtol=1e-4)


def test_lower_layers_run_once_for_each_text_and_then_never(make, tiny_causal: Path):
    scorer, frame = make(tiny_causal, 1)
    calls = []
    below = scorer.network_._lower._below[0]
    below.mlp.register_forward_hook(lambda *_: calls.append(1))
    batch = scorer.encode(frame).batch([0, 1, 2, 3], torch.device("cpu"))
    for _ in range(3):
        scorer.network_.outputs(batch)
    assert len(calls) == 1
    probabilities = scorer.predict_proba(frame)
    assert len(calls) == 1
    again, _ = make(tiny_causal, 1)  # another scorer of this base, as the next arm of a study
    again.network_._lower._below[0].mlp.register_forward_hook(lambda *_: calls.append(1))
    assert np.array_equal(again.predict_proba(frame), probabilities)
    assert len(calls) == 1


def test_states_that_scoring_remembered_can_be_trained_on(make, tiny_causal: Path):
    scorer, frame = make(tiny_causal, 1)
    scorer.predict_proba(frame)
    batch = scorer.encode(frame).batch([0, 1, 2, 3], torch.device("cpu"))
    outputs_and_gradients(scorer.network_, batch)


def test_only_the_top_layers_have_lora(make, tiny_causal: Path):
    one, _ = make(tiny_causal, 1)
    both, _ = make(tiny_causal, 2)
    whole, _ = make(tiny_causal, 0)
    assert all("layers.1." in name for name in one.network_.trainable() if "lora_" in name)
    assert both.network_.trainable().keys() == whole.network_.trainable().keys()


def test_an_encoder_with_its_dropout_learns_from_remembered_states(make, tiny_encoder: Path):
    scorer, frame = make(tiny_encoder, 1)
    batch = scorer.encode(frame).batch([0, 1], torch.device("cpu"))
    scorer.network_.train(True)
    states = scorer.network_._lower.states(batch)
    assert torch.equal(states, scorer.network_._lower.states(batch))  # without dropout below …
    assert not torch.equal(
        scorer.network_.outputs(batch), scorer.network_.outputs(batch)
    )  # … and with it above
    scorer.network_.eval()
    with torch.no_grad():
        plain = scorer.network_.outputs(batch)
    torch.testing.assert_close(scorer.network_.outputs(batch).detach(), plain, atol=1e-6, rtol=1e-5)


def test_a_full_memory_changes_the_speed_only(make, tiny_causal: Path, monkeypatch: pytest.MonkeyPatch):
    scorer, frame = make(tiny_causal, 1)
    batch = scorer.encode(frame).batch([0, 1, 2, 3], torch.device("cpu"))
    expected = scorer.network_.outputs(batch)
    monkeypatch.setattr(lower_layers, "LIMIT_BYTES", 0)
    lower_layers._SHARED.clear()
    other, _ = make(tiny_causal, 1)
    torch.testing.assert_close(other.network_.outputs(batch), expected)
    assert other.network_._lower._memory.states == {}


def test_interrupted_training_of_top_layers_ends_as_if_unbroken(make, tiny_causal: Path, tmp_path: Path):
    unbroken, frame = make(tiny_causal, 1)
    unbroken.fit(frame, [0, 1, 1, 0])
    resumed, _ = make(tiny_causal, 1)
    path, stop = tmp_path / "checkpoint.safetensors", KeyboardInterrupt()
    original = resumed.network_.log_probs

    def interrupted(batch):
        if path.is_file():
            raise stop
        return original(batch)

    resumed.network_.log_probs = interrupted
    with pytest.raises(KeyboardInterrupt):
        resumed.fit(frame, [0, 1, 1, 0], checkpoint=path)
    lower_layers._SHARED.clear()
    again, _ = make(tiny_causal, 1)  # a new process remembers nothing
    again.fit(frame, [0, 1, 1, 0], checkpoint=path)
    for name, value in again.network_.trainable().items():
        torch.testing.assert_close(value, unbroken.network_.trainable()[name], atol=1e-7, rtol=1e-6)


def test_saved_scorers_know_their_layers(make, tiny_causal: Path, tmp_path: Path):
    scorer, frame = make(tiny_causal, 1)
    scorer.save(tmp_path)
    loaded = LoraScorer.load(tmp_path, scorer.items)
    assert loaded.layers == 1
    assert (loaded.predict_proba(frame) == scorer.predict_proba(frame)).all()


def test_more_layers_than_there_are_is_an_error_with_a_mend(make, tiny_causal: Path):
    with pytest.raises(ModelError, match="has 2 layers; 3 cannot be adapted") as caught:
        make(tiny_causal, 3)
    assert "at most 2" in str(caught.value.mend)
