"""Fine-tuning: what it starts from, that it learns, that it is repeatable, and when it refuses."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from psyalign.foundation.errors import ModelError
from psyalign.items import Item
from psyalign.scorer import LoraScorer, Training
from psyalign.scorer import lora_scorer as lora_scorer_module


def test_an_untrained_scorer_is_uniform(untrained: LoraScorer, answers: pd.DataFrame) -> None:
    proba = untrained.predict_proba(answers)
    three = (answers["item"] == "sf1").to_numpy()
    np.testing.assert_allclose(proba[three], 1 / 3, atol=1e-7)
    np.testing.assert_allclose(proba[~three], np.tile([0.5, 0.5, 0.0], (4, 1)), atol=1e-7)


def test_expected_and_modal_score(untrained: LoraScorer, answers: pd.DataFrame) -> None:
    """Uniform over 0, 1, 2: expected (0 + 1 + 2)/3 = 1; over 0, 1: 1/2. Ties go to the lowest score."""
    expected = untrained.predict_expected(answers)
    np.testing.assert_allclose(expected, np.where(answers["item"] == "sf1", 1.0, 0.5), atol=1e-6)
    assert untrained.predict(answers).tolist() == [0] * 10


def test_first_loss_by_hand_and_fitting_lowers_it(untrained: LoraScorer, answers: pd.DataFrame) -> None:
    """The first update sees uniform scores: six answers cost ln 3 and four ln 2.

    (6 · 1.098612 + 4 · 0.693147) / 10 = (6.591674 + 2.772589) / 10 = 0.936426
    """
    scorer = copy.deepcopy(untrained)
    scorer.training = Training(epochs=6, batch_size=10, learning_rate=5e-3, seed=2)
    scorer.fit(answers, answers["score"].to_numpy())
    losses = [row.loss for row in scorer.history_]
    assert losses[0] == pytest.approx((6 * math.log(3) + 4 * math.log(2)) / 10, abs=1e-6)
    assert losses[0] == pytest.approx(0.936426, abs=1e-6)
    assert losses[-1] < 0.8 * losses[0]
    assert [row.step for row in scorer.history_] == [1, 2, 3, 4, 5, 6]
    assert [row.epoch for row in scorer.history_] == [0, 1, 2, 3, 4, 5]


def test_the_base_is_left_alone(reference_copy: Callable[[], LoraScorer], untrained: LoraScorer) -> None:
    def frozen(scorer: LoraScorer) -> dict[str, torch.Tensor]:
        trained = scorer.network_.trainable()
        return {name: value for name, value in scorer.network_.state_dict().items() if name not in trained}

    before, after = frozen(untrained), frozen(reference_copy())
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_two_fits_with_one_seed_are_the_same_to_the_last_bit(
    two_items: dict[str, Item], answers: pd.DataFrame
) -> None:
    """From the start of LoRA on, dropout of the base included."""

    def fit() -> LoraScorer:
        training = Training(epochs=2, batch_size=10, learning_rate=2e-3, seed=4)
        scorer = LoraScorer(
            two_items, "minilm", precision="float32", max_tokens=128, training=training, random_state=4
        )
        return scorer.fit(answers, answers["score"].to_numpy())

    first, second = fit(), fit()
    assert first.fingerprint() == second.fingerprint()
    assert [row.loss for row in first.history_] == [row.loss for row in second.history_]
    assert np.array_equal(first.predict_proba(answers), second.predict_proba(answers))


def test_another_seed_gives_another_scorer(
    tiny_scorer: Callable[..., LoraScorer], answers: pd.DataFrame
) -> None:
    first = tiny_scorer(seed=1).fit(answers, answers["score"])
    assert tiny_scorer(seed=2).fit(answers, answers["score"]).fingerprint() != first.fingerprint()


def test_the_callers_random_numbers_do_not_matter(
    tiny_scorer: Callable[..., LoraScorer], answers: pd.DataFrame
) -> None:
    torch.manual_seed(1)
    first = tiny_scorer().fit(answers, answers["score"]).fingerprint()
    torch.manual_seed(2)
    assert tiny_scorer().fit(answers, answers["score"]).fingerprint() == first


def test_a_tiny_scorer_learns_its_training_data(
    tiny_scorer: Callable[..., LoraScorer], answers: pd.DataFrame
) -> None:
    scorer = tiny_scorer(epochs=60, batch_size=10, learning_rate=3e-2).fit(answers, answers["score"])
    assert (scorer.predict(answers) == answers["score"]).mean() >= 0.9


def test_no_training_settings(two_items: dict[str, Item], answers: pd.DataFrame) -> None:
    with pytest.raises(ModelError, match="no training settings"):
        LoraScorer(two_items, "minilm").fit(answers, answers["score"])


def test_diverged_training_is_refused(tiny_scorer: Callable[..., LoraScorer], answers: pd.DataFrame) -> None:
    with pytest.raises(ModelError, match="the loss is not a finite number") as problem:
        tiny_scorer(learning_rate=1e30, epochs=4).fit(answers, answers["score"])
    assert problem.value.exit_code == 2
    assert problem.value.mend is not None and "learning rate" in problem.value.mend


@pytest.fixture
def constant_scorer(
    tiny_scorer: Callable[..., LoraScorer], monkeypatch: pytest.MonkeyPatch
) -> Callable[[], LoraScorer]:
    """A scorer whose "training" ends, as too high a learning rate does, in one score for all."""

    def collapse(network: Any, *_: object, **__: object) -> list[object]:
        with torch.no_grad():
            network.head.weight.zero_()
            network.head.bias.copy_(torch.tensor([0.0, 4.0, 0.0]))
        return []

    monkeypatch.setattr(lora_scorer_module, "train", collapse)
    return tiny_scorer


def test_collapse_to_one_score_is_refused(
    constant_scorer: Callable[[], LoraScorer], answers: pd.DataFrame
) -> None:
    many = pd.concat([answers] * 3, ignore_index=True)
    with pytest.raises(ModelError, match="collapsed: it gives score 1 to every response"):
        constant_scorer().fit(many, many["score"])


def test_one_score_is_no_collapse_where_the_raters_gave_one_score(
    constant_scorer: Callable[[], LoraScorer], answers: pd.DataFrame
) -> None:
    many = pd.concat([answers] * 3, ignore_index=True)
    constant_scorer().fit(many, np.ones(len(many), dtype=int))


def test_collapse_cannot_be_told_from_a_handful(
    constant_scorer: Callable[[], LoraScorer], answers: pd.DataFrame
) -> None:
    constant_scorer().fit(answers, answers["score"])
