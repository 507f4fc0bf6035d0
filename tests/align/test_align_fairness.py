"""The fairness terms against arithmetic by hand, scipy, the DIF room's SMD and finite differences."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from math import log
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import log_softmax

from psyalign.align import (
    AlignSettings,
    EquivalencePairs,
    GroupPenalty,
    ScoredFeedback,
    align,
    distribution_gap,
    expected_gap,
    smd_contrast,
    spread_guard,
)
from psyalign.dif import analyse
from psyalign.foundation.errors import DataError
from psyalign.scorer import LoraScorer, Training

N, K = 60, 4
SETTINGS = AlignSettings(Training(epochs=2, batch_size=N, learning_rate=0.01, seed=1), 0.5)


def double(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


# wordings


def test_gaps_by_hand_and_scipy() -> None:
    """(.2, .5, .3) scores 1.1, (.5, .5, 0) scores .5: squared gap .36. Opposite certainties: ln 2."""
    pair = double([[[0.2, 0.5, 0.3]], [[0.5, 0.5, 1e-300]]]).log()
    assert float(expected_gap(pair)) == pytest.approx(0.36, abs=1e-12)
    far = double([[[1.0, 1e-300]], [[1e-300, 1.0]]]).log()
    assert float(distribution_gap(far)) == pytest.approx(log(2), abs=1e-12)
    several = double(np.random.default_rng(1).normal(size=(2, 7, K))).log_softmax(-1)
    first, second = several.exp().numpy()
    peer = np.mean(jensenshannon(first, second, axis=1) ** 2)
    assert float(distribution_gap(several)) == pytest.approx(peer, abs=1e-12)
    assert float(distribution_gap(several.flip(0))) == pytest.approx(peer, abs=1e-12)


def test_absent_score_points_make_no_nan() -> None:
    from psyalign.scorer.network import ABSENT

    logits = torch.tensor([[[0.3, 0.1, ABSENT]], [[0.9, -0.2, ABSENT]]], requires_grad=True)
    for gap in (expected_gap, distribution_gap):
        (found,) = torch.autograd.grad(gap(logits.log_softmax(-1)), logits)
        assert torch.isfinite(found).all() and float(found[..., 2].abs().max()) == 0


def test_the_guard_by_hand() -> None:
    """u = ±1 in two items. Shrunk to .6: .4² · 1. Shifted by .5: .25. Both wordings count alike."""
    reference, within = double([0.0, 2.0, 1.0, 3.0]), double([-1.0, 1.0, -1.0, 1.0])
    shrunk, shifted = reference - 0.4 * within, reference + 0.5
    for scores, cost in ((shrunk, 0.16), (shifted, 0.25), (shrunk + 0.5, 0.41), (reference, 0.0)):
        assert float(spread_guard(torch.stack([scores, scores]), reference, within)) == pytest.approx(cost)
    half = float(spread_guard(torch.stack([reference, shifted]), reference, within))
    assert half == pytest.approx(0.125)
    reordered = reference + double([0.3, 0.3, -0.3, -0.3])  # neither level nor spread within items
    assert float(spread_guard(torch.stack([reordered, reordered]), reference, within)) == pytest.approx(0)
    alone = spread_guard(torch.stack([shrunk, shrunk]), reference, torch.zeros(4).double())
    assert float(alone) == pytest.approx(0, abs=1e-12)  # one pair an item: no spread within items to hold


@pytest.mark.parametrize("kind", ["expected", "distribution"])
def test_the_kind_of_equivalence_reaches_a_real_scorer(
    kind: Any, reference_copy: Callable[[], LoraScorer], answers: pd.DataFrame
) -> None:
    """First loss: 2 · (gap + 3 · guard), from the reference scorer's own log-probabilities."""
    six = answers.iloc[[0, 2, 4, 6, 7, 9]].reset_index(drop=True)
    other = six.assign(response="I reckon " + six["response"])
    tables = np.stack([reference_copy().predict_log_proba(texts, quiet=True) for texts in (six, other)])
    reference = np.exp(tables[0]) @ np.arange(3)
    within = reference - pd.Series(reference).groupby(six["item"]).transform("mean").to_numpy()
    both = torch.tensor(np.exp(tables) @ np.arange(3))
    gap = (expected_gap if kind == "expected" else distribution_gap)(torch.tensor(tables))
    expected = 2 * (gap + 3 * spread_guard(both, double(reference), double(within)))
    settings = AlignSettings(
        Training(1, 6, 1e-4, 3), 0.1, equivalence_weight=2.0, equivalence=kind, equivalence_guard=3.0
    )
    pairs = EquivalencePairs(six, other, tables[0])
    history = align(reference_copy(), "none", None, pairs, settings, label="equivalence")
    assert history[0].loss == pytest.approx(float(expected), abs=2e-6)


# groups


def judged(seed: int = 0) -> pd.DataFrame:
    """Two items, four strata of which one has a single group, and persons in neither group."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "person": [f"p{number % 30}" for number in range(N)],
            "item": ["one"] * 30 + ["two"] * 30,
            "group": np.tile(rng.integers(0, 2, 30), 2),
            "stratum": np.tile(rng.integers(0, 3, 30).astype(float), 2),
            "row": range(N),
        }
    )
    table.loc[table["person"].isin(["p0", "p1"]), ["group", "stratum"]] = [1, 9.0]
    table.loc[table["person"].isin(["p2", "p3"]), "group"] = 2
    table.loc[table["person"] == "p4", "stratum"] = np.nan
    return table


def smds(table: pd.DataFrame, expected: np.ndarray) -> np.ndarray:
    """What the DIF room says."""
    by_person = table.drop_duplicates("person").set_index("person")
    group = by_person["group"].map({0: "reference", 1: "focal"}).dropna()
    scores = table[["person", "item"]].assign(score=expected)
    found = analyse(scores, group=group, stratum=by_person["stratum"], methods=["smd"], human_sd=None)
    return found.set_index("item")["smd"].loc[["one", "two"]].to_numpy()


def penalty_of(table: pd.DataFrame, expected: np.ndarray, batch_size: int) -> GroupPenalty:
    contrast = smd_contrast(table["item"], table["group"], table["stratum"])
    return GroupPenalty(table["item"], [(2.0, contrast)], expected, batch_size)


def test_the_contrast_is_the_smd_of_the_dif_room() -> None:
    """To rounding; the penalty on the whole set is its square, summed over items, times the weight."""
    table, expected = judged(), np.random.default_rng(3).uniform(0, 3, N)
    contrast = smd_contrast(table["item"], table["group"], table["stratum"])
    found = pd.Series(contrast * expected).groupby(table["item"]).sum().to_numpy()
    np.testing.assert_allclose(found, smds(table, expected), atol=1e-12)
    logits = double(np.random.default_rng(4).normal(size=(N, K)))
    loss = penalty_of(table, expected, N).loss(list(range(N)), logits.log_softmax(-1))
    now = logits.softmax(-1).numpy() @ np.arange(K)
    assert float(loss) == pytest.approx(2 * np.square(smds(table, now)).sum(), abs=1e-6)


def test_the_smd_by_hand() -> None:
    """Stratum 1: focal 1, 2, reference 3, so −1.5 of weight 2/3. Stratum 2: 4 − 1 = 3 of weight 1/3: 0."""
    groups, strata = [1, 1, 0, 1, 0, 0], [1.0, 1.0, 1.0, 2.0, 2.0, 3.0]
    scores = np.array([1.0, 2.0, 3.0, 4.0, 1.0, 9.0])
    contrast = smd_contrast(["one"] * 6, groups, strata)
    np.testing.assert_allclose(contrast, [1 / 3, 1 / 3, -2 / 3, 1 / 3, -1 / 3, 0], atol=1e-15)
    assert contrast @ scores == pytest.approx(0, abs=1e-15)


def test_one_stratum_is_the_difference_of_the_group_means() -> None:
    table, expected = judged(), np.random.default_rng(3).uniform(0, 3, N)
    contrast = smd_contrast(table["item"], table["group"], np.zeros(N))
    one = table["item"] == "one"
    means = pd.Series(expected)[one].groupby(table["group"]).mean()
    assert (contrast * expected)[one].sum() == pytest.approx(means[1] - means[0], abs=1e-12)


def test_the_gradient_is_that_of_finite_differences() -> None:
    table, logits = judged(), np.random.default_rng(5).normal(size=(N, K))

    def value(at: np.ndarray) -> float:
        rows = list(range(N))
        return float(penalty_of(table, np.zeros(N), N).loss(rows, double(at).log_softmax(-1)))

    free = double(logits).requires_grad_()
    loss = penalty_of(table, np.zeros(N), N).loss(list(range(N)), free.log_softmax(-1))
    (found,) = torch.autograd.grad(loss, free)
    for place in [(0, 1), (7, 3), (15, 0), (33, 2), (59, 1)]:
        step = np.zeros((N, K))
        step[place] = 1e-5
        numeric = (value(logits + step) - value(logits - step)) / 2e-5
        assert float(found[place]) == pytest.approx(numeric, abs=1e-8)


def test_batches_average_to_the_gradient_of_the_whole_set() -> None:
    """At the first step nothing is stale: the policy is the reference, whose scores the memory holds."""
    table, logits = judged(), double(np.random.default_rng(6).normal(size=(N, K)))
    start = logits.softmax(-1).numpy() @ np.arange(K)

    def gradient(rows: list[int], size: int) -> torch.Tensor:
        free = logits.clone().requires_grad_()
        loss = penalty_of(table, start, size).loss(rows, free[rows].log_softmax(-1))
        assert float(loss.detach()) == pytest.approx(2 * np.square(smds(table, start)).sum())
        return torch.autograd.grad(loss, free)[0]

    order = np.random.default_rng(7).permutation(N).reshape(6, 10).tolist()
    mean = torch.stack([gradient(rows, 10) for rows in order]).mean(0)
    torch.testing.assert_close(mean, gradient(list(range(N)), N), rtol=0, atol=1e-12)


# in the loop


@pytest.fixture
def feedback() -> ScoredFeedback:
    table = judged()
    reference = log_softmax(np.random.default_rng(8).normal(size=(N, K)), axis=1)
    wins, rewards = np.zeros((N, K, K), dtype=np.float32), np.zeros((N, K))
    groups, strata = table["group"].to_numpy(), table["stratum"].to_numpy()
    return ScoredFeedback(table, reference.argmax(1), wins, reference, rewards, groups, strata)


@pytest.mark.parametrize("objective", ["refit", "dpo", "ppo", "distill"])
def test_every_objective_takes_the_penalties(
    objective: Any, tabular: Callable[[np.ndarray], Any], feedback: ScoredFeedback
) -> None:
    """The first loss grows by weight · Σ SMD² + weight · Σ (difference of means)²."""
    first = []
    for weight in (0.0, 1.5):
        settings = dataclasses.replace(SETTINGS, dif_penalty=weight, parity_penalty=weight / 3)
        history = align(tabular(feedback.reference), objective, feedback, None, settings, label="arm")
        first.append(history[0].loss)
    expected = np.exp(feedback.reference) @ np.arange(K)
    one = feedback.responses.assign(stratum=0.0)
    squares = [np.square(smds(table, expected)).sum() for table in (feedback.responses, one)]
    assert first[1] - first[0] == pytest.approx(1.5 * squares[0] + 0.5 * squares[1], abs=1e-5)


def test_a_penalty_has_state_so_that_a_cut_off_arm_starts_anew(
    tabular: Callable[[np.ndarray], Any], feedback: ScoredFeedback, tmp_path: Path
) -> None:
    reached = []
    for weight in (0.0, 1.0, 1.0):
        policy, checkpoint = tabular(feedback.reference), tmp_path / f"{weight}.safetensors"
        training = dataclasses.replace(SETTINGS.training, batch_size=16)
        settings = dataclasses.replace(SETTINGS, training=training, dif_penalty=weight)
        align(policy, "refit", feedback, None, settings, label="refit", checkpoint=checkpoint)
        assert checkpoint.exists() == (weight == 0)
        reached.append(policy.reached)
    np.testing.assert_array_equal(reached[1], reached[2])
    assert not np.array_equal(reached[0], reached[1])


@pytest.mark.parametrize(
    ("key", "change", "message"),
    [
        ("dif_penalty", {"strata": None}, "not known"),
        ("parity_penalty", {"groups": None}, "not known"),
        ("dif_penalty", {"strata": np.full(N, np.nan)}, "both groups in one stratum"),
        ("parity_penalty", {"groups": np.ones(N, dtype=int)}, "both groups."),
    ],
)
def test_a_penalty_without_what_it_needs_is_refused(
    key: str,
    change: dict[str, Any],
    message: str,
    tabular: Callable[[np.ndarray], Any],
    feedback: ScoredFeedback,
) -> None:
    settings = dataclasses.replace(SETTINGS, **{key: 1.0})
    lacking = dataclasses.replace(feedback, **change)
    with pytest.raises(DataError) as problem:
        align(tabular(feedback.reference), "refit", lacking, None, settings, label="refit")
    assert message in problem.value.message and str(problem.value.where) == f"[align] {key}"
    assert problem.value.exit_code == 3
