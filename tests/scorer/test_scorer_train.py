"""The training loop: learning rates, resuming after a stop, several updates a step, dropout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from psyalign.scorer import LoraScorer, LossRow, Training
from psyalign.scorer import train as train_module
from psyalign.scorer.train import train


class StoppedError(Exception):
    """Stands for a kill."""


def stop_after(updates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so many updates pass and raise in the next one."""
    update, done = train_module._update, []

    def counted(*arguments: Any) -> float:
        if len(done) == updates:
            raise StoppedError
        done.append(1)
        return float(update(*arguments))

    monkeypatch.setattr(train_module, "_update", counted)


@pytest.mark.parametrize("stop", [3, 4, 8], ids=["end of epoch 1", "in epoch 2", "in epoch 3"])
def test_resumed_training_ends_with_the_same_bits(
    tiny_scorer: Callable[..., LoraScorer],
    answers: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: int,
) -> None:
    """Ten answers in batches of four: three updates an epoch. Dropout of the base is on."""
    unbroken = tiny_scorer(epochs=4).fit(answers, answers["score"])
    checkpoint = tmp_path / "checkpoint.safetensors"
    with monkeypatch.context() as patch:
        stop_after(stop, patch)
        with pytest.raises(StoppedError):
            tiny_scorer(epochs=4).fit(answers, answers["score"], checkpoint=checkpoint)
    assert checkpoint.is_file()
    torch.manual_seed(stop)  # another process has other random numbers
    resumed = tiny_scorer(epochs=4).fit(answers, answers["score"], checkpoint=checkpoint)
    assert resumed.fingerprint() == unbroken.fingerprint()
    assert resumed.history_ == unbroken.history_ and len(resumed.history_) == 12


def test_a_stop_before_the_first_epochs_end_starts_anew(
    tiny_scorer: Callable[..., LoraScorer],
    answers: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checkpoint = tmp_path / "checkpoint.safetensors"
    with monkeypatch.context() as patch:
        stop_after(2, patch)
        with pytest.raises(StoppedError):
            tiny_scorer().fit(answers, answers["score"], checkpoint=checkpoint)
    assert not checkpoint.exists()


def test_minilm_resumes_too(
    reference_copy: Callable[[], LoraScorer],
    answers: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = answers.iloc[[0, 3, 7]]

    def fit(checkpoint: Path | None = None) -> str:
        scorer = reference_copy()
        scorer.training = Training(epochs=2, batch_size=3, learning_rate=1e-3, seed=0)
        return scorer.fit(few, few["score"].to_numpy(), checkpoint=checkpoint).fingerprint()

    with monkeypatch.context() as patch:
        stop_after(1, patch)
        with pytest.raises(StoppedError):
            fit(tmp_path / "checkpoint")
    assert fit(tmp_path / "checkpoint") == fit()


def test_learning_rates_by_hand(
    tiny_scorer: Callable[..., LoraScorer], answers: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four epochs of three updates, warm-up .25: 12 updates, 3 of them warm.

    Warm-up 1/3, 2/3, 3/3, then the rest falls by 1/9: (12 − 3)/9 = 1, 8/9, …, 1/9.
    """
    rates: list[float] = []
    update = train_module._update

    def noted(loss: Any, parameters: Any, optimiser: Any, settings: Any) -> float:
        rates.append(optimiser.param_groups[0]["lr"] / settings.learning_rate)
        return float(update(loss, parameters, optimiser, settings))

    monkeypatch.setattr(train_module, "_update", noted)
    tiny_scorer(epochs=4, warmup=0.25).fit(answers, answers["score"])
    assert rates == pytest.approx(
        [1 / 3, 2 / 3, 1, 1, 8 / 9, 7 / 9, 6 / 9, 5 / 9, 4 / 9, 3 / 9, 2 / 9, 1 / 9]
    )


def test_gradients_are_clipped_at_norm_one(tiny_scorer: Callable[..., LoraScorer]) -> None:
    """Loss 100·(b₀ + b₁) on the head's bias: gradient (100, 100, 0), clipped to (.7071, .7071, 0)."""
    scorer = tiny_scorer().build()
    bias = scorer.network_.head.bias
    settings = Training(epochs=1, batch_size=1, learning_rate=1e-3, seed=0)
    seen: list[torch.Tensor] = []

    def losses(_: int) -> Iterator[torch.Tensor]:
        yield 100 * (bias[0] + bias[1])
        assert bias.grad is not None
        seen.append(bias.grad.clone())

    train(scorer.network_, lambda epoch: [0], losses, settings, label="clip")
    torch.testing.assert_close(seen[0], torch.tensor([0.5**0.5, 0.5**0.5, 0.0]), rtol=1e-5, atol=1e-6)


def test_each_loss_of_a_step_sees_the_updated_weights(tiny_scorer: Callable[..., LoraScorer]) -> None:
    scorer = tiny_scorer().build()
    bias, seen = scorer.network_.head.bias, []

    def losses(_: int) -> Iterator[torch.Tensor]:
        for _ in range(3):
            seen.append(float(bias[0].detach()))
            yield bias[0] * 1.0

    settings = Training(epochs=1, batch_size=1, learning_rate=0.1, seed=0, warmup=0.0)
    history = train(scorer.network_, lambda epoch: [0], losses, settings, label="x", updates_per_step=3)
    assert seen[0] == 0.0 and seen[1] < seen[0] and seen[2] < seen[1]
    assert [(row.step, row.epoch) for row in history] == [(1, 0), (2, 0), (3, 0)]
    assert isinstance(history[0], LossRow)


@pytest.mark.parametrize("dropout", [True, False])
def test_dropout_is_on_only_where_it_is_asked_for(
    tiny_scorer: Callable[..., LoraScorer], answers: pd.DataFrame, dropout: bool
) -> None:
    scorer = tiny_scorer().build()
    network = scorer.network_
    torch.nn.init.normal_(network.head.weight)
    batch = scorer.encode(answers).batch(range(4), network.compute.device)
    twice: list[bool] = []

    def losses(_: int) -> Iterator[torch.Tensor]:
        first = network.log_probs(batch)
        twice.append(torch.equal(first, network.log_probs(batch)))
        yield -first[:, 0].mean()

    settings = Training(epochs=1, batch_size=4, learning_rate=1e-3, seed=0)
    train(network, lambda epoch: [0], losses, settings, label="x", dropout=dropout)
    assert twice == [not dropout]
    assert not network.training  # left ready to score
