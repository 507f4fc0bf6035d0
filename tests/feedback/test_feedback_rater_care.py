"""Raters against themselves, weights and leanings: published tables, other libraries, known truths."""

from __future__ import annotations

from itertools import combinations, product
from math import comb

import networkx
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from psyalign.feedback.raters import (
    RATING,
    consensus_scores,
    discrimination_weights,
    feedback_changes,
    rater_groups,
    repeat_consistency,
    speed,
    with_leanings,
)
from psyalign.feedback.raters.consistency import wilson
from psyalign.feedback.raters.transitivity import circular_triads, score_contradictions

COMPARISON = ["response_a", "response_b", "preferred", "rater"]
# Kendall & Babington Smith (1940), Table: number of ways of answering by circular triads
WAYS = {4: [24, 16, 24], 5: [120, 120, 240, 240, 280, 24]}


def answered(n: int, ways: tuple[bool, ...], rater: str = "r") -> pd.DataFrame:
    pairs = combinations([f"x{at}" for at in range(n)], 2)
    rows = [(a, b, "a" if up else "b", rater) for (a, b), up in zip(pairs, ways, strict=True)]
    return pd.DataFrame(rows, columns=COMPARISON)


@pytest.mark.parametrize("n", [4, 5])
def test_circular_triads_and_their_test_are_kendalls(n: int) -> None:
    """Every way of answering all pairs; the p of d is the share of ways with d or fewer."""
    every = product((False, True), repeat=comb(n, 2))
    table = pd.concat([answered(n, ways, f"r{at:04}") for at, ways in enumerate(every)])
    found = circular_triads(table)
    counts = found["circular"].value_counts().sort_index()
    assert counts.tolist() == WAYS[n]
    share = np.cumsum(WAYS[n]) / sum(WAYS[n])
    np.testing.assert_allclose(found["triads_p"], share[found["circular"]])
    np.testing.assert_allclose(found["zeta"], 1 - found["circular"] / (len(WAYS[n]) - 1))


def test_circular_triads_of_an_incomplete_design_are_networkx_s() -> None:
    rng = np.random.default_rng(0)
    pairs = [pair for pair in combinations(range(12), 2) if rng.random() < 0.6]
    rows = [(f"x{a:02}", f"x{b:02}", "a" if rng.random() < 0.5 else "b", "r") for a, b in pairs]
    found = circular_triads(pd.DataFrame(rows, columns=COMPARISON)).iloc[0]
    graph = networkx.DiGraph((a, b) if said == "a" else (b, a) for a, b, said, _ in rows)
    census = networkx.triadic_census(graph)
    assert found["circular"] == census["030C"]
    assert found["triads"] == census["030C"] + census["030T"]
    assert np.isnan(found["zeta"]) and 0.02 < found["triads_p"] <= 1


def test_ties_chains_and_second_answers_make_no_triad() -> None:
    rows = [("x", "y", "a", "r"), ("y", "z", "a", "r"), ("z", "x", "tie", "r"), ("x", "y", "b", "r")]
    found = circular_triads(pd.DataFrame(rows, columns=COMPARISON)).iloc[0]
    assert found["triads"] == 0 and np.isnan(found["zeta"]) and np.isnan(found["triads_p"])


@pytest.mark.parametrize(("points", "share"), [(3, 1 / 4), (5, 11 / 16)])
def test_random_score_preferences_contradict_each_other_that_often(points: int, share: float) -> None:
    """Every way of answering the neighbouring pairs once."""
    rows = [
        (f"x{at}", "r", low + up, low + 1 - up)
        for at, ways in enumerate(product((0, 1), repeat=points - 1))
        for low, up in enumerate(ways)
    ]
    table = pd.DataFrame(rows, columns=["response_id", "rater", "chosen", "rejected"])
    found = score_contradictions(table).iloc[0]
    assert found["contradictory"] / found["score_sets"] == share and found["score_cycles"] == 0


def test_repeats_against_scikit_learn_and_statsmodels() -> None:
    rng = np.random.default_rng(1)
    first = rng.integers(4, size=40)
    again = np.where(rng.random(40) < 0.7, first, rng.integers(4, size=40))
    names = [f"q{at}" for at in range(40)]
    rows = [
        ("rating", name, "r", str(said))
        for part in (first, again)
        for name, said in zip(names, part, strict=True)
    ]
    found = repeat_consistency(pd.DataFrame(rows, columns=["kind", "question", "rater", "answer"])).iloc[0]
    assert found["repeats"] == 40 and found["consistent"] == (first == again).mean()
    assert found["repeat_kappa"] == pytest.approx(cohen_kappa_score(first, again))
    limits = proportion_confint(int((first == again).sum()), 40, method="wilson")
    np.testing.assert_allclose([found["consistent_low"], found["consistent_high"]], limits, rtol=1e-6)
    assert np.isnan(wilson(0, 0)).all()


def test_speed_without_any_time() -> None:
    times = pd.DataFrame({"rater": ["r"], "kind": ["rating"], "seconds": [np.nan]}).astype({"rater": "str"})
    assert not len(speed(times)) and not len(speed(times.iloc[:0]))


def simulated(
    seed: int, leaning: float = 0.0, careless: float = 0.0
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Two ratings of 240 responses by six raters, groups half a logit apart; r0 leans, r5 is careless."""
    rng = np.random.default_rng(seed)
    side = np.where(rng.random(240) < 0.5, 0.5, -0.5)
    ability, severity = rng.normal(0, 1.3, 240) - 0.5 * (side > 0), rng.normal(0, 0.7, 6)
    rows = []
    for at in range(240):
        for rater in rng.choice(6, 2, replace=False):
            net = ability[at] - severity[rater] - leaning * (rater == 0) * side[at]
            chance = np.exp(np.concatenate([[0], np.cumsum(net - np.linspace(-1.2, 1.2, 3))]))
            if rater == 5 and rng.random() < careless:
                chance = np.ones(4)
            rows.append(
                (f"i{at % 2}", f"x{at:03}", f"r{rater}", int(rng.choice(4, p=chance / chance.sum())), RATING)
            )
    table = pd.DataFrame(rows, columns=["item", "response_id", "rater", "chosen", "rejected"])
    return table, {f"x{at:03}": float(value) for at, value in enumerate(side)}


def leanings(seed: int, leaning: float = 0.0, careless: float = 0.0) -> pd.DataFrame:
    table, side = simulated(seed, leaning, careless)
    nothing = pd.DataFrame(columns=[*COMPARISON]).astype("str")
    return rater_groups(table, nothing, {"i0": 4, "i1": 4}, {"variety": side}).set_index("rater")


def test_holm_is_statsmodels() -> None:
    found = leanings(0, leaning=1.5)
    np.testing.assert_allclose(found["p_adjusted"], multipletests(found["p"], method="holm")[1])


def test_leaning_of_a_rater_who_answers_at_random_is_not_tested() -> None:
    """Holm's adjustment is over the others, and the rater table leaves the leaning out."""
    found = leanings(3, careless=1.0)
    careless, others = found.loc["r5"], found.drop("r5")
    assert careless["careless"] and np.isnan([careless["p"], careless["p_adjusted"]]).all()
    assert not others["careless"].any()
    expected = multipletests(others["p"], method="holm")[1]
    np.testing.assert_allclose(others["p_adjusted"].astype(float), expected)
    table = with_leanings(pd.DataFrame({"rater": found.index}), found.reset_index(), ["variety"])
    assert table.set_index("rater")["drf[variety]"].isna().tolist() == found["careless"].tolist()


@pytest.mark.slow
def test_leanings_are_flagged_at_their_nominal_rate_and_found() -> None:
    """120 samples without a leaning: 5% of the z beyond 1.96, give or take 3; 40 with one of 1.5 logits."""
    null = np.array([leanings(seed)["z"] for seed in range(120)])
    assert 0.02 < (np.abs(null) > 1.96).mean() < 0.08
    assert null.std() == pytest.approx(1, abs=0.12)
    power = [leanings(seed, leaning=1.5).loc["r0", ["z", "p_adjusted"]] for seed in range(40)]
    assert np.mean([row["z"] > 1.96 for row in power]) > 0.7


def test_careless_raters_weigh_less_and_weights_have_mean_one() -> None:
    table, _ = simulated(3, careless=1.0)
    nothing = pd.DataFrame(columns=COMPARISON).astype("str")
    weights = discrimination_weights(table, nothing, {"i0": 4, "i1": 4})
    assert min(weights.scores, key=lambda name: weights.scores[name]) == "r5" and weights.scores["r5"] < 0.5
    assert weights.of_scores(table["rater"]).mean() == pytest.approx(1) and not weights.pairs


def test_consensus_scores_without_any_rating() -> None:
    empty = pd.DataFrame({"response_id": [], "item": [], "score": [], "rater": []}).astype({"rater": "str"})
    assert consensus_scores(empty, {}).columns.tolist() == ["response_id", "item", "score"]


def test_changes_by_hand() -> None:
    """Without w, x's consensus falls from 2 to 1, and its preference turns; two ratings are left of three."""
    names = ["item", "response_id", "rater", "chosen", "rejected"]
    single = pd.DataFrame(
        [("i", "x", rater, score, RATING) for rater, score in (("u", 1), ("v", 1), ("w", 4))], columns=names
    )
    double = pd.DataFrame(columns=COMPARISON).astype("str")
    same = pd.DataFrame({"rater": []}).astype("str")
    chosen = pd.DataFrame(
        [("x", 1, 0, "u"), ("x", 0, 1, "w"), ("x", 0, 1, "w")],
        columns=["response_id", "preferred", "rejected", "rater"],
    )
    scores = pd.DataFrame({"response_id": ["x"], "score": [2]})
    before = {
        "judgements": single,
        "comparisons": double,
        "equivalences": same,
        "preferences": chosen,
        "scores": scores,
    }
    after = {
        **before,
        "judgements": single[single["rater"] != "w"],
        "preferences": chosen[chosen["rater"] != "w"],
        "scores": scores.assign(score=1),
    }
    found = feedback_changes(before, after).set_index("what")
    assert found.loc["ratings", ["before", "after"]].tolist() == [3, 2]
    assert found.loc["responses with a score", ["compared", "changed"]].tolist() == [1, 1]
    assert found.loc["score pairs", ["compared", "changed"]].tolist() == [1, 1]
    assert found.loc["agreement", ["before", "after"]].tolist() == pytest.approx([1 / 3, 1])
    weighed = {**before, "preferences": chosen.assign(weight=[3.0, 1.0, 1.0])}
    assert feedback_changes(before, weighed).set_index("what").loc["score pairs", "changed"] == 1
