"""Least squares with errors clustered by person, by hand: what tables of judgements are held to."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

__all__ = ["by_hand"]


def by_hand(
    outcome: pd.Series, group: pd.Series, item: pd.Series, person: pd.Series
) -> tuple[npt.NDArray[np.float64], float]:
    """Coefficients of group and items, and the half width of the group's 95% interval.

    The sandwich of Liang and Zeger (1986) with the factor P / (P − 1) · (N − 1) / (N − k) for P persons, and
    t with P − 1 degrees of freedom.
    """
    design = np.column_stack([group, pd.get_dummies(item)]).astype(float)
    bread = np.linalg.inv(design.T @ design)
    beta = bread @ design.T @ outcome.to_numpy()
    left = outcome.to_numpy() - design @ beta
    meat = np.zeros_like(bread)
    for rows in outcome.groupby(person).indices.values():
        score = design[rows].T @ left[rows]
        meat += np.outer(score, score)
    (n, k), people = design.shape, person.nunique()
    variance = (bread @ meat @ bread)[0, 0] * people / (people - 1) * (n - 1) / (n - k)
    return beta, stats.t.ppf(0.975, people - 1) * math.sqrt(variance)
