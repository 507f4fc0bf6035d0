"""What the feedback says about its raters: severity, discrimination, agreement, leaning towards a group."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from psyalign.reward.davidson import fit_davidson
from psyalign.reward.rasch import RATING, FacetsResult, fit_facets

__all__ = ["consensus_agreement", "fit_raters", "pair_agreement", "rater_groups", "rater_table"]

COLUMNS = (
    *("rater", "ratings", "score_preferences", "response_preferences", "severity", "severity_se"),
    *("discrimination", "discrimination_se", "pair_discrimination", "pair_discrimination_se"),
    *("compared", "agreement"),
)
GROUP_COLUMNS = ("rater", "grouping", "judgements", "n", "effect", "se", "z")
# An item's own thresholds take this many judgements for each of its score points; with fewer, the items
# share theirs and differ in difficulty.
JUDGEMENTS_A_POINT = 10


def fit_raters(
    judgements: pd.DataFrame,
    n_scores: Mapping[str, int],
    *,
    discrimination: bool = False,
    group: Mapping[str, float] | None = None,
) -> FacetsResult:
    """`fit_facets` with thresholds of each item where the judgements carry them, else common ones."""
    number = judgements.groupby("item").size()
    enough = all(number[name] >= JUDGEMENTS_A_POINT * n_scores[name] for name in number.index)
    return fit_facets(
        judgements,
        n_scores,
        thresholds="item" if enough else "common",
        discrimination=discrimination,
        group=group,
    )


def rater_table(
    judgements: pd.DataFrame, comparisons: pd.DataFrame, n_scores: Mapping[str, int]
) -> pd.DataFrame:
    """One row for each rater.

    Severity (logits, mean 0) and discrimination come from ratings and score preferences together, pair
    discrimination from response preferences, in which severity cancels; they are missing where fewer than
    two raters judged so. Agreement is with the consensus of the other raters on the same question.

    Parameters
    ----------
    judgements : DataFrame
        See `psyalign.reward.rasch.fit_facets`.
    comparisons : DataFrame
        Columns item, response_a, response_b, preferred, rater.
    n_scores : mapping of str to int
        K of each item.

    Returns
    -------
    DataFrame
        Columns rater, ratings, score_preferences, response_preferences, severity, severity_se,
        discrimination, discrimination_se, pair_discrimination, pair_discrimination_se, compared
        (judgements that another rater made too), agreement.
    """
    raters = sorted(set(judgements["rater"]) | set(comparisons["rater"]))
    table = pd.DataFrame({"rater": raters}).set_index("rater")
    rated = judgements["rejected"] == RATING
    for name, part in (
        ("ratings", judgements[rated]),
        ("score_preferences", judgements[~rated]),
        ("response_preferences", comparisons),
    ):
        table[name] = part.groupby("rater").size().reindex(raters, fill_value=0).astype("int64")
    if judgements["rater"].nunique() > 1:
        found = fit_raters(judgements, n_scores, discrimination=True).raters.set_index("rater")
        for name in ("severity", "severity_se", "discrimination", "discrimination_se"):
            table[name] = found[name]
    if comparisons["rater"].nunique() > 1:
        pairs = fit_davidson(comparisons, discrimination=True).raters.set_index("rater")
        table["pair_discrimination"] = pairs["discrimination"]
        table["pair_discrimination_se"] = pairs["discrimination_se"]
    table = table.join(consensus_agreement(_answers(judgements, comparisons)).set_index("rater"))
    return table.reset_index().reindex(columns=list(COLUMNS))


def rater_groups(
    judgements: pd.DataFrame,
    comparisons: pd.DataFrame,
    n_scores: Mapping[str, int],
    sides: Mapping[str, Mapping[str, float]],
) -> pd.DataFrame:
    """Differential rater functioning: each rater's leaning against the focal group, relative to the others.

    Parameters
    ----------
    judgements, comparisons, n_scores
        See `rater_table`.
    sides : mapping of str to mapping of str to float
        Grouping → response id → 0.5 focal, −0.5 reference.

    Returns
    -------
    DataFrame
        Columns rater, grouping, judgements ("scores" or "pairs"), n, effect, se, z. The effect is
        in logits and positive where the rater is *harder* on the focal group than the other raters are.
    """
    parts = []
    for grouping, side in sides.items():
        if judgements["rater"].nunique() > 1:
            found = fit_raters(judgements, n_scores, group=side).raters
            parts.append(found.assign(grouping=grouping, judgements="scores", effect=found["group_effect"]))
        if comparisons["rater"].nunique() > 1:
            pairs = fit_davidson(comparisons, group=side).raters
            # there, the effect is a liking
            signed = {"effect": -pairs["group_effect"], "z": -pairs["z"]}
            parts.append(pairs.assign(grouping=grouping, judgements="pairs", **signed))
    if not parts:
        return pd.DataFrame({name: [] for name in GROUP_COLUMNS})
    return pd.concat(parts, ignore_index=True).rename(columns={"group_effect_se": "se"})[list(GROUP_COLUMNS)]


def consensus_agreement(answers: pd.DataFrame) -> pd.DataFrame:
    """Agreement of each rater with what most of the others said on the same question.

    Parameters
    ----------
    answers : DataFrame
        Columns question, rater, answer.

    Returns
    -------
    DataFrame
        rater, compared (answers to questions that others answered too), agreement: the share of these that
        is the others' most frequent answer; where they are split between m answers, one of these
        counts 1/m. NaN without any.

    Examples
    --------
    >>> rows = [("q", "x", 1), ("q", "y", 1), ("q", "z", 2), ("r", "x", 0)]
    >>> answers = pd.DataFrame(rows, columns=["question", "rater", "answer"])
    >>> consensus_agreement(answers).to_numpy().tolist()
    [['x', 1, 0.5], ['y', 1, 0.5], ['z', 1, 0.0]]
    """
    compared = dict.fromkeys(sorted(set(answers["rater"])), 0)
    agreed = dict.fromkeys(compared, 0.0)
    shared = answers.groupby("question")["rater"].transform("nunique") > 1
    for _, part in answers[shared].groupby("question"):
        for rater, answer in part[["rater", "answer"]].itertuples(index=False):
            counts = part.loc[part["rater"] != rater, "answer"].value_counts()
            top = counts.index[counts == counts.max()]
            compared[rater] += 1
            agreed[rater] += (answer in top) / len(top)
    share = [agreed[name] / compared[name] if compared[name] else np.nan for name in compared]
    return pd.DataFrame({"rater": list(compared), "compared": list(compared.values()), "agreement": share})


def pair_agreement(judgements: pd.DataFrame) -> float:
    """Share of pairs of raters who, asked to choose between the same two score points, chose alike.

    The ceiling for the accuracy of a reward model: what one rater tells of another's judgement.

    Parameters
    ----------
    judgements : DataFrame
        Columns response_id, rater, chosen, rejected; ratings are left out.

    Returns
    -------
    float
        NaN where no two raters judged the same pair.
    """
    pairs = judgements[judgements["rejected"] != RATING]
    low, high = pairs[["chosen", "rejected"]].min(axis=1), pairs[["chosen", "rejected"]].max(axis=1)
    keyed = pairs.assign(low=low, high=high, up=(pairs["chosen"] > pairs["rejected"]).astype(float))
    means = keyed.groupby(["response_id", "low", "high", "rater"])["up"].mean()
    by_pair = means.groupby(level=[0, 1, 2])
    n, up, squares = by_pair.size(), by_pair.sum(), (means**2).groupby(level=[0, 1, 2]).sum()
    down, down_squares = n - up, ((1 - means) ** 2).groupby(level=[0, 1, 2]).sum()
    alike, asked = (up**2 - squares + down**2 - down_squares).sum(), (n * (n - 1)).sum()
    return float(alike / asked) if asked else float("nan")


def _answers(judgements: pd.DataFrame, comparisons: pd.DataFrame) -> pd.DataFrame:
    """Judgements of every kind as answers to questions, for counting who said the same."""
    low = judgements[["chosen", "rejected"]].min(axis=1).astype(str)
    high = judgements[["chosen", "rejected"]].max(axis=1).astype(str)
    points = (low + " or " + high).where(judgements["rejected"] != RATING, "score")
    single = pd.DataFrame(
        {
            "question": judgements["response_id"] + "\n" + points,
            "rater": judgements["rater"],
            "answer": judgements["chosen"].astype(str),
        }
    )
    first = comparisons[["response_a", "response_b"]].min(axis=1)
    second = comparisons[["response_a", "response_b"]].max(axis=1)
    liked = comparisons["response_a"].where(comparisons["preferred"] == "a", comparisons["response_b"])
    double = pd.DataFrame(
        {
            "question": first + "\n" + second,
            "rater": comparisons["rater"],
            "answer": liked.where(comparisons["preferred"] != "tie", "tie"),
        }
    )
    return pd.concat([single, double], ignore_index=True)
