"""Bias of a machine score against a human score that is itself noisy, with the noise taken out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from psyalign.dif.counts.cells import GROUPS, MIN_GROUP, Array
from psyalign.dif.counts.checks import LARGEST
from psyalign.dif.rater_kernel import METHODS, ErrorBy, ReliabilityOf, rater_error_kernel
from psyalign.foundation.draws import check_level
from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.tables import require_columns

__all__ = ["ALL_ITEMS", "MIN_TWICE", "RaterError", "rater_error"]

ALL_ITEMS = "all"
# An error variance from fewer double-scored responses than this is a guess.
MIN_TWICE = 10
# Errors and spreads below this share of the largest score are rounding.
ROUNDING = 1e-9


@dataclass(frozen=True, repr=False)
class RaterError:
    """Result of `rater_error`: `table`, one row for each item (and all of them), focal group and method."""

    table: pd.DataFrame

    def __repr__(self) -> str:
        shown = ["item", "focal", "method", "estimate", "se", "p", "reliability", "n_persons", "reason"]
        head = "Bias of the machine score against the human score, focal minus reference, score points"
        return head + "\n" + self.table[shown].to_string(float_format=lambda value: f"{value:.3f}")


def rater_error(
    scores: pd.DataFrame,
    *,
    groups: tuple[str, ...] = GROUPS,
    reliability: float | Mapping[str, float] | None = None,
    reliability_of: ReliabilityOf = "overall",
    error_by: ErrorBy = "all",
    level: float = 0.95,
    min_group: int = MIN_GROUP,
) -> RaterError:
    """Group difference of the machine score given the human score, naive and corrected for rater error.

    Three figures, each difference(machine) - slope * difference(human), where a difference
    is focal minus reference within items and only the slope differs:

    - marginal: slope 1. The mean of machine minus human by group (RSMTool's OSD).
    - naive: slope of the regression of machine on human, group and item. The group
      coefficient is that of RSMTool's CSD, with the human score linear, not in categories.
      The slope is too flat, as the human score is noisy, so a fair machine is flagged
      where the groups differ in ability.
    - corrected: the same regression on the human *true* score (the mean of endless
      ratings of the response), by moments: the error variance is subtracted from the
      human score's sum of squares (Fuller, 1987, section 2.2).

    Parameters
    ----------
    scores : pandas.DataFrame
        One row a person and item: person, item, group, machine, human, optionally human2
        (another rating of the same response; may be missing in any row). Rows without a
        machine score, a group or any human score are left out. Fractions allowed.
    groups : tuple of str
        Reference group first, then one or more focal groups, each compared with it alone.
    reliability : float or mapping of item to float, optional
        Reliability of `human`, taken as known: its error variance is (1 - reliability)
        times its variance. Without it the error variance comes from human and human2: half
        the variance of their difference, each item's mean difference taken out (it is
        severity, not error), and the human score is the mean of the ratings there are.
    reliability_of : {"overall", "within"}
        Whose variance a given reliability speaks of, item by item: that of the item's
        scores over both groups (n - 1; what a correlation of two raters over all
        persons estimates), or that within groups (n - 2), which is the larger correction.
    error_by : {"all", "group"}
        With human2: one error variance, or one for each group (raters may be less sure of
        one group). The first is right even so, if equal shares are double-scored.
    level : float
        Coverage of the intervals.
    min_group : int
        Fewer persons in a group on an item and the item is not estimable.

    Returns
    -------
    RaterError
        Its table: item ("all": the estimable items, with item effects), focal, method,
        estimate (score points, focal minus reference), se, z, p, low, high, slope,
        reliability (1 - error variance / variance of the human score within items and
        groups, for the score used: the naive slope over the corrected one, which is not
        estimable at 0 or below), reliability_se, error_sd (of one rating, root mean square
        over responses), n_reference, n_focal, n_persons (persons), n_responses,
        n_twice (responses with two ratings), estimable, reason.

    Raises
    ------
    DataError
        Missing column, nothing to compare, a person in two groups, a person and item
        twice, scores that are not numbers or infinite, an item called "all".
    UsageError
        Both human2 and reliability; reliability not in (0, 1]; level out of range; unknown option.

    Notes
    -----
    Sandwich errors, clustered by person, that include the estimation of the error
    variance (stacked estimating equations); factor G/(G-1) (N-1)/(N-K) for G persons, N
    responses, K coefficients (items, group, slope; the marginal difference has no slope),
    statsmodels' and Stata's; z is referred to the normal. Of the error variance the share
    that item and group means do not take up is subtracted. Assumed: ratings' errors are
    independent of each other and of the machine's (which has not been trained on these
    very ratings), and the machine is linear in the true score with one slope.
    `benchmarks/rater_error_null.py` prints how often fair machines are flagged.

    References
    ----------
    Fuller, W. A. (1987). Measurement error models. Wiley.
    Johnson, M. S., Liu, X., & McCaffrey, D. F. (2022). Psychometric methods to evaluate
    measurement and algorithmic bias in automated scoring. Journal of Educational
    Measurement 59, 338-361.
    Carroll, R. J., Ruppert, D., Stefanski, L. A., & Crainiceanu, C. M. (2006). Measurement
    error in nonlinear models (2nd ed.), appendix A.6 (stacked estimating equations).
    """
    how = _Error(reliability, reliability_of, error_by, twice="human2" in scores.columns)
    how.check()
    check_level(level)
    rows = _checked_rows(scores, groups, how)
    out: list[dict[str, object]] = []
    for focal in groups[1:]:
        pair = (groups[0], focal)
        mine = rows[rows["group"].isin(pair)]
        kept = []
        for item, part in mine.groupby("item", sort=False):
            few = _too_few(part, pair, min_group)
            kept += [] if few else [item]
            out += _fit(part, str(item), pair, few, how)
        few = "" if kept else "no item is estimable"
        out += _fit(mine[mine["item"].isin(kept)], ALL_ITEMS, pair, few, how)
    return RaterError(_with_tests(pd.DataFrame(out), level))


def _with_tests(table: pd.DataFrame, level: float) -> pd.DataFrame:
    estimate, se = table["estimate"], table["se"]
    reach = float(-ndtri((1 - level) / 2)) * se
    z = estimate / se
    tests = {"z": z, "p": 2 * ndtr(-np.abs(z)), "low": estimate - reach, "high": estimate + reach}
    before = ["item", "focal", "method", "estimate", "se"]
    after = [name for name in table.columns if name not in before]
    return table.assign(**tests)[[*before, *tests, *after]]


@dataclass(frozen=True)
class _Error:
    """Where the human scores' error variance comes from."""

    reliability: float | Mapping[str, float] | None
    reliability_of: ReliabilityOf
    by: ErrorBy
    twice: bool

    def check(self) -> None:
        if self.reliability_of not in ("overall", "within"):
            raise UsageError(
                f"'{self.reliability_of}' is unknown.", where="reliability_of", mend="Use overall or within."
            )
        if self.by not in ("all", "group"):
            raise UsageError(f"'{self.by}' is unknown.", where="error_by", mend="Use all or group.")
        given = self.reliability
        if given is None:
            return
        if self.twice:
            raise UsageError(
                "There are a second rating and a reliability: two sources of one error variance.",
                where="reliability",
                mend="Drop the column human2 or the reliability.",
            )
        values = given.values() if isinstance(given, Mapping) else [given]
        if not all(0 < value <= 1 for value in values):
            raise UsageError("A reliability lies above 0 and at most at 1.", where="reliability")

    def by_row(self, items: pd.Series) -> Array | None:
        if self.reliability is None:
            return None
        if isinstance(self.reliability, Mapping):
            return np.asarray(items.map(dict(self.reliability)), dtype=np.float64)
        return np.full(len(items), float(self.reliability))

    def why_not(self, part: pd.DataFrame, pair: tuple[str, str]) -> str:
        """Why there is no error variance; "" if there is."""
        if self.reliability is not None:
            return ""
        if not self.twice:
            return "no second human rating and no reliability given"
        twice = part[["human", "human2"]].notna().all(axis=1)
        sizes = {"": int(twice.sum())}
        if self.by == "group":
            sizes = {
                f" in the {group} group": int((twice & (part["group"] == group)).sum()) for group in pair
            }
        for where, size in sizes.items():
            if size < MIN_TWICE:
                return f"only {size} responses with two human ratings{where}"
        return ""


def _checked_rows(scores: pd.DataFrame, groups: tuple[str, ...], how: _Error) -> pd.DataFrame:
    """Usable rows; scores as floats."""
    numbers = ["machine", "human", *(["human2"] if how.twice else [])]
    require_columns(scores, ["person", "item", "group", *numbers], "scores")
    if len(groups) < 2 or len(set(groups)) < len(groups):
        raise UsageError("A reference group and at least one focal group are needed.", where="groups")
    rows = scores[["person", "item", "group", *numbers]].reset_index(drop=True)
    for name in numbers:
        if not pd.api.types.is_numeric_dtype(rows[name]):
            raise DataError("Scores must be numbers.", where=f"scores, column '{name}'")
    rows[numbers] = rows[numbers].astype(float)
    if (np.abs(rows[numbers].to_numpy()) > LARGEST).any():
        raise DataError("A score is infinite or above 1e50.", where="scores")
    strange = set(rows["group"].dropna()) - set(groups)
    if strange:
        raise DataError(
            f"Group '{min(map(str, strange))}' is not among {', '.join(groups)}.",
            where="scores, column 'group'",
            mend="Name the groups in `groups`; leave others missing.",
        )
    if rows.duplicated(["person", "item"]).any():
        raise DataError("A person and item is there twice.", where="scores")
    if (rows["item"] == ALL_ITEMS).any():
        raise DataError(f"No item can be called '{ALL_ITEMS}'.", where="scores, column 'item'")
    there = rows["group"].notna() & rows["machine"].notna() & rows[numbers[1:]].notna().any(axis=1)
    rows = rows[there]
    if rows.empty:
        raise DataError("No row has a group, a machine score and a human score.", where="scores")
    if (rows.groupby("person")["group"].nunique() > 1).any():
        raise DataError("A person is in two groups.", where="scores, column 'group'")
    missing = (
        [] if not isinstance(how.reliability, Mapping) else sorted(set(rows["item"]) - set(how.reliability))
    )
    if missing:
        raise UsageError(f"Item '{missing[0]}' has no reliability.", where="reliability")
    return rows


def _too_few(part: pd.DataFrame, pair: tuple[str, str], min_group: int) -> str:
    for group in pair:
        n = part.loc[part["group"] == group, "person"].nunique()
        if n == 0:
            return f"no scores for the {group} group"
        if n < min_group:
            return f"only {n} persons in the {group} group"
    return ""


def _fit(
    part: pd.DataFrame, item: str, pair: tuple[str, str], few: str, how: _Error
) -> list[dict[str, object]]:
    """The three rows of one item, or of all."""
    persons = part.groupby("group")["person"].nunique()
    counted = {
        "n_reference": int(persons.get(pair[0], 0)),
        "n_focal": int(persons.get(pair[1], 0)),
        "n_persons": int(persons.sum()),
        "n_responses": len(part),
        "n_twice": int(part[["human", "human2"]].notna().all(axis=1).sum()) if how.twice else 0,
    }
    found = {} if few else _figures(part, pair, how)
    lacking = few or how.why_not(part, pair)
    known = {
        name: np.nan if lacking else float(found[name])
        for name in ("reliability", "reliability_se", "error_sd")
    }
    size = max(part[["machine", "human"]].abs().max().max(), 0.0)
    rows = []
    for method in METHODS:
        reason = few or (lacking if method == "corrected" else "") or _why_not(found, method, size)
        numbers = {
            name: np.nan if reason else float(found[f"{method}_{name}"])
            for name in ("estimate", "se", "slope")
        }
        row = {"item": item, "focal": pair[1], "method": method, **numbers, **known, **counted}
        rows.append({**row, "estimable": not reason, "reason": reason})
    return rows


def _why_not(found: Mapping[str, Array], method: str, size: float) -> str:
    """Why the kernel's figure is of no use, in words; "" if it is."""
    if method != "marginal" and not np.isfinite(found["naive_slope"]):
        return "human scores do not vary within items and groups"
    se = float(found[f"{method}_se"])
    if np.isfinite(se):
        return "" if se > ROUNDING * size else "machine and human scores leave no variation to test with"
    if method == "corrected" and not np.isfinite(found["corrected_slope"]):
        return f"the human scores are too unreliable to correct for ({float(found['reliability']):.2f})"
    return "too few responses"


def _figures(part: pd.DataFrame, pair: tuple[str, str], how: _Error) -> dict[str, Array]:
    return rater_error_kernel(
        part["machine"].to_numpy(),
        part["human"].to_numpy(),
        part["human2"].to_numpy() if how.twice else None,
        item=pd.factorize(part["item"])[0],
        focal=np.where(part["group"] == pair[1], 1.0, 0.0),
        person=pd.factorize(part["person"])[0],
        reliability=how.by_row(part["item"]),
        reliability_of=how.reliability_of,
        error_by=how.by,
    )
