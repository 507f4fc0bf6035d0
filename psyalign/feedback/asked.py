"""What score feedback asks of a scorer, for one group as against the other."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

__all__ = ["AskedChange", "asked_change"]

NOTHING = float("nan")


class AskedChange(NamedTuple):
    """Result of `asked_change`, in score points; NaN where it is not estimable, and `reason` says why.

    Attributes
    ----------
    reference, focal : float
        Mean change of the group, at the mix of items of all responses.
    difference, low, high : float
        focal − reference, and its confidence interval.
    n : int
        Responses.
    n_reference, n_focal : int
        Persons.
    reason : str
    """

    reference: float
    focal: float
    difference: float
    low: float
    high: float
    n: int
    n_reference: int
    n_focal: int
    reason: str = ""


def asked_change(
    change: npt.ArrayLike,
    focal: npt.ArrayLike,
    item: npt.ArrayLike,
    person: npt.ArrayLike,
    *,
    minimum: int = 10,
    level: float = 0.95,
) -> AskedChange:
    """Mean change that new scores ask for, by group, and how much more for the focal group.

    Least squares of the change on the items and the group: d_pi = item_i + δ · focal_p + e_pi. The standard
    error of δ is robust to the dependence of a person's responses (Liang & Zeger, 1986, with statsmodels'
    small-sample factor), its interval takes t with (persons − 1) degrees of freedom.

    Where the changes are raters' scores minus those of a scorer, δ also holds what the scorer's shrinking
    towards the middle makes of a difference in ability; raters' scores minus a criterion are free of that.

    Parameters
    ----------
    change : array_like (N,)
        New score minus old score of each response.
    focal : array_like (N,)
        Whether the person is of the focal group.
    item, person : array_like (N,)
        Names.
    minimum : int
        Fewer persons than this in a group: not estimated.
    level : float
        Of the interval.

    Returns
    -------
    AskedChange
        Without numbers if a group has too few persons, or every item is answered by one group only.
    """
    table = pd.DataFrame(
        {"change": np.asarray(change, dtype=float), "focal": np.asarray(focal, dtype=bool)}
    ).assign(item=np.asarray(item), person=np.asarray(person))
    persons = table.groupby("focal")["person"].nunique()
    few, many = (int(persons.get(side, 0)) for side in (False, True))
    nothing = (NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, len(table), few, many)
    if min(few, many) < minimum:
        return AskedChange(*nothing, f"fewer than {minimum} persons in a group")
    if not (table.groupby("item")["focal"].nunique() > 1).any():
        return AskedChange(*nothing, "no item is answered by both groups")
    return AskedChange(*_estimates(table, level), len(table), few, many)


def _estimates(table: pd.DataFrame, level: float) -> tuple[float, float, float, float, float]:
    """Both means, the difference and the ends of its interval."""
    from statsmodels.api import OLS

    items = pd.get_dummies(table["item"], dtype=float)
    design = np.column_stack([table["focal"].to_numpy(float), items.to_numpy()])
    people = pd.factorize(table["person"])[0]
    fitted = OLS(table["change"].to_numpy(), design).fit(
        cov_type="cluster", cov_kwds={"groups": people}, use_t=True
    )
    difference = float(fitted.params[0])
    low, high = (float(end) for end in fitted.conf_int(1 - level)[0])
    reference = float(items.mean().to_numpy() @ fitted.params[1:])
    return reference, reference + difference, difference, low, high
