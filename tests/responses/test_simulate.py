"""The simulator: its known truth holds in what it draws, and both varieties say the same."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from psyalign.foundation.errors import StudyError
from psyalign.foundation.shipped import shipped_folder
from psyalign.responses.compose import Part, Plan, capitalised_words, plan_response, render_plan
from psyalign.responses.dataset import Dataset
from psyalign.responses.phrases import Phrase, PhraseBank, PhrasePoint, SharedPhrases, load_phrases
from psyalign.responses.simulate import SimulationSettings, SimulationTruth, draw_truth, simulate_sjt

# Codewords tell which phrase was said, and that both varieties said it.
SHARED = SharedPhrases(
    (Phrase("Here is my view.", "right so"), Phrase("Let me answer.", "ok then")),
    (Phrase("That is all.", "thats me done."),),
    (Phrase("In addition:", "plus:"), Phrase("To continue:", "so yeah:")),
)
NUMBERS = ("zero", "one", "two", "three", "four")


def make_bank(item: str, top: int) -> PhraseBank:
    def phrases(kind: str, score: int, number: int) -> tuple[Phrase, ...]:
        codes = [f"{kind}{NUMBERS[score]}x{NUMBERS[index]}" for index in range(number)]
        return tuple(Phrase(f"The plan is {code}.", f"Its gonna be {code}") for code in codes)

    points = [
        PhrasePoint(score, phrases("act", score, 4), phrases("why", score, 3)) for score in range(top + 1)
    ]
    return PhraseBank(item, tuple(points), SHARED)


BANKS = {"one": make_bank("one", 4), "two": make_bank("two", 4), "three": make_bank("three", 1)}


def codes(text: str) -> list[str]:
    return [word.strip(".") for word in text.split() if word.startswith(("act", "why")) and "x" in word]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return simulate_sjt(BANKS, 150, 7)


@pytest.fixture(scope="module")
def large() -> SimulationTruth:
    return draw_truth(BANKS, SimulationSettings(20_000, 3, penalty=0.4, impact=-0.5))


def test_shape_and_labels(dataset: Dataset) -> None:
    assert dataset.origin == "simulated"
    assert "imulated" in dataset.notice
    assert len(dataset.responses) == len(dataset.alternates) == 150 * 3
    assert len(dataset.ratings) == 150 * 3 * 3
    assert dataset.raters == ["operational", "panel", "true"]
    assert dataset.attributes == ["variety"]
    assert dataset.persons["variety"].value_counts().to_dict() == {"standard": 75, "everyday": 75}
    assert dataset.responses["person"].str.startswith("sim-").all()
    assert dataset.ratings["score"].dtype == np.int64
    for table in (dataset.responses, dataset.alternates):
        assert list(table.columns) == ["response_id", "person", "item", "wording", "response"]
        assert set(table.dtypes.astype(str)) == {"str"}
        assert not table["response_id"].duplicated().any()


def test_wording_is_the_persons_variety_and_the_alternate_is_the_other(dataset: Dataset) -> None:
    variety = dataset.persons.set_index("person")["variety"]
    assert (dataset.responses["wording"] == dataset.responses["person"].map(variety)).all()
    both = dataset.responses.merge(dataset.alternates, on=["person", "item"], suffixes=("", "_other"))
    assert len(both) == len(dataset.responses)
    assert (both["wording"] != both["wording_other"]).all()
    assert (both["response"] != both["response_other"]).all()
    assert (both["response_id_other"] == both["response_id"] + "|" + both["wording_other"]).all()


def test_both_varieties_carry_the_same_content_in_the_same_order(dataset: Dataset) -> None:
    both = dataset.responses.merge(dataset.alternates, on=["person", "item"], suffixes=("", "_other"))
    for one, other in zip(both["response"], both["response_other"], strict=True):
        assert codes(one) == codes(other)
        assert 2 <= len(codes(one)) <= 5


def test_content_is_of_the_true_score_point(dataset: Dataset) -> None:
    true = dataset.ratings[dataset.ratings["rater"] == "true"]
    table = dataset.responses.merge(true, on=["person", "item"])
    for text, score in zip(table["response"], table["score"], strict=True):
        said = [NUMBERS.index(code[3:].split("x")[0]) for code in codes(text)]
        assert said.count(score) >= len(said) - 1  # at most one phrase of a neighbour
        assert all(abs(point - score) <= 1 for point in said)


def test_texts_vary_even_with_the_fewest_phrases(dataset: Dataset) -> None:
    """4 actions and 3 reasons a score point; the shipped bank (5 and 4) does better, see below."""
    assert dataset.responses["response"].nunique() > 0.9 * len(dataset.responses)


def test_same_seed_same_data_other_seed_other_data(dataset: Dataset) -> None:
    again = simulate_sjt(dict(reversed(BANKS.items())), 150, 7)  # order of the items does not matter
    for name in ("responses", "alternates", "ratings", "persons"):
        pd.testing.assert_frame_equal(getattr(dataset, name), getattr(again, name))
    assert not simulate_sjt(BANKS, 150, 8).responses.equals(dataset.responses)


def test_the_penalty_changes_focal_operational_scores_only(dataset: Dataset) -> None:
    fair = simulate_sjt(BANKS, 150, 7, penalty=0.0)
    pd.testing.assert_frame_equal(fair.responses, dataset.responses)
    pd.testing.assert_frame_equal(fair.alternates, dataset.alternates)
    both = fair.ratings.merge(dataset.ratings, on=["person", "item", "rater"], suffixes=("_fair", "_biased"))
    difference = both["score_biased"] - both["score_fair"]
    focal = both["person"].map(dataset.persons.set_index("person")["variety"]) == "everyday"
    changed = focal & (both["rater"] == "operational")
    assert set(difference[changed]) == {0, -1}
    assert (difference[~changed] == 0).all()


def test_truth_is_the_datasets_truth(dataset: Dataset) -> None:
    truth = draw_truth(BANKS, SimulationSettings(150, 7))
    scores = dataset.ratings.pivot(index=["person", "item"], columns="rater", values="score").reset_index()
    for rater, column in {"true": "level", "panel": "panel", "operational": "operational"}.items():
        np.testing.assert_array_equal(scores[rater], truth.scores[column])


def test_penalty_is_recovered(large: SimulationTruth) -> None:
    """Share of lowered scores among those that can be: .4 within 4 Monte-Carlo standard errors."""
    can = large.scores[(large.scores["variety"] == "everyday") & (large.scores["unpenalised"] > 0)]
    for _, rows in can.groupby("item"):
        share = (rows["unpenalised"] - rows["operational"]).mean()
        assert abs(share - 0.4) < 4 * np.sqrt(0.4 * 0.6 / len(rows))
    effect = large.penalty_effect().set_index("item")["effect"]
    focal = large.scores[large.scores["variety"] == "everyday"]
    observed = (focal["operational"] - focal["unpenalised"]).groupby(focal["item"]).mean()
    np.testing.assert_allclose(observed, effect[observed.index], atol=4 * np.sqrt(0.24 / 10_000))


def test_levels_follow_the_graded_response_model(large: SimulationTruth) -> None:
    """Within bands of ability, P(level >= s) is the model's curve."""
    scores = large.scores.merge(large.persons, on=["person", "variety"])
    for item, score, slope, threshold in large.thresholds.itertuples(index=False):
        mine = scores[scores["item"] == item].sort_values("ability")
        expected = 1 / (1 + np.exp(-slope * (mine["ability"].to_numpy() - threshold)))
        passed = mine["level"].to_numpy() >= score
        for rows in np.array_split(np.arange(len(mine)), 8):
            error = np.sqrt((expected[rows] * (1 - expected[rows])).sum())
            assert abs((passed[rows] - expected[rows]).sum()) < 4.5 * error


def test_all_score_points_occur_and_thresholds_rise(large: SimulationTruth) -> None:
    shares = large.scores.groupby("item")["level"].value_counts(normalize=True)
    assert shares.groupby("item").size().to_dict() == {"one": 5, "three": 2, "two": 5}
    assert shares.min() > 0.04
    assert (large.thresholds.groupby("item")["threshold"].diff().dropna() > 0).all()


def test_impact_and_severity_and_errors(large: SimulationTruth) -> None:
    ability = large.persons.groupby("variety")["ability"].mean()
    assert ability["everyday"] - ability["standard"] == pytest.approx(-0.5, abs=4 * np.sqrt(2 / 10_000))
    inner = large.scores[(large.scores["item"] != "three") & large.scores["level"].between(1, 3)]
    # rounding keeps the mean shift of -0.1 nearly: E[round(x)] is near E[x] at this error
    assert (inner["unpenalised"] - inner["level"]).mean() == pytest.approx(-0.1, abs=0.04)
    assert (inner["panel"] - inner["level"]).mean() == pytest.approx(0, abs=0.01)
    # P(|N(0, .25)| > .5) = .0455
    assert (inner["panel"] != inner["level"]).mean() == pytest.approx(0.0455, abs=0.006)


def test_without_error_the_raters_give_the_true_score() -> None:
    settings = SimulationSettings(200, 1, penalty=0.0, severity=0.0, error=0.0, panel_error=0.0)
    scores = draw_truth(BANKS, settings).scores
    assert (scores["level"] == scores["panel"]).all()
    assert (scores["level"] == scores["operational"]).all()


def test_certain_penalty_stops_at_zero() -> None:
    scores = draw_truth(BANKS, SimulationSettings(200, 1, penalty=1.0)).scores
    focal = scores[scores["variety"] == "everyday"]
    assert (focal["operational"] == (focal["unpenalised"] - 1).clip(lower=0)).all()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("n_persons", 1),
        ("focal_share", 0.0),
        ("focal_share", 1.0),
        ("penalty", 1.1),
        ("penalty", float("nan")),
        ("impact", float("inf")),
        ("error", -0.1),
        ("panel_error", float("nan")),
    ],
)
def test_settings_out_of_range(setting: str, value: float) -> None:
    with pytest.raises(StudyError, match=setting):
        SimulationSettings(**{"n_persons": 10, "seed": 1, setting: value})  # type: ignore[arg-type]


def test_no_phrase_banks() -> None:
    with pytest.raises(StudyError, match="no phrase banks"):
        simulate_sjt({}, 10, 1)


def test_small_groups_are_never_empty() -> None:
    persons = draw_truth(BANKS, SimulationSettings(5, 1, focal_share=0.01)).persons
    assert persons["variety"].value_counts().to_dict() == {"standard": 4, "everyday": 1}


def test_rendering_by_hand() -> None:
    plan = Plan(
        (
            Part(Phrase("This is my answer.", "heres mine")),
            Part(Phrase("I would ask.", "Id ask")),
            Part(Phrase("It is fair.", "Its fair"), Phrase("because", "cos"), clause=True),
            Part(Phrase("Priya knows.", "Priya knows."), Phrase("In addition:", "plus:")),
            Part(Phrase("Priya is kind.", "Priya is nice."), Phrase("since", "cuz"), clause=True),
        ),
        lower_start=True,
        drop_stop=True,
    )
    names = frozenset({"Priya"})
    assert render_plan(plan, "standard", names) == (
        "This is my answer. I would ask because it is fair. In addition: Priya knows since Priya is kind."
    )
    assert render_plan(plan, "everyday", names) == (
        "heres mine. Id ask cos its fair. plus: Priya knows cuz Priya is nice"
    )


def test_names_are_words_with_a_capital_inside_a_sentence() -> None:
    phrases = tuple(Phrase(f"I would tell Priya {n}. Then wait.", f"Id tell Priya {n}") for n in range(4))
    bank = PhraseBank("one", (PhrasePoint(0, phrases, phrases[:3]),))
    assert capitalised_words(bank) == {"Priya"}


def test_no_double_because() -> None:
    reasons = tuple(Phrase(f"Because it is right {n}.", f"cos its right {n}") for n in range(3))
    actions = tuple(Phrase(f"I would ask {n}.", f"Id ask {n}") for n in range(4))
    points = (PhrasePoint(0, actions, reasons), PhrasePoint(1, actions, reasons))
    bank: Mapping[str, PhraseBank] = {"one": PhraseBank("one", points)}
    for seed in range(200):
        text = render_plan(plan_response(bank["one"], 0, np.random.default_rng(seed)), "standard")
        assert "because because" not in text.lower()
        assert "since because" not in text.lower()


def test_shipped_bank_gives_short_varied_responses_of_all_score_points() -> None:
    folder = shipped_folder("items") / "workplace-sjt" / "phrases"
    if not folder.is_dir():
        pytest.skip("the shipped phrase banks are not here")
    dataset = simulate_sjt(load_phrases(folder), 120, 5)
    both = pd.concat([dataset.responses, dataset.alternates])
    words = [len(text.split()) for text in both["response"]]
    assert np.median(words) < 55
    assert max(words) < 130
    assert dataset.responses["response"].nunique() > 0.98 * len(dataset.responses)
    true = dataset.ratings[dataset.ratings["rater"] == "true"]
    assert set(true["score"]) == {0, 1, 2, 3, 4}
