"""Stage "feedback": records from a panel, from a second scoring and from a file, and what they must hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from psyalign.foundation.errors import DataError
from psyalign.foundation.tables import read_table
from psyalign.pipeline.run import Run

Change = Callable[..., None]
Perform = Callable[..., Run]
Line = dict[str, Any]

PANEL = 'source = "panel"\nrater = "panel"'
ALTERNATES = 'equivalence = "alternates"'
POINTS = 5  # of every item of the bank


@pytest.fixture
def feedback(perform: Perform) -> Perform:
    """Perform the stages "data" and "feedback" of a study."""
    return lambda path: perform(path, "data", "feedback")


def table(run: Run, name: str) -> pd.DataFrame:
    return read_table(run.path("feedback", f"{name}.parquet"))


def texts(run: Run, split: str = "feedback") -> pd.DataFrame:
    everyone = read_table(run.path("data", "texts.parquet"))
    return everyone[everyone["split"] == split]


def ratings(run: Run, rater: str) -> pd.Series:
    """Scores that a rater gave, by response id."""
    given = read_table(run.path("data", "ratings.parquet"))
    given = given[given["rater"] == rater]
    return pd.Series(given["score"].to_numpy(), index=given["person"] + "|" + given["item"])


def use_records(path: Path, change: Change, lines: Iterable[Line], *, equivalence: str = "records") -> None:
    """Let score preferences, and equivalences if asked for, come from these records."""
    change(path, PANEL, 'source = "records"\nrecords = "feedback.jsonl"')
    change(path, ALTERNATES, f'equivalence = "{equivalence}"')
    write_lines(path, lines)


def write_lines(path: Path, lines: Iterable[Line]) -> None:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    path.with_name("feedback.jsonl").write_text(text, encoding="utf-8")


def lines_of(run: Run) -> list[Line]:
    return [json.loads(line) for line in run.path("feedback", "records.jsonl").read_text().splitlines()]


def adjacent(response: str, score: int = 2) -> list[Line]:
    """Preferences that connect all score points of a response."""
    record = {"kind": "score_preference", "item": response.split("|")[1], "response_id": response}
    pairs = [(low, low + 1) if score <= low else (low + 1, low) for low in range(POINTS - 1)]
    return [
        {**record, "preferred": won, "rejected": lost, "rater": "r", "source": "test"} for won, lost in pairs
    ]


# ---------------------------------------------------------------- panel and alternates


def test_panel_gives_adjacent_pairs_towards_its_score(small_study: Path, feedback: Perform) -> None:
    run = feedback(small_study)
    preferences, panel = table(run, "preferences"), ratings(run, "panel")
    assert preferences.groupby("response_id").size().tolist() == [POINTS - 1] * 8
    given = preferences["response_id"].map(panel)
    assert ((preferences["preferred"] - preferences["rejected"]).abs() == 1).all()
    assert ((preferences["preferred"] - given).abs() < (preferences["rejected"] - given).abs()).all()
    assert run.facts("feedback")["connected_share"] == 1.0
    assert run.facts("feedback")["warnings"] == []


def test_refit_scores_are_the_panels_of_the_same_responses(small_study: Path, feedback: Perform) -> None:
    run = feedback(small_study)
    scores = table(run, "scores")
    assert set(scores["response_id"]) == set(table(run, "preferences")["response_id"])
    assert (scores["score"] == scores["response_id"].map(ratings(run, "panel"))).all()


def test_feedback_is_on_feedback_persons_only(small_study: Path, feedback: Perform) -> None:
    run = feedback(small_study)
    known = set(texts(run)["response_id"])
    keys = ("response_id", "response_a", "response_b")
    named = [line[key] for line in lines_of(run) for key in keys if key in line]
    assert named and set(named) <= known
    assert known.isdisjoint(texts(run, "audit")["response_id"])


def test_the_neutral_wording_teaches(small_study: Path, feedback: Perform) -> None:
    run = feedback(small_study)
    pairs, wording = table(run, "pairs"), texts(run).set_index("response_id")["wording"]
    assert len(pairs) == 6 and set(pairs["teacher"]) == {"a", "b"}
    taught_by = pairs["response_a"].where(pairs["teacher"] == "a", pairs["response_b"])
    assert (taught_by.map(wording) == "standard").all()
    assert pairs["rater"].unique().tolist() == ["simulated panel"]


def test_summary_counts_what_there_is(small_study: Path, feedback: Perform) -> None:
    run = feedback(small_study)
    summary = table(run, "summary").set_index("kind")
    assert summary["records"].to_dict() == {"score_preference": 32, "equivalence": 6, "rating": 8}
    assert summary.loc["score_preference", "responses"] == 8
    assert summary.loc["equivalence", "responses"] == 12


# ---------------------------------------------------------------- a second scoring


def test_second_scoring_prefers_the_new_score_where_it_changed(
    small_study: Path, feedback: Perform, change: Change
) -> None:
    change(small_study, PANEL, 'source = "second_scoring"\nfirst = "operational"\nsecond = "panel"')
    change(small_study, "max_responses = 8", "max_responses = 100")
    run = feedback(small_study)
    first, second = ratings(run, "operational"), ratings(run, "panel")
    preferences = table(run, "preferences").set_index("response_id")
    own = texts(run)
    ids = own.loc[own["primary"], "response_id"]
    changed = {name for name in ids if first[name] != second[name]}
    assert 0 < len(changed) < len(ids), "the study has answers of both kinds"
    assert set(preferences.index) == changed
    assert (preferences["preferred"] == second[preferences.index]).all()
    assert (preferences["rejected"] == first[preferences.index]).all()
    scores = table(run, "scores").set_index("response_id")["score"]
    assert set(scores.index) == set(ids), "a refit learns from confirmed scores too"
    assert (scores == second[scores.index]).all()


def test_second_scoring_fills_up_with_confirmed_scores(
    small_study: Path, feedback: Perform, change: Change
) -> None:
    change(small_study, PANEL, 'source = "second_scoring"\nfirst = "operational"\nsecond = "panel"')
    change(small_study, "max_responses = 8", "max_responses = 14")
    run = feedback(small_study)
    changed = set(table(run, "preferences")["response_id"])
    scores = set(table(run, "scores")["response_id"])
    assert len(scores) == 14 and changed < scores


def test_second_scoring_leaves_score_points_apart_which_is_a_warning(
    small_study: Path, feedback: Perform, change: Change
) -> None:
    change(small_study, PANEL, 'source = "second_scoring"\nfirst = "operational"\nsecond = "panel"')
    facts = feedback(small_study).facts("feedback")
    assert facts["connected_share"] < 1
    assert len(facts["warnings"]) == 1 and "incomparable" in facts["warnings"][0]


def test_second_scoring_that_changed_nothing(small_study: Path, feedback: Perform, change: Change) -> None:
    change(small_study, PANEL, 'source = "second_scoring"\nfirst = "operational"\nsecond = "panel"')
    exact = "persons = 36\npenalty = 0.0\nseverity = 0.0\nerror = 0.0\npanel_error = 0.0"
    change(small_study, "persons = 36", exact)
    with pytest.raises(DataError, match="no score preference") as caught:
        feedback(small_study)
    assert "[feedback] source" in str(caught.value)


# ---------------------------------------------------------------- records


def test_records_of_a_panel_give_what_the_panel_gave(
    small_study: Path, feedback: Perform, change: Change
) -> None:
    run = feedback(small_study)
    before = {name: table(run, name) for name in ("preferences", "pairs", "scores")}
    use_records(small_study, change, lines_of(run))
    run = feedback(small_study)
    for name, wanted in before.items():
        found = table(run, name).sort_values(list(wanted.columns), ignore_index=True)
        pd.testing.assert_frame_equal(found, wanted.sort_values(list(wanted.columns), ignore_index=True))


def test_records_on_other_splits_are_left_out(small_study: Path, feedback: Perform, change: Change) -> None:
    run = feedback(small_study)
    lines, audit = lines_of(run), texts(run, "audit")
    person, item = audit.iloc[0][["person", "item"]]
    own = audit[(audit["person"] == person) & (audit["item"] == item)].sort_values("primary")
    other, primary = own["response_id"]
    same = {"kind": "equivalence", "item": item, "response_a": primary, "response_b": other, "same": True}
    extra = [*adjacent(primary), {**same, "rater": "r", "source": "test"}]
    use_records(small_study, change, [*lines, *extra])
    run = feedback(small_study)
    kept = lines_of(run)
    assert len(kept) == len(lines) and not any(line in kept for line in extra)


def test_ratings_among_the_records_are_the_refit_scores(
    small_study: Path, feedback: Perform, change: Change
) -> None:
    run = feedback(small_study)
    lines, preferred = lines_of(run), table(run, "scores").set_index("response_id")["score"]
    rated = preferred.index[0]
    rating = {"kind": "rating", "item": rated.split("|")[1], "response_id": rated, "source": "test"}
    given = [{**rating, "rater": f"rater {score}", "score": score} for score in (1, 2, 3, 4)]
    use_records(small_study, change, [*lines, *given])
    scores = table(feedback(small_study), "scores").set_index("response_id")["score"]
    assert scores[rated] == 3, "the mean 2.5, halves up"
    others = preferred.drop(rated)
    assert (scores[others.index] == others).all(), "the others keep the score that was preferred most"


def test_a_pair_without_a_neutral_wording_is_taught_by_both(
    small_study: Path, feedback: Perform, change: Change
) -> None:
    run = feedback(small_study)
    lines, own = lines_of(run), texts(run)
    own = own[own["wording"] == "standard"].sort_values("response_id")
    first, second = own.loc[own["item"] == "late-report", "response_id"].iloc[:2]
    same = {"kind": "equivalence", "item": "late-report", "response_a": first, "response_b": second}
    use_records(small_study, change, [*lines, {**same, "same": True, "rater": "r", "source": "test"}])
    change(small_study, "max_equivalences = 6", "max_equivalences = 60")
    pairs = table(feedback(small_study), "pairs").set_index(["response_a", "response_b"])
    assert pairs.loc[(first, second), "teacher"] == "mean"
    assert set(pairs["teacher"]) == {"a", "b", "mean"}


def test_judgements_of_different_intention_do_not_align(
    small_study: Path, feedback: Perform, change: Change
) -> None:
    lines = lines_of(feedback(small_study))
    at = next(at for at, line in enumerate(lines) if line["kind"] == "equivalence")
    lines[at]["same"] = False
    use_records(small_study, change, lines)
    run = feedback(small_study)
    assert len(table(run, "pairs")) == run.facts("feedback")["pairs"] == 5
    assert table(run, "summary").set_index("kind").loc["equivalence", "records"] == 6


def test_score_points_left_incomparable_stop_the_run(
    small_study: Path, feedback: Perform, change: Change
) -> None:
    lines = lines_of(feedback(small_study))
    use_records(small_study, change, lines[1:])  # the first response loses one of its four pairs
    with pytest.raises(DataError, match="incomparable") as caught:
        feedback(small_study)
    assert caught.value.exit_code == 3
    assert lines[0]["response_id"] in str(caught.value)


@pytest.mark.parametrize("kind", ["score_preference", "equivalence"])
def test_a_record_on_a_response_that_is_not_there(
    small_study: Path, feedback: Perform, change: Change, kind: str
) -> None:
    lines = lines_of(feedback(small_study))
    line = next(line for line in lines if line["kind"] == kind)
    key = "response_id" if kind == "score_preference" else "response_b"
    line[key] = "nobody|" + line["item"]
    use_records(small_study, change, lines)
    with pytest.raises(DataError, match="no response 'nobody"):
        feedback(small_study)


def test_no_equivalence_on_a_feedback_person(small_study: Path, feedback: Perform, change: Change) -> None:
    lines = [line for line in lines_of(feedback(small_study)) if line["kind"] != "equivalence"]
    use_records(small_study, change, lines)
    with pytest.raises(DataError, match="no equivalence record") as caught:
        feedback(small_study)
    assert "[feedback] equivalence" in str(caught.value) and "[split] feedback" in str(caught.value)


def test_no_score_preference_on_a_feedback_person(
    small_study: Path, feedback: Perform, change: Change
) -> None:
    lines = [line for line in lines_of(feedback(small_study)) if line["kind"] == "equivalence"]
    use_records(small_study, change, lines)
    with pytest.raises(DataError, match="no score preference"):
        feedback(small_study)


def test_without_equivalence_there_are_no_pairs(small_study: Path, feedback: Perform, change: Change) -> None:
    change(small_study, ALTERNATES, 'equivalence = "none"')
    change(small_study, "beta = 0.1", 'beta = 0.1\narms = ["baseline", "dpo"]')
    run = feedback(small_study)
    assert len(table(run, "pairs")) == 0 and run.facts("feedback")["pairs"] == 0
    assert set(table(run, "summary")["kind"]) == {"score_preference", "rating"}


# ---------------------------------------------------------------- matched answers


def test_matched_answers_bridge_the_groups_and_are_taught_by_both(
    small_study: Path, feedback: Perform, change: Change
) -> None:
    """The simulated answers match too seldom, so the study takes a table with answers that do."""
    run = feedback(small_study)
    everyone = read_table(run.path("data", "texts.parquet"))
    primary = everyone[everyone["primary"]]
    folder = small_study.parent
    odd = primary["person"].rank(method="dense").astype(int) % 2 == 1
    said = odd.map({True: "I would tell the team leader.", False: "I would just tell my team leader"})
    written = primary[["person", "item"]].assign(response=said)
    written.to_csv(folder / "responses.csv", index=False)
    written[["person", "item"]].assign(rater="one", score=2).to_csv(folder / "ratings.csv", index=False)
    read_table(run.path("data", "persons.parquet"))[["person", "variety"]].to_csv(
        folder / "persons.csv", index=False
    )
    files = 'responses = "responses.csv"\nratings = "ratings.csv"\npersons = "persons.csv"'
    change(small_study, 'source = "simulate"', files)
    change(small_study, 'operational = "operational"\ncriterion = "panel"', "")
    change(small_study, "[simulation]\npersons = 36", "")
    change(small_study, PANEL, 'source = "panel"')
    change(small_study, ALTERNATES, 'equivalence = "matched_answers"')
    change(small_study, 'neutral_wording = "standard"', "")
    run = feedback(small_study)
    pairs = table(run, "pairs")
    variety = read_table(run.path("data", "persons.parquet")).set_index("person")["variety"]
    groups = [pairs[side].str.split("|").str[0].map(variety) for side in ("response_a", "response_b")]
    assert len(pairs) and (groups[0] != groups[1]).all()
    assert set(pairs["teacher"]) == {"mean"}
