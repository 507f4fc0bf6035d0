"""Agreement of a judge with people, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from psyalign.feedback import Equivalence, Rating, ResponsePreference, ScorePreference
from psyalign.judge import judge_agreement


def scores(values: dict[str, int]) -> pd.DataFrame:
    return pd.DataFrame({"response_id": list(values), "score": list(values.values())})


def test_ratings_against_scikit_learn() -> None:
    rng = np.random.default_rng(4)
    human = rng.integers(0, 4, 200)
    ai = np.clip(human + rng.integers(-1, 2, 200), 0, 3)
    names = [f"p{n}|x" for n in range(200)]
    records = [Rating("x", name, int(s), "m", "ai:elaborate") for name, s in zip(names, ai, strict=True)]
    groups = {"variety": {name: "a" if n % 3 else "b" for n, name in enumerate(names)}}
    table = judge_agreement(records, scores(dict(zip(names, human.tolist(), strict=True))), groups)
    assert table["level"].tolist() == ["all", "a", "b"] and table["n"].tolist() == [200, 133, 67]
    for row, keep in zip(
        table.to_dict("records"),
        (np.arange(200) >= 0, np.arange(200) % 3 > 0, np.arange(200) % 3 == 0),
        strict=True,
    ):
        h, a = human[keep], ai[keep]
        assert row["qwk"] == pytest.approx(cohen_kappa_score(h, a, weights="quadratic"))
        assert row["kappa"] == pytest.approx(cohen_kappa_score(h, a))
        assert row["agreement"] == pytest.approx((h == a).mean())
        assert row["mean_difference"] == pytest.approx((a - h).mean())


def test_score_preferences_by_hand() -> None:
    human = scores({"p|x": 2, "q|x": 0, "r|x": 1})
    said = [("p|x", 1, 0), ("p|x", 1, 2), ("q|x", 0, 1), ("r|x", 0, 2), ("gone|x", 1, 0)]
    records = [ScorePreference("x", name, a, b, "m", "ai:rlaif") for name, a, b in said]
    row = judge_agreement(records, human).iloc[0]
    # right, wrong, right, a tie (1 lies between 0 and 2), and one that nobody scored
    assert (row["n"], row["ties"], row["agreement"]) == (3, 1, pytest.approx(2 / 3))
    # people: high, high, low; judge: high, low, low
    assert row["kappa"] == pytest.approx(cohen_kappa_score([1, 1, 0], [1, 0, 0]))


def test_response_preferences_and_equivalences_by_hand() -> None:
    human = scores({"p|x": 2, "q|x": 0, "r|x": 2})
    records = [
        ResponsePreference("x", "p|x", "q|x", "a", "m", "ai:rlaif"),
        ResponsePreference("x", "q|x", "r|x", "a", "m", "ai:rlaif"),
        ResponsePreference("x", "p|x", "r|x", "a", "m", "ai:rlaif"),
        Equivalence("x", "p|x", "r|x", True, "m", "ai:equivalence"),
        Equivalence("x", "p|x", "q|x", True, "m", "ai:equivalence"),
        Equivalence("x", "q|x", "r|x", True, "m", "ai:equivalence"),
        Equivalence("x", "r|x", "p|x", True, "ann", "page"),
        Equivalence("x", "p|x", "q|x", False, "ann", "page"),
    ]
    table = judge_agreement(records, human).set_index("kind")
    pairs, same = table.loc["response_preference"], table.loc["equivalence"]
    assert (pairs["n"], pairs["ties"], pairs["agreement"]) == (2, 1, 0.5)
    assert (same["n"], same["agreement"]) == (2, 0.5)
    assert set(table["rater"]) == {"m"}


def test_nothing_to_compare_is_an_empty_table() -> None:
    assert not len(judge_agreement([], scores({"p|x": 1})))
