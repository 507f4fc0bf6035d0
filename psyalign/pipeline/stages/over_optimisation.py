"""Reward and gold against KL: β swept in closed form on feedback persons, and where the arms ended."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.align.choice import person_folds
from psyalign.align.detectors import Drawn, drawn_mean
from psyalign.align.diagnostics import (
    BetaChoice,
    beta_grid,
    beta_sweep,
    choose_beta,
    gold,
    person_sums,
    ranked_probability_score,
    response_kl,
)
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.evidence import RewardEvidence
from psyalign.pipeline.stages.settled import settled_align

__all__ = ["over_optimisation"]

Array = npt.NDArray[np.float64]

FOLDS = 10


def over_optimisation(
    run: Run, shown: RewardEvidence, arms: dict[str, Array], parts: dict[str, RewardEvidence]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tables over_optimisation and beta_choice.

    Gold is agreement with the criterion scores. Nothing is chosen on audit persons: the curve is of
    feedback persons, and the arms' rows only show where each one ended.
    """
    rows = []
    study_beta = settled_align(run).beta
    betas = beta_grid(study_beta)
    for name, part in parts.items():
        for beta, log_probs in zip(betas, beta_sweep(part.reference, part.rewards, betas), strict=True):
            labels = {"kind": "sweep", "persons": name, "arm": "", "beta": float(beta)}
            rows.append(labels | _row(part, log_probs))
    for arm, log_probs in arms.items():
        if arm != "ceiling":  # it had no reference to stay near
            rows.append(
                {"kind": "arm", "persons": "audit", "arm": arm, "beta": np.nan} | _row(shown, log_probs)
            )
    table, choice = pd.DataFrame(rows), _choice(run, parts, betas)
    best = float(choice["beta"].iloc[0]) if len(choice) else np.nan
    sweep = table["kind"] == "sweep"
    table["study_beta"] = sweep & (table["beta"] == study_beta)
    table["best_beta"] = sweep & (table["persons"] == "held_out") & (table["beta"] == best)
    return table, choice


def _row(part: RewardEvidence, log_probs: Array) -> dict[str, Any]:
    """KL, reward and gold of one policy, and their change against the reference on the same persons."""
    scores, base = part.scores, gold(part.reference, part.scores)
    found = gold(log_probs, scores)
    reward = float((np.exp(log_probs) * part.rewards).sum(axis=1).mean())
    change = _rps(part, log_probs) - _rps(part, part.reference)
    low, high = change.interval
    return {
        "n_persons": part.persons,
        "n": len(scores),
        # The kept reference is float32: its KL to itself may come out as −1e-9.
        "kl": max(0.0, float(response_kl(log_probs, part.reference).mean())),
        "reward": reward,
        **found,
        "reward_change": reward - float((np.exp(part.reference) * part.rewards).sum(axis=1).mean()),
        "qwk_change": found["qwk"] - base["qwk"],
        "rps_change": change.value,
        "rps_change_low": low,
        "rps_change_high": high,
    }


def _rps(part: RewardEvidence, log_probs: Array) -> Drawn:
    return drawn_mean(ranked_probability_score(log_probs, part.scores), part.place, part.weights)


def _choice(run: Run, parts: dict[str, RewardEvidence], betas: Array) -> pd.DataFrame:
    """The β with the smallest RPS on held-out feedback persons: a suggestion that nothing takes up."""
    part = parts.get("held_out")
    if part is None or part.persons < 2:
        return pd.DataFrame({name: pd.Series(dtype="float") for name in CHOICE})
    losses = np.column_stack(
        [
            ranked_probability_score(log_probs, part.scores)
            for log_probs in beta_sweep(part.reference, part.rewards, betas)
        ]
    )
    found = choose_beta(
        person_sums(losses, part.place, part.persons),
        np.bincount(part.place, minlength=part.persons).astype(float),
        _folds(run, part),
        part.weights,
    )
    return pd.DataFrame([_choice_row(run, part, found, betas)], columns=CHOICE)


CHOICE = [
    "beta", "low", "high", "share_reference", "study_beta", "gain", "cv_gain", "cv_low", "cv_high",
    "n_persons", "n", "at_end",
]  # fmt: skip


def _choice_row(run: Run, part: RewardEvidence, found: BetaChoice, betas: Array) -> dict[str, Any]:
    # A larger place is a smaller β. The ends are β that were chosen, not means of two of them.
    low, high = (betas[int(place)] for place in np.quantile(found.drawn, [0.975, 0.025], method="nearest"))
    honest, cv_low, cv_high = found.honest
    return {
        "beta": betas[found.best],
        "low": low,
        "high": high,
        "share_reference": float(np.mean(found.drawn == 0)),
        "study_beta": settled_align(run).beta,
        "gain": found.gain,
        "cv_gain": honest,
        "cv_low": cv_low,
        "cv_high": cv_high,
        "n_persons": part.persons,
        "n": len(part.place),
        "at_end": found.best in (0, len(betas) - 1),
    }


def _folds(run: Run, part: RewardEvidence) -> npt.NDArray[np.int64]:
    """Fold of each person, in the order of their places."""
    names = part.responses["person"].drop_duplicates().sort_values()
    return person_folds(names, FOLDS, run.study.study.seed, "beta")
