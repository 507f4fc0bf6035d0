"""Sums over the cells that the Mantel test and the SMD share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.dif.cells import GROUPS, Cells

__all__ = ["Moments", "item_moments", "too_few", "why_not"]

Array = npt.NDArray[np.float64]

# With fewer persons than this in a group nothing is computed: a z of three persons is noise.
MIN_GROUP = 4
# Differences below this share of the item's largest score are rounding, not variation.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Moments:
    """One item's counts and sums; arrays over strata with both groups, scores centred on the item mean.

    `n_all` are the persons of both groups before the other strata are dropped, and
    `sd` (n - 1) is over these. `variance` is the hypergeometric variance V_k of the
    focal sum given the margins (Mantel, 1963).
    """

    n_reference: Array
    n_focal: Array
    sum_reference: Array
    sum_focal: Array
    squares_reference: Array
    squares_focal: Array
    n_all: tuple[int, int]
    sd: float

    @property
    def total(self) -> Array:
        return self.n_reference + self.n_focal

    @property
    def used(self) -> tuple[int, int]:
        """Persons (reference, focal) in strata with both groups."""
        return int(self.n_reference.sum()), int(self.n_focal.sum())

    @property
    def share_used(self) -> float:
        """Share of the item's persons who are in strata with both groups."""
        return sum(self.used) / sum(self.n_all) if sum(self.n_all) else 0.0

    @property
    def variance(self) -> Array:
        sums = self.sum_reference + self.sum_focal
        spread = self.total * (self.squares_reference + self.squares_focal) - sums**2
        spread = np.where(spread <= ROUNDING * (np.abs(spread) + sums**2), 0.0, spread)
        return self.n_reference * self.n_focal * spread / (self.total**2 * (self.total - 1))


def item_moments(counts: Cells) -> dict[str, Moments]:
    """Moments of each item of a cell table."""
    by_item = dict(list(counts.table.groupby("item", sort=False)))
    return {item: _moments(by_item.get(item, counts.table.iloc[:0])) for item in counts.items}


def _moments(table: pd.DataFrame) -> Moments:
    """Moments of one item from its part of the cell table."""
    n = table["count"].to_numpy(dtype=float)
    score = table["score"].to_numpy(dtype=float)
    size = n.sum()
    # centred, so that sums of squares keep their digits and a constant shift changes nothing
    y = score - (n @ score / size if size else 0.0)
    y = np.where(np.abs(y) <= ROUNDING * np.abs(score).max(initial=0.0), 0.0, y)
    stratum, names = pd.factorize(table["stratum"])
    sums: list[Array] = []
    for label in GROUPS:
        mine = n * (table["group"] == label).to_numpy()
        sums += [_by(stratum, mine * y**power, len(names)) for power in (0, 1, 2)]
    both = (sums[0] > 0) & (sums[3] > 0)
    used = [values[both] for values in sums]
    return Moments(
        n_reference=used[0],
        sum_reference=used[1],
        squares_reference=used[2],
        n_focal=used[3],
        sum_focal=used[4],
        squares_focal=used[5],
        n_all=(int(sums[0].sum()), int(sums[3].sum())),
        sd=float(np.sqrt(max(n @ y**2, 0.0) / (size - 1))) if size > 1 else float("nan"),
    )


def _by(stratum: npt.NDArray[np.int64], values: Array, size: int) -> Array:
    return np.bincount(stratum, weights=values, minlength=size).astype(float)


def why_not(moments: Moments) -> str:
    """Why the item cannot be tested, in words; "" if it can."""
    few = too_few(moments.n_all)
    if few:
        return few
    if moments.sd == 0:
        return "all persons have the same score"
    if not len(moments.total):
        return "no stratum holds both groups"
    few = too_few(moments.used)
    if few:
        return f"{few} in strata with both groups"
    return "" if moments.variance.sum() > 0 else "scores do not vary within strata"


def too_few(n: tuple[int, int]) -> str:
    """What is wrong with the numbers of persons (reference, focal); "" if they suffice."""
    for label, size in zip(GROUPS, n, strict=True):
        if size == 0:
            return f"no scores for the {label} group"
        if size < MIN_GROUP:
            return f"only {size} persons in the {label} group"
    return ""
