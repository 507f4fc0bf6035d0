"""Many-facet Rasch model of direct ratings and score preferences: how severe each rater is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from psyalign.feedback.raters.facets import Facets
from psyalign.foundation.errors import DataError
from psyalign.foundation.tables import require_columns

__all__ = ["RATING", "FacetsResult", "adjusted_scores", "fit_facets"]

# `rejected` of a judgement that chose among all score points, not between two
RATING = -1
Thresholds = Literal["item", "common"]


@dataclass(frozen=True)
class FacetsResult:
    """What `fit_facets` found.

    Attributes
    ----------
    raters : DataFrame
        One row per rater: rater, n, severity, severity_se (logits, mean 0 over the raters),
        discrimination, discrimination_se (of its logarithm; geometric mean 1), group_effect,
        group_effect_se, z (how much more severe with focal than with reference responses, relative to
        the other raters; z refers it to its sampling error, see `contrasts.effect_errors`). Effects
        that were not asked for are 0, 1 and NaN.
    thresholds : DataFrame
        item, score, threshold: δ_s at a rater of mean severity.
    responses : DataFrame
        One row per response: response_id, item, ability, ability_se (posterior mean and SD), rating (mean
        of the direct ratings), shift (what the severity of its raters took off it, in score points).
    spread : float
        SD of the abilities.
    log_likelihood : float
        Marginal, without the priors.
    subsets : int
        Sets of raters that no response links; above 1, severities rest on the sets' responses
        being equally good on average.
    converged : bool
    """

    raters: pd.DataFrame
    thresholds: pd.DataFrame
    responses: pd.DataFrame
    spread: float
    log_likelihood: float
    subsets: int
    converged: bool

    def __repr__(self) -> str:
        return (
            f"FacetsResult({len(self.raters)} raters, {len(self.responses)} responses, spread "
            f"{self.spread:.2f}, {'converged' if self.converged else 'not converged'})"
        )


def fit_facets(
    judgements: pd.DataFrame,
    n_scores: Mapping[str, int],
    *,
    thresholds: Thresholds = "item",
    discrimination: bool = False,
    group: Mapping[str, float] | None = None,
) -> FacetsResult:
    """Severity of raters by marginal maximum likelihood over the responses' abilities.

    Of the score points on offer, s is chosen with P(s) ∝ exp a_r (s(θ − α_r − γ_r g) − Σ_{t ≤ s} δ_t), θ
    normal. A rating chooses among all points of the item: Linacre's many-facet model (partial credit
    thresholds, or common ones: rating scale). A score preference chooses between two: Bradley–Terry
    on the same rewards (see `psyalign.reward.structure`), so both kinds inform one severity. The
    abilities are integrated out: estimated jointly with two ratings a response, differences between
    raters would come out twice too large.

    Parameters
    ----------
    judgements : DataFrame
        Columns item, response_id, rater, chosen, and rejected: the other score point of a
        preference, −1 (`RATING`) of a rating.
    n_scores : mapping of str to int
        K of each item.
    thresholds : {"item", "common"}
        δ of each item, or of all items with the same K and an item difficulty.
    discrimination : bool
        Estimate a_r, as Uto & Ueno's generalised model does; careless raters have a low one.
    group : mapping of str to float, optional
        Response id → 0.5 focal, −0.5 reference; others 0. Estimates γ_r, differential rater
        functioning; the groups' abilities may differ. The γ sum to 0: a leaning that all raters share
        cannot be told from a difference in ability.

    Returns
    -------
    FacetsResult
        Severities and thresholds have normal priors of SD 3, ln a and γ of SD 0.5 and 1, so that unused
        score points and raters with few judgements have finite estimates.

    Raises
    ------
    DataError
        No judgement, an item that `n_scores` lacks, or a score outside the item's points.

    References
    ----------
    Linacre (1989), Many-Facet Rasch Measurement; Masters (1982), Psychometrika 47, 149–174;
    Uto & Ueno (2020), Behaviormetrika 47, 469–496; Myford & Wolfe (2004), Journal of Applied
    Measurement 5, 189–227 (differential rater functioning).
    """
    _check(judgements, n_scores)
    model = Facets(judgements, n_scores, thresholds == "common", discrimination, group or {})
    found, converged = model.maximise()
    return FacetsResult(
        raters=model.rater_table(found),
        thresholds=model.threshold_table(found),
        responses=model.response_table(found),
        spread=model.spread(found),
        log_likelihood=model.log_likelihood(found),
        subsets=_subsets(judgements),
        converged=converged,
    )


def adjusted_scores(result: FacetsResult, n_scores: Mapping[str, int]) -> pd.DataFrame:
    """Scores that responses would have had from raters of mean severity.

    The mean rating plus what the severity of its raters took off it under the model; halves up, within
    the item's points. Only the severity is taken out: scores of raters who are equally severe stay as they
    are, which the posterior mean ability, shrunken to the middle, would not do.

    Parameters
    ----------
    result : FacetsResult
    n_scores : mapping of str to int
        K of each item.

    Returns
    -------
    DataFrame
        response_id, item, score (int64), sorted by response_id; responses with direct ratings.
    """
    rated = result.responses[result.responses["rating"].notna()].sort_values("response_id")
    top = rated["item"].map(n_scores).to_numpy(int) - 1
    # the shift of equally severe raters is 0 but for rounding, which must not tip a half
    exact = (rated["rating"] + rated["shift"]).round(9).to_numpy()
    score = np.clip(np.floor(exact + 0.5), 0, top).astype("int64")
    table = rated[["response_id", "item"]].assign(score=score)
    return table.reset_index(drop=True)


def _check(judgements: pd.DataFrame, n_scores: Mapping[str, int]) -> None:
    require_columns(judgements, ("item", "response_id", "rater", "chosen", "rejected"), "judgements")
    if not len(judgements):
        raise DataError("There is no judgement of a single response.", where="feedback")
    unknown = sorted(set(judgements["item"]) - set(n_scores))
    if unknown:
        raise DataError(f"Nothing is known of item '{unknown[0]}'.", where="judgements")
    top = judgements["item"].map(n_scores)
    outside = ~judgements["chosen"].between(0, top - 1) | ~judgements["rejected"].between(RATING, top - 1)
    if outside.any():
        raise DataError("A judgement names a score outside the rubric.", where="feedback")


def _subsets(judgements: pd.DataFrame) -> int:
    """Connected parts of the raters, linked by responses that they share."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    raters, rater = np.unique(judgements["rater"].to_numpy(str), return_inverse=True)
    responses, response = np.unique(judgements["response_id"].to_numpy(str), return_inverse=True)
    size = len(raters) + len(responses)
    edges = coo_array((np.ones(len(rater)), (rater, response + len(raters))), shape=(size, size))
    return int(connected_components(edges, directed=False)[0])
