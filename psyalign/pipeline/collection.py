"""What a study gives raters to judge: its feedback persons' responses, and where a run's scorer is unsure."""

from __future__ import annotations

import numpy as np
import pandas as pd

from psyalign.collect import Material
from psyalign.foundation.errors import RunError
from psyalign.foundation.tables import read_table
from psyalign.items import ItemBank
from psyalign.pipeline.data import load_study_data
from psyalign.responses import ORIGIN_SIMULATED, split_persons
from psyalign.study import Study, require_study

__all__ = ["feedback_material"]


def feedback_material(study: Study, run: str = "") -> Material:
    """Material of a collection: responses of the study's feedback persons, never of others.

    Parameters
    ----------
    study : Study
    run : str
        Name of a run of the study whose baseline scorer says where it is unsure; "" for none.

    Returns
    -------
    Material

    Raises
    ------
    StudyError, ItemError, DataError
        What is wrong with the study or its data.
    RunError
        The run has no scores of the feedback persons' responses, or was made with another split.
    """
    bank, dataset = load_study_data(study)
    split = split_persons(
        dataset.persons, study.split.shares, study.study.seed, stratify=list(study.split.stratify)
    )
    require_study(study, dataset, bank, split)
    texts = pd.concat(
        [dataset.responses.assign(primary=True), dataset.alternates.assign(primary=False)], ignore_index=True
    )
    feedback = set(split.loc[split["split"] == "feedback", "person"])
    texts = texts[texts["person"].isin(feedback)].reset_index(drop=True)
    uncertainty, expected = _scored(study, run, bank, texts, feedback) if run else ({}, {})
    return Material(
        title=bank.title,
        notice=dataset.notice if dataset.origin == ORIGIN_SIMULATED else "",
        study=study.study.title,
        study_notice=dataset.notice,
        seed=study.study.seed,
        items=bank.items,
        texts=texts,
        variety=_variety(study, dataset.persons, texts),
        uncertainty=uncertainty,
        expected=expected,
    )


def _variety(study: Study, persons: pd.DataFrame, texts: pd.DataFrame) -> dict[str, str]:
    """The wording of each response, or, where all are alike, the person's group of the first attribute."""
    values = texts["wording"].astype("str")
    if values.nunique() < 2:
        values = texts["person"].map(persons.set_index("person")[next(iter(study.groups))]).astype("str")
    return dict(zip(texts["response_id"], values, strict=True))


def _scored(
    study: Study, run: str, bank: ItemBank, texts: pd.DataFrame, feedback: set[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Entropy over its maximum, and expected score, of each response by the run's baseline."""
    folder = study.folder / "runs" / run
    path, people = folder / "reward" / "reference.parquet", folder / "data" / "persons.parquet"
    if not path.is_file() or not people.is_file():
        raise RunError(
            "This run has no scores of the feedback persons' responses.",
            where=str(folder),
            mend="Run the study first (`psyalign study run`), or leave --run out.",
        )
    persons = read_table(people)
    if set(persons.loc[persons["split"] == "feedback", "person"]) != feedback:
        raise RunError(
            "This run was made with another split: its feedback persons are not the study's.",
            where=str(folder),
            mend="Run the study again with the settings that it has now, or leave --run out.",
        )
    table = read_table(path).set_index("response_id")
    uncertainty: dict[str, float] = {}
    expected: dict[str, float] = {}
    for item, rows in texts[texts["response_id"].isin(table.index)].groupby("item"):
        points = np.array(bank.items[str(item)].scores)
        p = np.exp(table.loc[rows["response_id"]].to_numpy(float)[:, : len(points)])
        p /= p.sum(axis=1, keepdims=True)
        entropy = -(p * np.log(np.clip(p, 1e-12, None))).sum(axis=1) / np.log(len(points))
        uncertainty |= dict(zip(rows["response_id"], entropy.tolist(), strict=True))
        expected |= dict(zip(rows["response_id"], (p @ points).tolist(), strict=True))
    return uncertainty, expected
