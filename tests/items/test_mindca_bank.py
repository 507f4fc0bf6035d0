"""The MIND-CA bank as it is shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from psyalign.foundation.shipped import shipped_folder
from psyalign.items import ItemBank, check_bank, format_item, load_bank

IDS = ["sf1", "sf2", "sf3", "sf4", "sf5", "sf6"]
IDS += ["ss-brian", "ss-burglar", "ss-peabody", "ss-prisoner", "ss-simon"]


@pytest.fixture(scope="module")
def bank() -> ItemBank:
    return load_bank(shipped_folder("items") / "mindca")


def test_eleven_items_scored_0_to_2_without_findings(bank: ItemBank) -> None:
    assert list(bank.items) == IDS
    assert {item.scores for item in bank.items.values()} == {(0, 1, 2)}
    assert check_bank(bank) == []


def test_prompts_stay_short(bank: ItemBank) -> None:
    for item in bank.items.values():
        assert len(item.scenario.split()) <= 35
        assert all(len(point.label.split()) <= 5 for point in item.rubric)


def test_two_invented_exemplars_a_score_point(bank: ItemBank) -> None:
    for item in bank.items.values():
        assert [exemplar.score for exemplar in item.exemplars] == [0, 0, 1, 1, 2, 2]


def test_notes_say_whose_wording_it_is(bank: ItemBank) -> None:
    assert "not the original instrument's" in bank.notes
    assert "COLING 2020" in bank.source


def test_every_item_can_be_shown(bank: ItemBank) -> None:
    for item in bank.items.values():
        assert item.prompt in format_item(item)


def test_no_exemplar_is_taken_from_an_answer(bank: ItemBank) -> None:
    """Holds no run of six words of any real answer; runs where the answers are at hand."""
    answers = Path(__file__).parents[3] / "shared/data/mindca/mindca_two_scores.csv"
    if not answers.is_file():
        pytest.skip("the MIND-CA answers are not here")
    words = plain(answers.read_text(encoding="utf-8"))
    for item in bank.items.values():
        for exemplar in item.exemplars:
            said = plain(exemplar.response).split()
            runs = [" ".join(said[start : start + 6]) for start in range(max(len(said) - 5, 1))]
            assert not [run for run in runs if f" {run} " in words], (item.id, exemplar.score)


def plain(text: str) -> str:
    return " " + " ".join("".join(c if c.isalpha() else " " for c in text.lower()).split()) + " "
