"""Bias against a noisy human score: statsmodels, stacked equations, the jackknife, known truth."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from psyalign.dif.rater_bias import rater_error
from psyalign.dif.rater_kernel import METHODS, rater_error_kernel
from psyalign.foundation.errors import DataError, UsageError


def _draw(rng, samples, n, *, items=1, gap=0.6, r=0.6, share=1.0, severity=0.0, noise=0.47):
    """A fair machine: true scores of SD 1 within groups, `r` the ratings' correlation within groups.

    Half of the variance of true scores and of the machine's own errors lies between persons.
    """
    focal = np.repeat([0.0, 1.0], n // 2)
    person, item = np.tile(np.arange(n), items), np.repeat(np.arange(items), n)
    shape = (samples, n * items)

    def mixed():
        both = rng.normal(size=(samples, n))[:, person] + rng.normal(size=shape)
        return both / np.sqrt(2)

    true = mixed() - gap * focal[person] + 0.3 * item
    error = np.sqrt(1 / r - 1)
    human = true + error * rng.normal(size=shape)
    human2 = true + error * rng.normal(size=shape) - severity
    human2 = np.where(rng.random(shape) < share, human2, np.nan)
    machine = true + noise * mixed()
    return machine, human, human2, {"item": item, "focal": focal[person], "person": person}


def _table(seed=1, n=60, twice=True, **settings):
    """The same as a long table, with missing rows so that nothing is balanced."""
    rng = np.random.default_rng(seed)
    machine, human, human2, who = _draw(rng, 1, n, **settings)
    table = pd.DataFrame({**who, "machine": machine[0], "human": human[0], "human2": human2[0]})
    table["group"] = np.where(table.pop("focal") == 1, "focal", "reference")
    table["item"] = "item" + table["item"].astype(str)
    table = table[rng.random(len(table)) < 0.9]
    return table if twice else table.drop(columns="human2")


def _rejections(found, method):
    return float((np.abs(found[f"{method}_estimate"] / found[f"{method}_se"]) > 1.959964).mean())


def _ols(table, human, conditional=True):
    """Group coefficient and its error: statsmodels, clustered by person, small-sample factor
    G/(G-1) (N-1)/(N-K), its default."""
    design = pd.get_dummies(table["item"], dtype=float)
    design["focal"] = (table["group"] == "focal").astype(float)
    y = table["machine"] - (0 if conditional else human)
    if conditional:
        design["human"] = human
    fit = sm.OLS(y, design).fit(cov_type="cluster", cov_kwds={"groups": table["person"]})
    return fit.params["focal"], fit.bse["focal"]


@pytest.mark.parametrize("twice", [False, True])
def test_agrees_with_statsmodels_without_error(twice):
    table = _table(items=4, twice=twice)
    found = rater_error(table, reliability=None if twice else 1.0).table.set_index(["item", "method"])
    human = table["human"]
    if twice:  # the second rater's severity goes into the item effects: all have two ratings
        human = (table["human"] + table["human2"]) / 2
    for item in ["all", "item0", "item3"]:
        mine = table if item == "all" else table[table["item"] == item]
        methods = [("naive", True), ("marginal", False)] + ([] if twice else [("corrected", True)])
        for method, conditional in methods:
            row = found.loc[(item, method)]
            expected = _ols(mine, human.loc[mine.index], conditional)
            np.testing.assert_allclose([row["estimate"], row["se"]], expected, rtol=1e-8)
            assert row["z"] == pytest.approx(row["estimate"] / row["se"])


def test_by_hand():
    """One item, human scores 0 1 1 2 (reference) and 0 0 1 1 (focal), machine 0 1 1 1 and 0 0 0 1.

    Within groups: squares of human 2 + 1 = 3, products (-1)(-.75) + 1(.25) = 1 and
    (-.5)(-.25) 2 + .5(-.25) + .5(.75) = .5: naive slope 1.5/3 = .5. Differences, focal minus
    reference: machine .25 - .75 = -.5, human .5 - 1 = -.5.
    Marginal 0; naive -.5 + .5 (.5) = -.25; with a reliability of .75 within groups the slope is
    .5/.75 = 2/3 and the corrected bias -.5 + 2/3 (.5) = -1/6.
    Overall: squares about the mean .75 are 8 - 8 (.75)^2 = 3.5, variance 3.5/7 = .5; a reliability
    of .75 leaves .125 as error variance, and 8 - 2 = 6 times that within groups: slope
    1.5/(3 - .75) = 2/3 again.
    """
    table = pd.DataFrame(
        {
            "person": range(8),
            "item": "a",
            "group": ["reference"] * 4 + ["focal"] * 4,
            "human": [0, 1, 1, 2, 0, 0, 1, 1],
            "machine": [0, 1, 1, 1, 0, 0, 0, 1],
        }
    )
    for kind in ("within", "overall"):
        found = rater_error(table, reliability=0.75, reliability_of=kind).table
        row = found[found["item"] == "a"].set_index("method")
        np.testing.assert_allclose(row["estimate"], [-0.25, -1 / 6, 0.0], atol=1e-12)
        np.testing.assert_allclose(row["slope"], [0.5, 2 / 3, 1.0])
        np.testing.assert_allclose(row["reliability"], 0.75)
    twice = table.assign(human2=[1, 1, 0, 2, 0, 1, 1, 0]).pipe(lambda few: pd.concat([few, few]))
    twice["person"] = range(16)
    # differences -1 0 1 0 0 -1 0 1, mean 0: error variance 2 (4/2) / (16 - 1)
    found = rater_error(twice).table
    np.testing.assert_allclose(found["error_sd"], np.sqrt(4 / 15))


@pytest.mark.parametrize("error_by", ["all", "group"])
def test_errors_are_those_of_the_stacked_equations(error_by):
    """Severities, error variances and coefficients as one system, its Jacobian by differences."""
    table = _table(seed=4, n=80, items=3, share=0.5, severity=0.7)
    table.loc[table.index[::17], "human"] = np.nan
    table = table[table[["human", "human2"]].notna().any(axis=1)].reset_index(drop=True)
    found = rater_error(table, error_by=error_by).table
    row = found[(found["item"] == "all") & (found["method"] == "corrected")].iloc[0]

    known = np.column_stack(
        [pd.get_dummies(table["item"], dtype=float), (table["group"] == "focal").astype(float)]
    )
    leverage = np.diag(known @ np.linalg.inv(known.T @ known) @ known.T)
    one, two = table["human"].to_numpy(), table["human2"].to_numpy()
    both = np.isfinite(one) & np.isfinite(two)
    item = known[:, :3]
    free = np.where(both, 1 - 1 / (item @ (item.T @ both)), 0.0)
    stratum = known[:, 3].astype(int) if error_by == "group" else np.zeros(len(table), dtype=int)
    count = stratum.max() + 1

    def equations(theta):
        severity, variance, beta = theta[:3], theta[3 : 3 + count], theta[3 + count :]
        moved = two + item @ severity
        score = np.nanmean(np.column_stack([one, moved]), axis=1)
        rest = np.where(both, np.nan_to_num(one - moved), 0.0)
        x = np.column_stack([known, score])
        noise = variance[stratum] * np.where(both, 0.5, 1.0) * (1 - leverage)
        score_equations = x * (table["machine"].to_numpy() - x @ beta)[:, None]
        score_equations[:, -1] += noise * beta[-1]
        of_variance = (rest**2 / 2 - free * variance[stratum])[:, None] * (stratum[:, None] == range(count))
        return np.column_stack([item * rest[:, None], of_variance, score_equations])

    # central differences are exact for quadratic equations, and nearly so for these cubic ones
    def jacobian(theta):
        steps = 1e-4 * np.eye(len(theta))
        return np.column_stack(
            [(equations(theta + h).sum(axis=0) - equations(theta - h).sum(axis=0)) / 2e-4 for h in steps]
        )

    theta = np.concatenate([np.zeros(3), np.full(count, 0.5), np.zeros(4), [1.0]])
    for _ in range(50):
        theta = theta - np.linalg.solve(jacobian(theta), equations(theta).sum(axis=0))
    bread = np.linalg.inv(jacobian(theta))
    persons = pd.get_dummies(table["person"], dtype=float).to_numpy()
    meat = persons.T @ equations(theta)
    covariance = bread @ (meat.T @ meat) @ bread.T
    g, n, k = persons.shape[1], len(table), 5
    factor = g / (g - 1) * (n - 1) / (n - k)
    assert row["estimate"] == pytest.approx(theta[3 + count + 3], rel=1e-8)
    assert row["slope"] == pytest.approx(theta[-1], rel=1e-8)
    assert row["se"] == pytest.approx(np.sqrt(factor * covariance[-2, -2]), rel=1e-6)


@pytest.mark.parametrize(
    "options", [{}, {"reliability": 0.6}, {"reliability": 0.6, "reliability_of": "within"}]
)
def test_errors_agree_with_the_jackknife(options):
    """Leaving one person out at a time: another road to the same error, up to terms of 1/n."""
    table = _table(seed=9, n=200, items=2, share=0.4, twice=not options)
    found = rater_error(table, **options).table.set_index(["item", "method"])
    estimates = []
    for person in table["person"].unique():
        part = table[table["person"] != person]
        kernel = rater_error_kernel(
            part["machine"].to_numpy(),
            part["human"].to_numpy(),
            None if options else part["human2"].to_numpy(),
            item=part["item"].to_numpy(),
            focal=(part["group"] == "focal").to_numpy(dtype=float),
            person=part["person"].to_numpy(),
            **options,
        )
        estimates.append(
            [*(float(kernel[f"{method}_estimate"]) for method in METHODS), float(kernel["reliability"])]
        )
    left = np.array(estimates)
    jackknife = np.sqrt((len(left) - 1) / len(left) * ((left - left.mean(axis=0)) ** 2).sum(axis=0))
    np.testing.assert_allclose(found.loc["all"].loc[list(METHODS), "se"], jackknife[:3], rtol=0.03)
    spread = found.loc[("all", "naive"), "reliability_se"]
    assert spread == pytest.approx(jackknife[3], rel=0.05, abs=1e-3)


# Standard error of a rate of .05 over 800 samples: .0077. The bands are three of them.
@pytest.mark.parametrize(
    ("items", "share", "given"),
    [(1, 1.0, True), (1, 1.0, False), (1, 0.3, False), (5, 0.3, False), (5, 1.0, True)],
)
def test_fair_machines_are_flagged_at_the_nominal_rate(items, share, given):
    """METHODS.md section 3: 300 persons, gap .6 SD, human-human r .6, one human score: naive .74."""
    machine, human, human2, who = _draw(np.random.default_rng(12), 800, 300, items=items, share=share)
    if given:
        found = rater_error_kernel(machine, human, None, **who, reliability=0.6, reliability_of="within")
    else:
        found = rater_error_kernel(machine, human, human2, **who)
    assert abs(_rejections(found, "corrected") - 0.05) < 0.024
    assert abs(_rejections(found, "marginal") - 0.05) < 0.024
    assert abs(found["corrected_estimate"].mean()) < 4 * found["corrected_estimate"].std() / np.sqrt(800)
    if items == 1 and given:
        assert 0.69 < _rejections(found, "naive") < 0.79
    else:
        assert _rejections(found, "naive") > 0.35


def test_true_bias_is_found_and_covered():
    machine, human, human2, who = _draw(np.random.default_rng(2), 800, 300, items=3, share=0.5)
    machine = 0.8 * machine - 0.3 * who["focal"]
    found = rater_error_kernel(machine, human, human2, **who)
    off = found["corrected_estimate"] + 0.3
    assert abs(off.mean()) < 0.01
    covered = (np.abs(off) < 1.959964 * found["corrected_se"]).mean()
    assert abs(covered - 0.95) < 0.024
    assert _rejections(found, "corrected") > 0.9
    # the machine's scale is .8: the plain difference takes part of the gap for bias
    assert found["marginal_estimate"].mean() == pytest.approx(-0.3 + 0.2 * 0.6, abs=0.01)


def test_error_by_group_where_one_group_is_rated_with_more_noise_and_more_often():
    rng = np.random.default_rng(8)
    machine, human, human2, who = _draw(rng, 500, 600, gap=1.0)
    extra = np.where(who["focal"] == 1, 0.9, 0.0)
    human, human2 = (score + extra * rng.normal(size=score.shape) for score in (human, human2))
    human2 = np.where(rng.random(human2.shape) < np.where(who["focal"] == 1, 0.8, 0.2), human2, np.nan)
    bias = {
        by: rater_error_kernel(machine, human, human2, **who, error_by=by)["corrected_estimate"].mean()
        for by in ("all", "group")
    }
    assert abs(bias["group"]) < 0.02
    assert bias["all"] > 0.05


def test_invariances():
    table = _table(seed=5, items=3, share=0.6)
    numbers = ["estimate", "se", "z", "p", "slope", "reliability"]
    found = rater_error(table).table[numbers]
    again = rater_error(table.sample(frac=1, random_state=1)).table
    again = again.set_index(["item", "method"]).loc[
        list(zip(*[rater_error(table).table[name] for name in ("item", "method")], strict=True)), numbers
    ]
    np.testing.assert_allclose(again, found, rtol=1e-9)
    swapped = rater_error(table, groups=("focal", "reference")).table[numbers]
    np.testing.assert_allclose(swapped["estimate"], -found["estimate"], rtol=1e-9)
    np.testing.assert_allclose(swapped["se"], found["se"], rtol=1e-9)
    shifted = table.assign(machine=table["machine"] + 100, human=table["human"] + 7)
    np.testing.assert_allclose(rater_error(shifted).table[numbers], found, rtol=1e-7)


def test_several_focal_groups_are_each_compared_with_the_reference():
    table = _table(seed=6, items=2)
    table["group"] = np.where(table["person"] % 3 == 0, "other", table["group"])
    found = rater_error(table, groups=("reference", "focal", "other")).table
    alone = rater_error(table[table["group"] != "focal"], groups=("reference", "other")).table
    other = found[found["focal"] == "other"].reset_index(drop=True)
    pd.testing.assert_frame_equal(other, alone)
    assert list(found["item"].unique()) == ["item0", "item1", "all"]
    assert "corrected" in repr(rater_error(table, groups=("reference", "focal", "other")))


def _reason(table, method="corrected", item="item0", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rater_error(table, **options).table
    row = found[(found["item"] == item) & (found["method"] == method)].iloc[0]
    assert row["estimable"] == (row["reason"] == "")
    assert np.isfinite([row["estimate"], row["se"], row["p"]]).all() == row["estimable"]
    return row["reason"]


def test_what_cannot_be_estimated_says_why():
    table = _table()
    once = table.drop(columns="human2")
    assert _reason(once) == "no second human rating and no reliability given"
    assert _reason(once, "naive") == ""
    few = table.assign(human2=table["human2"].where(table["person"] < 5))
    assert _reason(few) == f"only {few['human2'].notna().sum()} responses with two human ratings"
    assert "in the reference group" in _reason(few, error_by="group")
    noise = np.random.default_rng(0).normal(size=(2, len(table)))
    assert "too unreliable" in _reason(table.assign(human=noise[0], human2=0.1 * noise[1] - noise[0]))
    assert "do not vary" in _reason(table.assign(human=2.0, human2=2.0))
    assert "do not vary" in _reason(table.assign(human=2.0, human2=2.0), "naive")
    assert "leave no variation" in _reason(once.assign(machine=once["human"]), "marginal")
    three = table[(table["group"] == "reference") | (table["person"] > table["person"].max() - 3)]
    assert "persons in the focal group" in _reason(three)
    assert _reason(three, item="all") == "no item is estimable"
    assert _reason(table[table["group"] == "reference"]) == "no scores for the focal group"
    assert _reason(table.iloc[[0, -1]], min_group=1) != ""


def test_refuses_what_it_cannot_read():
    table = _table()
    for wrong in (
        table.drop(columns="machine"),
        table.assign(machine="a"),
        table.assign(machine=np.inf),
        table.assign(machine=np.nan),
        table.assign(group="x"),
        pd.concat([table, table]),
        table.assign(item="all"),
        pd.concat([table, table.assign(item="b", group=table["group"].to_numpy()[::-1])]),
    ):
        with pytest.raises(DataError):
            rater_error(wrong)
    once = table.drop(columns="human2")
    for wrong, options in (
        (table, {"reliability": 0.7}),
        (once, {"reliability": 0.0}),
        (once, {"reliability": {"item0": 1.2}}),
        (once, {"reliability": {"other": 0.7}}),
        (table, {"reliability_of": "both"}),
        (table, {"error_by": "item"}),
        (table, {"groups": ("reference",)}),
    ):
        with pytest.raises(UsageError):
            rater_error(wrong, **options)
    by_item = rater_error(once, reliability={"item0": 0.7}).table
    pd.testing.assert_frame_equal(by_item, rater_error(once, reliability=0.7).table)
