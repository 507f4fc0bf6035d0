"""Score tables too large to load: DuckDB counts them where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from psyalign.dif.counts.files import ScoreFile
from psyalign.dif.counts.source import ScoreSource
from psyalign.foundation.errors import UsageError
from psyalign.foundation.tables import require_columns

__all__ = ["LARGE", "open_scores"]

# Bytes from which a file is counted on disk unless the user says otherwise.
LARGE = 200_000_000


def open_scores(
    path: Path,
    *,
    group: Sequence[str],
    focal: Sequence[str],
    reference: str | None,
    match: str | None,
    score: str,
    items: Sequence[str],
    min_group: int,
) -> tuple[ScoreSource, list[str]]:
    """A source that counts the file without loading it, and notes on what was left out.

    Parameters
    ----------
    match : str or None
        Numeric column to match on; None for the total or rest of the scores.
    items : sequence of str
        Names of items, no patterns; default all.

    Raises
    ------
    UsageError
        Several group columns, or groups that are not both named: finding out what values there
        are would read the whole file once more.
    DataError
        See `ScoreFile`.
    """
    if len(group) != 1 or not focal or reference is None:
        raise UsageError(
            "A table that is counted on disk needs one --group, --focal and --reference.",
            where=str(path),
            mend="Name both groups, or load the table with --in-memory.",
        )
    names = _columns(path)
    long = "item" in names
    require_columns(names, ["person"] if long else [], path)
    source = ScoreFile(
        path,
        group=group[0],
        groups=(reference, *focal),
        min_group=min_group,
        layout="long" if long else "wide",
        items=list(items) or None,
        person="person" if "person" in names else None,
        score=score,
        external=match,
    )
    notes = ["Counted on disk by DuckDB."]
    if not long and not items:
        notes.append(f"Columns taken for items: {', '.join(source.items)}.")
    others = source.left_out_groups
    if len(others):
        notes.append(f"{int(others.sum())} persons of none of these groups were left out.")
    if int(others.sum()) == source.n_persons:
        raise UsageError(
            f"Nobody is '{reference}' or '{focal[0]}'.",
            where=f"{path}, column {group[0]}",
            mend=f"Its values are: {', '.join(map(str, others.index[:20]))}.",
        )
    return source, notes


def _columns(path: Path) -> pd.DataFrame:
    """An empty table with the file's columns."""
    if path.suffix.lower() == ".parquet" and path.is_file():
        from pyarrow.parquet import read_schema

        return pd.DataFrame(columns=read_schema(path).names)
    return pd.read_csv(path, nrows=0) if path.is_file() else pd.DataFrame()
