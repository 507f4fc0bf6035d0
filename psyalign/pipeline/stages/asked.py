"""What the run's score feedback asks to change for each group: part of the stage "tables"."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import stdtrit

from psyalign.agreement.suppress import MIN_CELL
from psyalign.dif import rater_error
from psyalign.dif.rater_bias import ALL_ITEMS
from psyalign.foundation.tables import read_table
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import group_of, read_persons, read_scores, read_texts
from psyalign.pipeline.stages.matrices import expected_scores

__all__ = ["AskedChange", "asked_change", "asked_table"]

FEEDBACK, CRITERION, BASELINE = "feedback", "criterion", "baseline"
NOTHING = float("nan")


class AskedChange(NamedTuple):
    """Result of `asked_change`, in score points; NaN where it is not estimable, and `reason` says why.

    Attributes
    ----------
    reference, focal : float
        Mean change of the group, at the mix of items of all responses.
    difference, low, high : float
        focal − reference, and its 95% confidence interval.
    n : int
        Responses.
    n_reference, n_focal : int
        Persons.
    reason : str
    """

    reference: float
    focal: float
    difference: float
    low: float
    high: float
    n: int
    n_reference: int
    n_focal: int
    reason: str = ""


def asked_table(run: Run) -> dict[str, pd.DataFrame]:
    """The feedback's scores against the baseline's and the criterion's, by group.

    Returns
    -------
    dict of str to DataFrame
        "asked": grouping, scores, against, and the fields of `AskedChange`. Of the criterion only if
        feedback persons have such scores and the feedback's are others. No table without score feedback.
    """
    scores = read_table(run.path("feedback", "scores.parquet"))
    if not len(scores):
        return {}
    texts = read_texts(run)[["response_id", "person", "item"]]
    judged = scores[["response_id", "score"]].merge(texts, on="response_id", validate="one_to_one")
    judged[BASELINE] = expected_scores(run.path("reward", "reference.parquet"), judged["response_id"])
    judged = judged.rename(columns={"score": FEEDBACK})
    criterion = read_scores(run, "criterion", "feedback")[["person", "item", "score"]]
    both = judged.merge(criterion.rename(columns={"score": CRITERION}), on=["person", "item"])
    compared = [(judged, FEEDBACK, BASELINE)]
    if len(both) and (both[FEEDBACK] != both[CRITERION]).any():
        compared += [(both, CRITERION, BASELINE), (both, FEEDBACK, CRITERION)]
    persons, rows = read_persons(run), []
    for name in run.study.groups:
        groups = group_of(run, name, persons)
        for table, first, second in compared:
            group = table["person"].map(groups)
            known = table[group.notna()]
            found = asked_change(
                known[first] - known[second],
                group[group.notna()] == "focal",
                known["item"],
                known["person"],
            )
            rows.append({"grouping": name, "scores": first, "against": second} | found._asdict())
    return {"asked": pd.DataFrame(rows)}


def asked_change(
    change: npt.ArrayLike, focal: npt.ArrayLike, item: npt.ArrayLike, person: npt.ArrayLike
) -> AskedChange:
    """Mean change that new scores ask for, by group, and how much more for the focal group.

    The difference and its error are the marginal figure of `rater_error` over all items: least squares of the
    change on items and group, errors clustered by person. As a panel may judge few persons, the interval
    takes t with (persons − 1) degrees of freedom where that table refers to the normal.

    Where the changes are raters' scores minus those of a scorer, the difference also holds what the scorer's
    shrinking towards the middle makes of a difference in ability; raters' scores minus a criterion are
    free of that.

    Parameters
    ----------
    change : array_like (N,)
        New score minus old score of each response.
    focal : array_like (N,)
        Whether the person is of the focal group.
    item, person : array_like (N,)
        Names.

    Returns
    -------
    AskedChange
        Without numbers if a group has too few persons, or every item is answered by one group only.
    """
    table = pd.DataFrame({"machine": np.asarray(change, dtype=float), "human": 0.0}).assign(
        focal=np.asarray(focal, dtype=bool), item=np.asarray(item), person=np.asarray(person)
    )
    persons = table.groupby("focal")["person"].nunique()
    few, many = (int(persons.get(side, 0)) for side in (False, True))
    nothing = (NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, len(table), few, many)
    if min(few, many) < MIN_CELL:
        return AskedChange(*nothing, f"fewer than {MIN_CELL} persons in a group")
    if not (table.groupby("item")["focal"].nunique() > 1).any():
        return AskedChange(*nothing, "no item is answered by both groups")
    grouped = table.assign(group=table["focal"].map({False: "reference", True: "focal"}))
    every = rater_error(grouped, min_group=1).table.query(f"item == '{ALL_ITEMS}' and method == 'marginal'")
    found = every.iloc[0]
    difference = float(found["estimate"])
    reach = float(stdtrit(found["n_persons"] - 1, 0.975) * found["se"])
    # residuals of least squares sum to 0, so that this is the mean of the item effects
    reference = float(table["machine"].mean() - difference * table["focal"].mean())
    ends = (difference - reach, difference + reach)
    return AskedChange(reference, reference + difference, difference, *ends, len(table), few, many)
