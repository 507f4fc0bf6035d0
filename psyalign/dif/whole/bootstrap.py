"""Mean and largest effect size over items, with intervals from resampled persons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.dif.counts.cells import FOCAL, REFERENCE, Cells, cells
from psyalign.dif.counts.moments import item_moments, why_not
from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.seeds import generator
from psyalign.foundation.tables import require_columns

__all__ = ["bootstrap_es"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Layout:
    """What all arms share. P persons, of both groups and with a stratum; K strata.

    `indicator` (P, 2K) puts each person into a column: stratum x (reference, focal).
    `weights` (B + 1, P): row 0 is the sample itself, the others are resamples.
    """

    persons: pd.Index
    items: list[str]
    indicator: Array
    weights: Array


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
    layout = _layout(human, group, stratum, replicates, seed)
    human_matrix = _matrix(human, layout, "human")
    effects = {}
    for arm, scores in scores_by_arm.items():
        unit = human_matrix if sd == "human" else None
        effects[arm] = _effects(_matrix(scores, layout, arm), unit, layout)
        # the same items as in `analyse`: an item without variation has no ES, not one of 0
        effects[arm][:, ~_estimable(cells(scores, group, stratum), layout.items)] = np.nan
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    start = effects.get(baseline)
    rows = []
    for arm, es in effects.items():
        row = {"arm": arm, "sd_kind": sd, **_summary(es, tails)}
        rows.append(row | _change(es, None if arm == baseline else start, tails))
    return pd.DataFrame(rows)


def _layout(human: pd.DataFrame, group: pd.Series, stratum: pd.Series, replicates: int, seed: int) -> _Layout:
    require_columns(human, ["person", "item", "score"], "human")
    if group.index.has_duplicates or stratum.index.has_duplicates:
        raise DataError("A person is there twice.", where="group or stratum")
    member = group[group.isin([REFERENCE, FOCAL])].sort_index()
    place = stratum.reindex(member.index)
    member, place = member[place.notna()], place[place.notna()]
    focal = (member == FOCAL).to_numpy()
    if focal.all() or not focal.any():
        raise DataError("Both groups need persons with a stratum.", where="group")
    code, names = pd.factorize(place)
    indicator = np.zeros((len(member), 2 * len(names)))
    indicator[np.arange(len(member)), code + focal * len(names)] = 1.0
    rng = generator(seed, "dif", "bootstrap")
    weights = np.ones((replicates + 1, len(member)))
    for side in (~focal, focal):
        n = int(side.sum())
        weights[1:, side] = rng.multinomial(n, np.full(n, 1 / n), size=replicates)
    items = [str(item) for item in pd.unique(human["item"])]
    return _Layout(member.index, items, indicator, weights)


def _matrix(scores: pd.DataFrame, layout: _Layout, where: str) -> Array:
    """Scores as (P, items); NaN where there is none."""
    require_columns(scores, ["person", "item", "score"], where)
    if scores.duplicated(["person", "item"]).any():
        raise DataError("A person and item is there twice.", where=f"scores of {where}")
    wide = scores.pivot(index="person", columns="item", values="score")
    return wide.reindex(index=layout.persons, columns=layout.items).to_numpy(dtype=float)


def _estimable(counts: Cells, items: list[str]) -> npt.NDArray[np.bool_]:
    moments = item_moments(counts)
    return np.array([item in moments and not why_not(moments[item], counts) for item in items], dtype=bool)


def _effects(scores: Array, human: Array | None, layout: _Layout) -> Array:
    """ES of each draw and item, (B + 1, items); NaN where not estimable."""
    columns = []
    for position in range(scores.shape[1]):
        value = _smd(scores[:, position], layout)
        unit = _sd(scores[:, position] if human is None else human[:, position], layout.weights)
        columns.append(np.divide(value, unit, out=np.full_like(value, np.nan), where=unit > 1e-9))
    return np.column_stack(columns)


def _smd(y: Array, layout: _Layout) -> Array:
    """Focal-weighted mean difference of each draw, (B + 1,)."""
    there = np.isfinite(y)
    used = layout.indicator * there[:, None]
    n = layout.weights @ used
    sums = layout.weights @ (used * np.where(there, y, 0.0)[:, None])
    half = n.shape[1] // 2
    n_reference, n_focal = n[:, :half], n[:, half:]
    both = (n_reference > 0) & (n_focal > 0)
    safe = np.maximum(n, 1.0)
    means = sums / safe
    weight = np.where(both, n_focal, 0.0)
    size = weight.sum(axis=1)
    total = (weight * (means[:, half:] - means[:, :half])).sum(axis=1)
    out: Array = np.full(len(total), np.nan)
    np.divide(total, size, out=out, where=size > 0)
    return out


def _sd(y: Array, weights: Array) -> Array:
    """SD (n - 1) of each draw, (B + 1,)."""
    there = np.isfinite(y)
    if not there.any():
        return np.full(len(weights), np.nan)
    centred = y[there] - y[there].mean()
    mine = weights[:, there]
    n = mine.sum(axis=1)
    squares = mine @ centred**2 - (mine @ centred) ** 2 / np.maximum(n, 1.0)
    return np.asarray(np.sqrt(np.maximum(squares, 0.0) / np.maximum(n - 1, 1.0)))


def _mean(values: Array) -> Array:
    """Mean over items that are not NaN; NaN where all are."""
    known = np.isfinite(values)
    n = known.sum(axis=1)
    sums = np.where(known, values, 0.0).sum(axis=1)
    out: Array = np.full(len(values), np.nan)
    np.divide(sums, n, out=out, where=n > 0)
    return out


def _interval(draws: Array, tails: Array) -> tuple[float, float]:
    known = draws[np.isfinite(draws)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, tails)
    return float(low), float(high)


def _summary(es: Array, tails: Array) -> dict[str, float]:
    mean = _mean(es)
    largest = np.where(np.isfinite(es), np.abs(es), -np.inf).max(axis=1, initial=-np.inf)
    largest = np.where(np.isfinite(largest), largest, np.nan)
    mean_low, mean_high = _interval(mean[1:], tails)
    max_low, max_high = _interval(largest[1:], tails)
    return {
        "mean_es": float(mean[0]),
        "mean_low": mean_low,
        "mean_high": mean_high,
        "max_abs_es": float(largest[0]),
        "max_low": max_low,
        "max_high": max_high,
        "mean_abs_es": float(_mean(np.abs(es))[0]),
    }


def _change(es: Array, start: Array | None, tails: Array) -> dict[str, float]:
    nothing = float("nan")
    if start is None:
        return {"change": nothing, "change_low": nothing, "change_high": nothing, "change_p": nothing}
    change = _mean(es - start)
    draws = change[1:][np.isfinite(change[1:])]
    low, high = _interval(draws, tails)
    # the sample itself counts as a draw, so that p is never 0
    side = min((draws <= 0).sum(), (draws >= 0).sum())
    p = min(2 * (1 + int(side)) / (1 + len(draws)), 1.0) if len(draws) else nothing
    return {"change": float(change[0]), "change_low": low, "change_high": high, "change_p": float(p)}
