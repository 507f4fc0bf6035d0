"""What tests of the rating page share: two made-up items, responses of twelve persons."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from psyalign.collect import Collection, Material, Settings, begin

from .simulated_raters import made_item

SECRET = "a private sentence nobody may log"


@pytest.fixture
def material() -> Material:
    """Twelve persons, items of five and three points; half of the persons write variety "x"."""
    items = {"five": made_item("five", 5), "three": made_item("three", 3)}
    rows = [
        (f"p{n:02}|{item}", f"p{n:02}", item, "xy"[n % 2], f"<b>{SECRET}</b> {n} & number{n // 2}", True)
        for n in range(12)
        for item in items
    ]
    columns = ["response_id", "person", "item", "wording", "response", "primary"]
    texts = pd.DataFrame(rows, columns=columns)
    variety = dict(zip(texts["response_id"], texts["wording"], strict=True))
    return Material("Bank", "", "Study", "", 5, items, texts, variety, {}, {})


@pytest.fixture
def start(tmp_path: Path, material: Material) -> Callable[..., Collection]:
    """Begin a collection of ann, bob and cem."""

    def begin_one(raters: str = "ann,bob,cem", **settings: Any) -> Collection:
        made = Settings(**{"max_responses": 12, "overlap": 3, "anchors": 2, "repeats": 0.2, **settings})
        return begin(tmp_path / "collect" / "main.sqlite", material, made, list(settings), raters.split(","))

    return begin_one
