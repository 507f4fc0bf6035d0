"""Responses with all that the diagnostics of alignment need: human scores, reference, rewards, persons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.align.detectors import person_weights
from psyalign.feedback import ResponsePreference, read_records
from psyalign.foundation.seeds import generator
from psyalign.foundation.tables import read_table
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.audit import Audit
from psyalign.pipeline.stages.data import read_scores, read_texts
from psyalign.pipeline.stages.holdout import held_out
from psyalign.pipeline.stages.judgements import score_feedback
from psyalign.pipeline.stages.matrices import matrix
from psyalign.pipeline.stages.score_needs import has_rewards

__all__ = [
    "Evidence",
    "Moves",
    "RewardEvidence",
    "arm_moves",
    "audit_evidence",
    "feedback_evidence",
    "policies",
]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """N responses of one kind of persons.

    Attributes
    ----------
    responses : DataFrame
        response_id, person, item, wording, score (the criterion's), characters.
    reference : (N, K)
        Log-probabilities of the frozen reference scorer.
    place : (N,) int
        Person of each response, 0 … P − 1.
    weights : (1 + D, P)
        Draws of persons, see `person_weights`.
    """

    responses: pd.DataFrame
    reference: Array
    place: npt.NDArray[np.int64]
    weights: Array

    @property
    def scores(self) -> npt.NDArray[np.int64]:
        """Criterion scores, (N,)."""
        return self.responses["score"].to_numpy(int)

    @property
    def cells(self) -> npt.NDArray[np.int64]:
        """Item × criterion score of each response, as a number."""
        cells, _ = pd.factorize(self.responses["item"] + "|" + self.responses["score"].astype(str))
        return np.asarray(cells, dtype=np.int64)

    @property
    def persons(self) -> int:
        """P."""
        return int(self.weights.shape[1])


@dataclass(frozen=True)
class RewardEvidence(Evidence):
    """Evidence of a run with a reward model.

    Attributes
    ----------
    rewards : (N, K)
        The reward model's rewards.
    """

    rewards: Array


@dataclass(frozen=True)
class Moves:
    """What training did to the log-probabilities of what raters preferred most, and of what they rejected.

    Attributes
    ----------
    chosen, rejected : (M,)
        Change from the reference scorer by judgement, in nats.
    place : (M,) int
        Person of each judged response, 0 … P − 1.
    weights : (1 + D, P)
    """

    chosen: Array
    rejected: Array
    place: npt.NDArray[np.int64]
    weights: Array


def arm_moves(run: Run, arm: str) -> Moves | None:
    """What the stage of an arm kept of it; None for an arm that learned from no score feedback."""
    path = run.path("align", arm, "moves.parquet")
    if not path.is_file():
        return None
    table = read_table(path)
    place, persons = pd.factorize(table["person"], sort=True)
    rng = generator(run.study.study.seed, "diagnostics", "moves")  # the same draws for all arms
    return Moves(
        table["chosen_change"].to_numpy(float),
        table["rejected_change"].to_numpy(float),
        np.asarray(place, dtype=np.int64),
        person_weights(len(persons), run.study.dif.bootstrap, rng),
    )


def _evidence(run: Run, responses: pd.DataFrame, reference: Array, *stream: str) -> Evidence:
    """Without rewards; see `_rewarded`."""
    place, persons = pd.factorize(responses["person"], sort=True)
    rng = generator(run.study.study.seed, "diagnostics", *stream)
    return Evidence(
        responses,
        reference,
        np.asarray(place, dtype=np.int64),
        person_weights(len(persons), run.study.dif.bootstrap, rng),
    )


def _rewarded(run: Run, found: Evidence) -> RewardEvidence:
    rewards = matrix(run.path("reward", "rewards.parquet"), found.responses["response_id"])
    return RewardEvidence(found.responses, found.reference, found.place, found.weights, rewards)


def _lengths(run: Run, split: str) -> pd.Series:
    """Characters of each response, by id; the text itself goes no further."""
    texts = read_texts(run, split=split, primary=True).set_index("response_id")["response"]
    return texts.str.len()


def audit_evidence(run: Run, audit: Audit) -> Evidence:
    """All audit responses with a criterion score, in the order of the baseline's scores.

    With rewards (`RewardEvidence`) where the run has a reward model.
    """
    baseline = audit.arms["baseline"]
    responses = baseline[["response_id", "person", "item", "wording"]].merge(
        audit.human, on=["person", "item"], validate="one_to_one"
    )
    responses["characters"] = responses["response_id"].map(_lengths(run, "audit")).to_numpy(float)
    found = _evidence(run, responses, policies(run, audit)["baseline"], "audit")
    return _rewarded(run, found) if has_rewards(run) else found


def policies(run: Run, audit: Audit) -> dict[str, Array]:
    """Log-probabilities (N, K) of every arm on the audit responses, in the order of the baseline's."""
    ids, names = audit.arms["baseline"]["response_id"], [f"l{point}" for point in range(run.max_scores)]
    return {
        arm: np.asarray(scores.set_index("response_id").loc[ids, names].to_numpy(float))
        for arm, scores in audit.arms.items()
    }


def feedback_evidence(run: Run) -> dict[str, RewardEvidence]:
    """Feedback persons' responses with a criterion score: what the reward model never saw, and what it did.

    Returns
    -------
    dict
        "held_out": all responses of the persons none of whose responses trained the reward
        model, or, if they are fewer than ten, all responses that did not; "learned_from": those
        that did. A part without responses is left out.
    """
    kept = read_table(run.path("reward", "rewards.parquet"))["response_id"]
    scores = read_scores(run, "criterion", "feedback")
    responses = scores[scores["response_id"].isin(kept)].drop(columns="split").reset_index(drop=True)
    learned = responses["response_id"].isin(_learned_from(run, responses))
    outside = ~responses["person"].isin(responses.loc[learned, "person"])
    if responses.loc[outside, "person"].nunique() < 10:
        outside = ~learned
    parts = {"held_out": responses[outside], "learned_from": responses[learned]}
    path = run.path("reward", "reference.parquet")
    return {
        name: _rewarded(
            run, _evidence(run, part.reset_index(drop=True), matrix(path, part["response_id"]), name)
        )
        for name, part in parts.items()
        if len(part)
    }


def _learned_from(run: Run, responses: pd.DataFrame) -> set[str]:
    """Responses that the reward model was trained on: judged ones of persons who were not held out."""
    judged = set(score_feedback(run)[1]["response_id"])
    for record in read_records(run.path("feedback", "records.jsonl")):
        if isinstance(record, ResponsePreference):
            judged |= {record.response_a, record.response_b}
    held = held_out(run.study.study.seed, run.study.reward.holdout, responses["person"].unique())
    used = responses["response_id"].isin(judged) & ~responses["person"].map(held).astype(bool)
    return set(responses.loc[used, "response_id"])
