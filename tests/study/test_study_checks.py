"""A study against its data, and its plan."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import pandas as pd
import pytest

from psyalign.foundation.errors import DataError, PsyalignError, StudyError
from psyalign.foundation.shipped import shipped_folder
from psyalign.items import Item, ItemBank, RubricPoint
from psyalign.responses import Dataset
from psyalign.responses.simulate import simulate_sjt
from psyalign.study import Simulation, Study, check_study, load_study, plan, require_files, require_study

TABLES: dict[str, dict[str, object]] = {
    "study": {"name": "small", "seed": 3},
    "items": {"bank": "small"},
    "data": {"source": "simulate", "operational": "first", "criterion": "second"},
    "groups": {"variety": {"reference": "standard", "focal": "everyday"}},
    "feedback": {"rater": "second", "equivalence": "alternates", "neutral_wording": "standard"},
}


def study_of(**changes: dict[str, object]) -> Study:
    return Study.model_validate(
        {**TABLES, **{key: {**TABLES.get(key, {}), **new} for key, new in changes.items()}}
    )


def dataset_of(standard: int = 100, everyday: int = 100, other: int = 0) -> Dataset:
    variety = ["standard"] * standard + ["everyday"] * everyday + [""] * other
    person = [f"p{number}" for number in range(len(variety))]
    responses = pd.DataFrame(
        {
            "response_id": [f"{name}|one" for name in person],
            "person": person,
            "item": "one",
            "wording": variety,
            "response": "some words",
        }
    )
    turned = ["everyday" if wording == "standard" else "standard" for wording in variety]
    alternates = responses.assign(
        wording=turned, response_id=responses["response_id"] + "|" + pd.Series(turned)
    )
    ratings = pd.concat(
        [
            pd.DataFrame({"person": person, "item": "one", "rater": rater, "score": 1})
            for rater in ("first", "second")
        ]
    )
    return Dataset(responses, alternates, ratings, pd.DataFrame({"person": person, "variety": variety}))


def bank_of() -> ItemBank:
    rubric = (RubricPoint(0, "none", "none"), RubricPoint(1, "some", "some"))
    item = Item("one", "1.0", "One", "care", "A situation.", "What would you do?", rubric, ())
    return ItemBank(
        id="small",
        title="",
        version="",
        language="",
        licence="",
        source="",
        notes="",
        items={"one": item},
        folder=Path(),
    )


def test_good_study_has_no_findings() -> None:
    assert check_study(study_of(), dataset_of(), bank_of()) == []
    assert require_study(study_of(), dataset_of(), bank_of()) == []


WRONG: list[tuple[str, dict[str, dict[str, object]], type[PsyalignError], str, str]] = [
    ("item", {"items": {"include": ["ome"]}}, StudyError, "has no item 'ome'", "Did you mean 'one'?"),
    (
        "operational",
        {"data": {"operational": "frist"}},
        StudyError,
        "No rating is by rater 'frist'",
        "'first'",
    ),
    ("criterion", {"data": {"criterion": "true"}}, StudyError, "rater 'true'", "There are: first, second."),
    ("panel", {"feedback": {"rater": "secnd"}}, StudyError, "rater 'secnd'", "'second'"),
    (
        "second scoring",
        {"feedback": {"source": "second_scoring", "first": "first", "second": "third"}},
        StudyError,
        "rater 'third'",
        "",
    ),
    ("stratify", {"split": {"stratify": ["varity"]}}, StudyError, "no attribute 'varity'", "'variety'"),
    (
        "attribute",
        {"groups": {"gender": {"reference": "boy", "focal": "girl"}}},
        StudyError,
        "no attribute 'gender'",
        "There are: variety",
    ),
    (
        "wording",
        {"feedback": {"neutral_wording": "standart"}},
        StudyError,
        "wording 'standart'",
        "'standard'",
    ),
]


@pytest.mark.parametrize(("name", "changes", "kind", "message", "mend"), WRONG, ids=[row[0] for row in WRONG])
def test_study_that_does_not_fit_its_data(
    name: str, changes: dict[str, dict[str, object]], kind: type[PsyalignError], message: str, mend: str
) -> None:
    with pytest.raises(kind) as caught:
        require_study(study_of(**changes), dataset_of(), bank_of())
    assert message in caught.value.message
    assert mend in str(caught.value.mend)
    listed = check_study(study_of(**changes), dataset_of(), bank_of())
    assert listed[0].level == "error"
    assert message in listed[0].message


def test_one_group_data() -> None:
    with pytest.raises(DataError, match="no two groups") as caught:
        require_study(study_of(), dataset_of(everyday=0), bank_of())
    assert "There are: standard" in str(caught.value.mend)
    assert caught.value.exit_code == 3


def test_group_of_three_audit_persons() -> None:
    dataset = dataset_of(standard=40, everyday=12)
    with pytest.raises(DataError, match="'everyday' has 3 audit persons; DIF needs at least 4"):
        require_study(study_of(), dataset, bank_of())
    split = pd.DataFrame({"person": dataset.persons["person"], "split": "audit"})
    split.loc[:8, "split"] = "train"  # 31 of the 40 reference persons and all 12 focal ones stay
    warnings = require_study(study_of(), dataset, bank_of(), split)
    assert len(warnings) == 1
    assert "has 12 audit persons, fewer than min_group = 20" in warnings[0]


def test_persons_of_no_group_are_noted() -> None:
    findings = check_study(study_of(), dataset_of(other=7), bank_of())
    assert [finding.level for finding in findings] == ["note"]
    assert "7 persons are in neither group" in findings[0].message


def test_no_alternates() -> None:
    dataset = dataset_of()
    bare = Dataset(dataset.responses, dataset.alternates.iloc[:0], dataset.ratings, dataset.persons)
    with pytest.raises(StudyError, match="second wording"):
        require_study(study_of(), bare, bank_of())


def test_ceiling_that_repeats_the_baseline_is_a_warning() -> None:
    warnings = require_study(study_of(data={"criterion": "first"}), dataset_of(), bank_of())
    assert "the ceiling repeats the baseline" in warnings[0]


def test_missing_files_tell_how_to_get_them(tmp_path: Path) -> None:
    data: dict[str, object] = {
        "source": "files",
        "responses": "r.csv",
        "ratings": "s.csv",
        "instructions": "Ask\n the owner.",
    }
    study = study_of(data=data).placed_at(tmp_path / "study.toml")
    with pytest.raises(DataError, match="The responses file is not there") as caught:
        require_files(study)
    assert caught.value.mend == "Ask the owner."
    assert "[data] responses" in str(caught.value.where)
    for name in ("r.csv", "s.csv"):
        (tmp_path / name).touch()
    require_files(study)
    assert [finding.level for finding in check_study(study)] == []


def test_plan_has_a_row_for_each_stage() -> None:
    study = load_study(shipped_folder("studies") / "mindca-wording")
    stages = [row.stage for row in plan(study)]
    arms = [f"align/{arm}" for arm in study.align.arms if arm not in ("baseline", "ceiling")]
    assert stages == ["data", "sft", "ceiling", "feedback", "reward", *arms, "scores", "tables"]
    assert all(row.what and row.cost_note for row in plan(study))


def test_plan_without_ceiling() -> None:
    study = study_of(align={"arms": ["baseline", "dpo"]})
    stages = [row.stage for row in plan(study)]
    assert "ceiling" not in stages
    assert "align/dpo" in stages


def test_simulation_settings_are_those_of_the_simulator() -> None:
    parameters = inspect.signature(simulate_sjt).parameters
    known = {
        name: parameter.default
        for name, parameter in parameters.items()
        if name not in ("phrase_banks", "seed")
    }
    settings = Simulation().model_dump()
    assert set(known) == set(settings) - {"persons"} | {"n_persons"}
    assert all(settings[name] == default for name, default in known.items() if name != "n_persons")


def test_the_dif_penalty_needs_criterion_scores_of_both_groups() -> None:
    """Of the feedback persons, once the split is known; and nothing is asked without the penalty."""
    arms = {"arms": ["baseline", "refit"]}
    study, dataset = study_of(align={**arms, "dif_penalty": 1.0}), dataset_of()
    assert require_study(study, dataset, bank_of()) == []
    everyday = dataset.persons.loc[dataset.persons["variety"] == "everyday", "person"]
    second = dataset.ratings["rater"] == "second"
    lost = dataclasses.replace(
        dataset, ratings=dataset.ratings[~(second & dataset.ratings["person"].isin(everyday))]
    )
    with pytest.raises(DataError) as problem:
        require_study(study, lost, bank_of())
    assert "variety = 'everyday' has one" in problem.value.message
    assert "dif_penalty" in str(problem.value.where) and problem.value.exit_code == 3
    assert require_study(study_of(align=arms), lost, bank_of()) == []
    split = dataset.persons[["person"]].assign(split="audit")
    split.loc[dataset.persons["variety"] == "standard", "split"] = ["audit", "feedback"] * 50
    assert any("'everyday'" in finding.message for finding in check_study(study, dataset, bank_of(), split))
