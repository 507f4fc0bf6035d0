"""Banks: reading, finding, checking."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from psyalign.foundation.errors import ItemError
from psyalign.items import Exemplar, Finding, ItemBank, RubricPoint, check_bank, find_bank, load_bank

BANK = """id = "small"
title = "A small bank"
version = "1.0"
language = "en"
licence = "Apache-2.0"
source = "Invented for a test."
"""
ITEM = """id = "{id}"
version = "1.0"
title = "Title of {id}"
construct = "care"
scenario = "A situation for {id}."
prompt = "What would you do?"
[[rubric]]
score = 0
label = "Waits"
description = "Does nothing."
[[rubric]]
score = 1
label = "Acts"
description = "Does something."
[[exemplar]]
score = 0
response = "I wait."
rationale = "Nothing."
[[exemplar]]
score = 0
response = "I go home."
rationale = "Nothing."
[[exemplar]]
score = 1
response = "I ask."
rationale = "Something."
[[exemplar]]
score = 1
response = "I help."
rationale = "Something."
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "bank.toml").write_text(BANK)
    for name in ("b-item", "a-item"):
        (folder / f"{name}.toml").write_text(ITEM.format(id=name))
    (folder / "phrases").mkdir()
    (folder / "phrases" / "a-item.toml").write_text("not an item")
    return folder


def test_load_bank(folder: Path) -> None:
    bank = load_bank(folder)
    assert list(bank.items) == ["a-item", "b-item"]  # by id; phrases left alone
    assert (bank.id, bank.licence, bank.notes, bank.folder) == ("small", "Apache-2.0", "", folder)
    assert check_bank(bank) == []


def test_unknown_key_suggests_the_right_one(folder: Path) -> None:
    (folder / "bank.toml").write_text(BANK.replace("licence", "license"))
    with pytest.raises(ItemError, match="Did you mean 'licence'") as caught:
        load_bank(folder)
    assert caught.value.where == f"{folder / 'bank.toml'}, key 'license'"


def test_missing_folder_file_and_items(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ItemError, match="does not exist"):
        load_bank(tmp_path / "none")
    with pytest.raises(ItemError, match=r"no bank\.toml"):
        load_bank(tmp_path)
    for name in ("a-item", "b-item"):
        (folder / f"{name}.toml").unlink()
    with pytest.raises(ItemError, match="has no items"):
        load_bank(folder)


def test_find_bank_by_path_and_by_name(folder: Path, tmp_path: Path) -> None:
    assert find_bank("small", tmp_path) == folder
    (tmp_path / "study").mkdir()
    assert find_bank("../small", tmp_path / "study") == tmp_path / "study" / ".." / "small"
    assert find_bank(str(folder), Path("/")) == folder
    assert find_bank("mindca", tmp_path).name == "mindca"
    # a folder of the same name that is no bank does not hide the shipped bank
    (tmp_path / "mindca").mkdir()
    assert (find_bank("mindca", tmp_path) / "bank.toml").is_file()
    (tmp_path / "mindca" / "bank.toml").write_text(BANK)
    assert find_bank("mindca", tmp_path) == tmp_path / "mindca"


def test_find_bank_suggests(tmp_path: Path) -> None:
    with pytest.raises(ItemError, match="Did you mean 'mindca'"):
        find_bank("mind-ca", tmp_path)
    with pytest.raises(ItemError, match="There is no item bank ''"):
        find_bank("", tmp_path)
    (tmp_path / "mine").mkdir()
    with pytest.raises(ItemError, match=r"no bank\.toml"):
        find_bank("mine", tmp_path)


def change(bank: ItemBank, **parts: object) -> ItemBank:
    item = replace(bank.items["a-item"], **parts)  # type: ignore[arg-type]
    return replace(bank, items={**bank.items, "a-item": item})


def test_check_bank_finds(folder: Path) -> None:
    bank = load_bank(folder)
    item = bank.items["a-item"]

    def found(**parts: object) -> list[tuple[str, str]]:
        return [(finding.level, finding.where) for finding in check_bank(change(bank, **parts))]

    assert found(scenario="word " * 61) == [("warning", "a-item: scenario")]
    assert found(scenario="word " * 60) == []
    assert found(prompt="Tell us.") == [("note", "a-item: prompt")]
    assert found(title=bank.items["b-item"].title) == [
        ("warning", "a-item: title"),
        ("warning", "b-item: title"),
    ]
    assert found(exemplars=item.exemplars[1:]) == [("warning", "a-item: score point 0")]
    twice = (*item.exemplars, item.exemplars[0])
    assert found(exemplars=twice) == [("warning", "a-item: exemplar")]
    contradiction = (*item.exemplars, Exemplar(1, " i  WAIT.", "Contradicts."))
    assert found(exemplars=contradiction) == [("error", "a-item: exemplar")]
    long_label = RubricPoint(1, "one two three four five six seven", "Does something.")
    assert found(rubric=(item.rubric[0], long_label)) == [("warning", "a-item: score point 1")]
    same_label = RubricPoint(1, "waits", "Does something.")
    assert found(rubric=(item.rubric[0], same_label)) == [
        ("error", "a-item: score point 0"),
        ("error", "a-item: score point 1"),
    ]
    same_description = RubricPoint(1, "Acts", "Does nothing.")
    assert {level for level, _ in found(rubric=(item.rubric[0], same_description))} == {"error"}
    assert found(rubric=(*item.rubric, RubricPoint(2, "Solves", "Ends it.")))[0] == ("note", "bank")


def test_check_bank_compares_id_and_folder(folder: Path) -> None:
    bank = replace(load_bank(folder), id="other")
    assert check_bank(bank) == [
        Finding("note", "bank.toml: id", "The id 'other' differs from the folder's name 'small'.")
    ]
