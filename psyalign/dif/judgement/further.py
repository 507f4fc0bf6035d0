"""What further rated responses would do to the interval of an effect size."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, sqrt
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from psyalign.dif.counts.cells import MIN_GROUP, cells
from psyalign.dif.counts.moments import Moments, item_moments
from psyalign.dif.methods.smd import smd
from psyalign.foundation.errors import UsageError

__all__ = ["POOLED", "further_ratings"]

POOLED = "mean of items"
SIDES = ("reference", "focal")


def further_ratings(
    scores: pd.DataFrame,
    group: pd.Series,
    stratum: pd.Series,
    *,
    sd: pd.Series | None = None,
    half_width: float = 0.17,
    more: int = 100,
    alpha: float = 0.05,
    min_group: int = MIN_GROUP,
) -> pd.DataFrame:
    """How fast the interval of ES = SMD/SD narrows with the rated responses of each group.

    Mantel's variance makes the squared error of the SMD a sum of one part for each group: with s²_k the
    variance of the scores in stratum k, f_k and g_k the shares of stratum k in the n_F focal and the n_R
    reference responses,

        se² = Σ f_k s²_k / n_F + Σ (f_k²/g_k) s²_k / n_R,

    so that further responses, spread over the strata as those there are, shrink their group's part. A
    response counts where its stratum holds both groups; further ones are taken to do so as often as those
    there are. The SD is taken as known.

    Parameters
    ----------
    scores, group, stratum
        See `cells`; two groups. "A response" is one of a further person, with a total to be matched on.
    sd : pandas.Series, optional
        SD by item, the unit of ES; default the scores' own.
    half_width : float
        Wanted half-width of the 1 − alpha interval of ES.
    more : int
        Further responses that `after` reckons with.
    alpha : float
    min_group : int
        Fewer persons than this in a group: not estimable.

    Returns
    -------
    pandas.DataFrame
        Two rows an item, and two for the mean over items, of persons with a score on each (matched on the
        total of the same scores its ES is near 0 by construction). Columns item, group, n (responses used),
        es, half_width, shrink (fall of the half-width by one further response of this group), after
        (half-width after `more` of this group), further (responses of this group alone that reach the wanted
        half-width; missing where they cannot), together (responses of this group, where both groups give the
        cheapest mix that reaches it), estimable, reason.

    Raises
    ------
    UsageError
        half_width not above 0, more below 1, alpha not between 0 and .5.

    References
    ----------
    Mantel (1963), Journal of the American Statistical Association 58, 690–700 (the variance); Neyman (1934),
    Journal of the Royal Statistical Society 97, 558–625 (allocation in proportion to the SDs).
    """
    if not half_width > 0:
        raise UsageError("The wanted half-width must be above 0.", where="half_width")
    if more < 1 or not 0 < alpha < 0.5:
        raise UsageError("`more` must be at least 1, alpha between 0 and .5.", where="more, alpha")
    reach = float(-ndtri(alpha / 2))
    rows: list[dict[str, Any]] = []
    unit = scores.groupby("item")["score"].std(ddof=1) if sd is None else sd
    for table, units in ((scores, unit), (_pooled(scores, unit), pd.Series({POOLED: 1.0}))):
        if table.empty:
            continue
        counts = cells(table, group, stratum, min_group=min_group)
        found, moments = smd(counts, sd=units).table, item_moments(counts)
        for item, row in found.iterrows():
            rows += _rows(str(item), row, moments[str(item)], half_width / reach, more, reach)
    return pd.DataFrame(rows)


def _pooled(scores: pd.DataFrame, sd: pd.Series) -> pd.DataFrame:
    """Each person's mean over the items, in units of their SDs: its SMD is the mean of the items' ES."""
    wide = scores.pivot(index="person", columns="item", values="score") / sd.where(sd > 0)
    mean = wide.dropna(axis=1, how="all").dropna().mean(axis=1)
    return mean.rename("score").reset_index().assign(item=POOLED)


def _parts(moments: Moments) -> tuple[float, float]:
    """n_R and n_F times the parts of se² that further reference and focal responses shrink."""
    both = moments.both
    n, variance = moments.n[both], moments.variance[both]
    spread = variance * n.sum(axis=1) / n.prod(axis=1)  # s²_k
    share = n / n.sum(axis=0)
    focal = share[:, 1] @ spread
    return float((share[:, 1] ** 2 / share[:, 0]) @ spread), float(focal)


def _rows(
    item: str, row: pd.Series, moments: Moments, wanted: float, more: int, reach: float
) -> Iterator[dict[str, Any]]:
    """The two rows of an item; `wanted` is a standard error of ES."""
    common = {"item": item, "es": row["es"], "estimable": bool(row["estimable"]), "reason": row["reason"]}
    names = ("half_width", "shrink", "after", "further", "together")
    if not row["estimable"]:
        for side, name in enumerate(SIDES):
            yield common | {"group": name, "n": int(moments.used[side])} | dict.fromkeys(names, np.nan)
        return
    part = np.array(_parts(moments)) / row["sd"] ** 2
    used, rate = moments.used, moments.used / moments.n_all
    together = _cheapest(part, used, rate, wanted**2)
    for side, name in enumerate(SIDES):
        other = part[1 - side] / used[1 - side]

        def width(further: float, side: int = side, other: float = other) -> float:
            return reach * sqrt(part[side] / (used[side] + rate[side] * further) + other)

        room = wanted**2 - other
        needed = _further(part[side] / room, used[side], rate[side]) if room > 0 else np.nan
        values = (width(0), width(0) - width(1), width(more), needed, together[side])
        yield common | {"group": name, "n": int(used[side])} | dict(zip(names, values, strict=True))


def _cheapest(part: np.ndarray, used: np.ndarray, rate: np.ndarray, wanted: float) -> tuple[float, float]:
    """Further responses of both groups, fewest in all, with part/n summed at most `wanted`."""
    if (part / used).sum() <= wanted:
        return 0.0, 0.0
    size = np.sqrt(part * rate) * np.sqrt(part / rate).sum() / wanted  # Lagrange: n in proportion to these
    for side in (0, 1):
        if size[side] < used[side]:  # has enough already
            size[side] = used[side]
            size[1 - side] = part[1 - side] / (wanted - part[side] / used[side])
            break
    first, second = (_further(size[side], used[side], rate[side]) for side in (0, 1))
    return first, second


def _further(size: float, used: float, rate: float) -> float:
    return float(max(0, ceil((size - used) / rate - 1e-9)))
