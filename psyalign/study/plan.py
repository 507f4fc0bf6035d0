"""What a study will do, stage by stage, before anything is run."""

from __future__ import annotations

from dataclasses import dataclass

from psyalign.study.learning import Scorer
from psyalign.study.rules import REWARDED, learns_scores, reads_option
from psyalign.study.schema import Study

__all__ = ["PlanRow", "plan"]

ARM_WORDS = {
    "refit": "fine-tune the baseline on the feedback scores",
    "dpo": "DPO on the score preferences",
    "ppo": "PPO over all score points against the reward model",
    "distill": "train towards the optimum that reward model and KL penalty give",
    "closed_form": "that optimum itself, from reference scorer and reward model",
    "equivalence": "anchored equivalence alone, without score feedback",
    "refit+equivalence": "fine-tune on the feedback scores, with the anchored equivalence term",
    "dpo+equivalence": "DPO with the anchored equivalence term",
    "ppo+equivalence": "PPO with the anchored equivalence term",
    "distill+equivalence": "distilled, with the anchored equivalence term",
}


@dataclass(frozen=True)
class PlanRow:
    """One stage of a run.

    Attributes
    ----------
    stage : str
        Its name, as in the run directory: "data", "sft", "align/dpo", …
    what : str
        What it does with the study's settings.
    cost_note : str
        What its running time grows with.
    """

    stage: str
    what: str
    cost_note: str


def plan(study: Study) -> list[PlanRow]:
    """The stages of a run in the order in which they run.

    Parameters
    ----------
    study : Study
        A validated study.

    Returns
    -------
    list of PlanRow
        Data, baseline, ceiling (if asked for), feedback, reward model (records may turn out to hold
        equivalences alone, and to need none), what [choice] chooses, one row for each aligned arm,
        scoring, and the tables of agreement and DIF.
    """
    rows = [_data(study), _baseline(study)]
    if "ceiling" in study.align.arms:
        rows.append(_ceiling(study))
    aligned = [arm for arm in study.align.arms if arm in ARM_WORDS]
    rows += [_feedback(study), _reward(study), *_choice(study)]
    rows += [_arm(study, arm) for arm in aligned]
    return [*rows, *_results(study)]


def _data(study: Study) -> PlanRow:
    split = study.split
    shares = f"train {split.train:.0%}, feedback {split.feedback:.0%}, audit {split.audit:.0%}"
    if study.simulation is not None:
        source = f"simulate {study.simulation.persons} persons"
    else:
        source = f"read {study.data.responses}"
    planted = "; plant a wording bias" if study.plant is not None else ""
    return PlanRow("data", f"{source}{planted}; split persons: {shares}", "seconds")


def _baseline(study: Study) -> PlanRow:
    scorer = study.scorer
    scores = f"{_rater(study.data.operational)} scores"
    what = f"fine-tune {scorer.base} (LoRA rank {scorer.lora.rank}) on the {scores}{_weighed(scorer)}"
    return PlanRow("sft", what, _passes(scorer.epochs, _training_responses(study)))


def _weighed(scorer: Scorer) -> str:
    """By which loss, and with which weights, where that is not cross-entropy without weights."""
    loss = {"cross_entropy": "", "rps": " by RPS", "ranked_log": " by the ranked log score"}[scorer.loss]
    return loss + (", score points weighed equally" if scorer.class_weights == "balanced" else "")


def _ceiling(study: Study) -> PlanRow:
    what = f"the same on the {_rater(study.data.criterion)} scores, as the ceiling"
    return PlanRow("ceiling", what, _passes(study.scorer.epochs, _training_responses(study)))


def _feedback(study: Study) -> PlanRow:
    feedback = study.feedback
    sources = {
        "panel": f"panel scores of rater {_rater(feedback.rater)}",
        "second_scoring": f"what changed from '{feedback.first}' to '{feedback.second}'",
        "records": f"records in {feedback.records}",
    }
    what = f"{sources[feedback.source]}, at most {feedback.max_responses} responses"
    if feedback.equivalence != "none":
        what += f"; equivalences from {feedback.equivalence}, at most {feedback.max_equivalences}"
    return PlanRow("feedback", what, "seconds, and one scoring of the feedback responses")


def _reward(study: Study) -> PlanRow:
    """One model, or several; each is trained, and scores the feedback and audit responses."""
    reward, scorer = study.reward, study.scorer
    model = "partial credit reward model" if reward.structure == "pcm" else "reward model"
    maybe = study.feedback.source == "records" and not any(map(learns_scores, study.align.arms))
    learned = "if there are score preferences" if maybe else "on the score preferences"
    what = f"{model} {learned}, {reward.holdout:.0%} held out"
    note = _passes(reward.epochs, f"≤ {study.feedback.max_responses} responses")
    if reward.base:
        what = f"fine-tune {reward.base} as the baseline was; {what}"
        note = f"{_passes(scorer.epochs, _training_responses(study))}; then {note}"
    if reward.ensemble > 1:
        how = {"mean": "the mean", "worst": "the least reward"}[reward.ensemble_reward]
        what += f"; {reward.ensemble} of them on bootstrap samples, {how} counts"
        note += f", {reward.ensemble} times, as is the scoring of feedback and audit responses"
    return PlanRow("reward", what, note)


def _choice(study: Study) -> list[PlanRow]:
    """Cross-validation over feedback persons: reward trainings for β, and arms for λ."""
    choice, arm = study.choice, study.weighed_arm
    if choice is None:
        return []
    rows, how = [], f"by {choice.folds}-fold cross-validation over feedback persons"
    models, share = choice.folds * study.reward.ensemble, 1 - 1 / choice.folds
    part = f"{share:.0%} of ≤ {study.feedback.max_responses} responses"
    rewards = f"{models} trainings of the reward model, each {_passes(study.reward.epochs, part)}"
    if choice.beta:
        what = f"choose beta out of {_listed(choice.beta)} {how}"
        rows.append(PlanRow("choice/beta", what, rewards))
    if choice.equivalence_weight and arm is not None:
        what = f"choose equivalence_weight out of {_listed(choice.equivalence_weight)} {how}, arm {arm}"
        part += f" and of ≤ {study.feedback.max_equivalences} pairs"
        trainings = choice.folds * len(choice.equivalence_weight)
        note = f"{trainings} trainings of {arm}, each {_passes(study.align.epochs, part)}"
        if arm.startswith("ppo"):
            note += f", {study.align.ppo_inner} inner steps each"
        alone = arm.startswith(REWARDED) and not choice.beta
        rows.append(PlanRow("choice/equivalence", what, f"{note}; {rewards}" if alone else note))
    return rows


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _arm(study: Study, arm: str) -> PlanRow:
    """A training pass over the feedback: responses, pairs of wordings, or both."""
    if arm == "closed_form":
        return PlanRow(f"align/{arm}", ARM_WORDS[arm], "seconds; scoring takes two models")
    responses, pairs = study.feedback.max_responses, study.feedback.max_equivalences
    seen = []
    if arm != "equivalence":
        seen.append(f"≤ {responses} responses")
    if "equivalence" in arm:
        seen.append(f"≤ {pairs} pairs")
    what = ARM_WORDS[arm] + _penalties(study, arm)
    if study.align.equivalence != "anchored":
        what = what.replace("anchored equivalence", f"equivalence ({study.align.equivalence})")
    note = _passes(study.align.epochs, " and ".join(seen))
    if arm.startswith("ppo"):
        note += f", {study.align.ppo_inner} inner steps each"
    return PlanRow(f"align/{arm}", what, note)


def _penalties(study: Study, arm: str) -> str:
    names = {"dif_penalty": "conditional-DIF penalty", "parity_penalty": "demographic-parity penalty"}
    used = [word for key, word in names.items() if getattr(study.align, key) and reads_option(arm, key)]
    return f"; {', '.join(used)}" if used else ""


def _results(study: Study) -> list[PlanRow]:
    groups = ", ".join(f"{name} ({g.focal} – {g.reference})" for name, g in study.groups.items())
    agreement = f"agreement with the {_rater(study.data.criterion)} scores"
    dif = f"DIF ({', '.join(study.dif.methods)}) for {groups}"
    return [
        PlanRow("scores", f"score the audit persons with {len(study.align.arms)} arms", "one scoring an arm"),
        PlanRow("tables", f"{agreement}; {dif}", f"{study.dif.bootstrap} bootstraps"),
    ]


def _rater(name: str) -> str:
    return f"'{name}'" if name else "adjudicated"


def _training_responses(study: Study) -> str:
    limit = study.split.max_train_responses
    return f"≤ {limit} responses" if limit else "the train persons' responses"


def _passes(epochs: int, over: str) -> str:
    return f"{epochs} epoch{'s' if epochs > 1 else ''} over {over}"
