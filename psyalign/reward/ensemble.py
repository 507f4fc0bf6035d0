"""Several reward models of the same feedback: which responses each learns from, and their rewards in one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from psyalign.foundation.files import read_json, write_json
from psyalign.foundation.hashing import hash_json
from psyalign.foundation.seeds import derive_seed, generator
from psyalign.items import Item
from psyalign.reward.reward_model import RewardModel
from psyalign.scorer.train import LossRow

__all__ = [
    "MemberCheckpoints",
    "RewardEnsemble",
    "Together",
    "combined",
    "member_rows",
    "member_seed",
    "spread",
]

Together = Literal["mean", "worst"]
FILE = "ensemble.json"
HISTORY = "history.json"


def member_seed(seed: int, member: int) -> int:
    """Seed of the batches of a member (from 0); the first has the seed itself, as one model alone has."""
    return seed if member == 0 else derive_seed(seed, "member", member)


def member_rows(count: int, seed: int, member: int) -> np.ndarray:
    """Rows of `count` responses that a member learns from: all (the first), or a bootstrap sample.

    Fine-tuned copies of one scorer differ too little to disagree unless they see different feedback.

    Parameters
    ----------
    count : int
    seed : int
        Of the first member.
    member : int
        From 0.

    Returns
    -------
    (count,) int
        Sorted, so that the same rows stay in the same order.
    """
    if member == 0:
        return np.arange(count)
    return np.sort(generator(seed, "bootstrap", member).integers(0, count, count))


class MemberCheckpoints:
    """What a training of several members goes on with after it was cut off.

    The first member's checkpoint is the given one, as one model alone has it. The others' lie beside it,
    and so do the finished members, which are read and not trained again.

    Parameters
    ----------
    checkpoint : Path
        Safetensors file, as `psyalign.scorer.train.train` takes it.
    members : int
        How many there will be; of one alone nothing but the given checkpoint is written.

    Examples
    --------
    >>> kept = MemberCheckpoints(Path("reward/checkpoint.safetensors"), 2)
    >>> [kept.path(member).as_posix() for member in range(2)]
    ['reward/checkpoint.safetensors', 'reward/checkpoint-2.safetensors']
    """

    def __init__(self, checkpoint: Path, members: int):
        self._checkpoint = checkpoint
        self._members = members

    def path(self, member: int) -> Path:
        """Checkpoint of a member (from 0) that is being trained."""
        return self._checkpoint.with_stem(self._name(member)) if member else self._checkpoint

    def finished(self, member: int, items: Mapping[str, Item]) -> RewardModel | None:
        """The member as `keep` left it, with its history; None if it was not finished."""
        folder = self._folder(member)
        if not (folder / HISTORY).is_file():
            return None
        model = RewardModel.load(folder, items)
        model.history_ = [LossRow(*row) for row in read_json(folder / HISTORY)]
        return model

    def keep(self, member: int, model: RewardModel) -> None:
        """Keep a member that is trained, until all of them are; its own checkpoint is of no more use."""
        if self._members == 1:
            return
        folder = self._folder(member)
        folder.mkdir(parents=True, exist_ok=True)
        model.save(folder)
        # last: where it is there, the rest is
        write_json(folder / HISTORY, [[row.step, row.epoch, row.loss] for row in model.history_])
        self.path(member).unlink(missing_ok=True)

    def _name(self, member: int) -> str:
        return f"{self._checkpoint.stem}-{member + 1}"

    def _folder(self, member: int) -> Path:
        return self._checkpoint.with_name(self._name(member))


def combined(rewards: np.ndarray, how: Together) -> np.ndarray:
    """One table of rewards out of the members'.

    Parameters
    ----------
    rewards : (E, N, K)
        Centred rewards of E members.
    how : {"mean", "worst"}
        "worst" takes the least of the members for each score point: a policy gains nothing from a
        score that only some of them like, which withstands over-optimisation.

    Returns
    -------
    (N, K)

    References
    ----------
    Coste, Anwar, Kirk & Krueger (2024), Reward model ensembles help mitigate overoptimization, ICLR.

    Examples
    --------
    >>> members = np.array([[[-1.0, 0.0, 1.0]], [[-0.5, 0.75, -0.25]]])
    >>> combined(members, "mean").tolist(), combined(members, "worst").tolist()
    ([[-0.75, 0.375, 0.375]], [[-1.0, 0.0, -0.25]])
    """
    return np.asarray(rewards.mean(axis=0) if how == "mean" else rewards.min(axis=0))


def spread(rewards: np.ndarray) -> np.ndarray:
    """SD (n − 1) of the centred rewards over the members, (E, N, K) → (N, K)."""
    return np.asarray(rewards.std(axis=0, ddof=1))


class RewardEnsemble:
    """Reward models that give their rewards as one; of a single one, exactly that model.

    Parameters
    ----------
    members : sequence of RewardModel
    how : {"mean", "worst"}
        See `combined`.
    """

    def __init__(self, members: Sequence[RewardModel], how: Together = "mean"):
        self.members = list(members)
        self.how: Together = how

    def member_rewards(
        self, responses: pd.DataFrame, *, label: str = "reward", quiet: bool = False
    ) -> np.ndarray:
        """Centred rewards of every member, shape (E, N, K)."""
        return np.stack([member.rewards(responses, label=label, quiet=quiet) for member in self.members])

    def rewards(self, responses: pd.DataFrame, *, label: str = "reward", quiet: bool = False) -> np.ndarray:
        """Rewards of the whole, shape (N, K)."""
        return combined(self.member_rewards(responses, label=label, quiet=quiet), self.how)

    def fingerprint(self) -> str:
        """Hash of the frozen members and of how they are put together; of a single one, its own."""
        hashes = [member.fingerprint() for member in self.members]
        return hashes[0] if len(hashes) == 1 else hash_json([self.how, *hashes])

    def save(self, folder: Path) -> None:
        """Write the first member to `folder` as one model alone is written, the others to folders in it."""
        for at, member in enumerate(self.members):
            member.save(_place(folder, at))
        if len(self.members) > 1:
            write_json(folder / FILE, {"members": len(self.members), "how": self.how})

    @classmethod
    def load(cls, folder: Path, items: Mapping[str, Item]) -> RewardEnsemble:
        """Read what `save` wrote (or a `RewardModel` did); frozen."""
        alone: dict[str, Any] = {"members": 1, "how": "mean"}
        facts = read_json(folder / FILE) if (folder / FILE).is_file() else alone
        places = [_place(folder, at) for at in range(facts["members"])]
        return cls([RewardModel.load(place, items) for place in places], facts["how"])


def _place(folder: Path, member: int) -> Path:
    return folder / f"member-{member + 1}" if member else folder
