"""What the numbers of persons allow: smallest detectable DIF, and what had to be left out."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import ndtri

from psyalign.dif.counts.cells import Array, Cells
from psyalign.dif.counts.moments import item_moments, too_few, why_not
from psyalign.dif.judgement.equivalence import effect_sizes
from psyalign.foundation.errors import UsageError
from psyalign.foundation.tables import require_columns

__all__ = ["detectable_by_group", "left_out", "minimum_detectable"]


def minimum_detectable(smd_table: pd.DataFrame, *, alpha: float = 0.05, power: float = 0.80) -> pd.DataFrame:
    """Smallest DIF that a test would probably see, item by item, and smallest bound it could clear.

    Parameters
    ----------
    smd_table : pandas.DataFrame
        Table of `smd` by item. For several groups one under the other, with the focal group
        in a column or index level `group`:
        ``pd.concat({g: smd(c).table for g, c in counts.pairs()}, names=["group"])``.
    alpha : float
        Size of the two-sided test of ES = 0, and of each one-sided test of equivalence.
    power : float
        Probability to see it.

    Returns
    -------
    pandas.DataFrame
        Columns item, group ("focal" unless given), n_reference, n_focal, es_se, mde =
        (z_{1 - alpha/2} + z_power) es_se, the |ES| that is significant with that power;
        mde_points, the same in score points; smallest_bound = (z_{1 - alpha} +
        z_{(1 + power)/2}) es_se, the bound within which an item without DIF would be shown
        negligible with that power; estimable, reason. Errors are those under the
        data at hand; the SD is taken as known.

    Raises
    ------
    DataError
        A column is missing.
    UsageError
        alpha or power out of range.

    References
    ----------
    Bloom, H. S. (1995). Minimum detectable effects. Evaluation Review 19, 547-556.
    Julious, S. A. (2004). Sample sizes for clinical trials with normal data. Statistics in
    Medicine 23, 1921-1986.
    """
    if not (0 < alpha < 0.5 and alpha < power < 1):
        raise UsageError("alpha must lie between 0 and .5, power between alpha and 1.", where="alpha, power")
    table = smd_table.reset_index()
    require_columns(
        table, ["item", "n_reference", "n_focal", "se", "sd", "es", "estimable", "reason"], "SMD table"
    )
    error = effect_sizes(table)[1]
    mde = float(-ndtri(alpha / 2) + ndtri(power)) * error
    bound = float(-ndtri(alpha) + ndtri((1 + power) / 2)) * error
    return pd.DataFrame(
        {
            "item": table["item"],
            "group": table["group"] if "group" in table.columns else "focal",
            "n_reference": table["n_reference"],
            "n_focal": table["n_focal"],
            "es_se": error,
            "mde": mde,
            "mde_points": mde * table["sd"],
            "smallest_bound": bound,
            "estimable": table["estimable"],
            "reason": table["reason"],
        }
    )


def detectable_by_group(detectable: pd.DataFrame) -> pd.DataFrame:
    """Summary by focal group of `minimum_detectable`, over its estimable items.

    Returns
    -------
    pandas.DataFrame
        Columns group, n_items, n_left_out (items not estimable), n_reference, n_focal
        (medians over items), mde, smallest_bound (medians), worst_mde (largest). NaN where
        no item is estimable.
    """
    rows = []
    for group, mine in detectable.groupby("group", sort=False):
        there = mine[mine["estimable"].astype(bool)]
        medians = {
            name: float(there[name].median()) for name in ("n_reference", "n_focal", "mde", "smallest_bound")
        }
        worst = float(there["mde"].max())
        counted = {"n_items": len(there), "n_left_out": len(mine) - len(there)}
        rows.append({"group": group, **counted, **medians, "worst_mde": worst})
    columns = [
        "group",
        "n_items",
        "n_left_out",
        "n_reference",
        "n_focal",
        "mde",
        "smallest_bound",
        "worst_mde",
    ]
    return pd.DataFrame(rows, columns=columns)


def left_out(counts: Cells) -> pd.DataFrame:
    """Groups and items that no method tests, and why.

    Returns
    -------
    pandas.DataFrame
        Columns item, group, n (persons of the group with a score on the item), min_group,
        reason; empty if all can be tested. Each group below `min_group` has a row; a group
        that is large enough has one where its comparison with the reference group fails
        for another reason (nothing varies, no stratum in common).
    """
    rows = []
    short: dict[str, set[str]] = {}
    for item, moments in item_moments(counts).items():
        n = moments.n_all
        for place, group in enumerate(counts.groups):
            reason = too_few(_alone(n, place), counts)
            if reason:
                rows.append((item, group, int(n[place]), counts.min_group, reason))
                short.setdefault(item, set()).add(group)
    for focal, pair in counts.pairs():
        for item, moments in item_moments(pair).items():
            reason = why_not(moments, pair)
            if reason and not short.get(item, set()) & set(pair.groups):
                rows.append((item, focal, int(moments.n_all[1]), counts.min_group, reason))
    place_of = {item: place for place, item in enumerate(counts.items)}
    rows.sort(key=lambda row: (place_of[row[0]], counts.groups.index(row[1])))
    return pd.DataFrame(rows, columns=["item", "group", "n", "min_group", "reason"])


def _alone(n: Array, place: int) -> Array:
    """The sizes with one group's own and no shortage elsewhere, so that `too_few` speaks of that group."""
    return np.where(np.arange(len(n)) == place, n, np.inf)
