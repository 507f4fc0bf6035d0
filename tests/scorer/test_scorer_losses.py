"""Losses of fine-tuning against scikit-learn, other formulas, finite differences, and their own minimum."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import energy_distance
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from psyalign.align.diagnostics import ranked_probability_score as diagnosed
from psyalign.foundation.errors import ModelError
from psyalign.scorer import LoraScorer, Training
from psyalign.scorer.losses import (
    LOSSES,
    balanced_weights,
    cross_entropy,
    mean_loss,
    ranked_log_score,
    ranked_probability_score,
)
from psyalign.scorer.network import ABSENT

N, K = 40, 5


@pytest.fixture
def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised log-probabilities (N, K), float64, from nearly certain to nearly uniform; scores (N,)."""
    random = torch.Generator().manual_seed(1)
    size = torch.linspace(0.1, 6, N, dtype=torch.float64)[:, None]
    logits = size * torch.randn((N, K), generator=random, dtype=torch.float64)
    return logits.log_softmax(-1), torch.randint(0, K, (N,), generator=random)


def splits(log_probs: torch.Tensor, scores: torch.Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
    """(score > k, P(S > k)) for k = 0 … K − 2: K − 1 binary forecasts."""
    proba, given = log_probs.exp().numpy(), scores.numpy()
    return [(given > k, proba[:, k + 1 :].sum(axis=1)) for k in range(proba.shape[1] - 1)]


def test_rps_is_the_sum_of_scikit_learns_brier_scores(drawn: tuple[torch.Tensor, torch.Tensor]) -> None:
    expected = sum(brier_score_loss(above, share) for above, share in splits(*drawn))
    assert float(ranked_probability_score(*drawn).mean()) == pytest.approx(expected, rel=0, abs=1e-12)
    np.testing.assert_allclose(
        ranked_probability_score(*drawn).numpy(), diagnosed(*(part.numpy() for part in drawn)), atol=1e-12
    )


def test_rps_is_scipys_energy_distance(drawn: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Székely: the squared energy distance is twice the integral of the squared difference of the CDFs."""
    points = np.arange(K)
    for log_probs, score, value in zip(*drawn, ranked_probability_score(*drawn), strict=True):
        distance = energy_distance(points, [int(score)], u_weights=log_probs.exp().numpy())
        assert float(value) == pytest.approx(distance**2 / 2, rel=0, abs=1e-12)


def test_ranked_log_score_is_the_sum_of_scikit_learns_log_losses(
    drawn: tuple[torch.Tensor, torch.Tensor],
) -> None:
    proba = drawn[0].exp().numpy()  # both sides of a split from their own sum: 1 − P loses a small P
    expected = sum(
        log_loss(above, np.column_stack([proba[:, : k + 1].sum(axis=1), share]))
        for k, (above, share) in enumerate(splits(*drawn))
    )
    assert float(ranked_log_score(*drawn).mean()) == pytest.approx(expected, rel=1e-12)


def test_losses_by_hand() -> None:
    """π = (.5, .3, .2), score 2: P(S ≤ k) = .5, .8, where it should be 0, 0.

    Cross-entropy −ln .2 = 1.609438; RPS .5² + .8² = .89; ranked log −ln .5 − ln .2 = 2.302585.
    Scores 0 and 1: RPS .25 + .04 = .29 and .25 + .04 = .29.
    """
    log_probs = torch.tensor([[0.5, 0.3, 0.2]] * 3, dtype=torch.float64).log()
    scores = torch.tensor([2, 0, 1])
    assert float(cross_entropy(log_probs, scores)[0]) == pytest.approx(1.609438, abs=1e-6)
    assert ranked_probability_score(log_probs, scores).tolist() == pytest.approx([0.89, 0.29, 0.29])
    assert float(ranked_log_score(log_probs, scores)[0]) == pytest.approx(2.302585, abs=1e-6)


def test_a_certain_scorer_has_its_absolute_error() -> None:
    log_probs = torch.full((4, 5), -1e4, dtype=torch.float64)
    log_probs[:, 1] = 0.0
    assert ranked_probability_score(log_probs, torch.tensor([0, 1, 2, 4])).tolist() == [1, 0, 1, 3]


def test_two_score_points_leave_no_order(drawn: tuple[torch.Tensor, torch.Tensor]) -> None:
    log_probs, scores = drawn[0][:, :2].log_softmax(-1), drawn[1] % 2
    torch.testing.assert_close(ranked_log_score(log_probs, scores), cross_entropy(log_probs, scores))
    brier = brier_score_loss(scores.numpy(), log_probs[:, 1].exp().numpy())
    assert float(ranked_probability_score(log_probs, scores).mean()) == pytest.approx(brier, abs=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_those_of_finite_differences(
    name: str, drawn: tuple[torch.Tensor, torch.Tensor]
) -> None:
    logits, weights = drawn[0].clone().requires_grad_(), torch.linspace(0.2, 3, N, dtype=torch.float64)

    def weighed(values: torch.Tensor) -> torch.Tensor:
        return mean_loss(values.log_softmax(-1), drawn[1], name, weights)

    assert torch.autograd.gradcheck(weighed, (logits,), eps=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("truth", [(0.1, 0.2, 0.4, 0.2, 0.1), (0.55, 0.02, 0.03, 0.3, 0.1)])
def test_the_only_minimum_in_expectation_is_the_truth(name: str, truth: tuple[float, ...]) -> None:
    """Propriety: descent from elsewhere ends at the truth, and no other distribution costs less."""
    target, scores = torch.tensor(truth, dtype=torch.float64), torch.arange(K)

    def expected(log_probs: torch.Tensor) -> torch.Tensor:
        return (target * LOSSES[name](log_probs.expand(K, K), scores)).sum()

    logits = torch.tensor([1.0, -1.0, 0.5, 0.0, -0.5], dtype=torch.float64, requires_grad=True)
    descent = torch.optim.LBFGS([logits], max_iter=500, tolerance_grad=1e-13, tolerance_change=0,
                                line_search_fn="strong_wolfe")  # fmt: skip

    def step() -> torch.Tensor:
        descent.zero_grad()
        loss = expected(logits.log_softmax(-1))
        loss.backward()
        return loss

    descent.step(step)
    torch.testing.assert_close(logits.detach().softmax(-1), target, rtol=0, atol=1e-6)
    least, random = float(expected(target.log())), torch.Generator().manual_seed(3)
    for _ in range(300):
        other = torch.randn(K, generator=random, dtype=torch.float64).mul(2).log_softmax(-1)
        assert float(expected(other)) > least


@pytest.mark.parametrize("name", LOSSES)
def test_an_item_with_fewer_points_is_as_if_the_others_were_not_there(
    name: str, drawn: tuple[torch.Tensor, torch.Tensor]
) -> None:
    logits, scores = drawn[0].clone().requires_grad_(), drawn[1] % 3
    absent = torch.arange(K) >= 3
    padded = mean_loss(logits.masked_fill(absent, ABSENT).log_softmax(-1), scores, name)
    short = mean_loss(logits[:, :3].log_softmax(-1), scores, name)
    torch.testing.assert_close(padded, short, rtol=1e-12, atol=1e-12)
    (gradient,) = torch.autograd.grad(padded, logits, retain_graph=True)
    (expected,) = torch.autograd.grad(short, logits)
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-12)
    assert (gradient[:, 3:] == 0).all()
    assert torch.isfinite(
        LOSSES[name](logits.float().masked_fill(absent, ABSENT).log_softmax(-1), scores)
    ).all()


def test_the_gradient_of_the_ranked_log_score_does_not_fade_where_it_is_certain_and_wrong() -> None:
    """logit 12 on score 0, the rater says 4: the softmax swallows the RPS gradient, not the log score's."""
    logits = torch.tensor([[12.0, 0, 0, 0, 0]], dtype=torch.float64, requires_grad=True)
    sizes = {}
    for name, loss in LOSSES.items():
        (gradient,) = torch.autograd.grad(loss(logits.log_softmax(-1), torch.tensor([4])).sum(), logits)
        sizes[name] = float(gradient.norm())
    assert sizes["ranked_log"] > sizes["cross_entropy"] > 1
    assert sizes["rps"] < 1e-3


def test_cross_entropy_without_weights_is_torchs_to_the_last_bit(
    drawn: tuple[torch.Tensor, torch.Tensor],
) -> None:
    for rows in range(1, N):
        log_probs, scores = drawn[0][:rows].float(), drawn[1][:rows]
        assert torch.equal(mean_loss(log_probs, scores), torch.nn.functional.nll_loss(log_probs, scores))


def test_the_weighted_mean_is_torchs(drawn: tuple[torch.Tensor, torch.Tensor]) -> None:
    log_probs, scores = drawn
    by_class = torch.tensor([0.2, 1.0, 3.0, 0.7, 2.0], dtype=torch.float64)
    expected = torch.nn.functional.nll_loss(log_probs, scores, weight=by_class)
    torch.testing.assert_close(mean_loss(log_probs, scores, weights=by_class[scores]), expected)


def test_balanced_weights_are_scikit_learns_for_each_item() -> None:
    random = np.random.default_rng(4)
    items = random.choice(["a", "b", "c"], size=200)
    scores = np.where(items == "b", random.choice(2, 200, p=[0.9, 0.1]), random.choice([0, 1, 2, 4], 200))
    found = balanced_weights(items.tolist(), scores)
    for item in "abc":
        rows, given = items == item, scores[items == item]
        np.testing.assert_allclose(found[rows], compute_sample_weight("balanced", given), rtol=1e-14)
        classes = np.unique(given)  # score 3 never occurs and has no weight
        by_class = dict(zip(classes, compute_class_weight("balanced", classes=classes, y=given), strict=True))
        np.testing.assert_allclose(found[rows], [by_class[score] for score in given], rtol=1e-14)
        assert found[rows].sum() == pytest.approx(rows.sum())  # an item keeps its say


def test_a_loss_that_does_not_exist(drawn: tuple[torch.Tensor, torch.Tensor]) -> None:
    with pytest.raises(ModelError, match="no loss 'sord'") as caught:
        mean_loss(*drawn, "sord")
    assert "cross_entropy, rps, ranked_log" in str(caught.value.mend)


@pytest.mark.parametrize("name", ["rps", "ranked_log"])
def test_minilm_learns_from_ordinal_losses(name: str, untrained: LoraScorer, answers: pd.DataFrame) -> None:
    """The real MiniLM on ten exemplars; balanced weights, so that both options pass through `fit`."""
    scorer = copy.deepcopy(untrained)
    scorer.loss, scorer.class_weights = name, "balanced"  # type: ignore[assignment]
    scorer.training = Training(epochs=12, batch_size=10, learning_rate=5e-3, seed=2)
    before = diagnosed(scorer.predict_log_proba(answers), answers["score"]).mean()
    scorer.fit(answers, answers["score"].to_numpy())
    assert scorer.history_[-1].loss < 0.6 * scorer.history_[0].loss
    assert diagnosed(scorer.predict_log_proba(answers), answers["score"]).mean() < 0.7 * before
    assert scorer.truncated_ == 0
    assert scorer.mean_tokens_ == pytest.approx(scorer.encode(answers).lengths.mean())


def test_first_weighted_loss_by_hand(tiny_scorer: Callable[..., LoraScorer], answers: pd.DataFrame) -> None:
    """Uniform scores cost ln 3 and ln 2; any weights sum to 6 in the one item and to 4 in the other."""
    scorer = tiny_scorer(batch_size=10, epochs=1).build()
    with torch.no_grad():
        scorer.network_.head.weight.zero_()
    scorer.class_weights = "balanced"
    scorer.fit(answers, answers["score"])
    assert scorer.history_[0].loss == pytest.approx((6 * np.log(3) + 4 * np.log(2)) / 10, abs=1e-6)


def test_weights_change_what_is_learned_and_a_misspelt_kind_is_refused(
    tiny_scorer: Callable[..., LoraScorer], answers: pd.DataFrame
) -> None:
    rows = answers.iloc[[0, 0, 0, 0, *range(len(answers))]].reset_index(drop=True)
    plain, weighed = tiny_scorer(), tiny_scorer()
    weighed.class_weights = "balanced"
    assert plain.fit(rows, rows["score"]).fingerprint() != weighed.fit(rows, rows["score"]).fingerprint()
    weighed.class_weights = "balance"  # type: ignore[assignment]
    with pytest.raises(ModelError, match="no class weights 'balance'"):
        weighed.fit(rows, rows["score"])
