"""Token ids, pooled spans, truncation, and batches of similar length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from psyalign.foundation.errors import DataError, ModelError
from psyalign.items import Item
from psyalign.scorer import LoraScorer
from psyalign.scorer.encode import Encoded, Encoder, inference_batches, training_batches
from psyalign.scorer.models import resolve_base
from psyalign.scorer.prompt import ANSWER_CUE, prompt_context

CPU = torch.device("cpu")


def encoder(base: Path | str, items: dict[str, Item], max_tokens: int) -> tuple[Encoder, Any]:
    model = resolve_base(str(base))
    tokenizer = model.load_tokenizer()
    return Encoder(tokenizer, model.kind, items, max_tokens), tokenizer


def test_encoder_prompt_token_by_token(tiny_encoder: Path, two_items: dict[str, Item]) -> None:
    made, tokenizer = encoder(tiny_encoder, two_items, 512)
    encoded = made.encode(["sf1"], ["They hide\nfrom  her."])
    context = prompt_context(two_items["sf1"])
    assert tokenizer.decode(encoded.ids[0]) == f"[CLS]{context}[SEP] They hide from her.[SEP]"
    first, last = encoded.spans[0]
    assert tokenizer.decode(encoded.ids[0][first:last]) == " They hide from her."
    assert encoded.truncated == 0


def test_causal_prompt_token_by_token(tiny_causal: Path, two_items: dict[str, Item]) -> None:
    made, tokenizer = encoder(tiny_causal, two_items, 512)
    encoded = made.encode(["sf1"], ["They hide."])
    whole = f"{prompt_context(two_items['sf1'])} They hide.{ANSWER_CUE}"
    assert tokenizer.decode(encoded.ids[0]) == whole
    assert encoded.spans == [(len(encoded.ids[0]) - 1, len(encoded.ids[0]))]


@pytest.mark.parametrize("kind", ["encoder", "causal"])
def test_long_responses_lose_their_end_and_the_item_loses_nothing(
    kind: str, two_items: dict[str, Item], request: pytest.FixtureRequest
) -> None:
    made, tokenizer = encoder(request.getfixturevalue(f"tiny_{kind}"), two_items, 320)
    short, long = "They hide.", "They hide. " + "x" * 400 + " THE END"
    encoded = made.encode(["sf1", "ss-brian", "sf1"], [short, long, long])
    assert encoded.truncated == 2
    assert encoded.lengths.tolist()[1:] == [320, 320]
    for row, name in enumerate(["sf1", "ss-brian", "sf1"]):
        text = tokenizer.decode(encoded.ids[row])
        assert prompt_context(two_items[name]) in text
        assert text.endswith("[SEP]" if kind == "encoder" else ANSWER_CUE)
        assert "THE END" not in text and " They hide." in text


def test_an_answer_that_just_fits_is_not_truncated(tiny_encoder: Path, two_items: dict[str, Item]) -> None:
    """[CLS] + context + [SEP] + " " + n bytes + [SEP] = 320 tokens for n = 316 − context."""
    made, _ = encoder(tiny_encoder, two_items, 320)
    room = 316 - len(prompt_context(two_items["sf1"]).encode())
    assert made.encode(["sf1"], ["x" * room]).truncated == 0
    assert made.encode(["sf1"], ["x" * (room + 1)]).truncated == 1


def test_too_few_tokens_for_the_longest_item(untrained: LoraScorer, two_items: dict[str, Item]) -> None:
    with pytest.raises(ModelError, match="leaves no room for a response") as problem:
        LoraScorer(two_items, "minilm", precision="float32", max_tokens=60).build()
    assert problem.value.where == "[scorer] max_tokens"
    longest = max(
        len(untrained.base_.load_tokenizer()(prompt_context(item), add_special_tokens=False)["input_ids"])
        for item in two_items.values()
    )
    assert f"takes {longest} tokens" in problem.value.message
    assert problem.value.mend is not None and f"max_tokens to {longest + 128}" in problem.value.mend


def test_unknown_item(untrained: LoraScorer) -> None:
    with pytest.raises(DataError, match="'sf9' is not in the scorer's item bank"):
        untrained.encode(pd.DataFrame({"item": ["sf1", "sf9"], "response": ["a", "b"]}))


def test_no_responses_make_an_empty_table(untrained: LoraScorer, answers: pd.DataFrame) -> None:
    assert untrained.predict_proba(answers.iloc[:0]).shape == (0, 3)
    assert untrained.predict(answers.iloc[:0]).tolist() == []


def test_a_response_without_any_token_has_a_score(untrained: LoraScorer) -> None:
    proba = untrained.predict_proba(pd.DataFrame({"item": ["sf1"], "response": ["   "]}))
    assert np.isfinite(proba).all() and proba.sum() == pytest.approx(1)


def test_batch_masks(untrained: LoraScorer, answers: pd.DataFrame) -> None:
    encoded = untrained.encode(answers)
    rows = [0, 7, 3]
    batch = encoded.batch(rows, CPU)
    assert batch.input_ids.shape == batch.attention_mask.shape == batch.pool_mask.shape
    assert batch.attention_mask.sum(dim=1).tolist() == encoded.lengths[rows].tolist()
    torch.testing.assert_close(batch.pool_mask.sum(dim=1), torch.ones(3))
    assert not bool((batch.pool_mask[batch.attention_mask == 0]).any())
    # sf1 has three score points, ss-brian two
    assert batch.score_mask.tolist() == [[True] * 3, [True, True, False], [True] * 3]


def test_digits_are_single_tokens_of_the_tiny_causal_model(
    tiny_causal: Path, two_items: dict[str, Item]
) -> None:
    made, tokenizer = encoder(tiny_causal, two_items, 512)
    assert tokenizer.convert_ids_to_tokens(made.score_tokens()) == ["0", "1", "2"]


def test_a_digit_that_melts_into_the_cue_is_refused(
    tmp_path: Path, byte_tokenizer: Callable[..., int], two_items: dict[str, Item]
) -> None:
    """With a merge of space and 1, "Score: 1" ends in the one token " 1": the cue is then another text."""
    from transformers import AutoTokenizer

    byte_tokenizer(tmp_path, merges=[("Ġ", "1")], eos_token="<end>")
    made = Encoder(AutoTokenizer.from_pretrained(tmp_path), "causal", two_items, 512)
    with pytest.raises(ModelError, match="score label '1' is not a single, distinct token"):
        made.score_tokens()


@given(st.lists(st.integers(1, 300), max_size=90), st.integers(1, 7), st.integers(0, 5))
def test_training_batches_cover_every_row_once(lengths: list[int], size: int, seed: int) -> None:
    batches = training_batches(np.array(lengths, dtype=int), size, np.random.default_rng(seed))
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= size for batch in batches)


def test_training_batches_are_as_many_in_every_epoch_and_of_similar_length() -> None:
    lengths = np.random.default_rng(0).integers(20, 200, size=1000)
    epochs = [training_batches(lengths, 8, np.random.default_rng(epoch)) for epoch in range(4)]
    assert {len(batches) for batches in epochs} == {125}
    assert epochs[0] != epochs[1]
    spread = np.mean([lengths[batch].max() - lengths[batch].mean() for batch in epochs[0]])
    mixed = np.random.default_rng(9).permutation(1000).reshape(125, 8)
    by_chance = np.mean([lengths[batch].max() - lengths[batch].mean() for batch in mixed])
    assert spread < by_chance / 4  # little padding


def test_training_batches_by_item_hold_few_items() -> None:
    """1,000 responses to 8 items in pools of 16 batches: an item has two of a pool's batches."""
    rng = np.random.default_rng(0)
    lengths, items = rng.integers(20, 200, size=1000), rng.integers(0, 8, size=1000)
    batches = training_batches(lengths, 8, np.random.default_rng(1), items)
    assert sorted(row for batch in batches for row in batch) == list(range(1000))
    assert np.mean([len(set(items[batch])) for batch in batches]) < 2
    order = [items[batch[0]] for batch in batches]
    assert np.mean(np.diff(order) == 0) < 0.3  # and the batches of an item do not follow one another


def planned(lengths: list[int], items: list[int]) -> Encoded:
    """Prompts of these lengths; half of the shortest prompt of an item is its beginning."""
    heads = {
        item: min(lengths[row] for row, other in enumerate(items) if other == item) // 2 for item in items
    }
    n = len(lengths)
    return Encoded(
        [[0] * length for length in lengths],
        [(length - 1, length) for length in lengths],
        np.array(items, dtype=int),
        np.array([heads[item] for item in items], dtype=int),
        *(np.full(n, 3), 3, 0, 0, 512),
    )


PROMPTS = st.lists(st.tuples(st.integers(1, 300), st.integers(0, 4)), max_size=90)


@given(PROMPTS, st.integers(50, 1000), st.booleans())
def test_inference_batches_cover_every_row_once_within_the_limit(
    prompts: list[tuple[int, int]], tokens: int, shared: bool
) -> None:
    lengths, items = [length for length, _ in prompts], [item for _, item in prompts]
    encoded = planned(lengths, items)
    batches = inference_batches(encoded, tokens, shared=shared)
    assert sorted(row for batch in batches for row in batch) == list(range(len(lengths)))
    for batch in batches:
        groups = {items[row] if shared else 0 for row in batch}
        taken = 0
        for group in groups:
            rows = [row for row in batch if not shared or items[row] == group]
            head = int(encoded.heads[rows[0]]) if shared else 0
            taken += head + len(rows) * (max(lengths[row] for row in rows) - head)
        assert len(batch) == 1 or taken <= tokens


def test_inference_batches_of_one_item_are_larger_where_its_beginning_is_shared() -> None:
    encoded = planned([200] * 64, [0] * 32 + [1] * 32)
    assert len(inference_batches(encoded, 1600)) == 8
    assert len(inference_batches(encoded, 1600, shared=True)) == 5  # 15 of one item: 100 + 15 * 100
