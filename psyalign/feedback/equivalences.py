"""Equivalence records: from other wordings of the same answer, or from answers of the same content."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd

from psyalign.feedback.records import Equivalence
from psyalign.foundation.tables import require_columns

__all__ = ["content_words", "equivalences_from_alternates", "equivalences_from_matched_answers"]

# Words that carry no intention of their own. Negations, modal verbs and "because" are not
# among them: "did not", "could" and a reason given change what an answer says.
# fmt: off
FUNCTION_WORDS = frozenset((
    "a", "an", "the", "this", "that", "these", "those", "there", "here", "and", "so", "then", "of",
    "to", "in", "on", "at", "for", "with", "by", "from", "as", "is", "was", "are", "were", "am",
    "be", "been", "being", "do", "does", "did", "done", "has", "have", "had", "having", "i", "me",
    "my", "you", "your", "we", "us", "our", "it", "its", "he", "him", "his", "she", "her", "they",
    "them", "their", "just", "really", "very", "also",
))
# fmt: on
# One answer in two short words is too little to say that two people meant the same.
LEAST_CONTENT = 2
SUFFIX = re.compile(r"(?:ing|ed|es|s|e)$")
LEAST_STEM = 4
BECAUSE = frozenset({"cause", "cos", "coz", "cuz", "becuase", "becouse", "becase"})


def equivalences_from_alternates(
    responses: pd.DataFrame, alternates: pd.DataFrame, rater: str = "panel", source: str = "alternates"
) -> list[Equivalence]:
    """One record for each other wording of a response: both show the same intention.

    Parameters
    ----------
    responses, alternates : DataFrame
        Columns response_id, person, item: primary responses, and other wordings of them. Alternates
        of responses that are not in `responses` are left out, so that a subset of persons
        (the feedback split) needs filtering in one table only.
    rater, source : str
        What the records say of their origin.

    Returns
    -------
    list of Equivalence
        `response_a` is the primary response; sorted by item, person and alternate.
    """
    for table, where in ((responses, "responses"), (alternates, "alternates")):
        require_columns(table, ("response_id", "person", "item"), where)
    pairs = responses[["person", "item", "response_id"]].merge(
        alternates[["person", "item", "response_id"]], on=["person", "item"], suffixes=("_a", "_b")
    )
    pairs = pairs.sort_values(["item", "person", "response_id_b"])
    return [
        Equivalence(item, first, second, True, rater, source)
        for item, first, second in pairs[["item", "response_id_a", "response_id_b"]].itertuples(index=False)
    ]


def equivalences_from_matched_answers(
    responses: pd.DataFrame,
    scores: pd.DataFrame,
    persons: pd.DataFrame,
    attribute: str | None = None,
    *,
    rater: str = "matching rule",
    source: str = "matched_answers",
) -> list[Equivalence]:
    """Pairs of answers that say the same: same item, same score, same content words, other words differ.

    No rater judged these pairs as pairs. What makes them raters' judgements is that raters gave both
    the same score; the rule adds that they hold the same set of content words (see `content_words`).

    Parameters
    ----------
    responses : DataFrame
        Columns response_id, person, item, response.
    scores : DataFrame
        Columns person, item, score: the scores that must be equal.
    persons : DataFrame
        Column person and attributes.
    attribute : str, optional
        Attribute whose groups a pair should bridge: both persons' values are known and differ, or one
        of them is not known. Without it any two persons may form a pair.
    rater, source : str
        What the records say of their origin.

    Returns
    -------
    list of Equivalence
        Each answer is in at most one pair, so that a frequent answer does not crowd out the others.
        Sorted by item and response ids; the same for any order of the rows.
    """
    require_columns(responses, ("response_id", "person", "item", "response"), "responses")
    require_columns(scores, ("person", "item", "score"), "scores")
    table = responses[["response_id", "person", "item", "response"]].merge(
        scores[["person", "item", "score"]], on=["person", "item"]
    )
    table["group"] = _groups(table["person"], persons, attribute)
    table["plain"] = [" ".join(_words(text)) for text in table["response"]]
    table = table.sort_values("response_id", ignore_index=True)
    buckets: dict[tuple[object, ...], list[int]] = {}
    keys = zip(table["item"], table["score"], map(content_words, table["response"]), strict=True)
    for row, (item, score, content) in enumerate(keys):
        if len(content) >= LEAST_CONTENT:
            buckets.setdefault((item, score, content), []).append(row)
    ids, items = list(table["response_id"]), list(table["item"])
    found = [
        Equivalence(items[a], ids[a], ids[b], True, rater, source)
        for rows in buckets.values()
        for a, b in _pairs(rows, table, bridge=attribute is not None)
    ]
    return sorted(found, key=lambda record: (record.item, record.response_a, record.response_b))


def content_words(text: str) -> frozenset[str]:
    """The words that carry an answer's meaning: lower case, function words dropped, endings cut.

    Endings (-ing, -ed, -es, -s, -e) are cut from words of five letters and more; "n't" becomes "not";
    spellings of "because" become one.
    """
    return frozenset(
        _stem("because" if word in BECAUSE else word)
        for word in _words(re.sub(r"n['\u2019]?t\b", " not", text.lower()))
        if word not in FUNCTION_WORDS
    )


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())


def _stem(word: str) -> str:
    stem = SUFFIX.sub("", word)
    return stem if len(stem) >= LEAST_STEM else word


def _groups(person: pd.Series, persons: pd.DataFrame, attribute: str | None) -> pd.Series:
    """Group of each person, "" where it is not known or not asked for."""
    if attribute is None:
        return pd.Series("", index=person.index)
    require_columns(persons, ("person", attribute), "persons")
    return person.map(persons.set_index("person")[attribute]).fillna("").astype(str)


def _pairs(rows: list[int], table: pd.DataFrame, *, bridge: bool) -> Iterator[tuple[int, int]]:
    """Pair each row with the first free later one of another person, other words and, if asked, other group.

    Identical texts teach a scorer nothing: it gives them the same score anyway.
    """
    free = list(rows)
    person, plain, group = table["person"], table["plain"], table["group"]
    while free:
        a = free.pop(0)
        for b in free:
            known = bool(group[a]) and bool(group[b])
            same_group = bridge and known and group[a] == group[b]
            if person[a] != person[b] and plain[a] != plain[b] and not same_group:
                free.remove(b)
                yield a, b
                break
