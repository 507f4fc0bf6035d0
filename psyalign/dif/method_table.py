"""Every DIF method by name, and all of those asked for in one table, one row an item."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from psyalign.dif.counts.cells import Cells
from psyalign.dif.judgement.classes import adjust_p
from psyalign.dif.methods.adjacent import adjacent
from psyalign.dif.methods.breslow_day import breslow_day
from psyalign.dif.methods.crossing import crossing_polysib
from psyalign.dif.methods.gmh import gmh
from psyalign.dif.methods.liu_agresti import liu_agresti
from psyalign.dif.methods.location_scale import location_scale
from psyalign.dif.methods.logistic import logistic
from psyalign.dif.methods.mantel import mantel
from psyalign.dif.methods.mantel_haenszel import mantel_haenszel
from psyalign.dif.methods.ordinal import ordinal
from psyalign.dif.methods.polysib import polysib
from psyalign.dif.methods.smd import smd
from psyalign.dif.methods.standardisation import standardisation
from psyalign.dif.result import DifResult
from psyalign.foundation.errors import UsageError

__all__ = ["DEFAULT_METHODS", "METHODS", "Method", "battery", "check_methods"]

DEFAULT_METHODS = ("mantel", "smd", "ordinal")


@dataclass(frozen=True)
class Method:
    """A method of the battery.

    Attributes
    ----------
    run : callable
        Cells to result.
    p : str
        Column of the p value that is corrected for the number of items.
    strata : {"strata", "values", "rest"}
        What it matches on: the strata, the matching variable's distinct values (a
        regression needs no strata), or the strata of the rest score.
    name : str
        In prose.
    """

    run: Callable[[Cells], DifResult]
    p: str
    strata: Literal["strata", "values", "rest"]
    name: str


# In the order in which the first one that was asked for gives `p_adjusted` and `estimable`.
METHODS: Mapping[str, Method] = {
    "smd": Method(smd, "p", "strata", "standardised mean difference"),
    "mantel": Method(mantel, "mantel_p", "strata", "Mantel"),
    "ordinal": Method(ordinal, "lr_total_p", "values", "ordinal logistic"),
    "liu_agresti": Method(liu_agresti, "la_p", "strata", "Liu–Agresti"),
    "gmh": Method(gmh, "gmh_p", "strata", "generalised Mantel–Haenszel"),
    "location_scale": Method(location_scale, "scale_p", "values", "location–scale"),
    "adjacent": Method(adjacent, "adjacent_lr_total_p", "values", "adjacent-category logistic"),
    "polysib": Method(polysib, "polysib_p", "rest", "POLYSIB"),
    "crossing_polysib": Method(crossing_polysib, "csib_p", "rest", "crossing POLYSIB"),
    "mantel_haenszel": Method(mantel_haenszel, "mh_p", "strata", "Mantel–Haenszel"),
    "breslow_day": Method(breslow_day, "bd_p", "strata", "Breslow–Day"),
    "logistic": Method(logistic, "logistic_lr_total_p", "values", "logistic"),
    "standardisation": Method(standardisation, "std_p", "strata", "standardisation"),
}
# Columns that every method has; the battery keeps those of the first one.
SHARED = frozenset({"n_reference", "n_focal", "n_strata", "share_used", "estimable", "reason"})


def check_methods(methods: Sequence[str]) -> None:
    """Raise a UsageError unless all methods are known and there is one."""
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


def battery(
    counts: Cells,
    *,
    values: Cells | None = None,
    rest: Cells | None = None,
    methods: Sequence[str] = DEFAULT_METHODS,
    correction: str = "holm",
    options: Mapping[str, Mapping[str, object]] | None = None,
) -> pd.DataFrame:
    """DIF of each item by the methods asked for; two groups.

    Parameters
    ----------
    counts : Cells
        By matching stratum.
    values : Cells, optional
        By distinct value of the matching variable, for the regressions; default `counts`.
    rest : Cells, optional
        By stratum of the rest score, for POLYSIB; default `counts`.
    methods : sequence of str
        Keys of `METHODS`.
    correction : {"holm", "BH", "none"}
        Over the items, method by method.
    options : mapping of method to keyword arguments
        As in ``{"smd": {"sd": human_sd}}``.

    Returns
    -------
    pandas.DataFrame
        Indexed by item: all columns of the methods; n_reference, n_focal, n_strata and
        estimable of the first one in the order of `METHODS`; for each p a column
        `<p>_adjusted`; `p_adjusted` is the first method's; `reason` names each method
        that failed.
    """
    check_methods(methods)
    by_strata = {"strata": counts, "values": values or counts, "rest": rest or counts}
    found: dict[str, pd.DataFrame] = {}
    for name, method in METHODS.items():
        if name in methods:
            given = dict((options or {}).get(name, {}))
            found[name] = method.run(by_strata[method.strata], **given).table
    first = next(iter(found))
    out = found[first].copy()
    for name, table in found.items():
        if name != first:
            fresh = [column for column in table.columns if column not in SHARED | set(out.columns)]
            out = out.join(table[fresh])
        p = METHODS[name].p
        if p in out:
            out[f"{p}_adjusted"] = adjust_p(out[p], correction)
    if METHODS[first].p in out:
        out["p_adjusted"] = out[f"{METHODS[first].p}_adjusted"]
    out["reason"] = _reasons(found)
    return out


def _reasons(found: Mapping[str, pd.DataFrame]) -> pd.Series:
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
