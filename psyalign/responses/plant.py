"""Real answers with a bias of known size: half of the people re-worded and under-scored."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from psyalign.foundation.errors import StudyError
from psyalign.foundation.seeds import unit_interval
from psyalign.responses.dataset import (
    ORIGIN_PLANTED,
    ORIGIN_REAL,
    RATING_COLUMNS,
    RESPONSE_COLUMNS,
    Dataset,
    alternate_id,
)
from psyalign.responses.scores import final_scores
from psyalign.responses.wording import render

__all__ = ["plant_wording"]

ATTRIBUTE = "variety"
REFERENCE, FOCAL = "standard", "everyday"
# What names a rater's draws in the hash: a study keeps its operational scores when a panel joins it.
DRAWS = {"operational": "lower", "panel": "panel"}
# The key of [plant] that says how likely the rater lowers a score.
KEYS = {"operational": "lower_probability", "panel": "panel_lower_probability"}


def plant_wording(
    dataset: Dataset,
    seed: int,
    *,
    share: float = 0.5,
    lower_probability: float = 0.4,
    lower_by: int = 1,
    true_rater: str | None = None,
    panel_lower_probability: float | None = None,
) -> Dataset:
    """Plant a bias against a wording into real data.

    A share of the persons, chosen by a hash of seed and id, become the focal group. Their
    answers are rendered in the everyday wording (`psyalign.responses.wording`); their
    operational scores are the true ones, lowered with a known probability. The reference group
    keeps its answers and scores. The other wording of every answer that the rules change is an
    alternate: the answer itself for the focal group, the rendering for the reference group.

    Parameters
    ----------
    dataset : Dataset
        Real answers and ratings.
    seed : int
        Seed of the study; with the ids it fixes every choice.
    share : float
        Probability in (0, 1) that a person is focal.
    lower_probability : float
        Probability in [0, 1] that a focal response's operational score is lowered.
    lower_by : int
        Score points by which it is lowered, not below 0.
    true_rater : str, optional
        Rater whose scores are taken as true; None or "" for the adjudicated scores.
    panel_lower_probability : float, optional
        Adds a rater "panel" who shares the penalty: the true scores, lowered with this probability
        in [0, 1] on focal responses drawn independently of the operational ones.

    Returns
    -------
    Dataset
        Origin "real answers, planted bias"; persons have a column `variety` ("standard",
        "everyday"); raters are "true", "operational" and, where it was asked for, "panel";
        responses without a true score have no ratings.

    Raises
    ------
    StudyError
        A setting is out of range, the data are not real, or an attribute `variety` exists.
    """
    penalties, panel = {"operational": lower_probability}, ""
    if panel_lower_probability is not None:
        penalties["panel"] = panel_lower_probability
        panel = f", and those of the panel with probability {panel_lower_probability:g}"
    _check(dataset, share, penalties, lower_by)
    people = dataset.persons["person"]
    focal = {str(person) for person in people if unit_interval(seed, "plant", "focal", person) < share}
    persons = dataset.persons.assign(variety=_variety(people, focal))
    responses, alternates = _reworded(dataset.responses, focal)
    true = final_scores(dataset.ratings, true_rater)
    lowered = [
        true.assign(rater=rater, score=_lowered(true, focal, seed, DRAWS[rater], probability, lower_by))
        for rater, probability in penalties.items()
    ]
    ratings = pd.concat([true.assign(rater="true"), *lowered], ignore_index=True)
    return Dataset(
        responses=responses,
        alternates=alternates,
        ratings=ratings[list(RATING_COLUMNS)].astype({"rater": "str"}),
        persons=persons,
        origin=ORIGIN_PLANTED,
        notice=(
            f"The answers and true scores are real; the bias is planted: {len(focal)} of {len(people)} "
            f"persons had their answers rendered in an everyday wording by rules, and their operational "
            f"scores lowered by {lower_by} with probability {lower_probability:g}{panel}."
        ),
    )


def _check(dataset: Dataset, share: float, penalties: Mapping[str, float], lower_by: int) -> None:
    if not 0 < share < 1:
        raise StudyError(f"The focal share is {share:g}; it must lie between 0 and 1.", where="[plant] share")
    for rater, probability in penalties.items():
        if not 0 <= probability <= 1:
            raise StudyError(
                f"The probability is {probability:g}; it must lie between 0 and 1.",
                where=f"[plant] {KEYS[rater]}",
            )
    if lower_by < 1:
        raise StudyError(
            f"Scores are lowered by whole points of 1 or more, not by {lower_by}.", where="[plant] lower_by"
        )
    if dataset.origin != ORIGIN_REAL:
        raise StudyError(
            f"A bias is planted into real data; these are: {dataset.origin}.",
            where="[plant]",
            mend='Remove [plant], or take [data] source = "files".',
        )
    if ATTRIBUTE in dataset.persons.columns:
        raise StudyError(
            f"The persons have an attribute '{ATTRIBUTE}' already, which planting would overwrite.",
            where="[plant]",
            mend="Rename the column in the data.",
        )


def _variety(person: pd.Series, focal: set[str]) -> pd.Series:
    return person.isin(list(focal)).map({True: FOCAL, False: REFERENCE}).astype("str")


def _reworded(responses: pd.DataFrame, focal: set[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Responses in the wording of their person's variety, and the other wording where it differs."""
    wording = _variety(responses["person"], focal)
    own = responses["response"]
    rendering = own.map(render).astype("str")
    everyday = wording == FOCAL
    primary = responses.assign(wording=wording, response=own.mask(everyday, rendering))
    alternates = responses.assign(
        wording=wording.map({FOCAL: REFERENCE, REFERENCE: FOCAL}).astype("str"),
        response=rendering.mask(everyday, own),
    )
    alternates["response_id"] = alternate_id(alternates["person"], alternates["item"], alternates["wording"])
    differs = (own != rendering).to_numpy()
    columns = list(RESPONSE_COLUMNS)
    return primary[columns], alternates.loc[differs, columns].reset_index(drop=True)


def _lowered(
    true: pd.DataFrame, focal: set[str], seed: int, draw: str, probability: float, lower_by: int
) -> list[int]:
    return [
        max(0, score - lower_by)
        if person in focal and unit_interval(seed, "plant", draw, person, item) < probability
        else score
        for person, item, score in zip(true["person"], true["item"], true["score"], strict=True)
    ]
