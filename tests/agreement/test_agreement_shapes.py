"""One shape for all tables, invariances, degenerate data, the person bootstrap."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from psyalign.agreement import METRICS, agreement, agreement_table, bootstrap_agreement
from psyalign.foundation.errors import DataError, UsageError


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def _frame(seed=0, persons=60, items=5, noise=0.7):
    rng = np.random.default_rng(seed)
    ability = np.repeat(rng.normal(size=persons), items)
    human = np.clip(np.rint(1 + ability + rng.normal(0, 0.6, persons * items)), 0, 2)
    expected = np.clip(1 + ability + rng.normal(0, noise, persons * items), 0, 2)
    return pd.DataFrame(
        {
            "person": np.repeat([f"p{i}" for i in range(persons)], items),
            "item": np.tile([f"i{i}" for i in range(items)], persons),
            "human": human,
            "modal": np.rint(expected),
            "expected": expected,
            "variety": np.repeat(np.where(np.arange(persons) % 2, "everyday", "standard"), items),
        }
    )


def test_by_hand():
    """human 0 1 2, modal 0 2 2, expected .5 1 1.5.

    QWK: means 1 and 4/3, covariance 2/3, variances 2/3 and 8/9: 2(2/3)/(2/3 + 8/9 + 1/9) = .8.
    Expected: r = 1; SD .5 against 1; RMSE sqrt(.5/3); QWK 2(1/3)/(2/3 + 1/6) = .8; no bias;
    R2 = 1 - (.5/3)/(2/3). Kappa: 2/3 equal, 1/9 + 2/9 by chance. Linear: 1/3 apart, 1 by chance.
    """
    found = agreement([0, 1, 2], [0, 2, 2], [0.5, 1.0, 1.5])
    assert found == pytest.approx(
        {"n": 3, "qwk": 0.8, "qwk_continuous": 0.8, "exact": 2 / 3, "adjacent": 1.0, "r": 1.0, "smd": 0.0,
         "smd_pooled": 0.0, "rmse": np.sqrt(0.5 / 3), "sd_ratio": 0.5, "kappa": 0.5, "kappa_linear": 2 / 3,
         "r2": 0.75, "mse": 0.5 / 3}
    )  # fmt: skip


def test_table_shape():
    table = agreement_table(_frame(), {"variety": ("standard", "everyday")})
    assert list(table.columns) == ["grouping", "level", "n_persons", "n", *METRICS]
    assert table["level"].tolist() == ["all", "standard", "everyday", "difference"]
    assert table["n_persons"].tolist() == [60, 30, 30, 60]
    assert len(agreement_table(_frame())) == 1
    # one unit: the focal bias is the reference bias plus the difference
    assert table["smd"][2] == pytest.approx(table["smd"][1] + table["smd"][3])


def test_degenerate():
    empty = agreement([], [], [])
    assert empty["n"] == 0
    assert np.isnan(empty["qwk"])
    constant = agreement([1, 1, 1], [1, 1, 1], [1.0, 1.0, 1.0])
    assert np.isnan(constant["qwk"])
    assert np.isnan(constant["r"])
    assert constant["exact"] == 1
    collapsed = agreement([0, 1, 2], [1, 1, 1], [1.0, 1.0, 1.0])
    assert collapsed["qwk"] == 0
    assert collapsed["sd_ratio"] == 0
    assert np.isnan(collapsed["r"])
    assert np.isnan(agreement([1], [1], [1.0])["smd"])
    assert agreement([0, 1, np.nan], [0, 1, 1], [0, 1, 1])["n"] == 2
    with pytest.raises(DataError, match="differ in number"):
        agreement([1, 2], [1], [1.0])
    one_group = agreement_table(_frame(), {"variety": ("standard", "nobody")}).set_index("level")
    assert one_group.loc["nobody", "n"] == 0
    assert np.isnan(one_group.loc["difference", "qwk"])
    with pytest.raises(DataError, match="'modal' is missing"):
        agreement_table(_frame().drop(columns="modal"))
    with pytest.raises(DataError, match="twice"):
        agreement_table(pd.concat([_frame(), _frame()]))


@given(seed=st.integers(0, 1000), shift=st.integers(-5, 5))
@settings(max_examples=25, deadline=None)
def test_invariances(seed, shift):
    frame = _frame(seed, persons=20)
    columns = ["human", "modal", "expected"]
    one = agreement(*(frame[name] for name in columns))
    moved = agreement(*(frame[name] + shift for name in columns))
    shuffled = frame.sample(frac=1, random_state=seed)
    again = agreement(*(shuffled[name] for name in columns))
    swapped = agreement(frame["modal"], frame["human"], frame["human"])
    assert moved == pytest.approx(one, abs=1e-10)
    assert again == pytest.approx(one, abs=1e-10)
    assert swapped["qwk"] == pytest.approx(one["qwk"], abs=1e-10)


def test_bootstrap():
    good, bad = _frame(noise=0.4), _frame(noise=1.5)
    good["human"] = bad["human"]
    table = bootstrap_agreement({"baseline": bad, "refit": good}, replicates=500, seed=3)
    assert list(table.columns) == [
        "arm", "metric", "value", "low", "high", "change", "change_low", "change_high",
    ]  # fmt: skip
    rows = table.set_index(["arm", "metric"])
    for arm, frame in (("baseline", bad), ("refit", good)):
        found = agreement(frame["human"], frame["modal"], frame["expected"])
        for metric in ("qwk", "r"):
            row = rows.loc[(arm, metric)]
            assert row["value"] == pytest.approx(found[metric], abs=1e-12)
            assert row["low"] < row["value"] < row["high"]
    assert rows.loc["baseline", "change"].isna().all()
    qwk = rows.loc[("refit", "qwk")]
    assert 0 < qwk["change_low"] < qwk["change"] < qwk["change_high"]
    again = bootstrap_agreement({"baseline": bad, "refit": good}, replicates=500, seed=3)
    pd.testing.assert_frame_equal(table, again)


def test_bootstrap_resamples_persons_not_responses():
    """Every person's responses copied ten times: the interval must not become narrower."""
    frame = _frame(items=1)
    copies = pd.concat([frame.assign(item=f"copy{i}") for i in range(10)])
    one, ten = (bootstrap_agreement({"x": f}, replicates=300, seed=1) for f in (frame, copies))
    np.testing.assert_allclose(ten[["value", "low", "high"]], one[["value", "low", "high"]], atol=1e-10)
    assert one["change"].isna().all()


def test_bootstrap_refuses():
    with pytest.raises(UsageError):
        bootstrap_agreement({"x": _frame()}, replicates=0)
    with pytest.raises(DataError, match="no response"):
        bootstrap_agreement({"x": _frame().assign(human=np.nan)})
