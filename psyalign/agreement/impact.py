"""Selection rates by group: impact ratios, the four-fifths rule, New York City's bias-audit table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.tables import require_columns

__all__ = ["FOUR_FIFTHS", "SMALL_SHARE", "impact_ratios", "ll144_table", "ratio_interval"]

Array = npt.NDArray[np.float64]

# 29 CFR 1607.4(D): a rate below four fifths of the highest is generally regarded as evidence of adverse
# impact.
FOUR_FIFTHS = 0.8
# 6 RCNY § 5-301(d): a category below 2% of the data may be excluded. 29 CFR 1607.15(A)(2) has the same 2%.
SMALL_SHARE = 0.02
UNKNOWN = "unknown"


def impact_ratios(
    selected: npt.ArrayLike,
    group: Sequence[object] | pd.Series,
    *,
    reference: str | None = None,
    minimum_share: float = SMALL_SHARE,
    level: float = 0.95,
) -> pd.DataFrame:
    """Selection rate of each group over that of the reference group, with interval and exact test.

    Parameters
    ----------
    selected : array_like of bool, shape (n,)
        One row a person: whether the score reaches the cut.
    group : sequence, shape (n,)
        Missing: counted in no group.
    reference : str, optional
        Default: the group with the highest rate (the largest of equals), among those not excluded.
    minimum_share : float
        Groups with a smaller share of the persons whose group is known are excluded from
        ratio and test; rate and count stay. 0 excludes none.
    level : float
        Coverage of the interval.

    Returns
    -------
    pandas.DataFrame
        By group, sorted: group, n, share, n_selected, rate, is_reference, impact_ratio (rate / rate of
        reference), low, high (Koopman's score interval, see `ratio_interval`), below_four_fifths (of the
        ratio itself), shown_below (high below .8), p (Fisher's exact test, two-sided, against the
        reference group), shortfall (persons more that would have to be selected for a ratio of
        .8, whole, 0 if none), excluded, reason.

    Raises
    ------
    DataError
        Columns of different length, nobody with a group.
    UsageError
        Unknown or excluded reference; level out of range.

    Notes
    -----
    Where the reference is the group that happened to have the highest rate, the interval and p are not
    adjusted for that choice. The rule is no test of significance and a ratio below .8 is no finding of
    unlawful discrimination; small samples: look at p and the interval.

    References
    ----------
    EEOC et al. (1978). Uniform guidelines on employee selection procedures, 29 CFR 1607.4(D), 1607.15(A)(2).
    Koopman, P. A. R. (1984). Biometrics 40, 513-517.
    """
    if not 0 < level < 1:
        raise UsageError("The coverage of an interval lies between 0 and 1.", where="level")
    chosen, label = _persons(selected, group)
    counts = pd.DataFrame({"group": label, "y": chosen}).groupby("group", sort=True)["y"].agg(["size", "sum"])
    n, y = counts["size"].to_numpy(dtype=float), counts["sum"].to_numpy(dtype=float)
    rate, share, names = y / n, n / n.sum(), [str(name) for name in counts.index]
    out = share < minimum_share
    at = _reference(names, rate, n, out, reference)
    rows = []
    for place, name in enumerate(names):
        row = {"group": name, "n": int(n[place]), "share": share[place], "n_selected": int(y[place])}
        row |= {"rate": rate[place], "is_reference": place == at}
        reason = _why_not(at, rate, bool(out[place]), minimum_share)
        rows.append(
            row | _compared(y, n, place, at, level, reason) | {"excluded": bool(out[place]), "reason": reason}
        )
    return pd.DataFrame(rows)


def _compared(y: Array, n: Array, place: int, at: int | None, level: float, reason: str) -> dict[str, object]:
    nothing = float("nan")
    if reason or at is None:
        empty = dict.fromkeys(("impact_ratio", "low", "high"), nothing)
        return {**empty, "below_four_fifths": False, "shown_below": False, "p": nothing, "shortfall": 0}
    goal = y[at] / n[at]
    value = y[place] / n[place] / goal
    if place == at:
        return {
            "impact_ratio": 1.0, "low": nothing, "high": nothing, "below_four_fifths": False,
            "shown_below": False, "p": nothing, "shortfall": 0,
        }  # fmt: skip
    from scipy.stats import fisher_exact

    low, high = ratio_interval(y[place], n[place], y[at], n[at], level)
    two_by_two = [[y[place], n[place] - y[place]], [y[at], n[at] - y[at]]]
    lacking = np.ceil(FOUR_FIFTHS * goal * n[place] - y[place] - 1e-9)
    return {
        "impact_ratio": value,
        "low": low,
        "high": high,
        "below_four_fifths": bool(value < FOUR_FIFTHS - 1e-12),
        "shown_below": bool(high < FOUR_FIFTHS),
        "p": float(fisher_exact(np.array(two_by_two, dtype=int)).pvalue),
        "shortfall": int(max(lacking, 0)),
    }


def _persons(
    selected: npt.ArrayLike, group: Sequence[object] | pd.Series
) -> tuple[Array, npt.NDArray[np.object_]]:
    chosen, names = np.asarray(selected, dtype=float).ravel(), pd.Series(group).reset_index(drop=True)
    if len(chosen) != len(names):
        raise DataError("Decisions and groups differ in number.", where=f"{len(chosen)}, {len(names)}")
    known = np.isfinite(chosen) & names.notna().to_numpy()
    if not known.any():
        raise DataError("Nobody has both a decision and a group.", where="impact")
    if not np.isin(chosen[known], (0.0, 1.0)).all():
        raise DataError("Decisions are true or false.", where="selected")
    return chosen[known], names[known].astype(str).to_numpy(dtype=object)


def _reference(
    names: list[str], rate: Array, n: Array, out: npt.NDArray[np.bool_], wanted: str | None
) -> int | None:
    if wanted is not None:
        if wanted not in names or out[names.index(wanted)]:
            raise UsageError(f"Group '{wanted}' is not there, or too small.", where="reference")
        return names.index(wanted)
    inside = np.flatnonzero(~out)
    return int(max(inside, key=lambda place: (rate[place], n[place]))) if len(inside) else None


def _why_not(at: int | None, rate: Array, out: bool, minimum_share: float) -> str:
    if out:
        return f"below {minimum_share:.0%} of the persons"
    if at is None:
        return "no group is large enough"
    return "" if rate[at] > 0 else "nobody in the reference group is selected"


def ratio_interval(y1: float, n1: float, y2: float, n2: float, level: float = 0.95) -> tuple[float, float]:
    """Koopman's (1984) score interval of (y1/n1) / (y2/n2); holds its level with few or no successes.

    The ratios φ at which Pearson's chi-square, with both shares estimated under p1 = φ p2, is at most
    its critical value on 1 df. high is inf where y2 = 0; both are NaN where y1 = y2 = 0.
    """
    if y1 == 0 and y2 == 0:
        return float("nan"), float("nan")
    from scipy.optimize import brentq  # takes as long to load as pandas

    critical = float(ndtri((1 + level) / 2) ** 2)

    def excess(log_ratio: float) -> float:
        phi = float(np.exp(log_ratio))
        a, b = (n1 + n2) * phi, n1 * phi + y1 + n2 + y2 * phi
        p2 = (b - np.sqrt(max(b * b - 4 * a * (y1 + y2), 0.0))) / (2 * a)
        p1 = phi * p2
        with np.errstate(divide="ignore", invalid="ignore"):
            first = np.float64(y1 - n1 * p1) ** 2 / (n1 * p1 * (1 - p1))
            second = np.float64(y2 - n2 * p2) ** 2 / (n2 * p2 * (1 - p2))
        # 0 / 0 is a cell without anything to explain
        return (
            float(np.nan_to_num(first, nan=0.0, posinf=1e12) + np.nan_to_num(second, nan=0.0, posinf=1e12))
            - critical
        )

    # estimates at the edge: the nearest inner ratio does as a start
    start = float(np.log(max(y1, 0.5) / n1) - np.log(max(y2, 0.5) / n2))
    low = 0.0 if y1 == 0 else float(np.exp(brentq(excess, start - 25, start)))
    high = float("inf") if y2 == 0 else float(np.exp(brentq(excess, start, start + 25)))
    return low, high


def ll144_table(
    persons: pd.DataFrame,
    categories: Sequence[str],
    *,
    score: str | None = None,
    selected: str | None = None,
    minimum_share: float = SMALL_SHARE,
) -> pd.DataFrame:
    """The bias-audit table of New York City's Local Law 144, as the rule of April 2023 defines it.

    Parameters
    ----------
    persons : pandas.DataFrame
        One row a person assessed.
    categories : sequence of str
        Attribute columns, sex and race/ethnicity by the rule. Each alone, and each pair of them
        (intersectional categories).
    score, selected : str
        One of the two. Column of scores: the rate of a category is its *scoring rate*, the share of its
        persons with a score above (not at) the median score of the full sample. Column of decisions
        (true or false): the *selection rate*.
    minimum_share : float
        A category with a smaller share of the sample may be excluded from the impact ratios
        (the auditor has to justify it; count and rate are reported). 0 excludes none.

    Returns
    -------
    pandas.DataFrame
        attribute ("sex", or "sex × race" of a pair), category, n, share (of all persons assessed),
        n_above (selected, or above the median), rate, impact_ratio (rate / highest rate among the
        categories of the attribute that are not excluded), excluded, reason. The last
        row of an attribute, category "unknown", counts persons who are left out because a category is
        missing, as the rule wants it reported.

    Raises
    ------
    UsageError
        Not exactly one of score and selected; no category.
    DataError
        Missing column; nobody with a score or decision.

    References
    ----------
    6 RCNY §§ 5-300 (impact ratio, scoring rate, selection rate), 5-301 (bias audit); Administrative Code of
    the City of New York § 20-870.
    """
    if (score is None) == (selected is None):
        raise UsageError("Give a column of scores or one of decisions.", where="score, selected")
    if not categories:
        raise UsageError("At least one category is needed.", where="categories")
    column = score if score is not None else str(selected)
    require_columns(persons, [column, *categories], "persons")
    values = persons[column].astype(float)
    known = persons[values.notna()]
    values = values[values.notna()]
    if known.empty:
        raise DataError("Nobody has a score or decision.", where=f"persons, column '{column}'")
    if score is None and not values.isin((0.0, 1.0)).all():
        raise DataError("Decisions are true or false.", where=f"persons, column '{column}'")
    above = values > values.median() if score is not None else values > 0
    tables = []
    for names in [*((name,) for name in categories), *combinations(categories, 2)]:
        tables.append(_audited(known[list(names)], above, minimum_share))
    return pd.concat(tables, ignore_index=True)


def _audited(labels: pd.DataFrame, above: pd.Series, minimum_share: float) -> pd.DataFrame:
    there = labels.notna().all(axis=1)
    joined = labels[there].astype(str).agg(" × ".join, axis=1) if there.any() else pd.Series([], dtype=str)
    counts = above[there].groupby(joined, sort=True).agg(["size", "sum"])
    n, y = counts["size"].to_numpy(dtype=float), counts["sum"].to_numpy(dtype=float)
    rate, share = y / n, n / len(labels)
    out = share < minimum_share
    highest = float(rate[~out].max()) if (~out).any() else 0.0
    usable = ~out & (highest > 0)
    reason = np.where(
        out, f"below {minimum_share:.0%} of the persons", "" if highest > 0 else "no rate is above 0"
    )
    table = pd.DataFrame(
        {
            "category": list(counts.index),
            "n": n.astype(int),
            "share": share,
            "n_above": y.astype(int),
            "rate": rate,
            "impact_ratio": np.where(usable, rate / (highest or 1.0), np.nan),
            "excluded": out,
            "reason": reason,
        }
    )
    missing = ~there
    unknown = {
        "category": UNKNOWN,
        "n": int(missing.sum()),
        "share": float(missing.mean()),
        "n_above": int(above[missing].sum()),
        "rate": float(above[missing].mean()) if missing.any() else np.nan,
        "impact_ratio": np.nan,
        "excluded": True,
        "reason": "category not known",
    }
    table = pd.concat([table, pd.DataFrame([unknown])], ignore_index=True)
    table.insert(0, "attribute", " × ".join(labels.columns))
    return table
