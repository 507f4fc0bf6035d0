"""Tiny models: whole scorers that train in milliseconds, an encoder and a causal LM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from psyalign.items import Item
from psyalign.scorer import LoraScorer, Training
from psyalign.scorer.models import quiet_transformers


def save_byte_tokenizer(folder: Path, merges: list[tuple[str, str]] | None = None, **special: str) -> int:
    """Save a tokenizer whose tokens are bytes (and `merges` of them); return how many tokens it has."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    names = [*alphabet, *("".join(pair) for pair in merges or []), *special.values()]
    vocabulary = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges or []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    return len(names)


@pytest.fixture(scope="session")
def byte_tokenizer() -> Callable[..., int]:
    """`save_byte_tokenizer`, for tests that need another tokenizer."""
    return save_byte_tokenizer


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a one-layer BERT with random weights and, as MiniLM has it, dropout .1."""
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("encoder")
    size = save_byte_tokenizer(folder, cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]")
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=size,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=600,
    )
    with quiet_transformers():
        BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a two-layer Llama with random weights whose pad token is, as in SmolLM2, its eos token."""
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("causal")
    size = save_byte_tokenizer(folder, eos_token="<end>", pad_token="<end>")
    torch.manual_seed(2)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
        max_position_embeddings=600,
        initializer_range=0.3,  # far from uniform
    )
    with quiet_transformers():
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def tiny_scorer(tiny_encoder: Path, two_items: dict[str, Item]) -> Callable[..., LoraScorer]:
    """Makes a scorer on the tiny encoder; keywords go to its Training."""

    def make(**settings: float | int) -> LoraScorer:
        training = {"epochs": 3, "batch_size": 4, "learning_rate": 1e-2, "seed": 5, **settings}
        return LoraScorer(
            two_items,
            str(tiny_encoder),
            precision="float32",
            max_tokens=512,
            training=Training(**training),  # type: ignore[arg-type]
            random_state=3,
        )

    return make
