"""The import of MIND-CA: every quirk of such a table by a rule that the summary reports."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from psyalign.foundation.errors import DataError
from psyalign.foundation.hashing import hash_file
from psyalign.responses import import_mindca, load_dataset
from psyalign.responses.mindca import ITEM_IDS, RULES

HEADER = "child_id,item,answer,score_original,score_relabel,age,gender\n"
QUIRKY = HEADER + (
    "1,SS_Brian_Text,- he did n't ,1,2,9,0\n"
    "1,SFQuestion_1_Text,-99,0,0,9,0\n"
    "2,SS_Brian_Text,hot,2,2,119,1\n"
    "2,SS_Simon_Text,,0,0,119,1\n"
    '2,SS_Peabody_Text,"  ",0,0,119,1\n'
    "3,SS_Brian_Text,twice,1,1,-99,-99\n"
    "3,SS_Brian_Text,twice,1,1,-99,-99\n"
    "3,SS_Simon_Text,one,1,1,,\n"
    "3,SS_Simon_Text,two,1,1,,\n"
    "4,SS_Brian_Text,none,-99,,8,0\n"
    "4,SS_Simon_Text,yes,1,2,9,1\n"
)


@pytest.fixture
def quirky(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(QUIRKY, encoding="utf-8")
    return path


def counts(summary: dict[str, object]) -> dict[str, int]:
    return {name: quirk["count"] for name, quirk in summary["quirks"].items() if quirk["count"]}


def test_every_quirk_is_counted(quirky: Path, tmp_path: Path) -> None:
    summary = import_mindca(quirky, tmp_path / "out")
    assert counts(summary) == {
        "blank_answers": 2,
        "identical_rows": 1,
        "conflicting_rows": 2,
        "missing_scores": 2,
        "missing_age": 1,
        "implausible_age": 1,
        "conflicting_age": 1,
        "missing_gender": 1,
        "conflicting_gender": 1,
    }
    assert set(summary["quirks"]) == set(RULES)
    assert {key: summary[key] for key in ("persons", "items", "responses", "ratings", "changed_scores")} == {
        "persons": 4, "items": 3, "responses": 6, "ratings": 10, "changed_scores": 2,
    }  # fmt: skip


def test_tables_written(quirky: Path, tmp_path: Path) -> None:
    import_mindca(quirky, tmp_path)
    bank = dict.fromkeys(ITEM_IDS.values(), (0, 1, 2))
    data = load_dataset(*(tmp_path / f"{name}.csv" for name in ("responses", "ratings", "persons")), bank)
    assert data.persons.to_dict("list") == {
        "person": ["1", "2", "3", "4"],
        "age": ["9", "", "", ""],
        "gender": ["girl", "boy", "", ""],
    }
    # texts come back as they were, the one that a spreadsheet could run included
    assert data.responses["response"].tolist()[:2] == ["- he did n't ", "-99"]
    assert data.raters == ["corrected", "original"]
    assert data.responses["item"].tolist() == [
        "ss-brian",
        "sf1",
        "ss-brian",
        "ss-brian",
        "ss-brian",
        "ss-simon",
    ]


def test_source_is_named(quirky: Path, tmp_path: Path) -> None:
    summary = import_mindca(quirky, tmp_path)
    source = json.loads((tmp_path / "source.json").read_text(encoding="utf-8"))
    assert source["licence"] == "CC BY 4.0"
    assert "COLING 2020" in source["citation"] and "venelink/mindreading-coling" in source["source"]
    assert source["sha256"] == hash_file(quirky)
    assert source["quirks"] == summary["quirks"]
    assert sorted(Path(name).name for name in summary["files"]) == [
        "persons.csv", "ratings.csv", "responses.csv", "source.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message", "place"),
    [
        (("gender\n", "sex\n"), "Column 'gender' is missing", "header"),
        (
            ("SFQuestion_1_Text", "SFQuestion_7_Text"),
            "'SFQuestion_7_Text' is not one of",
            "row 3, column 'item'",
        ),
        (("hot,2,2", "hot,3,2"), "score '3' is none of 0, 1, 2", "row 4, column 'score_original'"),
        (("hot,2,2,119,1", "hot,2,2,119,2"), "gender '2' is none of", "row 4, column 'gender'"),
        (("\n2,SS_Brian", "\n,SS_Brian"), "'child_id' is empty", "row 4, column 'child_id'"),
    ],
)
def test_tables_that_are_not_mindca(
    quirky: Path, tmp_path: Path, change: tuple[str, str], message: str, place: str
) -> None:
    quirky.write_text(QUIRKY.replace(*change, 1), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        import_mindca(quirky, tmp_path / "out")
    assert message in caught.value.message
    assert caught.value.where is not None and caught.value.where.endswith(place)
    assert not (tmp_path / "out").exists()


def test_the_real_table(mindca_table: Path, tmp_path: Path) -> None:
    summary = import_mindca(mindca_table, tmp_path)
    expected = {"persons": 1048, "items": 11, "responses": 11278, "ratings": 22556, "changed_scores": 391}
    assert {name: summary[name] for name in expected} == expected
    # this copy has no duplicates, blanks or impossible ages; three children lack a gender
    assert counts(summary) == {"missing_gender": 3}
    bank = dict.fromkeys(ITEM_IDS.values(), (0, 1, 2))
    data = load_dataset(*(tmp_path / f"{name}.csv" for name in ("responses", "ratings", "persons")), bank)
    assert data.missing_responses == summary["missing_responses"] == 250
    assert data.persons["gender"].value_counts().to_dict() == {"girl": 528, "boy": 517, "": 3}
    answers = pd.read_csv(mindca_table, keep_default_na=False)["answer"]
    assert (data.responses["response"] == answers).all()
