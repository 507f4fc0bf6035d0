"""Stages "choice/…": β and λ by cross-validation over feedback persons, one stage a training.

Every training is a stage of its own, so that a choice that was cut off goes on at the training where it
stopped. Nothing here reads a response, a score or a judgement of a person outside the feedback split.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from psyalign.align import EquivalencePairs, ScoredFeedback, align
from psyalign.align.choice import Choice, cross_validated_beta, cross_validated_weight, person_folds
from psyalign.foundation.errors import DataError, RunError
from psyalign.foundation.tables import read_table, write_parquet
from psyalign.pipeline.run import Run, Stage
from psyalign.pipeline.stages.align import OBJECTIVES, arm_control, arm_feedback, arm_pairs, arm_settings
from psyalign.pipeline.stages.data import read_texts
from psyalign.pipeline.stages.judgements import comparison_table, score_feedback
from psyalign.pipeline.stages.matrices import matrix, write_matrix
from psyalign.pipeline.stages.reward import (
    require_frozen,
    reward_material,
    reward_start,
    train_ensemble,
)
from psyalign.pipeline.stages.settled import CHOICES
from psyalign.scorer import LoraScorer
from psyalign.study import Choice as ChoiceTable
from psyalign.study import Study
from psyalign.study.rules import REWARDED, reads_beta

__all__ = ["choice_stages", "choice_table", "needed_by"]

BEFORE = ("sft", "feedback", "reward")
Material = TypeVar("Material", ScoredFeedback, EquivalencePairs)


def choice_stages(study: Study, settings: Mapping[str, Any]) -> list[Stage]:
    """The stages of [choice] in the order in which they run; none without it.

    Parameters
    ----------
    study : Study
    settings : mapping
        The study, resolved.
    """
    choice, arm = study.choice, study.weighed_arm
    if choice is None:
        return []
    seed, folds = study.study.seed, range(choice.folds)
    base: dict[str, Any] = {"seed": seed, "folds": choice.folds}
    by_reward = bool(choice.equivalence_weight) and arm is not None and arm.startswith(REWARDED)
    stages = []
    if choice.beta or by_reward:
        reward = base | {"reward": settings["reward"]}
        stages += [
            Stage(_reward(fold), partial(_reward_fold, fold=fold), reward | {"fold": fold}, BEFORE)
            for fold in folds
        ]
    rule = base | {"criterion": choice.criterion}
    if choice.beta:
        own = rule | {"candidates": list(choice.beta)}
        stages.append(Stage(CHOICES["beta"], _beta, own, (*BEFORE, *map(_reward, folds))))
    if choice.equivalence_weight and arm is not None:
        training = {name: value for name, value in settings["align"].items() if name != "arms"}
        needs = (*BEFORE, *([CHOICES["beta"]] if choice.beta and reads_beta(arm) else []))
        for weight in choice.equivalence_weight:
            for fold in folds:
                own = base | training | {"arm": arm, "weight": weight, "fold": fold}
                work = partial(_weight_fold, weight=weight, fold=fold)
                after = (*needs, _reward(fold)) if by_reward else needs
                stages.append(Stage(_weighed(weight, fold), work, own, after))
        own = rule | {"candidates": list(choice.equivalence_weight), "arm": arm}
        made = (_weighed(weight, fold) for weight in choice.equivalence_weight for fold in folds)
        stages.append(Stage(CHOICES["equivalence_weight"], _weight, own, (*BEFORE, *made)))
    return stages


def needed_by(study: Study, arm: str) -> tuple[str, ...]:
    """The choices that an arm's training reads."""
    chosen = study.choice.chosen_keys if study.choice is not None else ()
    read = {"beta": reads_beta(arm), "equivalence_weight": arm.endswith("equivalence")}
    return tuple(CHOICES[key] for key in chosen if read[key])


def choice_table(run: Run) -> dict[str, pd.DataFrame]:
    """Table choice, every candidate of every key that was chosen; empty where nothing was."""
    made = [name for name in CHOICES.values() if name in run.done]
    if not made:
        return {}
    tables = [read_table(run.path(name, "choice.parquet")) for name in made]
    return {"choice": pd.concat(tables, ignore_index=True)}


def _reward(fold: int) -> str:
    return f"choice/reward-fold-{fold + 1}"


def _weighed(weight: float, fold: int) -> str:
    return f"choice/equivalence-{weight!r}-fold-{fold + 1}"


def _settings(run: Run) -> ChoiceTable:
    assert run.study.choice is not None  # its stages are the only ones that ask
    return run.study.choice


def _folds(run: Run) -> pd.Series:
    """Fold of every feedback person with a judgement, by person.

    Raises
    ------
    RunError
        One of them is of another split: audit persons must not take part in a choice.
    DataError
        They are fewer than the folds.
    """
    texts = read_texts(run).set_index("response_id")
    pairs, compared = read_table(run.path("feedback", "pairs.parquet")), comparison_table(run)
    judged = [table["response_id"] for table in score_feedback(run)]
    judged += [table[side] for table in (pairs, compared) for side in ("response_a", "response_b")]
    used = texts.loc[pd.concat(judged).unique(), ["person", "split"]]
    if (used["split"] != "feedback").any():
        raise RunError(
            "A person outside the feedback split would take part in the choice.",
            where=str(run.path("feedback")),
            mend="Run again with --fresh.",
        )
    names, count = sorted(set(used["person"])), _settings(run).folds
    if len(names) < count:
        raise DataError(
            f"{len(names)} feedback persons have a judgement, too few for {count} folds.",
            where=f"{run.study.path}, [choice] folds",
            mend="Lower 'folds', or raise [split] feedback or [feedback] max_responses.",
        )
    return pd.Series(person_folds(names, count, run.study.study.seed, "choice"), index=names)


def _owner(run: Run) -> pd.Series:
    """Person of each of the feedback persons' responses."""
    return read_texts(run, split="feedback").set_index("response_id")["person"]


def _reward_fold(run: Run, folder: Path, fold: int) -> Mapping[str, Any]:
    """Rewards of all scored responses by a reward model that learned from the other folds alone."""
    require_frozen(run)
    texts, folds = read_texts(run, split="feedback"), _folds(run)
    kept = {name: folds.get(name) == fold for name in texts["person"].unique()}
    material = reward_material(run, texts, kept)
    if material.held_out.all():
        raise _unlearnable(run, fold)
    ensemble = train_ensemble(run, material, reward_start(run), folder / "checkpoint.safetensors")
    scored = texts[texts["response_id"].isin(material.scores["response_id"])].reset_index(drop=True)
    write_matrix(folder / "rewards.parquet", scored["response_id"], ensemble.rewards(scored, label="rewards"))
    return {"persons": int((folds == fold).sum()), "trained_on": int((~material.held_out).sum())}


def _unlearnable(run: Run, fold: int) -> DataError:
    return DataError(
        f"All that could be learned from is the judgement of persons of fold {fold + 1}.",
        where=f"{run.study.path}, [choice] folds",
        mend="Raise [split] feedback, [feedback] max_responses or max_equivalences, or [choice] folds.",
    )


def _beta(run: Run, folder: Path) -> Mapping[str, Any]:
    """Choose β by the rewards of held-out persons' responses."""
    settings, scores = _settings(run), _scores(run)
    rewards = np.empty((len(scores), run.max_scores))
    for fold in range(settings.folds):
        held = (scores["fold"] == fold).to_numpy()
        path = run.path(_reward(fold), "rewards.parquet")
        rewards[held] = matrix(path, scores.loc[held, "response_id"])
    found = cross_validated_beta(
        settings.beta,
        matrix(run.path("reward", "reference.parquet"), scores["response_id"]),
        rewards,
        scores["score"],
        scores["person"],
        criterion=settings.criterion,
    )
    return _keep(run, folder, found, "beta", scores["person"].nunique(), _doubts(found))


def _doubts(found: Choice) -> list[str]:
    """Warnings about a β that was chosen."""
    table = found.table
    candidates, reference = table[table["candidate"]], table[~table["candidate"]]
    warnings = []
    if found.best in (candidates["value"].min(), candidates["value"].max()):
        warnings.append(
            f"Choice of β: {found.best:g}, the best on held-out persons, is the end of the list; it may be "
            "better still beyond."
        )
    if (reference["excess"] <= 0).any():
        warnings.append("Choice of β: no candidate is better on held-out persons than the reference scorer.")
    return warnings


def _weight_fold(run: Run, folder: Path, weight: float, fold: int) -> Mapping[str, Any]:
    """The weighed arm, trained on the other folds; its scores of the held-out responses and pairs."""
    require_frozen(run)
    arm = run.study.weighed_arm
    assert arm is not None  # the study's rules
    objective = OBJECTIVES[arm][0]
    assert objective is not None
    scores, pairs = _scores(run), _pairs(run)
    feedback, both = arm_feedback(run, objective), arm_pairs(run)
    if objective in REWARDED:  # those of the run learned from the held-out persons, too
        own = matrix(run.path(_reward(fold), "rewards.parquet"), feedback.responses["response_id"])
        feedback = replace(feedback, rewards=own)
    learned = (feedback.responses["person"].map(_folds(run)) != fold).to_numpy()
    kept = ((pairs["fold_a"] != fold) & (pairs["fold_b"] != fold)).to_numpy()
    if not learned.any() or not kept.any():
        raise _unlearnable(run, fold)
    scorer = LoraScorer.load(run.path("sft"), run.bank.items)
    align(
        scorer,
        objective,
        _taken(feedback, learned),
        _taken(both, kept),
        replace(arm_settings(run), equivalence_weight=weight),
        label=arm,
        checkpoint=folder / "checkpoint.safetensors",
        control=arm_control(run, objective),
    )
    judged = pairs[pairs["fold_a"] == fold]
    wanted = {
        *scores.loc[scores["fold"] == fold, "response_id"],
        *judged["response_a"],
        *judged["response_b"],
    }
    texts = read_texts(run, split="feedback")
    held = texts[texts["response_id"].isin(wanted)].reset_index(drop=True)
    log_probs = np.empty((0, run.max_scores))  # a fold of persons with comparisons alone has none
    if len(held):
        log_probs = scorer.predict_log_proba(held, label="held out")
    write_matrix(folder / "scores.parquet", held["response_id"], log_probs)
    return {"responses": int(learned.sum()), "pairs": int(kept.sum())}


def _taken(material: Material, rows: np.ndarray) -> Material:
    """Some rows of all that an arm learns from."""
    changed: dict[str, Any] = {}
    for field in fields(material):
        value = getattr(material, field.name)
        if isinstance(value, pd.DataFrame):
            changed[field.name] = value[rows].reset_index(drop=True)
        elif value is not None:
            changed[field.name] = value[rows]
    return replace(material, **changed)


def _weight(run: Run, folder: Path) -> Mapping[str, Any]:
    """Choose λ by what is left of the gap within held-out pairs."""
    settings, scores, pairs = _settings(run), _scores(run), _pairs(run)
    weights, points = settings.equivalence_weight, np.arange(run.max_scores)
    log_probs = np.empty((len(weights), len(scores), run.max_scores))
    differences = np.empty((len(weights), len(pairs)))
    turned = np.where(pairs["teacher"] == "b", -1.0, 1.0)  # other wording − neutral
    for place, weight in enumerate(weights):
        for fold in range(settings.folds):
            path = run.path(_weighed(weight, fold), "scores.parquet")
            held, paired = ((table[name] == fold).to_numpy() for table, name in _by_fold(scores, pairs))
            log_probs[place, held] = matrix(path, scores.loc[held, "response_id"])
            first, second = (
                np.exp(matrix(path, pairs.loc[paired, side])) @ points
                for side in ("response_a", "response_b")
            )
            differences[place, paired] = (second - first) * turned[paired]
    found = cross_validated_weight(
        weights,
        log_probs,
        scores["score"],
        scores["person"],
        differences,
        pairs["person"],
        directed=(pairs["teacher"] != "mean").to_numpy(),
        reference=matrix(run.path("reward", "reference.parquet"), scores["response_id"]),
        criterion=settings.criterion,
    )
    persons = len({*scores["person"], *pairs["person"]})
    return _keep(run, folder, found, "equivalence_weight", persons, [])


def _by_fold(scores: pd.DataFrame, pairs: pd.DataFrame) -> tuple[tuple[pd.DataFrame, str], ...]:
    return (scores, "fold"), (pairs, "fold_a")


def _scores(run: Run) -> pd.DataFrame:
    """Feedback scores (response_id, item, score) with person and fold."""
    scores = score_feedback(run)[0]
    scores = scores.assign(person=scores["response_id"].map(_owner(run)))
    return scores.assign(fold=scores["person"].map(_folds(run)))


def _pairs(run: Run) -> pd.DataFrame:
    """Equivalence pairs with the folds of both persons.

    A pair is judged once, when the fold of its first response's person is held out (`person`), and learned
    from where neither person's is.
    """
    pairs, owner, folds = read_table(run.path("feedback", "pairs.parquet")), _owner(run), _folds(run)
    first, second = (pairs[side].map(owner) for side in ("response_a", "response_b"))
    return pairs.assign(person=first, fold_a=first.map(folds), fold_b=second.map(folds))


def _keep(
    run: Run, folder: Path, found: Choice, key: str, persons: int, warnings: list[str]
) -> Mapping[str, Any]:
    """Write the candidates' table; the facts say what was chosen, and how, in words."""
    settings = _settings(run)
    arm = run.study.weighed_arm if key == "equivalence_weight" else ""
    about = {"key": key, "arm": arm, "criterion": settings.criterion, "folds": settings.folds}
    write_parquet(folder / "choice.parquet", found.table.assign(**about))
    sign = {"beta": "β", "equivalence_weight": "λ"}[key]
    how = f"chosen by {settings.folds}-fold cross-validation on {persons} feedback persons"
    return {
        **about,
        "value": found.value,
        "best": found.best,
        "candidates": sorted(getattr(settings, key)),
        "persons": persons,
        "said": f"{sign} = {found.value:g}, {how}",
        "warnings": warnings,
    }
