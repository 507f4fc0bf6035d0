"""DIF of the items in the engine's scores, and in the human scores, both matched on the human total."""

from __future__ import annotations

import pandas as pd

from psyalign.foundation.errors import DataError, UsageError
from psyalign.report.evaluation.given import Given
from psyalign.report.evaluation.grouped import Hidden

__all__ = ["item_dif"]

KEPT = (
    *(
        "item",
        "focal",
        "n_reference",
        "n_focal",
        "smd",
        "se",
        "es",
        "es_class",
        "mantel_z",
        "p",
        "p_adjusted",
    ),
    *("lr_total", "lr_total_p", "shown", "reason"),
)


def item_dif(given: Given, hidden: Hidden) -> pd.DataFrame:
    """Mantel, SMD and ordinal logistic DIF by item and focal group.

    The matching variable is the person's mean human score times the number of items, so that no machine
    score can move it. Effect sizes are SMD / SD of the item's human scores, focal minus reference; Holm's
    correction is over the items of a grouping.

    Returns
    -------
    pandas.DataFrame
        grouping, reference, scores ("machine": trimmed and rounded; "human") and `screen`'s columns.

    Raises
    ------
    UsageError
        No groups, or fewer than two items a person.
    DataError
        No grouping has two groups that can be shown.
    """
    from psyalign.dif import MatchSpec, ScoreMatrix, screen

    rows = given.rows
    if not given.levels:
        raise UsageError("DIF compares groups.", where="--dif", mend="Name them with --groups.")
    answered = rows.groupby("person")["item"].nunique()
    if given.items < 2 or answered.max() < 2:
        raise UsageError(
            "DIF needs at least two items a person, for the total that persons are matched on.",
            where="--dif",
            mend="Name the column of items with --item, or leave --dif out.",
        )
    total = rows.groupby("person")["human"].mean() * given.items
    sd = rows.groupby("item")["human"].std()
    parts = []
    for grouping in given.levels:
        groups = hidden.shown(given, grouping)
        if len(groups) < 2:
            continue
        group = rows.groupby("person")[grouping].first()
        group = group[group.isin(groups)]
        inside = rows[rows["person"].isin(group.index)]
        for name, column in (("machine", given.forms[2]), ("human", "human")):
            long = inside[["person", "item"]].assign(score=inside[column])
            matrix = ScoreMatrix.from_long(long, group, external=total, groups=groups)
            found = screen(matrix, MatchSpec("external"), sd=sd).table
            found = found[[column for column in KEPT if column in found.columns]]
            parts.append(found.assign(grouping=grouping, reference=groups[0], scores=name))
    if not parts:
        raise DataError(
            "No two groups are large enough to be shown.",
            where="--dif, --suppress",
            mend="Name codes such as -99 with --missing, so that they are no group; or lower --suppress.",
        )
    table = pd.concat(parts, ignore_index=True)
    first = ["grouping", "reference", "scores"]
    return table[[*first, *(name for name in table.columns if name not in first)]]
