"""Coefficient alpha of the matching score, by group: what the regression correction of POLYSIB needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.dif.counts.cells import Array, Cells
from psyalign.dif.counts.moments import Moments, item_moments
from psyalign.foundation.errors import UsageError

__all__ = ["alpha_by_group", "alpha_kernel", "alpha_of_scores", "item_variance", "match_variance"]


def alpha_by_group(
    counts: Cells, *, variable: Literal["rest", "total"] = "rest", matching: Sequence[str] | None = None
) -> pd.DataFrame:
    """Coefficient alpha of the score that each item is matched on, in each group.

    alpha = m / (m - 1) (1 - sum of the m item variances / variance of the matching score).
    The item variances come from each item's own cells, the variance of the matching
    score from the strata of the item that is matched on it.

    Parameters
    ----------
    counts : Cells
        Strata are distinct rest or total scores ("thin"): merged strata vary less than the scores
        in them, and alpha comes out too low. The items must be all of the test, or
        hold all of `matching`. With missing scores the figure is approximate.
    variable : {"rest", "total"}
        Whether the studied item is left out of the matching score.
    matching : sequence of str, optional
        Items of the matching score; default all.

    Returns
    -------
    pandas.DataFrame
        By item (rows) and group (columns). NaN with fewer than two matching items or where the
        matching score does not vary.

    Raises
    ------
    UsageError
        A matching item that the cells do not have, or an unknown variable.

    References
    ----------
    Cronbach, L. J. (1951). Psychometrika 16, 297-334.
    """
    if variable not in ("rest", "total"):
        raise UsageError(f"Matching variable '{variable}' is unknown.", mend="Use rest or total.")
    items = counts.items
    pool = items if matching is None else tuple(matching)
    strange = [item for item in pool if item not in items]
    if strange:
        raise UsageError(f"Matching item '{strange[0]}' is not among the items.", where="matching")
    moments = item_moments(counts)
    within = np.array([item_variance(moments[item]) for item in items])
    total = np.array([match_variance(moments[item]) for item in items])
    part = np.array([[other in pool for other in items] for _ in items])
    np.fill_diagonal(part, variable == "total")
    return pd.DataFrame(alpha_kernel(within, total, part), index=list(items), columns=list(counts.groups))


def alpha_kernel(within: Array, total: Array, part: npt.NDArray[np.bool_]) -> Array:
    """Coefficient alpha for I items in any number of resamples.

    Parameters
    ----------
    within : array (I, ..., G)
        Variance of each item's scores: `item_variance`.
    total : array (I, ..., G)
        Variance of the score that each item is matched on: `match_variance`.
    part : bool array (I, I)
        Row: the item that is studied; columns: the items of its matching score.

    Returns
    -------
    array (I, ..., G)
    """
    m = part.sum(axis=1).astype(float).reshape(-1, *[1] * (within.ndim - 1))
    # an item without a variance must not spoil the scores that it is no part of
    known = ~np.isnan(within)
    summed = np.tensordot(part.astype(float), np.where(known, within, 0.0), axes=1)
    whole = np.tensordot(part.astype(float), (~known).astype(float), axes=1) == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = m / (m - 1) * (1 - summed / total)
    return np.asarray(np.where((m > 1) & (total > 0) & whole, alpha, np.nan))


def item_variance(moments: Moments) -> Array:
    """(..., G): variance (n - 1) of the item's scores in each group; NaN below two persons."""
    return _variance(moments.n.sum(axis=-2), moments.sums.sum(axis=-2), moments.squares.sum(axis=-2))


def match_variance(moments: Moments) -> Array:
    """(..., G): variance (n - 1) of the strata's values in each group; NaN below two persons."""
    x = (moments.stratum - moments.stratum.mean() if len(moments.stratum) else moments.stratum)[:, None]
    return _variance(moments.n.sum(axis=-2), (moments.n * x).sum(axis=-2), (moments.n * x**2).sum(axis=-2))


def alpha_of_scores(values: npt.ArrayLike) -> float:
    """Coefficient alpha of a persons x items matrix; persons with a missing (NaN) score are left out.

    Variances have n - 1. NaN with fewer than two persons or items, or where totals do not vary.

    Examples
    --------
    >>> round(alpha_of_scores([[0, 0], [1, 2], [2, 1], [3, 3]]), 4)
    0.8889
    """
    table = np.asarray(values, dtype=float)
    table = table[~np.isnan(table).any(axis=1)]
    m = table.shape[1]
    if m < 2 or len(table) < 2:
        return float("nan")
    total = table.sum(axis=1).var(ddof=1)
    return float(m / (m - 1) * (1 - table.var(axis=0, ddof=1).sum() / total)) if total > 0 else float("nan")


def _variance(n: Array, sums: Array, squares: Array) -> Array:
    spread = np.maximum(squares - sums**2 / np.maximum(n, 1.0), 0.0)
    return np.asarray(np.where(n > 1, spread / np.maximum(n - 1, 1.0), np.nan))
