"""Stage "feedback": what raters said about the feedback persons' responses, as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from psyalign.feedback import (
    AI,
    Equivalence,
    Record,
    ResponsePreference,
    ScorePreference,
    check_graph,
    equivalence_table,
    equivalences_from_alternates,
    equivalences_from_matched_answers,
    from_panel,
    from_second_scoring,
    limit_records,
    one_pair_only,
    preference_table,
    rating_table,
    read_records,
    refuse_mixture,
    write_records,
)
from psyalign.feedback.raters import RaterWeights, consensus_scores
from psyalign.foundation.errors import DataError
from psyalign.foundation.seeds import derive_seed, unit_interval
from psyalign.foundation.tables import read_table, write_parquet
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import read_scores, read_texts
from psyalign.pipeline.stages.rater_policy import (
    has_policy,
    keep_allowed,
    panel_scores,
    policy_weights,
    require_known,
    single_judgements,
    write_policy,
)
from psyalign.responses import final_scores

__all__ = ["direct_ratings", "feedback_tables", "response_preferences", "work"]


def work(run: Run, folder: Path) -> Mapping[str, Any]:
    """Write records.jsonl and the tables preferences, scores, pairs and summary."""
    study, texts = run.study, read_texts(run, split="feedback")
    item_scores = {name: item.scores for name, item in run.bank.items.items()}
    weights = _weights(run)
    score_records, scores = _score_feedback(run, weights)
    if not score_records and not (study.reward.adjust_severity and len(scores)):
        raise DataError(
            "There is no score preference on a feedback person's response.",
            where=f"{study.path}, [feedback] source",
            mend="Raise [split] feedback, or give other feedback: the reward model learns from it.",
        )
    pair_records = _equivalences(run, texts)
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


def feedback_tables(run: Run, *, everyone: bool = False) -> dict[str, pd.DataFrame]:
    """What raters said, unweighed, as `psyalign.feedback.raters` reads it; `everyone`: the excluded, too.

    Returns
    -------
    dict of str to DataFrame
        judgements, comparisons, equivalences (of records alone), preferences, scores.
    """
    records, scores = _score_feedback(run, everyone=everyone)
    preferences = preference_table(records)
    ratings = direct_ratings(run, everyone=everyone)
    names = ["item", "response_a", "response_b", "preferred", "rater"]
    compared = [asdict(record) for record in response_preferences(run, everyone=everyone)]
    same: list[Equivalence] = []
    if run.study.feedback.equivalence == "records":
        same = _equivalences(run, read_texts(run, split="feedback"), everyone=everyone)
    return {
        "judgements": single_judgements(ratings, preferences, panel=run.study.feedback.source == "panel"),
        "comparisons": pd.DataFrame(compared, columns=names).astype("str"),
        "equivalences": equivalence_table(same),
        "preferences": preferences,
        "scores": scores,
    }


def _score_feedback(
    run: Run, weights: RaterWeights | None = None, *, everyone: bool = False
) -> tuple[list[ScorePreference], pd.DataFrame]:
    """Score preferences, and the scores (response_id, item, score) that refitting may use."""
    settings = run.study.feedback
    seed = derive_seed(run.study.study.seed, "feedback")
    ratings = _feedback_ratings(run, everyone=everyone)
    item_scores = {name: item.scores for name, item in run.bank.items.items()}
    if settings.source == "panel":
        scores = panel_scores(ratings, weights) if weights else final_scores(ratings, settings.rater or None)
        name = settings.rater or "adjudicated"
        records = limit_records(
            from_panel(scores, item_scores, rater=name, source="panel"), settings.max_responses, seed
        )
        chosen = {record.response_id for record in records}
        return records, _refit_scores(scores, chosen)
    if settings.source == "second_scoring":
        second = final_scores(ratings, settings.second)
        changed = from_second_scoring(final_scores(ratings, settings.first), second, rater=settings.second)
        records = limit_records(changed, settings.max_responses, seed)
        return records, _second_scores(second, records, settings.max_responses, seed)
    found = _read_records(run, everyone=everyone)
    known = set(read_texts(run, split="feedback")["response_id"])
    preferences = [record for record in found if isinstance(record, ScorePreference)]
    preferences = [record for record in preferences if record.response_id in known]
    kept = limit_records(preferences, settings.max_responses, seed)
    return kept, _scores_from_records(found, kept, known, weights)


def _read_records(run: Run, *, everyone: bool = False) -> list[Record]:
    """The study's records; a misspelt id must not pass for a response of another split."""
    name = run.study.feedback.records
    assert name is not None  # the study's rules
    records = read_records(run.study.file(name))
    if not run.study.feedback.mix_ai:
        refuse_mixture(records, str(run.study.file(name)))
    check_graph(records, {key: item.scores for key, item in run.bank.items.items()}, read_texts(run))
    return records if everyone else keep_allowed(run, records)


def response_preferences(run: Run, *, everyone: bool = False) -> list[ResponsePreference]:
    """Comparisons of two feedback persons' responses, of at most so many pairs as [feedback] allows."""
    settings = run.study.feedback
    if settings.source != "records":
        return []
    known = set(read_texts(run, split="feedback")["response_id"])
    found = [
        record
        for record in _read_records(run, everyone=everyone)
        if isinstance(record, ResponsePreference) and {record.response_a, record.response_b} <= known
    ]
    return limit_records(found, settings.max_responses, derive_seed(run.study.study.seed, "feedback"))


def direct_ratings(run: Run, *, everyone: bool = False) -> pd.DataFrame:
    """Single ratings behind the score feedback: item, response_id, score, rater.

    There are none where the feedback is one rater's scores, or what one rater corrected.
    """
    settings, columns = run.study.feedback, ["item", "response_id", "score", "rater"]
    if settings.source == "records":
        ratings = rating_table(_read_records(run, everyone=everyone))
        known = set(read_texts(run, split="feedback")["response_id"])
        return ratings.loc[ratings["response_id"].isin(known), columns].reset_index(drop=True)
    ratings = _feedback_ratings(run, everyone=everyone)
    if settings.source != "panel" or settings.rater:
        ratings = ratings.iloc[:0]
    return ratings.assign(response_id=ratings["person"] + "|" + ratings["item"])[columns].reset_index(
        drop=True
    )


def _feedback_ratings(run: Run, *, everyone: bool = False) -> pd.DataFrame:
    ratings = read_table(run.path("data", "ratings.parquet"))
    persons = set(read_texts(run, split="feedback")["person"])
    ratings = ratings[ratings["person"].isin(persons)]
    return ratings if everyone else ratings[~ratings["rater"].isin(run.study.feedback.exclude_raters)]


def _refit_scores(scores: pd.DataFrame, chosen: set[str]) -> pd.DataFrame:
    table = scores.assign(response_id=scores["person"] + "|" + scores["item"])
    return table.loc[table["response_id"].isin(chosen), ["response_id", "item", "score"]].reset_index(
        drop=True
    )


def _second_scores(
    second: pd.DataFrame, records: Sequence[ScorePreference], maximum: int, seed: int
) -> pd.DataFrame:
    """All responses whose score changed, and confirmed ones by hash up to `maximum`.

    The second pass looked at every response; a refit on the changed ones alone would learn
    that every score is wrong, and would be a straw man.
    """
    table = _refit_scores(second, set(second["person"] + "|" + second["item"]))
    changed = table["response_id"].isin([record.response_id for record in records])
    place = (
        table["response_id"].map(lambda name: unit_interval(seed, "confirmed", name)).where(~changed, -1.0)
    )
    return table.loc[place.sort_values().index[:maximum]].sort_index().reset_index(drop=True)


def _scores_from_records(
    found: Sequence[Record],
    preferences: Sequence[ScorePreference],
    known: set[str],
    weights: RaterWeights | None,
) -> pd.DataFrame:
    """Refit scores: the mean rating of a response, halves up, or else its most preferred score."""
    columns = ["response_id", "item", "score"]
    ratings = rating_table(found)
    ratings = ratings[ratings["response_id"].isin(known)]
    mean = consensus_scores(ratings, weights.scores if weights else {})[columns]
    wins = preference_table(preferences)
    points = weights.of_scores(wins["rater"]) if weights else 1
    preferred = wins.assign(score=wins["preferred"], points=points)
    rejected = wins.assign(score=wins["rejected"], points=-points)
    totals = pd.concat([preferred, rejected]).groupby(columns)["points"].sum().round(9).reset_index()
    totals = totals.sort_values(by=["response_id", "points", "score"], ascending=[True, False, True])
    both = pd.concat([mean, totals[columns]])  # what comes first is kept
    return both.drop_duplicates("response_id").reset_index(drop=True)


def _equivalences(run: Run, texts: pd.DataFrame, *, everyone: bool = False) -> list[Equivalence]:
    settings, study = run.study.feedback, run.study
    seed = derive_seed(study.study.seed, "equivalence")
    primary, other = texts[texts["primary"]], texts[~texts["primary"]]
    if settings.equivalence == "none":
        return []
    if settings.equivalence == "alternates":
        rater = "simulated panel" if run.facts("data")["origin"] == "simulated" else "rule"
        judged = other["wording"].str.startswith(AI)
        found = [
            *equivalences_from_alternates(primary, other[~judged], rater=rater, source="alternates"),
            *equivalences_from_alternates(primary, other[judged], rater="judge", source=f"{AI}wordings"),
        ]
    elif settings.equivalence == "matched_answers":
        scores = read_scores(run, "criterion", "feedback")
        attribute = next(iter(study.groups))
        persons = read_table(run.path("data", "persons.parquet"))
        found = equivalences_from_matched_answers(primary, scores, persons, attribute)
    else:
        known = set(texts["response_id"])
        found = [
            record
            for record in _read_records(run, everyone=everyone)
            if isinstance(record, Equivalence) and {record.response_a, record.response_b} <= known
        ]
    if not found:
        raise DataError(
            "There is no equivalence record on a feedback person's response.",
            where=f"{study.path}, [feedback] equivalence",
            mend="Raise [split] feedback, give other records, or set equivalence to 'none'.",
        )
    return limit_records(found, settings.max_equivalences, seed)


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
