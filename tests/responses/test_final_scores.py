"""The score that counts: a rater's, or the rounded mean over raters."""

from __future__ import annotations

import pandas as pd
import pytest

from psyalign.foundation.errors import StudyError
from psyalign.responses import final_scores


def ratings(*scores: int) -> pd.DataFrame:
    raters = [f"r{number}" for number in range(len(scores))]
    return pd.DataFrame({"person": "p", "item": "a", "rater": raters, "score": scores})


@pytest.mark.parametrize(
    ("scores", "adjudicated"),
    # means 1.5 -> 2 and 2.5 -> 3 (halves up, not to even), 4/3 -> 1, 5/3 -> 2, -.5 -> 0
    [((1, 2), 2), ((2, 3), 3), ((1, 1, 2), 1), ((1, 2, 2), 2), ((0, -1), 0), ((3,), 3)],
)
def test_adjudicated_score_rounds_halves_up(scores: tuple[int, ...], adjudicated: int) -> None:
    for rater in (None, ""):
        assert final_scores(ratings(*scores), rater)["score"].tolist() == [adjudicated]


def test_one_rater_in_sorted_order() -> None:
    table = pd.DataFrame(
        {
            "person": ["b", "a", "a", "b"],
            "item": ["x", "y", "x", "x"],
            "rater": ["one", "one", "one", "two"],
            "score": [1, 2, 0, 3],
        }
    )
    scores = final_scores(table, "one")
    assert scores.to_dict("list") == {"person": ["a", "a", "b"], "item": ["x", "y", "x"], "score": [0, 2, 1]}
    assert scores["score"].dtype == "int64"


def test_unknown_rater_names_those_there() -> None:
    with pytest.raises(StudyError, match="no rater 'r'") as caught:
        final_scores(ratings(1, 2), "r")
    assert caught.value.mend is not None
    assert "Did you mean 'r1'?" in caught.value.mend or "Did you mean 'r0'?" in caught.value.mend
    assert "r0, r1" in caught.value.mend
