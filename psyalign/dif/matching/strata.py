"""The matching variable: total scores, and strata that both groups share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.dif.counts.cells import FOCAL, GROUPS, REFERENCE, Array
from psyalign.dif.matching.regress import kelley, reliabilities
from psyalign.dif.matching.spec import MatchSpec
from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.tables import require_columns

__all__ = ["MIN_SHARE", "Matching", "bin_strata", "matching_strata", "prorate", "stratify", "total_score"]

Numbers = npt.NDArray[np.int64]

# A person with a smaller share of the items has no total.
MIN_SHARE = 0.5
# Totals of fractions are rounded to this share of a point: the same scores added up in another order
# must be the same stratum.
FINEST = 1e9

# Exact totals are kept as strata while this share of each group finds a partner.
ENOUGH = 0.90
# Otherwise neighbouring totals are merged until each stratum has this many of both groups. Small on
# purpose: wide strata leave true differences between the groups inside them. Simulated with 8 items 0-4,
# 40 a group and impact .5 SD: exact totals use 71% of the persons, mean ES -.002, its SD over items .22;
# merged to 2 of each: all persons, -.025, .19, Type I .05; to 10 of each: -.097, .18, Type I .09.
PER_GROUP = 2


@dataclass(frozen=True, repr=False)
class Matching:
    """Strata for a DIF analysis and what they cost.

    Attributes
    ----------
    total : pandas.Series
        Total score by person: the matching variable of `ordinal`.
    stratum : pandas.Series
        Stratum by person, named by a number: the total, or where totals were merged
        the mean total of the stratum's persons.
    binned : bool
        Whether totals were merged.
    share_used : float
        Share of the persons with a group and a total who are in a stratum with both groups.
    share_used_thin : float
        The same share if every distinct total were a stratum.
    """

    total: pd.Series
    stratum: pd.Series
    binned: bool
    share_used: float
    share_used_thin: float

    @property
    def n_strata(self) -> int:
        return int(self.stratum.nunique())

    @property
    def table(self) -> pd.DataFrame:
        """Columns person, total, stratum."""
        return (
            pd.DataFrame({"total": self.total, "stratum": self.stratum}).rename_axis("person").reset_index()
        )

    def __repr__(self) -> str:
        kind = "merged totals" if self.binned else "distinct totals"
        return f"Matching on {self.n_strata} {kind}; {self.share_used:.1%} of the persons are used"


def total_score(scores: pd.DataFrame, *, min_share: float = MIN_SHARE) -> pd.Series:
    """Total score of each person.

    The sum over the items. For a person with missing items: the mean of the items
    answered times the number of items, rounded to a whole number, halves up. Missing
    (NaN) if less than `min_share` of the items are there.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns person, item, score; a missing row or NaN is a missing item. The
        number of items is the number of distinct items in the table.
    min_share : float
        Between 0 and 1.

    Returns
    -------
    pandas.Series
        By person, named "total", in the order in which the persons first appear.
        Totals that are no whole numbers are rounded to nine decimals.
    """
    require_columns(scores, ["person", "item", "score"], "scores")
    if scores.duplicated(["person", "item"]).any():
        raise DataError("A person and item is there twice.", where="scores", mend="Keep one score for each.")
    by_person = scores.groupby("person", sort=False)["score"]
    answered = by_person.count()
    total = by_person.sum().to_numpy(dtype=float)
    found = prorate(
        total, np.asarray(answered, dtype=np.int64), scores["item"].nunique(), min_share=min_share
    )
    return pd.Series(found, index=answered.index, name="total")


def prorate(sums: Array, answered: Numbers, n_items: int | Numbers, *, min_share: float = MIN_SHARE) -> Array:
    """Totals from sums over the items answered: the rule of `total_score`, for arrays of any shape.

    Parameters
    ----------
    sums : array (...)
        Sum of the items answered.
    answered : int array (...)
        How many that were.
    n_items : int or int array (...)
        Of how many.
    min_share : float
        Below this share: NaN.

    Returns
    -------
    array (...)
    """
    rounded = np.floor(sums * FINEST + 0.5) / FINEST
    total = np.where(sums == np.floor(sums), sums, rounded)
    # first times, then divided: halves of whole numbers stay exact halves
    prorated = np.floor(total * n_items / np.maximum(answered, 1) + 0.5)
    total = np.where(answered == n_items, total, prorated)
    return np.where((answered > 0) & (answered >= min_share * n_items), total, np.nan)


def stratify(values: Array, counts: Array, spec: MatchSpec, groups: Sequence[str] = GROUPS) -> Array:
    """Stratum of each distinct matching value and group, by the binning of `spec`.

    - "thin": the value.
    - "auto": the value if then at least 90% of each group are in strata with all groups; else
      neighbours are merged upwards until each stratum holds `min_per_group` of each
      group (as in `bin_strata`).
    - "equal": the values up to each of the `n_bins` quantiles (linear interpolation; ties stay
      together), then merged upwards in the same way.

    Of several groups, one with fewer than `min_per_group` persons in all has no say in
    this: it would merge everything. With a reliability, the values are first replaced
    by the groups' regressed estimates on a common grid: see `kelley`.

    Parameters
    ----------
    values : array (V,)
        Distinct values, ascending, without NaN.
    counts : array (V, G)
        Persons by value and group; somebody has each value.
    spec : MatchSpec
    groups : sequence of str, length G
        The groups' names, for reliabilities by group.

    Returns
    -------
    array (V, G)
        Strata, named by the value or, where values were merged, by the mean value of
        the stratum's persons. Without a reliability all columns are the same.
    """
    if not len(values):
        return np.zeros(counts.shape)
    if spec.reliability is None:
        return np.repeat(_strata(values, counts, spec)[:, None], counts.shape[1], axis=1)
    regressed = kelley(values, counts, reliabilities(spec.reliability, groups))
    held = counts > 0
    distinct, place = np.unique(regressed[held], return_inverse=True)
    table = np.zeros((len(distinct), counts.shape[1]))
    np.add.at(table, (place, np.nonzero(held)[1]), counts[held])
    strata = np.full(counts.shape, np.nan)
    strata[held] = _strata(distinct, table, spec)[place]
    return strata


def _strata(values: Array, counts: Array, spec: MatchSpec) -> Array:
    """Stratum of each value, (V,)."""
    large = counts.sum(axis=0) >= spec.min_per_group
    served = counts[:, large] if large.sum() > 1 else counts
    if spec.bins == "thin" or (spec.bins == "auto" and bool((_shares(served) >= ENOUGH).all())):
        return values
    if spec.bins == "auto":
        return _means(values, counts.sum(axis=1), _greedy_bins(served, spec.min_per_group, 0.0))
    quantile = _quantile_bins(values, counts.sum(axis=1), spec.n_bins)
    by_bin = np.zeros((quantile[-1] + 1, served.shape[1]))
    np.add.at(by_bin, quantile, served)
    merged = _greedy_bins(by_bin, spec.min_per_group, 0.0)
    return _means(values, counts.sum(axis=1), merged[quantile])


def _shares(counts: Array) -> Array:
    """Share of each group in strata with all groups."""
    both = (counts > 0).all(axis=1)
    return np.asarray(counts[both].sum(axis=0) / np.maximum(counts.sum(axis=0), 1))


def _quantile_bins(values: Array, size: Array, n_bins: int) -> Numbers:
    """Number of the bin of each value: the quantiles are the bins' upper ends; without empty bins."""
    last = np.cumsum(size)
    place = (last[-1] - 1) * np.arange(1, n_bins) / n_bins
    below = np.searchsorted(last, np.floor(place), side="right")
    above = np.searchsorted(last, np.ceil(place), side="right")
    ends = values[below] + (place - np.floor(place)) * (values[above] - values[below])
    return np.unique(np.searchsorted(ends, values, side="left"), return_inverse=True)[1]


def _means(values: Array, size: Array, bin_of: Numbers) -> Array:
    """Mean value of each value's bin over the persons, (V,)."""
    means = np.bincount(bin_of, weights=size * values) / np.bincount(bin_of, weights=size)
    return np.asarray(means[bin_of])


def bin_strata(
    total: pd.Series, group: pd.Series, *, min_per_group: int = PER_GROUP, max_strata: int | None = None
) -> pd.Series:
    """Merge neighbouring totals until each stratum has enough persons of both groups.

    From the lowest total upwards a stratum is closed when it holds `min_per_group`
    persons of each group and, with `max_strata`, its equal share of all persons; what is
    left at the top joins the last stratum. So nobody is lost, and where persons are
    many, strata stay as fine as the totals.

    Parameters
    ----------
    total : pandas.Series
        By person; NaN stays NaN.
    group : pandas.Series
        By person: "reference", "focal" or missing; persons without a group get the
        stratum of their total but do not count.
    min_per_group : int
        At least 1.
    max_strata : int, optional
        At most this many strata, of about equal counts.

    Returns
    -------
    pandas.Series
        By person, named "stratum": the mean total of the stratum's persons with a group.
    """
    if min_per_group < 1 or (max_strata is not None and max_strata < 1):
        raise UsageError("min_per_group and max_strata must be at least 1.", where="bin_strata")
    table = _total_by_group(total, group)
    if table.empty:
        return pd.Series(np.nan, index=total.index, name="stratum", dtype=float)
    needed = 0.0 if max_strata is None else float(table.to_numpy().sum()) / max_strata
    bin_of = _greedy_bins(table.to_numpy(dtype=float), min_per_group, needed)
    totals = table.index.to_numpy(dtype=float)
    means = _means(totals, table.sum(axis=1).to_numpy(dtype=float), bin_of)
    # a total that only persons without a group have joins the stratum below it
    place = np.clip(np.searchsorted(totals, total.to_numpy(dtype=float), side="right") - 1, 0, None)
    stratum = pd.Series(means[place], index=total.index, name="stratum")
    return stratum.where(total.notna())


def _greedy_bins(counts: Array, min_per_group: int, needed: float) -> Numbers:
    """Number of the bin of each value; rows are values in ascending order, columns are groups."""
    bin_of = np.zeros(len(counts), dtype=np.int64)
    current, held = 0, [0.0] * counts.shape[1]
    for row, found in enumerate(counts.tolist()):  # plain numbers: there may be 100,000 values
        bin_of[row] = current
        held = [before + more for before, more in zip(held, found, strict=True)]
        if min(held, default=0.0) >= min_per_group and sum(held) >= needed:
            current, held = current + 1, [0.0] * counts.shape[1]
    if any(held) and current > 0:
        bin_of[bin_of == current] = current - 1
    return bin_of


def matching_strata(
    scores: pd.DataFrame,
    group: pd.Series,
    *,
    min_per_group: int = PER_GROUP,
    max_strata: int | None = None,
    enough: float = ENOUGH,
) -> Matching:
    """Strata from the total of `scores`, as thin as the data allow.

    Rule: every distinct total is a stratum if then at least `enough` of each group are
    in strata with both groups (and there are no more than `max_strata`); else totals
    are merged by `bin_strata`, which uses everybody.

    Parameters
    ----------
    scores : pandas.DataFrame
        Columns person, item, score: the criterion that no arm can move (human scores).
    group : pandas.Series
        By person: "reference", "focal" or missing.
    min_per_group, max_strata
        See `bin_strata`.
    enough : float
        Between 0 and 1.

    Returns
    -------
    Matching
    """
    total = total_score(scores)
    table = _total_by_group(total, group)
    both = table.gt(0).all(axis=1)
    thin = table[both].sum() / table.sum().clip(lower=1)
    few = max_strata is None or len(table) <= max_strata
    binned = not (few and bool((thin >= enough).all()))
    stratum = total.rename("stratum")
    if binned:
        stratum = bin_strata(total, group, min_per_group=min_per_group, max_strata=max_strata)
    return Matching(
        total=total,
        stratum=stratum,
        binned=binned,
        share_used=_share_used(stratum, group),
        share_used_thin=_share_used(total, group),
    )


def _total_by_group(total: pd.Series, group: pd.Series) -> pd.DataFrame:
    """Persons by distinct total (rows, ascending) and group (columns reference, focal)."""
    member = group.reindex(total.index)
    known = total.notna() & member.isin(GROUPS)
    table = pd.crosstab(total[known], member[known])
    return table.reindex(columns=[REFERENCE, FOCAL], fill_value=0).sort_index()


def _share_used(stratum: pd.Series, group: pd.Series) -> float:
    table = _total_by_group(stratum, group)
    persons = float(table.to_numpy().sum())
    return float(table[table.gt(0).all(axis=1)].to_numpy().sum()) / persons if persons else 0.0
