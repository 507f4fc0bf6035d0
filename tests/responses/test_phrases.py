"""Phrase banks: what is read, and what each mistake says."""

from __future__ import annotations

from pathlib import Path

import pytest

from psyalign.foundation.errors import ItemError
from psyalign.foundation.shipped import shipped_folder
from psyalign.responses.phrases import VARIETIES, Phrase, PhraseBank, SharedPhrases, load_phrases


def point(score: int, actions: int = 4, reasons: int = 3) -> str:
    def pairs(kind: str, number: int) -> str:
        return ", ".join(
            f'{{standard = "{kind} {score}.{index}.", everyday = "{kind[:3]} {score}.{index}"}}'
            for index in range(number)
        )

    return (
        f"[[point]]\nscore = {score}\n"
        f"actions = [{pairs('Action', actions)}]\nreasons = [{pairs('Reason', reasons)}]\n"
    )


GOOD = 'item = "late-report"\n' + point(1) + point(0)


def write(folder: Path, text: str) -> Path:
    path = folder / "late-report.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_good_file(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    banks = load_phrases(tmp_path)
    assert list(banks) == ["late-report"]
    bank = banks["late-report"]
    assert (bank.item, bank.scores, bank.max_score) == ("late-report", (0, 1), 1)
    assert bank.points[0].actions[2] == Phrase("Action 0.2.", "Act 0.2")
    assert len(bank.phrases()) == 14


@pytest.mark.parametrize(
    ("old", "new", "key", "says"),
    [
        ('item = "late-report"', 'items = "late-report"', "items", "Did you mean 'item'?"),
        ('item = "late-report"', 'item = "other"', "item", "differs from the file's name"),
        ("score = 0", "score = 2", "point", "without gaps"),
        ("score = 0", "score = 1", "point", "without gaps"),
        ("score = 0", 'score = "0"', "point[2].score", "whole number"),
        ("score = 0\n", "", "point[2].score", "missing"),
        ("score = 0\nactions", "score = 0\naction", "point[2].action", "Did you mean 'actions'?"),
        ('standard = "Reason 1.1."', 'standart = "R"', "point[1].reasons[2].standart", "Did you mean"),
        ('standard = "Reason 1.1."', 'standard = " "', "point[1].reasons[2].standard", "not empty"),
        ('standard = "Reason 1.1."', "standard = 4", "point[1].reasons[2].standard", "must be text"),
        (', everyday = "Rea 1.1"', "", "point[1].reasons[2].everyday", "missing"),
        ('everyday = "Rea 1.1"', 'everyday = "act 0.1"', "score point 0, actions[2].everyday", "twice"),
    ],
)
def test_mistakes_name_file_and_key(tmp_path: Path, old: str, new: str, key: str, says: str) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ItemError) as caught:
        load_phrases(tmp_path)
    assert caught.value.where == f"{path}, key '{key}'"
    assert says in str(caught.value)


@pytest.mark.parametrize(("actions", "reasons", "key"), [(3, 3, "actions"), (4, 2, "reasons")])
def test_too_few_phrases(tmp_path: Path, actions: int, reasons: int, key: str) -> None:
    write(tmp_path, 'item = "late-report"\n' + point(0) + point(1, actions, reasons))
    with pytest.raises(ItemError, match="at least") as caught:
        load_phrases(tmp_path)
    assert str(caught.value.where).endswith(f"key 'point[2].{key}'")


def test_broken_toml_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ItemError, match="cannot be simulated"):
        load_phrases(tmp_path / "phrases")
    with pytest.raises(ItemError, match="cannot be simulated"):
        load_phrases(tmp_path)
    write(tmp_path, "item = ")
    with pytest.raises(ItemError, match="not valid TOML"):
        load_phrases(tmp_path)


SHARED = """[composition]
openings = [{standard = "This is my answer.", everyday = "right so heres mine."}]
connectives = [{standard = "In addition:", everyday = "plus:"}]
"""


def test_shared_phrases_are_optional_and_on_every_bank(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    assert load_phrases(tmp_path)["late-report"].shared == SharedPhrases()
    (tmp_path / "_shared.toml").write_text(SHARED)
    shared = load_phrases(tmp_path)["late-report"].shared
    assert shared.openings == (Phrase("This is my answer.", "right so heres mine."),)
    assert shared.closings == ()
    assert shared.connectives == (Phrase("In addition:", "plus:"),)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("[composition]", "[compositon]", "compositon"),
        ("[composition]", "[[composition]]", "composition"),
        ("openings", "opening", "composition.opening"),
        (', everyday = "plus:"', "", "composition.connectives[1].everyday"),
    ],
)
def test_mistakes_in_shared_phrases(tmp_path: Path, old: str, new: str, key: str) -> None:
    write(tmp_path, GOOD)
    path = tmp_path / "_shared.toml"
    path.write_text(SHARED.replace(old, new))
    with pytest.raises(ItemError) as caught:
        load_phrases(tmp_path)
    assert caught.value.where == f"{path}, key '{key}'"


@pytest.fixture(scope="module")
def shipped() -> dict[str, PhraseBank]:
    folder = shipped_folder("items") / "workplace-sjt" / "phrases"
    if not folder.is_dir():
        pytest.skip("the shipped phrase banks are not here")
    return load_phrases(folder)


def test_shipped_phrases_cover_the_shipped_items(shipped: dict[str, PhraseBank]) -> None:
    items = {path.stem for path in (shipped_folder("items") / "workplace-sjt").glob("*.toml")} - {"bank"}
    assert set(shipped) == items
    assert {bank.scores for bank in shipped.values()} == {(0, 1, 2, 3, 4)}


def test_shipped_varieties_differ_in_every_phrase(shipped: dict[str, PhraseBank]) -> None:
    for bank in shipped.values():
        for phrase in bank.phrases():
            standard, everyday = (phrase.in_variety(variety) for variety in VARIETIES)
            assert standard != everyday
