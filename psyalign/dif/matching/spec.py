"""What persons are matched on, in one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from psyalign.foundation.errors import UsageError

__all__ = ["MatchSpec"]

Variable = Literal["total", "rest", "external"]
Bins = Literal["auto", "thin", "equal"]


@dataclass(frozen=True)
class MatchSpec:
    """The matching variable and its strata.

    Attributes
    ----------
    variable : {"total", "rest", "external"}
        "total": sum over the anchor items and the studied item (prorated where items are
        missing, see `total_score`). "rest": the same without the studied item. "external":
        a value that every person brings (a criterion, a human total, a given stratum).
    anchors : tuple of str, optional
        Items of the total; default all. The studied item is added for "total".
    bins : {"auto", "thin", "equal"}
        "thin": every distinct value is a stratum. "auto": thin where at least 90% of each group then
        find a partner, else neighbouring values are merged (`bin_strata`). "equal": `n_bins`
        strata of about equal counts.
    n_bins : int
        For "equal".
    min_per_group : int
        Persons of each group that a merged stratum must hold.
    reliability : float or mapping of group to float, optional
        Of the matching variable. With it, persons are matched on the group's regressed
        (Kelley) estimate of the true score, mean + reliability x (value - mean), which takes out
        the difference that unreliable matching leaves between groups of unequal ability.
    """

    variable: Variable = "total"
    anchors: tuple[str, ...] | None = None
    bins: Bins = "auto"
    n_bins: int = 10
    min_per_group: int = 2
    reliability: float | Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if self.variable not in ("total", "rest", "external"):
            raise UsageError(
                f"Matching variable '{self.variable}' is unknown.", mend="Use total, rest or external."
            )
        if self.bins not in ("auto", "thin", "equal"):
            raise UsageError(f"Binning '{self.bins}' is unknown.", mend="Use auto, thin or equal.")
        if self.anchors is not None and not self.anchors:
            raise UsageError(
                "There are no anchors.", where="anchors", mend="Name some, or give None for all items."
            )
        if self.n_bins < 1 or self.min_per_group < 1:
            raise UsageError("n_bins and min_per_group must be at least 1.")
