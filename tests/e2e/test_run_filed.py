"""A run of real-format tables: CSV files, a second scoring, missing answers, scores and genders."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

Finished = Any  # the fixture's class, in conftest.py


@pytest.fixture(scope="module")
def manifest(filed: Finished) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((filed.folder / "manifest.json").read_text(encoding="utf-8"))
    return found


def test_is_real_and_nothing_says_simulated(filed: Finished, manifest: dict[str, Any]) -> None:
    assert manifest["study"]["origin"] == "real" and manifest["study"]["notice"] == ""
    assert "simulated persons" not in filed.report.read_text(encoding="utf-8").lower()


def test_inputs_are_the_hashes_of_the_files(filed: Finished, manifest: dict[str, Any]) -> None:
    for name in ("responses", "ratings", "persons"):
        content = (filed.study.parent / "data" / f"{name}.csv").read_bytes()
        assert manifest["inputs"][name] == hashlib.sha256(content).hexdigest()


def test_second_scoring_warns_of_incomparable_score_points(manifest: dict[str, Any]) -> None:
    assert [text for text in manifest["warnings"] if text.startswith("Feedback:") and "incomparable" in text]


def test_responses_without_a_criterion_score_are_left_out_with_a_warning(
    filed: Finished, manifest: dict[str, Any]
) -> None:
    scores = filed.table("scores", "baseline", "scores")
    judged = filed.table("data", "criterion")
    n_judged = int((judged["split"] == "audit").sum())
    lost = len(scores) - n_judged
    assert (
        lost > 0
        and f"Audit: {lost} responses have no criterion score and are left out." in manifest["warnings"]
    )
    agreement = filed.table("tables", "agreement").set_index(["arm", "grouping", "level"])
    assert agreement.loc[("baseline", "all", "all"), "n"] == n_judged


def test_persons_of_unknown_gender_count_in_agreement_not_in_dif(filed: Finished) -> None:
    persons = filed.table("data", "persons")
    audit = persons[persons["split"] == "audit"]
    unknown = int((audit["gender"] == "").sum())
    assert unknown > 0
    agreement = filed.table("tables", "agreement").set_index(["arm", "grouping", "level"])["n_persons"]
    assert agreement["baseline", "all", "all"] > agreement["baseline", "gender", "difference"]
    items = filed.table("tables", "dif_items")
    used = items["n_reference"] + items["n_focal"]
    assert used.max() <= len(audit) - unknown


def test_persons_without_an_answer_have_no_row(filed: Finished) -> None:
    texts = filed.table("data", "texts")
    assert "c11|sf1" not in set(texts["response_id"]) and "c11|ss-brian" in set(texts["response_id"])
    assert texts["primary"].all() and len(texts) == 79


def test_methods_that_were_not_asked_for_are_empty(filed: Finished) -> None:
    items = filed.table("tables", "dif_items")
    assert items["lr_total"].isna().all() and items["mantel_z"].notna().any()


def test_warnings_are_in_the_report(filed: Finished, manifest: dict[str, Any]) -> None:
    page = filed.report.read_text(encoding="utf-8")
    assert "incomparable" in page
    assert manifest["study"]["title"] in page
