"""The four kinds of feedback that raters give. Records hold ids and scores, never response text.

====================  =========================================================================
kind                  what the rater says
====================  =========================================================================
score_preference      this response deserves score `preferred` rather than score `rejected`
response_preference   of two responses to one item, this one is better, or neither
equivalence           two responses to one item show the same intention, or not
rating                this response has this score
====================  =========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

__all__ = ["Equivalence", "Rating", "Record", "ResponsePreference", "ScorePreference"]


@dataclass(frozen=True, slots=True)
class ScorePreference:
    """A rater prefers one score point to another for a response.

    Attributes
    ----------
    item, response_id : str
        The item, and the response to it.
    preferred, rejected : int
        Two different score points of the item.
    rater, source : str
        Who said so, and where the record comes from.
    """

    kind: ClassVar[str] = "score_preference"
    item: str
    response_id: str
    preferred: int
    rejected: int
    rater: str
    source: str


@dataclass(frozen=True, slots=True)
class ResponsePreference:
    """A rater prefers one of two responses to an item.

    Attributes
    ----------
    item, response_a, response_b : str
        The item, and two different responses to it.
    preferred : {"a", "b", "tie"}
        The better response.
    rater, source : str
        Who said so, and where the record comes from.
    """

    kind: ClassVar[str] = "response_preference"
    item: str
    response_a: str
    response_b: str
    preferred: Literal["a", "b", "tie"]
    rater: str
    source: str


@dataclass(frozen=True, slots=True)
class Equivalence:
    """A rater says whether two responses to an item show the same intention.

    Only ``same=True`` is used by alignment: it holds both responses to one score. ``same=False``
    does not say that the scores differ, nor which way, so it is kept and counted, no more.

    Attributes
    ----------
    item, response_a, response_b : str
        The item, and two different responses to it (or two wordings of one).
    same : bool
        Whether they show the same intention.
    rater, source : str
        Who said so, and where the record comes from.
    """

    kind: ClassVar[str] = "equivalence"
    item: str
    response_a: str
    response_b: str
    same: bool
    rater: str
    source: str


@dataclass(frozen=True, slots=True)
class Rating:
    """A rater gives a response a score.

    Attributes
    ----------
    item, response_id : str
        The item, and the response to it.
    score : int
        A score point of the item.
    rater, source : str
        Who said so, and where the record comes from.
    """

    kind: ClassVar[str] = "rating"
    item: str
    response_id: str
    score: int
    rater: str
    source: str


Record = ScorePreference | ResponsePreference | Equivalence | Rating
