"""How far training moved what the raters preferred most, and what they rejected, on the feedback itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import read_texts
from psyalign.pipeline.stages.judgements import score_feedback
from psyalign.pipeline.stages.matrices import matrix

__all__ = ["preference_moves"]


def preference_moves(run: Run, log_probs: Callable[[pd.DataFrame], np.ndarray]) -> pd.DataFrame:
    """Change in log-probability from the reference scorer to an arm, by score preference.

    Only of judgements whose preferred score the same rater rejected for no other: of a response worth 3,
    "1 rather than 0" is a judgement as well, and a better scorer gives 1 less probability, not more.

    Parameters
    ----------
    run : Run
    log_probs : callable
        The arm's (N, K) log-probabilities of responses with columns item, response; each of them is
        asked for once.

    Returns
    -------
    DataFrame
        One row a judgement: response_id, person, preferred, rejected; chosen_change and
        rejected_change in nats.

    References
    ----------
    Razin, Malladi, Bhaskar, Chen, Arora & Hanin (2025), Unintentional Unalignment: Likelihood
    Displacement in Direct Preference Optimization, ICLR.
    """
    preferences = _undominated(score_feedback(run)[1])
    texts = read_texts(run, split="feedback")
    judged = texts[texts["response_id"].isin(preferences["response_id"])].reset_index(drop=True)
    reference = matrix(run.path("reward", "reference.parquet"), judged["response_id"])
    moved = log_probs(judged) - reference
    place = pd.Series(judged.index, index=judged["response_id"]).loc[preferences["response_id"]].to_numpy()
    preferred, rejected = (preferences[side].to_numpy(int) for side in ("preferred", "rejected"))
    return pd.DataFrame(
        {
            "response_id": preferences["response_id"].to_numpy(),
            "person": judged["person"].to_numpy()[place],
            "preferred": preferred,
            "rejected": rejected,
            "chosen_change": moved[place, preferred],
            "rejected_change": moved[place, rejected],
        }
    )


def _undominated(preferences: pd.DataFrame) -> pd.DataFrame:
    """The judgements whose preferred score their rater rejected in no other judgement of the response."""
    keys = ["response_id", "rater"]
    rejected = pd.MultiIndex.from_frame(preferences[[*keys, "rejected"]])
    return preferences[~pd.MultiIndex.from_frame(preferences[[*keys, "preferred"]]).isin(rejected)]
