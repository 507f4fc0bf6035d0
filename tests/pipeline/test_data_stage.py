"""Stage "data": the split by person, the training limit, and what is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from psyalign.foundation.errors import DataError
from psyalign.foundation.tables import read_table
from psyalign.pipeline.run import Run

Change = Callable[..., None]
Perform = Callable[..., Run]

LIMIT = "max_train_responses = 16"


def scores(run: Run, role: str) -> pd.DataFrame:
    return read_table(run.path("data", f"{role}.parquet"))


def test_every_person_is_in_one_split_and_so_is_all_that_is_theirs(
    small_study: Path, perform: Perform
) -> None:
    run = perform(small_study, "data")
    persons = read_table(run.path("data", "persons.parquet")).set_index("person")
    assert persons.index.is_unique and set(persons["split"]) == {"train", "feedback", "audit"}
    for table in (
        read_table(run.path("data", "texts.parquet")),
        scores(run, "operational"),
        scores(run, "criterion"),
    ):
        assert (table["split"] == table["person"].map(persons["split"])).all()


def test_shares_hold_within_the_groups(small_study: Path, perform: Perform) -> None:
    persons = read_table(perform(small_study, "data").path("data", "persons.parquet"))
    counts = pd.crosstab(persons["split"], persons["variety"])
    assert counts.loc["audit"].sum() == pytest.approx(0.4 * 36, abs=1)
    assert (counts["standard"] - counts["everyday"]).abs().max() <= 1


def test_both_wordings_of_an_answer_are_there(small_study: Path, perform: Perform) -> None:
    texts = read_table(perform(small_study, "data").path("data", "texts.parquet"))
    assert texts["response_id"].is_unique
    primary = texts[texts["primary"]]
    assert len(primary) == 2 * 36
    assert (primary["response_id"] == primary["person"] + "|" + primary["item"]).all()
    wordings = texts.groupby(["person", "item"])["wording"].agg(set)
    assert (wordings == {"standard", "everyday"}).all()


def test_the_limit_takes_training_scores_only(small_study: Path, perform: Perform, change: Change) -> None:
    limited = scores(perform(small_study, "data"), "operational")
    change(small_study, LIMIT, "max_train_responses = 0")
    everything = scores(perform(small_study, "data"), "operational")
    assert (limited["split"] == "train").sum() == 16 < (everything["split"] == "train").sum()
    for split in ("feedback", "audit"):
        kept, all_of_it = (table[table["split"] == split] for table in (limited, everything))
        pd.testing.assert_frame_equal(kept.reset_index(drop=True), all_of_it.reset_index(drop=True))


def test_a_smaller_limit_keeps_some_of_the_same_responses(
    small_study: Path, perform: Perform, change: Change
) -> None:
    def trained() -> set[tuple[str, str]]:
        table = scores(perform(small_study, "data"), "operational")
        table = table[table["split"] == "train"]
        return set(zip(table["person"], table["item"], strict=True))

    larger = trained()
    change(small_study, LIMIT, "max_train_responses = 9")
    smaller = trained()
    assert len(smaller) == 9 and smaller < larger


def test_a_limit_above_what_is_there_takes_nothing(
    small_study: Path, perform: Perform, change: Change
) -> None:
    change(small_study, LIMIT, "max_train_responses = 9999")
    run = perform(small_study, "data")
    assert len(scores(run, "operational")) == len(scores(run, "criterion")) == 2 * 36


def test_operational_and_criterion_are_the_raters_that_the_study_names(
    small_study: Path, perform: Perform, change: Change
) -> None:
    change(small_study, LIMIT, "max_train_responses = 0")
    run = perform(small_study, "data")
    ratings = read_table(run.path("data", "ratings.parquet"))
    for role, rater in (("operational", "operational"), ("criterion", "panel")):
        named = ratings[ratings["rater"] == rater].sort_values(["person", "item"], ignore_index=True)
        pd.testing.assert_frame_equal(
            scores(run, role)[["person", "item", "score"]], named[["person", "item", "score"]]
        )
    facts = run.facts("data")
    assert facts["origin"] == "simulated" and "simulated" in facts["notice"].lower()


def test_a_small_group_is_a_warning_in_the_facts(small_study: Path, perform: Perform, change: Change) -> None:
    assert perform(small_study, "data").facts("data")["warnings"] == []
    change(small_study, "min_group = 4", "min_group = 20")
    warnings = perform(small_study, "data").facts("data")["warnings"]
    assert len(warnings) == 2 and "fewer than min_group" in warnings[0]


def test_a_group_too_small_for_dif_stops_the_run(small_study: Path, perform: Perform, change: Change) -> None:
    change(small_study, "persons = 36", "persons = 16")
    with pytest.raises(DataError, match="audit persons") as caught:
        perform(small_study, "data")
    assert caught.value.exit_code == 3
