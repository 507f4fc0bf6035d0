"""The wording effect over all answers and by item: by hand, against scipy's bootstrap, and a known truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from psyalign.pipeline.stages.wording import TOO_FEW, wording_effects

ITEMS = ("a", "b", "c")
SD = pd.Series({"a": 0.5, "b": 1.0, "c": 2.0})


def answers(rng: np.random.Generator, persons: int, effects: tuple[float, ...], noise: float) -> pd.DataFrame:
    """Simulated: a person's differences share a part; each answers two of the items."""
    rows = []
    for person in range(persons):
        shared = rng.normal(0, noise)
        for item in rng.choice(3, 2, replace=False):
            rows.append((f"p{person:03}", ITEMS[item], effects[item] + shared + rng.normal(0, noise)))
    return pd.DataFrame(rows, columns=["person", "item", "difference"])


def moved(table: pd.DataFrame, factor: float) -> pd.DataFrame:
    return table.assign(difference=factor * table["difference"])


def test_values_by_hand() -> None:
    rng = np.random.default_rng(1)
    before = answers(rng, 60, (-0.4, 0.3, -0.2), 0.1)
    after = answers(np.random.default_rng(1), 60, (0.05, -0.03, 0.02), 0.1)
    found = wording_effects({"baseline": before, "dpo": after}, SD, replicates=50, rng=rng)
    overall, items = found.overall.set_index("arm"), found.items.set_index(["arm", "item"])
    for arm, table in (("baseline", before), ("dpo", after)):
        by_item = table.groupby("item")["difference"].mean()
        assert overall.loc[arm, "effect"] == pytest.approx(table["difference"].mean(), abs=1e-12)
        assert overall.loc[arm, "mean_abs_es"] == pytest.approx((by_item / SD).abs().mean(), abs=1e-12)
        assert items.loc[arm, "es"].to_numpy() == pytest.approx((by_item / SD).to_numpy(), abs=1e-12)
        assert items.loc[arm, "n_pairs"].tolist() == table["item"].value_counts().sort_index().tolist()
    sizes = overall["mean_abs_es"]
    assert overall.loc["dpo", "abs_reduction"] == pytest.approx(1 - sizes["dpo"] / sizes["baseline"])
    assert overall.loc["baseline", "abs_reduction"] == overall.loc["baseline", "reduction"] == 0


def test_the_interval_of_an_item_is_scipys() -> None:
    """One answer each: bootstrap of persons is bootstrap of answers (percentiles, so not to the digit)."""
    rng = np.random.default_rng(2)
    difference = rng.normal(-0.2, 0.3, 80)
    table = pd.DataFrame({"person": [f"p{i:02}" for i in range(80)], "item": "a", "difference": difference})
    found = wording_effects({"baseline": table}, SD, replicates=20_000, rng=rng).items.iloc[0]
    scipys = stats.bootstrap(
        (difference / SD["a"],), np.mean, n_resamples=20_000, method="percentile", rng=rng
    ).confidence_interval
    assert (found["low"], found["high"]) == pytest.approx(tuple(scipys), abs=0.005)


def test_a_known_share_is_removed_exactly() -> None:
    table = answers(np.random.default_rng(3), 40, (-0.4, -0.3, -0.2), 0.1)
    arms = {"baseline": table, "equivalence": moved(table, 0.1), "worse": moved(table, -1.5)}
    found = wording_effects(arms, SD, replicates=100, rng=np.random.default_rng(4)).overall.set_index("arm")
    for name in ("reduction", "reduction_low", "reduction_high"):
        assert found.loc["equivalence", name] == pytest.approx(0.9)
        assert found.loc["equivalence", f"abs_{name}"] == pytest.approx(0.9)
        assert found.loc["worse", f"abs_{name}"] == pytest.approx(-0.5)


def test_opposite_effects_of_items_cancel_in_the_mean_but_not_in_the_sizes() -> None:
    rows = [(f"p{i}", item, effect) for i in range(20) for item, effect in (("a", 0.2), ("b", -0.2))]
    table = pd.DataFrame(rows, columns=["person", "item", "difference"])
    found = wording_effects({"baseline": table}, SD, replicates=20, rng=np.random.default_rng(5)).overall
    assert found.loc[0, "effect"] == pytest.approx(0, abs=1e-12)
    assert found.loc[0, "mean_abs_es"] == pytest.approx((0.2 / 0.5 + 0.2 / 1.0) / 2)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng, truth, kept = np.random.default_rng(6), np.array([-0.4, 0.3, -0.2]) / SD.to_numpy(), []
    gone = []
    for _ in range(200):
        before = answers(rng, 120, (-0.4, 0.3, -0.2), 0.15)
        after = answers(rng, 120, (-0.2, 0.15, -0.1), 0.15).merge(before[["person"]].drop_duplicates())
        pairs = {"baseline": before, "after": after}
        found = wording_effects(pairs, SD, replicates=200, rng=rng)
        rows = found.items.query("arm == 'baseline'")
        kept.append((rows["low"].to_numpy() <= truth) & (truth <= rows["high"].to_numpy()))
        last = found.overall.iloc[1]
        gone.append(last["abs_reduction_low"] <= 0.5 <= last["abs_reduction_high"])
    assert 0.92 <= np.mean(kept) <= 0.98
    assert 0.89 <= np.mean(gone) <= 0.99


def test_an_item_of_few_persons_or_without_spread_has_no_effect_size() -> None:
    rows = [(f"p{i:02}", item, -0.1) for i in range(30) for item in "ab"]
    rows += [(f"p{i:02}", "c", -0.1) for i in range(9)]
    table = pd.DataFrame(rows, columns=["person", "item", "difference"])
    sd = pd.Series({"a": 0.5, "b": 0.0, "c": 1.0})
    found = wording_effects({"baseline": table}, sd, replicates=20, rng=np.random.default_rng(7))
    items = found.items.set_index("item")
    assert items["es"].notna().tolist() == [True, False, False]
    assert items["low"].notna().tolist() == items["high"].notna().tolist() == [True, False, False]
    assert items["reason"].tolist() == ["", "the human scores have no spread", TOO_FEW]
    assert items["effect"].tolist() == pytest.approx([-0.1] * 3)
    assert found.overall.loc[0, "mean_abs_es"] == pytest.approx(0.2)
    assert found.overall.loc[0, "n_pairs"] == 69


def test_no_item_with_an_effect_size_and_no_effect_to_remove() -> None:
    table = pd.DataFrame({"person": ["x", "y"], "item": "a", "difference": [0.0, 0.0]})
    found = wording_effects({"baseline": table}, SD, replicates=20, rng=np.random.default_rng(8)).overall
    assert found.loc[0, "effect"] == 0
    assert found.loc[0, ["reduction", "mean_abs_es", "abs_reduction"]].isna().all()
