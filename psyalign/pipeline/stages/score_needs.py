"""Whether a run has score feedback, and with it a reward model; and which arms cannot do without."""

from __future__ import annotations

from psyalign.foundation.errors import DataError
from psyalign.pipeline.run import Run
from psyalign.study.rules import learns_scores

__all__ = ["has_rewards", "no_score_feedback", "score_learners"]


def score_learners(run: Run) -> list[str]:
    """The study's arms that learn from score feedback, themselves or by the reward model made of it."""
    return [arm for arm in run.study.align.arms if learns_scores(arm)]


def has_rewards(run: Run) -> bool:
    """Whether the run's feedback says anything about scores.

    Without it (equivalence judgements alone) there is no reward model, and nothing that is counted in
    reward: no optimality gap, no over-optimisation curve, no detector of a reward that was gamed. Needs
    the stage "feedback" to be done.
    """
    return bool(run.facts("feedback")["scores"])


def no_score_feedback(run: Run, *, rated: bool = False) -> DataError:
    """The error of a study that cannot do without score preferences; `rated`: there are ratings."""
    arms = score_learners(run)
    if arms:
        which = f"the arm {arms[0]} learns" if len(arms) == 1 else f"the arms {', '.join(arms)} learn"
        mend = f"Raise [split] feedback, or give other feedback: {which} from score preferences."
    else:
        mend = "Raise [split] feedback, or give other feedback: the reward model learns from it."
    if rated:
        mend += " With ratings by several raters, [reward] adjust_severity = true makes preferences of them."
    return DataError(
        "There is no score preference on a feedback person's response.",
        where=f"{run.study.path}, [feedback] source",
        mend=mend,
    )
