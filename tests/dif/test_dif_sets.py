"""Sets of scores of the same persons: paired changes, resampled changes, and matching that deceives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from psyalign.dif.comparison.change import compare
from psyalign.dif.comparison.sets import compare_sets
from psyalign.dif.comparison.status import item_status
from psyalign.dif.counts.matrix import ScoreMatrix
from psyalign.dif.matching.spec import MatchSpec
from psyalign.dif.methods.liu_agresti import liu_agresti
from psyalign.dif.methods.ordinal import ordinal
from psyalign.foundation.errors import DataError, UsageError

THIN = MatchSpec("external", bins="thin")


@pytest.fixture(scope="session")
def scored(graded, to_long):
    """Human scores of 6 items without DIF; `before` lowers half of the focal group by 1 on items 1-3; `after`
    does not; both are noisy."""

    def draw(seed=1, n=250):
        rng = np.random.default_rng(seed)
        wide, group = graded(rng, n, items=6, points=3)
        noisy = [np.clip(wide + rng.integers(-1, 2, wide.shape), 0, 3) for _ in range(2)]
        low = ((group == "focal") & (rng.random(2 * n) < 0.5)).to_numpy()
        noisy[0].iloc[:, :3] = np.clip(noisy[0].iloc[:, :3].to_numpy() - low[:, None], 0, 3)
        sets = {"human": to_long(wide), "before": to_long(noisy[0]), "after": to_long(noisy[1])}
        return sets, group, wide.sum(axis=1)

    return draw


def test_agrees_with_the_parts_that_it_is_made_of(scored):
    sets, group, total = scored()
    found = compare_sets(sets, group, spec=THIN, replicates=30)
    sd = sets["human"].groupby("item")["score"].std()
    closed = compare(sets["before"], sets["after"], group, total, sd=sd)
    mine = found.changes[found.changes["statistic"] == "es"]
    for column in ("change", "se", "low", "high", "p", "p_adjusted", "mantel_z", "mantel_p"):
        np.testing.assert_allclose(mine[column], closed[column], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(mine["value_after"] - mine["value_before"], mine["change"], atol=1e-12)
    assert (mine["test"] == "paired").all()
    items = found.items.set_index(["set", "item"])
    for name, scores in sets.items():
        counts = ScoreMatrix.from_long(scores, group, external=total).count(THIN)
        for method, column in ((liu_agresti, "la_log_or"), (ordinal, "group_effect")):
            np.testing.assert_allclose(items.loc[name, column], method(counts).table[column], rtol=1e-6)
    tables = [found.items[found.items["set"] == name] for name in sets]
    expected = item_status(*tables, mine)
    assert found.status.set_index("item")["status"].to_dict() == expected.to_dict()


def test_resampled_changes_find_what_was_planted(scored):
    sets, group, _ = scored()
    found = compare_sets(sets, group, replicates=200, seed=4)
    effects = found.changes[found.changes["statistic"] == "group_effect"].set_index("item")
    assert (effects["low"][:3] > 0).all()
    assert (effects["p"][:3] < 0.02).all()
    assert ((effects["low"][3:] < 0) & (effects["high"][3:] > 0)).all()
    odds = found.changes[found.changes["statistic"] == "la_log_or"].set_index("item")
    assert (odds["high"][:3] < 0).all()
    assert found.status["status"][:3].tolist() == ["resolved"] * 3
    assert found.matching == "the total of human"
    printed = repr(found)
    assert "before -> after" in printed
    assert "ES human" in printed
    assert found.left_out == 0


def test_se_of_a_resampled_change_is_that_of_the_closed_form(scored):
    """The change in SMD has both."""
    sets, group, total = scored(n=400)
    found = compare_sets(sets, group, statistics=["smd"], spec=THIN, replicates=400)
    closed = compare(sets["before"], sets["after"], group, total).set_index("item")
    drawn = found.changes[found.changes["statistic"] == "smd"].set_index("item")
    np.testing.assert_allclose(drawn["change"], closed["change"], atol=1e-12)
    assert np.abs(drawn["se"] / closed["se"] - 1).max() < 0.25


def test_matching_on_a_scorers_own_total_is_refused(scored):
    sets, group, _ = scored(n=60)
    own = sets["before"].groupby("person")["score"].sum()
    with pytest.raises(UsageError, match="total of 'before'"):
        compare_sets(sets, group, matching=own)
    with pytest.raises(UsageError, match="own total score"):
        compare_sets(sets, group, spec=MatchSpec("total"))
    two = {name: sets[name] for name in ("before", "after")}
    with pytest.raises(UsageError, match="nothing to match on"):
        compare_sets(two, group)
    # a scorer that agrees with the human scores everywhere is not refused: the total is the human one
    perfect = compare_sets(sets | {"after": sets["human"]}, group, replicates=5)
    assert len(perfect.changes)


def test_without_human_scores(scored):
    sets, group, total = scored(n=60)
    two = {name: sets[name] for name in ("before", "after")}
    found = compare_sets(two, group, matching=total.rename("another test"), replicates=10)
    assert found.matching == "another test"
    assert set(found.changes.loc[found.changes["test"] == "paired", "statistic"]) == {"smd"}
    assert not set(found.status["status"]) & {"inherited", "masked"}
    assert "ES before" in repr(found)


def test_more_than_two_sets_and_gaps(scored):
    sets, group, _ = scored(n=60)
    gone = sets["before"].iloc[10:]
    third = sets["after"][sets["after"]["item"] != "item06"].iloc[::-1]
    found = compare_sets(sets | {"before": gone, "third": third}, group, statistics=["gmh"], replicates=10)
    assert set(found.items["item"]) == {f"item{i:02d}" for i in range(1, 6)}
    assert sorted(set(found.changes["after"])) == ["after", "third"]
    assert found.left_out == 10 * 3 + 120 * 3
    pairs = [
        found.changes[found.changes["after"] == name].drop(columns="after") for name in ("after", "third")
    ]
    pd.testing.assert_frame_equal(*(pair.reset_index(drop=True) for pair in pairs))
    assert "are not used" in repr(found)


def test_degenerate_sets_say_why(scored):
    sets, group, _ = scored(n=30)
    flat = sets["after"].assign(score=sets["after"]["score"].where(sets["after"]["item"] != "item01", 1.0))
    found = compare_sets(sets | {"after": flat}, group, replicates=10)
    rows = found.changes[(found.changes["item"] == "item01") & (found.changes["test"] == "bootstrap")]
    assert not rows["estimable"].any()
    assert (rows["reason"] != "").all()
    assert rows[["change", "low", "high", "p"]].isna().all().all()
    assert found.status.set_index("item")["status"]["item01"] == "not_estimable"
    nobody = compare_sets(sets, group.replace("focal", "reference"), replicates=3)
    assert not nobody.changes["estimable"].any()


def test_wrong_sets(scored):
    sets, group, _ = scored(n=30)
    with pytest.raises(UsageError, match="no set 'start'"):
        compare_sets(sets, group, before="start")
    with pytest.raises(UsageError, match="Two sets"):
        compare_sets({name: sets[name] for name in ("human", "before")}, group)
    with pytest.raises(DataError, match="in all sets"):
        compare_sets(sets | {"after": sets["after"].assign(item=sets["after"]["item"] + "b")}, group)
