"""All DIF statistics of one set of scores in one table."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import pandas as pd

from psyalign.dif.counts.cells import cells
from psyalign.dif.judgement.classes import ES_LARGE, ES_MODERATE, adjust_p
from psyalign.dif.methods.mantel import mantel
from psyalign.dif.methods.ordinal import ordinal
from psyalign.dif.methods.smd import smd
from psyalign.foundation.errors import UsageError

__all__ = ["COLUMNS", "METHODS", "analyse"]

METHODS = ("mantel", "smd", "ordinal")

COLUMNS = (
    "item",
    "n_reference",
    "n_focal",
    "smd",
    "se",
    "z",
    "p",
    "p_adjusted",
    "es",
    "es_own",
    "es_class",
    "mantel_z",
    "mantel_p",
    "lr_total",
    "lr_total_p",
    "lr_uniform",
    "lr_uniform_p",
    "lr_nonuniform",
    "lr_nonuniform_p",
    "nagelkerke_change",
    "estimable",
    "reason",
)


def analyse(
    scores: pd.DataFrame,
    group: pd.Series,
    stratum: pd.Series | pd.DataFrame,
    human_sd: pd.Series | None = None,
    *,
    alpha: float = 0.05,
    correction: str = "holm",
    methods: Sequence[str] = METHODS,
    match: pd.Series | None = None,
    es_moderate: float = ES_MODERATE,
    es_large: float = ES_LARGE,
) -> pd.DataFrame:
    """DIF of each item by the methods asked for.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns person, item, score; fractions allowed (the ordinal method rounds).
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
        Of "mantel", "smd", "ordinal".
    match : pandas.Series, optional
        Matching variable of the ordinal method by person (the unbinned total);
        default the strata.
    es_moderate, es_large : float
        Thresholds on |ES|.

    Returns
    -------
    pandas.DataFrame
        One row an item, `COLUMNS`; NaN where a method was not asked for or not
        estimable. n_reference and n_focal are the persons whom Mantel and SMD
        use (strata with both groups); p_adjusted belongs to the SMD, else to Mantel,
        else to lr_total, whichever was asked for first in this order; `estimable` is
        that method's, and `reason` names every method that failed.
    """
    _check_methods(methods)
    counts = cells(scores, group, stratum)
    found = {}
    if "smd" in methods:
        found["smd"] = smd(counts, sd=human_sd, alpha=alpha, moderate=es_moderate, large=es_large).table
    if "mantel" in methods:
        found["mantel"] = mantel(counts).table
    if "ordinal" in methods:
        found["ordinal"] = ordinal(counts if match is None else cells(scores, group, match)).table
    main, p = next((name, p) for name, p in MAIN_P if name in found)
    out = found[main][["n_reference", "n_focal", "estimable"]].copy()
    for table in found.values():
        out = out.join(table[[name for name in table.columns if name in COLUMNS and name not in out.columns]])
    out["reason"] = _reasons(found)
    out["p_adjusted"] = adjust_p(out[p], correction)
    out = out.rename_axis("item").reset_index().reindex(columns=list(COLUMNS))
    out["es_class"] = out["es_class"].astype(object).where(out["es_class"].notna(), "").astype("str")
    return out


# Which p is corrected, and whose "estimable" is the item's.
MAIN_P = (("smd", "p"), ("mantel", "mantel_p"), ("ordinal", "lr_total_p"))


def _check_methods(methods: Sequence[str]) -> None:
    if not methods:
        raise UsageError(
            "No DIF method was asked for.", where="methods", mend="Use " + ", ".join(METHODS) + "."
        )
    for name in methods:
        if name not in METHODS:
            near = difflib.get_close_matches(name, METHODS, n=1)
            guess = f"Did you mean '{near[0]}'? " if near else ""
            raise UsageError(
                f"DIF method '{name}' is unknown.", where="methods", mend=f"{guess}Use {', '.join(METHODS)}."
            )


def _reasons(found: dict[str, pd.DataFrame]) -> pd.Series:
    """Per item: "smd and mantel: reason; ordinal: reason", "" where all were estimable."""
    items = next(iter(found.values())).index
    texts = []
    for item in items:
        by_reason: dict[str, list[str]] = {}
        for name, table in found.items():
            reason = str(table.loc[item, "reason"])
            if reason:
                by_reason.setdefault(reason, []).append(name)
        texts.append("; ".join(f"{' and '.join(names)}: {reason}" for reason, names in by_reason.items()))
    return pd.Series(texts, index=items, dtype="str")
