"""Whether the probabilities that rewards imply for score preferences are the shares that raters gave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

__all__ = ["Calibration", "calibration", "oriented_pairs"]

# Below this many judgements a slope, an intercept or the share in a bin says nothing.
LEAST_JUDGEMENTS = 10
# A slope that has gone beyond this runs off to infinity: the judgements are separated.
STEEP = 100.0


@dataclass(frozen=True)
class Calibration:
    """Calibration of rewards against score preferences.

    Attributes
    ----------
    log_loss : float
        Mean −ln of the probability of what the raters preferred; ln 2 = .693 is guessing.
    intercept, slope : float
        Logistic recalibration of "the higher score is preferred" on the difference in reward: 0 and 1
        are perfect; a slope below 1 says that rewards are too extreme, an intercept below 0 that they are
        too generous. NaN where the rewards separate the judgements or there are fewer than 10.
    ece : float
        Expected calibration error: mean distance, over the judgements, of predicted and observed shares.
    table : DataFrame
        One row per bin of about equally many judgements: bin, n, predicted, observed.
    """

    log_loss: float
    intercept: float
    slope: float
    ece: float
    table: pd.DataFrame

    def __repr__(self) -> str:
        return (
            f"Calibration(log loss {self.log_loss:.3f}, intercept {self.intercept:.2f}, "
            f"slope {self.slope:.2f}, ECE {self.ece:.3f})"
        )


def oriented_pairs(rewards: np.ndarray, wins: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compared pairs of score points, the higher one first.

    Parameters
    ----------
    rewards : (N, K)
    wins : (N, K, K)
        See `psyalign.reward.win_counts`.

    Returns
    -------
    tuple of (P,)
        r(higher) − r(lower), and how many judgements preferred the higher, and the lower, score.
    """
    lower, higher = np.triu_indices(rewards.shape[1], k=1)
    apart = (rewards[:, higher] - rewards[:, lower]).ravel()
    won, lost = wins[:, higher, lower].ravel().astype(float), wins[:, lower, higher].ravel().astype(float)
    kept = won + lost > 0
    return apart[kept], won[kept], lost[kept]


def calibration(rewards: np.ndarray, wins: np.ndarray, *, bins: int = 10) -> Calibration:
    """Log loss, recalibration line and calibration error of rewards.

    Parameters
    ----------
    rewards : (N, K)
    wins : (N, K, K)
    bins : int
        At most so many, of at least 10 judgements; equal predicted probabilities stay in one.

    Returns
    -------
    Calibration
        NaN and an empty table where there is no judgement.

    References
    ----------
    Cox (1958), Biometrika 45, 562–565 (recalibration); Guo, Pleiss, Sun & Weinberger (2017), ICML (ECE).
    """
    apart, won, lost = oriented_pairs(rewards, wins)
    total = won + lost
    if not total.sum():
        nothing = pd.DataFrame({"bin": [], "n": [], "predicted": [], "observed": []})
        nan = float("nan")
        return Calibration(nan, nan, nan, nan, nothing)
    losses = won * np.logaddexp(0, -apart) + lost * np.logaddexp(0, apart)
    table = _bins(expit(apart), won, total, bins)
    gap = (table["predicted"] - table["observed"]).abs()
    return Calibration(
        float(losses.sum() / total.sum()),
        *_recalibration(apart, won, total),
        float((gap * table["n"]).sum() / total.sum()),
        table,
    )


def _bins(predicted: np.ndarray, won: np.ndarray, total: np.ndarray, bins: int) -> pd.DataFrame:
    bins = max(1, min(bins, int(total.sum()) // LEAST_JUDGEMENTS))
    edges = np.unique(np.quantile(np.repeat(predicted, total.astype(int)), np.linspace(0, 1, bins + 1)))
    place = np.clip(np.searchsorted(edges, predicted, side="left") - 1, 0, max(len(edges) - 2, 0))
    frame = pd.DataFrame({"bin": place, "n": total, "predicted": predicted * total, "observed": won})
    sums = frame.groupby("bin", as_index=False).sum()
    shares = sums.assign(predicted=sums["predicted"] / sums["n"], observed=sums["observed"] / sums["n"])
    return shares.assign(bin=range(1, len(shares) + 1))


def _recalibration(apart: np.ndarray, won: np.ndarray, total: np.ndarray) -> tuple[float, float]:
    """Intercept and slope by Newton's method from (0, 1); NaN if there is no finite maximum."""
    missing = float("nan"), float("nan")
    if total.sum() < LEAST_JUDGEMENTS or np.ptp(apart) == 0:
        return missing
    design = np.stack([np.ones_like(apart), apart / apart.std()], axis=1)
    line = np.array([0.0, apart.std()])

    def value(at: np.ndarray) -> float:
        logits = design @ at
        return float((won * logits - total * np.logaddexp(0, logits)).sum())

    for _ in range(100):
        chance = expit(design @ line)
        information = (design * (total * chance * (1 - chance))[:, None]).T @ design
        if np.linalg.cond(information) > 1e12:
            return missing
        step = np.linalg.solve(information, design.T @ (won - total * chance))
        while value(line + step) < value(line) - 1e-12:
            step = step / 2
        line = line + step
        if np.abs(line).max() > STEEP:
            return missing
        if np.abs(step).max() < 1e-10:
            break
    return float(line[0]), float(line[1] / apart.std())
