"""The paths with made-up judges: what is kept, what is dropped, and that nothing is lost between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from psyalign.feedback import (
    Equivalence,
    Rating,
    ResponsePreference,
    ScorePreference,
    check_graph,
    read_records,
)
from psyalign.foundation.errors import ItemError, UsageError
from psyalign.judge import (
    PATHS,
    Judge,
    Judged,
    JudgeSettings,
    Principle,
    Subjects,
    Wording,
    choose_subjects,
    judge_path,
    load_principles,
    load_wordings,
    sidecar,
    write_judged,
)

SETTINGS = JudgeSettings(load_principles(), load_wordings()[:4])
TWO_ORDERS = ("rlaif", "principles", "equivalence", "wordings")


def ran(path: str, judge: Judge, subjects: Subjects, folder: Path, **options: Any) -> Judged:
    return judge_path(path, judge, subjects, SETTINGS, folder / "answers.jsonl", **options)


@pytest.mark.parametrize("path", TWO_ORDERS)
def test_a_judge_with_place_bias_keeps_no_record(
    path: str, place_judge: Any, subjects: Subjects, tmp_path: Path
) -> None:
    found = ran(path, place_judge, subjects, tmp_path, incomplete=True)
    assert len(found.trail) > 4 and not found.records and not found.trail["kept"].any()
    assert set(found.trail["reason"]) <= {"orders disagree", "no preference", "no other wording came out"}


def test_the_principle_filter_drops_rationales_of_a_judge_with_place_bias(
    place_judge: Any, subjects: Subjects, tmp_path: Path
) -> None:
    found = ran("elaborate", place_judge, subjects, tmp_path)
    assert not found.records and len(found.texts) == 6
    assert "the rationale goes against 'evidence'" in set(found.trail["reason"])


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("judge", ["place_judge", "truth_judge"])
def test_every_question_is_kept_or_dropped_with_a_reason(
    path: str, judge: str, subjects: Subjects, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    found = ran(path, request.getfixturevalue(judge), subjects, tmp_path)
    trail = found.trail
    assert (trail["reason"].eq("") == trail["kept"]).all()
    assert trail["source"].eq(f"ai:{path}").all()
    for row in found.summary:
        assert row["asked"] == int(str(row["kept"])) + int(str(row["dropped"]))
    questions = trail.drop_duplicates("question")
    assert sum(int(str(row["asked"])) for row in found.summary) == len(questions)
    assert int(questions.loc[questions["kind"] != "follows", "kept"].sum()) == len(found.records)
    for record in found.records:
        assert record.source == f"ai:{path}" and record.rater.startswith(("truth", "place"))


def test_rlaif_finds_the_true_scores_and_its_preferences_connect(
    truth_judge: Any, subjects: Subjects, tmp_path: Path
) -> None:
    found = ran("rlaif", truth_judge, subjects, tmp_path)
    truth = {name: int(subjects.text(name)[-1]) for name, _ in subjects.responses}
    preferences = [record for record in found.records if isinstance(record, ScorePreference)]
    assert len(preferences) == 3 * 2 + 3 * 1
    for record in preferences:
        true = truth[record.response_id]
        assert abs(record.preferred - true) < abs(record.rejected - true)
    assert check_graph(found.records, {"three": range(3), "two": range(2)}).connected_share == 1
    for other in (record for record in found.records if isinstance(record, ResponsePreference)):
        gap = truth[other.response_a] - truth[other.response_b]
        assert other.preferred == ("a" if gap > 0 else "b")


def test_margins_of_the_two_orders_differ_by_the_place_bias_alone(
    truth_judge: Any, subjects: Subjects, tmp_path: Path
) -> None:
    trail = ran("rlaif", truth_judge, subjects, tmp_path).trail
    by = trail.pivot(index="question", columns="order", values="margin")
    assert (by["ab"] - by["ba"]).to_numpy() == pytest.approx(2 * truth_judge.push)


def test_a_response_with_a_pair_dropped_is_left_out_unless_asked_for(
    truth_judge: Any, subjects: Subjects, tmp_path: Path
) -> None:
    class Unsure(type(truth_judge)):  # type: ignore[misc]
        def choose(self, prompt: Any, labels: Any) -> Any:
            said = super().choose(prompt, labels)
            if "score 2" in prompt.parts[-1]:  # answers by place where the highest score is in question
                return type(said)("A", (-0.1, -2.0))
            return said

    settings = JudgeSettings(kinds=("score_preference",))
    found = judge_path("rlaif", Unsure(), subjects, settings, tmp_path / "a.jsonl")
    every = judge_path("rlaif", Unsure(), subjects, settings, tmp_path / "a.jsonl", incomplete=True)
    assert {record.item for record in found.records} == {"two"} and len(found.records) == 3
    assert len(every.records) == 6
    assert set(found.trail["reason"]) == {
        "",
        "no preference",
        "another score pair of this response was dropped",
    }


def test_principles_are_asked_one_a_call_and_are_raters_of_their_own(
    truth_judge: Any, subjects: Subjects, tmp_path: Path
) -> None:
    found = ran("principles", truth_judge, subjects, tmp_path)
    names = {principle.id for principle in SETTINGS.principles if principle.kind == "score"}
    assert {record.rater for record in found.records} == {f"truth: {name}" for name in names}
    assert set(found.trail["principle"]) == names
    with pytest.raises(ItemError, match="principle of kind"):
        judge_path(
            "principles",
            truth_judge,
            subjects,
            JudgeSettings((Principle("only", "rationale", "Be short."),)),
            tmp_path / "other.jsonl",
        )


def test_equivalences_say_same_and_different(truth_judge: Any, subjects: Subjects, tmp_path: Path) -> None:
    same = ran("equivalence", truth_judge, subjects, tmp_path).records
    truth_judge.same, truth_judge.identity = -2.0, "other"
    different = ran("equivalence", truth_judge, subjects, tmp_path).records
    assert [record.same for record in same if isinstance(record, Equivalence)] == [True] * len(same)
    assert [record.same for record in different if isinstance(record, Equivalence)] == [False] * len(same)
    assert Equivalence("three", "p0|three", "p0|three|other", True, "truth", "ai:equivalence") in same


def test_wordings_are_new_texts_and_the_response_stays(
    truth_judge: Any, subjects: Subjects, tmp_path: Path
) -> None:
    before = subjects.texts.copy()
    found = ran("wordings", truth_judge, subjects, tmp_path)
    pd.testing.assert_frame_equal(subjects.texts, before)
    assert list(found.texts.columns) == ["person", "item", "wording", "response"]
    assert len(found.texts) == len(found.records) > 0
    assert found.texts["wording"].str.startswith("ai:").all()
    ids = {record.response_b for record in found.records if isinstance(record, Equivalence)}
    made = found.texts["person"] + "|" + found.texts["item"] + "|" + found.texts["wording"]
    assert ids == set(made)
    truth_judge.same, truth_judge.identity = -2.0, "meaning changed"
    dropped = ran("wordings", truth_judge, subjects, tmp_path)
    assert not dropped.records and not len(dropped.texts)
    assert "the judge says that the meaning changed" in set(dropped.trail["reason"])


@pytest.mark.parametrize(
    ("wrote", "wording"),
    [
        ("The answer:\n<answer>\n{0} too.\n</answer>", "{0} too."),
        ("{0} too.\n</answer>\n\nRewrite the answer.", "{0} too."),
        ("{0} too.\n<answer>", "{0} too."),
        ("What now?\n\nThe answer:\n{0} too.", "{0} too."),
        ("The answer:\n<answer>", None),
    ],
)
def test_marks_of_the_prompt_are_no_part_of_a_wording(
    wrote: str, wording: str | None, truth_judge: Any, subjects: Subjects, tmp_path: Path
) -> None:
    text = subjects.text(subjects.responses[0][0])
    truth_judge.said = wrote.format(text)
    only = JudgeSettings(wordings=(Wording("informal", "variety", instruction="Write it informally."),))
    one = choose_subjects(subjects.items, subjects.texts, 1, seed=3)
    found = judge_path("wordings", truth_judge, one, only, tmp_path / "a.jsonl")
    assert found.texts["response"].tolist() == ([wording.format(text)] if wording else [])


def test_contrastive_rejects_the_score_of_the_persona_where_it_differs(
    truth_judge: Any, subjects: Subjects, tmp_path: Path
) -> None:
    found = ran("contrastive", truth_judge, subjects, tmp_path)
    truth = {name: int(subjects.text(name)[-1]) for name, _ in subjects.responses}
    assert {
        (record.response_id, record.preferred, record.rejected)
        for record in found.records
        if isinstance(record, ScorePreference)
    } == {(name, score, 0) for name, score in truth.items() if score}
    assert found.texts["what"].tolist() == ["chosen", "rejected"] * len(found.records)
    # the judge's log-probabilities are −|score − truth|, so its margin to the persona's 0 is the truth
    kept = found.trail[found.trail["kept"]]
    assert kept["margin"].tolist() == [float(score) for score in kept["option_a"]]


def test_elaborate_keeps_a_rating_whose_rationale_says_the_same(
    truth_judge: Any, subjects: Subjects, tmp_path: Path
) -> None:
    found = ran("elaborate", truth_judge, subjects, tmp_path)  # every rationale ends in "Score: 0"
    truth = {name: int(subjects.text(name)[-1]) for name, _ in subjects.responses}
    assert {record.response_id for record in found.records if isinstance(record, Rating)} == {
        name for name, score in truth.items() if score == 0
    }
    assert "the rationale's score is another one" in set(found.trail["reason"])


def test_constitution_prefers_the_revised_score(subjects: Subjects, tmp_path: Path, truth_judge: Any) -> None:
    class Reviser(type(truth_judge)):  # type: ignore[misc]
        def choose(self, prompt: Any, labels: Any) -> Any:
            if "Critique of the explanation" in prompt.parts[-1]:
                return type(super().choose(prompt, labels))(labels[-1], tuple(-1.0 for _ in labels))
            return super().choose(prompt, labels)

    found = ran("constitution", Reviser(), subjects, tmp_path)
    tops = {"three": 2, "two": 1}
    assert found.records
    for record in found.records:
        assert isinstance(record, ScorePreference)
        true = int(subjects.text(record.response_id)[-1])
        assert (record.preferred, record.rejected) == (tops[record.item], true)
    assert "both scores are the same" in set(found.trail["reason"])


def test_files_hold_ids_and_numbers_and_records_come_back(
    truth_judge: Any, subjects: Subjects, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "rlaif.jsonl"
    found = judge_path("rlaif", truth_judge, subjects, SETTINGS, sidecar(out, "answers.jsonl"))
    paths = write_judged(found, out)
    assert read_records(paths["records"]) == found.records
    trail = pd.read_csv(paths["trail"], keep_default_na=False)
    assert len(trail) == len(found.trail) and "margin" in trail.columns
    for path in out.parent.iterdir():
        assert "private sentence" not in path.read_text(encoding="utf-8"), path.name


def test_an_unknown_path_is_refused(truth_judge: Any, subjects: Subjects, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no path 'rlhaif'") as caught:
        ran("rlhaif", truth_judge, subjects, tmp_path)
    assert "rlaif" in str(caught.value.mend)


def test_summary_of_no_question_is_empty(truth_judge: Any, subjects: Subjects, tmp_path: Path) -> None:
    settings = JudgeSettings(SETTINGS.principles, kinds=())
    found = judge_path("rlaif", truth_judge, subjects, settings, tmp_path / "a.jsonl")
    assert found.summary == [] and found.records == [] and not len(found.trail)
