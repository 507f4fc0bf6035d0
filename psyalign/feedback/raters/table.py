"""What the feedback says about its raters, one row a rater."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, fields

import numpy as np
import pandas as pd

from psyalign.feedback.raters.agreement import consensus_agreement
from psyalign.feedback.raters.consistency import repeat_consistency, speed
from psyalign.feedback.raters.davidson import fit_davidson
from psyalign.feedback.raters.rasch import RATING
from psyalign.feedback.raters.severity import fit_raters
from psyalign.feedback.raters.transitivity import circular_triads, score_contradictions
from psyalign.feedback.records import Rating, Record, ResponsePreference, ScorePreference
from psyalign.feedback.tables import equivalence_table

__all__ = ["answers_of", "judgement_tables", "rater_table"]

COLUMNS = (
    *("rater", "ratings", "score_preferences", "response_preferences", "equivalences"),
    *("severity", "severity_se", "discrimination", "discrimination_se", "eta", "eta_low", "eta_high"),
    *("compared", "agreement", "score_sets", "contradictory", "score_cycles"),
    *("triads", "circular", "zeta", "triads_p"),
    *("repeats", "consistent", "consistent_low", "consistent_high", "repeat_kappa"),
    *("timed", "seconds", "fast"),
)
COUNTS = ("compared", "score_sets", "contradictory", "score_cycles", "triads", "circular", "repeats", "timed")
JUDGEMENT = ("item", "response_id", "rater", "chosen", "rejected")


def judgement_tables(records: Iterable[Record]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Records as the tables that `rater_table` reads: judgements, comparisons, equivalences; in their order.

    Returns
    -------
    tuple of DataFrame
        Judgements of single responses (item, response_id, rater, chosen, rejected; −1 of a rating);
        comparisons (the fields of a `ResponsePreference`); equivalences (those of an `Equivalence`).
    """
    kept = list(records)
    single = []
    for record in kept:
        if isinstance(record, Rating):
            single.append((record.item, record.response_id, record.rater, record.score, RATING))
        elif isinstance(record, ScorePreference):
            pair = (record.preferred, record.rejected)
            single.append((record.item, record.response_id, record.rater, *pair))
    judgements = pd.DataFrame(single, columns=list(JUDGEMENT))
    judgements = judgements.astype(
        {**dict.fromkeys(JUDGEMENT, "str"), "chosen": "int64", "rejected": "int64"}
    )
    names = [entry.name for entry in fields(ResponsePreference)]
    double = [astuple(record) for record in kept if isinstance(record, ResponsePreference)]
    return judgements, pd.DataFrame(double, columns=names).astype("str"), equivalence_table(kept)


def rater_table(
    judgements: pd.DataFrame,
    comparisons: pd.DataFrame,
    n_scores: Mapping[str, int],
    *,
    equivalences: pd.DataFrame | None = None,
    times: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row for each rater: how much, how severe, how careful.

    Severity (logits, mean 0) and discrimination come from ratings and score preferences together, η
    (Crowd-BT) from response preferences, in which severity cancels; they are missing where fewer than
    two raters judged so. Agreement is with the consensus of the other raters on the same question.

    Parameters
    ----------
    judgements : DataFrame
        See `fit_facets`; in the order in which they were given, like the next two.
    comparisons : DataFrame
        Columns item, response_a, response_b, preferred, rater.
    n_scores : mapping of str to int
        K of each item.
    equivalences : DataFrame, optional
        Columns response_a, response_b, same, rater: counted, and looked at for repeats.
    times : DataFrame, optional
        Columns rater, kind, seconds: see `speed`.

    Returns
    -------
    DataFrame
        Columns rater; ratings, score_preferences, response_preferences, equivalences (judgements of
        each kind); severity, severity_se, discrimination, discrimination_se (of its logarithm); eta,
        eta_low, eta_high (see `fit_davidson`); compared (judgements that another rater made too),
        agreement; and those of `score_contradictions`, `circular_triads`, `repeat_consistency`, `speed`.
    """
    same = equivalence_table(()) if equivalences is None else equivalences
    raters = sorted(set(judgements["rater"]) | set(comparisons["rater"]) | set(same["rater"]))
    table = pd.DataFrame({"rater": raters}).set_index("rater")
    rated = judgements["rejected"] == RATING
    for name, part in (
        ("ratings", judgements[rated]),
        ("score_preferences", judgements[~rated]),
        ("response_preferences", comparisons),
        ("equivalences", same),
    ):
        table[name] = part.groupby("rater").size().reindex(raters, fill_value=0).astype("int64")
    if judgements["rater"].nunique() > 1:
        found = fit_raters(judgements, n_scores, discrimination=True).raters.set_index("rater")
        for name in ("severity", "severity_se", "discrimination", "discrimination_se"):
            table[name] = found[name]
    if comparisons["rater"].nunique() > 1:
        pairs = fit_davidson(comparisons, discrimination=True).raters.set_index("rater")
        for name in ("eta", "eta_low", "eta_high"):
            table[name] = pairs[name]
    every = answers_of(judgements, comparisons, same)
    parts = [
        consensus_agreement(every[every["kind"] != "equivalence"]),
        score_contradictions(judgements),
        circular_triads(comparisons),
        repeat_consistency(every),
    ]
    if times is not None:
        parts.append(speed(times))
    for part in parts:
        table = table.join(part.set_index("rater"))
    table = table.reset_index().reindex(columns=list(COLUMNS))
    for name in COUNTS:
        table[name] = table[name].fillna(0).astype("int64")
    return table


def answers_of(
    judgements: pd.DataFrame, comparisons: pd.DataFrame, equivalences: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Judgements of every kind as answers to questions: kind, question, rater, answer; in their order.

    The same two responses, or score points, the other way round are the same question.
    """
    low = judgements[["chosen", "rejected"]].min(axis=1).astype(str)
    high = judgements[["chosen", "rejected"]].max(axis=1).astype(str)
    rated = judgements["rejected"] == RATING
    single = pd.DataFrame(
        {
            "kind": np.where(rated, "rating", "score_preference"),
            "question": judgements["response_id"] + "\n" + (low + " or " + high).where(~rated, "score"),
            "rater": judgements["rater"],
            "answer": judgements["chosen"].astype(str),
        }
    )
    liked = comparisons["response_a"].where(comparisons["preferred"] == "a", comparisons["response_b"])
    answer = liked.where(comparisons["preferred"] != "tie", "tie")
    parts = [single, _of_pairs(comparisons, "response_preference", answer)]
    if equivalences is not None and len(equivalences):
        parts.append(_of_pairs(equivalences, "equivalence", equivalences["same"].astype(str)))
    return pd.concat(parts, ignore_index=True)


def _of_pairs(table: pd.DataFrame, kind: str, answer: pd.Series) -> pd.DataFrame:
    first = table[["response_a", "response_b"]].min(axis=1)
    second = table[["response_a", "response_b"]].max(axis=1)
    return pd.DataFrame(
        {"kind": kind, "question": first + "\n" + second, "rater": table["rater"], "answer": answer}
    )
