"""What a good set of tables becomes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from psyalign.responses import Dataset, load_dataset

BANK = {"late-report": (0, 1, 2), "night-shift": (0, 1, 2, 3, 4)}


def write(folder: Path, **texts: str) -> dict[str, Path]:
    paths = {name: folder / f"{name}.csv" for name in texts}
    for name, text in texts.items():
        paths[name].write_text(text, encoding="utf-8")
    return paths


def small(folder: Path) -> Dataset:
    paths = write(
        folder,
        responses=(
            "person, item ,response,wording,gender\n"
            '007,late-report," I\'d ask, twice ",,f\n'
            "007,night-shift,=1+1,everyday,\n"
            ",,,,\n"
            "\n"
            " 12 ,late-report,n/a,standard,m\n"
        ),
        ratings=(
            "person,item,rater,score,comment\n007,late-report,ana,2.0,good\n"
            "007,late-report,ben,1,\n12,late-report,ana, 0,\n"
        ),
        persons="person,age,region\n12,41,NA\n99,20,south\n007,31,north\n",
    )
    return load_dataset(paths["responses"], paths["ratings"], paths["persons"], BANK)


def test_tables_of_a_dataset(tmp_path: Path) -> None:
    data = small(tmp_path)
    assert data.responses.to_dict("list") == {
        "response_id": ["007|late-report", "007|night-shift", "12|late-report"],
        "person": ["007", "007", "12"],
        "item": ["late-report", "night-shift", "late-report"],
        "wording": ["", "everyday", "standard"],
        "response": [" I'd ask, twice ", "=1+1", "n/a"],
    }
    assert data.ratings.to_dict("list") == {
        "person": ["007", "007", "12"],
        "item": ["late-report"] * 3,
        "rater": ["ana", "ben", "ana"],
        "score": [2, 1, 0],
    }
    assert data.ratings["score"].dtype == "int64"
    assert data.persons.to_dict("list") == {
        "person": ["007", "12"],
        "gender": ["f", "m"],
        "age": ["31", "41"],
        "region": ["north", ""],
    }
    assert data.alternates.empty and list(data.alternates.columns) == list(data.responses.columns)
    assert (data.origin, data.notice) == ("real", "")


def test_missing_answers_are_counted(tmp_path: Path) -> None:
    data = small(tmp_path)
    assert data.missing_responses == 1
    assert data.counts()["responses"] == 3
    assert (data.items, data.raters) == (["late-report", "night-shift"], ["ana", "ben"])
    assert data.attributes == ["gender", "age", "region"]
    assert "ask" not in repr(data)


def test_keep_items_drops_persons_without_responses(tmp_path: Path) -> None:
    data = small(tmp_path).keep_items(["night-shift"])
    assert data.persons["person"].tolist() == ["007"]
    assert data.responses["response_id"].tolist() == ["007|night-shift"]
    assert data.ratings.empty


def test_parquet_and_csv_agree(tmp_path: Path) -> None:
    responses = pd.DataFrame(
        {
            "person": pd.Categorical(["a", "b"]),
            "item": ["late-report"] * 2,
            "response": ["Yes", "No"],
            "grade": [7, 8],
        }
    )
    ratings = pd.DataFrame(
        {"person": ["a", "b"], "item": ["late-report"] * 2, "rater": "ana", "score": [1.0, 2.0]}
    )
    loaded = []
    for suffix, write_table in (("csv", "to_csv"), ("parquet", "to_parquet")):
        paths = [tmp_path / f"{name}.{suffix}" for name in ("responses", "ratings")]
        for table, path in zip((responses, ratings), paths, strict=True):
            # to_csv writes a nameless column of row numbers, which is to be dropped
            getattr(table, write_table)(path)
        loaded.append(load_dataset(*paths, None, BANK))
    for name in ("responses", "ratings", "persons", "alternates"):
        pd.testing.assert_frame_equal(getattr(loaded[0], name), getattr(loaded[1], name))
    assert loaded[0].persons.to_dict("list") == {"person": ["a", "b"], "grade": ["7", "8"]}


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    text = "person,item,response\r\na,late-report,Yes\r\n"
    (tmp_path / "responses.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "ratings.csv").write_text("person,item,rater,score\na,late-report,ana,1\n")
    data = load_dataset(tmp_path / "responses.csv", tmp_path / "ratings.csv", None, BANK)
    assert data.persons.to_dict("list") == {"person": ["a"]}
    assert data.responses["response"].tolist() == ["Yes"]


def test_what_was_loaded_can_be_written_and_loaded_again(tmp_path: Path) -> None:
    data = small(tmp_path)
    for name in ("responses", "ratings", "persons"):
        getattr(data, name).to_csv(tmp_path / f"{name}.csv", index=False)
    paths = [tmp_path / f"{name}.csv" for name in ("responses", "ratings", "persons")]
    again = load_dataset(*paths, BANK)
    for name in ("responses", "ratings"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(data, name))
    pd.testing.assert_frame_equal(again.persons, data.persons)
