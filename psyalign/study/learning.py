"""The tables of a study file about what is trained: [scorer], [feedback], [reward], [align], [choice]."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from psyalign.study.fields import (
    Count,
    LearningRate,
    NotNegative,
    Positive,
    Share,
    Table,
    Text,
)

__all__ = [
    "ALIGNED_ARMS",
    "ALL_ARMS",
    "Align",
    "Arm",
    "Choice",
    "Feedback",
    "Lora",
    "Reward",
    "Scorer",
]

Arm = Literal[
    "baseline",
    "refit",
    "dpo",
    "ppo",
    "distill",
    "closed_form",
    "equivalence",
    "refit+equivalence",
    "dpo+equivalence",
    "ppo+equivalence",
    "distill+equivalence",
    "ceiling",
]
# The arms of a study that names none; the others are asked for by name.
ALL_ARMS: tuple[Arm, ...] = (
    "baseline",
    "refit",
    "dpo",
    "ppo",
    "equivalence",
    "dpo+equivalence",
    "ppo+equivalence",
    "ceiling",
)
# What can be called "after": neither the scorer before feedback nor the one that saw the criterion.
ALIGNED_ARMS: tuple[Arm, ...] = tuple(arm for arm in get_args(Arm) if arm not in ("baseline", "ceiling"))


class Lora(Table):
    """[scorer.lora]: size and scale of the low-rank update; `layers` top layers get one (0: all)."""

    rank: Annotated[int, Field(ge=1, le=256)] = 8
    alpha: Positive = 16
    layers: Annotated[int, Field(ge=0)] = 0


class Scorer(Table):
    """[scorer]: the language model and its supervised fine-tuning.

    `dropout` is LoRA's. The base model's own stays on in fine-tuning; alignment uses none at all.
    `loss` is what baseline and ceiling minimise: "cross_entropy" (blind to the order of the score points),
    the ranked probability score "rps", or its logarithmic sister "ranked_log"; all are proper scores.
    `class_weights = "balanced"` gives the score points of an item the same say, N / (K · n_score): rare
    scores are found more often, and the probabilities are no longer those of the scores as raters gave them.
    `batches = "by_item"` puts responses to one item together in all training, reward model and arms too:
    a causal LM runs what their prompts have in common once a batch.
    """

    base: Text = "minilm"
    precision: Literal["auto", "float32", "bf16"] = "auto"
    epochs: Count = 4
    batch_size: Count = 16
    learning_rate: LearningRate = 5e-4
    max_tokens: Annotated[int, Field(ge=16, le=8192)] = 192
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    weight_decay: Annotated[float, Field(ge=0, lt=1)] = 0.01
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    loss: Literal["cross_entropy", "rps", "ranked_log"] = "cross_entropy"
    class_weights: Literal["none", "balanced"] = "none"
    batches: Literal["mixed", "by_item"] = "mixed"
    lora: Lora = Lora()


class Feedback(Table):
    """[feedback]: which raters' judgements the scorer is aligned with.

    `source` is where score preferences come from: a panel's scores (`rater`; empty: adjudicated), a
    second scoring (`first` → `second`, only what changed), or the JSONL file `records`.
    `equivalence` is where judgements of same intention come from. `neutral_wording` names the
    wording whose score, by the frozen reference scorer, both wordings of a pair are held to.
    `mix_ai` allows a model's judgements (source "ai:…") beside people's.
    `exclude_raters` names raters whose judgements are not learned from, `rater_weights = "discrimination"`
    makes the others' count by how well they tell responses apart; the run shows what either changes. `times`
    names a table of rater, kind and seconds (`psyalign feedback raters --times`), for the rater table alone.
    """

    source: Literal["panel", "second_scoring", "records"] = "panel"
    rater: str = ""
    first: str = ""
    second: str = ""
    records: Text | None = None
    max_responses: Count = 400
    equivalence: Literal["alternates", "records", "matched_answers", "none"] = "none"
    max_equivalences: Count = 400
    neutral_wording: str = ""
    mix_ai: bool = False
    exclude_raters: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    rater_weights: Literal["none", "discrimination"] = "none"
    times: Text | None = None


class Reward(Table):
    """[reward]: training of the reward model; `holdout` is the share of responses kept for its accuracy.

    `structure = "pcm"` gives each response one number and each item thresholds (partial credit model)
    instead of a free reward for each score point. `base` names another base model than the scorer's; it is
    fine-tuned on the operational scores first (empty: a copy of the baseline). An `ensemble` of more
    than one model, the first on all responses, the others on bootstrap samples, gives its mean or,
    with `ensemble_reward = "worst"`, its least reward. `response_weight` weighs comparisons of
    responses in the records beside the score preferences (0: not used). `adjust_severity` takes the
    severity of raters out of direct ratings before they become scores and preferences.
    """

    epochs: Count = 6
    learning_rate: LearningRate = 5e-4
    holdout: Share = 0.2
    batch_size: Count = 16
    structure: Literal["free", "pcm"] = "free"
    base: str = ""
    ensemble: Annotated[int, Field(ge=1, le=20)] = 1
    ensemble_reward: Literal["mean", "worst"] = "mean"
    response_weight: Annotated[float, Field(ge=0, le=100)] = 1.0
    adjust_severity: bool = False


class Align(Table):
    """[align]: the arms that are compared, and how the aligned ones are trained.

    `beta` is the strength of the KL penalty towards the frozen reference scorer. `dpo` is the loss of
    the DPO arms, and `label_noise` the share of wrong judgements that "conservative" and "robust"
    reckon with. `kl = "adaptive"` lets PPO steer beta by a KL of `kl_target` nats; a batch above
    `kl_budget` nats (0: no budget) ends the training of DPO, PPO and distill. `entropy` weighs PPO's
    entropy bonus, and `ppo_actions = "sampled"` draws one score point a response instead of summing
    over all. `sft_anchor` weighs the feedback scores' cross-entropy, added to DPO and PPO, and
    `group_robust` (0: none) is the step size by which they weigh the groups of the first attribute of
    [groups] towards the one that is served worst.

    `equivalence` is the equivalence term: "anchored" at the frozen reference scorer on the neutral
    wording, or only a gap between the wordings, of "expected" scores or of the score "distribution"; in
    these two `equivalence_guard` weighs what keeps the scores from shrinking (0: nothing does).
    `dif_penalty` and `parity_penalty` (0: none) weigh, in all arms with score feedback, the squared
    difference between the groups of the first attribute of [groups]: of the SMD of each item given the
    criterion total of the feedback persons, and of the plain group means, which reverses DIF where the
    groups differ in what is measured.
    """

    arms: Annotated[tuple[Arm, ...], Field(strict=False)] = ALL_ARMS
    beta: Positive = 0.1
    epochs: Count = 4
    batch_size: Count = 16
    learning_rate: LearningRate = 3e-4
    equivalence_weight: Annotated[float, Field(ge=0)] = 1.0
    ppo_clip: Share = 0.2
    ppo_inner: Count = 4
    dpo: Literal["sigmoid", "conservative", "robust", "ipo"] = "sigmoid"
    label_noise: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    kl: Literal["fixed", "adaptive"] = "fixed"
    kl_target: NotNegative = 0.0
    kl_budget: NotNegative = 0.0
    entropy: NotNegative = 0.0
    ppo_actions: Literal["all", "sampled"] = "all"
    sft_anchor: NotNegative = 0.0
    group_robust: Annotated[float, Field(ge=0, le=10)] = 0.0
    equivalence: Literal["anchored", "expected", "distribution"] = "anchored"
    equivalence_guard: NotNegative = 1.0
    dif_penalty: NotNegative = 0.0
    parity_penalty: NotNegative = 0.0


Candidates = Annotated[tuple[Positive, ...], Field(strict=False)]


class Choice(Table):
    """[choice]: settings of [align] that are chosen by cross-validation over the feedback persons.

    `beta` and `equivalence_weight` list the candidates (empty: not chosen); the chosen value holds for
    all arms of the run, and [align] must not set it. `folds` parts the persons. `criterion` is the
    measure of accuracy on held-out persons: the ranked probability score, or QWK of the modal score.
    Beta is the largest whose loss is within one standard error of the smallest. The weight is the
    smallest whose gap between the wordings of held-out pairs is within one standard error of the
    smallest gap, among those that are not less accurate than the most accurate by more than one.
    """

    beta: Candidates = ()
    equivalence_weight: Candidates = ()
    folds: Annotated[int, Field(ge=2, le=20)] = 5
    criterion: Literal["rps", "qwk"] = "rps"

    @property
    def chosen_keys(self) -> tuple[Literal["beta", "equivalence_weight"], ...]:
        """The keys of [align] that are chosen."""
        found: list[Literal["beta", "equivalence_weight"]] = []
        if self.beta:
            found.append("beta")
        if self.equivalence_weight:
            found.append("equivalence_weight")
        return tuple(found)
