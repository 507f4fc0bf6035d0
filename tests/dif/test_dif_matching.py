"""Totals with missing items, merged strata, the default rule."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psyalign.dif import bin_strata, matching_strata, total_score
from psyalign.foundation.errors import DataError, UsageError


def test_total_of_complete_and_incomplete_persons():
    scores = pd.DataFrame(
        [("p", "a", 2), ("p", "b", 1), ("p", "c", 0), ("p", "d", 2),
         ("q", "a", 2), ("q", "b", 1), ("q", "c", 2),
         ("r", "a", 2), ("s", "a", np.nan), ("s", "b", np.nan)],
        columns=["person", "item", "score"],
    )  # fmt: skip
    total = total_score(scores)
    # q: 5/3 * 4 = 6.67 -> 7; r answered 1 of 4, s none: no total
    assert total.to_dict() == pytest.approx({"p": 5, "q": 7, "r": np.nan, "s": np.nan}, nan_ok=True)
    assert total_score(scores, min_share=0.25)["r"] == 8
    with pytest.raises(DataError, match="twice"):
        total_score(pd.concat([scores, scores]))


def test_bins_by_hand():
    """Totals 0 1 2 3 4 with (reference, focal) = (1,0) (1,2) (2,2) (3,0) (0,1), two of each wanted.

    0 and 1 make the first stratum (2, 2), 2 the next (2, 2); 3 and 4 (3, 1) join it.
    Means: (0 + 3*1)/4 = .75 and (4*2 + 3*3 + 4)/8 = 2.625.
    """
    counts = {0: (1, 0), 1: (1, 2), 2: (2, 2), 3: (3, 0), 4: (0, 1)}
    rows = [
        (t, g)
        for t, n in counts.items()
        for g, k in zip(("reference", "focal"), n, strict=True)
        for _ in range(k)
    ]
    table = pd.DataFrame(rows, columns=["total", "group"])
    stratum = bin_strata(table["total"], table["group"], min_per_group=2)
    assert stratum.groupby(table["total"]).first().to_dict() == {
        0: 0.75,
        1: 0.75,
        2: 2.625,
        3: 2.625,
        4: 2.625,
    }
    assert bin_strata(table["total"], table["group"], min_per_group=99).nunique() == 1
    with pytest.raises(UsageError):
        bin_strata(table["total"], table["group"], min_per_group=0)


@given(seed=st.integers(0, 10_000), n=st.integers(3, 80), wanted=st.integers(1, 5), most=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_bins_hold_both_groups_in_order(seed, n, wanted, most, graded):
    wide, group = graded(np.random.default_rng(seed), n, items=8, points=4)
    total = wide.sum(axis=1)
    stratum = bin_strata(total, group, min_per_group=wanted, max_strata=most)
    assert stratum.notna().all()
    assert stratum.nunique() <= most
    assert (stratum.groupby(total).nunique() == 1).all()
    assert stratum.groupby(total).first().is_monotonic_increasing
    if n >= wanted:
        assert pd.crosstab(stratum, group).to_numpy().min() >= wanted


def test_persons_without_group_or_total():
    total = pd.Series({"a": 1.0, "b": 1.0, "c": 2.0, "d": np.nan, "e": 0.0})
    group = pd.Series({"a": "reference", "b": "focal", "d": "focal"})
    stratum = bin_strata(total, group, min_per_group=1)
    assert stratum.to_dict() == pytest.approx({"a": 1, "b": 1, "c": 1, "d": np.nan, "e": 1}, nan_ok=True)
    assert bin_strata(total, group.iloc[:0]).isna().all()


def test_default_rule(graded, to_long):
    rng = np.random.default_rng(8)
    wide, group = graded(rng, 600, items=8, points=2)
    many = matching_strata(to_long(wide), group)
    assert not many.binned
    assert (many.stratum == many.total).all()
    assert many.share_used > 0.90
    wide, group = graded(rng, 40, items=8, points=4)
    few = matching_strata(to_long(wide), group)
    assert few.binned
    assert few.share_used == 1.0
    assert few.share_used_thin < 0.90
    assert few.n_strata > 5
    assert "merged totals" in repr(few)
    assert list(few.table.columns) == ["person", "total", "stratum"]
    assert matching_strata(to_long(wide), group, max_strata=5).n_strata <= 5
