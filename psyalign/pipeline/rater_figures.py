"""The raters of a collection, of records or of a study's own feedback, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from psyalign.collect import Store, export_records, judgement_times
from psyalign.feedback import Rating, Record, check_records, read_records
from psyalign.feedback.raters import judgement_tables, rater_groups, rater_table, read_times, with_leanings
from psyalign.foundation.errors import UsageError
from psyalign.items import ItemBank
from psyalign.pipeline.data import load_study_data
from psyalign.responses import Dataset, split_persons
from psyalign.study import Study

__all__ = ["RaterFigures", "rater_figures"]


@dataclass(frozen=True)
class RaterFigures:
    """What feedback says about its raters.

    Attributes
    ----------
    table : DataFrame
        One row per rater: see `psyalign.feedback.raters.rater_table`, with each grouping's leaning.
    groups : DataFrame
        Leanings in full: see `psyalign.feedback.raters.rater_groups`.
    source : str
        Where the judgements come from, in words.
    """

    table: pd.DataFrame
    groups: pd.DataFrame
    source: str


def rater_figures(
    study: Study, *, collection: Path | None = None, records: Path | None = None
) -> RaterFigures:
    """Rater table and leanings of a collection, a file of records, or the study's own feedback.

    Parameters
    ----------
    study : Study
    collection : Path, optional
        A collection's file. Judgements of responses that are not compared completely count, too; anchors
        do not.
    records : Path, optional
        JSON Lines. Without either: the records that the study names, or its panel's ratings of the
        feedback persons.

    Raises
    ------
    StudyError, ItemError, DataError
        What is wrong with the study, its data or the records.
    UsageError
        The study's feedback is one rater's scores.
    """
    bank, dataset = load_study_data(study)
    points = {name: item.scores for name, item in bank.items.items()}
    texts = pd.concat([dataset.responses, dataset.alternates], ignore_index=True)
    times = None
    named = study.feedback.records
    if collection is not None:
        store, source = Store(collection), f"collection {collection.stem}"
        said = export_records(store, points, incomplete=True).records
        times = judgement_times(store)
    elif records is not None or (study.feedback.source == "records" and named is not None):
        path = records or study.file(str(named))
        said, source = read_records(path), str(path.name)
        if records is None and study.feedback.times is not None:
            times = read_times(study.file(study.feedback.times))
    else:
        said, source = _panel(study, dataset, bank), "the panel's ratings of the feedback persons"
    check_records(said, points, texts)
    judgements, comparisons, equivalences = judgement_tables(said)
    numbers = {name: len(scores) for name, scores in points.items()}
    table = rater_table(judgements, comparisons, numbers, equivalences=equivalences, times=times)
    groups = rater_groups(judgements, comparisons, numbers, _sides(study, dataset.persons, texts))
    return RaterFigures(with_leanings(table, groups, list(study.groups)), groups, source)


def _panel(study: Study, dataset: Dataset, bank: ItemBank) -> list[Record]:
    """The ratings of the feedback persons, as the run takes them."""
    if study.feedback.source == "second_scoring" or study.feedback.rater:
        raise UsageError(
            "The study's feedback is one rater's scores: there are no raters to compare.",
            where=f"{study.path}, [feedback]",
            mend="Name a file with --records, or a collection with --name.",
        )
    split = split_persons(
        dataset.persons, study.split.shares, study.study.seed, stratify=list(study.split.stratify)
    )
    persons = set(split.loc[split["split"] == "feedback", "person"])
    kept = dataset.ratings[dataset.ratings["person"].isin(persons) & dataset.ratings["item"].isin(bank.items)]
    return [
        Rating(item, f"{person}|{item}", int(score), rater, "panel")
        for item, person, score, rater in kept[["item", "person", "score", "rater"]].itertuples(index=False)
    ]


def _sides(study: Study, persons: pd.DataFrame, texts: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Attribute → response → 0.5 focal, −0.5 reference; others are left out."""
    sides = {}
    for attribute, group in study.groups.items():
        values = persons.set_index("person")[attribute].astype("str")
        side = texts["person"].map(values).map({group.focal: 0.5, group.reference: -0.5})
        known = side.notna()
        sides[attribute] = dict(zip(texts.loc[known, "response_id"], side[known].astype(float), strict=True))
    return sides
