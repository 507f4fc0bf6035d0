"""What raters said about the feedback persons' responses, as the models of reward and raters read it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pandas as pd

from psyalign.feedback import ResponsePreference, limit_records
from psyalign.feedback.raters import (
    RATING,
    adjusted_scores,
    fit_raters,
    rater_groups,
    rater_table,
    read_times,
    with_leanings,
)
from psyalign.feedback.records import ScorePreference
from psyalign.foundation.errors import DataError
from psyalign.foundation.seeds import derive_seed
from psyalign.foundation.tables import read_table, write_parquet
from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import group_of, read_persons, read_texts
from psyalign.pipeline.stages.feedback_records import direct_ratings, feedback_tables, response_preferences
from psyalign.pipeline.stages.rater_policy import has_policy, kept_weights, single_judgements
from psyalign.pipeline.stages.score_needs import has_rewards, no_score_feedback

__all__ = [
    "adjust_severity",
    "comparison_table",
    "rater_judgements",
    "score_feedback",
    "sides_of_responses",
    "write_raters",
]

COMPARISON = ("item", "response_a", "response_b", "preferred", "rater")
ADJUSTED = "severity-adjusted"


def score_feedback(run: Run) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The refit scores and the score preferences that every arm learns from.

    Returns
    -------
    tuple of DataFrame
        Scores (response_id, item, score) and preferences (see `psyalign.feedback.preference_table`): the
        stage "feedback"'s, or with [reward] adjust_severity those that the stage "reward" made of them.

    Raises
    ------
    DataError
        There are none: the run's feedback is equivalence judgements alone.
    """
    if not has_rewards(run):
        raise no_score_feedback(run)
    stage = "reward" if run.study.reward.adjust_severity else "feedback"
    return read_table(run.path(stage, "scores.parquet")), read_table(run.path(stage, "preferences.parquet"))


def n_scores(run: Run) -> dict[str, int]:
    """K of each item."""
    return {name: len(item.scores) for name, item in run.bank.items.items()}


def rater_judgements(run: Run) -> pd.DataFrame:
    """Judgements of single responses: item, response_id, rater, chosen, rejected (−1 of a rating).

    Preferences that were made of a score are not judgements of their own: they are left out where the
    ratings behind them are there. Raters whom the study excludes have none.
    """
    preferences = read_table(run.path("feedback", "preferences.parquet"))
    return single_judgements(direct_ratings(run), preferences, panel=run.study.feedback.source == "panel")


def comparison_table(run: Run) -> pd.DataFrame:
    """Comparisons of responses: item, response_a, response_b, preferred ("a", "b", "tie"), rater.

    Where the study weighs raters, a column weight says how much each counts.
    """
    records: list[ResponsePreference] = response_preferences(run)
    table = pd.DataFrame([asdict(record) for record in records], columns=list(COMPARISON)).astype("str")
    weights = kept_weights(run)
    return table if weights is None else table.assign(weight=weights.of_pairs(table["rater"]))


def adjust_severity(run: Run, folder: Path) -> list[str]:
    """Write the scores and preferences that ratings by raters of mean severity would have given.

    Rated responses get the adjusted score. Preferences that were made of scores are made anew of
    the adjusted ones; rated responses without a preference of their own get the adjacent pairs of theirs.

    Returns
    -------
    list of str
        Warnings.

    Raises
    ------
    DataError
        The feedback has direct ratings by fewer than two raters.
    """
    settings, points = run.study.feedback, n_scores(run)
    said = rater_judgements(run)
    rated = said[said["rejected"] == RATING]
    if rated["rater"].nunique() < 2:
        raise DataError(
            "Severity can only be told from direct ratings by two raters or more.",
            where=f"{run.study.path}, [reward] adjust_severity",
            mend="Drop adjust_severity, or give several raters' ratings of the feedback persons.",
        )
    found = fit_raters(rated, points)
    adjusted = adjusted_scores(found, points)
    scores = read_table(run.path("feedback", "scores.parquet"))
    preferences = read_table(run.path("feedback", "preferences.parquet"))
    if settings.source == "panel":
        adjusted = adjusted[adjusted["response_id"].isin(scores["response_id"])]
        preferences = preferences.iloc[:0]
    made = adjacent_preferences(adjusted[~adjusted["response_id"].isin(preferences["response_id"])], points)
    kept = limit_records(made, settings.max_responses, derive_seed(run.study.study.seed, "feedback"))
    own = pd.DataFrame([asdict(record) for record in kept], columns=list(preferences.columns))
    rest = scores[~scores["response_id"].isin(adjusted["response_id"])]
    columns = list(scores.columns)
    write_parquet(folder / "scores.parquet", pd.concat([adjusted[columns], rest], ignore_index=True))
    write_parquet(folder / "preferences.parquet", pd.concat([preferences, own.astype(preferences.dtypes)]))
    if found.subsets == 1:
        return []
    return [
        f"Raters fall into {found.subsets} sets that share no response; their severities are comparable "
        "only if the sets' responses are equally good on average."
    ]


def adjacent_preferences(scores: pd.DataFrame, points: dict[str, int]) -> list[ScorePreference]:
    """All adjacent pairs of score points, the one nearer to the score preferred."""
    return [
        ScorePreference(
            item, response, *((low, low + 1) if score <= low else (low + 1, low)), ADJUSTED, ADJUSTED
        )
        for response, item, score in scores[["response_id", "item", "score"]].itertuples(index=False)
        for low in range(points[item] - 1)
    ]


def sides_of_responses(run: Run) -> dict[str, dict[str, float]]:
    """Attribute of [groups] → feedback response → 0.5 focal, −0.5 reference; others are left out."""
    texts, persons = read_texts(run, split="feedback"), read_persons(run)
    sides = {}
    for attribute in run.study.groups:
        value = texts["person"].map(group_of(run, attribute, persons)).map({"focal": 0.5, "reference": -0.5})
        known = value.notna()
        sides[attribute] = dict(zip(texts.loc[known, "response_id"], value[known].astype(float), strict=True))
    return sides


def write_raters(run: Run, folder: Path) -> None:
    """raters.parquet: one row a rater; with two raters or more rater_groups.parquet, their leanings.

    The leaning (differential rater functioning) of each attribute stands in raters.parquet as well. All
    raters are in it, those whom the study excludes, too (column excluded), with their weights.
    """
    points, said = n_scores(run), feedback_tables(run, everyone=True)
    judgements, comparisons = said["judgements"], said["comparisons"]
    table = rater_table(judgements, comparisons, points, equivalences=said["equivalences"], times=_times(run))
    groups = rater_groups(judgements, comparisons, points, sides_of_responses(run))
    table = with_leanings(table, groups, list(run.study.groups))
    if has_policy(run):
        weights = kept_weights(run)
        table["excluded"] = table["rater"].isin(run.study.feedback.exclude_raters)
        for name, values in (("weight", weights.scores), ("pair_weight", weights.pairs)) if weights else ():
            table[name] = table["rater"].map(values).astype(float)
    write_parquet(folder / "raters.parquet", table)
    if len(groups):
        write_parquet(folder / "rater_groups.parquet", groups)


def _times(run: Run) -> pd.DataFrame | None:
    name = run.study.feedback.times
    return None if name is None else read_times(run.study.file(name))
