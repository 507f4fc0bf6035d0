"""The judge in a study file, its command, and what a run makes of its records."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from psyalign.cli.main import app
from psyalign.feedback import Equivalence, Rating, ScorePreference, from_panel, read_records, write_records
from psyalign.feedback.sources import one_pair_only, refuse_mixture
from psyalign.foundation.errors import DataError, StudyError
from psyalign.foundation.tables import write_parquet
from psyalign.pipeline import load_study_bank, load_study_data
from psyalign.pipeline.stages.ai_feedback import ai_feedback_table
from psyalign.responses import final_scores, split_persons
from psyalign.study import load_study, resolved
from tests.conftest import run_stages

SMALL = Path(__file__).parents[1] / "pipeline" / "small.toml"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A small simulated study with further text at its end, and lines replaced."""

    def one(more: str = "", **replaced: str) -> Path:
        text = SMALL.read_text(encoding="utf-8")
        for old, new in replaced.items():
            assert text.count(f"\n{old}") == 1, old
            text = text.replace(f"\n{old}", f"\n{new}\n{old}")
        path = tmp_path / "study" / "study.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text + more, encoding="utf-8")
        return path

    return one


def feedback_scores(path: Path) -> pd.DataFrame:
    """Panel scores of the study's feedback persons."""
    study = load_study(path)
    _, dataset = load_study_data(study)
    split = split_persons(
        dataset.persons, study.split.shares, study.study.seed, stratify=list(study.split.stratify)
    )
    persons = split.loc[split["split"] == "feedback", "person"]
    scores = final_scores(dataset.ratings, "panel")
    return scores[scores["person"].isin(persons)]


def ai_preferences(path: Path, source: str = "ai:rlaif") -> list[ScorePreference]:
    points = {name: item.scores for name, item in load_study_bank(load_study(path)).items.items()}
    return from_panel(feedback_scores(path), points, rater="m", source=source)


def test_a_study_without_the_table_has_no_judge(write: Write) -> None:
    study = load_study(write())
    assert study.judge is None and "judge" not in resolved(study)
    assert study.feedback.mix_ai is False and study.data.wordings is None


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ('[judge]\nbase_url = "https://judge.example.org/v1"\n', "would receive the text"),
        ('[judge]\napi_key_env = "KEY"\n', "a local model needs no key"),
        ("[judge]\nretries = 50\n", "must be at most 20"),
        ('[judge]\nmodell = "x"\n', "Unknown key 'modell'"),
        ("[judge]\nmin_margin = -1\n", "must be at least 0"),
    ],
)
def test_contradictions_are_told(write: Write, more: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        load_study(write(more))


def test_text_may_leave_if_the_study_says_so(write: Write) -> None:
    more = '[judge]\nbase_url = "https://judge.example.org/v1"\nallow_text_to_leave = true\n'
    assert load_study(write(more)).judge is not None
    assert load_study(write('[judge]\nbase_url = "http://localhost:1/v1"\n')).judge is not None


def test_the_command_asks_resumes_and_never_sees_other_persons(
    write: Write, serve: Any, completion: Any, tmp_path: Path
) -> None:
    endpoint = serve(lambda sent: (200, completion("A", {"A": -0.2, "B": -2.0})))
    path = write()
    arguments = ["feedback", "judge", str(path), "--path", "equivalence", "--judge", endpoint.url]
    arguments += ["--max-responses", "4", "--json"]
    first = CliRunner().invoke(app, arguments)
    assert first.exit_code == 0, first.output
    asked = len(endpoint.requests)
    rows = json.loads(first.stdout)
    assert sum(row["asked"] for row in rows if row["table"] == "judged") * 2 == asked > 0
    assert sum(row["kept"] for row in rows if row["table"] == "judged") == 0  # it answers by place
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert len(endpoint.requests) == asked
    _, dataset = load_study_data(load_study(path))
    feedback = set(feedback_scores(path)["person"])
    others = dataset.responses[~dataset.responses["person"].isin(feedback)]
    sent = "".join(turn["content"] for one in endpoint.requests for turn in one["messages"])
    own = set(dataset.responses["response"]) - set(others["response"])
    assert any(text in sent for text in own)
    assert not any(text in sent for text in set(others["response"]) - own)
    trail = pd.read_csv(path.parent / "feedback" / "ai" / "equivalence.csv")
    assert set(trail["reason"]) == {"orders disagree"} and not trail["kept"].any()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--path", "rlhaif"], "no path 'rlhaif'"),
        (["--path", "rlaif", "--kinds", "rating"], "no kind 'rating'"),
        (["--path", "rlaif", "--principles", "none.toml"], "File not found"),
        (["--path", "rlaif", "--judge", "https://judge.example.org/v1"], "would receive the text"),
    ],
)
def test_wrong_calls_are_told(write: Write, more: list[str], message: str) -> None:
    found = CliRunner().invoke(app, ["feedback", "judge", str(write()), *more])
    assert found.exit_code in (2, 3) and message in found.output


def test_ai_feedback_is_not_mixed_with_peoples(write: Write) -> None:
    path = write()
    text = path.read_text(encoding="utf-8").replace(
        'source = "panel"\nrater = "panel"', 'source = "records"\nrecords = "all.jsonl"'
    )
    alone = text.replace('equivalence = "alternates"', 'equivalence = "records"')
    ours = ai_preferences(path)
    people = [Rating(r.item, r.response_id, r.preferred, "ann", "page") for r in ours[:3]]
    same = [Equivalence(ours[0].item, a, b, True, "m", "ai:equivalence") for a, b in _pairs(ours)]
    write_records(path.parent / "all.jsonl", [*ours, *same])
    path.write_text(text, encoding="utf-8")  # the planted alternates are not the model's
    with pytest.raises(StudyError, match="mixed"):
        run_stages(path, "data", "feedback")
    path.write_text(alone, encoding="utf-8")
    run = run_stages(path, "data", "feedback")
    assert run.facts("feedback")["preferences"] > 0 and run.facts("feedback")["pairs"] == len(same)
    write_records(path.parent / "all.jsonl", [*ours, *people, *same])
    with pytest.raises(StudyError, match="mixed"):
        run_stages(path, "data", "feedback")
    path.write_text(alone.replace("[reward]", "mix_ai = true\n\n[reward]"), encoding="utf-8")
    run_stages(path, "data", "feedback")


def _pairs(records: list[ScorePreference]) -> list[tuple[str, str]]:
    names = sorted({record.response_id for record in records if record.item == records[0].item})
    return list(pairwise(names))[:3]


def test_a_judges_two_scores_need_not_connect(write: Write) -> None:
    path = write()
    ours = [
        r for r in ai_preferences(path, "ai:contrastive") if (r.preferred, r.rejected) in {(3, 2), (2, 3)}
    ]
    write_records(path.parent / "all.jsonl", ours)
    text = path.read_text(encoding="utf-8").replace(
        'source = "panel"\nrater = "panel"', 'source = "records"\nrecords = "all.jsonl"'
    )
    text = text.replace('equivalence = "alternates"', 'equivalence = "none"')
    path.write_text(text.replace("[align]", '[align]\narms = ["baseline", "dpo"]'), encoding="utf-8")
    assert run_stages(path, "data", "feedback").facts("feedback")["connected_share"] == 0
    write_records(path.parent / "all.jsonl", [replace(record, source="ai:rlaif") for record in ours])
    with pytest.raises(DataError, match="incomparable"):
        run_stages(path, "data", "feedback")


def test_the_run_tells_agreement_by_group(write: Write) -> None:
    path = write()
    ours = ai_preferences(path)
    write_records(path.parent / "all.jsonl", ours)
    text = path.read_text(encoding="utf-8").replace(
        'source = "panel"\nrater = "panel"', 'source = "records"\nrecords = "all.jsonl"'
    )
    text = text.replace('equivalence = "alternates"', 'equivalence = "none"')
    path.write_text(text.replace("[align]", '[align]\narms = ["baseline", "dpo"]'), encoding="utf-8")
    run = run_stages(path, "data", "feedback")
    table = ai_feedback_table(run)["ai_feedback"]
    # the records were made from the criterion scores themselves
    assert table["agreement"].eq(1).all() and table["level"].tolist() == ["all", "everyday", "standard"]
    assert int(table["n"].iloc[0]) == len(read_records(run.path("feedback", "records.jsonl")))
    people = run_stages(write(), "data", "feedback")
    assert ai_feedback_table(people) == {}


def test_wordings_of_a_judge_become_pairs_of_its_own_source(write: Write) -> None:
    path = write()
    _, dataset = load_study_data(load_study(path))
    person = feedback_scores(path)["person"].iloc[0]
    row = dataset.responses[dataset.responses["person"] == person].iloc[0]
    made = {"person": person, "item": row["item"], "wording": "ai:no-marks", "response": "Said otherwise"}
    file = path.parent / "wordings.parquet"
    write_parquet(file, pd.DataFrame([made]))
    wording = write(operational='wordings = "wordings.parquet"')
    _, more = load_study_data(load_study(wording))
    assert len(more.alternates) == len(dataset.alternates) + 1
    assert more.alternates["response_id"].iloc[-1] == f"{person}|{row['item']}|ai:no-marks"
    pd.testing.assert_frame_equal(more.responses, dataset.responses)
    with pytest.raises(StudyError, match="mixed"):
        run_stages(wording, "data", "feedback")
    for bad, message in (
        ({**made, "wording": row["wording"]}, "has the wording"),
        ({**made, "person": "nobody"}, "has no response to this item"),
        ({**made, "response": " "}, "is empty"),
    ):
        write_parquet(file, pd.DataFrame([bad]))
        with pytest.raises(DataError, match=message) as caught:
            load_study_data(load_study(wording))
        assert "Said otherwise" not in str(caught.value)


def test_sources_by_hand() -> None:
    ours = ScorePreference("x", "p|x", 1, 0, "m", "ai:contrastive")
    theirs = ScorePreference("x", "p|x", 1, 0, "ann", "page")
    assert one_pair_only([ours]) and not one_pair_only([ours, theirs]) and not one_pair_only([])
    refuse_mixture([ours, ours], "here")
    refuse_mixture([theirs], "here")
    with pytest.raises(StudyError, match="1 of 2 records"):
        refuse_mixture([ours, theirs], "here")


def test_the_room_loads_without_torch() -> None:
    said = "import psyalign.judge, sys; print({'torch', 'transformers'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
