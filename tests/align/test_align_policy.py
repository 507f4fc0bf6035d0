"""Aligning a real scorer: every objective starts where it should, moves the policy and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from psyalign.align import AlignSettings, EquivalencePairs, ScoredFeedback, align
from psyalign.foundation.errors import DataError
from psyalign.items import Item
from psyalign.reward import win_counts
from psyalign.scorer import LoraScorer, LossRow, Training

# a learning rate so small that every update goes downhill
SETTINGS = AlignSettings(Training(epochs=2, batch_size=6, learning_rate=1e-4, seed=3), beta=0.1, ppo_inner=2)
WORDINGS = ("I suppose that ", "reckon its cos ")


@pytest.fixture(scope="module")
def six(answers: pd.DataFrame) -> pd.DataFrame:
    """Six of the ten answers, on both items."""
    return answers.iloc[[0, 2, 4, 6, 7, 9]].reset_index(drop=True)


@pytest.fixture
def feedback(
    reference_copy: Callable[[], LoraScorer], six: pd.DataFrame, two_items: dict[str, Item]
) -> ScoredFeedback:
    """Adjacent pairs that point to the answers' scores, and rewards that say the same."""
    rows = []
    for row, (item, score) in enumerate(zip(six["item"], six["score"], strict=True)):
        for high in two_items[item].scores[1:]:
            rows.append((str(row), high, high - 1) if score >= high else (str(row), high - 1, high))
    preferences = pd.DataFrame(rows, columns=["response_id", "preferred", "rejected"])
    points = np.arange(3)[None, :]
    return ScoredFeedback(
        responses=six,
        scores=six["score"].to_numpy(),
        wins=win_counts(preferences, [str(row) for row in range(len(six))], 3),
        reference=reference_copy().predict_log_proba(six, quiet=True),
        rewards=-np.abs(points - six["score"].to_numpy()[:, None]).astype(float),
    )


@pytest.fixture
def pairs(reference_copy: Callable[[], LoraScorer], six: pd.DataFrame) -> EquivalencePairs:
    """Answers to one item are paired crosswise, so that the scorer tells the "wordings" apart."""
    crossed = six.groupby("item")["response"].transform(lambda texts: texts.to_numpy()[::-1])
    teacher = reference_copy().predict_log_proba(six, quiet=True)
    return EquivalencePairs(six, six.assign(response=crossed), teacher)


def expected_first_loss(
    objective: str, feedback: ScoredFeedback, pairs: EquivalencePairs, second: Any
) -> float:
    """One batch holds all six, and the policy still is the reference.

    DPO: ln 2. PPO: Σ π·A = 0 and KL = 0. Refit: mean −log π(score). Equivalence: mean over both
    wordings of the cross-entropy from the teacher.
    """
    if objective == "dpo":
        return float(np.log(2))
    if objective == "ppo":
        return 0.0
    if objective == "refit":
        return float(-feedback.reference[np.arange(6), feedback.scores].mean())
    teacher = np.exp(pairs.teacher)
    return float(np.mean([-(teacher * table).sum(axis=1).mean() for table in (pairs.teacher, second)]))


@pytest.mark.parametrize("objective", ["refit", "dpo", "ppo", "none"])
def test_each_objective_moves_the_policy_and_nothing_else(
    objective: Any,
    reference_copy: Callable[[], LoraScorer],
    reference_folder: Path,
    feedback: ScoredFeedback,
    pairs: EquivalencePairs,
) -> None:
    policy, frozen = reference_copy(), reference_copy()
    second = frozen.predict_log_proba(pairs.second, quiet=True)
    start = expected_first_loss(objective, feedback, pairs, second)
    kept = {name: np.copy(getattr(feedback, name)) for name in ("scores", "wins", "reference", "rewards")}
    teacher, on_disk = pairs.teacher.copy(), (reference_folder / "adapter.safetensors").read_bytes()
    history = align(
        policy,
        objective,
        feedback if objective != "none" else None,
        pairs if objective == "none" else None,
        SETTINGS,
        label="arm",
    )
    assert len(history) == (4 if objective == "ppo" else 2)  # one step an epoch, two inner updates
    assert history[0].loss == pytest.approx(start, abs=2e-6)
    assert history[-1].loss < history[0].loss
    assert policy.fingerprint() != frozen.fingerprint()
    assert all(np.array_equal(getattr(feedback, name), kept[name]) for name in kept)
    assert np.array_equal(pairs.teacher, teacher)
    assert (reference_folder / "adapter.safetensors").read_bytes() == on_disk
    np.testing.assert_array_equal(
        frozen.predict_log_proba(feedback.responses, quiet=True), feedback.reference
    )


def test_a_combined_arm_adds_the_weighted_terms(
    reference_copy: Callable[[], LoraScorer], feedback: ScoredFeedback, pairs: EquivalencePairs
) -> None:
    """First loss: ln 2 + 3 · cross-entropy."""
    second = reference_copy().predict_log_proba(pairs.second, quiet=True)
    cross_entropy = expected_first_loss("none", feedback, pairs, second)
    settings = AlignSettings(
        Training(epochs=1, batch_size=6, learning_rate=1e-3, seed=3), 0.1, equivalence_weight=3.0
    )
    history = align(reference_copy(), "dpo", feedback, pairs, settings, label="dpo+equivalence")
    assert [row.loss for row in history] == [pytest.approx(np.log(2) + 3 * cross_entropy, abs=5e-6)]


def test_the_shorter_part_of_a_combined_arm_is_gone_through_again(
    reference_copy: Callable[[], LoraScorer], feedback: ScoredFeedback, pairs: EquivalencePairs
) -> None:
    """Six responses in threes are two steps an epoch, one pair is one: both epochs have two steps."""
    one = EquivalencePairs(pairs.first.iloc[:1], pairs.second.iloc[:1], pairs.teacher[:1])
    settings = AlignSettings(Training(epochs=1, batch_size=3, learning_rate=1e-3, seed=3), 0.1, ppo_inner=2)
    history = align(reference_copy(), "ppo", feedback, one, settings, label="ppo+equivalence")
    assert len(history) == 4


def test_the_same_feedback_and_seed_make_the_same_policy(
    reference_copy: Callable[[], LoraScorer], feedback: ScoredFeedback
) -> None:
    policies = [reference_copy(), reference_copy()]
    histories: list[list[LossRow]] = [
        align(policy, "dpo", feedback, None, SETTINGS, label="dpo") for policy in policies
    ]
    assert policies[0].fingerprint() == policies[1].fingerprint()
    assert histories[0] == histories[1]


@pytest.mark.parametrize(
    "asked",
    [
        ("dpo", None, None),
        ("none", None, None),
        ("refit", "empty", None),
        ("none", None, "empty"),
        ("dpo", None, "some"),
        ("dpo", "empty", "some"),
        ("ppo", "some", "empty"),
    ],
)
def test_an_arm_without_its_feedback_is_refused(
    asked: tuple[Any, str | None, str | None],
    reference_copy: Callable[[], LoraScorer],
    feedback: ScoredFeedback,
    pairs: EquivalencePairs,
) -> None:
    """Half of a combined arm is refused as well: it would be reported under the whole one's name."""
    objective, scored, paired = asked
    none = ScoredFeedback(
        feedback.responses.iloc[:0],
        feedback.scores[:0],
        feedback.wins[:0],
        feedback.reference[:0],
        feedback.rewards[:0],
    )
    no_pairs = EquivalencePairs(pairs.first.iloc[:0], pairs.second.iloc[:0], pairs.teacher[:0])
    policy = reference_copy()
    before = policy.fingerprint()
    with pytest.raises(DataError, match="no feedback for the arm 'arm'") as problem:
        align(
            policy,
            objective,
            {None: None, "empty": none, "some": feedback}[scored],
            {None: None, "empty": no_pairs, "some": pairs}[paired],
            SETTINGS,
            label="arm",
        )
    assert problem.value.exit_code == 3
    assert policy.fingerprint() == before


def test_equivalence_pulls_wordings_together_and_does_not_shrink_the_scores(
    reference_copy: Callable[[], LoraScorer], answers: pd.DataFrame
) -> None:
    """A toy with a planted wording effect: the scorer learns to take a point off everyday wordings."""
    film = answers[answers["item"] == "sf1"]
    plain, everyday = (film.assign(response=wording + film["response"]) for wording in WORDINGS)
    scorer = reference_copy()
    scorer.training = Training(epochs=7, batch_size=12, learning_rate=5e-3, seed=1)
    scores = film["score"].to_numpy()
    scorer.fit(pd.concat([plain, everyday]), np.concatenate([scores, np.maximum(scores - 1, 0)]))
    before = scorer.predict_expected(plain), scorer.predict_expected(everyday)
    effect = (before[1] - before[0]).mean()
    assert effect < -0.15  # it is there to be removed
    pairs = EquivalencePairs(plain, everyday, scorer.predict_log_proba(plain, quiet=True))
    settings = AlignSettings(Training(epochs=5, batch_size=6, learning_rate=3e-3, seed=2), beta=0.1)
    align(scorer, "none", None, pairs, settings, label="equivalence")
    after = scorer.predict_expected(plain), scorer.predict_expected(everyday)
    assert abs((after[1] - after[0]).mean()) < 0.4 * abs(effect)
    assert after[0].std() > 0.8 * before[0].std()
    assert after[1].std() > 0.8 * before[1].std()
