"""What tests of the rating page share: two made-up items, responses of twelve persons; forms of a page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from psyalign.collect import Collection, Material, Settings, begin
from psyalign.items import Exemplar, Item, RubricPoint

SECRET = "a private sentence nobody may log"


def made_item(name: str, points: int) -> Item:
    rubric = tuple(RubricPoint(s, f"label {s}", f"Description {s}.") for s in range(points))
    exemplars = tuple(
        Exemplar(s, f"Exemplar {name} {s} {twin}", "Because.") for s in range(points) for twin in "ab"
    )
    return Item(name, "1", f"Item {name}", "care", f"It happens {name}.", "What now?", rubric, exemplars)


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


@dataclass
class Form:
    """The question's form on a page: its hidden fields and the values of its buttons."""

    fields: dict[str, str] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, page: str) -> Form | None:
        found = re.search(r'<form method="post" action="/answer".*?</form>', page, re.S)
        if found is None:
            return None
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found[0])
        return cls(
            dict(hidden), [unescape(v) for v in re.findall(r'name="answer" value="([^"]*)"', found[0])]
        )
