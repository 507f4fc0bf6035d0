"""What the differences show, by rules: nearer to zero or further, moved, shown small, no evidence, untested.

The first page rests on one family of tests, corrected by Holm's method: for the runs' own scorers, the
difference in mean ES and in mean ES² on each grouping, and in QWK. Everything else is not corrected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from psyalign.dif import adjust_p
from psyalign.report.comparison.compared import Compared
from psyalign.report.facts import Estimate, estimate, one_row
from psyalign.report.load import Group
from psyalign.report.numerals import finite

__all__ = ["AccuracyFound", "FairnessFound", "Tested", "judge_accuracy", "judge_fairness"]

FairnessKind = Literal["nearer", "further", "moved", "small", "no_evidence", "untested"]
SquareKind = Literal["smaller", "larger", "no_evidence", "untested"]
AccuracyKind = Literal["higher", "lower", "small", "no_evidence", "untested"]
ALPHA = 0.05


@dataclass(frozen=True)
class Tested:
    """A figure of both runs and its difference: p corrected for the first page's tests, None if untested.

    a and b are of all that each run audited, `common` of the responses that the difference is about.
    """

    a: Estimate
    b: Estimate
    common: tuple[float | None, float | None]
    difference: Estimate
    p: float | None

    @property
    def shown(self) -> bool:
        """Whether the interval excludes zero and the corrected p is below .05."""
        return self.difference.excludes_zero and self.p is not None and self.p < ALPHA

    @property
    def turned(self) -> bool:
        """Whether the runs' own figures point the other way than the difference."""
        if self.a.value is None or self.b.value is None or self.difference.value is None:
            return False
        return (self.b.value - self.a.value) * self.difference.value < 0

    def within(self, margin: float) -> bool:
        """Whether the whole interval of the difference lies inside ± the margin."""
        low, high = self.difference.low, self.difference.high
        return low is not None and high is not None and -margin < low and high < margin


@dataclass(frozen=True)
class FairnessFound:
    """One grouping: what happened to the mean effect size, and to the effects item by item."""

    group: Group
    kind: FairnessKind
    square: SquareKind
    mean: Tested
    squares: Tested
    small: bool


@dataclass(frozen=True)
class AccuracyFound:
    """What happened to QWK; `small`: the difference is shown to be smaller than the margin."""

    kind: AccuracyKind
    qwk: Tested
    small: bool


def _family(found: Compared) -> dict[tuple[str, str], float]:
    """Corrected p of the tests of the first page, by (grouping, statistic); QWK's grouping is ""."""
    dif = found.tables["dif"]
    dif = dif[dif["primary"].astype(bool) & dif["statistic"].isin(("mean_es", "mean_square"))]
    keys = [(str(row["grouping"]), str(row["statistic"])) for row in dif.to_dict("records")]
    p = [float(value) for value in dif["p"]]
    qwk = one_row(found.tables["accuracy"], primary=True, metric="qwk")
    keys.append(("", "qwk"))
    p.append(float("nan") if qwk is None else float(qwk["p"]))
    return dict(zip(keys, adjust_p(p, "holm").tolist(), strict=True))


def judge_fairness(found: Compared) -> list[FairnessFound]:
    """Judge every grouping that both runs have, for the runs' own scorers."""
    p = _family(found)
    out = []
    for group in found.groups:
        rows = {
            name: one_row(found.tables["dif"], primary=True, grouping=group.attribute, statistic=name)
            for name in ("mean_es", "distance", "mean_square")
        }
        mean = _tested(rows["mean_es"], p[group.attribute, "mean_es"])
        squares = _tested(rows["mean_square"], p[group.attribute, "mean_square"])
        distance = estimate(rows["distance"], "difference", "low", "high")
        small = mean.within(found.plan.margin_es)
        kind = _kind(mean, distance, small)
        out.append(FairnessFound(group, kind, _square_kind(squares), mean, squares, small))
    return out


def _kind(mean: Tested, distance: Estimate, small: bool) -> FairnessKind:
    if mean.p is None or not mean.difference.known:
        return "untested"
    if not mean.shown:
        return "small" if small else "no_evidence"
    if not distance.excludes_zero:
        return "moved"
    return "nearer" if (distance.high or 0.0) < 0 else "further"


def _square_kind(squares: Tested) -> SquareKind:
    if squares.p is None or not squares.difference.known:
        return "untested"
    if not squares.shown:
        return "no_evidence"
    return "smaller" if (squares.difference.high or 0.0) < 0 else "larger"


def judge_accuracy(found: Compared) -> AccuracyFound:
    """Judge the difference in QWK of the runs' own scorers."""
    qwk = _tested(one_row(found.tables["accuracy"], primary=True, metric="qwk"), _family(found)["", "qwk"])
    small = qwk.within(found.plan.margin_qwk)
    if qwk.p is None or not qwk.difference.known:
        return AccuracyFound("untested", qwk, False)
    if not qwk.shown:
        return AccuracyFound("small" if small else "no_evidence", qwk, small)
    return AccuracyFound("lower" if (qwk.difference.high or 0.0) < 0 else "higher", qwk, small)


def _tested(row: pd.Series | None, p: float) -> Tested:
    a, b = (estimate(row, name, f"{name}_low", f"{name}_high") for name in "ab")
    difference = estimate(row, "difference", "low", "high")
    common = estimate(row, "a_common", "b_common", "b_common")[:2]
    return Tested(a, b, common, difference, finite(p))
