"""Simulated respondents and raters with a known penalty on one variety.

A person has a latent ability; a graded response model (Samejima, 1969) gives the true score
point of each response, and its text is composed from phrases of that score point in the
person's variety. Three raters score it: "true" (the score point itself), "panel" (a small
error) and "operational" (severity, error, and the penalty). Every draw comes from a stream
named after its purpose, so that changing the penalty changes operational scores only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from psyalign.foundation.errors import StudyError
from psyalign.foundation.seeds import generator
from psyalign.responses.compose import capitalised_words, plan_response, render_plan
from psyalign.responses.dataset import (
    ORIGIN_SIMULATED,
    RATING_COLUMNS,
    RESPONSE_COLUMNS,
    Dataset,
    alternate_id,
    response_id,
)
from psyalign.responses.phrases import VARIETIES, PhraseBank

__all__ = ["NOTICE", "SimulationSettings", "SimulationTruth", "draw_truth", "simulate_sjt"]

NOTICE = "No person, response or rating in this study is real; all are simulated."
REFERENCE, FOCAL = VARIETIES
# Thresholds run from -1.5 to 1.5 around an item's location, so that all score points occur.
SPAN = 1.5


@dataclass(frozen=True)
class SimulationSettings:
    """What is known about a simulation before it is drawn.

    Attributes
    ----------
    n_persons : int
        Number of persons, at least 2.
    seed : int
        Fixes everything.
    focal_share : float
        Share of persons who write in the everyday variety, between 0 and 1.
    penalty : float
        Probability that the operational rater lowers the score of an everyday response by 1
        (never below 0).
    impact : float
        Mean latent ability of the focal group minus that of the reference group, in SD.
    severity, error : float
        The operational rater's shift down and SD of error, in score points, before rounding.
    panel_error : float
        The panel's SD of error, in score points, before rounding.
    """

    n_persons: int
    seed: int
    focal_share: float = 0.5
    penalty: float = 0.4
    impact: float = 0.0
    severity: float = 0.1
    error: float = 0.4
    panel_error: float = 0.25

    def __post_init__(self) -> None:
        rules = {
            "n_persons": (self.n_persons >= 2, "at least 2"),
            "focal_share": (0 < self.focal_share < 1, "between 0 and 1"),
            "penalty": (0 <= self.penalty <= 1, "a probability, from 0 to 1"),
            "impact": (bool(np.isfinite(self.impact)), "a finite number"),
            "severity": (bool(np.isfinite(self.severity)), "a finite number"),
            "error": (0 <= self.error < np.inf, "0 or more"),
            "panel_error": (0 <= self.panel_error < np.inf, "0 or more"),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                raise StudyError(
                    f"The simulation's {name} must be {rule}.", where=f"{name} = {getattr(self, name)}"
                )


@dataclass(frozen=True)
class SimulationTruth:
    """What a simulation knows and an analysis has to find out.

    Attributes
    ----------
    settings : SimulationSettings
        What was asked for.
    thresholds : DataFrame
        Columns item, score (1, 2, …), discrimination, threshold:
        P(score point >= score | ability) = 1 / (1 + exp(-discrimination * (ability - threshold))).
    persons : DataFrame
        Columns person, variety, ability.
    scores : DataFrame
        Columns person, item, variety, level (true score point), panel, unpenalised (operational
        score before the penalty), operational. One row per response.
    """

    settings: SimulationSettings
    thresholds: pd.DataFrame
    persons: pd.DataFrame
    scores: pd.DataFrame

    def penalty_effect(self) -> pd.DataFrame:
        """Expected effect of the penalty on the focal group's mean operational score.

        Returns
        -------
        DataFrame
            Columns item, effect: minus the penalty times the share of focal responses that
            could be lowered (scores of 0 cannot).
        """
        focal = self.scores[self.scores["variety"] == FOCAL]
        share = (focal["unpenalised"] > 0).groupby(focal["item"]).mean()
        return (-self.settings.penalty * share).rename("effect").reset_index()


def simulate_sjt(
    phrase_banks: Mapping[str, PhraseBank],
    n_persons: int,
    seed: int,
    *,
    focal_share: float = 0.5,
    penalty: float = 0.4,
    impact: float = 0.0,
    severity: float = 0.1,
    error: float = 0.4,
    panel_error: float = 0.25,
) -> Dataset:
    """Simulate responses to the items of a phrase bank, and their ratings.

    Parameters
    ----------
    phrase_banks : mapping of str to PhraseBank
        By item id, from `load_phrases`.
    n_persons, seed, focal_share, penalty, impact, severity, error, panel_error
        As in `SimulationSettings`.

    Returns
    -------
    Dataset
        Origin "simulated". Attribute `variety`: "standard" (reference) or "everyday" (focal).
        `wording` is the variety a response is in; the alternates say the same in the other
        one. Raters "true", "panel", "operational".

    Raises
    ------
    StudyError
        A setting is out of its range, or there are no phrase banks.
    """
    settings = SimulationSettings(n_persons, seed, focal_share, penalty, impact, severity, error, panel_error)
    truth = draw_truth(phrase_banks, settings)
    responses, alternates = _texts(phrase_banks, truth)
    return Dataset(
        responses=responses,
        alternates=alternates,
        ratings=_ratings(truth),
        persons=truth.persons[["person", "variety"]].copy(),
        origin=ORIGIN_SIMULATED,
        notice=NOTICE,
    )


def draw_truth(phrase_banks: Mapping[str, PhraseBank], settings: SimulationSettings) -> SimulationTruth:
    """Draw persons, items and scores: all of a simulation but its texts.

    `simulate_sjt` with the same arguments has exactly these scores.
    """
    if not phrase_banks:
        raise StudyError("There are no phrase banks to simulate responses from.", where="[simulation]")
    persons = _persons(settings)
    tables, scores = [], []
    for item in sorted(phrase_banks):
        parameters = _item_parameters(item, phrase_banks[item].max_score, settings.seed)
        tables.append(parameters)
        scores.append(_scores(item, parameters, persons, settings))
    return SimulationTruth(
        settings=settings,
        thresholds=pd.concat(tables, ignore_index=True),
        persons=persons,
        scores=pd.concat(scores).sort_values(["person", "item"], ignore_index=True),
    )


def _persons(settings: SimulationSettings) -> pd.DataFrame:
    n, seed = settings.n_persons, settings.seed
    # an exact share, and never an empty group
    n_focal = min(max(round(n * settings.focal_share), 1), n - 1)
    order = generator(seed, "variety").permutation(n)
    focal = np.zeros(n, dtype=bool)
    focal[order[:n_focal]] = True
    ability = generator(seed, "ability").standard_normal(n) + settings.impact * focal
    width = max(4, len(str(n)))
    return pd.DataFrame(
        {
            "person": pd.Series([f"sim-{number:0{width}}" for number in range(1, n + 1)], dtype="str"),
            "variety": pd.Series(np.where(focal, FOCAL, REFERENCE), dtype="str"),
            "ability": ability,
        }
    )


def _item_parameters(item: str, max_score: int, seed: int) -> pd.DataFrame:
    random = generator(seed, "item", item)
    discrimination = random.uniform(1.3, 2.3)
    location = random.normal(0, 0.3)
    steps = np.linspace(-SPAN, SPAN, max_score) if max_score > 1 else np.zeros(1)
    gap = 2 * SPAN / max(max_score - 1, 1)
    # less than half a gap either way keeps thresholds in order
    steps = steps + random.uniform(-0.2, 0.2, max_score) * gap
    return pd.DataFrame(
        {
            "item": pd.Series([item] * max_score, dtype="str"),
            "score": np.arange(1, max_score + 1),
            "discrimination": discrimination,
            "threshold": location + steps,
        }
    )


def _scores(
    item: str, parameters: pd.DataFrame, persons: pd.DataFrame, settings: SimulationSettings
) -> pd.DataFrame:
    n, seed, top = len(persons), settings.seed, len(parameters)
    slope, threshold = parameters["discrimination"].to_numpy(), parameters["threshold"].to_numpy()
    passed = 1 / (1 + np.exp(-slope * (persons["ability"].to_numpy()[:, None] - threshold)))
    level = (generator(seed, "level", item).random(n)[:, None] < passed).sum(axis=1)
    focal = persons["variety"].to_numpy() == FOCAL
    unpenalised = _rated(level - settings.severity, settings.error, top, generator(seed, "operational", item))
    lowered = focal & (generator(seed, "penalty", item).random(n) < settings.penalty)
    return pd.DataFrame(
        {
            "person": persons["person"],
            "item": pd.Series([item] * n, dtype="str"),
            "variety": persons["variety"],
            "level": level.astype(np.int64),
            "panel": _rated(level, settings.panel_error, top, generator(seed, "panel", item)),
            "unpenalised": unpenalised,
            "operational": np.maximum(unpenalised - lowered, 0),
        }
    )


def _rated(
    level: NDArray[np.floating] | NDArray[np.integer], error: float, top: int, random: np.random.Generator
) -> NDArray[np.int64]:
    noisy = level + error * random.standard_normal(len(level))
    return np.clip(np.rint(noisy), 0, top).astype(np.int64)


def _ratings(truth: SimulationTruth) -> pd.DataFrame:
    columns = {"true": "level", "panel": "panel", "operational": "operational"}
    tables = [
        truth.scores[["person", "item"]].assign(rater=rater, score=truth.scores[column])
        for rater, column in columns.items()
    ]
    ratings = pd.concat(tables).sort_values(["person", "item", "rater"], ignore_index=True)
    return ratings.astype({"rater": "str"})[list(RATING_COLUMNS)]


def _texts(
    phrase_banks: Mapping[str, PhraseBank], truth: SimulationTruth
) -> tuple[pd.DataFrame, pd.DataFrame]:
    names = {item: capitalised_words(bank) for item, bank in phrase_banks.items()}
    own, other = [], []
    for person, item, variety, level in truth.scores[["person", "item", "variety", "level"]].itertuples(
        index=False
    ):
        random = generator(truth.settings.seed, "text", person, item)
        plan = plan_response(phrase_banks[item], level, random)
        texts = {name: render_plan(plan, name, names[item]) for name in VARIETIES}
        own.append((person, item, variety, texts[variety]))
        other_variety = FOCAL if variety == REFERENCE else REFERENCE
        other.append((person, item, other_variety, texts[other_variety]))
    responses, alternates = _response_table(own), _response_table(other)
    responses["response_id"] = response_id(responses["person"], responses["item"])
    alternates["response_id"] = alternate_id(alternates["person"], alternates["item"], alternates["wording"])
    return responses[list(RESPONSE_COLUMNS)], alternates[list(RESPONSE_COLUMNS)]


def _response_table(rows: list[tuple[str, str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["person", "item", "wording", "response"]).astype("str")
