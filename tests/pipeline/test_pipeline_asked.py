"""What score feedback asks by group: a published sandwich by hand, and coverage of a known truth."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from psyalign.pipeline.stages.asked import asked_change
from tests.pipeline.sandwich import by_hand


def changes(rng: np.random.Generator, persons: int, delta: float) -> pd.DataFrame:
    """Simulated: a person's changes share an effect; items differ; the focal group's are higher by delta."""
    rows = []
    for person in range(persons):
        shared, focal = rng.normal(0, 0.3), person % 3 == 0
        for item in rng.choice(5, 3, replace=False):
            change = 0.2 * item + shared + delta * focal + rng.normal(0, 0.5)
            rows.append((f"p{person}", f"i{item}", focal, change))
    return pd.DataFrame(rows, columns=["person", "item", "focal", "change"])


def test_the_sandwich_by_hand() -> None:
    table = changes(np.random.default_rng(3), 60, 0.2)
    found = asked_change(table["change"], table["focal"], table["item"], table["person"])
    beta, half = by_hand(table["change"], table["focal"], table["item"], table["person"])
    assert found.difference == pytest.approx(beta[0], abs=1e-10)
    assert (found.low, found.high) == pytest.approx((beta[0] - half, beta[0] + half), abs=1e-8)
    shares = table["item"].value_counts(normalize=True).sort_index().to_numpy()
    assert found.reference == pytest.approx(shares @ beta[1:], abs=1e-10)
    assert found.focal - found.reference == pytest.approx(found.difference, abs=1e-12)
    assert (found.n, found.n_reference, found.n_focal, found.reason) == (180, 40, 20, "")


def test_one_item_and_one_response_each_is_a_difference_of_means() -> None:
    rng = np.random.default_rng(5)
    change, focal = rng.normal(size=50), np.arange(50) < 20
    found = asked_change(change, focal, ["a"] * 50, np.arange(50))
    assert found.focal == pytest.approx(change[focal].mean(), abs=1e-12)
    assert found.reference == pytest.approx(change[~focal].mean(), abs=1e-12)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng, draws = np.random.default_rng(7), 400
    held = 0
    for _ in range(draws):
        table = changes(rng, 60, 0.15)
        found = asked_change(table["change"], table["focal"], table["item"], table["person"])
        held += found.low <= 0.15 <= found.high
    # binomial, 400 draws: standard error .011
    assert 0.915 <= held / draws <= 0.98


@pytest.mark.parametrize(
    ("focal", "item", "reason"),
    [
        ([True] * 9 + [False] * 31, ["a"] * 40, "fewer than 10 persons"),
        ([True] * 20 + [False] * 20, ["a"] * 20 + ["b"] * 20, "no item is answered by both"),
    ],
)
def test_what_cannot_be_estimated(focal: list[bool], item: list[str], reason: str) -> None:
    found = asked_change(np.ones(40), focal, item, np.arange(40))
    assert math.isnan(found.difference) and reason in found.reason
    assert found.n == 40
