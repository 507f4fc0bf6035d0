"""Feedback to other tools' files and back: whole, or less what is counted as left out."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psyalign.feedback import Equivalence, Rating, Record, ResponsePreference, ScorePreference, write_records
from psyalign.feedback.interop import (
    FORMATS,
    Outgoing,
    Question,
    StudyTexts,
    append_records,
    export_feedback,
    import_feedback,
    item_prompt,
    label_config,
)
from psyalign.foundation.errors import DataError, UsageError
from psyalign.items import Exemplar, Item, RubricPoint

SECRET = "a private sentence nobody may log"
KINDS = ("score_preference", "response_preference", "equivalence", "rating")
# raters and sources: any text that UTF-8 can hold
WORD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


def made_item(name: str, points: int) -> Item:
    rubric = tuple(RubricPoint(s, f"label {s}", f"Description {s}.") for s in range(points))
    exemplars = tuple(Exemplar(s, f"Exemplar {s}", "Because.") for s in range(points))
    return Item(name, "1", name, "care", f"It happens  {name}.", "What\nnow?", rubric, exemplars)


ITEMS = {"five": made_item("five", 5), "three": made_item("three", 3)}
IDS = [f"p{n}|{item}" for n in range(6) for item in ITEMS] + ["p0|five|everyday"]
AUDIT = "p5"


def texts_of(ids: list[str]) -> pd.DataFrame:
    """Responses of six persons; p5 is an audit person."""
    rows = [
        (name, name.split("|")[1], f"{SECRET}  {name.replace('|', ' ')} & <b>", name[:2] != AUDIT)
        for name in ids
    ]
    return pd.DataFrame(rows, columns=["response_id", "item", "response", "feedback"])


def prompt_of(item: Item, text: str) -> str:
    return f"{item.id} {item.prompt}: {' '.join(text.split())}\nScore: "


STUDY = StudyTexts(ITEMS, texts_of(IDS), seed=3, scoring_prompt=prompt_of)
FEEDBACK = [name for name in IDS if not name.startswith(AUDIT)]


@st.composite
def records(draw: st.DrawFn) -> Record:
    first = draw(st.sampled_from(FEEDBACK))
    item = first.split("|")[1]
    rater, source = draw(WORD), draw(WORD)
    points = ITEMS[item].scores
    kind = draw(st.sampled_from(KINDS))
    if kind == "rating":
        return Rating(item, first, draw(st.sampled_from(points)), rater, source)
    if kind == "score_preference":
        preferred, rejected = draw(st.permutations(points))[:2]
        return ScorePreference(item, first, preferred, rejected, rater, source)
    others = [name for name in FEEDBACK if name.split("|")[1] == item and name != first]
    second = draw(st.sampled_from(others))
    if kind == "equivalence":
        return Equivalence(item, first, second, draw(st.booleans()), rater, source)
    return ResponsePreference(item, first, second, draw(st.sampled_from(["a", "b", "tie"])), rater, source)


SETS = st.lists(records(), max_size=12, unique=True)


def files_of(path: Path) -> Iterator[Path]:
    """The files that an import reads, of what an export wrote."""
    if path.is_file():
        yield path
    else:
        yield from sorted(path.glob("*.json")) + sorted(path.glob("*/records.json"))


def there_and_back(form: str, outgoing: Outgoing, name: str = "out") -> tuple[list[Record], int]:
    """Records after export and import, and how many the export left out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        done = export_feedback(path, form, outgoing)
        found = [import_feedback(file, form, STUDY) for file in files_of(path)]
        assert not [left for part in found for left in part.left]
        return [record for part in found for record in part.records], len(done.left)


@settings(max_examples=30, deadline=None)
@given(SETS, st.sampled_from(["psyalign", "label-studio", "argilla"]), st.booleans())
def test_labelling_tools_lose_nothing(made: list[Record], form: str, plain_ids: bool) -> None:
    back, left = there_and_back(form, Outgoing(made, STUDY, plain_ids))
    assert left == 0
    assert Counter(back) == Counter(made)


@settings(max_examples=30, deadline=None)
@given(SETS, st.sampled_from([".jsonl", ".parquet"]), st.booleans())
def test_trl_loses_what_is_no_pair_and_ties(made: list[Record], suffix: str, conversational: bool) -> None:
    outgoing = Outgoing(made, STUDY, conversational=conversational)
    back, left = there_and_back("trl", outgoing, f"out{suffix}")
    pairs = [
        record
        for record in made
        if isinstance(record, ScorePreference)
        or (isinstance(record, ResponsePreference) and record.preferred != "tie")
    ]
    assert Counter(back) == Counter(pairs)
    assert left == len(made) - len(pairs)


ONE_OF_EACH: list[Record] = [
    ScorePreference("five", "p1|five", 3, 2, "ann", "page"),
    ResponsePreference("five", "p1|five", "p2|five", "b", "ann", "page"),
    ResponsePreference("five", "p1|five", "p3|five", "tie", "bob", "page"),
    Equivalence("five", "p0|five", "p0|five|everyday", True, "ann", "page"),
    Rating("three", "p4|three", 0, "bob", "page"),
]


def test_a_trl_row_is_the_scorers_prompt_and_two_scores_or_the_item_and_two_responses(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    done = export_feedback(path, "trl", Outgoing(ONE_OF_EACH, STUDY))
    score, response = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert score["prompt"] == STUDY.scoring_prompt("p1|five")
    assert (score["chosen"], score["rejected"]) == ("3", "2")
    assert response["prompt"] == item_prompt(ITEMS["five"])
    assert response["chosen"] == " " + STUDY.text("p2|five")
    assert response["chosen_is"] == "b"
    reasons = {row["left_out"]: (row["records"], row["rows"]) for row in done.reasons}
    assert reasons == {
        "TRL's pairs have no place for this kind of record": (2, "4, 5"),
        "ties have no place in TRL's pairs": (1, "3"),
    }
    assert "p1|five" not in path.read_text(encoding="utf-8")  # ids tell the person


def test_conversational_parquet_is_lists_of_messages(tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    export_feedback(path, "trl", Outgoing(ONE_OF_EACH, STUDY, conversational=True))
    row = pq.read_table(path).to_pylist()[0]
    assert row["prompt"] == [{"role": "user", "content": STUDY.scoring_prompt("p1|five").strip()}]
    assert row["chosen"] == [{"role": "assistant", "content": "3"}]


def write_rows(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_pairs_of_others_are_matched_by_their_text(tmp_path: Path) -> None:
    prompt, first, second = STUDY.scoring_prompt("p1|five"), STUDY.text("p1|five"), STUDY.text("p2|five")
    talk = [{"role": "user", "content": "Score it."}]
    rows = [
        {"prompt": prompt, "chosen": "4", "rejected": "1"},
        {"prompt": "Which is better?", "chosen": f"  {first}\n", "rejected": " ".join(second.split())},
        {"prompt": "?", "chosen": first, "rejected": STUDY.text("p5|five")},
        {"prompt": "?", "chosen": first, "rejected": STUDY.text("p2|three")},
        {"prompt": "?", "chosen": first, "rejected": "nobody wrote this"},
        {"prompt": prompt, "chosen": "9", "rejected": "1"},
        {
            "chosen": [*talk, {"role": "assistant", "content": first}],
            "rejected": [*talk, {"role": "assistant", "content": [{"type": "text", "text": second}]}],
        },
        {"chosen": first},
        [],
    ]
    found = import_feedback(write_rows(tmp_path / "f.jsonl", rows), "trl", STUDY, rater="cem", source="hub")
    assert found.records == [
        ScorePreference("five", "p1|five", 4, 1, "cem", "hub"),
        ResponsePreference("five", "p1|five", "p2|five", "a", "cem", "hub"),
    ]
    assert {(row["left_out"], row["rows"]) for row in found.reasons} == {
        ("about a response of a person who is not a feedback person", "3"),
        ("the responses answer different items", "4"),
        ("no response of the study has this id or text", "5"),
        ("a score that is no score point of the item", "6"),
        ("the same record is in the file twice", "7"),
        ("the row has no prompt, chosen and rejected that could be read", "8, 9"),
    }
    assert SECRET not in repr(found.reasons)


def test_a_text_that_two_persons_wrote_is_not_guessed_at(tmp_path: Path) -> None:
    table = texts_of(IDS).assign(response=lambda t: t["response"].where(t["item"] != "five", "alike"))
    study = StudyTexts(ITEMS, table, seed=3, scoring_prompt=prompt_of)
    path = write_rows(
        tmp_path / "f.jsonl", [{"prompt": prompt_of(ITEMS["five"], "alike"), "chosen": "4", "rejected": "1"}]
    )
    found = import_feedback(path, "trl", study)
    assert [left.reason for left in found.left] == ["several responses have this text"]
    # of an audit person's and a feedback person's same words, the feedback person's are meant
    only = table[table["response_id"].isin(["p1|five", "p5|five"])]
    study = StudyTexts(ITEMS, only, seed=3, scoring_prompt=prompt_of)
    assert [r.response_id for r in import_feedback(path, "trl", study).records] == ["p1|five"]  # type: ignore[union-attr]


def test_unpaired_and_damaged_datasets_are_refused(tmp_path: Path) -> None:
    kto = write_rows(tmp_path / "kto.jsonl", [{"prompt": "p", "completion": "c", "label": True}])
    with pytest.raises(DataError, match="unpaired"):
        import_feedback(kto, "trl", STUDY)
    (tmp_path / "bad.jsonl").write_text(f'{{"prompt": "{SECRET}"\n', encoding="utf-8")
    (tmp_path / "bad.parquet").write_bytes(b"PAR0")
    for name in ("bad.jsonl", "bad.parquet", "none.jsonl", "none.parquet"):
        with pytest.raises(DataError) as caught:
            import_feedback(tmp_path / name, "trl", STUDY)
        assert SECRET not in str(caught.value)
    with pytest.raises(UsageError, match="JSON Lines or Parquet"):
        export_feedback(tmp_path / "out.csv", "trl", Outgoing([], STUDY))
    with pytest.raises(UsageError, match="no format"):
        import_feedback(kto, "trll", STUDY)


def task(data: dict[str, Any], *annotations: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": 7, "data": data, "annotations": list(annotations), "project": 1, **more}


def result(kind: str, **value: Any) -> dict[str, Any]:
    return {"id": "x", "from_name": "pw", "to_name": "pw", "type": kind, "value": value}


def test_a_label_studio_project_of_others(tmp_path: Path) -> None:
    """Its own names, several annotators, skipped tasks, predictions."""
    pair = {"intro": "Compare", "text1": STUDY.text("p1|five"), "text2": STUDY.text("p2|five")}
    tasks = [
        task(
            pair,
            {"completed_by": 3, "was_cancelled": False, "result": [result("pairwise", selected="right")]},
            {
                "completed_by": {"id": 4, "email": "bo@example.org"},
                "result": [result("choices", choices=["Equally good"])],
            },
            {"completed_by": 5, "was_cancelled": True, "result": [result("pairwise", selected="left")]},
            {"completed_by": 6, "result": []},
            {
                "completed_by": 7,
                "result": [result("choices", choices=["tie"]), result("pairwise", selected="left")],
            },
        ),
        task({"answer": STUDY.text("p3|three")}, {"completed_by": 3, "result": [result("rating", rating=2)]}),
        task({"answer": STUDY.text("p3|three")}, {"completed_by": 3, "result": [result("number", number=7)]}),
        task(pair, {"completed_by": 3, "result": [result("choices", choices=["blue"])]}),
        task(pair, predictions=[{"model_version": "m", "result": [result("pairwise", selected="left")]}]),
        task(pair),
    ]
    path = tmp_path / "project.json"
    path.write_text(json.dumps(tasks), encoding="utf-8")
    found = import_feedback(path, "label-studio", STUDY)
    assert found.records == [
        ResponsePreference("five", "p1|five", "p2|five", "b", "user 3", "label-studio"),
        ResponsePreference("five", "p1|five", "p2|five", "tie", "bo@example.org", "label-studio"),
        Rating("three", "p3|three", 2, "user 3", "label-studio"),
    ]
    assert [(left.row, left.reason) for left in found.left] == [
        (1, "skipped by the rater"),
        (1, "not answered"),
        (1, "says that one response is better and that both are equal"),
        (3, "a score that is no score point of the item"),
        (4, "an answer that fits none of the four kinds of question"),
        (5, "a model's prediction, not a rater's answer"),
        (6, "not answered"),
    ]


def test_an_argilla_dataset_of_others(tmp_path: Path) -> None:
    fields = {"instruction": "Compare.", "one": STUDY.text("p1|five"), "two": STUDY.text("p2|five")}
    user = "0b1c6f6e-0c3b-4f0a-9a44-3a8f1a2b3c4d"
    rows = [
        {"fields": fields, "responses": {"alike": [{"value": "yes", "user_id": user}]}},
        {
            "fields": fields,
            "responses": {"better": [{"value": "tie", "user_id": user, "status": "discarded"}]},
        },
        {"fields": fields, "responses": {"better": [{"value": None, "user_id": user}]}},
        {"fields": {"a": STUDY.text("p3|three")}, "responses": {"stars": [{"value": 1, "user_id": user}]}},
        {"fields": fields, "suggestions": {"better": {"value": "a", "agent": "m"}}, "responses": {}},
        {"fields": fields, "responses": {}, "metadata": None},
    ]
    path = tmp_path / "records.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    found = import_feedback(path, "argilla", STUDY)
    assert found.records == [
        Equivalence("five", "p1|five", "p2|five", True, user, "argilla"),
        Rating("three", "p3|three", 1, user, "argilla"),
    ]
    assert [(left.row, left.reason) for left in found.left] == [
        (2, "a draft, or discarded by the rater"),
        (3, "not answered"),
        (5, "a suggestion, not a rater's answer"),
        (6, "not answered"),
    ]


@pytest.mark.parametrize("form", ["label-studio", "argilla"])
@pytest.mark.parametrize("content", ["{}", "[1]", '[{"id": 1}]', f'["{SECRET}"', "[NaN]"])
def test_other_json_is_refused(tmp_path: Path, form: str, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        import_feedback(path, form, STUDY)
    assert SECRET not in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["label-studio", "argilla"]),
    st.recursive(
        st.none()
        | st.booleans()
        | st.floats()
        | st.integers()
        | st.sampled_from(["a", "yes", "2", "p1|five"]),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "result",
                        "value",
                        "type",
                        "choices",
                        "selected",
                        "rating",
                        "meta",
                        "rater",
                        "user_id",
                        "status",
                        "raters",
                        "kind",
                        "item",
                        "name_a",
                        "left_score",
                        "completed_by",
                    ]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=8,
    ),
)
def test_damaged_tasks_never_stop_an_import(form: str, junk: Any) -> None:
    row = {
        "data": {"a": junk, "kind": junk},
        "fields": {"a": junk},
        "annotations": [{"result": [junk]}, junk],
    }
    row |= {"metadata": junk, "responses": {"q": [junk, {"value": junk, "user_id": junk}]}}
    row |= {"suggestions": junk, "predictions": junk}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.json"
        path.write_text(json.dumps([row]), encoding="utf-8")
        found = import_feedback(path, form, STUDY)
    assert found.left or found.records


def test_questions_without_answers(tmp_path: Path) -> None:
    asked = [
        Question("score_preference", "five", ("p1|five",), (2, 3)),
        Question("rating", "three", ("p1|three",)),
        Question("equivalence", "five", ("p0|five", "p0|five|everyday")),
    ]
    export_feedback(tmp_path / "ls", "label-studio", Outgoing([], STUDY, open_questions=asked))
    assert sorted(p.name for p in (tmp_path / "ls").iterdir()) == sorted(
        f"{kind}{end}" for kind in ("score_preference", "rating", "equivalence") for end in (".json", ".xml")
    )
    one = json.loads((tmp_path / "ls" / "score_preference.json").read_text(encoding="utf-8"))[0]
    assert "annotations" not in one
    assert {one["data"]["left_score"], one["data"]["right_score"]} == {2, 3}
    # what a team's raters answer there comes back
    one["annotations"] = [{"completed_by": 2, "result": [result("pairwise", selected="left")]}]
    (tmp_path / "done.json").write_text(json.dumps([one]), encoding="utf-8")
    [record] = import_feedback(tmp_path / "done.json", "label-studio", STUDY).records
    assert isinstance(record, ScorePreference)
    assert (record.preferred, record.rater) == (one["data"]["left_score"], "user 2")
    for form in ("trl", "psyalign"):
        with pytest.raises(UsageError, match="without answers"):
            export_feedback(tmp_path / "x.jsonl", form, Outgoing([], STUDY, open_questions=asked))


def test_exports_are_blind_to_person_and_wording(tmp_path: Path) -> None:
    """With texts that do not name themselves, nothing in the files does."""
    table = texts_of(IDS).assign(response=[f"answer {n}" for n in range(len(IDS))])
    study = StudyTexts(ITEMS, table, seed=3, scoring_prompt=prompt_of)
    for form in ("label-studio", "argilla"):
        export_feedback(tmp_path / form, form, Outgoing(ONE_OF_EACH, study))
        written = "".join(p.read_text(encoding="utf-8") for p in (tmp_path / form).rglob("*") if p.is_file())
        assert "everyday" not in written
        assert "p0|" not in written
    with pytest.raises(UsageError, match="already"):
        export_feedback(tmp_path / "argilla", "argilla", Outgoing(ONE_OF_EACH, study))


def test_records_about_others_than_feedback_persons_do_not_leave(tmp_path: Path) -> None:
    audit: list[Record] = [ScorePreference("five", "p5|five", 3, 2, "ann", "page")]
    for form, name in (("trl", "a.jsonl"), ("label-studio", "ls"), ("argilla", "rg")):
        done = export_feedback(tmp_path / name, form, Outgoing(audit, STUDY))
        assert [left.reason for left in done.left] == [
            "about a response of a person who is not a feedback person"
        ]
        assert done.records == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_configuration_names_the_datas_texts(kind: str, tmp_path: Path) -> None:
    """Label Studio's rules: unique names, toName that exists, and a value for each text in each task."""
    root = ElementTree.fromstring(label_config(kind, range(5)))
    texts = {element.get("name"): element.get("value") for element in root.iter("Text")}
    export_feedback(tmp_path / "ls", "label-studio", Outgoing(ONE_OF_EACH, STUDY))
    data = json.loads((tmp_path / "ls" / f"{kind}.json").read_text(encoding="utf-8"))[0]["data"]
    assert {f"${name}" for name in texts} == set(texts.values())
    assert set(texts) <= set(data)
    names = [element.get("name") for element in root.iter() if element.get("name")]
    assert len(names) == len(set(names))
    for control in root.iter():
        if control.get("toName"):
            assert set(str(control.get("toName")).split(",")) <= set(texts)


def test_appending_is_atomic_and_skips_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "feedback.jsonl"
    assert append_records(path, ONE_OF_EACH[:2]) == 2
    assert append_records(path, ONE_OF_EACH) == 3
    assert append_records(path, ONE_OF_EACH) == 0
    assert import_feedback(path, "psyalign", STUDY).records == ONE_OF_EACH
    path.write_text("not json\n", encoding="utf-8")
    with pytest.raises(DataError):
        append_records(path, ONE_OF_EACH)
    assert path.read_text(encoding="utf-8") == "not json\n"


def test_the_formats_are_these() -> None:
    assert list(FORMATS) == ["psyalign", "trl", "label-studio", "argilla"]
    assert not FORMATS["psyalign"].has_texts


def test_own_records_with_unknown_ids_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    write_records(path, [*ONE_OF_EACH, Rating("five", "nobody|five", 1, "ann", "page")])
    found = import_feedback(path, "psyalign", STUDY)
    assert (len(found.records), [left.row for left in found.left]) == (5, [6])
