"""The rater table: agreement by hand, and who is severe, careless or leaning in simulated feedback."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from psyalign.feedback.raters import RATING, pair_agreement, rater_groups, rater_table
from psyalign.feedback.raters.agreement import consensus_agreement

JUDGEMENT = ["item", "response_id", "rater", "chosen", "rejected"]
COMPARISON = ["item", "response_a", "response_b", "preferred", "rater"]
NOTHING = pd.DataFrame(columns=COMPARISON).astype("str")


def judgements(*rows: tuple[str, str, int, int]) -> pd.DataFrame:
    return pd.DataFrame([("one", *row) for row in rows], columns=JUDGEMENT)


def test_pair_agreement_by_hand() -> None:
    """On x, 1 against 0: u and v for 1, w for 0: one pair of three. On y u alone; ratings do not count."""
    table = judgements(
        ("x", "u", 1, 0), ("x", "v", 1, 0), ("x", "w", 0, 1), ("y", "u", 1, 0), ("x", "z", 1, RATING)
    )
    assert pair_agreement(table) == pytest.approx(1 / 3)
    assert np.isnan(pair_agreement(judgements(("x", "u", 1, 0), ("x", "v", 2, 1))))


def test_consensus_of_the_others() -> None:
    """Four raters say 1, 1, 2, 2: for each, the others' majority is the other answer."""
    answers = pd.DataFrame({"question": "q", "rater": list("abcd"), "answer": [1, 1, 2, 2]})
    assert consensus_agreement(answers)["agreement"].tolist() == [0, 0, 0, 0]
    answers = pd.DataFrame({"question": ["q", "q", "r"], "rater": list("aba"), "answer": [1, 1, 1]})
    found = consensus_agreement(answers).set_index("rater")
    assert found["agreement"].tolist() == [1, 1] and found["compared"].tolist() == [1, 1]


def test_preferences_the_other_way_round_are_the_same_question() -> None:
    pairs = pd.DataFrame(
        [("one", "x", "y", "a", "u"), ("one", "y", "x", "b", "v"), ("one", "y", "x", "a", "w")],
        columns=COMPARISON,
    )
    table = rater_table(judgements(("x", "u", 1, 0), ("x", "v", 0, 1)), pairs, {"one": 3}).set_index("rater")
    assert table.loc["w", "agreement"] == 0 and table.loc["w", "compared"] == 1
    assert table.loc["u", "compared"] == 2, "a score preference and a comparison"
    assert table["response_preferences"].tolist() == [1, 1, 1]
    assert table["score_preferences"].tolist() == [1, 1, 0]


def test_one_rater_is_counted_and_compared_with_nobody() -> None:
    table = rater_table(judgements(("x", "u", 1, 0), ("y", "u", 2, RATING)), NOTHING, {"one": 3})
    row = table.iloc[0]
    assert (row["ratings"], row["score_preferences"], row["compared"]) == (1, 1, 0)
    assert row[["severity", "discrimination", "eta", "agreement"]].isna().all()
    assert not len(rater_groups(judgements(("x", "u", 1, 0)), NOTHING, {"one": 3}, {"g": {}}))


def test_simulated_raters_are_told_apart() -> None:
    """Simulation: r0 severe, r1 careless, r2 harder on focal responses, r3 to r5 as the panel."""
    rng = np.random.default_rng(0)
    ability, side = rng.normal(0, 1.5, 300), np.where(np.arange(300) % 2, 0.5, -0.5)
    severity, slope, leaning = np.array([1.5, 0, 0, 0, 0, 0]), np.ones(6), np.array([0, 0, 1.5, 0, 0, 0])
    slope[1] = 0.05
    rows, pairs = [], []
    for at in range(300):
        for rater in rng.choice(6, 3, replace=False):
            net = ability[at] - severity[rater] - leaning[rater] * side[at]
            chance = np.exp(slope[rater] * (np.arange(3) * net - [0, -0.5, 0]))
            rows.append((f"x{at:03}", f"r{rater}", int(rng.choice(3, p=chance / chance.sum())), RATING))
    for _ in range(1500):
        a, b = rng.choice(300, 2, replace=False)
        rater = int(rng.integers(6))
        apart = ability[a] - ability[b] - leaning[rater] * (side[a] - side[b])
        said = "a" if rng.random() < 1 / (1 + np.exp(-slope[rater] * apart)) else "b"
        pairs.append(("one", f"x{a:03}", f"x{b:03}", said, f"r{rater}"))
    single, double = judgements(*rows), pd.DataFrame(pairs, columns=COMPARISON)
    table = rater_table(single, double, {"one": 3}).set_index("rater")
    assert table["severity"].idxmax() == "r0" and table.loc["r0", "severity"] > 0.8
    for name in ("discrimination", "eta", "agreement"):
        assert table[name].idxmin() == "r1", name
    sides = {"variety": {f"x{at:03}": float(value) for at, value in enumerate(side)}}
    groups = rater_groups(single, double, {"one": 3}, sides)
    for kind, part in groups.groupby("judgements"):
        own = part.set_index("rater")
        assert own["effect"].idxmax() == "r2" and own.loc["r2", "z"] > 1.96, kind
