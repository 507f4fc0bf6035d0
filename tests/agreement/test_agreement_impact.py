"""Impact ratios beside scipy, statsmodels and the counts of a worked bias-audit table; small cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, fisher_exact
from statsmodels.stats.proportion import confint_proportions_2indep

from psyalign.agreement import impact_ratios, ll144_table, ratio_interval, suppress_small
from psyalign.foundation.errors import DataError, UsageError

# Applicants, selected, and by hand: rate, ratio to the highest (white), rounded to two places.
WORKED = {
    "Hispanic": (408, 204, 0.50, 0.97),
    "White": (797, 412, 0.52, 1.00),
    "Black": (390, 170, 0.44, 0.84),
    "Pacific": (119, 52, 0.44, 0.85),
    "Asian": (616, 302, 0.49, 0.95),
    "Native": (41, 18, 0.44, 0.85),
    "Several": (213, 96, 0.45, 0.87),
}


def _people(counts):
    rows = [(name, place < y) for name, (n, y, *_) in counts.items() for place in range(n)]
    return pd.DataFrame(rows, columns=["race", "selected"])


@pytest.mark.parametrize("counts", [(5, 20, 12, 30), (1, 50, 9, 60), (40, 90, 300, 1000), (7, 9, 8, 9)])
def test_ratio_interval_is_statsmodels(counts):
    theirs = confint_proportions_2indep(*counts, method="score", compare="ratio", correction=False)
    np.testing.assert_allclose(ratio_interval(*counts), theirs, rtol=1e-5)


def test_ratio_interval_at_the_edge():
    assert ratio_interval(0, 20, 12, 30)[0] == 0
    assert ratio_interval(3, 20, 0, 30)[1] == float("inf")
    assert np.isnan(ratio_interval(0, 20, 0, 30)).all()
    low, high = ratio_interval(20, 20, 30, 30)
    assert low < 1 < high
    assert ratio_interval(30, 30, 20, 20) == pytest.approx((1 / high, 1 / low), rel=1e-6)


def test_ratio_interval_covers():
    """Exact coverage of a true ratio of .8: summed over outcomes, those below 1e-4 left out."""
    inside = total = 0.0
    for y1 in range(41):
        for y2 in range(61):
            chance = binom.pmf(y1, 40, 0.24) * binom.pmf(y2, 60, 0.3)
            if chance > 1e-4:
                low, high = ratio_interval(y1, 40, y2, 60)
                inside, total = inside + chance * (low <= 0.8 <= high), total + chance
    assert inside / total == pytest.approx(0.95, abs=0.01)


def test_four_fifths():
    """10 of 40 against 50 of 100: ratio .5, four fifths would be 16."""
    people = _people({"A": (40, 10), "B": (100, 50), "C": (100, 45), "D": (3, 3)})
    table = impact_ratios(people["selected"], people["race"]).set_index("group")
    assert table["is_reference"].to_dict() == {"A": False, "B": True, "C": False, "D": False}
    row = table.loc["A"]
    assert row[["rate", "impact_ratio", "shortfall"]].tolist() == [0.25, 0.5, 6]
    assert row["below_four_fifths"]
    assert row["p"] == pytest.approx(fisher_exact([[10, 30], [50, 50]])[1])
    assert not table.loc["C", "below_four_fifths"]
    assert table.loc["D", "reason"] == "below 2% of the persons"
    assert np.isnan(table.loc["D", "impact_ratio"])
    named = impact_ratios(people["selected"], people["race"], reference="C", minimum_share=0).set_index(
        "group"
    )
    assert named.loc["B", "impact_ratio"] == pytest.approx(50 / 45)
    assert named.loc["D", "reason"] == ""
    with pytest.raises(UsageError):
        impact_ratios(people["selected"], people["race"], reference="D")
    with pytest.raises(DataError):
        impact_ratios([True], [None])
    with pytest.raises(DataError, match="true or false"):
        impact_ratios([2], ["A"])
    none = impact_ratios([False, False, False], ["A", "A", "B"])
    assert none["impact_ratio"].isna().all()


def test_a_worked_audit_table():
    people = _people(WORKED)
    found = ll144_table(people, ["race"], selected="selected", minimum_share=0).set_index("category")
    for name, (n, y, rate, ratio) in WORKED.items():
        row = found.loc[name]
        assert row[["n", "n_above"]].tolist() == [n, y]
        assert [round(row["rate"], 2), round(row["impact_ratio"], 2)] == [rate, ratio]
    excluded = ll144_table(people, ["race"], selected="selected").set_index("category").loc["Native"]
    assert excluded["excluded"]
    assert excluded["rate"] == pytest.approx(18 / 41)
    assert np.isnan(excluded["impact_ratio"])


def test_scoring_rates_are_above_the_median_of_all():
    """Scores 1 2 3 3 5 6: median 3, above it 5 and 6; the one of unknown race counts for the median."""
    people = pd.DataFrame(
        {
            "score": [1, 2, 3, 3, 5, 6, np.nan],
            "sex": list("FFMMFMF"),
            "race": ["a", "a", "b", "b", "a", None, "b"],
        }
    )
    table = ll144_table(people, ["sex", "race"], score="score").set_index(["attribute", "category"])
    assert table.loc[("sex", "F")][["n", "n_above"]].tolist() == [3, 1]
    assert table.loc[("sex", "M"), "impact_ratio"] == 1
    assert table.loc[("race", "unknown"), "n"] == 1
    assert table.loc[("sex × race", "F × a"), "rate"] == pytest.approx(1 / 3)
    assert table.loc[("sex × race", "unknown"), "n_above"] == 1
    assert table.loc[("race", "b"), "impact_ratio"] == 0
    for wrong in ({}, {"score": "score", "selected": "score"}):
        with pytest.raises(UsageError):
            ll144_table(people, ["sex"], **wrong)
    with pytest.raises(DataError, match="true or false"):
        ll144_table(people, ["sex"], selected="score")


def _cells(sizes):
    rows = [("race", name, n, 0.5) for name, n in sizes.items()]
    frame = [("all", "all", sum(sizes.values()), 0.5), *rows, ("race", "difference", 9, 0.1)]
    return pd.DataFrame(frame, columns=["grouping", "level", "n_persons", "r"])


@pytest.mark.parametrize(
    ("sizes", "hidden"),
    [
        ({"a": 50, "b": 30, "c": 20}, {}),
        ({"a": 50, "b": 30, "c": 4}, {"c": "few persons", "b": "complement"}),
        ({"a": 50, "b": 6, "c": 7}, {"b": "few persons", "c": "few persons"}),
        ({"a": 50, "b": 2, "c": 3, "d": 20}, {"b": "few persons", "c": "few persons", "d": "complement"}),
        ({"a": 50, "b": 30, "c": 0}, {}),
        ({"a": 4}, {"a": "few persons"}),
    ],
)
def test_small_cells(sizes, hidden):
    table = suppress_small(_cells(sizes)).set_index("level")
    assert {name: why for name, why in table["suppressed"].items() if why and name != "difference"} == hidden
    assert (table.loc["difference", "suppressed"] != "") == bool(hidden)
    assert table.loc[list(hidden), ["n_persons", "r"]].isna().all().all()
    shown = [name for name in sizes if name not in hidden]
    assert table.loc[["all", *shown], "n_persons"].notna().all()
    # what can be had from the total: nothing, or ten persons and more in at least two levels
    if hidden and len(sizes) > 1:
        assert len(hidden) > 1
        assert sum(sizes[name] for name in hidden) >= 10


def test_small_cells_without_totals_and_by_arm():
    cells = pd.concat([_cells({"a": 50, "b": 4}).assign(arm=arm) for arm in "xy"], ignore_index=True)
    alone = suppress_small(cells, total=False, keep=["arm"])
    assert (alone["suppressed"] == "few persons").sum() == 2
    assert (suppress_small(cells, keep=["arm"])["suppressed"] == "complement").sum() == 2
    with pytest.raises(UsageError):
        suppress_small(cells, minimum=0)
