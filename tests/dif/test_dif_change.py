"""Paired change, item status and the bootstrap over persons."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from psyalign.dif import STATUSES, analyse, bootstrap_es, cells, compare, item_status, smd
from psyalign.foundation.errors import DataError, UsageError


@pytest.fixture(scope="session")
def study(graded, to_long):
    """(n, bias, seed) -> human scores without DIF, a scorer that lowers the focal group by `bias`, one
    that does not, the group and the total."""

    def draw(n=130, bias=-0.5, seed=1):
        rng = np.random.default_rng(seed)
        wide, group = graded(rng, n, items=6, points=2)
        human = to_long(wide)
        focal = (human["person"].map(group) == "focal").to_numpy()
        clean = human.assign(score=human["score"] + rng.normal(0, 0.4, len(human)))
        noise = rng.normal(0, 0.1, len(human))
        biased = clean.assign(score=clean["score"] + bias * focal + noise)
        return human, biased, clean, group, wide.sum(axis=1)

    return draw


def test_change_is_the_difference_of_the_smds(study):
    human, before, after, group, total = study()
    sd = human.groupby("item")["score"].std()
    change = compare(before, after, group, total, sd=sd).set_index("item")
    one, two = (smd(cells(frame, group, total), sd=sd).table for frame in (before, after))
    np.testing.assert_allclose(change["change"], two["es"] - one["es"], atol=1e-12)
    assert (change["p_adjusted"] < 0.001).all()
    assert ((change["low"] < change["change"]) & (change["change"] < change["high"])).all()
    back = compare(after, before, group, total, sd=sd).set_index("item")
    np.testing.assert_allclose(back["z"], -change["z"])


def test_nothing_changed(study):
    human, before, _, group, total = study()
    same = compare(before, before, group, total)
    assert (same["change"] == 0).all()
    assert (same["p"] == 1).all()
    assert same["estimable"].all()
    shifted = compare(before, before.assign(score=before["score"] + 0.3), group, total)
    assert (shifted["p"] == 1).all()
    lost = compare(before, human, group, total, sd=pd.Series({"item01": 1.0}))
    assert lost["estimable"].tolist() == [True] + [False] * 5
    assert lost["p"].notna().sum() == 1
    empty = compare(before, human, group.replace("focal", "reference"), total)
    assert not empty["estimable"].any()


@pytest.mark.parametrize(
    ("human", "before", "after", "expected"),
    [
        (0.0, 0.0, 0.0, "stable_clean"),
        (0.0, -0.3, -0.2, "stable_dif"),
        (-0.3, -0.3, -0.2, "inherited"),
        (-0.3, 0.0, -0.2, "inherited"),
        (0.3, -0.3, -0.2, "stable_dif"),
        (0.0, 0.0, 0.3, "introduced"),
        (0.0, -0.3, 0.0, "resolved"),
        (-0.3, -0.3, 0.0, "resolved"),
        (-0.3, 0.0, 0.0, "masked"),
        (0.0, -0.3, 0.3, "new_direction"),
        (0.3, -0.3, 0.3, "new_direction"),
        (np.nan, 0.0, 0.3, "introduced"),
        (0.0, np.nan, 0.3, "not_estimable"),
    ],
)
def test_status(human, before, after, expected):
    def table(es):
        known = not np.isnan(es)
        flag = ("BB" if abs(es) > 0.17 else "AA") if known else ""
        return pd.DataFrame({"item": ["a"], "es": [es], "es_class": [flag], "estimable": [known]})

    tables = [table(es) for es in (human, before, after)]
    assert item_status(*tables)["a"] == expected
    assert expected in STATUSES
    moved = pd.DataFrame({"item": ["a"], "p_adjusted": [0.01]})
    assert item_status(*tables, moved)["a"] == expected


def test_status_without_a_significant_change_keeps_the_flag():
    def table(es, flag):
        return pd.DataFrame({"item": ["a"], "es": [es], "es_class": [flag], "estimable": [True]})

    still = pd.DataFrame({"item": ["a"], "p_adjusted": [0.4]})
    clean, flagged = table(0.0, "AA"), table(-0.3, "CC")
    assert item_status(clean, flagged, clean, still)["a"] == "stable_dif"
    assert item_status(clean, clean, flagged, still)["a"] == "stable_clean"
    assert item_status(flagged, flagged, clean, still)["a"] == "inherited"


def test_bootstrap_of_one_set_of_scores(study):
    human, before, after, group, total = study()
    arms = {"baseline": before, "equivalence": after, "human": human}
    table = bootstrap_es(arms, group, total, human=human, replicates=400, seed=7).set_index("arm")
    for arm, scores in arms.items():
        es = analyse(scores, group, total, human.groupby("item")["score"].std(), methods=["smd"])["es"]
        assert table.loc[arm, "mean_es"] == pytest.approx(es.mean(), abs=1e-12)
        assert table.loc[arm, "max_abs_es"] == pytest.approx(es.abs().max(), abs=1e-12)
        assert table.loc[arm, "mean_abs_es"] == pytest.approx(es.abs().mean(), abs=1e-12)
        assert table.loc[arm, "mean_low"] < table.loc[arm, "mean_es"] < table.loc[arm, "mean_high"]
    assert np.isnan(table.loc["baseline", "change"])
    row = table.loc["equivalence"]
    assert row["change"] == pytest.approx(row["mean_es"] - table.loc["baseline", "mean_es"])
    assert 0 < row["change_low"] < row["change"] < row["change_high"]
    assert row["change_p"] == pytest.approx(2 / 401)
    own = bootstrap_es(arms, group, total, human=human, sd="own", replicates=50, seed=7).set_index("arm")
    assert own.loc["human", "mean_es"] == pytest.approx(table.loc["human", "mean_es"])
    assert own.loc["baseline", "mean_es"] != table.loc["baseline", "mean_es"]


def test_bootstrap_se_agrees_with_the_closed_form(study):
    """One item: the bootstrap's interval of the paired change is that of `compare`, within a quarter."""
    human, before, _, group, _ = study(n=200, bias=-0.2, seed=3)
    after = human
    one = [frame[frame["item"] == "item01"] for frame in (human, before, after)]
    single = pd.Series(0.0, index=group.index)
    closed = compare(one[1], one[2], group, single, sd=one[0].groupby("item")["score"].std()).iloc[0]
    drawn = bootstrap_es(
        {"baseline": one[1], "after": one[2]}, group, single, human=one[0], replicates=2000, seed=1
    ).set_index("arm").loc["after"]  # fmt: skip
    assert drawn["change"] == pytest.approx(closed["change"])
    width = (drawn["change_high"] - drawn["change_low"]) / (closed["high"] - closed["low"])
    assert 0.75 < width < 1.25


def test_bootstrap_is_reproducible_and_bears_gaps(study):
    human, before, after, group, total = study()
    before = before.assign(score=before["score"].where(before["person"] > 20))
    after = after.assign(score=after["score"].where(after["item"] != "item03", 1.0))
    human = human[human["person"] != 3]
    runs = [
        bootstrap_es(
            {"baseline": before, "x": after}, group.sample(frac=1), total, human=human, sd="own",
            replicates=60, seed=5,
        )
        for _ in range(2)
    ]  # fmt: skip
    pd.testing.assert_frame_equal(*runs)
    assert runs[0].drop(columns=["arm", "sd_kind"]).iloc[1].notna().all()
    with pytest.raises(DataError):
        bootstrap_es({}, group.replace("focal", "reference"), total, human=human)
    with pytest.raises(UsageError):
        bootstrap_es({}, group, total, human=human, sd="their")  # type: ignore[arg-type]


def test_speed_of_a_wholestudy(graded, to_long):
    """9 arms x 11 items x 260 persons: 1,000 resamples in seconds (it takes under 3 on two cores)."""
    rng = np.random.default_rng(0)
    wide, group = graded(rng, 130, items=11, points=2)
    human = to_long(wide)
    arms = {f"arm{i}": human.assign(score=human["score"] + rng.normal(size=len(human))) for i in range(9)}
    started = time.perf_counter()
    bootstrap_es(arms, group, wide.sum(axis=1), human=human, replicates=1000, seed=1, baseline="arm0")
    assert time.perf_counter() - started < 15
