"""The wording effect: what a scorer makes of the same answer in other words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.agreement.suppress import MIN_CELL
from psyalign.foundation.seeds import generator
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.scores import audit_scores

__all__ = ["WordingEffects", "wording_effects", "wording_tables"]

Array = npt.NDArray[np.float64]

OVERALL = [
    *("arm", "effect", "low", "high", "n_pairs", "reduction", "reduction_low", "reduction_high"),
    *("mean_abs_es", "abs_reduction", "abs_reduction_low", "abs_reduction_high"),
]
ITEMS = ["arm", "item", "n_pairs", "effect", "es", "low", "high", "reason"]
TEXT = {"arm", "item", "reason"}
TOO_FEW = f"fewer than {MIN_CELL} persons in both wordings"
NO_SPREAD = "the human scores have no spread"


class WordingEffects(NamedTuple):
    """Result of `wording_effects`: tables of arms, and of arms and items."""

    overall: pd.DataFrame
    items: pd.DataFrame


def wording_tables(run: Run, human: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tables "wording" and "wording_items" of the audit answers that exist in two wordings.

    Returns
    -------
    dict of str to DataFrame
        No rows if no audit answer has another wording or none is neutral.
    """
    neutral = run.study.feedback.neutral_wording
    pairs: dict[str, pd.DataFrame] = {
        arm: _pairs(audit_scores(run, arm), neutral) for arm in run.study.align.arms
    }
    if not neutral or not len(pairs["baseline"]):
        return {"wording": _nothing(OVERALL), "wording_items": _nothing(ITEMS)}
    found = wording_effects(
        pairs,
        human.groupby("item")["score"].std(ddof=1),
        replicates=run.study.dif.bootstrap,
        rng=generator(run.study.study.seed, "wording", "bootstrap"),
    )
    return {"wording": found.overall, "wording_items": found.items}


def wording_effects(
    pairs: Mapping[str, pd.DataFrame], sd: pd.Series, *, replicates: int, rng: np.random.Generator
) -> WordingEffects:
    """Mean difference in expected score, other wording minus neutral wording, within an answer.

    Unlike DIF it compares an answer with itself, so persons' ability and the human scores add no noise. Where
    groups are alike but for their wording, an item's effect in SDs of its human scores is the ES of DIF
    that the scorer has in expectation.

    Parameters
    ----------
    pairs : mapping of str to DataFrame
        By arm, "baseline" among them: person, item and difference, of the same answers in every arm.
    sd : Series
        SD (ddof 1) of the human scores by item, in score points; taken as known.
    replicates : int
        Bootstrap samples of persons, the same for all arms.
    rng : numpy.random.Generator

    Returns
    -------
    WordingEffects
        `overall`: `effect` over all answers in score points with its 95% percentile interval (low, high);
        `reduction`, 1 − |effect| / |effect of the baseline|, with its interval; `mean_abs_es`, the mean over
        items of |es|, and `abs_reduction`, by how much of the baseline's that is less, with its interval.
        Noise adds to a mean of sizes, most where little is left: `abs_reduction` errs to the low side.
        `items`: `effect` in score points, `es` in SDs of the item's human scores with its interval; NaN, and
        `reason` says why, where an item has too few persons or no spread.
    """
    first = pairs["baseline"]
    persons = sorted(first["person"].unique())
    items = sorted(first["item"].unique())
    draws = rng.multinomial(len(persons), [1 / len(persons)] * len(persons), replicates)
    weights = np.vstack([np.ones(len(persons)), draws])
    answers = _sums(first.assign(difference=1.0), persons, items)
    few = (answers > 0).sum(axis=0) < MIN_CELL
    known = sd.reindex(items).to_numpy(dtype=float)
    scale = np.where(few | ~(known > 0), np.nan, known)
    reason = np.where(few, TOO_FEW, np.where(known > 0, "", NO_SPREAD))
    counts = weights @ answers
    overall, sizes, parts = {}, {}, []
    for arm, table in pairs.items():
        sums = weights @ _sums(table, persons, items)
        overall[arm] = sums.sum(axis=1) / counts.sum(axis=1)
        # a sample may hold nobody who answered an item
        points = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
        effects = points / scale
        sizes[arm] = _mean_size(effects[:, ~np.isnan(scale)])
        low, high = _ends(effects)
        columns = {"n_pairs": answers.sum(axis=0).astype(int), "effect": points[0], "es": effects[0]}
        columns |= {"low": low, "high": high, "reason": reason}
        parts.append(pd.DataFrame({"arm": arm, "item": items, **columns}, columns=ITEMS))
    rows = []
    for arm, means in overall.items():
        low, high = _ends(means)
        row = {"arm": arm, "effect": means[0], "low": low, "high": high, "n_pairs": len(first)}
        row |= _gone("reduction", means, overall["baseline"])
        row |= {"mean_abs_es": sizes[arm][0]} | _gone("abs_reduction", sizes[arm], sizes["baseline"])
        rows.append(row)
    return WordingEffects(pd.DataFrame(rows, columns=OVERALL), pd.concat(parts, ignore_index=True))


def _nothing(columns: list[str]) -> pd.DataFrame:
    """The table without rows."""
    return pd.DataFrame({name: pd.Series(dtype="str" if name in TEXT else "float") for name in columns})


def _gone(name: str, after: Array, before: Array) -> dict[str, float]:
    """1 − |after| / |before| under `name`, and its interval."""
    share = np.divide(np.abs(after), np.abs(before), out=np.full_like(after, np.nan), where=before != 0)
    low, high = _ends(1 - share)
    return {name: 1 - share[0], f"{name}_low": low, f"{name}_high": high}


def _mean_size(effects: Array) -> Array:
    """Mean |effect| of each sample over the items that it has; NaN without any."""
    known = ~np.isnan(effects)
    total = np.where(known, np.abs(effects), 0).sum(axis=1)
    nothing = np.full(len(effects), np.nan)
    return np.asarray(np.divide(total, known.sum(axis=1), out=nothing, where=known.any(axis=1)))


def _ends(samples: Array) -> Array:
    """Ends of the 95% percentile interval: the first row is the estimate, the others are samples."""
    known = np.where(np.isnan(samples[0]), 0.0, samples[1:])  # nanquantile warns where all are NaN
    ends = np.nanquantile(known, [0.025, 0.975], axis=0)
    return np.asarray(np.where(np.isnan(samples[0]), np.nan, ends), dtype=np.float64)


def _pairs(scores: pd.DataFrame, neutral: str) -> pd.DataFrame:
    """Person, item and difference for every pair of an answer in neutral and in other words."""
    plain = scores[scores["wording"] == neutral][["person", "item", "expected"]]
    other = scores[scores["wording"] != neutral][["person", "item", "expected"]]
    both = plain.merge(other, on=["person", "item"], suffixes=("_neutral", "_other"))
    return both[["person", "item"]].assign(difference=both["expected_other"] - both["expected_neutral"])


def _sums(table: pd.DataFrame, persons: list[str], items: list[str]) -> Array:
    """Sums of the differences, persons × items; 0 where there are none."""
    wide = table.pivot_table(index="person", columns="item", values="difference", aggfunc="sum")
    return wide.reindex(index=persons, columns=items).fillna(0.0).to_numpy(dtype=np.float64)
