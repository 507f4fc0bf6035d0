"""How well the reward model tells what raters prefer: overall, by group, by rater; and its calibration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from psyalign.feedback.raters import pair_agreement
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.judgements import rater_judgements, sides_of_responses
from psyalign.reward import calibration, pair_accuracy, win_counts

__all__ = ["Judged", "reward_metrics"]


@dataclass(frozen=True)
class Judged:
    """Responses with score preferences, N rows, and comparisons of responses, M rows.

    Attributes
    ----------
    responses : DataFrame with columns response_id, person, item, response
    preferences : DataFrame
        Who preferred what.
    wins : (N, K, K)
    held_out : (N,) bool
    rewards, reference : (N, K)
        The reward model's rewards, and the reference scorer's log-probabilities.
    liked : (M,) int
        1 the first response, 0 a tie, −1 the second.
    apart, apart_of_reference : (M,)
        Difference of the two responses' qualities.
    compared_held_out : (M,) bool
    """

    responses: pd.DataFrame
    preferences: pd.DataFrame
    wins: np.ndarray
    held_out: np.ndarray
    rewards: np.ndarray
    reference: np.ndarray
    liked: np.ndarray
    apart: np.ndarray
    apart_of_reference: np.ndarray
    compared_held_out: np.ndarray


def reward_metrics(run: Run, judged: Judged) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Metrics (metric, value), and the calibration's bins (bin, n, predicted, observed)."""
    held, wins, rewards = judged.held_out, judged.wins, judged.rewards
    fit = calibration(rewards[held], wins[held])
    rows: list[tuple[str, float]] = [
        ("n_train", int(wins[~held].sum())),
        ("n_holdout", int(wins[held].sum())),
        ("train_accuracy", pair_accuracy(rewards[~held], wins[~held])),
        ("holdout_accuracy", pair_accuracy(rewards[held], wins[held])),
        ("holdout_accuracy_of_reference_scorer", pair_accuracy(judged.reference[held], wins[held])),
        ("holdout_log_loss", fit.log_loss),
        ("holdout_calibration_intercept", fit.intercept),
        ("holdout_calibration_slope", fit.slope),
        ("holdout_ece", fit.ece),
        *_by_group(run, judged),
        *_by_rater(run, judged),
        *_of_comparisons(judged),
    ]
    return pd.DataFrame(rows, columns=["metric", "value"]), fit.table


def _by_group(run: Run, judged: Judged) -> Iterator[tuple[str, float]]:
    for attribute, sides in sides_of_responses(run).items():
        side = judged.responses["response_id"].map(sides).to_numpy(float)
        group = run.study.groups[attribute]
        for level, value in ((group.reference, -0.5), (group.focal, 0.5)):
            rows = judged.held_out & (side == value)
            if judged.wins[rows].sum():
                yield f"n_holdout[{attribute}={level}]", int(judged.wins[rows].sum())
                accuracy = pair_accuracy(judged.rewards[rows], judged.wins[rows])
                yield f"holdout_accuracy[{attribute}={level}]", accuracy


def _by_rater(run: Run, judged: Judged) -> Iterator[tuple[str, float]]:
    """What one rater's preferences are told with, beside how well raters tell one another's."""
    raters = sorted(set(judged.preferences["rater"]))
    ids = judged.responses["response_id"].tolist()
    for rater in raters if len(raters) > 1 else ():
        own = judged.preferences[judged.preferences["rater"] == rater]
        wins = win_counts(own, ids, run.max_scores)[judged.held_out]
        if wins.sum():
            yield f"n_holdout[rater={rater}]", int(wins.sum())
            yield f"holdout_accuracy[rater={rater}]", pair_accuracy(judged.rewards[judged.held_out], wins)
    agreement = pair_agreement(rater_judgements(run))
    if np.isfinite(agreement):
        yield "rater_agreement", agreement


def _of_comparisons(judged: Judged) -> Iterator[tuple[str, float]]:
    if not len(judged.liked):
        return
    held, untied = judged.compared_held_out, judged.liked != 0
    yield "n_responses_compared_train", int((~held).sum())
    yield "n_responses_compared_holdout", int(held.sum())
    rows = held & untied
    if rows.any():
        yield "holdout_response_accuracy", _in_order(judged.apart[rows], judged.liked[rows])
        of_reference = _in_order(judged.apart_of_reference[rows], judged.liked[rows])
        yield "holdout_response_accuracy_of_reference_scorer", of_reference


def _in_order(apart: np.ndarray, liked: np.ndarray) -> float:
    """Share of comparisons without a tie that the qualities order as the rater did; equal ones count 1/2."""
    return float(((np.sign(apart) * liked) + 1).mean() / 2)
