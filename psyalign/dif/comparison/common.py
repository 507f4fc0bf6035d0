"""What sets of scores of the same persons have in common: persons, items, and a value to match on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from psyalign.dif.counts.matrix import ScoreMatrix
from psyalign.dif.matching.spec import MatchSpec
from psyalign.dif.matching.strata import total_score
from psyalign.dif.whole.own_total import is_own_total
from psyalign.foundation.errors import DataError, UsageError

__all__ = ["common_scores", "matching_value", "others", "refuse_own_total"]


def others(sets: Mapping[str, pd.DataFrame], human: str | None, before: str) -> list[str]:
    """The sets to compare with `before`."""
    if before not in sets:
        raise UsageError(
            f"There is no set '{before}' to compare with.",
            where="before",
            mend=f"Use one of: {', '.join(sets)}.",
        )
    afters = [name for name in sets if name not in (human, before)]
    if not afters or before == human:
        raise UsageError("Two sets besides the human one are needed, before and after.", where="sets")
    return afters


def matching_value(
    sets: Mapping[str, pd.DataFrame], human: str | None, matching: pd.Series | None, spec: MatchSpec
) -> tuple[pd.Series, str]:
    """The value that persons are matched on, and its name in words."""
    if spec.variable != "external":
        raise UsageError(
            f"Sets cannot be compared when each is matched on its own {spec.variable} score.",
            where="spec",
            mend='Use MatchSpec("external"), with human scores or `matching`.',
        )
    if matching is not None:
        return matching, str(matching.name or "the given value")
    if human is None:
        raise UsageError(
            "There is nothing to match on that the scores cannot move.",
            mend="Give `matching`, or name the set of human scores in `human`.",
        )
    return total_score(sets[human]), f"the total of {human}"


def refuse_own_total(full: Mapping[str, ScoreMatrix], human: str | None, compared: tuple[str, ...]) -> None:
    """Raise where persons are matched on the total of a compared set, and that is not the human one."""
    own = [name for name, matrix in full.items() if _own(matrix)]
    if human in own:
        return
    for name in compared:
        if name in own:
            raise UsageError(
                f"Persons are matched on the total of '{name}', which that scorer moves: where it changes "
                "some items, others would seem to change that it did not touch.",
                where="matching",
                mend="Match on the human total, or on a value that no scorer can move.",
            )


def _own(matrix: ScoreMatrix) -> bool:
    return matrix.external is not None and is_own_total(matrix.values, matrix.external)


def common_scores(full: Mapping[str, ScoreMatrix]) -> tuple[dict[str, ScoreMatrix], int]:
    """The sets cut to the persons and items that are in all of them; scores in some only are counted."""
    first, *others = full.values()
    persons, items = first.persons, list(first.items)
    for matrix in others:
        persons = persons[persons.isin(matrix.persons)]
        items = [item for item in items if item in matrix.items]
    if not len(persons) or not items:
        raise DataError("No person and item is in all sets.", where="sets")
    cut = {}
    for name, matrix in full.items():
        rows = matrix.persons.get_indexer(persons)
        columns = [matrix.items.index(item) for item in items]
        external = None if matrix.external is None else matrix.external[rows]
        cut[name] = replace(
            matrix, persons=persons, items=tuple(items), values=matrix.values[rows[:, None], columns],
            group=matrix.group[rows], external=external,
        )  # fmt: skip
    there = np.stack([np.isfinite(matrix.values) for matrix in cut.values()])
    some = sum(int(np.isfinite(matrix.values).sum()) for matrix in full.values())
    everywhere = there.all(axis=0)
    kept = {
        name: replace(matrix, values=np.where(everywhere, matrix.values, np.nan))
        for name, matrix in cut.items()
    }
    return kept, some - int(everywhere.sum()) * len(cut)
