"""What an arm's optimality gap is measured against: its own optimum, where that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.score_needs import has_rewards
from psyalign.pipeline.stages.settled import settled_align
from psyalign.study import Align
from psyalign.study.rules import reads_option

__all__ = ["Yardstick", "yardstick"]

NO_REWARDS = "Not defined: without score feedback there is no reward."


@dataclass(frozen=True)
class Yardstick:
    """The optimum that an arm's gap is measured against.

    Attributes
    ----------
    kind : {"own", "described", "none"}
        "own": what the arm's training maximises, so that the gap says how far it got. "described": the
        arm asks for something else, too, or not for reward at all; its gap is a distance, no shortcoming
        of its training. "none": no gap is shown.
    beta, entropy_weight : float
        Of that optimum, see `psyalign.align.optimal_log_probs`.
    note : str
        What a reader of the gap has to know; empty if it is against π* at the study's β.
    """

    kind: Literal["own", "described", "none"]
    beta: float
    entropy_weight: float = 0.0
    note: str = ""


def yardstick(run: Run, arm: str) -> Yardstick:
    """What the gap of an arm of this run is measured against."""
    settings = settled_align(run)
    beta = settings.beta
    reason = _undefined(settings, arm) if has_rewards(run) else NO_REWARDS
    if reason:
        return Yardstick("none", beta, note=reason)
    also = _also_asked(settings, arm)
    kind: Literal["own", "described"] = "described" if also else "own"
    if arm.startswith("ppo"):
        facts = run.done[f"align/{arm}"]["facts"] if f"align/{arm}" in run.done else {}
        notes, entropy_weight = [also] if also else [], settings.entropy
        if settings.kl == "adaptive":
            beta = float(facts.get("beta", beta))
            notes.append(f"Measured at β = {beta:.3g}, where the adaptive KL penalty ended.")
        if entropy_weight:
            notes.append("Measured against the optimum with the entropy bonus.")
        return Yardstick(kind, beta, entropy_weight, " ".join(notes))
    return Yardstick(kind, beta, note=also)


def _undefined(settings: Align, arm: str) -> str:
    """Why an arm has no gap; empty if it has one.

    IPO's margin is one number for all pairs. With label noise, "conservative" and "robust" aim at other
    preference probabilities than those of the judgements that the reward model learned from, for which
    in general no rewards of K > 2 score points exist.
    """
    if arm == "ceiling":
        return "Not defined: the ceiling has no reference to stay near."
    if not arm.startswith("dpo"):
        return ""
    if settings.dpo == "ipo":
        return "Not defined for IPO: its optimum is not the best scorer under reward and KL penalty."
    if settings.dpo in ("conservative", "robust") and settings.label_noise:
        return (
            f"Not defined for {settings.dpo} DPO: with label_noise its optimum is not that under the reward "
            "model, which takes the judgements as they are."
        )
    return ""


def _also_asked(settings: Align, arm: str) -> str:
    """Why an arm's gap is a description and no shortcoming; empty if it is the arm's own."""
    if arm == "baseline":
        return "Where the aligned arms start."
    if arm.startswith(("refit", "equivalence")):
        return "A description: the arm does not follow the reward."
    terms = ["the equivalence term"] if arm.endswith("equivalence") else []
    for key, words in (
        ("sft_anchor", "the SFT anchor"),
        ("dif_penalty", "the conditional-DIF penalty"),
        ("parity_penalty", "the demographic-parity penalty"),
    ):
        if getattr(settings, key) and reads_option(arm, key):
            terms.append(words)
    return f"Part of it is what {' and '.join(terms)} asked for." if terms else ""
