"""DIF of one set of scores whose strata are given: the methods of a study in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from psyalign.dif.counts.cells import MIN_GROUP, cells
from psyalign.dif.judgement.classes import ES_LARGE, ES_MODERATE
from psyalign.dif.method_table import DEFAULT_METHODS, battery

__all__ = ["COLUMNS", "analyse"]

# Always there, NaN where a method was not asked for: the columns that a report shows.
COLUMNS = (
    *("item", "n_reference", "n_focal", "smd", "se", "z", "p", "p_adjusted", "es", "es_own", "es_class"),
    *("mantel_z", "mantel_p", "lr_total", "lr_total_p", "lr_uniform", "lr_uniform_p", "lr_nonuniform"),
    *("lr_nonuniform_p", "nagelkerke_change", "estimable", "reason"),
)


def analyse(
    scores: pd.DataFrame,
    group: pd.Series,
    stratum: pd.Series | pd.DataFrame,
    human_sd: pd.Series | None = None,
    *,
    alpha: float = 0.05,
    correction: str = "holm",
    methods: Sequence[str] = DEFAULT_METHODS,
    match: pd.Series | None = None,
    es_moderate: float = ES_MODERATE,
    es_large: float = ES_LARGE,
    min_group: int = MIN_GROUP,
) -> pd.DataFrame:
    """DIF of each item by the methods asked for; two groups.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns person, item, score; fractions allowed (methods on score points round).
    group : pandas.Series
        By person: "reference", "focal" or missing (left out).
    stratum : pandas.Series or pandas.DataFrame
        Matching strata, see `cells` and `matching_strata`.
    human_sd : pandas.Series, optional
        SD of the human scores by item, the unit of `es` and `es_class`; default the scores' own.
    alpha : float
        For the class.
    correction : {"holm", "BH", "none"}
        Over the items.
    methods : sequence of str
        Keys of `METHODS`.
    match : pandas.Series, optional
        Matching variable of the regressions by person (the unbinned total);
        default the strata.
    es_moderate, es_large : float
        Thresholds on |ES|.
    min_group : int
        Fewer persons than this in a group: not estimable.

    Returns
    -------
    pandas.DataFrame
        One row an item: `COLUMNS`, then what further methods add. NaN where a method was
        not asked for or not estimable. n_reference and n_focal are the persons whom
        Mantel and SMD use (strata with both groups); p_adjusted belongs to the first
        method in the order of `METHODS` (SMD, else Mantel, else lr_total, …); `estimable`
        is that method's, and `reason` names every method that failed.
    """
    counts = cells(scores, group, stratum, min_group=min_group)
    values = counts if match is None else cells(scores, group, match, min_group=min_group)
    options: Mapping[str, Mapping[str, object]] = {
        "smd": {"sd": human_sd, "alpha": alpha, "moderate": es_moderate, "large": es_large}
    }
    out = battery(counts, values=values, methods=methods, correction=correction, options=options)
    out = out.reset_index()
    further = [name for name in out.columns if name not in COLUMNS]
    out = out.reindex(columns=[*COLUMNS, *further])
    out["es_class"] = out["es_class"].astype(object).where(out["es_class"].notna(), "").astype("str")
    return out
