"""The study file as data: one frozen pydantic model for each of its tables.

Types and ranges of single keys are declared here; what several keys must fulfil together
stands in `rules.py` and is run whenever a `Study` is made. A model never reads a file: whether
paths, raters and attributes exist is the business of `checks.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PrivateAttr,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from psyalign.study.rules import Problem, no_study_method, problems

__all__ = [
    "ALIGNED_ARMS",
    "Align",
    "Arm",
    "Choice",
    "Data",
    "Dif",
    "DifMethod",
    "Feedback",
    "Gates",
    "Group",
    "Items",
    "Lora",
    "Plant",
    "Report",
    "Reward",
    "Scorer",
    "Simulation",
    "Split",
    "Study",
    "StudyTable",
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
# Those of `psyalign.dif.METHODS` (a test holds the two lists together) that fit scores of several
# points and the human total as matching variable; `rules.NOT_IN_STUDIES` says why the others do not.
DifMethod = Literal[
    "mantel", "smd", "ordinal", "liu_agresti", "gmh", "location_scale", "adjacent", "standardisation"
]

# A study and its runs are folders; a name must be safe in a path on every system.
Name = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
LearningRate = Annotated[float, Field(gt=0, le=0.1)]
# TOML gives lists; the models are frozen and hold tuples, so the outer type alone is not strict.
Texts = Annotated[tuple[Text, ...], Field(strict=False)]


class Table(BaseModel):
    """Base of all tables: unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _rule_error(problem: Problem, *, more: int = 0) -> PydanticCustomError:
    """A broken rule as pydantic's error, which `load_study` takes apart again."""
    context = {"key": list(problem.key), "mend": problem.mend, "more": more}
    # the message goes in as a value: braces in it would be read as a template
    return PydanticCustomError("study_rule", "{message}", {"message": problem.message, **context})


class StudyTable(Table):
    """[study]: what the study is called and asks, and the seed of everything random in it."""

    name: Name
    title: str = ""
    question: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)]


class Items(Table):
    """[items]: a shipped bank's name or a folder; `include` narrows it to some items (empty: all)."""

    bank: Text
    include: Texts = ()


class Data(Table):
    """[data]: where the answers and scores come from.

    `operational` and `criterion` name raters; an empty name stands for the adjudicated score over
    all raters. The baseline learns the operational scores; DIF and agreement are judged against,
    and persons matched on, the criterion scores.
    """

    source: Literal["files", "simulate"] = "files"
    responses: Text | None = None
    ratings: Text | None = None
    persons: Text | None = None
    operational: str = ""
    criterion: str = ""
    instructions: str = ""


class Simulation(Table):
    """[simulation]: the simulated respondents and raters, read only with ``source = "simulate"``.

    The keys and defaults are those of `psyalign.responses.simulate_sjt`; severity and errors are in
    score points.
    """

    persons: Annotated[int, Field(ge=12)] = 240
    focal_share: Share = 0.5
    penalty: Probability = 0.4
    impact: Annotated[float, Field(ge=-3, le=3)] = 0.0
    severity: Annotated[float, Field(ge=-3, le=3)] = 0.1
    error: Annotated[float, Field(ge=0, le=3)] = 0.4
    panel_error: Annotated[float, Field(ge=0, le=3)] = 0.25


class Plant(Table):
    """[plant]: a known bias put into real answers and scores, so that its removal can be measured."""

    kind: Literal["wording"] = "wording"
    share: Share = 0.5
    lower_probability: Probability = 0.4
    lower_by: Count = 1
    true_rater: str = ""


class Split(Table):
    """[split]: shares of the persons; `max_train_responses` 0 means no limit."""

    train: Share = 0.6
    feedback: Share = 0.15
    audit: Share = 0.25
    stratify: Texts = ()
    max_train_responses: Annotated[int, Field(ge=0)] = 0

    @property
    def shares(self) -> dict[str, float]:
        """Share of persons for each split, in the order train, feedback, audit."""
        return {"train": self.train, "feedback": self.feedback, "audit": self.audit}


class Group(Table):
    """[groups.<attribute>]: which values of a person attribute are the reference and the focal group."""

    reference: Text
    focal: Text


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
    lora: Lora = Lora()


class Feedback(Table):
    """[feedback]: which raters' judgements the scorer is aligned with.

    `source` is where score preferences come from: a panel's scores (`rater`; empty: adjudicated), a
    second scoring (`first` → `second`, only what changed), or the JSONL file `records`.
    `equivalence` is where judgements of same intention come from. `neutral_wording` names the
    wording whose score, by the frozen reference scorer, both wordings of a pair are held to.
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


def _refuse_method(name: object) -> object:
    """Say why an existing DIF method is not for studies, before its name is called unknown."""
    problem = no_study_method(name)
    if problem is not None:
        raise _rule_error(problem)
    return name


class Dif(Table):
    """[dif]: tests, matching, correction for many tests, and the thresholds of the effect-size classes.

    `methods` on means (mantel, smd, standardisation) take the arms' expected scores, those on score
    points (all others) their most probable ones. POLYSIB is left out: it matches on the rest score
    of the scores under test, which alignment moves. The defaults .17 and .25 are the convention for
    SMD divided by the item's SD (METHODS.md, section 1); there is no official policy for polytomous
    items, so they are settings. `min_group` stops nothing: smaller audit groups get a warning.
    `wording_probes` limits how many other wordings of audit answers every arm scores for the
    wording effect (0: all).
    """

    methods: Annotated[
        tuple[Annotated[DifMethod, BeforeValidator(_refuse_method)], ...], Field(strict=False)
    ] = ("mantel", "smd", "ordinal")
    matching: Literal["criterion_total"] = "criterion_total"
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05  # of one-sided tests, too
    correction: Literal["holm", "BH", "none"] = "holm"
    bootstrap: Annotated[int, Field(ge=1, le=100_000)] = 1000
    min_group: Annotated[int, Field(ge=4)] = 20
    wording_probes: Annotated[int, Field(ge=0)] = 0
    es_moderate: Positive = 0.17
    es_large: Positive = 0.25


def _or_off(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """`false` turns a gate off; anything else is held to the key's own type and range."""
    return False if value is False else handler(value)


# A threshold, or false. (As a union, pydantic would tell of every mistake twice.)
Off = (WrapValidator(_or_off), PlainSerializer(lambda value: value))
GateShare = Annotated[Probability, *Off]
GateSize = Annotated[Positive, *Off]


class Gates(Table):
    """[gates]: what the arm called "after" is asked to meet; `false` turns a gate off.

    With the table in the study, ``--gate`` ends with exit code 1 if a gate is missed; without it the
    report shows the gates at their defaults and nothing fails. The point estimate decides, as in the
    sources; the report says where the interval reaches to the other side.

    `qwk`, `r` (at least), `degradation` of QWK and r from human–human agreement, `smd` of all and
    `smd_group` of every group (|SMD| at most, pooled SD): Williamson, Xi & Breyer (2012). `exact` and
    `adjacent` (at least): RSMTool's flags. `es_class`: the worst effect-size class that an item may be in.
    `wording`: the largest |wording effect| in SDs of the human scores. `noninferiority`: by how much less
    QWK and r may be than the baseline's; met if that is shown. These three are conventions of psyalign.
    `impact_ratio` (four-fifths rule, EEOC 1978) needs `cut`: a person passes whose mean expected score over
    the items is at least `cut` score points. With fewer than `min_persons` a gate is not assessable.
    `raters` names two or more raters whose scores of the same response are independent and of one kind,
    the criterion rater first; empty: all raters if the criterion is adjudicated, else none.
    """

    qwk: GateShare = 0.70
    r: GateShare = 0.70
    exact: GateShare = 0.50
    adjacent: GateShare = 0.95
    degradation: GateShare = 0.10
    smd: GateSize = 0.15
    smd_group: GateSize = 0.10
    es_class: Literal["AA", "BB", False] = "BB"
    wording: GateSize = 0.10
    noninferiority: GateSize = 0.05
    impact_ratio: GateShare = 0.80
    cut: Positive | None = None
    min_persons: Annotated[int, Field(ge=2)] = 30
    raters: Texts = ()

    @property
    def thresholds(self) -> dict[str, float | str | Literal[False]]:
        """What is asked, by gate; False where a gate is off."""
        settings = ("cut", "min_persons", "raters")
        return {name: getattr(self, name) for name in type(self).model_fields if name not in settings}


class Report(Table):
    """[report]: which arm is called "after", and whether response text may leave the house.

    An empty `primary_arm` becomes "equivalence" if that is among the arms, else the last aligned arm.
    `use` says what the scores are to be used for, and `users` who uses them: the report prints both
    in the words of the study, and says so where they are empty.
    """

    primary_arm: Literal[Arm, ""] = ""
    use: str = ""
    users: str = ""
    show_text: bool = False


class Study(Table):
    """A whole study file. Made by `load_study`, which also sets `path`.

    Raises
    ------
    pydantic.ValidationError
        A key is unknown, missing, of the wrong type or out of range, or keys contradict each other.
        `load_study` turns it into one `StudyError`.
    """

    study: StudyTable
    items: Items
    data: Data = Data()
    simulation: Simulation | None = None
    plant: Plant | None = None
    split: Split = Split()
    groups: dict[str, Group]
    scorer: Scorer = Scorer()
    feedback: Feedback = Feedback()
    reward: Reward = Reward()
    align: Align = Align()
    choice: Choice | None = None
    dif: Dif = Dif()
    gates: Gates | None = None
    report: Report = Report()

    _path: Path = PrivateAttr(default=Path("study.toml"))

    @model_validator(mode="after")
    def _settle(self) -> Study:
        """Fill in the defaults that depend on other keys, then hold the rules between keys."""
        # The models are frozen for everyone else; these defaults are part of making the study.
        if not self.study.title:
            self.__dict__["study"] = self.study.model_copy(update={"title": self.study.name})
        if self.data.source == "simulate" and self.simulation is None:
            self.__dict__["simulation"] = Simulation()
        if not self.report.primary_arm:
            self.__dict__["report"] = self.report.model_copy(update={"primary_arm": self._default_after()})
        found = problems(self)
        if found:
            raise _rule_error(found[0], more=len(found) - 1)
        return self

    def _default_after(self) -> Literal[Arm, ""]:
        if "equivalence" in self.align.arms:
            return "equivalence"
        aligned = [arm for arm in self.align.arms if arm in ALIGNED_ARMS]
        return aligned[-1] if aligned else ""

    @property
    def weighed_arm(self) -> Arm | None:
        """The arm that [choice] equivalence_weight is chosen by.

        The arm called "after" if it joins equivalence to another objective, else the first one that does.
        """
        joined = [arm for arm in self.align.arms if arm.endswith("+equivalence")]
        if not joined:
            return None
        return next((arm for arm in joined if arm == self.report.primary_arm), joined[0])

    @property
    def path(self) -> Path:
        """The study file."""
        return self._path

    @property
    def folder(self) -> Path:
        """The folder of the study file; the paths in it are relative to this folder."""
        return self._path.parent

    def file(self, name: str) -> Path:
        """A path that the study file names, made relative to the study's folder unless absolute."""
        return self.folder / Path(name).expanduser()

    def placed_at(self, path: Path) -> Study:
        """The same study, known to lie at `path`."""
        study = self.model_copy()
        study._path = path
        return study
