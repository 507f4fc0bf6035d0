"""Bradley–Terry likelihood of score preferences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from psyalign.foundation.errors import DataError

__all__ = ["bradley_terry_loss", "pair_accuracy", "win_counts"]


def bradley_terry_loss(rewards: torch.Tensor, wins: torch.Tensor) -> torch.Tensor:
    """Mean negative log-likelihood of the preferences, −log σ(r_i − r_j) for each "i over j".

    Parameters
    ----------
    rewards : (B, K) tensor
        Reward of each score point.
    wins : (B, K, K) tensor
        ``wins[b, i, j]``: how many judgements preferred score i to score j for response b.

    Returns
    -------
    scalar tensor
        0 where there is no judgement.

    References
    ----------
    Bradley & Terry (1952), Biometrika 39, 324–345.
    """
    difference = rewards[:, :, None] - rewards[:, None, :]
    losses = torch.nn.functional.softplus(-difference) * wins
    return losses.sum() / wins.sum().clamp(min=1)


def win_counts(preferences: pd.DataFrame, response_ids: list[str], n_scores: int) -> np.ndarray:
    """Preferences as counts, shape (N, K, K) float32.

    Parameters
    ----------
    preferences : DataFrame with columns response_id, preferred, rejected
        A column weight counts a row as so many judgements.
    response_ids : list of N str
        Responses that the counts are wanted for; preferences on others are left out.
    n_scores : int
        K.
    """
    place = {name: at for at, name in enumerate(response_ids)}
    used = preferences[preferences["response_id"].isin(place)]
    preferred, rejected = used["preferred"].to_numpy(int), used["rejected"].to_numpy(int)
    if len(used) and not (
        0 <= min(preferred.min(), rejected.min()) <= max(preferred.max(), rejected.max()) < n_scores
    ):
        raise DataError("A preference names a score outside the rubric.", where="feedback")
    counts = np.zeros((len(response_ids), n_scores, n_scores), dtype=np.float32)
    weight = used["weight"].to_numpy(np.float32) if "weight" in used else 1.0
    np.add.at(counts, (used["response_id"].map(place).to_numpy(int), preferred, rejected), weight)
    return counts


def pair_accuracy(rewards: np.ndarray, wins: np.ndarray) -> float:
    """Share of judgements whose preferred score has the higher reward; ties count one half.

    Parameters
    ----------
    rewards : (N, K)
    wins : (N, K, K)

    Returns
    -------
    float
        NaN if there is no judgement.
    """
    difference = rewards[:, :, None] - rewards[:, None, :]
    agree = (difference > 0) + 0.5 * (difference == 0)
    total = float(wins.sum())
    return float((agree * wins).sum() / total) if total else float("nan")
