"""A planted bias has the size that was asked for, and only that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from psyalign.foundation.errors import StudyError
from psyalign.responses import Dataset, empty_alternates, plant_wording, render, response_id

ITEMS = ("a", "b", "c", "d", "e")
ANSWER = "Because he is greedy and wants food"
PLAIN = "sausages"


def real(persons: int = 400) -> Dataset:
    """Item e is answered by a text that no rule touches; two raters, of whom ben gives 2 throughout."""
    grid = [(f"p{person}", item) for person in range(persons) for item in ITEMS]
    table = pd.DataFrame(grid, columns=["person", "item"], dtype="str")
    answers = table["item"].map(lambda item: PLAIN if item == "e" else ANSWER).astype("str")
    responses = table.assign(
        response_id=response_id(table["person"], table["item"]), wording="", response=answers
    )
    scores = np.random.default_rng(1).integers(0, 3, len(table))
    ratings = pd.concat([table.assign(rater="ana", score=scores), table.assign(rater="ben", score=2)])
    return Dataset(
        responses=responses[["response_id", "person", "item", "wording", "response"]],
        alternates=empty_alternates(),
        ratings=ratings.reset_index(drop=True),
        persons=table[["person"]].drop_duplicates().reset_index(drop=True).assign(age="9"),
    )


@pytest.fixture(scope="module")
def planted() -> Dataset:
    return plant_wording(real(), 5, true_rater="ana")


def test_half_of_the_persons_are_focal(planted: Dataset) -> None:
    counts = planted.persons["variety"].value_counts()
    # binomial with n = 400, p = .5: standard error 10
    assert abs(counts["everyday"] - 200) < 40
    assert planted.persons["age"].eq("9").all()
    assert planted.origin == "real answers, planted bias"
    assert str(counts["everyday"]) in planted.notice and "planted" in planted.notice


def test_texts_and_wordings(planted: Dataset) -> None:
    variety = planted.responses["person"].map(planted.persons.set_index("person")["variety"])
    assert (planted.responses["wording"] == variety).all()
    own = real().responses["response"]
    expected = own.where(variety == "standard", own.map(render))
    assert planted.responses["response"].tolist() == expected.tolist()
    assert planted.responses["response_id"].tolist() == real().responses["response_id"].tolist()


def test_alternates_are_the_other_wording(planted: Dataset) -> None:
    both = planted.alternates.merge(planted.responses, on=["person", "item"], suffixes=("", "_own"))
    # every answer but those to item e, which no rule changes
    assert len(both) == len(planted.alternates) == 400 * 4
    assert "e" not in set(planted.alternates["item"])
    assert (both["wording"] != both["wording_own"]).all()
    assert set(both.loc[both["wording"] == "standard", "response"]) == {ANSWER}
    assert set(both.loc[both["wording"] == "everyday", "response"]) == {render(ANSWER)}
    assert (both["response_id"] == both["person"] + "|" + both["item"] + "|" + both["wording"]).all()
    assert planted.alternates["response_id"].is_unique


def wide(data: Dataset) -> pd.DataFrame:
    table = data.ratings.pivot(index=["person", "item"], columns="rater", values="score").reset_index()
    return table.merge(data.persons)


def test_scores_are_lowered_for_the_focal_group_only(planted: Dataset) -> None:
    scores = wide(planted)
    assert planted.raters == ["operational", "true"]
    given = real().ratings.query("rater == 'ana'").set_index(["person", "item"])["score"]
    assert (scores.set_index(["person", "item"])["true"] == given.sort_index()).all()
    reference = scores[scores["variety"] == "standard"]
    assert (reference["operational"] == reference["true"]).all()
    focal = scores[(scores["variety"] == "everyday") & (scores["true"] > 0)]
    lowered = focal["true"] - focal["operational"]
    assert set(lowered) == {0, 1}
    # about 670 responses: standard error .019
    assert abs(lowered.mean() - 0.4) < 0.08
    assert planted.ratings["score"].min() == 0


def test_a_panel_that_shares_the_penalty(planted: Dataset) -> None:
    shared = plant_wording(real(), 5, true_rater="ana", panel_lower_probability=0.2)
    assert shared.raters == ["operational", "panel", "true"]
    assert shared.notice.endswith("probability 0.4, and those of the panel with probability 0.2.")
    scores = wide(shared)
    before = wide(planted)[["true", "operational"]]
    pd.testing.assert_frame_equal(scores[["true", "operational"]], before)
    focal = scores[(scores["variety"] == "everyday") & (scores["true"] > 0)]
    by_panel, operational = (focal["true"] - focal[rater] for rater in ("panel", "operational"))
    assert set(by_panel) == {0, 1}
    # about 670 responses: standard error .015 for the share, .039 for the correlation
    assert abs(by_panel.mean() - 0.2) < 0.06
    assert abs(np.corrcoef(by_panel, operational)[0, 1]) < 0.15
    reference = scores[scores["variety"] == "standard"]
    assert (reference["panel"] == reference["true"]).all()


def test_certain_and_deeper_lowering_stops_at_zero() -> None:
    scores = wide(plant_wording(real(40), 5, lower_probability=1.0, lower_by=2, true_rater="ana"))
    focal = scores[scores["variety"] == "everyday"]
    assert (focal["operational"] == 0).all()


def test_without_a_true_rater_the_adjudicated_score_is_true() -> None:
    scores = wide(plant_wording(real(40), 5, lower_probability=0.0))
    # mean of ana's 0, 1, 2 with ben's 2, halves up: 1, 2, 2
    assert set(scores["true"]) == {1, 2}
    assert (scores["true"] == scores["operational"]).all()


def test_order_of_rows_does_not_matter_and_the_seed_does() -> None:
    data = real(60)
    shuffled = replace(data, responses=data.responses.sample(frac=1, random_state=2))
    first, second = plant_wording(data, 5), plant_wording(shuffled, 5)
    pd.testing.assert_frame_equal(first.ratings, second.ratings)
    pd.testing.assert_frame_equal(first.responses, second.responses.sort_index())
    assert not plant_wording(data, 6).persons.equals(first.persons)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"share": 0.0}, "focal share"),
        ({"share": 1.0}, "focal share"),
        ({"lower_probability": 1.2}, "probability"),
        ({"panel_lower_probability": -0.1}, "probability is -0.1"),
        ({"lower_by": 0}, "1 or more"),
        ({"true_rater": "carl"}, "no rater 'carl'"),
    ],
)
def test_settings_out_of_range(settings: dict[str, object], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        plant_wording(real(10), 5, **settings)


def test_data_that_cannot_be_planted() -> None:
    data = real(10)
    with pytest.raises(StudyError, match="into real data; these are: simulated"):
        plant_wording(replace(data, origin="simulated"), 5)
    with pytest.raises(StudyError, match="attribute 'variety' already"):
        plant_wording(replace(data, persons=data.persons.assign(variety="x")), 5)
