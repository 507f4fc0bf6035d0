"""Preference graphs: which score points of a response are compared, and whether that hangs together.

The score points of a response are the vertices, each score preference an edge from the preferred
to the rejected one. If the graph is not connected, the preferences leave the scores of its parts
incomparable, and DPO does not find the optimum (METHODS.md, section 4). A cycle means that the
raters contradict each other, or themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from psyalign.feedback.records import Rating, Record, ScorePreference
from psyalign.foundation.errors import DataError

__all__ = ["GraphReport", "check_graph", "check_records"]

COLUMNS = ("response_id", "item", "pairs", "components", "connected", "cyclic")


@dataclass(frozen=True)
class GraphReport:
    """What `check_graph` found.

    Attributes
    ----------
    table : DataFrame
        One row per response with score preferences: response_id, item, pairs (different ones),
        components (parts that the score points fall into), connected, cyclic.
    """

    table: pd.DataFrame

    @property
    def responses(self) -> int:
        """Number of responses with score preferences."""
        return len(self.table)

    @property
    def connected_share(self) -> float:
        """Share of responses whose preferences connect all score points; NaN without responses."""
        return float(self.table["connected"].mean()) if self.responses else float("nan")

    @property
    def disconnected_share(self) -> float:
        """Share of responses whose score points fall into parts; NaN without responses."""
        return 1 - self.connected_share

    @property
    def cyclic_share(self) -> float:
        """Share of responses with contradictory preferences; NaN without responses."""
        return float(self.table["cyclic"].mean()) if self.responses else float("nan")

    @property
    def note(self) -> str:
        """One sentence for reports."""
        if not self.responses:
            return "No score preferences."
        parts = []
        if self.disconnected_share > 0:
            parts.append(
                f"{self.disconnected_share:.0%} of the responses have preferences that leave some score "
                "points incomparable; methods that learn from preferences are uncertain there"
            )
        if self.cyclic_share > 0:
            parts.append(f"{self.cyclic_share:.0%} of the responses have contradictory preferences")
        return "; ".join(parts) + "." if parts else "All preference graphs are connected and free of cycles."

    def require_connected(self, where: str) -> None:
        """Raise DataError, naming the first response, if any graph is not connected."""
        broken = self.table[~self.table["connected"]]
        if len(broken):
            first = broken.iloc[0]
            raise DataError(
                f"The preferences of {len(broken)} of {self.responses} responses leave some score points "
                f"incomparable; the first is '{first['response_id']}', in {first['components']} parts.",
                where=where,
                mend="Compare each score point with the next one: adjacent pairs connect all of them.",
            )

    def __repr__(self) -> str:
        return (
            f"GraphReport({self.responses} responses, connected {self.connected_share:.3f}, "
            f"cyclic {self.cyclic_share:.3f})"
        )


def check_graph(
    records: Iterable[Record],
    item_scores: Mapping[str, Sequence[int]],
    responses: pd.DataFrame | None = None,
) -> GraphReport:
    """Whether the score preferences of each response connect its score points, and whether they contradict.

    Parameters
    ----------
    records : iterable of Record
        Feedback; other kinds than score preferences are checked (see `check_records`) but draw no edge.
    item_scores : mapping of str to sequence of int
        The score points of each item.
    responses : DataFrame, optional
        Columns response_id, item: all that records may refer to, alternates included.

    Returns
    -------
    GraphReport

    Raises
    ------
    DataError
        A record refers to something that is not there.
    """
    listed = list(records)
    check_records(listed, item_scores, responses)
    edges: dict[tuple[str, str], set[tuple[int, int]]] = {}
    for record in listed:
        if isinstance(record, ScorePreference):
            key = (record.response_id, record.item)
            edges.setdefault(key, set()).add((record.preferred, record.rejected))
    rows = []
    for (response, item), pairs in sorted(edges.items()):
        parts = _components(item_scores[item], pairs)
        rows.append((response, item, len(pairs), parts, parts == 1, _cyclic(pairs)))
    return GraphReport(pd.DataFrame(rows, columns=list(COLUMNS)).astype({"connected": bool, "cyclic": bool}))


def check_records(
    records: Iterable[Record],
    item_scores: Mapping[str, Sequence[int]],
    responses: pd.DataFrame | None = None,
) -> None:
    """Raise DataError for the first record that names an unknown item, score point or response.

    Parameters are those of `check_graph`. The error counts records from 1, which is the line of a
    JSON Lines file without blank lines.
    """
    items = None if responses is None else dict(zip(responses["response_id"], responses["item"], strict=True))
    for number, record in enumerate(records, start=1):
        where = f"feedback record {number} ({record.kind})"
        points = item_scores.get(record.item)
        if points is None:
            raise DataError(f"The bank has no item '{record.item}'.", where=where)
        for score in _scores(record):
            if score not in points:
                raise DataError(
                    f"Score {score} is no score point of item '{record.item}'.",
                    where=where,
                    mend=f"Its score points are {points[0]} to {points[-1]}.",
                )
        for response in _responses(record) if items is not None else ():
            _check_response(response, record.item, items or {}, where)


def _check_response(response: str, item: str, items: Mapping[str, str], where: str) -> None:
    if response not in items:
        raise DataError(
            f"There is no response '{response}'.",
            where=where,
            mend="Response ids are person|item, or person|item|wording for another wording.",
        )
    if items[response] != item:
        raise DataError(
            f"Response '{response}' answers item '{items[response]}', the record says '{item}'.", where=where
        )


def _responses(record: Record) -> tuple[str, ...]:
    if isinstance(record, (ScorePreference, Rating)):
        return (record.response_id,)
    return (record.response_a, record.response_b)


def _scores(record: Record) -> tuple[int, ...]:
    if isinstance(record, ScorePreference):
        return (record.preferred, record.rejected)
    if isinstance(record, Rating):
        return (record.score,)
    return ()


def _components(points: Sequence[int], pairs: Collection[tuple[int, int]]) -> int:
    """Number of connected parts of the score points, by union-find."""
    parent = {point: point for point in points}

    def root(point: int) -> int:
        while parent[point] != point:
            point = parent[point]
        return point

    for first, second in pairs:
        parent[root(first)] = root(second)
    return sum(1 for point in points if parent[point] == point)


def _cyclic(pairs: Collection[tuple[int, int]]) -> bool:
    """Whether the preferences go in a circle: taking away what nothing is preferred to leaves some."""
    left = set(pairs)
    while left:
        rejected = {second for _, second in left}
        sources = {first for first, _ in left} - rejected
        if not sources:
            return True
        left = {(first, second) for first, second in left if first not in sources}
    return False
