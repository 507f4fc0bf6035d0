"""What the study file does about raters: who is excluded, how the others count, and what that changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from psyalign.feedback.raters import (
    RATING,
    RaterWeights,
    consensus_scores,
    discrimination_weights,
    feedback_changes,
)
from psyalign.feedback.records import Record
from psyalign.foundation.errors import DataError
from psyalign.foundation.tables import read_table, write_parquet
from psyalign.foundation.toml import suggest
from psyalign.pipeline.run import Run

__all__ = [
    "has_policy",
    "keep_allowed",
    "kept_weights",
    "panel_scores",
    "policy_weights",
    "require_known",
    "single_judgements",
    "write_policy",
]

Tables = Mapping[str, pd.DataFrame]


def has_policy(run: Run) -> bool:
    """Whether the study excludes or weighs raters at all."""
    settings = run.study.feedback
    return bool(settings.exclude_raters) or settings.rater_weights != "none"


def keep_allowed(run: Run, records: Iterable[Record]) -> list[Record]:
    """The records of raters who are not excluded, in their order."""
    excluded = set(run.study.feedback.exclude_raters)
    return [record for record in records if record.rater not in excluded]


def require_known(run: Run, raters: Iterable[str]) -> None:
    """DataError where the study excludes a rater whom the feedback does not have, or all of them."""
    names = sorted(set(raters))
    where = f"{run.study.path}, [feedback] exclude_raters"
    for name in run.study.feedback.exclude_raters:
        if name not in names:
            raise DataError(f"No feedback is by rater '{name}'.", where=where, mend=suggest(name, names))
    if names and set(names) <= set(run.study.feedback.exclude_raters):
        raise DataError("All raters are excluded.", where=where, mend="Keep at least one.")


def policy_weights(run: Run, judgements: pd.DataFrame, comparisons: pd.DataFrame) -> RaterWeights | None:
    """Weights by the discrimination of the raters who are kept; None where the study asks for none.

    Parameters are those of `psyalign.feedback.raters.rater_table`.

    Raises
    ------
    DataError
        Nothing was judged by two raters or more, so nothing tells them apart.
    """
    if run.study.feedback.rater_weights == "none":
        return None
    points = {name: len(item.scores) for name, item in run.bank.items.items()}
    found = discrimination_weights(judgements, comparisons, points)
    if not found.scores and not found.pairs:
        raise DataError(
            "Raters can be weighed only where there are two or more.",
            where=f"{run.study.path}, [feedback] rater_weights",
            mend="Drop it, or give several raters' judgements of the feedback persons.",
        )
    return found


def panel_scores(ratings: pd.DataFrame, weights: RaterWeights) -> pd.DataFrame:
    """Person, item, score: the panel's weighted mean, halves up."""
    named = ratings.assign(response_id=ratings["person"] + "|" + ratings["item"])
    person = named.drop_duplicates("response_id").set_index("response_id")["person"]
    table = consensus_scores(named, weights.scores)
    table = table.assign(person=table["response_id"].map(person))
    return table[["person", "item", "score"]].sort_values(["person", "item"], ignore_index=True)


def write_policy(folder: Path, before: Tables, after: Tables, weights: RaterWeights | None) -> None:
    """rater_changes.parquet (see `feedback_changes`) and rater_weights.parquet (rater, scores, pairs)."""
    weighed = dict(after)
    if weights is not None:
        judgements, comparisons = after["judgements"], after["comparisons"]
        weighed["judgements"] = judgements.assign(weight=weights.of_scores(judgements["rater"]))
        weighed["comparisons"] = comparisons.assign(weight=weights.of_pairs(comparisons["rater"]))
    write_parquet(folder / "rater_changes.parquet", feedback_changes(before, weighed))
    raters = sorted({name for key in ("judgements", "comparisons") for name in after[key]["rater"]})
    table = pd.DataFrame({"rater": raters}).astype("str")
    for name, values in (("scores", weights.scores), ("pairs", weights.pairs)) if weights else ():
        table[name] = table["rater"].map(values).astype(float)
    write_parquet(folder / "rater_weights.parquet", table.reindex(columns=["rater", "scores", "pairs"]))


def kept_weights(run: Run) -> RaterWeights | None:
    """The weights that the stage "feedback" wrote; None where the study asks for none."""
    if run.study.feedback.rater_weights == "none":
        return None
    table = read_table(run.path("feedback", "rater_weights.parquet")).set_index("rater")
    scores, pairs = (
        {str(name): float(value) for name, value in table[kind].dropna().items()}
        for kind in ("scores", "pairs")
    )
    return RaterWeights(scores, pairs)


def single_judgements(ratings: pd.DataFrame, preferences: pd.DataFrame, *, panel: bool) -> pd.DataFrame:
    """Judgements of single responses: item, response_id, rater, chosen, rejected (−1 of a rating).

    A panel's preferences were made of its scores, and are no judgements of their own: they are left out
    where the ratings behind them are there.
    """
    rated = ratings.rename(columns={"score": "chosen"}).assign(rejected=RATING)
    chosen = preferences.rename(columns={"preferred": "chosen"})
    if panel and len(ratings):
        chosen = chosen.iloc[:0]
    columns = ["item", "response_id", "rater", "chosen", "rejected"]
    both = pd.concat([rated[columns], chosen[columns]], ignore_index=True)
    return both.astype({"chosen": "int64", "rejected": "int64"})
