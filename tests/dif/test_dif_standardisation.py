"""STD P-DIF against R (difR), the SMD and arithmetic."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from psyalign.dif.counts.cells import Cells, cells
from psyalign.dif.counts.moments import Moments
from psyalign.dif.methods.smd import smd
from psyalign.dif.methods.standardisation import standardisation, standardisation_kernel
from psyalign.foundation.errors import UsageError


@pytest.fixture
def dich(reference, to_long, groups):
    table, values = reference("dich")
    items = values["items"]
    return cells(to_long(table[items]), groups(table["group"]), table[items].sum(axis=1)), values


@pytest.mark.parametrize("weights", ["focal", "reference", "total"])
def test_values_of_difr(dich, weights):
    counts, values = dich
    found = standardisation(counts, weights=weights).table
    expected = values[f"STD_weight_{weights}"]
    np.testing.assert_allclose(found["std_p_dif"], expected["PDIF"], rtol=1e-10)
    flagged = np.flatnonzero(found["std_class"] == "C") + 1
    assert flagged.tolist() == np.atleast_1d(expected["DIFitems_thr0.10"]).tolist()


def test_focal_weights_are_the_smd(sample):
    scores, group, total = sample(1)
    counts = cells(scores, group, total)
    found, right = standardisation(counts).table, smd(counts).table
    for ours, theirs in (("std_p_dif", "smd"), ("std_se", "se"), ("std_z", "z"), ("std_p", "p")):
        np.testing.assert_allclose(found[ours], right[theirs], rtol=1e-12)
    # thresholds for proportions say nothing about score points
    assert (found["std_class"] == "").all()


def test_worked_by_hand():
    # stratum 0: reference 2 of 4, focal 1 of 4; stratum 1: reference 3 of 4, focal 6 of 8
    n = {(0, "reference"): (2, 2), (0, "focal"): (3, 1), (1, "reference"): (1, 3), (1, "focal"): (2, 6)}
    rows = [
        {"item": "i", "stratum": k, "group": g, "score": s, "count": count}
        for (k, g), pair in n.items()
        for s, count in enumerate(pair)
    ]
    counts = Cells.from_table(pd.DataFrame(rows))
    for weights, right in (("focal", -0.25 * 4 / 12), ("reference", -0.25 / 2), ("total", -0.25 * 8 / 20)):
        found = standardisation(counts, weights=weights).table.loc["i"]
        assert found["std_p_dif"] == pytest.approx(right, rel=1e-12)
    assert found["std_class"] == "B"
    assert standardisation(counts, large=0.09).table.loc["i", "std_class"] == "B"
    assert standardisation(counts, weights="reference").table.loc["i", "std_class"] == "C"
    assert standardisation(counts, moderate=0.09).table.loc["i", "std_class"] == "A"


def test_kernel_for_leading_axes():
    rng = np.random.default_rng(3)
    n = rng.integers(0, 6, (2, 4, 7, 2)).astype(float)
    sums, squares = n * rng.random(n.shape), n * 1.0
    whole = standardisation_kernel(Moments(n, sums, squares, np.arange(7.0)), weights="total")
    for place in np.ndindex(2, 4):
        one = standardisation_kernel(
            Moments(n[place], sums[place], squares[place], np.arange(7.0)), weights="total"
        )
        for name in ("std_p_dif", "std_se"):
            assert whole[name][place] == pytest.approx(float(one[name]), rel=1e-13)
    nobody = standardisation_kernel(Moments(n * 0, n * 0, n * 0, np.arange(7.0)))
    assert all(np.isnan(value).all() for value in nobody.values())


def test_not_estimable(dich, sample):
    scores, group, total = sample(2, 40)
    apart = standardisation(cells(scores, group, total + 100.0 * (group == "focal"))).table
    assert (apart["reason"] == "no stratum holds both groups").all()
    assert apart[["std_p_dif", "std_se", "std_z", "std_p"]].isna().all(axis=None)
    assert (apart["std_class"] == "").all()
    with pytest.raises(UsageError, match="unknown"):
        standardisation(dich[0], weights="both")  # type: ignore[arg-type]
