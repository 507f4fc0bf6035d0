"""`psyalign feedback import`, and `feedback export` to other tools: a study on disk, both ways."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from psyalign.collect import Settings, begin
from psyalign.feedback import (
    Equivalence,
    Rating,
    Record,
    ResponsePreference,
    ScorePreference,
    read_records,
    write_records,
)
from psyalign.pipeline.collection import feedback_material
from psyalign.study import load_study
from tests.cli.conftest import SECRET

Invoke = Callable[..., Result]


@pytest.fixture
def judged(small_study: Path) -> tuple[Path, list[Record]]:
    """A study and records about its feedback persons' responses, in a file of their own."""
    texts = feedback_material(load_study(small_study / "study.toml")).texts
    first, second = texts.loc[texts["item"] == "first", "response_id"].iloc[:2]
    made: list[Record] = [
        ScorePreference("first", first, 2, 1, "ann", "panel"),
        ResponsePreference("first", first, second, "b", "ann", "panel"),
        ResponsePreference("first", first, second, "tie", "bob", "panel"),
        Equivalence("first", first, second, False, "bob", "panel"),
        Rating("first", second, 0, "ann", "panel"),
    ]
    write_records(small_study / "judged.jsonl", made)
    return small_study, made


def test_to_trl_and_back(judged: tuple[Path, list[Record]], invoke: Invoke, tmp_path: Path) -> None:
    study, made = judged
    out = tmp_path / "pairs.jsonl"
    done = invoke(
        "feedback", "export", study, "--format", "trl", "--records", study / "judged.jsonl", "--out", out
    )
    assert done.exit_code == 0, done.stderr
    assert "ties have no place in TRL's pairs" in done.stdout
    assert "personal data" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    row = json.loads(out.read_text(encoding="utf-8").splitlines()[0])
    # as the scorer's encoder puts it together: context, a space, the response, the cue
    assert row["prompt"].startswith("It happens first.\nQuestion: What would you do?\nRubric: 0 = nothing;")
    assert row["prompt"].endswith("\nScore: ")
    assert f"Answer: {SECRET}" in row["prompt"]
    back = invoke("feedback", "import", study, out, "--format", "trl")
    assert back.exit_code == 0, back.stderr
    assert read_records(study / "feedback.jsonl") == made[:2]
    assert 'records = "feedback.jsonl"' in back.stderr
    again = invoke("feedback", "import", study, out, "--format", "trl")
    assert "0 records added" in again.stdout
    assert "2 were there before" in again.stdout
    assert read_records(study / "feedback.jsonl") == made[:2]


@pytest.mark.parametrize(("form", "files"), [("label-studio", "*.json"), ("argilla", "*/records.json")])
def test_to_a_labelling_tool_and_back(
    form: str, files: str, judged: tuple[Path, list[Record]], invoke: Invoke, tmp_path: Path
) -> None:
    study, made = judged
    export = ("feedback", "export", study, "--format", form, "--records", study / "judged.jsonl")
    done = invoke(*export, "--out", tmp_path / "project", "--json")
    assert done.exit_code == 0, done.stderr
    assert {row["kind"]: row["records"] for row in json.loads(done.stdout)} == {
        "score_preference": 1,
        "response_preference": 2,
        "equivalence": 1,
        "rating": 1,
    }
    for path in sorted((tmp_path / "project").glob(files)):
        back = invoke("feedback", "import", study, path, "--format", form, "--out", tmp_path / "r.jsonl")
        assert back.exit_code == 0, back.stderr
    assert set(read_records(tmp_path / "r.jsonl")) == set(made)
    again = invoke(*export, "--out", tmp_path / "project")
    assert again.exit_code == 2
    assert "something here already" in again.stderr


def test_a_studys_records_are_added_to(judged: tuple[Path, list[Record]], invoke: Invoke) -> None:
    study, made = judged
    path = study / "study.toml"
    path.write_text(
        path.read_text(encoding="utf-8").replace(
            'source = "panel"', 'source = "panel"\nrecords = "mine.jsonl"'
        ),
        encoding="utf-8",
    )
    write_records(study / "mine.jsonl", made[:1])
    done = invoke("feedback", "import", study, study / "judged.jsonl", "--format", "psyalign")
    assert done.exit_code == 0, done.stderr
    assert "4 records added" in done.stdout
    assert read_records(study / "mine.jsonl") == made


def test_feedback_about_audit_persons_is_left_out_and_counted(
    judged: tuple[Path, list[Record]], invoke: Invoke, tmp_path: Path
) -> None:
    study, made = judged
    feedback = set(feedback_material(load_study(study / "study.toml")).texts["person"])
    other = next(f"p{n:03}" for n in range(240) if f"p{n:03}" not in feedback)
    write_records(tmp_path / "r.jsonl", [made[0], Rating("first", f"{other}|first", 1, "ann", "x")])
    done = invoke(
        "feedback",
        "import",
        study,
        tmp_path / "r.jsonl",
        "--format",
        "psyalign",
        "--out",
        tmp_path / "o.jsonl",
    )
    assert done.exit_code == 0
    assert "about a response of a person who is not a feedback person" in done.stdout
    assert read_records(tmp_path / "o.jsonl") == made[:1]


def test_what_cannot_be_used_is_refused(
    judged: tuple[Path, list[Record]], invoke: Invoke, tmp_path: Path
) -> None:
    study, _ = judged
    path = tmp_path / "f.jsonl"
    path.write_text(json.dumps({"prompt": "?", "chosen": SECRET, "rejected": "b"}) + "\n", encoding="utf-8")
    none = invoke("feedback", "import", study, path, "--format", "trl")
    assert none.exit_code == 3
    assert "No record came of this file" in none.stderr
    assert "no response of the study has this id or text" in none.stdout
    assert SECRET not in none.stdout + none.stderr
    assert not (study / "feedback.jsonl").exists()
    unknown = invoke("feedback", "import", study, path, "--format", "label_studio")
    assert unknown.exit_code == 2
    assert "Did you mean 'label-studio'?" in unknown.stderr
    missing = invoke("feedback", "import", study, tmp_path / "none.json", "--format", "argilla")
    assert missing.exit_code == 3


def collection(study: Path) -> Path:
    return study / "collect" / "main.sqlite"


def test_a_collections_judgements_are_the_same_in_each_format(
    small_study: Path, invoke: Invoke, tmp_path: Path
) -> None:
    """Second answers of a rater among them, which Argilla has no place for in one record."""
    material = feedback_material(load_study(small_study / "study.toml"))
    chosen = Settings(kinds=("score_preference", "response_preference"), max_responses=8, repeats=0.5)
    store = begin(collection(small_study), material, chosen, ["kinds"], ["ann"]).store
    while (asked := store.next_task("ann")) is not None:
        answer = "b" if asked.task.kind == "response_preference" else str(asked.task.high)
        store.note_shown("ann", asked.assignment)
        assert store.judge("ann", asked.assignment, 0, answer)
    own = invoke("feedback", "export", small_study, "--out", tmp_path / "own.jsonl")
    assert own.exit_code == 0, own.stderr
    made = read_records(tmp_path / "own.jsonl")
    assert {record.source for record in made} == {"page", "page, repeat"}
    for form, name, files in (
        ("trl", "t.parquet", "t.parquet"),
        ("label-studio", "ls", "ls/*.json"),
        ("argilla", "rg", "rg/*/records.json"),
    ):
        done = invoke("feedback", "export", small_study, "--format", form, "--out", tmp_path / name)
        assert done.exit_code == 0, done.stderr
        assert "In the collection" in done.stdout
        for path in sorted(tmp_path.glob(files)):
            back = invoke(
                *("feedback", "import", small_study, path, "--format", form),
                *("--out", tmp_path / f"{form}.jsonl"),
            )
            assert back.exit_code == 0, back.stderr
        assert Counter(read_records(tmp_path / f"{form}.jsonl")) == Counter(made)


def test_a_collections_questions_go_to_a_labelling_tool(
    small_study: Path, invoke: Invoke, tmp_path: Path
) -> None:
    material = feedback_material(load_study(small_study / "study.toml"))
    kinds = ("score_preference", "response_preference", "rating")
    begin(collection(small_study), material, Settings(kinds=kinds, max_responses=4), ["kinds"], ["ann"])
    done = invoke(
        "feedback", "export", small_study, "--questions", "--format", "label-studio", "--out", tmp_path / "ls"
    )
    assert done.exit_code == 0, done.stderr
    assert "questions in" in done.stdout
    tasks = {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in (tmp_path / "ls").glob("*.json")}
    assert set(tasks) == set(kinds)
    assert len(tasks["rating"]) == 4
    assert len(tasks["score_preference"]) == 8  # two pairs of neighbouring score points each
    assert "annotations" not in tasks["rating"][0]
    refused = invoke("feedback", "export", small_study, "--questions", "--out", tmp_path / "q.jsonl")
    assert refused.exit_code == 2
    assert not (tmp_path / "q.jsonl").exists()
    both = invoke("feedback", "export", small_study, "--questions", "--records", "x", "--out", tmp_path / "q")
    assert both.exit_code == 2
