"""The wording effect: what a scorer makes of the same answer in other words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from psyalign.foundation.seeds import generator
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.scores import audit_scores

__all__ = ["wording_effects"]

COLUMNS = ["arm", "effect", "low", "high", "n_pairs", "reduction", "reduction_low", "reduction_high"]


def wording_effects(run: Run) -> pd.DataFrame:
    """Mean difference in expected score, other wording minus neutral wording, within an answer.

    Unlike DIF it compares an answer with itself, so persons' ability and the human scores add
    no noise. `reduction` is 1 − |effect| / |effect of the baseline|. Intervals: percentile
    bootstrap of persons, the same draws for all arms.

    Returns
    -------
    DataFrame
        One row an arm; no rows if no audit answer has another wording or no wording is neutral.
    """
    neutral = run.study.feedback.neutral_wording
    differences = {arm: _differences(audit_scores(run, arm), neutral) for arm in run.study.align.arms}
    if not neutral or not len(differences["baseline"]):
        return pd.DataFrame({name: pd.Series(dtype="str" if name == "arm" else "float") for name in COLUMNS})
    persons = sorted(differences["baseline"]["person"].unique())
    rng = generator(run.study.study.seed, "wording", "bootstrap")
    draws = rng.multinomial(len(persons), [1 / len(persons)] * len(persons), run.study.dif.bootstrap)
    weights = np.vstack([np.ones(len(persons)), draws])
    means = {arm: _means(table, persons, weights) for arm, table in differences.items()}
    rows = []
    for arm, values in means.items():
        gone = 1 - np.abs(values) / np.abs(means["baseline"])
        low, high = np.quantile(values[1:], [0.025, 0.975])
        gone_low, gone_high = np.quantile(gone[1:], [0.025, 0.975])
        rows.append([arm, values[0], low, high, len(differences[arm]), gone[0], gone_low, gone_high])
    return pd.DataFrame(rows, columns=COLUMNS)


def _differences(scores: pd.DataFrame, neutral: str) -> pd.DataFrame:
    """Person and difference for every pair of an answer in neutral and in other words."""
    plain = scores[scores["wording"] == neutral][["person", "item", "expected"]]
    other = scores[scores["wording"] != neutral][["person", "item", "expected"]]
    both = plain.merge(other, on=["person", "item"], suffixes=("_neutral", "_other"))
    return pd.DataFrame(
        {"person": both["person"], "difference": both["expected_other"] - both["expected_neutral"]}
    )


def _means(table: pd.DataFrame, persons: list[str], weights: np.ndarray) -> np.ndarray:
    by_person = table.groupby("person")["difference"].agg(["sum", "count"]).reindex(persons).to_numpy(float)
    totals = weights @ by_person
    return np.asarray(totals[:, 0] / totals[:, 1])
