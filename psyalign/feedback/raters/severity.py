"""The many-facet model as rater statistics fit it: thresholds of each item where there is enough to tell."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from psyalign.feedback.raters.rasch import FacetsResult, fit_facets

__all__ = ["fit_raters"]

# An item's own thresholds take this many judgements for each of its score points; with fewer, the items
# share theirs and differ in difficulty.
JUDGEMENTS_A_POINT = 10


def fit_raters(
    judgements: pd.DataFrame,
    n_scores: Mapping[str, int],
    *,
    discrimination: bool = False,
    group: Mapping[str, float] | None = None,
) -> FacetsResult:
    """`fit_facets` with thresholds of each item where the judgements carry them, else common ones."""
    number = judgements.groupby("item").size()
    enough = all(number[name] >= JUDGEMENTS_A_POINT * n_scores[name] for name in number.index)
    return fit_facets(
        judgements,
        n_scores,
        thresholds="item" if enough else "common",
        discrimination=discrimination,
        group=group,
    )
