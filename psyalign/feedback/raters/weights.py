"""What the study file may do about raters: weigh them by their discrimination, and what that changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from psyalign.feedback.raters.agreement import consensus_agreement
from psyalign.feedback.raters.davidson import fit_davidson
from psyalign.feedback.raters.severity import fit_raters
from psyalign.feedback.raters.table import answers_of

__all__ = ["RaterWeights", "consensus_scores", "discrimination_weights", "feedback_changes"]

CHANGE_COLUMNS = ("what", "before", "after", "compared", "changed")


@dataclass(frozen=True)
class RaterWeights:
    """How much a rater's judgement counts; the judgements of one kind have weights of mean 1.

    Attributes
    ----------
    scores : mapping of str to float
        Of ratings and score preferences, by rater.
    pairs : mapping of str to float
        Of comparisons of responses.
    """

    scores: Mapping[str, float]
    pairs: Mapping[str, float]

    def of_scores(self, raters: pd.Series) -> np.ndarray:
        """Weight of each judgement of a single response; 1 for raters that have none."""
        return raters.map(self.scores).fillna(1.0).to_numpy(float)

    def of_pairs(self, raters: pd.Series) -> np.ndarray:
        """Weight of each comparison; 1 for raters that have none."""
        return raters.map(self.pairs).fillna(1.0).to_numpy(float)


def discrimination_weights(
    judgements: pd.DataFrame, comparisons: pd.DataFrame, n_scores: Mapping[str, int]
) -> RaterWeights:
    """Weights by discrimination: what a judgement adds to the slope of the likelihood.

    In the many-facet model a judgement moves the estimate of a response in proportion to its rater's
    discrimination; in Crowd-BT, where the responses are close, to 2η − 1: nothing for a rater who
    answers at random. A rater who has the scale upside down gets 0, not less than nothing.

    Parameters
    ----------
    judgements, comparisons, n_scores
        See `rater_table`.

    Returns
    -------
    RaterWeights
        Empty for judgements of a kind that only one rater gave: nothing tells that rater from others.

    References
    ----------
    Uto & Ueno (2020), Behaviormetrika 47, 469–496; Chen et al. (2013), WSDM, 193–202.
    """
    scores, pairs = {}, {}
    if judgements["rater"].nunique() > 1:
        found = fit_raters(judgements, n_scores, discrimination=True).raters
        scores = _mean_one(found["rater"], found["n"], found["discrimination"])
    if comparisons["rater"].nunique() > 1:
        found = fit_davidson(comparisons, discrimination=True).raters
        pairs = _mean_one(found["rater"], found["n"], (2 * found["eta"] - 1).clip(lower=0))
    return RaterWeights(scores, pairs)


def _mean_one(raters: pd.Series, n: pd.Series, weight: pd.Series) -> dict[str, float]:
    mean = float((n * weight).sum() / n.sum())
    return dict(
        zip(raters.astype(str), (weight / mean if mean else weight * 0 + 1).astype(float), strict=True)
    )


def consensus_scores(ratings: pd.DataFrame, weights: Mapping[str, float]) -> pd.DataFrame:
    """The raters' weighted mean score of each response, halves up.

    Parameters
    ----------
    ratings : DataFrame
        Columns response_id, item, score, rater.
    weights : mapping of str to float
        By rater; raters without one count 1. Where all raters of a response weigh 0, all count 1.

    Returns
    -------
    DataFrame
        response_id, item, score (int64), sorted.

    Examples
    --------
    >>> ratings = pd.DataFrame({"response_id": "x", "item": "i", "score": [1, 2, 4], "rater": list("uvw")})
    >>> [int(consensus_scores(ratings, w)["score"].iloc[0]) for w in ({}, {"w": 0.0})]
    [2, 2]
    >>> int(consensus_scores(ratings, {"w": 5.0})["score"].iloc[0])
    3
    """
    weight = ratings["rater"].map(weights).astype(float).fillna(1.0)
    total = weight.groupby(ratings["response_id"]).transform("sum")
    weight = weight.where(total > 0, 1.0)
    sums = ratings.assign(weight=weight, weighted=weight * ratings["score"].astype(float))
    grouped = sums.groupby(["response_id", "item"], sort=True)[["weighted", "weight"]].sum()
    # a half must not be lost to binary fractions
    score = np.floor((grouped["weighted"] / grouped["weight"]).round(9) + 0.5).astype("int64")
    table: pd.DataFrame = score.rename("score").reset_index()
    return table


def feedback_changes(before: Mapping[str, pd.DataFrame], after: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """What exclusions and weights change in the feedback.

    Parameters
    ----------
    before, after : mapping of str to DataFrame
        "judgements" and "comparisons" as in `rater_table`, "preferences" (response_id, preferred, rejected),
        "equivalences" and "scores" (response_id, score); in `after`, judgements, comparisons
        and preferences may have a column weight.

    Returns
    -------
    DataFrame
        what, before, after, compared, changed. Counts of judgements of each kind; "responses with a score"
        (compared: those with one before and after; changed: another score); "score pairs" (pairs of score
        points of a response that raters chose between; changed: another of the two is preferred, or neither);
        "agreement" (mean share of judgements that equal what most of the other raters said, weighted).
    """
    rows: list[tuple[str, float, float, float, float]] = []
    nan = float("nan")
    for what, name, ratings in (
        ("ratings", "judgements", True),
        ("score preferences", "judgements", False),
        ("response preferences", "comparisons", None),
        ("equivalences", "equivalences", None),
    ):
        old, new = (_number(side[name], ratings) for side in (before, after))
        if old or new:
            rows.append((what, old, new, nan, nan))
    for what, tables in (
        (
            "responses with a score",
            [side["scores"].set_index("response_id")["score"] for side in (before, after)],
        ),
        ("score pairs", [_preferred(side["preferences"]) for side in (before, after)]),
    ):
        both = pd.concat(tables, axis=1, join="inner", keys=["before", "after"])
        changed = int((both["before"] != both["after"]).sum())
        rows.append((what, len(tables[0]), len(tables[1]), len(both), changed))
    rows.append(("agreement", _agreement(before), _agreement(after), nan, nan))
    return pd.DataFrame(rows, columns=list(CHANGE_COLUMNS))


def _number(table: pd.DataFrame, ratings: bool | None) -> int:
    return len(table) if ratings is None else int(((table["rejected"] < 0) == ratings).sum())


def _weight(table: pd.DataFrame) -> pd.Series:
    return table["weight"] if "weight" in table else pd.Series(1.0, index=table.index)


def _preferred(preferences: pd.DataFrame) -> pd.Series:
    """1 where the higher score point is preferred on balance, −1 the lower, 0 neither."""
    higher = preferences[["preferred", "rejected"]].max(axis=1)
    lower = preferences[["preferred", "rejected"]].min(axis=1)
    sign = np.where(preferences["preferred"] == higher, 1.0, -1.0) * _weight(preferences)
    balance = sign.groupby([preferences["response_id"], lower, higher]).sum()
    return pd.Series(np.sign(balance.round(9)))


def _agreement(side: Mapping[str, pd.DataFrame]) -> float:
    judgements, comparisons = side["judgements"], side["comparisons"]
    answers = answers_of(judgements, comparisons)
    if not len(answers):
        return float("nan")
    raters = consensus_agreement(answers).set_index("rater")
    both = pd.concat([judgements[["rater"]], comparisons[["rater"]]], ignore_index=True)
    weights = pd.concat([_weight(judgements), _weight(comparisons)], ignore_index=True)
    weight = weights.groupby(both["rater"]).mean() * raters["compared"]
    known = raters["agreement"].notna() & (weight > 0)
    return (
        float((weight * raters["agreement"])[known].sum() / weight[known].sum())
        if known.any()
        else float("nan")
    )
