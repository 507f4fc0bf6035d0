"""Wordings of one answer whose same intention raters deny: part of the stage "tables"."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.agreement.suppress import MIN_CELL
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import read_texts
from psyalign.pipeline.stages.feedback_records import feedback_tables
from psyalign.pipeline.stages.matrices import expected_scores

__all__ = ["DeniedGap", "denied_gap", "denied_table"]

NOTHING = float("nan")


class DeniedGap(NamedTuple):
    """Result of `denied_gap`, in score points; NaN where it is not estimable, and `reason` says why.

    Attributes
    ----------
    same, denied : float
        Mean gap of the judgements that say "same" and of those that say "not the same", at one mix of items.
    difference, low, high : float
        denied − same, and its 95% confidence interval.
    n, n_denied, n_persons : int
        Judgements, those that say "not the same", and persons whose answers were judged.
    reason : str
    """

    same: float
    denied: float
    difference: float
    low: float
    high: float
    n: int
    n_denied: int
    n_persons: int
    reason: str = ""


def denied_table(run: Run) -> dict[str, pd.DataFrame]:
    """How far apart the baseline scores the wordings of one answer that raters affirm, and deny.

    Only two wordings of one answer count, which are meant to say the same: of answers by different persons,
    those that differ in score should be denied.

    Returns
    -------
    dict of str to DataFrame
        "denied": one row, the fields of `DeniedGap`. No table if no rater denied such a pair.
    """
    judged = feedback_tables(run)["equivalences"]
    texts = read_texts(run)
    for side in ("a", "b"):
        named = texts[["response_id", "person"]].set_axis([f"response_{side}", f"person_{side}"], axis=1)
        judged = judged.merge(named, on=f"response_{side}")
    judged = judged[judged["person_a"] == judged["person_b"]]
    if judged["same"].all():
        return {}
    baseline = run.path("reward", "reference.parquet")
    first, second = (expected_scores(baseline, judged[f"response_{side}"]) for side in ("a", "b"))
    found = denied_gap(np.abs(first - second), ~judged["same"], judged["item"], judged["person_a"])
    return {"denied": pd.DataFrame([found._asdict()])}


def denied_gap(
    gap: npt.ArrayLike, denied: npt.ArrayLike, item: npt.ArrayLike, person: npt.ArrayLike
) -> DeniedGap:
    """How much further apart a scorer puts the pairs that raters deny than those that they affirm.

    Least squares of the gap on items and denial. Errors are clustered by person (Liang & Zeger, 1986), as
    several raters may judge a pair, and pairs of one person belong to several items; with statsmodels'
    small-sample factor, and t with (persons − 1) degrees of freedom.

    Parameters
    ----------
    gap : array_like (N,)
        Size of the difference in expected score between the two texts of each judgement.
    denied : array_like (N,)
        Whether the rater said "not the same".
    item, person : array_like (N,)
        Names.

    Returns
    -------
    DeniedGap
        Without numbers if too few persons' answers were affirmed, or denied, or no item had both verdicts.
    """
    table = pd.DataFrame({"gap": np.asarray(gap, dtype=float)}).assign(
        denied=np.asarray(denied, dtype=bool), item=np.asarray(item), person=np.asarray(person)
    )
    counts = (len(table), int(table["denied"].sum()), table["person"].nunique())
    nothing = (NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, *counts)
    persons = table.groupby("denied")["person"].nunique()
    if min(int(persons.get(side, 0)) for side in (False, True)) < MIN_CELL:
        return DeniedGap(*nothing, f"fewer than {MIN_CELL} persons' answers were affirmed, or denied")
    if not (table.groupby("item")["denied"].nunique() > 1).any():
        return DeniedGap(*nothing, "no item has pairs affirmed and pairs denied")
    from statsmodels.api import OLS  # 1 s to import, and needed only here

    design = pd.get_dummies(table["item"], dtype=float).assign(denied=table["denied"].astype(float))
    clusters = {"groups": pd.factorize(table["person"])[0]}
    fit = OLS(table["gap"], design).fit(cov_type="cluster", cov_kwds=clusters, use_t=True)
    difference = float(fit.params["denied"])
    low, high = (float(end) for end in fit.conf_int().loc["denied"])
    # residuals of least squares sum to 0, so that this is the mean of the item effects
    same = float(table["gap"].mean() - difference * table["denied"].mean())
    return DeniedGap(same, same + difference, difference, low, high, *counts)
