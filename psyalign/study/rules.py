"""Rules between keys of a study file: pure functions from a study to the problems in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psyalign.study.judging import Gates
    from psyalign.study.schema import Study

__all__ = ["ALIGN_OPTIONS", "Problem", "no_study_method", "problems", "reads_beta", "reads_option"]

# Columns that psyalign itself writes beside a person's attributes.
RESERVED = frozenset(
    {"person", "item", "wording", "response", "response_id", "rater", "score", "split", "all", "origin"}
)

# DIF methods that psyalign has and a study does not take, and why.
_OWN_SCORES = (
    "matches on the rest score of the scores that it tests; a study matches on the human total, which "
    "alignment cannot move"
)
_TWO_POINTS = "is for two score points; a study's items may have more"
NOT_IN_STUDIES: Mapping[str, str] = {
    "polysib": _OWN_SCORES,
    "crossing_polysib": _OWN_SCORES,
    "mantel_haenszel": _TWO_POINTS,
    "breslow_day": _TWO_POINTS,
    "logistic": _TWO_POINTS,
}


# Options of [align] that only some arms read: default, and the parts of an arm's name that read it.
SCORED = ("refit", "dpo", "ppo", "distill")
ALIGN_OPTIONS: Mapping[str, tuple[object, tuple[str, ...]]] = {
    "dpo": ("sigmoid", ("dpo",)),
    "label_noise": (0.0, ("dpo",)),
    "kl": ("fixed", ("ppo",)),
    "kl_target": (0.0, ("ppo",)),
    "kl_budget": (0.0, ("dpo", "ppo", "distill")),
    "entropy": (0.0, ("ppo",)),
    "ppo_actions": ("all", ("ppo",)),
    "sft_anchor": (0.0, ("dpo", "ppo")),
    "group_robust": (0.0, ("dpo", "ppo")),
    "equivalence": ("anchored", ("equivalence",)),
    "equivalence_guard": (1.0, ("equivalence",)),
    "dif_penalty": (0.0, SCORED),
    "parity_penalty": (0.0, SCORED),
}


# Parts of an arm's name whose loss has the KL to the reference in it.
PENALISED = frozenset({"dpo", "ppo", "distill", "closed_form"})

# How the arms start that learn from the reward model's rewards.
REWARDED = ("ppo", "distill")


def reads_beta(arm: str) -> bool:
    """Whether an arm's scores depend on beta."""
    return not PENALISED.isdisjoint(arm.split("+"))


def reads_option(arm: str, key: str) -> bool:
    """Whether an arm's training reads an option of `ALIGN_OPTIONS`."""
    return not set(arm.split("+")).isdisjoint(ALIGN_OPTIONS[key][1])


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a study file.

    Attributes
    ----------
    key : tuple of str
        Path to the key, such as ``("align", "arms")``.
    message, mend : str
        What is wrong, and what to do about it.
    """

    key: tuple[str, ...]
    message: str
    mend: str


def problems(study: Study) -> list[Problem]:
    """All contradictions between the keys of `study`, in the order of the file."""
    found: list[Problem] = []
    rules = (_data, _plant, _split, _groups, _feedback, _equivalence, _reward, _arms, _align, _choice, _dif)
    for rule in (*rules, _gates, _report, _judge):
        found.extend(rule(study))
    return found


def no_study_method(name: object) -> Problem | None:
    """Why a DIF method that exists cannot stand in [dif] methods; None for every other name."""
    if not isinstance(name, str) or name not in NOT_IN_STUDIES:
        return None
    return Problem(
        ("dif", "methods"),
        f"The DIF method '{name}' {NOT_IN_STUDIES[name]}.",
        f"Drop it here, and run psyalign dif with --methods {name} on a table of scores.",
    )


def _data(study: Study) -> Iterator[Problem]:
    data = study.data
    if data.source == "files":
        for key in ("responses", "ratings"):
            if getattr(data, key) is None:
                yield Problem(
                    ("data", key),
                    f"[data] needs '{key}', the file with the {key}.",
                    f'Add {key} = "data/{key}.csv", or set source = "simulate".',
                )
        if study.simulation is not None:
            yield Problem(
                ("simulation",),
                '[simulation] has no effect, because [data] source is "files".',
                'Drop [simulation], or set source = "simulate" in [data].',
            )
        return
    for key in ("responses", "ratings", "persons"):
        if getattr(data, key) is not None:
            yield Problem(
                ("data", key),
                f"'{key}' names a file, but the respondents are simulated.",
                f"Drop '{key}', or set source = \"files\".",
            )


def _plant(study: Study) -> Iterator[Problem]:
    if study.plant is not None and study.data.source == "simulate":
        yield Problem(
            ("plant",),
            "[plant] puts a bias into real answers, but the respondents are simulated.",
            "Drop [plant]; a simulated penalty is set in [simulation].",
        )


def _split(study: Study) -> Iterator[Problem]:
    shares = study.split.shares
    total = sum(shares.values())
    if abs(total - 1) > 1e-6:
        listed = " + ".join(f"{share:g}" for share in shares.values())
        yield Problem(
            ("split",),
            f"The shares train, feedback and audit must sum to 1; {listed} = {total:g}.",
            "Change one of the three shares.",
        )


def _groups(study: Study) -> Iterator[Problem]:
    if not study.groups:
        yield Problem(
            ("groups",),
            "The study compares no groups.",
            'Add, say, [groups.gender] with reference = "men" and focal = "women".',
        )
    for attribute, group in study.groups.items():
        if attribute in RESERVED:
            yield Problem(
                ("groups", attribute),
                f"'{attribute}' is a column of psyalign's own and cannot be a person attribute.",
                "Rename the attribute in the data and here.",
            )
        if group.reference == group.focal:
            yield Problem(
                ("groups", attribute, "focal"),
                f"Reference and focal group are both '{group.focal}'.",
                "Name two different values of the attribute.",
            )


def _feedback(study: Study) -> Iterator[Problem]:
    feedback = study.feedback
    if feedback.source == "second_scoring":
        for key in ("first", "second"):
            if not getattr(feedback, key):
                yield Problem(
                    ("feedback", key),
                    f"source = \"second_scoring\" needs '{key}', a rater's name.",
                    "Name the rater before (first) and after (second) the correction.",
                )
        if feedback.first and feedback.first == feedback.second:
            yield Problem(
                ("feedback", "second"),
                f"First and second scoring are both rater '{feedback.second}'.",
                "Name two different raters.",
            )
    yield from _rater_policy(study)
    if "records" in (feedback.source, feedback.equivalence) and feedback.records is None:
        yield Problem(
            ("feedback", "records"),
            "Feedback comes from records, but no file is named.",
            'Add records = "feedback.jsonl".',
        )


def _rater_policy(study: Study) -> Iterator[Problem]:
    """Excluding and weighing take several raters; times belong to records."""
    feedback = study.feedback
    single = feedback.source == "second_scoring" or (feedback.source == "panel" and feedback.rater)
    for key, default in (("exclude_raters", ()), ("rater_weights", "none")):
        if single and getattr(feedback, key) != default:
            yield Problem(
                ("feedback", key),
                f"'{key}' has no effect: this feedback is one rater's scores.",
                "Drop it, or use source = \"panel\" without 'rater', or records.",
            )
    if len(set(feedback.exclude_raters)) < len(feedback.exclude_raters):
        yield Problem(("feedback", "exclude_raters"), "A rater is excluded twice.", "Name each once.")
    if feedback.rater_weights != "none" and study.reward.adjust_severity:
        yield Problem(
            ("feedback", "rater_weights"),
            "adjust_severity makes the scores anew of all ratings, which would undo the weights.",
            "Drop rater_weights, or [reward] adjust_severity.",
        )
    if feedback.times is not None and feedback.source != "records":
        yield Problem(
            ("feedback", "times"),
            "'times' has no effect: only judgements at a page, exported as records, have a time.",
            'Drop it, or set source = "records" in [feedback].',
        )


def _equivalence(study: Study) -> Iterator[Problem]:
    feedback = study.feedback
    wanting = [arm for arm in study.align.arms if "equivalence" in arm]
    if wanting and feedback.equivalence == "none":
        yield Problem(
            ("feedback", "equivalence"),
            f"The arm '{wanting[0]}' needs equivalence feedback, and [feedback] equivalence is \"none\".",
            'Set equivalence to "alternates", "records" or "matched_answers", or drop the arm.',
        )
    if feedback.equivalence == "alternates" and not feedback.neutral_wording:
        yield Problem(
            ("feedback", "neutral_wording"),
            "Pairs of wordings need to know which wording is the neutral one that teaches.",
            'Add neutral_wording = "standard", or the name of another wording.',
        )


def _reward(study: Study) -> Iterator[Problem]:
    reward, feedback = study.reward, study.feedback
    if reward.ensemble == 1 and reward.ensemble_reward != "mean":
        yield Problem(
            ("reward", "ensemble_reward"),
            f'ensemble_reward = "{reward.ensemble_reward}" has no effect on a single reward model.',
            "Add ensemble = 4, or drop 'ensemble_reward'.",
        )
    if reward.base and reward.base == study.scorer.base:
        yield Problem(
            ("reward", "base"),
            f"'{reward.base}' is the scorer's own base; the reward model starts as a copy of the scorer.",
            "Drop 'base', or name another model.",
        )
    if reward.response_weight != 1 and feedback.source != "records":
        yield Problem(
            ("reward", "response_weight"),
            "'response_weight' has no effect: comparisons of responses come from records.",
            'Drop it, or set source = "records" in [feedback].',
        )
    single = feedback.source == "second_scoring" or (feedback.source == "panel" and feedback.rater)
    if reward.adjust_severity and single:
        yield Problem(
            ("reward", "adjust_severity"),
            "Severity can be told from the ratings of several raters; this feedback is one rater's.",
            "Drop adjust_severity, or use source = \"panel\" without 'rater', or ratings in records.",
        )


def _arms(study: Study) -> Iterator[Problem]:
    arms = study.align.arms
    repeated = sorted({arm for arm in arms if arms.count(arm) > 1})
    if repeated:
        yield Problem(("align", "arms"), f"The arm '{repeated[0]}' is listed twice.", "List each arm once.")
    if "baseline" not in arms:
        yield Problem(
            ("align", "arms"),
            "The arm 'baseline' is missing: every change is measured against it.",
            'Add "baseline" to the arms.',
        )
    if not study.report.primary_arm:
        yield Problem(
            ("align", "arms"),
            'No arm learns from feedback, so there is no "after".',
            'Add at least one of "refit", "dpo", "ppo" and "equivalence".',
        )


def _align(study: Study) -> Iterator[Problem]:
    align = study.align
    for key, (default, readers) in ALIGN_OPTIONS.items():
        if getattr(align, key) != default and not any(reads_option(arm, key) for arm in align.arms):
            listed = " or ".join(f"'{name}'" for name in readers)
            yield Problem(
                ("align", key),
                f"'{key}' has no effect, because no arm is {listed}.",
                f"Drop '{key}', or add such an arm.",
            )
    yield from _label_noise(study)
    yield from _kl(study)
    if align.equivalence == "anchored" and align.equivalence_guard != ALIGN_OPTIONS["equivalence_guard"][0]:
        yield Problem(
            ("align", "equivalence_guard"),
            "'equivalence_guard' has no effect: the anchored term cannot be met by shrinking the scores.",
            'Drop it, or set equivalence = "expected" or "distribution".',
        )


def _label_noise(study: Study) -> Iterator[Problem]:
    variant, noise = study.align.dpo, study.align.label_noise
    noisy = variant in ("conservative", "robust")
    if noisy and not noise:
        yield Problem(
            ("align", "label_noise"),
            f'dpo = "{variant}" needs label_noise, the share of judgements that are taken to be wrong.',
            'Add, say, label_noise = 0.1, or set dpo = "sigmoid", which it is without noise.',
        )
    if noise and not noisy:
        yield Problem(
            ("align", "label_noise"),
            f"'label_noise' has no effect, because dpo is \"{variant}\".",
            'Drop it, or set dpo = "conservative" or "robust".',
        )


def _kl(study: Study) -> Iterator[Problem]:
    align = study.align
    if align.kl == "adaptive" and not align.kl_target:
        yield Problem(
            ("align", "kl_target"),
            'kl = "adaptive" needs kl_target, the KL in nats that beta is steered by.',
            'Add, say, kl_target = 0.05, or set kl = "fixed".',
        )
    if align.kl == "fixed" and align.kl_target:
        yield Problem(
            ("align", "kl_target"),
            "'kl_target' has no effect, because kl is \"fixed\".",
            'Drop it, or set kl = "adaptive".',
        )
    if 0 < align.kl_budget <= align.kl_target:
        yield Problem(
            ("align", "kl_budget"),
            f"Training would end at kl_budget ({align.kl_budget:g}), before kl_target "
            f"({align.kl_target:g}) is passed.",
            "Raise kl_budget, or drop one of the two.",
        )


def _choice(study: Study) -> Iterator[Problem]:
    choice = study.choice
    if choice is None:
        return
    if not choice.model_fields_set & {"beta", "equivalence_weight"}:
        yield Problem(
            ("choice",),
            "[choice] lists no candidates, so there is nothing to choose.",
            "Add, say, beta = [0.1, 0.3, 1.0], or drop [choice].",
        )
    for key in choice.chosen_keys:
        yield from _candidates(study, key, getattr(choice, key))
    if choice.beta and not any(reads_beta(arm) for arm in study.align.arms):
        yield Problem(
            ("choice", "beta"),
            "No arm has a KL penalty, so there is no beta to choose.",
            'Drop it, or add an arm such as "dpo" or "ppo".',
        )
    if choice.equivalence_weight and study.weighed_arm is None:
        yield Problem(
            ("choice", "equivalence_weight"),
            "No arm joins equivalence to another objective: there is nothing to weigh it against.",
            'Drop it, or add an arm such as "dpo+equivalence".',
        )


def _candidates(study: Study, key: str, values: tuple[float, ...]) -> Iterator[Problem]:
    if len(set(values)) < 2 or len(set(values)) < len(values):
        yield Problem(
            ("choice", key),
            f"'{key}' must list two or more different candidates.",
            f"List each once, or set one value in [align] {key} without a choice.",
        )
    if key in study.align.model_fields_set:
        yield Problem(
            ("choice", key),
            f"[align] sets '{key}', and [choice] is to choose it.",
            f"Drop '{key}' in one of the two tables.",
        )


def _dif(study: Study) -> Iterator[Problem]:
    dif = study.dif
    if not dif.methods:
        yield Problem(("dif", "methods"), "No DIF method is listed.", 'Add "smd" and "mantel".')
    if len(set(dif.methods)) < len(dif.methods):
        yield Problem(("dif", "methods"), "A DIF method is listed twice.", "List each method once.")
    if dif.es_moderate >= dif.es_large:
        yield Problem(
            ("dif", "es_large"),
            f"es_large ({dif.es_large:g}) must be above es_moderate ({dif.es_moderate:g}).",
            "The usual values are 0.17 and 0.25.",
        )


def _gates(study: Study) -> Iterator[Problem]:
    gates = study.gates
    if gates is None:
        return
    changed = {key for key in ("impact_ratio", "es_class") if _asks_otherwise(gates, key)}
    if "impact_ratio" in changed and gates.cut is None:
        yield Problem(
            ("gates", "impact_ratio"),
            "'impact_ratio' needs 'cut', the mean score at which a person passes.",
            "Add, say, cut = 2.5, or drop 'impact_ratio'.",
        )
    if "es_class" in changed and "smd" not in study.dif.methods:
        yield Problem(
            ("gates", "es_class"),
            "'es_class' judges the SMD's effect sizes, and [dif] methods lack \"smd\".",
            "Add \"smd\" to [dif] methods, or drop 'es_class'.",
        )
    yield from _gate_raters(study, gates.raters)


def _asks_otherwise(gates: Gates, key: str) -> bool:
    """Whether [gates] sets a threshold otherwise than by default; the default is asked of what there is."""
    value = getattr(gates, key)
    return value is not False and value != type(gates).model_fields[key].default


def _gate_raters(study: Study, raters: tuple[str, ...]) -> Iterator[Problem]:
    if not raters:
        return
    key, criterion = ("gates", "raters"), study.data.criterion
    if len(raters) < 2 or len(set(raters)) < len(raters):
        yield Problem(
            key,
            "'raters' must name two or more different raters: it says how far humans agree.",
            'List, say, raters = ["first", "second"], or drop it.',
        )
    elif criterion and raters[0] != criterion:
        yield Problem(
            key,
            f"The first of 'raters' must be the criterion rater '{criterion}', whom the scorer is judged by.",
            f'Begin the list with "{criterion}".',
        )


def _report(study: Study) -> Iterator[Problem]:
    chosen = study.report.primary_arm
    if chosen in ("baseline", "ceiling"):
        yield Problem(
            ("report", "primary_arm"),
            f"'{chosen}' cannot be the arm called \"after\": it learns nothing from feedback.",
            'Choose an aligned arm, such as "equivalence".',
        )
    elif chosen and chosen not in study.align.arms:
        yield Problem(
            ("report", "primary_arm"),
            f"The primary arm '{chosen}' is not among the arms.",
            f"Add it to [align] arms, or choose one of: {', '.join(study.align.arms)}.",
        )


def _judge(study: Study) -> Iterator[Problem]:
    judge = study.judge
    if judge is None:
        return
    if judge.text_leaves and not judge.allow_text_to_leave:
        yield Problem(
            ("judge", "base_url"),
            "The judge is on another machine, and would receive the text of responses.",
            "Set allow_text_to_leave = true if those who gave the responses agreed to it.",
        )
    if judge.api_key_env and not judge.base_url:
        yield Problem(
            ("judge", "api_key_env"),
            "'api_key_env' has no effect: a local model needs no key.",
            "Drop it, or add base_url.",
        )
