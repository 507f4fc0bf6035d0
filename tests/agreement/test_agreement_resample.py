"""Resampled persons: coverage, size of the non-inferiority test, scipy's BCa, all figures in one go."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from psyalign.agreement import (
    METRICS,
    agreement,
    agreement_table,
    bootstrap_agreement,
    evaluation_intervals,
    human_consistency,
    resample,
    true_score,
)
from psyalign.agreement.sums import pair_kernel, pair_sums
from psyalign.foundation.errors import DataError, UsageError

ITEMS = 4


def _simulate(rng, persons, noises=(0.6,)):
    """Scores 0 to 4 of persons with an own level and an own machine error: clustered."""
    ability = np.repeat(rng.normal(2, 0.8, persons), ITEMS)
    own = np.repeat(rng.normal(0, 0.4, persons), ITEMS)
    human = np.clip(np.rint(ability + rng.normal(0, 0.6, len(ability))), 0, 4)
    scores = [np.clip(np.rint(ability + own + rng.normal(0, noise, len(ability))), 0, 4) for noise in noises]
    return np.repeat(np.arange(persons), ITEMS), human, scores


def _qwk(person, human, scores, n_persons):
    sums = {place: pair_sums(human, score, person, n_persons) for place, score in enumerate(scores)}
    return lambda weights: {place: pair_kernel(part, weights)["qwk"] for place, part in sums.items()}


def _population(noises):
    person, human, scores = _simulate(np.random.default_rng(99), 200_000, noises)
    return [float(_qwk(person * 0, human, [score], 1)(np.ones((1, 1)))[0][0]) for score in scores]


def test_coverage_of_qwk_with_clustered_persons():
    rng, (truth,) = np.random.default_rng(5), _population((0.6,))
    inside = []
    for _ in range(300):
        drawn = resample(_qwk(*_simulate(rng, 120), 120), 120, replicates=250, seed=rng)
        low, high = drawn.interval(0)
        inside.append(low <= truth <= high)
    assert 0.915 <= np.mean(inside) <= 0.98


def test_noninferiority_at_its_boundary_errs_as_often_as_stated():
    noises = (0.5, 0.8)
    before, after = _population(noises)
    rng = np.random.default_rng(6)
    found = []
    for _ in range(300):
        drawn = resample(_qwk(*_simulate(rng, 120, noises), 120), 120, replicates=250, seed=rng)
        found.append(drawn.noninferior(1, 0, margin=before - after)["noninferior"])
    assert 0.02 <= np.mean(found) <= 0.085


def test_noninferiority_decides():
    rng = np.random.default_rng(7)
    person, human, (score, worse) = _simulate(rng, 300, (0.5, 1.5))
    drawn = resample(_qwk(person, human, [score, score, worse], 300), 300, replicates=400, seed=1)
    same = drawn.noninferior(1, 0, margin=0.02)
    assert same == {
        "difference": 0,
        "margin": 0.02,
        "bound": 0,
        "p": 1 / 401,
        "noninferior": True,
        "reason": "",
    }
    lost = drawn.noninferior(2, 0, margin=0.02)
    assert not lost["noninferior"]
    assert lost["bound"] < lost["difference"] < -0.02
    assert lost["p"] == 1
    with pytest.raises(UsageError, match="margin"):
        drawn.noninferior(1, 0, margin=0)


def test_bca_is_scipys():
    """One response a person; scipy resamples pairs, with other draws."""
    rng = np.random.default_rng(8)
    x = rng.exponential(size=60)
    y = x + rng.exponential(size=60)
    theirs = stats.bootstrap(
        (x, y), lambda a, b: stats.pearsonr(a, b)[0], paired=True, vectorized=False, n_resamples=2000,
        method="BCa", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    sums = pair_sums(x, y, np.arange(60), 60)
    drawn = resample(
        lambda weights: {"r": pair_kernel(sums, weights)["r"]}, 60, replicates=10000, seed=2, bca=True
    )
    np.testing.assert_allclose(drawn.interval("r", kind="bca"), theirs, atol=0.012)
    plain = drawn.interval("r")
    assert abs(plain[0] - theirs[0]) > 0.01  # BCa does something here
    with pytest.raises(UsageError, match="bca"):
        resample(lambda w: {"n": w.sum(axis=1)}, 5, replicates=9).interval("n", kind="bca")


def test_blocks_are_the_same_draws(monkeypatch):
    person, human, scores = _simulate(np.random.default_rng(3), 50)
    one = resample(_qwk(person, human, scores, 50), 50, replicates=100, seed=4).values[0]
    monkeypatch.setattr("psyalign.agreement.resampling.BLOCK", 350)
    np.testing.assert_allclose(
        resample(_qwk(person, human, scores, 50), 50, replicates=100, seed=4).values[0], one, rtol=1e-12
    )


def _frame(seed=0, persons=80, noise=0.6):
    rng = np.random.default_rng(seed)
    person, human, (modal,) = _simulate(rng, persons, (noise,))
    second = np.clip(human + rng.integers(-1, 2, len(human)), 0, 4)
    second[rng.random(len(human)) < 0.4] = np.nan
    group = np.array(["F", "M", "X"])[person % 3]
    return pd.DataFrame(
        {"person": person, "item": np.tile(np.arange(ITEMS), persons), "human": human, "modal": modal,
         "expected": modal + rng.uniform(-0.4, 0.4, len(human)), "human2": second, "sex": group}
    )  # fmt: skip


def test_all_figures_are_those_of_the_functions():
    worse, better = _frame(noise=1.0), _frame()
    worse[["human", "human2"]] = better[["human", "human2"]]
    found = evaluation_intervals(
        {"baseline": worse, "dpo": better},
        {"sex": ["F", "M", "X"]},
        ratings=["human", "human2"],
        replicates=200,
    )
    table = found.table.set_index(["arm", "grouping", "level", "metric", "contrast"])
    direct = agreement(better["human"], better["modal"], better["expected"])
    for metric in METRICS:
        row = table.loc[("dpo", "all", "all", metric, "")]
        assert row["value"] == pytest.approx(direct[metric], abs=1e-12)
        assert row["low"] < row["value"] < row["high"]
        assert np.isnan(row["p"])
    groups = agreement_table(better, {"sex": ("F", "M")}).set_index("level")
    for metric in METRICS:
        assert table.loc[("dpo", "sex", "M", metric, "")]["value"] == pytest.approx(
            groups.loc["M", metric], abs=1e-12
        )
        gap = table.loc[("dpo", "sex", "M", metric, "difference")]
        assert gap["value"] == pytest.approx(groups.loc["difference", metric], abs=1e-12)
        assert 0 < gap["p"] <= 1
    true = true_score(better[["human", "human2"]], better["expected"])
    for metric in ("prmse", "mse_true", "error_variance", "reliability"):
        assert table.loc[("dpo", "all", "all", metric, "")]["value"] == pytest.approx(getattr(true, metric))
    humans = human_consistency(better["human"], better["human2"])
    assert table.loc[("dpo", "all", "all", "degradation_r", "")]["value"] == pytest.approx(
        humans["r"] - direct["r"]
    )
    change = table.loc[("dpo", "all", "all", "rmse", "change")]
    assert change["high"] < 0
    assert change["p"] < 0.05
    assert ("baseline", "all", "all", "rmse", "change") not in table.index
    dsm = [table.loc[("dpo", "sex", level, "dsm", "")]["value"] for level in "FMX"]
    shares = better["sex"].value_counts(normalize=True)[list("FMX")]
    assert np.dot(dsm, shares) == pytest.approx(0, abs=1e-12)
    # the draws of `bootstrap_agreement` are others; its values are the same
    older = bootstrap_agreement({"dpo": better}, replicates=20).set_index("metric")["value"]
    assert older["qwk"] == pytest.approx(direct["qwk"], abs=1e-12)
    assert found.noninferior("dpo", "baseline", margin=0.02)["noninferior"]
    assert "qwk" in repr(found)
    with pytest.raises(UsageError, match="'f1'"):
        found.noninferior("dpo", "baseline", margin=0.02, metric="f1")


def test_bca_of_all_figures_and_empty_levels():
    found = evaluation_intervals(
        {"x": _frame()}, {"sex": ["F", "nobody"]}, replicates=100, interval="bca"
    ).table
    row = found[(found["level"] == "all") & (found["metric"] == "qwk")].iloc[0]
    assert row["low"] < row["value"] < row["high"]
    empty = found[(found["level"] == "nobody") & (found["metric"] == "qwk")]
    assert empty["value"].isna().all()
    assert empty["p"].isna().all()
    assert set(empty["reason"]) == {"not estimable in the sample"}


def test_refuses():
    with pytest.raises(UsageError, match="Two columns"):
        evaluation_intervals({"x": _frame()}, ratings=["human"])
    with pytest.raises(DataError, match="no response"):
        evaluation_intervals({"x": _frame().assign(human=np.nan)})
    with pytest.raises(DataError, match="twice"):
        evaluation_intervals({"x": pd.concat([_frame(), _frame()])})
    with pytest.raises(UsageError, match="replicate"):
        resample(lambda weights: {}, 3, replicates=0)
