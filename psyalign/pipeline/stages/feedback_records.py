"""What raters said about the feedback persons' responses, from the sources that the study names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

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
    preference_table,
    rating_table,
    read_records,
    refuse_mixture,
)
from psyalign.feedback.raters import RaterWeights, consensus_scores
from psyalign.foundation.errors import DataError
from psyalign.foundation.seeds import derive_seed, unit_interval
from psyalign.foundation.tables import read_table
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import read_scores, read_texts
from psyalign.pipeline.stages.rater_policy import keep_allowed, panel_scores, single_judgements
from psyalign.responses import final_scores

__all__ = ["direct_ratings", "equivalences", "feedback_tables", "response_preferences", "score_feedback"]


def feedback_tables(run: Run, *, everyone: bool = False) -> dict[str, pd.DataFrame]:
    """What raters said, unweighed, as `psyalign.feedback.raters` reads it; `everyone`: the excluded, too.

    Returns
    -------
    dict of str to DataFrame
        judgements, comparisons, equivalences (of records alone), preferences, scores.
    """
    records, scores = score_feedback(run, everyone=everyone)
    preferences = preference_table(records)
    ratings = direct_ratings(run, everyone=everyone)
    names = ["item", "response_a", "response_b", "preferred", "rater"]
    compared = [asdict(record) for record in response_preferences(run, everyone=everyone)]
    same: list[Equivalence] = []
    if run.study.feedback.equivalence == "records":
        same = equivalences(run, read_texts(run, split="feedback"), everyone=everyone)
    return {
        "judgements": single_judgements(ratings, preferences, panel=run.study.feedback.source == "panel"),
        "comparisons": pd.DataFrame(compared, columns=names).astype("str"),
        "equivalences": equivalence_table(same),
        "preferences": preferences,
        "scores": scores,
    }


def score_feedback(
    run: Run, weights: RaterWeights | None = None, *, everyone: bool = False
) -> tuple[list[ScorePreference], pd.DataFrame]:
    """Score preferences, and the scores (response_id, item, score) that refitting may use.

    `weights` say how much a rater counts (None: all the same); `everyone`: the excluded, too.
    """
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


def equivalences(run: Run, texts: pd.DataFrame, *, everyone: bool = False) -> list[Equivalence]:
    """Judgements of same intention on the feedback persons' responses `texts`, as [feedback] limits them.

    Raises
    ------
    DataError
        The study asks for some, and there are none.
    """
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


def _read_records(run: Run, *, everyone: bool = False) -> list[Record]:
    """The study's records; a misspelt id must not pass for a response of another split."""
    name = run.study.feedback.records
    assert name is not None  # the study's rules
    records = read_records(run.study.file(name))
    if not run.study.feedback.mix_ai:
        refuse_mixture(records, str(run.study.file(name)))
    check_graph(records, {key: item.scores for key, item in run.bank.items.items()}, read_texts(run))
    return records if everyone else keep_allowed(run, records)


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
