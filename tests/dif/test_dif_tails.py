"""p values and critical values against scipy.stats, from the statistics beside them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from psyalign.dif import (
    METHODS,
    MatchSpec,
    ScoreMatrix,
    adjust_p,
    equivalent,
    minimum_detectable,
    rater_error,
    shrink,
    smd,
    thresholds,
)

CLOSE = {"rtol": 1e-12, "atol": 0}
# By method: p, the statistic (z, or chi-square with its df).
TAILS = {
    "smd": [("p", "z", None)],
    "mantel": [("mantel_p", "mantel_z", None)],
    "polysib": [("polysib_p", "polysib_z", None)],
    "crossing_polysib": [("csib_p", "csib_chi2", "csib_df")],
    "liu_agresti": [("la_p", "la_z", None)],
    "gmh": [("gmh_p", "gmh_chi2", "gmh_df")],
    "location_scale": [("scale_p", "scale_lr", 1), ("location_scale_p", "location_scale_lr", 2)],
    "adjacent": [("adjacent_lr_total_p", "adjacent_lr_total", 2)],
    "ordinal": [("lr_total_p", "lr_total", 2), ("lr_uniform_p", "lr_uniform", 1)],
    "mantel_haenszel": [("mh_p", "mh_chi2", 1)],
    "breslow_day": [("bd_p", "bd_chi2", "bd_df"), ("bd_trend_p", "bd_trend_chi2", 1)],
    "standardisation": [("std_p", "std_z", None)],
    "logistic": [("logistic_lr_total_p", "logistic_lr_total", 2)],
}
BINARY = ("mantel_haenszel", "breslow_day", "logistic")


@pytest.fixture
def matrix(graded):
    wide, group = graded(np.random.default_rng(3), 400, items=6, points=4)
    wide["item01"] += 2 * (group == "focal")  # a p far out in the tail
    return ScoreMatrix.from_wide(wide.astype(float).clip(upper=4), group)


@pytest.mark.parametrize("name", METHODS)
def test_p_of_each_method(matrix, name):
    if name in BINARY:
        matrix = ScoreMatrix(matrix.persons, matrix.items, np.minimum(matrix.values, 1.0), matrix.group)
    spec = MatchSpec("rest") if METHODS[name].strata == "rest" else MatchSpec()
    table = METHODS[name].run(matrix.count(spec)).table
    for p, statistic, df in TAILS[name]:
        value = table[statistic].to_numpy(dtype=float)
        if df is None:
            expected = 2 * stats.norm.sf(np.abs(value))
        else:
            expected = stats.chi2.sf(value, table[df] if isinstance(df, str) else df)
        known = np.isfinite(value)
        assert known.sum() >= 4
        np.testing.assert_allclose(table[p][known], expected[known], **CLOSE)
        assert table[p][~known].isna().all()


def test_p_of_thresholds(matrix):
    table = thresholds(matrix.count(MatchSpec())).table
    np.testing.assert_allclose(table["dsf_p"], 2 * stats.norm.sf(table["dsf_z"].abs()), **CLOSE)
    together = stats.chi2.sf(table["dsf_homogeneity_chi2"], table["dsf_homogeneity_df"])
    np.testing.assert_allclose(table["dsf_homogeneity_p"], together, **CLOSE)


@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.3])
def test_judgements_take_the_normal_distribution(matrix, alpha):
    table = smd(matrix.count(MatchSpec())).table
    es, error = table["es"], table["se"] / table["sd"]
    found = equivalent(es, error, alpha=alpha)
    np.testing.assert_allclose(found["p"], 2 * stats.norm.sf(es.abs() / error), **CLOSE)
    np.testing.assert_allclose(found["p_equivalence"], stats.norm.sf((0.17 - es.abs()) / error), **CLOSE)
    np.testing.assert_allclose(found["high"] - es, stats.norm.isf(alpha) * error, rtol=1e-12, atol=1e-15)
    detectable = minimum_detectable(table, alpha=alpha, power=0.8).set_index("item")
    reach = (stats.norm.isf(alpha / 2) + stats.norm.ppf(0.8)) * error
    np.testing.assert_allclose(detectable["mde"], reach, **CLOSE)


def test_shrunken_shares_take_the_normal_distribution():
    rng = np.random.default_rng(1)
    es = pd.Series(rng.normal(0, 0.2, 12), index=[f"i{n}" for n in range(12)])
    table = shrink(es, pd.Series(0.1, index=es.index), thresholds=(0.17, 0.25), level=0.9)
    middle, spread = table["posterior_mean"], table["posterior_sd"]
    inside = stats.norm.cdf((0.17 - middle) / spread) - stats.norm.cdf((-0.17 - middle) / spread)
    np.testing.assert_allclose(table["p_a"], inside, **CLOSE)
    np.testing.assert_allclose(table["high"] - middle, stats.norm.isf(0.05) * spread, rtol=1e-12)


def test_rater_error_takes_the_normal_distribution():
    rng = np.random.default_rng(2)
    true = rng.normal(3, 1, 300)
    scores = pd.DataFrame(
        {"person": range(300), "item": "i", "group": rng.choice(["reference", "focal"], 300)}
    )
    scores = scores.assign(machine=true + rng.normal(0, 0.3, 300), human=true + rng.normal(0, 0.4, 300))
    table = rater_error(scores.assign(human2=true + rng.normal(0, 0.4, 300)), level=0.9).table
    z = table["estimate"] / table["se"]
    np.testing.assert_allclose(table["p"], 2 * stats.norm.sf(z.abs()), **CLOSE)
    half = (table["high"] - table["low"]) / 2
    np.testing.assert_allclose(half, stats.norm.isf(0.05) * table["se"], rtol=1e-12)


def test_benjamini_and_hochberg_is_scipys():
    p = pd.Series([0.001, 0.2, np.nan, 0.03, 0.04])
    expected = stats.false_discovery_control(p.dropna())
    np.testing.assert_allclose(adjust_p(p, "BH")[p.notna()], expected, **CLOSE)
