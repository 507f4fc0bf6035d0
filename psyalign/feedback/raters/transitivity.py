"""Contradictions within one rater's judgements: circular triads, and scores that no score can explain."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

import numpy as np
import pandas as pd

from psyalign.foundation.seeds import generator

__all__ = ["circular_triads", "score_contradictions"]

TRIAD_COLUMNS = ("rater", "triads", "circular", "zeta", "triads_p")
CONTRADICTION_COLUMNS = ("rater", "score_sets", "contradictory", "score_cycles")
EXACT = 14  # pairs: up to here all ways of answering are gone through
DRAWS = 4000
SEED = 0  # of the random answers; the same table always gives the same p


def circular_triads(comparisons: pd.DataFrame) -> pd.DataFrame:
    """How often each rater goes in a circle: a over b, b over c, c over a.

    Three responses of which a rater compared all three pairs, without a tie, form a triad; a pair that the
    rater was asked about more than once counts as it was first answered. Kendall and Babington Smith's
    coefficient of consistence is ζ = 1 − d / d_max, d the circular triads and d_max the most that are
    possible, (n³ − n)/24 for odd and (n³ − 4n)/24 for even n; it is defined where all pairs of a set of n
    responses were compared, and summed over such sets. For whatever triads there are, a rater who
    answers at random makes a quarter of them circular. The test asks how often random answers to the same
    pairs would give so few circular triads: a *small* p says that the rater is more consistent than chance.

    Parameters
    ----------
    comparisons : DataFrame
        Columns response_a, response_b, preferred ("a", "b", "tie"), rater.

    Returns
    -------
    DataFrame
        One row per rater: rater, triads, circular, zeta (NaN without a complete set of three or more),
        triads_p (one-sided, exact up to 14 pairs, else from 4,000 random ways of answering; NaN without a
        triad).

    References
    ----------
    Kendall & Babington Smith (1940), Biometrika 31, 324–345.

    Examples
    --------
    >>> rows = [("x", "y", "a", "r"), ("y", "z", "a", "r"), ("x", "z", "b", "r")]
    >>> table = pd.DataFrame(rows, columns=["response_a", "response_b", "preferred", "rater"])
    >>> circular_triads(table)[["triads", "circular", "zeta"]].to_numpy().tolist()
    [[1.0, 1.0, 0.0]]
    """
    rows = [
        (rater, *_of_one(str(rater), part))
        for rater, part in comparisons.groupby("rater", sort=True)
        if len(part)
    ]
    return pd.DataFrame(rows, columns=list(TRIAD_COLUMNS))


def _of_one(rater: str, comparisons: pd.DataFrame) -> tuple[int, int, float, float]:
    """Triads, circular ones, ζ and p of one rater."""
    wins = _first_answers(comparisons)
    edges = list(wins)
    places = {edge: at for at, edge in enumerate(edges)}
    linked: dict[str, set[str]] = {}
    for first, second in edges:
        linked.setdefault(first, set()).add(second)
        linked.setdefault(second, set()).add(first)
    triads = [
        (places[first, second], places[second, third], places[first, third])
        for first, second in edges
        for third in sorted(linked[first] & linked[second])
        if third > second
    ]
    if not triads:
        return 0, 0, float("nan"), float("nan")
    at = np.array(triads)
    circular = int(_circular(np.array([[wins[edge] for edge in edges]]), at)[0])
    least = _circular(_random_answers(rater, len(edges)), at) <= circular
    # random draws: the rater's own answers count as one of them
    p = least.mean() if len(edges) <= EXACT else (least.sum() + 1) / (len(least) + 1)
    return len(triads), circular, _zeta(wins, linked), float(p)


def _first_answers(comparisons: pd.DataFrame) -> dict[tuple[str, str], bool]:
    """Pair of responses, sorted → whether the first was liked better; ties are left out."""
    found: dict[tuple[str, str], bool | None] = {}
    columns = ["response_a", "response_b", "preferred"]
    for a, b, preferred in comparisons[columns].itertuples(index=False):
        first, second = sorted((str(a), str(b)))
        liked = None if preferred == "tie" else (str(a) == first) == (preferred == "a")
        found.setdefault((first, second), liked)
    return {pair: liked for pair, liked in sorted(found.items()) if liked is not None}


def _circular(first_wins: np.ndarray, triads: np.ndarray) -> np.ndarray:
    """Circular triads of each way of answering; triads are the places of pairs (1, 2), (2, 3), (1, 3)."""
    one, two, across = (first_wins[:, triads[:, side]] for side in range(3))
    return np.asarray(((one == two) & (one != across)).sum(axis=1))


def _random_answers(rater: str, pairs: int) -> np.ndarray:
    if pairs <= EXACT:
        return np.array(list(product((False, True), repeat=pairs)))
    return generator(SEED, "circular triads", rater).random((DRAWS, pairs)) < 0.5


def _zeta(wins: dict[tuple[str, str], bool], linked: dict[str, set[str]]) -> float:
    """ζ over the sets of responses of which all pairs were compared."""
    circular = most = 0
    for members in _sets(linked):
        n = len(members)
        if n < 3 or any(len(linked[name]) != n - 1 for name in members):
            continue
        won = dict.fromkeys(members, 0)
        for first, second in combinations(members, 2):
            won[first if wins[first, second] else second] += 1
        # every triad that is not circular has one response that won both its comparisons
        circular += n * (n - 1) * (n - 2) // 6 - sum(count * (count - 1) // 2 for count in won.values())
        most += (n**3 - n) // 24 if n % 2 else (n**3 - 4 * n) // 24
    return 1 - circular / most if most else float("nan")


def _sets(linked: dict[str, set[str]]) -> list[list[str]]:
    """Responses that comparisons link, each set sorted."""
    left, found = set(linked), []
    while left:
        members: set[str] = set()
        waiting = {min(left)}
        while waiting:
            members |= waiting
            waiting = set().union(*(linked[name] for name in waiting)) - members
        left -= members
        found.append(sorted(members))
    return found


def score_contradictions(judgements: pd.DataFrame) -> pd.DataFrame:
    """How often a rater's score preferences on one response contradict each other.

    Preferences follow from a score s if, of every two score points, the rater chose the one nearer to s (of
    two equally near, either). Where no s does, the response is contradictory: a circle (0 over 1, 1 over 2,
    2 over 0) always is, and so is "0 rather than 1, but 2 rather than 1", which neighbouring pairs alone
    can show. Random answers are contradictory on 11 of 16 responses with five
    score points, on 1 of 4 with three. Pairs that were asked again count as they were first answered.

    Parameters
    ----------
    judgements : DataFrame
        Columns response_id, rater, chosen, rejected; ratings (rejected −1) are left out.

    Returns
    -------
    DataFrame
        One row per rater with score preferences: rater, score_sets (responses of which the rater compared
        two pairs of score points or more), contradictory (of these), score_cycles (of these, circles).

    Examples
    --------
    >>> rows = [("x", "r", 0, 1), ("x", "r", 2, 1), ("y", "r", 1, 0), ("y", "r", 2, 1)]
    >>> table = pd.DataFrame(rows, columns=["response_id", "rater", "chosen", "rejected"])
    >>> score_contradictions(table).to_numpy().tolist()
    [['r', 2, 1, 0]]
    """
    pairs = judgements[judgements["rejected"] >= 0]
    low, high = pairs[["chosen", "rejected"]].min(axis=1), pairs[["chosen", "rejected"]].max(axis=1)
    first = pairs.assign(low=low, high=high).drop_duplicates(["rater", "response_id", "low", "high"])
    counts: dict[str, list[int]] = {str(name): [0, 0, 0] for name in sorted(set(pairs["rater"]))}
    for (rater, _), part in first.groupby(["rater", "response_id"]):
        if len(part) > 1:
            chosen = list(zip(part["chosen"].astype(int), part["rejected"].astype(int), strict=True))
            entry = counts[str(rater)]
            entry[0] += 1
            entry[1] += not _explained(chosen)
            entry[2] += _goes_round(chosen)
    rows = [(rater, *entry) for rater, entry in counts.items()]
    return pd.DataFrame(rows, columns=list(CONTRADICTION_COLUMNS))


def _explained(chosen: Sequence[tuple[int, int]]) -> bool:
    """Whether some score is at least as near to every preferred as to every rejected score point."""
    points = range(max(max(pair) for pair in chosen) + 1)
    return any(all(abs(liked - s) <= abs(other - s) for liked, other in chosen) for s in points)


def _goes_round(chosen: Sequence[tuple[int, int]]) -> bool:
    """Whether taking away what nothing is preferred to, again and again, leaves something."""
    left = set(chosen)
    while left:
        rejected = {other for _, other in left}
        kept = {pair for pair in left if pair[0] in rejected}
        if kept == left:
            return True
        left = kept
    return False
