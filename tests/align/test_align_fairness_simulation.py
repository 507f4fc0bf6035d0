"""Fairness terms where the truth is known: raters who penalise a dialect, groups that differ in ability.

A policy with few weights stands in for the language model: adjacent-category logits, linear in what
the answer shows. All people and raters are simulated.
"""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from psyalign.align import AlignSettings, EquivalencePairs, ScoredFeedback, align, supervised_loss
from psyalign.dif import analyse, matching_strata
from psyalign.scorer import Training

K, ITEMS, IMPACT = 4, 6, 0.7
POINTS = np.arange(K)


class LinearNetwork(nn.Module):
    """log π(s) ∝ s·(x·w) + b_s, all that `align` needs of a network."""

    def __init__(self, shown: np.ndarray):
        super().__init__()
        self.shown = torch.tensor(shown, dtype=torch.float32)
        self.weights = nn.Parameter(torch.zeros(shown.shape[1]))
        self.thresholds = nn.Parameter(torch.zeros(K))
        self.compute = SimpleNamespace(device=torch.device("cpu"))

    def log_probs(self, rows: list[int]) -> torch.Tensor:
        strength = self.shown[rows] @ self.weights
        return (strength[:, None] * torch.arange(K) + self.thresholds).log_softmax(-1)

    def trainable(self) -> dict[str, nn.Parameter]:
        return dict(self.named_parameters())


class LinearScorer:
    """What `align` needs of a `LoraScorer`; responses are told by `row`."""

    def __init__(self, shown: np.ndarray):
        self.network_ = LinearNetwork(shown)

    def encode(self, responses: pd.DataFrame) -> Any:
        places = responses["row"].tolist()
        return SimpleNamespace(
            lengths=np.ones(len(places), dtype=int),
            items=np.zeros(len(places), dtype=int),
            batch=lambda rows, device: [places[row] for row in rows],
        )

    def fit(self, scores: np.ndarray) -> LinearScorer:
        """Supervised fine-tuning, which makes the reference scorer."""
        optimiser = torch.optim.Adam(self.network_.parameters(), lr=0.1)
        rows, given = list(range(len(scores))), torch.tensor(scores)
        for _ in range(120):
            optimiser.zero_grad()
            supervised_loss(self.network_.log_probs(rows), given).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return self

    def log_probs(self, shown: np.ndarray | None = None) -> np.ndarray:
        """Log-probabilities of the responses it was made with, or of others; (N, K) float64."""
        network = copy.deepcopy(self.network_)
        if shown is not None:
            network.shown = torch.tensor(shown, dtype=torch.float32)
        with torch.no_grad():
            return network.log_probs(list(range(len(network.shown)))).double().numpy()

    def expected(self, shown: np.ndarray | None = None) -> np.ndarray:
        return np.exp(self.log_probs(shown)) @ POINTS


def people(seed: int, persons: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Half of them focal, whose ability is lower by IMPACT and nine in ten of whose answers are in dialect.

    True scores follow quality. Raters take a point off four in ten answers in dialect. An answer
    shows its quality, with some noise, and its dialect.
    """
    rng = np.random.default_rng(seed)
    group = np.repeat([0, 1], persons // 2)
    person = np.repeat(np.arange(persons), ITEMS)
    quality = rng.normal(-IMPACT * group, 1)[person] + rng.normal(0, 0.5, len(person))
    dialect = rng.random(len(person)) < np.where(group[person] == 1, 0.9, 0.1)
    true = np.clip(np.round(1.5 + 0.9 * quality), 0, K - 1).astype(int)
    rated = np.maximum(true - (dialect & (rng.random(len(person)) < 0.4)), 0)
    table = pd.DataFrame(
        {
            "person": [f"p{number}" for number in person],
            "item": np.tile([f"i{number}" for number in range(ITEMS)], persons),
            "group": group[person],
            "true": true,
            "rated": rated,
            "row": np.arange(len(person)),
        }
    )
    return table, np.column_stack([quality + rng.normal(0, 0.3, len(person)), dialect])


def matched(table: pd.DataFrame, column: str) -> tuple[pd.Series, pd.Series]:
    """Group and stratum of the total of some scores, by person."""
    group = table.drop_duplicates("person").set_index("person")["group"]
    named = group.map({0: "reference", 1: "focal"})
    scores = table[["person", "item"]].assign(score=table[column])
    return named, matching_strata(scores, named).stratum


def audited(scorer: LinearScorer, table: pd.DataFrame, shown: np.ndarray) -> dict[str, float]:
    """Mean SMD given the true total, the SD ratio, and r with the true scores, on new persons."""
    expected = scorer.expected(shown)
    group, stratum = matched(table, "true")
    scores = table[["person", "item"]].assign(score=expected)
    found = analyse(scores, group=group, stratum=stratum, methods=["smd"], human_sd=None)
    return {
        "smd": float(found["smd"].mean()),
        "sd_ratio": float(expected.std() / table["true"].std()),
        "r": float(np.corrcoef(expected, table["true"])[0, 1]),
    }


@pytest.fixture(scope="module")
def arms() -> dict[str, dict[str, float]]:
    """Refitted on the biased raters' scores with each penalty, and audited on new persons."""
    table, shown = people(1, 300)
    new, new_shown = people(2, 1200)
    base = LinearScorer(shown).fit(table["rated"].to_numpy())
    reference, nothing = base.log_probs(), np.zeros((len(table), K))
    wins = np.zeros((len(table), K, K), dtype=np.float32)
    found = {"baseline": audited(base, new, new_shown)}
    for name, column, options in (
        ("refit", "true", {}),
        ("clean matching", "true", {"dif_penalty": 3.0}),
        ("biased matching", "rated", {"dif_penalty": 3.0}),
        ("parity", "true", {"parity_penalty": 1.0}),
    ):
        scorer = copy.deepcopy(base)
        strata = table["person"].map(matched(table, column)[1]).to_numpy(float)
        groups, rated = table["group"].to_numpy(), table["rated"].to_numpy()
        feedback = ScoredFeedback(table, rated, wins, reference, nothing, groups, strata)
        training = Training(epochs=4, batch_size=24, learning_rate=0.03, seed=1, weight_decay=0.0)
        align(scorer, "refit", feedback, None, AlignSettings(training, 0.1, **options), label="refit")  # type: ignore[arg-type, call-overload]
        found[name] = audited(scorer, new, new_shown)
    print({name: {key: round(value, 3) for key, value in row.items()} for name, row in found.items()})
    return found


def test_the_dif_penalty_with_clean_matching_brings_dif_near_zero(arms: dict[str, dict[str, float]]) -> None:
    """Though the scores that are learned from stay biased, and on persons who were not trained on."""
    assert arms["baseline"]["smd"] < -0.2 and arms["refit"]["smd"] < -0.2
    assert abs(arms["clean matching"]["smd"]) < 0.06
    assert arms["clean matching"]["r"] > arms["baseline"]["r"] + 0.01
    assert arms["clean matching"]["sd_ratio"] > 0.9 * arms["baseline"]["sd_ratio"]


def test_the_dif_penalty_with_biased_matching_leaves_most_of_it(arms: dict[str, dict[str, float]]) -> None:
    assert arms["biased matching"]["smd"] < 0.5 * arms["baseline"]["smd"]


def test_parity_reverses_dif_where_the_groups_differ_in_ability(arms: dict[str, dict[str, float]]) -> None:
    assert arms["parity"]["smd"] > 0.1
    assert arms["parity"]["r"] < arms["baseline"]["r"] - 0.01


# equivalence without an anchor


def two_wordings(seed: int, answers: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quality, and what it shows in neutral and in everyday wording.

    The first cue falls by two SD in everyday wording, the second is blind to wording. Both are read with
    noise of their own in each wording, so that the answers of a pair never look quite alike: the
    cheapest way to make them alike is to look at nothing.
    """
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=answers)
    noise = rng.normal(0, 0.3, (2, answers, 2))
    neutral, everyday = quality[:, None] + noise
    return quality, neutral, everyday - np.array([2.0, 0.0])


@pytest.mark.parametrize("kind", ["expected", "distribution"])
def test_the_guard_keeps_the_scores_from_shrinking_while_the_wordings_meet(kind: Any) -> None:
    """Without it the SD ratio collapses; with it it stays, and the mean gap still goes."""
    quality, neutral, everyday = two_wordings(3, 240)
    shown = np.concatenate([neutral, everyday])
    rows = pd.DataFrame({"row": range(480), "item": np.tile([f"i{number}" for number in range(4)], 120)})
    scores = np.clip(np.round(1.5 + 0.9 * quality), 0, K - 1).astype(int)
    base = LinearScorer(neutral).fit(scores)
    base.network_.shown = torch.tensor(shown, dtype=torch.float32)
    before = base.expected().reshape(2, 240)
    pairs = EquivalencePairs(rows[:240], rows[240:].reset_index(drop=True), base.log_probs()[:240])
    found = {}
    for guard in (0.0, 1.0):
        scorer = copy.deepcopy(base)
        training = Training(epochs=12, batch_size=16, learning_rate=0.05, seed=1, weight_decay=0.0)
        settings = AlignSettings(
            training, 0.1, equivalence_weight=10.0, equivalence=kind, equivalence_guard=guard
        )
        align(scorer, "none", None, pairs, settings, label="equivalence")
        found[guard] = scorer.expected().reshape(2, 240)
    gap = {name: float((scores[1] - scores[0]).mean()) for name, scores in found.items()}
    ratio = {name: float(scores[0].std() / before[0].std()) for name, scores in found.items()}
    print(kind, (before[1] - before[0]).mean(), gap, ratio)
    planted = (before[1] - before[0]).mean()
    assert planted < -0.5
    assert max(abs(gap[0.0]), abs(gap[1.0])) < 0.1 * abs(planted)
    assert ratio[0.0] < 0.3
    assert 0.85 < ratio[1.0] < 1.1
    assert np.corrcoef(found[1.0][0], quality)[0, 1] > 0.8
