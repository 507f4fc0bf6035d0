"""Two columns of scores: beside scikit-learn and statsmodels, invariances, degenerate data, true scores."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score, mean_squared_error, r2_score
from statsmodels.stats.anova import anova_lm

from psyalign.agreement import (
    PAIR_METRICS,
    degradation,
    disattenuated_r,
    distribution_table,
    dsm,
    fairness,
    fairness_kernel,
    human_consistency,
    pair_metrics,
    ratings_matrix,
    resample,
    round_scores,
    scale_scores,
    score_types,
    trim_scores,
    true_score,
    why_undefined,
)
from psyalign.agreement.group_errors import error_cells
from psyalign.foundation.errors import DataError, UsageError

SCORES = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=60)


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@given(SCORES)
@settings(max_examples=60, deadline=None)
def test_kappas_are_scikit_learns(pairs):
    human, score = np.array(pairs).T
    found = pair_metrics(human, score)
    for name, weights in (("qwk", "quadratic"), ("kappa", None), ("kappa_linear", "linear")):
        if len({*human, *score}) == 1:
            assert np.isnan(found[name])
            continue
        assert found[name] == pytest.approx(
            cohen_kappa_score(human, score, labels=range(5), weights=weights), abs=1e-10
        )
    assert found["mse"] == pytest.approx(mean_squared_error(human, score))
    if len(set(human)) > 1:
        assert found["r2"] == pytest.approx(r2_score(human, score), abs=1e-10)


@given(SCORES, st.integers(-1000, 1000), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_symmetry_and_invariance(pairs, shift, random):
    human, score = np.array(pairs, dtype=float).T
    one, swapped = pair_metrics(human, score), pair_metrics(score, human)
    for name in ("qwk", "kappa", "kappa_linear", "exact", "adjacent", "r", "mse"):
        assert swapped[name] == pytest.approx(one[name], abs=1e-10, nan_ok=True)
    shuffled = random.sample(pairs, len(pairs))
    moved = pair_metrics(*(np.array(shuffled, dtype=float).T + shift))
    for name in PAIR_METRICS:
        if not name.endswith(("mean", "min", "max")):
            assert moved[name] == pytest.approx(one[name], abs=1e-8, nan_ok=True), name
    assert set(why_undefined(one)) == {name for name, value in one.items() if np.isnan(value)}
    assert all(why_undefined(one).values())


def test_degenerate_pairs():
    nothing = pair_metrics([], [])
    assert nothing["n"] == 0
    assert set(why_undefined(nothing).values()) == {"no pair of scores"}
    one = pair_metrics([2, np.nan, 1], [3, 2, np.inf])
    assert one["n"] == 1
    assert one["exact"] == 0
    assert one["qwk"] == 0
    assert why_undefined(one)["r"] == "only one pair of scores"
    same = pair_metrics([2, 2], [2, 2])
    assert same["exact"] == 1
    assert why_undefined(same)["kappa"] == "neither score varies"
    flat = pair_metrics([1, 2, 3], [2, 2, 2])
    assert flat["qwk"] == 0
    assert why_undefined(flat) == {"r": "the machine scores do not vary"}
    level = pair_metrics([2, 2, 2], [1, 2, 4])
    assert why_undefined(level)["smd"] == "the human scores do not vary"
    assert np.isnan(dsm([1, 2], [1, 2], human_mean=1, human_sd=0, score_mean=1, score_sd=1))
    assert np.isnan(dsm([], [], human_mean=1, human_sd=1, score_mean=1, score_sd=1))
    with pytest.raises(DataError, match="differ in number"):
        pair_metrics([1, 2], [1])
    assert distribution_table([], []).empty


def test_scales():
    np.testing.assert_array_equal(round_scores([0.5, 1.5, 2.5, 3.5, -0.5]), [0, 2, 2, 4, -0.0])
    types = score_types([-3, 2.5, 9, np.nan], 1, 4)
    assert list(types) == ["raw", "raw_trim", "raw_trim_round"]
    np.testing.assert_allclose(types["raw_trim"], [0.5002, 2.5, 4.4998, np.nan])
    np.testing.assert_array_equal(types["raw_trim_round"], [1, 2, 4, np.nan])
    rng = np.random.default_rng(1)
    machine, human = rng.normal(5, 3, 100), rng.normal(2, 0.7, 100)
    train = {"machine_mean": machine.mean(), "machine_sd": machine.std(ddof=1)}
    moved = scale_scores(machine, **train, human_mean=human.mean(), human_sd=human.std(ddof=1))
    assert [moved.mean(), moved.std(ddof=1)] == pytest.approx([human.mean(), human.std(ddof=1)])
    with pytest.raises(UsageError):
        scale_scores([1], machine_mean=0, machine_sd=0, human_mean=0, human_sd=1)
    for how in ({"low": 4}, {"tolerance": -1}, {"high": np.inf}):
        with pytest.raises(UsageError):
            trim_scores([1], **{"low": 1, "high": 3, **how})


def test_raters():
    human, score, second = [0, 1, 2, 2, 1], [0, 1, 2, 1, 1], [0, 1, 2, np.nan, 2]
    both = human_consistency(human, second)
    assert both["n"] == 4
    assert both["exact"] == 0.75
    lost = degradation(human, score, second)
    assert lost["exact"] == pytest.approx(0.75 - 0.8)
    np.testing.assert_allclose(disattenuated_r([0.6, 0.6, 0.6], [0.64, -0.1, np.nan]), [0.75, np.nan, np.nan])
    none = degradation(human, score, [np.nan] * 5)
    assert np.isnan(list(none.values())).all()


def test_ratings_matrix():
    ratings = pd.DataFrame(
        {"person": ["b", "a", "b", "b"], "item": "i", "rater": list("xyyz"), "score": [1.0, 2, 3, np.nan]}
    )
    rows, matrix = ratings_matrix(ratings)
    assert rows["person"].tolist() == ["a", "b"]
    np.testing.assert_array_equal(matrix, [[2, np.nan], [1, 3]])
    with pytest.raises(DataError, match="no rating"):
        ratings_matrix(ratings.assign(score=np.nan))


@pytest.mark.parametrize("design", ["two", "sparse", "one in five twice"])
def test_true_score_finds_the_simulated_truth(design):
    """True variance 1, error variance .49 a rating, machine's error .36: PRMSE .64."""
    rng = np.random.default_rng(2)
    n = 60_000
    true = rng.normal(3, 1, n)
    ratings = true[:, None] + rng.normal(0, 0.7, (n, 4))
    score = true + rng.normal(0, 0.6, n)
    if design == "two":
        ratings = ratings[:, :2]
    elif design == "sparse":
        ratings[rng.random((n, 4)) < 0.6] = np.nan
    else:
        ratings[:, 2:], ratings[rng.random(n) < 0.8, 1] = np.nan, np.nan
    found = true_score(ratings, score)
    assert found.error_variance == pytest.approx(0.49, abs=0.02)
    assert found.true_variance == pytest.approx(1, abs=0.03)
    assert found.prmse == pytest.approx(0.64, abs=0.02)
    assert found.reliability == pytest.approx(1 / 1.49, abs=0.02)
    assert found.n_single + found.n_multiple == found.n == np.isfinite(ratings).any(axis=1).sum()
    given = true_score(ratings[:, 0], score, error_variance=0.49)
    assert given.prmse == pytest.approx(0.64, abs=0.03)
    assert not found.table["reason"].any()


def test_true_score_without_information():
    assert "no response has two" in true_score([1, 2, 3], [1, 2, 3]).reason
    assert true_score([[np.nan, np.nan]], [1]).n == 0
    assert true_score([[1, 2]], [1]).reason == "only one response"
    noise = true_score([[0, 2], [2, 0]], [1, 1])
    assert np.isnan(noise.prmse)
    assert "no variance of true scores" in noise.reason
    lucky = true_score([[0, 1], [2, 3], [4, 5]], [0.5, 2.5, 4.5])
    assert lucky.mse_true < 0
    assert np.isnan(lucky.rmse_true)
    assert lucky.reason
    with pytest.raises(DataError):
        true_score([[1, 2]], [1, 2])
    with pytest.raises(UsageError):
        true_score([1], [1], error_variance=-1)


def _groups(seed=1, n=400):
    rng = np.random.default_rng(seed)
    group = rng.choice(["c", "a", "b"], n, p=[0.5, 0.3, 0.2])
    human = rng.integers(0, 4, n).astype(float)
    return pd.DataFrame({"h": human, "m": human + rng.normal((group == "a") * 0.2, 0.5), "g": group})


@pytest.mark.parametrize("base", [None, "b"])
def test_fairness_is_statsmodels(base):
    data = _groups()
    found = fairness(data["h"], data["m"], data["g"], base=base)
    first = base or "c"
    frame = data.assign(d=data["m"] - data["h"], se=(data["m"] - data["h"]) ** 2)
    terms = f"C(g, Treatment('{first}'))"
    osa, osd = (smf.ols(f"{y} ~ {terms}", frame).fit() for y in ("se", "d"))
    null, csd = (
        smf.ols(f"d ~ C(h, Treatment({frame['h'].mode()[0]})){more}", frame).fit()
        for more in ("", f" + {terms}")
    )
    table = found.table.set_index("metric")
    for name, fit in (("OSA", osa), ("OSD", osd)):
        assert table.loc[name, "r2"] == pytest.approx(fit.rsquared_adj, rel=1e-9)
        assert table.loc[name, "p"] == pytest.approx(fit.f_pvalue, rel=1e-9)
    assert table.loc["CSD", "r2"] == pytest.approx(csd.rsquared_adj - null.rsquared_adj, rel=1e-9)
    assert table.loc["CSD", "p"] == pytest.approx(anova_lm(null, csd).iloc[1, -1], rel=1e-9)
    for name, fit in (("OSA", osa), ("OSD", osd), ("CSD", csd)):
        rows = found.estimates[found.estimates["metric"] == name].set_index("level")
        for level in rows.index:
            key = "Intercept" if level == first else f"{terms}[T.{level}]"
            theirs = [fit.params[key], fit.bse[key], fit.pvalues[key], *fit.conf_int().loc[key]]
            np.testing.assert_allclose(
                rows.loc[level, ["estimate", "se", "p", "low", "high"]].astype(float), theirs, rtol=1e-8
            )
    assert "Machine minus human" in repr(found)


def test_fairness_resamples():
    data = _groups()
    cells = error_cells(data["h"].to_numpy(), data["m"].to_numpy(), data["g"], np.arange(400) // 4, 100)
    drawn = resample(
        lambda w: {f"{k}_a": fairness_kernel(cells, w)[f"{k}_estimate"][:, 1] for k in ("OSD", "CSD")},
        100,
        replicates=200,
    )
    table = drawn.table(null=0).set_index("key")
    estimates = fairness(data["h"], data["m"], data["g"]).estimates.set_index(["metric", "level"])
    for key in ("OSD", "CSD"):
        assert table.loc[f"{key}_a", "value"] == pytest.approx(estimates.loc[(key, "a"), "estimate"])
        assert table.loc[f"{key}_a", "se"] == pytest.approx(estimates.loc[(key, "a"), "se"], rel=0.35)
        assert table.loc[f"{key}_a", "p"] < 0.1


def test_fairness_degenerate():
    assert fairness([], [], []).table["reason"].unique().tolist() == ["no row has a group and both scores"]
    assert fairness([1, 2], [1, 2], ["a", "a"]).table["reason"].unique().tolist() == [
        "there is only one group"
    ]
    exact = fairness([1, 2, 1, 2], [1, 2, 1, 2], list("aabb"))
    assert exact.table["p"].isna().all()
    confounded = fairness([1, 1, 2, 2], [1, 2, 2, 1], list("aabb")).table.set_index("metric")
    assert confounded.loc["CSD", "reason"] == "groups and human scores cannot be told apart"
    two = fairness([1, 2], [1, 3], ["a", "b"]).table
    assert set(two["reason"]) <= {"too few responses", "groups and human scores cannot be told apart"}
    with pytest.raises(UsageError, match="no group"):
        fairness([1, 2], [1, 2], ["a", "b"], base="z")
    with pytest.raises(DataError):
        fairness([1, 2], [1, 2], ["a"])
