"""What became of an item's DIF between two scorers."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from psyalign.foundation.tables import require_columns

__all__ = ["STATUSES", "item_status"]

STATUSES = (
    "stable_clean",
    "stable_dif",
    "inherited",
    "introduced",
    "resolved",
    "masked",
    "new_direction",
    "not_estimable",
)


class _Side(NamedTuple):
    flagged: bool
    sign: int
    estimable: bool


def item_status(
    human: pd.DataFrame,
    before: pd.DataFrame,
    after: pd.DataFrame,
    change: pd.DataFrame | None = None,
    *,
    alpha: float = 0.05,
) -> pd.Series:
    """Status of each item when `after` is compared with `before`.

    An item is flagged in a set of scores if its class is BB or CC; its direction is
    the sign of ES. With `change`, a flag counts as gone, new or turned only if the
    paired test of the change has p_adjusted < alpha; otherwise the item keeps the flag
    of `before`, because a flag can come and go by chance. In this order:

    ============== ==============================================================
    not_estimable  before or after cannot be tested
    new_direction  flagged before and after, in opposite directions
    inherited      flagged after, and in the human scores in the same direction
    stable_dif     flagged before and after, in the same direction
    introduced     flagged after, not before
    resolved       flagged before, not after
    masked         flagged in the human scores only
    stable_clean   flagged nowhere
    ============== ==============================================================

    Parameters
    ----------
    human, before, after : pandas.DataFrame
        Tables of `analyse`: columns item, es, es_class, estimable.
    change : pandas.DataFrame, optional
        Table of `compare` of the same two scorers: columns item, p_adjusted.
    alpha : float
        For the test of the change.

    Returns
    -------
    pandas.Series
        By item of `before`, named "status".
    """
    sides = [
        _sides(table, where) for table, where in ((human, "human"), (before, "before"), (after, "after"))
    ]
    moved = None
    if change is not None:
        require_columns(change, ["item", "p_adjusted"], "change")
        moved = set(change.loc[change["p_adjusted"] < alpha, "item"].astype(str))
    nobody = _Side(False, 0, False)
    found = {}
    for item in sides[1]:
        h, b, a = (side.get(item, nobody) for side in sides)
        if moved is not None and item not in moved and b.estimable and a.estimable:
            a = b
        found[item] = _status(h, b, a)
    return pd.Series(found, name="status", dtype="str").rename_axis("item")


def _sides(table: pd.DataFrame, where: str) -> dict[str, _Side]:
    require_columns(table, ["item", "es", "es_class", "estimable"], where)
    columns = zip(table["item"], table["es"], table["es_class"], table["estimable"], strict=True)
    return {
        str(item): _Side(es_class in ("BB", "CC"), 1 if es > 0 else -1, bool(estimable))
        for item, es, es_class, estimable in columns
    }


def _status(human: _Side, before: _Side, after: _Side) -> str:
    if not (before.estimable and after.estimable):
        return "not_estimable"
    if before.flagged and after.flagged and before.sign != after.sign:
        return "new_direction"
    if after.flagged and human.flagged and human.sign == after.sign:
        return "inherited"
    if after.flagged:
        return "stable_dif" if before.flagged else "introduced"
    if before.flagged:
        return "resolved"
    return "masked" if human.flagged else "stable_clean"
