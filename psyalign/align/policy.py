"""Updating the policy: one training loop, and what each arm's loss adds to it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import torch

from psyalign.align.control import KLControl
from psyalign.align.inputs import AlignSettings, EquivalencePairs, Objective, ScoredFeedback
from psyalign.align.terms import PairTerm, ScoreTerm
from psyalign.foundation.errors import DataError
from psyalign.foundation.seeds import generator
from psyalign.scorer.lora_scorer import LoraScorer
from psyalign.scorer.train import LossRow, train

__all__ = ["align"]


def align(
    scorer: LoraScorer,
    objective: Objective,
    feedback: ScoredFeedback | None,
    pairs: EquivalencePairs | None,
    settings: AlignSettings,
    *,
    label: str,
    checkpoint: Path | None = None,
    control: KLControl | None = None,
) -> list[LossRow]:
    """Align a copy of the reference scorer in place.

    Parameters
    ----------
    scorer : LoraScorer
        A copy of the reference scorer: its adapter is trained, the reference stays as the
        cached log-probabilities.
    objective : {"refit", "dpo", "ppo", "distill", "none"}
        What the score feedback asks; "none" for equivalence alone.
    feedback : ScoredFeedback or None
        Needed unless `objective` is "none".
    pairs : EquivalencePairs or None
        Adds the equivalence term with weight ``settings.equivalence_weight``.
    settings : AlignSettings
    label : str
    checkpoint : Path, optional
        Not written where a step depends on more than the weights: with a KL target or budget, drawn
        actions, group-robust weights or a penalty on group differences, an arm that was cut off
        starts anew, and ends as if it had not been.
    control : KLControl, optional
        Steers β, and ends the training at a KL budget. Without one, β is ``settings.beta``.

    Returns
    -------
    list of LossRow
        Shorter than planned when the KL budget was spent.

    Raises
    ------
    DataError
        Score feedback or pairs are asked for, and there are none; or neither is asked for.
    """
    control = control or KLControl(settings.beta)
    wanted = (objective != "none") + (pairs is not None)
    parts: list[ScoreTerm | PairTerm] = []
    if objective != "none" and feedback is not None and len(feedback.responses):
        parts.append(ScoreTerm(scorer, feedback, objective, settings, control, label))
    if pairs is not None and len(pairs.first):
        parts.append(PairTerm(scorer, pairs, settings))
    if not parts or len(parts) < wanted:  # half an arm under the whole one's name would mislead
        raise DataError(
            f"There is no feedback for the arm '{label}'.",
            where="[feedback]",
            mend="Give feedback of the kind that the arm learns from, or drop the arm from [align] arms.",
        )

    def plan(epoch: int) -> list[tuple[list[int], ...]]:
        """Each step takes a batch of every part; the shorter part is gone through again."""
        rng = generator(settings.training.seed, label, "batches", epoch)
        batches = [settings.training.batches(part.lengths, part.items, rng) for part in parts]
        longest = max(len(part) for part in batches)
        return list(zip(*(islice(cycle(part), longest) for part in batches), strict=True))

    inner = settings.ppo_inner if objective == "ppo" else 1

    def losses(step: tuple[list[int], ...]) -> Iterator[torch.Tensor]:
        if control.spent():
            return
        streams = [part.losses(rows, inner) for part, rows in zip(parts, step, strict=True)]
        for terms in zip(*streams, strict=True):
            if control.spent():  # by these very log-probabilities: the update that went too far was the last
                return
            yield torch.stack(terms).sum()

    return train(
        scorer.network_,
        plan,
        losses,
        settings.training,
        label=label,
        updates_per_step=inner,
        dropout=False,  # at the first step the policy is the reference, to the last digit
        checkpoint=None if any(part.keeps_state for part in parts) else checkpoint,
    )
