"""psyalign's losses against figures that TRL's own code gave on the same numbers.

`trl_losses.json` is what `benchmarks/trl_losses.py` wrote; it says which versions and which methods.
Conventions that differ, and what is done about them:

- A mean over judgements is a mean in both. TRL sees a pair as two sequences of one token each here, so
  that its IPO, which divides log-ratios by the length of the completion, is ours.
- "robust": both divide by 1 − 2ε. "conservative" (label smoothing) has left TRL's "sigmoid"; the same
  expression is in its "aot_unpaired", which sorts within a batch, so that it ran on batches of one.
- PPO: TRL puts the KL into the reward of the drawn action (k1: log π/π_ref, k3: its non-negative form),
  ours is exact and outside the surrogate. So the surrogates are compared without KL, and the
  estimators' means over π with our exact KL. TRL whitens advantages; ours are given those.
- TRL's centring penalty of the reward model has no counterpart: our rewards are centred exactly. Nor
  has its margin. Its accuracy counts a tie as wrong, ours as one half; there are no ties here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from psyalign.align.losses import (
    DpoVariant,
    distillation_loss,
    dpo_loss,
    kl_divergence,
    ppo_loss,
    sampled_ppo_loss,
)
from psyalign.reward import pair_accuracy
from psyalign.reward.bradley_terry import bradley_terry_loss

TRL = json.loads(Path(__file__).with_name("trl_losses.json").read_text(encoding="utf-8"))
CASES = TRL["cases"]
BETA, NOISE, CLIP, KL_WEIGHT = (TRL[name] for name in ("beta", "label_noise", "clip", "kl_weight"))
CLOSE = 1e-12  # the aim is 1e-6


def table(name: str) -> torch.Tensor:
    return torch.tensor(TRL[name], dtype=torch.float64)


def wins() -> torch.Tensor:
    counts = torch.zeros(4, 4, 4, dtype=torch.float64)
    for row, better, worse in TRL["judgements"]:
        counts[row, better, worse] += 1
    return counts


def same(loss: Callable[[torch.Tensor], torch.Tensor], case: dict[str, Any]) -> None:
    """Value and gradient with respect to the policy's log-probabilities."""
    policy = table("log_probs").requires_grad_()
    value = loss(policy)
    (gradient,) = torch.autograd.grad(value, policy)
    assert value.item() == pytest.approx(case["value"], abs=CLOSE)
    np.testing.assert_allclose(gradient.numpy(), case["gradient"], rtol=0, atol=CLOSE)
    assert gradient.abs().max() > 0.01


def test_the_file_says_where_it_comes_from() -> None:
    assert TRL["versions"]["losses"]["trl"] == "1.16.0" and TRL["versions"]["ppo"]["trl"] == "1.12.0"
    assert "benchmarks/trl_losses.py" in TRL["note"] and all(case["source"] for case in CASES.values())


@pytest.mark.parametrize("variant", get_args(DpoVariant))
def test_dpo_and_its_variants(variant: DpoVariant) -> None:
    def loss(policy: torch.Tensor) -> torch.Tensor:
        return dpo_loss(policy, table("reference"), wins(), BETA, variant=variant, label_noise=NOISE)

    same(loss, CASES[f"dpo {variant}"])


def test_bradley_terry_of_the_reward_model() -> None:
    same(lambda rewards: bradley_terry_loss(rewards, wins()), CASES["reward"])


def test_accuracy_of_rewards_and_of_implied_rewards() -> None:
    counts, policy = wins().numpy(), table("log_probs")
    assert pair_accuracy(policy.numpy(), counts) == pytest.approx(CASES["reward"]["accuracy"], abs=1e-6)
    implied = (policy - table("reference")).numpy()  # TRL counts in float32
    assert pair_accuracy(implied, counts) == pytest.approx(CASES["dpo sigmoid"]["accuracy"], abs=1e-6)


def test_both_directions_of_the_kl() -> None:
    """KL(π* ‖ π) of distillation, and KL(π ‖ π_ref) of the penalty; in TRL the ends of GKD's β."""

    def penalty(logits: torch.Tensor) -> torch.Tensor:
        return kl_divergence(logits.log_softmax(dim=-1), table("reference")).mean()

    same(
        lambda logits: distillation_loss(logits.log_softmax(dim=-1), table("reference")),
        CASES["gkd reference to policy"],
    )
    same(penalty, CASES["gkd policy to reference"])


def test_clipped_surrogate_of_a_batch_of_drawn_actions() -> None:
    case = CASES["ppo batch"]
    advantages = torch.tensor(case["whitened"], dtype=torch.float64)

    def loss(logits: torch.Tensor) -> torch.Tensor:
        policy = logits.log_softmax(dim=-1)
        every = [part.repeat_interleave(4, dim=0) for part in (policy, table("old"), table("reference"))]
        actions = torch.arange(4).repeat(4)
        return sampled_ppo_loss(*every, actions, advantages.reshape(-1), beta=0.0, clip=CLIP)

    same(loss, case)
    ratio = (table("log_probs") - table("old")).exp()
    assert ((ratio - 1).abs() > CLIP).any() and ((ratio - 1).abs() < CLIP).any(), "both sides of the clip"


def test_all_action_ppo_is_trl_on_every_action_weighted_by_its_probability() -> None:
    """With advantages of mean 0 under π_old, as the inputs were made, r − V are the advantages."""
    case, weights = CASES["ppo single"], table("old").exp() / 4
    whitened = torch.tensor(case["whitened"], dtype=torch.float64)
    np.testing.assert_allclose((table("old").exp() * whitened).sum(dim=1), 0, atol=CLOSE)
    expected = {
        "value": float((weights * torch.tensor(case["value"], dtype=torch.float64)).sum()),
        "gradient": np.einsum("n,nij->ij", weights.reshape(-1).numpy(), np.asarray(case["gradient"])),
    }

    def loss(logits: torch.Tensor) -> torch.Tensor:
        policy = logits.log_softmax(dim=-1)
        return ppo_loss(policy, table("old"), table("reference"), whitened, beta=0.0, clip=CLIP)

    same(loss, expected)


def test_advantage_of_one_step_is_reward_minus_value_minus_kl() -> None:
    """Generalised advantage estimation of an episode of one step: r − V, here V = 0."""
    np.testing.assert_allclose(CASES["ppo batch"]["advantages"], TRL["rewards"], atol=CLOSE)


@pytest.mark.parametrize("estimator", ["k1", "k3"])
def test_kl_estimators_have_the_exact_kl_as_their_mean(estimator: str) -> None:
    advantages = torch.tensor(CASES[f"ppo {estimator}"]["advantages"], dtype=torch.float64)
    estimates = (table("rewards") - advantages) / KL_WEIGHT
    if estimator == "k1":
        np.testing.assert_allclose(estimates, table("old") - table("reference"), atol=CLOSE)
    else:
        assert (estimates >= 0).all()
    mean = (table("old").exp() * estimates).sum(dim=1)
    np.testing.assert_allclose(mean, kl_divergence(table("old"), table("reference")), atol=CLOSE)
