"""Denied wordings of one answer: a published sandwich by hand, coverage of a known truth, and a run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from psyalign.feedback import Equivalence, write_records
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.denied import denied_gap, denied_table
from tests.pipeline.sandwich import by_hand

Change = Callable[..., None]
Perform = Callable[..., Run]


def judged(rng: np.random.Generator, persons: int, delta: float) -> pd.DataFrame:
    """Simulated: a person's gaps share an effect, items differ, denied pairs lie further apart by delta."""
    rows = []
    for person in range(persons):
        shared = rng.normal(0, 0.1)
        for item in rng.choice(5, 3, replace=False):
            denied = rng.random() < 0.3
            gap = 0.3 + 0.1 * item + shared + delta * denied + rng.normal(0, 0.1)
            rows.append((f"p{person}", f"i{item}", denied, gap))
    return pd.DataFrame(rows, columns=["person", "item", "denied", "gap"])


def test_the_sandwich_by_hand() -> None:
    table = judged(np.random.default_rng(3), 60, 0.2)
    found = denied_gap(table["gap"], table["denied"], table["item"], table["person"])
    beta, half = by_hand(table["gap"], table["denied"], table["item"], table["person"])
    assert found.difference == pytest.approx(beta[0], abs=1e-10)
    assert (found.low, found.high) == pytest.approx((beta[0] - half, beta[0] + half), abs=1e-8)
    shares = table["item"].value_counts(normalize=True).sort_index().to_numpy()
    assert found.same == pytest.approx(shares @ beta[1:], abs=1e-10)
    assert found.denied - found.same == pytest.approx(found.difference, abs=1e-12)
    assert (found.n, found.n_denied, found.n_persons) == (180, table["denied"].sum(), 60)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng, draws = np.random.default_rng(7), 300
    held = 0
    for _ in range(draws):
        table = judged(rng, 60, 0.1)
        found = denied_gap(table["gap"], table["denied"], table["item"], table["person"])
        held += found.low <= 0.1 <= found.high
    assert 0.92 <= held / draws <= 0.98


def test_few_denials_and_items_of_one_verdict_have_no_estimate() -> None:
    table = judged(np.random.default_rng(1), 60, 0.1)
    few = table.assign(denied=table["person"].isin(["p1", "p2"]))
    found = denied_gap(few["gap"], few["denied"], few["item"], few["person"])
    assert math.isnan(found.difference) and found.reason.startswith("fewer than 10 persons")
    apart = table.assign(denied=table["item"] == "i0")
    found = denied_gap(apart["gap"], apart["denied"], apart["item"], apart["person"])
    assert math.isnan(found.low) and found.reason == "no item has pairs affirmed and pairs denied"


def test_a_run_counts_wordings_of_one_answer_alone(
    small_study: Path, perform: Perform, change: Change
) -> None:
    run = perform(small_study, "data", "sft", "feedback", "reward")
    text = run.path("feedback", "records.jsonl").read_text(encoding="utf-8")
    known = [record for record in map(json.loads, text.splitlines()) if record["kind"] == "equivalence"]
    pairs = [
        Equivalence(one["item"], one["response_a"], one["response_b"], True, "ana", "page") for one in known
    ]
    item, other = pairs[0], next(pair for pair in pairs[1:] if pair.item == pairs[0].item)
    assert denied_table(run) == {}, "of a rule's pairs nobody denied any"
    said = [
        *pairs,
        Equivalence(item.item, item.response_a, item.response_b, False, "ben", "page"),
        Equivalence(item.item, item.response_a, other.response_b, False, "ben", "page"),  # another's answer
    ]
    write_records(small_study.parent / "same.jsonl", said)
    change(small_study, 'equivalence = "alternates"', 'equivalence = "records"')
    change(small_study, 'source = "panel"\nrater = "panel"', 'source = "records"\nrecords = "same.jsonl"')
    change(small_study, "max_equivalences = 6", "max_equivalences = 100")
    change(small_study, "beta = 0.1", 'arms = ["baseline", "equivalence"]')
    again = perform(small_study, "data", "sft", "feedback", "reward")
    row = denied_table(again)["denied"].iloc[0]
    assert (row["n"], row["n_denied"]) == (len(pairs) + 1, 1)
    assert row["reason"].startswith("fewer than 10 persons")
