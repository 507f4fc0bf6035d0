"""Differences in agreement with the human scores, overall and by group, and in the KL of aligned arms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.agreement import Resamples, evaluation_intervals, resample, suppress_small
from psyalign.foundation.seeds import generator
from psyalign.report.comparison.common import Common
from psyalign.report.comparison.sides import ArmPair, Side
from psyalign.report.facts import agreement_interval, agreement_row, estimate, one_row
from psyalign.report.load import Group

__all__ = ["BY_GROUP", "OVERALL", "accuracy_tables", "kl_table"]

Array = npt.NDArray[np.float64]
Key = tuple[str, str, str, str]

OVERALL = ("qwk", "qwk_continuous", "r", "rmse", "smd", "exact", "adjacent", "sd_ratio")
BY_GROUP = ("smd", "rmse", "qwk", "r", "exact")
FIGURES = ["a", "a_low", "a_high", "b", "b_low", "b_high"]
TESTED = ["a_common", "b_common", "difference", "low", "high", "se", "p", "reason", "n_persons"]
OVERALL_COLUMNS = ["arm", "arm_a", "arm_b", "primary", "metric", *FIGURES, *TESTED]
GROUP_COLUMNS = ["arm", "arm_a", "arm_b", "primary", "grouping", "level", "metric", *FIGURES, *TESTED]
NAN = float("nan")


def accuracy_tables(
    sides: tuple[Side, Side],
    pairs: Sequence[ArmPair],
    groups: Sequence[Group],
    common: Common,
    *,
    replicates: int,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Tables accuracy and groups.

    a and b are each run's own figures, of all its audit responses, with their intervals as far as the
    run's tables have them. a_common, b_common, difference (B minus A) with its 95% interval, se and p
    (two-sided, of no difference; not corrected) are of the responses that both runs scored: persons are
    drawn with replacement with all their responses, the same draws for both runs. In "groups" the level
    "difference" is focal minus reference, and its difference that of the two gaps.
    """
    drawn = _draws(sides, pairs, groups, common, replicates, seed) if common.paired else None
    overall, grouped = [], []
    for pair in pairs:
        names = {"arm": pair.name, "arm_a": pair.a, "arm_b": pair.b, "primary": pair.primary}
        for metric in OVERALL:
            tested = _tested(drawn, pair, common, ("all", "all"), metric, common.n_persons)
            overall.append({**names, "metric": metric, **_own(sides, pair, metric), **tested})
        for group in groups:
            grouped += [{**names, **row} for row in _by_group(sides, pair, group, common, drawn)]
    by_level = pd.DataFrame(grouped, columns=GROUP_COLUMNS)
    if len(by_level) and common.paired:
        by_level = suppress_small(by_level, keep=["arm", "arm_a", "arm_b", "primary", "metric"])
    return {"accuracy": pd.DataFrame(overall, columns=OVERALL_COLUMNS), "groups": by_level}


def _draws(
    sides: tuple[Side, Side],
    pairs: Sequence[ArmPair],
    groups: Sequence[Group],
    common: Common,
    replicates: int,
    seed: int,
) -> Resamples:
    rows = common.rows[["person", "item", "human"]]
    levels = {}
    for group in groups:
        member = rows["person"].map(common.groups[group.attribute])
        levels[group.attribute] = member.map({"reference": group.reference, "focal": group.focal})
    rows = rows.assign(**levels)
    frames = {}
    for pair in pairs:
        for side, arm in zip(sides, (pair.a, pair.b), strict=True):
            frames[f"{side.letter} {arm}"] = rows.join(scores_of(side, arm, common)[["modal", "expected"]])
    by = {group.attribute: (group.reference, group.focal) for group in groups}
    return evaluation_intervals(frames, by, replicates=replicates, seed=seed, baseline="").resamples


def scores_of(side: Side, arm: str, common: Common) -> pd.DataFrame:
    """An arm's modal, expected and kl, in the rows of `common.rows`."""
    assert side.rows is not None
    place = common.rows["place_a" if side.letter == "A" else "place_b"]
    return side.rows.arms[arm].iloc[place.to_numpy(dtype=int)].reset_index(drop=True)


def _tested(
    drawn: Resamples | None,
    pair: ArmPair,
    common: Common,
    where: tuple[str, str],
    metric: str,
    n_persons: float,
) -> dict[str, object]:
    if drawn is None:
        return untested(common.reason)
    first, second = ((f"{letter} {arm}", *where, metric) for letter, arm in (("A", pair.a), ("B", pair.b)))
    values = drawn.values
    return tested_row(values[first], values[second], n_persons)


def tested_row(first: Array, second: Array, n_persons: float) -> dict[str, object]:
    """The columns of a tested difference from two figures' draws, (B + 1,) each."""
    (row,) = Resamples({"": second - first}, {}).rows(null=0.0)
    return {
        "a_common": float(first[0]), "b_common": float(second[0]), "difference": row["value"],
        "low": row["low"], "high": row["high"], "se": row["se"], "p": row["p"],
        "reason": row["reason"], "n_persons": float(n_persons),
    }  # fmt: skip


def untested(reason: str) -> dict[str, object]:
    """The same columns where nothing is paired."""
    return {**dict.fromkeys(TESTED, NAN), "reason": reason}


def _own(sides: tuple[Side, Side], pair: ArmPair, metric: str) -> dict[str, object]:
    out: dict[str, object] = {}
    for side, letter, arm in zip(sides, "ab", (pair.a, pair.b), strict=True):
        found = estimate(agreement_interval(side.tables, arm, metric), "value", "low", "high")
        row = agreement_row(side.tables, arm)
        value = NAN if row is None else row[metric]
        low, high = found.low, found.high
        more = one_row(
            side.tables.evaluation, arm=arm, grouping="all", level="all", metric=metric, contrast=""
        )
        if low is None and more is not None:
            low, high = more["low"], more["high"]
        out |= {letter: value, f"{letter}_low": low, f"{letter}_high": high}
    return out


def _by_group(
    sides: tuple[Side, Side], pair: ArmPair, group: Group, common: Common, drawn: Resamples | None
) -> list[dict[str, object]]:
    """Rows of the reference level, the focal level and the gap between them, for each metric."""
    name = group.attribute
    sizes = dict.fromkeys(("reference", "focal"), NAN)
    if drawn is not None:
        sizes = {role: float((common.groups[name] == role).sum()) for role in sizes}
    rows = []
    for metric in BY_GROUP:
        for level, n in ((group.reference, sizes["reference"]), (group.focal, sizes["focal"])):
            tested = _tested(drawn, pair, common, (name, level), metric, n)
            rows.append(_level(sides, pair, name, level, metric) | tested)
        gap = _gap(drawn, pair, common, group, metric, min(sizes.values()))
        rows.append(_level(sides, pair, name, "difference", metric) | gap)
    return rows


def _level(
    sides: tuple[Side, Side], pair: ArmPair, grouping: str, level: str, metric: str
) -> dict[str, object]:
    out: dict[str, object] = {"grouping": grouping, "level": level, "metric": metric}
    where = {"grouping": grouping, "level": level, "contrast": ""}
    if level == "difference":
        where |= {"contrast": "difference"}
    for side, letter, arm in zip(sides, "ab", (pair.a, pair.b), strict=True):
        row = agreement_row(side.tables, arm, grouping, level)
        found = side.tables.evaluation
        if level == "difference":
            (group,) = (g for g in side.tables.manifest.groups if g.attribute == grouping)
            where["level"] = group.focal
        more = estimate(one_row(found, arm=arm, metric=metric, **where), "value", "low", "high")
        out |= {letter: NAN if row is None else row[metric], f"{letter}_low": more.low}
        out |= {f"{letter}_high": more.high}
    return out


def _gap(
    drawn: Resamples | None, pair: ArmPair, common: Common, group: Group, metric: str, n: float
) -> dict[str, object]:
    """The gap focal minus reference in each run, and the difference of the two gaps."""
    if drawn is None:
        return untested(common.reason)
    gaps = []
    for letter, arm in (("A", pair.a), ("B", pair.b)):
        of = [
            drawn.values[f"{letter} {arm}", group.attribute, level, metric]
            for level in (group.focal, group.reference)
        ]
        gaps.append(of[0] - of[1])
    return tested_row(gaps[0], gaps[1], n)


def kl_table(
    sides: tuple[Side, Side], pairs: Sequence[ArmPair], common: Common, *, replicates: int, seed: int
) -> pd.DataFrame:
    """Mean KL from the baseline and optimality gap, by arm: arm, figure, a, b, and the tested difference.

    The KL is a mean over responses and its difference is paired. The two runs' optimality gaps are
    counted from different rewards: they stand side by side and are not tested. Where neither run has a
    reward model, there are none.
    """
    rows = []
    figures = ["mean_kl", *(["optimality_gap"] if any(side.tables.rewarded for side in sides) else [])]
    for pair in pairs:
        names = {"arm": pair.name, "arm_a": pair.a, "arm_b": pair.b, "primary": pair.primary}
        for figure in figures:
            of = [
                one_row(side.tables.arms, arm=arm) for side, arm in zip(sides, (pair.a, pair.b), strict=True)
            ]
            values = [NAN if row is None else row[figure] for row in of]
            tested = untested(common.reason or "counted from two different rewards")
            if figure == "mean_kl" and common.paired:
                tested = _kl_test(sides, pair, common, replicates, seed)
            rows.append({**names, "figure": figure, "a": values[0], "b": values[1], **tested})
    return pd.DataFrame(rows)


def _kl_test(
    sides: tuple[Side, Side], pair: ArmPair, common: Common, replicates: int, seed: int
) -> dict[str, object]:
    codes, persons = pd.factorize(common.rows["person"])
    sums = [np.bincount(codes, minlength=len(persons)).astype(float)]
    for side, arm in zip(sides, (pair.a, pair.b), strict=True):
        kl = scores_of(side, arm, common)["kl"].to_numpy(dtype=float)
        sums.append(np.bincount(codes, weights=kl, minlength=len(persons)))

    def means(weights: Array) -> Mapping[str, Array]:
        n, first, second = (weights @ column for column in sums)
        return {"a": first / n, "b": second / n}

    rng = generator(seed, "comparison", "kl")
    drawn = resample(means, len(persons), replicates=replicates, seed=rng).values
    return tested_row(drawn["a"], drawn["b"], len(persons))
