"""The flow of persons and responses, counted here by hand on data with known gaps; and the rubrics."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.audit import Audit
from psyalign.pipeline.stages.data import read_persons, read_scores
from psyalign.pipeline.stages.sample import flow_table, rubric_table

Change = Callable[..., None]
Perform = Callable[..., Run]

ITEMS = ("late-report", "loud-calls")
FILES = """source = "files"
responses = "responses.csv"
ratings = "ratings.csv"
persons = "persons.csv"
"""
UNANSWERED = ("p00", "p02", "p04", "p06")  # standard people, of the second item
UNSCORED = {("p07", ITEMS[0]), ("p09", ITEMS[0]), ("p11", ITEMS[0]), ("p13", ITEMS[0]), ("p15", ITEMS[0])}


@pytest.fixture
def run(small_study: Path, perform: Perform, change: Change) -> Run:
    """40 persons, 2 items; 4 responses not there, 5 without any score, 3 persons in neither group."""
    persons = [f"p{at:02d}" for at in range(40)]
    variety = {name: ("standard", "everyday")[at % 2] for at, name in enumerate(persons)}
    variety |= dict.fromkeys(persons[-3:], "other")
    answered = [
        pair for pair in itertools.product(persons, ITEMS) if pair not in {(p, ITEMS[1]) for p in UNANSWERED}
    ]
    folder = small_study.parent
    responses = [(p, item, f"I would talk to {p} about it.") for p, item in answered]
    columns = ["person", "item"]
    pd.DataFrame(responses, columns=[*columns, "response"]).to_csv(folder / "responses.csv", index=False)
    ratings = [
        (p, item, rater, (int(p[1:]) // 2 + at) % 5)
        for at, rater in enumerate(("operational", "panel"))
        for p, item in answered
        if (p, item) not in UNSCORED
    ]
    pd.DataFrame(ratings, columns=[*columns, "rater", "score"]).to_csv(folder / "ratings.csv", index=False)
    pd.Series(variety, name="variety").rename_axis("person").to_csv(folder / "persons.csv")
    change(small_study, 'source = "simulate"\n', FILES)
    change(small_study, "[simulation]\npersons = 36\n", "")
    change(small_study, 'equivalence = "alternates"', 'equivalence = "none"')
    change(small_study, "[align]", '[align]\narms = ["baseline", "refit", "dpo"]')
    change(small_study, 'neutral_wording = "standard"\n', "")
    change(small_study, "max_train_responses = 16", "max_train_responses = 10")
    change(small_study, '\nstratify = ["variety"]', "")
    made = perform(small_study, "data", "feedback")
    made.done["sft"] = {"facts": {"truncated": 2, "responses": 10}}  # the trained scorer is not needed here
    return made


@pytest.fixture
def flow(run: Run) -> pd.DataFrame:
    persons = read_persons(run)
    human = read_scores(run, "criterion", "audit")[["person", "item", "score"]]
    return flow_table(run, Audit(human, {}, persons[persons["split"] == "audit"].reset_index(drop=True)))


def number(flow: pd.DataFrame, **where: str) -> tuple[float, float]:
    for name, value in where.items():
        flow = flow[flow[name] == value]
    assert len(flow) == 1, flow
    return float(flow["n"].iloc[0]), float(flow["of"].iloc[0])


def test_what_was_read_is_counted(flow: pd.DataFrame) -> None:
    read = flow[flow["step"] == "read"]
    assert dict(zip(read["unit"], read["n"], strict=True)) == {
        "persons": 40, "responses": 76, "ratings": 142, "raters": 2
    }  # fmt: skip
    assert read["of"].isna().all()


def test_missing_responses_are_counted_by_group(flow: pd.DataFrame) -> None:
    missing = {"step": "missing", "unit": "responses"}
    assert number(flow, **missing, grouping="all") == (4, 80)
    # 20 even, 20 odd; of the last three (37, 38, 39) two odd and one even are in neither group
    assert number(flow, **missing, level="standard") == (4, 2 * 19)
    assert number(flow, **missing, level="everyday") == (0, 2 * 18)
    assert number(flow, step="missing", unit="persons") == (4, 40)


def test_what_was_left_out_is_counted_with_its_reason(flow: pd.DataFrame, run: Run) -> None:
    split = read_persons(run).set_index("person")["split"]
    answers = {name: sum(2 - (p in UNANSWERED) for p in split[split == name].index) for name in set(split)}
    unscored = {name: sum(split[p] == name for p, _ in UNSCORED) for name in set(split)}
    left = {"step": "left out", "unit": "responses"}
    assert number(flow, **left, what="train persons’, unscored") == (unscored["train"], answers["train"])
    rest = answers["train"] - unscored["train"] - 10
    assert number(flow, **left, what="train persons’, too many") == (rest, answers["train"])
    assert number(flow, **left, what="audit persons’, not judged") == (unscored["audit"], answers["audit"])
    assert number(flow, **left, what="cut in fine-tuning") == (2, 10)
    feedback = number(flow, **left, what="feedback persons’, without score feedback")
    assert feedback == (answers["feedback"] - 8, answers["feedback"])  # max_responses = 8
    assert flow.loc[flow["step"] == "left out", "why"].str.len().gt(0).all()


def test_audit_persons_that_dif_cannot_use_are_counted(flow: pd.DataFrame, run: Run) -> None:
    persons = read_persons(run)
    audit = persons[persons["split"] == "audit"]
    neither = int((~audit["variety"].isin(["standard", "everyday"])).sum())
    assert number(flow, what="of DIF: group") == (neither, len(audit))
    assert number(flow, what="of DIF: total")[1] == number(flow, what="of DIF: no match")[1] == len(audit)


def test_rubrics_are_those_of_the_items_without_exemplars(run: Run) -> None:
    rubric = rubric_table(run)
    assert list(rubric.columns) == ["item", "score", "label", "description"]
    assert rubric.groupby("item")["score"].agg(list).to_dict() == {name: [0, 1, 2, 3, 4] for name in ITEMS}
    exemplars = {one.response for item in run.bank.items.values() for one in item.exemplars}
    assert not exemplars & set(rubric["description"]) and rubric["description"].str.len().gt(0).all()
