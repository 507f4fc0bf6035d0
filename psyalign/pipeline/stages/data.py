"""Stage "data": the study's tables, checked, split by person, written as Parquet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from psyalign.foundation.seeds import unit_interval
from psyalign.foundation.tables import read_table, write_parquet
from psyalign.pipeline.data import load_study_data
from psyalign.pipeline.run import Run
from psyalign.responses import final_scores, split_persons
from psyalign.study import require_study

__all__ = ["group_of", "read_persons", "read_scores", "read_texts", "work"]


def work(run: Run, folder: Path) -> Mapping[str, Any]:
    """Write texts, persons and scores."""
    study = run.study
    bank, dataset = load_study_data(study)
    split = split_persons(
        dataset.persons, study.split.shares, study.study.seed, stratify=list(study.split.stratify)
    )
    warnings = require_study(study, dataset, bank, split)
    persons = dataset.persons.merge(split, on="person", validate="one_to_one")
    texts = pd.concat(
        [dataset.responses.assign(primary=True), dataset.alternates.assign(primary=False)], ignore_index=True
    ).merge(split, on="person")
    write_parquet(folder / "texts.parquet", texts)
    write_parquet(folder / "persons.parquet", persons)
    write_parquet(folder / "ratings.parquet", dataset.ratings)
    for role, rater in (("operational", study.data.operational), ("criterion", study.data.criterion)):
        scores = final_scores(dataset.ratings, rater or None).merge(split, on="person")
        if role == "operational":
            scores = _limit(scores, study.split.max_train_responses, study.study.seed)
        write_parquet(folder / f"{role}.parquet", scores)
    return {"origin": dataset.origin, "notice": dataset.notice, "warnings": warnings}


def _limit(scores: pd.DataFrame, limit: int, seed: int) -> pd.DataFrame:
    """Keep `limit` train responses, chosen by hash, so that the choice does not hang on row order."""
    train = scores["split"] == "train"
    if not limit or train.sum() <= limit:
        return scores
    place = scores[train].apply(lambda row: unit_interval(seed, "train", row["person"], row["item"]), axis=1)
    return scores.drop(index=place.sort_values().index[limit:])


def read_texts(run: Run, *, split: str | None = None, primary: bool | None = None) -> pd.DataFrame:
    """Texts of the run: response_id, person, item, wording, response, primary, split."""
    texts = read_table(run.path("data", "texts.parquet"))
    if split is not None:
        texts = texts[texts["split"] == split]
    if primary is not None:
        texts = texts[texts["primary"] == primary]
    return texts.reset_index(drop=True)


def read_scores(run: Run, role: str, split: str) -> pd.DataFrame:
    """Final scores (person, item, score, response_id) of "operational" or "criterion" in a split."""
    scores = read_table(run.path("data", f"{role}.parquet"))
    scores = scores[scores["split"] == split].reset_index(drop=True)
    return scores.assign(response_id=scores["person"] + "|" + scores["item"])


def read_persons(run: Run) -> pd.DataFrame:
    """Persons with attributes and split."""
    return read_table(run.path("data", "persons.parquet"))


def group_of(run: Run, attribute: str, persons: pd.DataFrame) -> pd.Series:
    """By person: "reference", "focal" or missing."""
    group = run.study.groups[attribute]
    values = persons.set_index("person")[attribute]
    return values.map({group.reference: "reference", group.focal: "focal"})
