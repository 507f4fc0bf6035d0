"""How far a judge agrees with people about the same responses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from psyalign.agreement import pair_metrics
from psyalign.feedback import Equivalence, Rating, Record, ResponsePreference, is_ai
from psyalign.foundation.tables import require_columns

__all__ = ["AGREEMENT_COLUMNS", "judge_agreement"]

AGREEMENT_COLUMNS = (
    *("kind", "source", "rater", "compared_with", "grouping", "level", "records", "n_persons", "n", "ties"),
    *("agreement", "kappa", "qwk", "mean_difference"),
)
BY_SCORES, BY_JUDGEMENTS = "human scores", "human judgements"


def judge_agreement(
    records: Iterable[Record],
    scores: pd.DataFrame,
    groups: Mapping[str, Mapping[str, str]] | None = None,
) -> pd.DataFrame:
    """Agreement of AI records with people, overall and by group.

    Parameters
    ----------
    records : iterable of Record
        AI records (source "ai:…") are compared; equivalences of people among them are what AI equivalences
        are compared with.
    scores : DataFrame
        Columns response_id, score: the human scores that are taken as right.
    groups : mapping of str to mapping, optional
        Attribute → response id → group; responses that are not in it belong to no group.

    Returns
    -------
    DataFrame
        Columns `AGREEMENT_COLUMNS`, a row for each kind, source, rater and group:

        - score_preference: does the human score lie nearer to the preferred score point; `ties` are those to
          which it lies equally near
        - response_preference: did people score the preferred response higher; `ties` had equal scores
        - equivalence: did people call the same pair the same
        - rating: is the score the human one; `qwk` and `mean_difference` (AI minus human, score points) too

        `records` counts the AI records, `n` those that people judged too, ties left out, and `n_persons` the
        persons in them. Where people judged none, n is 0 and all figures are NaN. `kappa` is Cohen's, of
        choosing the lower or higher score point, response a or b, same or not, or of the scores. Undefined
        figures are NaN. A pair of responses belongs to a group if both do.
    """
    require_columns(scores, ("response_id", "score"), "human scores")
    listed = list(records)
    human = {
        str(name): float(score) for name, score in scores[["response_id", "score"]].itertuples(index=False)
    }
    said = {
        frozenset((record.response_a, record.response_b)): record.same
        for record in listed
        if isinstance(record, Equivalence) and not is_ai(record)
    }
    rows = [_compared(record, human, said) for record in listed if is_ai(record)]
    table = pd.DataFrame(
        rows, columns=["kind", "source", "rater", "compared_with", "responses", "human", "ai"]
    )
    table["known"] = [row[5] is not None for row in rows]  # in the table None is NaN, as a tie is
    table = table.astype({"human": "float64"})
    heads = ["kind", "source", "rater", "compared_with"]
    found = []
    for keys, part in table.groupby(heads, sort=False):
        head = dict(zip(heads, keys, strict=True))
        found.append({**head, "grouping": "all", "level": "all", **_figures(part)})
        for grouping, levels in (groups or {}).items():
            level = part["responses"].map(lambda names, levels=levels: _level(names, levels))
            for name in sorted(set(level) - {""}):
                found.append({**head, "grouping": grouping, "level": name, **_figures(part[level == name])})
    return pd.DataFrame(found, columns=list(AGREEMENT_COLUMNS))


def _compared(
    record: Record, human: Mapping[str, float], said: Mapping[frozenset[str], bool]
) -> tuple[object, ...]:
    """What people and the judge said, as numbers; people: None where they said nothing, NaN for a tie."""
    names: tuple[str, ...]
    compared, people = BY_SCORES, None
    if isinstance(record, Equivalence):
        names, ai, compared = (record.response_a, record.response_b), float(record.same), BY_JUDGEMENTS
        same = said.get(frozenset(names))
        people = None if same is None else float(same)
    elif isinstance(record, ResponsePreference):
        names, ai = (record.response_a, record.response_b), 1.0 if record.preferred == "a" else 0.0
        if set(names) <= set(human):
            people = float("nan") if record.preferred == "tie" else _side(human[names[0]] - human[names[1]])
    else:
        names = (record.response_id,)
        score = human.get(record.response_id)
        if isinstance(record, Rating):
            ai, people = float(record.score), score
        else:
            low, high = sorted((record.preferred, record.rejected))
            ai = 1.0 if record.preferred == high else 0.0
            people = None if score is None else _side(abs(score - low) - abs(score - high))
    return (record.kind, record.source, record.rater, compared, names, people, ai)


def _side(gap: float) -> float:
    return float("nan") if gap == 0 else float(gap > 0)


def _level(names: tuple[str, ...], levels: Mapping[str, str]) -> str:
    found = {levels.get(name, "") for name in names}
    return found.pop() if len(found) == 1 else ""


def _figures(part: pd.DataFrame) -> dict[str, object]:
    judged = part[part["known"]]
    clear = judged.dropna(subset=["human"])
    human, ai = clear["human"].to_numpy(float), clear["ai"].to_numpy(float)
    found = pair_metrics(human, ai)
    rated = len(clear) > 0 and clear["kind"].iloc[0] == Rating.kind
    persons = {name.partition("|")[0] for names in clear["responses"] for name in names}
    return {
        "records": len(part),
        "n_persons": len(persons),
        "n": len(clear),
        "ties": len(judged) - len(clear),
        "agreement": found["exact"],
        "kappa": found["kappa"],
        "qwk": found["qwk"] if rated else float("nan"),
        "mean_difference": float(np.mean(ai - human)) if rated else float("nan"),
    }
