"""The many-facet model: its likelihood by numerical integration, and simulated raters with known severity."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime

from psyalign.feedback.raters import RATING, adjusted_scores, fit_facets
from psyalign.feedback.raters.facets import Facets
from psyalign.foundation.errors import DataError

ITEMS = 3
K = {f"i{number}": 4 for number in range(ITEMS)}


class Simulated:
    """Judgements of simulated responses by simulated raters, two or more raters a response."""

    def __init__(
        self,
        seed: int,
        *,
        responses: int = 600,
        raters: int = 8,
        each: int = 3,
        preferences: float = 0.0,
        careless: bool = False,
        leaning: float = 0.0,
        severity_sd: float = 0.8,
    ):
        rng = np.random.default_rng(seed)
        self.severity = rng.normal(0, severity_sd, raters)
        self.severity -= self.severity.mean()
        self.slope = np.ones(raters)
        if careless:
            self.slope[0] = 0.15
        self.leaning = np.zeros(raters)
        self.leaning[:2] = leaning
        self.leaning -= self.leaning.mean()
        steps = np.sort(rng.normal(0, 1, (ITEMS, 3)), axis=1)
        self.ability = rng.normal(0, 1.5, responses)
        self.side = np.where(np.arange(responses) % 2, 0.5, -0.5)
        rows = []
        for at in range(responses):
            reached = np.r_[0, np.cumsum(steps[at % ITEMS])]
            for rater in rng.choice(raters, each, replace=False):
                net = self.ability[at] - self.severity[rater] - self.leaning[rater] * self.side[at]
                logits = self.slope[rater] * (np.arange(4) * net - reached)
                chance = np.exp(logits - logits.max())
                chance /= chance.sum()
                chosen, rejected = int(rng.choice(4, p=chance)), RATING
                if rng.random() < preferences:
                    upper = int(rng.integers(1, 4))
                    up = rng.random() < chance[upper] / (chance[upper] + chance[upper - 1])
                    chosen, rejected = (upper, upper - 1) if up else (upper - 1, upper)
                rows.append((f"i{at % ITEMS}", f"x{at:04}", f"r{rater}", chosen, rejected))
        self.table = pd.DataFrame(rows, columns=["item", "response_id", "rater", "chosen", "rejected"])
        self.group = {f"x{at:04}": float(value) for at, value in enumerate(self.side)}


def test_likelihood_by_numerical_integration() -> None:
    """One response: a rating of 2 by a rater of severity −.2 and a preference for 1 over 0 by one of .2."""
    rows = [("i0", "x", "r0", 2, RATING), ("i0", "x", "r1", 1, 0)]
    table = pd.DataFrame(rows, columns=["item", "response_id", "rater", "chosen", "rejected"])
    model = Facets(table, {"i0": 4}, common=False, discrimination=False, group={})
    at = np.array([-1.0, 0.5, 0.8, 0.2 * np.sqrt(2), np.log(1.3)])  # steps, severity contrast, ln spread
    severity = model._part(at, "severity")
    assert abs(severity[0]) == pytest.approx(0.2) and severity.sum() == pytest.approx(0)

    def integrand(z: float) -> float:
        reached = np.array([0, -1.0, -0.5, 0.3])
        logits = [np.arange(4) * (1.3 * z - own) - reached for own in severity]
        rating = np.exp(logits[0][2]) / np.exp(logits[0]).sum()
        preference = 1 / (1 + np.exp(logits[1][0] - logits[1][1]))
        return float(rating * preference * np.exp(-z * z / 2) / np.sqrt(2 * np.pi))

    assert model.log_likelihood(at) == pytest.approx(np.log(quad(integrand, -9, 9)[0]), abs=2e-6)


@pytest.mark.parametrize("common", [False, True])
def test_gradient(common: bool) -> None:
    data = Simulated(2, responses=40, raters=4, preferences=0.4)
    model = Facets(data.table, K, common=common, discrimination=True, group=data.group)
    at = np.random.default_rng(0).normal(0, 0.3, len(model.prior))
    wanted = approx_fprime(at, lambda x: model.loss(x)[0], 1e-6)
    np.testing.assert_allclose(model.loss(at)[1], wanted, atol=1e-4)


@pytest.mark.parametrize(("preferences", "thresholds"), [(0.0, "item"), (0.0, "common"), (1.0, "item")])
def test_simulated_severity_is_recovered(preferences: float, thresholds: str) -> None:
    """Simulation: eight raters, SD .8 logits, 600 responses by three raters each; ratings, or preferences."""
    data = Simulated(4, preferences=preferences)
    found = fit_facets(data.table, K, thresholds=thresholds)  # type: ignore[arg-type]
    assert found.converged and found.subsets == 1
    assert np.corrcoef(found.raters["severity"], data.severity)[0, 1] >= 0.9
    error = found.raters["severity"] - data.severity
    assert (error.abs() < 4 * found.raters["severity_se"]).all()
    assert found.raters["severity"].sum() == pytest.approx(0, abs=1e-9)


def test_two_ratings_a_response_do_not_double_the_severities() -> None:
    """Joint maximum likelihood would: abilities are as many as pairs of ratings. Simulation, two seeds."""
    slopes = []
    for seed in (0, 1):
        data = Simulated(seed, responses=1500, each=2)
        severity = fit_facets(data.table, K, thresholds="common").raters["severity"]
        slopes.append(np.polyfit(data.severity, severity, 1)[0])
    assert np.mean(slopes) == pytest.approx(1.0, abs=0.12)


def test_a_careless_rater_and_a_leaning_are_found() -> None:
    """Simulation: rater 0 discriminates .15 times as well; raters 0 and 1 are 1.5 logits harder on focal."""
    data = Simulated(3, careless=True)
    raters = fit_facets(data.table, K, thresholds="common", discrimination=True).raters
    assert raters["discrimination"].idxmin() == 0 and raters["discrimination"][0] < 0.5
    data = Simulated(3, leaning=1.5)
    raters = fit_facets(data.table, K, thresholds="common", group=data.group).raters
    assert np.corrcoef(raters["group_effect"], data.leaning)[0, 1] > 0.9
    assert (raters["z"][:2] > 1.96).all()


def test_adjusted_scores_are_nearer_to_those_of_mean_severity() -> None:
    """Simulation: one rating each, raters' SD 1.5 logits; adjusted scores go better with the abilities."""
    data = Simulated(6, each=1, raters=4, severity_sd=1.5)
    found = fit_facets(data.table, K)
    raw = data.table.set_index("response_id")["chosen"]
    adjusted = adjusted_scores(found, K).set_index("response_id")["score"]
    assert adjusted.between(0, 3).all() and adjusted.dtype == "int64"
    ability = pd.Series(data.ability, index=[f"x{at:04}" for at in range(600)]).loc[adjusted.index]
    after, before = np.corrcoef(adjusted, ability)[0, 1], np.corrcoef(raw.loc[adjusted.index], ability)[0, 1]
    assert after > before + 0.03
    severe = data.table.loc[data.table["rater"] == f"r{np.argmax(data.severity)}", "response_id"]
    assert (adjusted[severe] >= raw[severe]).all() and (adjusted[severe] > raw[severe]).any()


def test_equally_severe_raters_leave_scores_as_they_are() -> None:
    """Two raters who give every response the same: the mean, halves up."""
    data = Simulated(1, responses=60, each=1, raters=2)
    twin = data.table.assign(rater=data.table["rater"].map({"r0": "r1", "r1": "r0"}))
    found = fit_facets(pd.concat([data.table, twin], ignore_index=True), K, thresholds="common")
    np.testing.assert_allclose(found.raters["severity"], 0, atol=1e-6)
    adjusted = adjusted_scores(found, K).set_index("response_id")["score"]
    assert (adjusted == data.table.set_index("response_id")["chosen"]).all()


def test_raters_without_a_common_response_are_counted() -> None:
    rows = [("i0", "x", "a", 1, RATING), ("i0", "y", "b", 2, RATING), ("i0", "x", "c", 1, RATING)]
    table = pd.DataFrame(rows, columns=["item", "response_id", "rater", "chosen", "rejected"])
    assert fit_facets(table, K).subsets == 2


def test_one_rater_has_no_severity() -> None:
    table = Simulated(1, responses=30, each=1, raters=1).table
    found = fit_facets(table, K)
    assert found.raters["severity"].tolist() == [0.0] and found.raters["severity_se"].isna().all()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"chosen": 4}, "outside the rubric"), ({"rejected": -2}, "outside"), ({"item": "other"}, "'other'")],
)
def test_what_does_not_fit_the_rubric_is_refused(change: dict[str, object], message: str) -> None:
    row = {"item": "i0", "response_id": "x", "rater": "r", "chosen": 1, "rejected": 0, **change}
    with pytest.raises(DataError, match=message):
        fit_facets(pd.DataFrame([row]), K)
