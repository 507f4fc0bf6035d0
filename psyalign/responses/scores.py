"""One score per response from the ratings: a rater's, or the adjudicated one."""

from __future__ import annotations

import difflib

import pandas as pd

from psyalign.foundation.errors import StudyError

__all__ = ["final_scores"]


def final_scores(ratings: pd.DataFrame, rater: str | None) -> pd.DataFrame:
    """Scores of one rater, or adjudicated over all raters.

    Parameters
    ----------
    ratings : DataFrame
        Columns person, item, rater, score (int).
    rater : str or None
        Name of the rater whose scores count. None or "": the adjudicated score, the mean over
        the raters of a response rounded to a whole number, halves up.

    Returns
    -------
    DataFrame
        Columns person, item, score (int64), sorted by person and item; responses that were
        not rated are not in it.

    Raises
    ------
    StudyError
        The ratings hold no rater of this name.

    Examples
    --------
    >>> ratings = pd.DataFrame(
    ...     {"person": ["p", "p"], "item": ["a", "a"], "rater": ["x", "y"], "score": [1, 2]}
    ... )
    >>> final_scores(ratings, None)["score"].tolist(), final_scores(ratings, "x")["score"].tolist()
    ([2], [1])
    """
    if rater:
        own = ratings[ratings["rater"] == rater]
        if own.empty:
            _refuse_rater(ratings, rater)
        table = own[["person", "item", "score"]].sort_values(["person", "item"])
        return table.astype({"score": "int64"}).reset_index(drop=True)
    grouped = ratings.groupby(["person", "item"], sort=True)["score"]
    total, number = grouped.sum(), grouped.size()
    # floor(mean + 1/2) in whole numbers, so that no half is lost to binary fractions
    score = ((2 * total + number) // (2 * number)).astype("int64")
    return score.rename("score").reset_index()


def _refuse_rater(ratings: pd.DataFrame, rater: str) -> None:
    names = sorted(str(name) for name in ratings["rater"].unique())
    near = difflib.get_close_matches(rater, names, n=1)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    raise StudyError(
        f"The ratings hold no rater '{rater}'.",
        mend=f"{guess}The raters are: {', '.join(names)}. An empty name takes all of them.",
    )
