"""Tables of how well, and how fairly, the scorer before and the one after agree with the human scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd

from psyalign.agreement import (
    METRICS,
    Evaluation,
    decisions,
    evaluation_intervals,
    fairness,
    impact_ratios,
    ll144_table,
    ratings_matrix,
    suppress_small,
)
from psyalign.agreement.gates import MIN_DRAWS
from psyalign.agreement.suppress import MIN_CELL
from psyalign.dif.rater_bias import rater_error
from psyalign.foundation.seeds import derive_seed
from psyalign.foundation.tables import read_table
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.audit import Audit
from psyalign.study import Gates

__all__ = ["compared_arms", "validity_tables"]

Frames = Mapping[str, pd.DataFrame]

# Of the evaluation against one human score, and of that against two ratings or more.
SHOWN = (*(name for name in METRICS if name not in ("kappa_linear", "r2", "mse")), "dsm")
RATED = (
    "human_qwk", "human_r", "human_exact", "human_adjacent", "degradation_qwk", "degradation_r",
    "r_disattenuated", "reliability", "mse_true", "rmse_true", "prmse",
)  # fmt: skip
NONINFERIORITY = [
    *("after", "before", "metric", "difference", "margin", "bound", "p", "noninferior", "reason")
]
RATER_BIAS = [
    *("arm", "grouping", "item", "focal", "method", "estimate", "se", "z", "p", "low", "high", "slope"),
    *("reliability", "n_reference", "n_focal", "n_persons", "n_responses", "n_twice", "estimable", "reason"),
]
IMPACT = [
    *("arm", "grouping", "cut", "group", "n", "share", "n_selected", "rate", "is_reference", "impact_ratio"),
    *("low", "high", "below_four_fifths", "shown_below", "p", "shortfall", "excluded", "reason"),
    "suppressed",
]
DECISIONS = [
    *("arm", "cut", "n", "human_rate", "rate", "accuracy", "sensitivity", "specificity", "ppv", "npv"),
    "kappa",
]


def compared_arms(run: Run) -> list[str]:
    """The arms called "before" and "after"."""
    return ["baseline", str(run.study.report.primary_arm)]


def validity_tables(run: Run, audit: Audit, frames: Frames, gates: Gates) -> dict[str, pd.DataFrame]:
    """Tables evaluation, noninferiority, fairness, rater_bias, impact, decisions and bias_audit.

    Of the scorers before and after. Rows of groups with fewer than 10 persons are blanked, with those that
    the total would give away (`suppress_small`). Second ratings: `Gates.raters`.
    """
    by = {name: (group.reference, group.focal) for name, group in run.study.groups.items()}
    kept = {arm: frames[arm] for arm in compared_arms(run)}
    rated, columns = _rated(run, kept, gates)
    evaluate = partial(
        evaluation_intervals,
        by=by,
        replicates=run.study.dif.bootstrap,
        seed=derive_seed(run.study.study.seed, "agreement"),
    )
    found = evaluate(kept)
    parts = [_counted(found.table, SHOWN, kept, by)]
    if columns:
        again = evaluate(rated, ratings=columns)
        twice = {arm: frame[frame[columns[:2]].notna().all(axis=1)] for arm, frame in rated.items()}
        parts.append(_counted(again.table, RATED, twice, by))
    evaluation = suppress_small(pd.concat(parts, ignore_index=True), keep=["arm", "metric", "contrast"])
    return {
        "evaluation": evaluation,
        "noninferiority": _noninferiority(run, found, gates),
        "fairness": _fairness(kept, by),
        "rater_bias": _rater_bias(rated, by) if columns else pd.DataFrame(columns=RATER_BIAS),
        **_outcomes(run, audit, gates.cut),
    }


def _rated(run: Run, frames: Frames, gates: Gates) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """The frames with two ratings or more of each response as columns, the first in the place of human.

    No columns if there are no second ratings: then a human's agreement with another is not known.
    """
    ratings = read_table(run.path("data", "ratings.parquet"))
    if gates.raters:
        ratings = ratings[ratings["rater"].isin(gates.raters)]
        wide = ratings.pivot(index=["person", "item"], columns="rater", values="score")
        wide = wide.reindex(columns=list(gates.raters)).reset_index()
    elif not run.study.data.criterion:
        keys, matrix = ratings_matrix(ratings)
        wide = pd.concat([keys, pd.DataFrame(matrix)], axis=1)
    else:
        return {}, []
    columns = [f"rating_{number}" for number in range(1, wide.shape[1] - 1)]
    wide.columns = pd.Index(["person", "item", *columns])
    if len(columns) < 2:
        return {}, []
    out = {}
    for arm, frame in frames.items():
        merged = frame.merge(wide, on=["person", "item"], how="left")
        out[arm] = merged.assign(human=merged[columns[0]])
    twice = next(iter(out.values()))[columns].notna().sum(axis=1) > 1
    return (out, columns) if twice.any() else ({}, [])


def _counted(
    table: pd.DataFrame, metrics: Sequence[str], frames: Frames, by: Mapping[str, tuple[str, str]]
) -> pd.DataFrame:
    """The rows of these metrics, with the number of persons: of a difference, of the smaller group."""
    sizes = {}
    for arm, frame in frames.items():
        sizes[arm, "all", "all"] = frame["person"].nunique()
        for grouping, levels in by.items():
            for level in levels:
                sizes[arm, grouping, level] = frame.loc[frame[grouping] == level, "person"].nunique()
    table = table[table["metric"].isin(metrics)].reset_index(drop=True)
    persons = []
    for arm, grouping, level, contrast in table[["arm", "grouping", "level", "contrast"]].itertuples(
        index=False
    ):
        of = by[grouping] if contrast == "difference" else (level,)
        persons.append(min(sizes[arm, grouping, name] for name in of))
    return table.assign(n_persons=persons)


def _noninferiority(run: Run, found: Evaluation, gates: Gates) -> pd.DataFrame:
    before, after = compared_arms(run)
    margin = gates.thresholds["noninferiority"]
    if margin is False:
        return pd.DataFrame(columns=NONINFERIORITY)
    rows = [found.noninferior(after, before, margin=float(margin), metric=name) for name in ("qwk", "r")]
    table = pd.DataFrame(rows)[NONINFERIORITY]
    draws = run.study.dif.bootstrap
    if draws < MIN_DRAWS:
        few = f"only {draws} resamples of persons (dif.bootstrap); the test needs {MIN_DRAWS}"
        table = table.assign(bound=np.nan, p=np.nan, noninferior=False, reason=few)
    return table


def _fairness(frames: Frames, by: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """OSA, OSD and CSD of the expected scores by RSMTool's definitions, focal minus reference."""
    parts = []
    for arm, frame in frames.items():
        for grouping, (reference, focal) in by.items():
            rows = frame[frame[grouping].isin((reference, focal))]
            persons = rows.groupby(grouping)["person"].nunique().reindex([reference, focal], fill_value=0)
            found = fairness(
                rows["human"], rows["expected"], rows[grouping], base=_base(rows, grouping, reference)
            )
            estimates = found.estimates[found.estimates["level"] == focal]
            table = found.table.merge(
                estimates[["metric", "estimate", "se", "low", "high"]], on="metric", how="left"
            )
            if persons.min() < MIN_CELL:
                numbers = ["r2", "f", "df1", "df2", "p", "n", "estimate", "se", "low", "high"]
                table[numbers] = np.nan
                table["reason"] = "few persons in a group"
            parts.append(table.assign(arm=arm, grouping=grouping, n_persons=float(persons.sum())))
    return pd.concat(parts, ignore_index=True)


def _base(rows: pd.DataFrame, grouping: str, reference: str) -> str | None:
    return reference if (rows[grouping] == reference).any() else None


def _rater_bias(frames: Frames, by: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """Bias given the human true score, the raters' error taken out by a second rating."""
    parts = []
    for arm, frame in frames.items():
        for grouping, (reference, focal) in by.items():
            scores = pd.DataFrame(
                {
                    "person": frame["person"],
                    "item": frame["item"],
                    "group": frame[grouping].map({reference: "reference", focal: "focal"}),
                    "machine": frame["expected"],
                    "human": frame["rating_1"],
                    "human2": frame["rating_2"],
                }
            )
            table = rater_error(scores, min_group=MIN_CELL).table
            parts.append(table.assign(arm=arm, grouping=grouping, focal=focal))
    return pd.concat(parts, ignore_index=True)[RATER_BIAS]


def _outcomes(run: Run, audit: Audit, cut: float | None) -> dict[str, pd.DataFrame]:
    """What follows for persons: their mean scores over the items, by group and at the cut."""
    scores = {"human": audit.human, **{arm: audit.expected(arm) for arm in compared_arms(run)}}
    groups = audit.persons.set_index("person")[list(run.study.groups)]
    groups = groups.apply(
        lambda values: values.where(
            values.isin((run.study.groups[values.name].reference, run.study.groups[values.name].focal))
        )
    )
    audits, impacts, decided = [], [], []
    human = audit.human.groupby("person")["score"].mean()
    for arm, table in scores.items():
        mean = table.groupby("person")["score"].mean().rename("mean_score")
        persons = groups.join(mean, how="inner").reset_index()
        audits.append(ll144_table(persons, list(groups.columns), score="mean_score").assign(arm=arm))
        if cut is None:
            continue
        for grouping in groups.columns:
            found = impact_ratios(persons["mean_score"] >= cut, persons[grouping])
            impacts.append(found.assign(arm=arm, grouping=grouping, cut=cut))
        if arm != "human":
            paired = pd.concat([human.rename("human"), mean], axis=1, join="inner")
            decided.append(decisions(paired["human"], paired["mean_score"], [cut]).head(1).assign(arm=arm))
    audit_table = suppress_small(
        pd.concat(audits, ignore_index=True), n="n", grouping="attribute", level="category", keep=["arm"]
    )
    out = {"bias_audit": audit_table, "impact": pd.DataFrame(columns=IMPACT)}
    out["decisions"] = pd.DataFrame(columns=DECISIONS)
    if impacts:
        table = pd.concat(impacts, ignore_index=True)
        out["impact"] = suppress_small(table, n="n", level="group", keep=["arm", "cut"])[IMPACT]
        out["decisions"] = pd.concat(decided, ignore_index=True)[DECISIONS].astype({"cut": float})
    return out
