"""Stage "feedback": what raters said about the feedback persons' responses, as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from psyalign.feedback import (
    Equivalence,
    Record,
    ResponsePreference,
    ScorePreference,
    check_graph,
    equivalence_table,
    one_pair_only,
    preference_table,
    refuse_mixture,
    write_records,
)
from psyalign.feedback.raters import RaterWeights
from psyalign.foundation.tables import write_parquet
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import read_texts
from psyalign.pipeline.stages.feedback_records import (
    equivalences,
    feedback_tables,
    response_preferences,
    score_feedback,
)
from psyalign.pipeline.stages.rater_policy import has_policy, policy_weights, require_known, write_policy
from psyalign.pipeline.stages.score_needs import no_score_feedback, score_learners

__all__ = ["work"]


def work(run: Run, folder: Path) -> Mapping[str, Any]:
    """Write records.jsonl and the tables preferences, scores, pairs and summary."""
    study, texts = run.study, read_texts(run, split="feedback")
    item_scores = {name: item.scores for name, item in run.bank.items.items()}
    weights = _weights(run)
    score_records, scores = score_feedback(run, weights)
    learnable = score_records or (study.reward.adjust_severity and len(scores))
    if not learnable and (len(scores) or score_learners(run)):  # equivalences alone are enough for some
        raise no_score_feedback(run, rated=len(scores) > 0)
    pair_records = equivalences(run, texts)
    comparisons = response_preferences(run)
    records: list[Record] = [*score_records, *pair_records, *comparisons]
    if not study.feedback.mix_ai:
        refuse_mixture(records, f"{study.path}, [feedback]")
    report = check_graph(records, item_scores, texts)
    # in the first, and from a judge's two scores, one pair a response is all that there is
    if study.feedback.source != "second_scoring" and not one_pair_only(score_records):
        report.require_connected("[feedback] source")
    preferences = preference_table(records)
    same = equivalence_table(records)
    same = same[same["same"]].reset_index(drop=True)
    if weights is not None:
        preferences = preferences.assign(weight=weights.of_scores(preferences["rater"]))
    if has_policy(run):
        after = {**feedback_tables(run), "preferences": preferences, "scores": scores}
        write_policy(folder, feedback_tables(run, everyone=True), after, weights)
    write_records(folder / "records.jsonl", records)
    write_parquet(folder / "preferences.parquet", preferences)
    write_parquet(folder / "scores.parquet", scores)
    write_parquet(folder / "pairs.parquet", _with_teacher(same, texts, study.feedback.neutral_wording))
    summary = _summary(score_records, pair_records, comparisons, scores, report)
    write_parquet(folder / "summary.parquet", summary)
    warnings = [f"Feedback: {report.note}"] if report.note and report.disconnected_share > 0 else []
    if comparisons and not len(scores):
        warnings.append("Feedback: comparisons of responses were not used, as there is no score preference.")
    return {
        "preferences": len(preferences),
        "pairs": len(same),
        "scores": len(scores),
        "connected_share": report.connected_share if report.responses else None,
        "warnings": warnings,
    }


def _weights(run: Run) -> RaterWeights | None:
    """How much the raters count, if the study weighs them; refuses to exclude those who are not there."""
    if not has_policy(run):
        return None
    said, kinds = feedback_tables(run, everyone=True), ("judgements", "comparisons", "equivalences")
    require_known(run, {str(name) for kind in kinds for name in said[kind]["rater"]})
    kept = feedback_tables(run)
    return policy_weights(run, kept["judgements"], kept["comparisons"])


def _with_teacher(pairs: pd.DataFrame, texts: pd.DataFrame, neutral: str) -> pd.DataFrame:
    """Whose score by the reference scorer both are held to: "a", "b", or "mean" if neither is neutral."""
    wording = texts.set_index("response_id")["wording"]
    a_neutral = pairs["response_a"].map(wording).eq(neutral) & bool(neutral)
    b_neutral = pairs["response_b"].map(wording).eq(neutral) & bool(neutral)
    teacher = pd.Series("mean", index=pairs.index, dtype="str")
    teacher[a_neutral & ~b_neutral] = "a"
    teacher[b_neutral & ~a_neutral] = "b"
    return pairs.assign(teacher=teacher)


def _summary(
    score_records: Sequence[ScorePreference],
    pairs: Sequence[Equivalence],
    comparisons: Sequence[ResponsePreference],
    scores: pd.DataFrame,
    report: Any,
) -> pd.DataFrame:
    rows = []
    kinds: list[tuple[str, Sequence[Any]]] = [
        ("score_preference", score_records),
        ("equivalence", pairs),
        ("response_preference", comparisons),
    ]
    for kind, records in kinds:
        table = pd.DataFrame([{"source": record.source, "rater": record.rater} for record in records])
        if not len(table):
            continue
        for (source, rater), part in table.groupby(["source", "rater"]):
            ids = (
                {record.response_id for record in score_records}
                if kind == "score_preference"
                else {name for record in records for name in (record.response_a, record.response_b)}
            )
            rows.append(
                {
                    "kind": kind,
                    "source": source,
                    "rater": rater,
                    "records": len(part),
                    "responses": len(ids),
                    "connected_share": report.connected_share if kind == "score_preference" else float("nan"),
                    "note": report.note if kind == "score_preference" else "",
                }
            )
    if len(scores):
        rows.append(
            {
                "kind": "rating",
                "source": "scores for refitting",
                "rater": "",
                "records": len(scores),
                "responses": len(scores),
                "connected_share": float("nan"),
                "note": "used by the refit arm, and as the responses that PPO improves on",
            }
        )
    return pd.DataFrame(rows)
