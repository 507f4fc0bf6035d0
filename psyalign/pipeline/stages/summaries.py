"""Tables that describe a run: arms, items, split, feedback, training, score distributions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from psyalign.align import mean_kl, optimality_gap
from psyalign.foundation.tables import read_table
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.audit import Audit
from psyalign.pipeline.stages.data import read_persons, read_texts
from psyalign.pipeline.stages.gaps import yardstick
from psyalign.pipeline.stages.matrices import matrix
from psyalign.pipeline.stages.sample import flow_table, rubric_table
from psyalign.pipeline.stages.score_needs import has_rewards
from psyalign.pipeline.stages.scores import adapter_folder
from psyalign.study.rules import ALIGN_OPTIONS, reads_option

__all__ = ["summary_tables"]

# arm -> (label, what it is, in one line)
ARMS = {
    "baseline": (
        "Baseline",
        "Fine-tuned on the operational scores; the frozen reference of the aligned arms.",
    ),
    "refit": (
        "Refit",
        "Baseline, fine-tuned further on the feedback scores; no reward model, no KL penalty.",
    ),
    "dpo": ("DPO", "Direct preference optimisation on the score preferences, KL to the baseline."),
    "ppo": ("PPO", "All-action PPO against the reward model, KL to the baseline."),
    "distill": ("Distilled", "Baseline, trained towards the optimum that the reward model and the KL give."),
    "closed_form": ("Closed form", "That optimum itself, from baseline and reward model; no training."),
    "equivalence": ("Equivalence", "Anchored equivalence judgements only; no score feedback."),
    "refit+equivalence": ("Refit + equivalence", "Refit with the anchored equivalence term."),
    "dpo+equivalence": ("DPO + equivalence", "DPO with the anchored equivalence term."),
    "ppo+equivalence": ("PPO + equivalence", "PPO with the anchored equivalence term."),
    "distill+equivalence": ("Distilled + equivalence", "Distilled with the anchored equivalence term."),
    "ceiling": ("Ceiling", "Fine-tuned on the criterion scores themselves: what could be reached at best."),
}


def summary_tables(run: Run, audit: Audit) -> dict[str, pd.DataFrame]:
    """Every descriptive table, by name."""
    return {
        "arms": _arms(run, audit),
        "items": _items(run, audit),
        "split": _split(run),
        "feedback": read_table(run.path("feedback", "summary.parquet")),
        **_reward(run),
        "raters": read_table(run.path("reward", "raters.parquet")),
        **_rater_changes(run),
        "training": _training(run),
        "distributions": _distributions(run, audit),
        "flow": flow_table(run, audit),
        "rubric": rubric_table(run),
    }


def _reward(run: Run) -> dict[str, pd.DataFrame]:
    """How good the reward model is; there is no such table where the run has none."""
    return {"reward": read_table(run.path("reward", "metrics.parquet"))} if has_rewards(run) else {}


def _rater_changes(run: Run) -> dict[str, pd.DataFrame]:
    """What excluding or weighing raters changed; there is no such table where the study does neither."""
    path = run.path("feedback", "rater_changes.parquet")
    return {"rater_changes": read_table(path)} if path.is_file() else {}


def _log_probs(scores: pd.DataFrame, k: int) -> np.ndarray:
    return scores[[f"l{point}" for point in range(k)]].to_numpy(float)


def _arms(run: Run, audit: Audit) -> pd.DataFrame:
    k = run.max_scores
    feedback = run.facts("feedback")
    ids = audit.arms["baseline"]["response_id"]
    rewards = matrix(run.path("reward", "rewards.parquet"), ids) if has_rewards(run) else None
    reference = _log_probs(audit.arms["baseline"], k)
    human_sd = audit.human["score"].std(ddof=1)
    sft, rows = run.facts("sft"), []
    for arm, scores in audit.arms.items():
        log_probs = _log_probs(scores, k)
        label, what = _described(run, arm)
        aligned = arm not in ("baseline", "ceiling")
        against = yardstick(run, arm)
        rows.append(
            {
                "arm": arm,
                "label": label,
                "what": what,
                "seconds": run.done[adapter_folder(arm)]["seconds"],
                "trained_on": _trained_on(run, arm),
                "feedback_records": _records(feedback, arm),
                "optimality_gap": np.nan
                if against.kind == "none" or rewards is None
                else optimality_gap(log_probs, reference, rewards, against.beta, against.entropy_weight),
                "gap_kind": against.kind,
                "gap_note": against.note,
                "mean_kl": mean_kl(log_probs, reference) if aligned else 0.0 if arm == "baseline" else np.nan,
                "sd_ratio": scores["expected"].std(ddof=1) / human_sd,
                "parameters_trained": sft["trainable"],
            }
        )
    return pd.DataFrame(rows)


def _described(run: Run, arm: str) -> tuple[str, str]:
    """Label of the arm and what it is, with all that the study sets for it that is not the usual."""
    settings = run.study.align
    label, what = ARMS[arm]
    if settings.ppo_actions == "sampled":
        what = what.replace("All-action PPO", "PPO on drawn score points")
    if settings.equivalence != "anchored":
        what = what.replace("Anchored e", "E").replace("anchored e", "e")
    changed = [
        f"{name} = {getattr(settings, name)}"
        for name, (default, _) in ALIGN_OPTIONS.items()
        if reads_option(arm, name) and getattr(settings, name) != default
    ]
    return label, f"{what} Set in the study: {', '.join(changed)}." if changed else what


def _trained_on(run: Run, arm: str) -> str:
    facts = run.facts("feedback")
    if arm in ("baseline", "ceiling"):
        scores = "operational" if arm == "baseline" else "criterion"
        return f"{run.facts('sft')['responses']} responses with {scores} scores"
    parts = []
    if not arm.startswith("equivalence"):
        parts.append(f"{run.facts('align/' + arm)['trained_on']} responses with score feedback")
    if arm.endswith("equivalence"):
        parts.append(f"{facts['pairs']} equivalences")
    return ", ".join(parts)


def _records(feedback: dict[str, int], arm: str) -> int:
    scores = {"refit": feedback["scores"]} | dict.fromkeys(
        ("dpo", "ppo", "distill", "closed_form"), feedback["preferences"]
    )
    total = scores.get(arm.split("+", maxsplit=1)[0], 0)
    return total + (feedback["pairs"] if arm.endswith("equivalence") else 0)


def _items(run: Run, audit: Audit) -> pd.DataFrame:
    by_item = audit.human.groupby("item")["score"]
    rows = [
        {
            "item": item.id,
            "title": item.title,
            "construct": item.construct,
            "version": item.version,
            "max_score": item.max_score,
            "n_audit": int(by_item.count().get(item.id, 0)),
            "human_mean": float(by_item.mean().get(item.id, np.nan)),
            "human_sd": float(by_item.std(ddof=1).get(item.id, np.nan)),
        }
        for item in run.bank.items.values()
    ]
    return pd.DataFrame(rows)


def _split(run: Run) -> pd.DataFrame:
    persons, texts = read_persons(run), read_texts(run, primary=True)
    answers = texts.groupby("person").size()
    rows = []
    for split in ("train", "feedback", "audit"):
        members = persons[persons["split"] == split]
        levels = [("all", "all", members["person"])]
        for attribute, group in run.study.groups.items():
            for level in (group.reference, group.focal):
                levels.append((attribute, level, members.loc[members[attribute] == level, "person"]))
        for grouping, level, names in levels:
            total = int(answers.reindex(names).fillna(0).sum())
            rows.append([split, grouping, level, len(names), total])
    return pd.DataFrame(rows, columns=["split", "grouping", "level", "persons", "responses"])


def _training(run: Run) -> pd.DataFrame:
    stages = ["sft", "reward", *(adapter_folder(arm) for arm in run.study.align.arms if arm != "baseline")]
    tables = [read_table(run.path(name, "loss.parquet")).assign(stage=name) for name in stages]
    return pd.concat(tables, ignore_index=True)[["stage", "step", "epoch", "loss"]]


def _distributions(run: Run, audit: Audit) -> pd.DataFrame:
    rows = []
    points = range(run.max_scores)
    for arm in ("human", *audit.arms):
        scores = audit.human if arm == "human" else audit.modal(arm)
        scores = scores.merge(audit.persons, on="person")
        levels = [("all", "all", scores)]
        for attribute, group in run.study.groups.items():
            for level in (group.reference, group.focal):
                levels.append((attribute, level, scores[scores[attribute] == level]))
        for grouping, level, part in levels:
            counts = part["score"].value_counts()
            for point in points:
                count = int(counts.get(point, 0))
                rows.append([arm, grouping, level, point, count, count / max(1, len(part))])
    return pd.DataFrame(rows, columns=["arm", "grouping", "level", "score", "count", "share"])
