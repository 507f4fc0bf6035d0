"""Mean and largest effect size over items, with intervals from resampled persons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.dif.counts.cells import FOCAL, REFERENCE, Cells, cells
from psyalign.dif.counts.moments import item_moments, why_not
from psyalign.dif.methods.smd import smd_kernel
from psyalign.dif.whole.resample import Layer, person_bootstrap
from psyalign.foundation.draws import inverted_p, percentile_interval
from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.tables import require_columns

__all__ = ["bootstrap_es"]

Array = npt.NDArray[np.float64]

# Below it there is no unit to express an effect in.
SMALLEST_SD = 1e-9


def bootstrap_es(
    scores_by_arm: Mapping[str, pd.DataFrame],
    group: pd.Series,
    stratum: pd.Series,
    *,
    human: pd.DataFrame,
    sd: Literal["human", "own"] = "human",
    replicates: int = 1000,
    seed: int = 0,
    baseline: str = "baseline",
    level: float = 0.95,
) -> pd.DataFrame:
    """Mean ES, mean |ES| and largest |ES| over items, by arm.

    Persons are drawn with replacement within each group, with all their items, and the
    same draws serve all arms, so that the change against the baseline is paired. The
    SDs are computed anew in each draw; the strata stay.

    Parameters
    ----------
    scores_by_arm : mapping of str to pandas.DataFrame
        Columns person, item, score (fractions allowed).
    group, stratum : pandas.Series
        By person, see `cells`.
    human : pandas.DataFrame
        Human scores, columns person, item, score: their items are the items, their SDs
        (n - 1, both groups) the unit if `sd` is "human".
    sd : {"human", "own"}
        "own": each arm's ES against its own SD, which shrunken scores cannot beautify.
    replicates : int
        Number of resamples, at least 1.
    seed : int
        The study's seed.
    baseline : str
        Arm that the change is counted from; need not be there (then no change).
    level : float
        Coverage of the percentile intervals.

    Returns
    -------
    pandas.DataFrame
        Columns arm, sd_kind, mean_es, mean_low, mean_high, max_abs_es, max_low,
        max_high, mean_abs_es, change, change_low, change_high, change_p. The change is
        in mean ES over items estimable in both arms; its p is twice the smaller share of
        resamples on one side of 0. Items that `analyse` cannot estimate in an arm are left
        out of its mean. Noise makes |ES| larger, so the interval of the largest one sits
        too high: compare it between arms, do not read it as a test.

    References
    ----------
    Davison, A. C., & Hinkley, D. V. (1997). Bootstrap methods and their application.
    """
    if sd not in ("human", "own"):
        raise UsageError(f"SD kind '{sd}' is unknown.", where="sd", mend="Use human or own.")
    if replicates < 1:
        raise UsageError("At least one replicate is needed.", where="replicates")
    member, place = _persons(group, stratum)
    items = [str(item) for item in pd.unique(human["item"])]
    where = {"human scores": human, **{f"scores of {arm}": table for arm, table in scores_by_arm.items()}}
    layers = [
        Layer(_matrix(table, member.index, items, name), place.to_numpy(dtype=float))
        for name, table in where.items()
    ]
    found = _effects(layers, (member == FOCAL).to_numpy().astype(np.int64), sd, replicates, seed)
    effects = dict(zip(scores_by_arm, found, strict=True))
    for arm, es in effects.items():
        # the same items as in `analyse`: an item without variation has no ES, not one of 0
        es[:, ~_estimable(cells(scores_by_arm[arm], group, stratum), items)] = np.nan
    start = effects.get(baseline)
    rows = []
    for arm, es in effects.items():
        row = {"arm": arm, "sd_kind": sd, **_summary(es, level)}
        rows.append(row | _change(es, None if arm == baseline else start, level))
    return pd.DataFrame(rows)


def _persons(group: pd.Series, stratum: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Group and stratum of the persons who have both."""
    if group.index.has_duplicates or stratum.index.has_duplicates:
        raise DataError("A person is there twice.", where="group or stratum")
    member = group[group.isin([REFERENCE, FOCAL])]
    place = stratum.reindex(member.index)
    member, place = member[place.notna()], place[place.notna()]
    if member.nunique() < 2:
        raise DataError("Both groups need persons with a stratum.", where="group")
    return member, place


def _matrix(scores: pd.DataFrame, persons: pd.Index, items: list[str], where: str) -> Array:
    """Scores as (persons, items); NaN where there is none."""
    require_columns(scores, ["person", "item", "score"], where)
    if scores.duplicated(["person", "item"]).any():
        raise DataError("A person and item is there twice.", where=where)
    wide = scores.pivot(index="person", columns="item", values="score")
    return wide.reindex(index=persons, columns=items).to_numpy(dtype=float)


def _estimable(counts: Cells, items: list[str]) -> npt.NDArray[np.bool_]:
    moments = item_moments(counts)
    return np.array([item in moments and not why_not(moments[item], counts) for item in items], dtype=bool)


def _effects(
    layers: list[Layer], focal: npt.NDArray[np.int64], sd: str, replicates: int, seed: int
) -> list[Array]:
    """ES of the sample (first row), each draw and item, (B + 1, items), by arm; layers: human, then arms."""
    n_items = layers[0].values.shape[1]
    value = np.full((len(layers), replicates + 1, n_items), np.nan)
    unit = value.copy()
    for rows, chunk in person_bootstrap(focal, layers, replicates=replicates, seed=seed):
        for layer, blocks in enumerate(chunk):
            for block in blocks:
                value[layer][rows, block.items] = smd_kernel(block.moments)["smd"].T
                unit[layer][rows, block.items] = block.moments.sd.T
    if sd == "human":
        unit[:] = unit[0]
    es = np.divide(value, unit, out=np.full_like(value, np.nan), where=unit > SMALLEST_SD)
    return list(es[1:])


def _mean(values: Array) -> Array:
    """Mean over items that are not NaN; NaN where all are."""
    known = np.isfinite(values)
    n = known.sum(axis=1)
    sums = np.where(known, values, 0.0).sum(axis=1)
    out: Array = np.full(len(values), np.nan)
    np.divide(sums, n, out=out, where=n > 0)
    return out


def _summary(es: Array, level: float) -> dict[str, float]:
    mean = _mean(es)
    largest = np.where(np.isfinite(es), np.abs(es), -np.inf).max(axis=1, initial=-np.inf)
    largest = np.where(np.isfinite(largest), largest, np.nan)
    mean_low, mean_high = percentile_interval(mean[1:], level)
    max_low, max_high = percentile_interval(largest[1:], level)
    return {
        "mean_es": float(mean[0]),
        "mean_low": mean_low,
        "mean_high": mean_high,
        "max_abs_es": float(largest[0]),
        "max_low": max_low,
        "max_high": max_high,
        "mean_abs_es": float(_mean(np.abs(es))[0]),
    }


def _change(es: Array, start: Array | None, level: float) -> dict[str, float]:
    nothing = float("nan")
    if start is None:
        return {"change": nothing, "change_low": nothing, "change_high": nothing, "change_p": nothing}
    change = _mean(es - start)
    low, high = percentile_interval(change[1:], level)
    p = inverted_p(change[1:])
    return {"change": float(change[0]), "change_low": low, "change_high": high, "change_p": p}
