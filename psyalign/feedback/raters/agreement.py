"""How far raters agree: with what most of the others said, and with one another."""

from __future__ import annotations

import numpy as np
import pandas as pd

from psyalign.feedback.raters.rasch import RATING

__all__ = ["consensus_agreement", "pair_agreement"]


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
