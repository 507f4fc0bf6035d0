"""Machine scores as they are reported: scaled, trimmed to the score range, rounded, as RSMTool does it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.foundation.errors import UsageError

__all__ = ["TRIM_TOLERANCE", "round_scores", "scale_scores", "score_types", "trim_scores"]

Array = npt.NDArray[np.float64]

# Just below .5, so that a score trimmed to the edge rounds to the last score point (RSMTool's default).
TRIM_TOLERANCE = 0.4998


def trim_scores(
    scores: npt.ArrayLike, low: float, high: float, *, tolerance: float = TRIM_TOLERANCE
) -> Array:
    """Scores held to [low − tolerance, high + tolerance].

    Parameters
    ----------
    scores : array_like
        Machine scores, fractions allowed; NaN stays NaN.
    low, high : float
        Lowest and highest score point.
    tolerance : float
        RSMTool's `trim_tolerance`.

    Raises
    ------
    UsageError
        Not finite, `low` not below `high`, or a negative tolerance.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(
            "The lowest score point must lie below the highest.", where=f"low {low}, high {high}"
        )
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise UsageError("The tolerance must be 0 or above.", where=f"tolerance {tolerance}")
    return np.asarray(np.clip(np.asarray(scores, dtype=float), low - tolerance, high + tolerance))


def round_scores(scores: npt.ArrayLike) -> Array:
    """Whole scores; a tie goes to the even neighbour (2.5 to 2, 3.5 to 4), as IEEE 754 and RSMTool do."""
    return np.asarray(np.rint(np.asarray(scores, dtype=float)))


def scale_scores(
    scores: npt.ArrayLike,
    *,
    machine_mean: float,
    machine_sd: float,
    human_mean: float,
    human_sd: float,
) -> Array:
    """Scores on the human scale: (x − machine mean) / machine SD · human SD + human mean.

    Means and SDs (ddof 1) are those of a *training* set, as RSMTool's `scale_with` takes them: scaled
    with those of the audit set, the SMD would be 0 by construction.

    Raises
    ------
    UsageError
        A mean or SD that is not finite, or an SD of the machine that is not above 0.
    """
    if not all(map(math.isfinite, (machine_mean, machine_sd, human_mean, human_sd))) or machine_sd <= 0:
        raise UsageError("Means must be finite and the machine's SD above 0.", where="scale_scores")
    return (np.asarray(scores, dtype=float) - machine_mean) / machine_sd * human_sd + human_mean


def score_types(
    scores: npt.ArrayLike,
    low: float,
    high: float,
    *,
    tolerance: float = TRIM_TOLERANCE,
    prefix: str = "raw",
) -> pd.DataFrame:
    """The three forms in which RSMTool evaluates a score: as it is, trimmed, trimmed and rounded.

    Parameters
    ----------
    scores : array_like, shape (n,)
    low, high, tolerance : float
        As in `trim_scores`.
    prefix : str
        "raw", or "scale" for scores that `scale_scores` made (or that came on the human scale:
        RSMTool's `scale_with = "asis"`).

    Returns
    -------
    pandas.DataFrame
        Columns <prefix>, <prefix>_trim, <prefix>_trim_round.
    """
    plain = np.asarray(scores, dtype=float).ravel()
    trimmed = trim_scores(plain, low, high, tolerance=tolerance)
    return pd.DataFrame(
        {prefix: plain, f"{prefix}_trim": trimmed, f"{prefix}_trim_round": round_scores(trimmed)}
    )
