"""The closed-form arm: π* itself, from the reference scorer and the reward model, without training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from psyalign.align.optimum import optimal_log_probs
from psyalign.foundation.errors import ModelError
from psyalign.foundation.files import read_json, write_json
from psyalign.foundation.hashing import hash_json
from psyalign.items import Item
from psyalign.reward import RewardEnsemble
from psyalign.scorer import LoraScorer

__all__ = ["ClosedFormScorer"]

FILE = "closed_form.json"


class ClosedFormScorer:
    """Scores with π*(s|x) ∝ π_ref(s|x) exp(r(x, s)/β), the optimum that PPO trains towards.

    It costs two forward passes a response, of the reference scorer and of the reward model, and
    no training. What it gets wrong is the reward model's, not the optimiser's.

    Parameters
    ----------
    reference : LoraScorer
    reward : RewardEnsemble
        Of one model or several.
    beta : float

    References
    ----------
    Rafailov et al. (2023), Direct Preference Optimization, eq. 4, whose sum over all answers is
    over K score points here.
    """

    def __init__(self, reference: LoraScorer, reward: RewardEnsemble, beta: float):
        self.reference = reference
        self.reward = reward
        self.beta = beta

    def predict_log_proba(
        self, responses: pd.DataFrame, *, label: str = "score", quiet: bool = False
    ) -> np.ndarray:
        """log π*, shape (N, K) float64; responses with columns item, response."""
        reference = self.reference.predict_log_proba(responses, label=label, quiet=quiet)
        rewards = self.reward.rewards(responses, label=f"{label}, rewards", quiet=quiet)
        return optimal_log_probs(reference, rewards, self.beta)

    def fingerprint(self) -> str:
        """Hash of both models and β: the same hash gives the same scores."""
        return hash_json([self.reference.fingerprint(), self.reward.fingerprint(), self.beta])

    def save(self, folder: Path) -> None:
        """Write closed_form.json: β and the fingerprint. The models stay where they are."""
        write_json(folder / FILE, {"beta": self.beta, "fingerprint": self.fingerprint()})

    @classmethod
    def of(cls, reference: Path, reward: Path, items: Mapping[str, Item], beta: float) -> ClosedFormScorer:
        """The closed form of a saved reference scorer and a saved reward model."""
        return cls(LoraScorer.load(reference, items), RewardEnsemble.load(reward, items), beta)

    @classmethod
    def load(cls, folder: Path, reference: Path, reward: Path, items: Mapping[str, Item]) -> ClosedFormScorer:
        """Read what `save` wrote, and put it together with the two models again.

        Raises
        ------
        ModelError
            They are not the models that it was made of.
        """
        facts = read_json(folder / FILE)
        scorer = cls.of(reference, reward, items, facts["beta"])
        if facts["fingerprint"] != scorer.fingerprint():
            raise ModelError(
                "The reference scorer or the reward model is not the one that the closed form was made of.",
                where=str(folder),
                mend="Run the study again.",
            )
        return scorer
