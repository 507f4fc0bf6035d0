"""Data that cannot be tested give estimable False and a reason: no warning, no crash."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from psyalign.dif import analyse, cells, ordinal
from psyalign.foundation.errors import DataError


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def data(sample):
    """Long scores of 3 items, group and total; 40 persons a group."""
    return sample(4, 40, items=3, points=2)


def _check(table: pd.DataFrame, reason: str) -> None:
    assert not table["estimable"].any()
    assert table["reason"].str.contains(reason).all(), table["reason"].tolist()
    assert (
        table[["smd", "se", "p", "p_adjusted", "es", "mantel_z", "mantel_p", "lr_total"]]
        .isna()
        .all(axis=None)
    )
    assert (table["es_class"] == "").all()


def test_one_group_empty(data):
    scores, group, total = data
    _check(analyse(scores, group.replace("focal", "reference"), total), "no scores for the focal group")
    _check(analyse(scores, group.replace("focal", np.nan), total), "no scores for the focal group")


def test_three_persons(data):
    scores, group, total = data
    few = group.where((group == "reference") | (group.groupby(group).cumcount() < 3))
    _check(analyse(scores, few, total), "only 3 persons in the focal group")


def test_one_category(data):
    scores, group, total = data
    _check(analyse(scores.assign(score=1), group, total), "same")


def test_no_score_at_all(data):
    scores, group, total = data
    table = analyse(scores.assign(score=np.nan), group, total)
    assert len(table) == 3
    _check(table, "no scores for the reference group")
    with pytest.raises(DataError, match="no scores"):
        analyse(scores.iloc[:0], group, total)


def test_no_shared_stratum(data):
    scores, group, total = data
    apart = total + 100.0 * (group == "focal")
    table = analyse(scores, group, apart, methods=["smd", "mantel"])
    assert not table["estimable"].any()
    assert (table["reason"] == "smd and mantel: no stratum holds both groups").all()


def test_scores_fixed_by_the_stratum(data):
    scores, group, total = data
    table = analyse(scores.assign(score=scores["person"].map(total)), group, total)
    assert table["reason"].str.contains("smd and mantel: scores do not vary within strata").all()
    assert table["reason"].str.contains("ordinal: ").all()


def test_missing_scores_are_left_out_and_counted(data):
    scores, group, total = data
    scores.loc[scores["item"].eq("item02") & scores["person"].lt(5), "score"] = np.nan
    counts = cells(scores, group, total)
    assert counts.left_out.to_dict() == {"item01": 0, "item02": 5, "item03": 0}
    table = analyse(scores, group, total).set_index("item")
    assert table.loc["item02", "n_reference"] <= 35
    assert table["estimable"].all()


def test_ordinal_separation(data):
    """Every focal person in the top category, no reference person: the likelihood has no maximum."""
    _, group, total = data
    scores = pd.DataFrame({"person": group.index, "item": "a", "score": (group == "focal").astype(int) * 2})
    row = ordinal(cells(scores, group, total)).table.loc["a"]
    assert not row["estimable"]
    assert row["reason"]
    assert np.isnan(row["lr_total"])


def test_ordinal_matching_without_variation(data):
    scores, group, total = data
    table = ordinal(cells(scores, group, total * 0)).table
    assert (table["reason"] == "the matching variable does not vary in the reference group").all()


def test_ordinal_failing_alone_keeps_the_item_estimable(data):
    scores, group, total = data
    table = analyse(scores, group, total * 0)
    assert table["estimable"].all()
    assert table["reason"].str.startswith("ordinal: ").all()


def test_a_category_that_only_one_group_uses(sample):
    scores, group, total = sample(4, 60, items=3, points=2)
    focal = scores["person"].map(group) == "focal"
    scores["score"] = scores["score"].where(~focal, scores["score"].clip(upper=1))
    table = analyse(scores, group, total)
    assert table["lr_total"].notna().all()
    assert (table["smd"] < 0).all()


def test_tiny_samples_never_raise(graded, to_long):
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 4, 5, 8):
        for _ in range(2):
            wide, group = graded(rng, n, items=2, points=2)
            analyse(to_long(wide), group, wide.sum(axis=1))
