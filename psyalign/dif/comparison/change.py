"""Change in DIF between two scorings of the same persons: a paired test in closed form."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from psyalign.dif.counts.cells import Cells, cells
from psyalign.dif.judgement.classes import adjust_p
from psyalign.dif.methods.mantel import mantel
from psyalign.dif.methods.smd import smd
from psyalign.foundation.tables import require_columns

__all__ = ["change_table", "compare"]


def compare(
    before: pd.DataFrame,
    after: pd.DataFrame,
    group: pd.Series,
    stratum: pd.Series | pd.DataFrame,
    *,
    sd: pd.Series | None = None,
    alpha: float = 0.05,
    correction: str = "holm",
) -> pd.DataFrame:
    """Test the change in SMD, item by item, on D = after - before.

    With strata that neither scoring can move, SMD and Mantel are linear in the scores:
    those of D are the change and its test (METHODS.md: Type I .051 and power .86 where
    two independent z values give .000 and .108).

    Parameters
    ----------
    before, after : pandas.DataFrame
        Columns person, item, score. Used are persons and items in both.
    group, stratum
        See `cells`. The strata must not come from either scoring.
    sd : pandas.Series, optional
        SD by item (human scores): the change is then in units of ES; default score points.
    alpha : float
        The interval covers 1 - alpha.
    correction : {"holm", "BH", "none"}
        Over the items.

    Returns
    -------
    pandas.DataFrame
        Columns item, change (focal minus reference, after minus before), se, z, p,
        p_adjusted, low, high, mantel_z, mantel_p, estimable, reason. Where no score
        within the strata changed by more or less than another, the change is 0 with p = 1.
    """
    for table, where in ((before, "before"), (after, "after")):
        require_columns(table, ["person", "item", "score"], where)
    both = before[["person", "item", "score"]].merge(
        after[["person", "item", "score"]], on=["person", "item"], suffixes=("_before", "_after"),
        validate="one_to_one",
    )  # fmt: skip
    counts = cells(both.assign(score=both["score_after"] - both["score_before"]), group, stratum)
    return change_table(counts, sd=sd, alpha=alpha, correction=correction)


def change_table(
    counts: Cells, *, sd: pd.Series | None = None, alpha: float = 0.05, correction: str = "holm"
) -> pd.DataFrame:
    """The table of `compare`, from cells of the differences after - before."""
    table = smd(counts).table.join(mantel(counts).table[["mantel_z", "mantel_p"]])
    unit = pd.Series(1.0, index=table.index) if sd is None else sd.reindex(table.index)
    unit = unit.where(unit > 0)
    out = pd.DataFrame(
        {"change": table["smd"] / unit, "se": table["se"] / unit, "z": table["z"], "p": table["p"]}
    )
    out = out.join(table[["mantel_z", "mantel_p", "estimable", "reason"]])
    out = _settle(out, unit)
    out["p_adjusted"] = adjust_p(out["p"], correction)
    reach = float(-ndtri(alpha / 2)) * out["se"]
    out = out.assign(low=out["change"] - reach, high=out["change"] + reach).rename_axis("item").reset_index()
    first = ["item", "change", "se", "z", "p", "p_adjusted", "low", "high"]
    return out[[*first, "mantel_z", "mantel_p", "estimable", "reason"]]


# Differences that do not vary are an answer here (nothing changed for anybody
# differently), not a failure as they are for scores.
NO_CHANGE = ("all persons have the same score", "scores do not vary within strata")


def _settle(out: pd.DataFrame, unit: pd.Series) -> pd.DataFrame:
    """Rows where D is constant: change 0, p 1. Rows without a unit: not estimable."""
    still = out["reason"].isin(NO_CHANGE) & unit.notna()
    out.loc[still, ["change", "se", "z", "mantel_z"]] = 0.0
    out.loc[still, ["p", "mantel_p"]] = 1.0
    out.loc[still, "reason"] = ""
    lost = out["estimable"] & unit.isna()
    out.loc[lost, ["z", "p", "mantel_z", "mantel_p"]] = np.nan
    out.loc[lost, "reason"] = "no SD to express the change in"
    out["estimable"] = (out["estimable"] | still) & ~lost
    return out
