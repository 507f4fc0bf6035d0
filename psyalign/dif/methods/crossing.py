"""Crossing POLYSIB: a difference between the groups that changes its sign along the matching score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import chdtrc

from psyalign.dif.counts.cells import Array, Cells
from psyalign.dif.counts.moments import Moments
from psyalign.dif.matching.correction import (
    DEFAULT,
    MIN_PER_STRATUM,
    Bins,
    Convention,
    Differences,
    Settings,
    Weights,
    corrected_differences,
)
from psyalign.dif.methods.polysib import Reliability, examine
from psyalign.dif.result import DifResult

__all__ = ["crossing_polysib", "crossing_polysib_kernel"]

# mirt: strata with more than this share of all persons take part in the search for the crossing.
SHARE = 0.01
# Below this share the two parts are one: their difference is rounding.
TINY = 1e-10


def crossing_polysib(
    counts: Cells,
    *,
    correction: bool = True,
    reliability: Reliability = None,
    matching: Sequence[str] | None = None,
    weights: Weights = "pooled",
    min_per_stratum: int = MIN_PER_STRATUM,
    convention: Convention = "psyalign",
) -> DifResult:
    """POLYSIB in two parts, below and above the score where the groups cross: non-uniform DIF.

    A line through the corrected differences of the groups' means (`polysib`), weighted by the
    larger group's count, crosses 0 at a matching score; beta_1 and beta_2 are the parts
    of POLYSIB's beta below and above it. chi2 = (beta_1 / se_1)^2 + (beta_2 / se_2)^2, with the
    covariance that shared slopes bring, so that opposite parts add up where POLYSIB lets
    them cancel.

    Parameters
    ----------
    counts, correction, reliability, matching, weights, min_per_stratum
        See `polysib`.
    convention : {"psyalign", "mirt"}
        "psyalign": strata and standard errors as in `polysib`, always 2 df. "mirt", Chalmers' (2018)
        test as mirt's `SIBTEST` and difR's `difSIBTEST` compute it: strata as there, those
        not compared pull the line towards 0; the crossing is rounded to one significant
        digit (17 becomes 20); 1 df where no stratum lies beyond it. To take the df from the
        same data makes the test reject too often: see the notes.

    Returns
    -------
    DifResult
        Columns n_reference, n_focal (persons in the strata compared), n_strata, share_used,
        csib_beta (|beta_1 - beta_2|, in score points, without a sign), csib_chi2, csib_df,
        csib_p, csib_crossing (matching score; NaN where all strata lie on one side: the groups
        do not cross), estimable, reason.

    Raises
    ------
    UsageError
        More than two groups, or a setting that is unknown.

    Notes
    -----
    Simulated as for `polysib`, level .05, items without DIF: without impact "mirt" rejects .07
    and "psyalign" .046; with impact 1 SD .151 and .040 at 250 persons a group, .084 and .046 at 1,000.
    Power for a discrimination of .6 times the reference group's, 1,000 a group: .61 and .74
    without impact, .55 and .67 with it.

    References
    ----------
    Li, H.-H., & Stout, W. (1996). Psychometrika 61, 647-677.
    Chalmers, R. P. (2018). Improving the crossing-SIBTEST statistic for detecting
    non-uniform DIF. Psychometrika 83, 376-386.
    """
    counts.need_two("Crossing POLYSIB")
    settings = Settings(weights, min_per_stratum, convention)
    rows = {}
    for item, found, row in examine(counts, correction, reliability, matching, settings):
        names = ("csib_beta", "csib_chi2", "csib_df", "csib_crossing")
        estimate = dict.fromkeys(names, float("nan"))
        if found is not None:
            estimate = {name: float(value) for name, value in _estimate(found, convention).items()}
        p = float(chdtrc(max(estimate["csib_df"], 1), estimate["csib_chi2"]))
        rows[item] = {
            **{name: row[name] for name in ("n_reference", "n_focal", "n_strata", "share_used")},
            **{name: estimate[name] for name in names[:3]},
            "csib_p": p,
            "csib_crossing": estimate["csib_crossing"],
            "estimable": row["estimable"],
            "reason": row["reason"],
        }
    return DifResult.of("Crossing POLYSIB", rows)


def crossing_polysib_kernel(
    moments: Moments,
    reliability: Array | None,
    settings: Settings = DEFAULT,
    *,
    bins: Bins | None = None,
) -> dict[str, Array]:
    """csib_beta, csib_chi2, csib_df and csib_crossing for any leading axes: see `polysib_kernel`."""
    return _estimate(corrected_differences(moments, reliability, settings, bins=bins), settings.convention)


def _estimate(found: Differences, convention: Convention) -> dict[str, Array]:
    where = _crossing(found, convention)
    # no crossing at all (a level line, or one stratum): all strata lie on one side
    above = found.value > np.where(np.isnan(where), np.inf, where)[..., None]
    weights = [np.where(side, found.weight, 0.0) for side in (~above, above)]
    beta = [(weight * found.difference).sum(axis=-1) for weight in weights]
    low, high = (found.spread(weight) for weight in weights)
    sides = (low > 0).astype(float) + (high > 0)
    # 0 but for the slopes, which the strata next to the crossing share
    cov = (found.spread(found.weight) - low - high) / 2
    rest = low * high - cov**2
    both = (sides == 2) & (rest > TINY * low * high)
    joint = (beta[0] ** 2 * high - 2 * beta[0] * beta[1] * cov + beta[1] ** 2 * low) / np.where(both, rest, 1)
    whole = low + high + 2 * cov
    alone = (beta[0] + beta[1]) ** 2 / np.where(whole > 0, whole, np.nan)
    df = sides if convention == "mirt" else 2.0
    return {
        "csib_beta": np.where(sides > 0, np.abs(beta[0] - beta[1]), np.nan),
        "csib_chi2": np.where(both, joint, np.where(sides > 0, alone, np.nan)),
        "csib_df": np.where(sides > 0, df, np.nan),
        "csib_crossing": np.where(sides == 2, where, np.nan),
    }


def _crossing(found: Differences, convention: Convention) -> Array:
    """(...): where the weighted regression line of the differences on the matching score is 0."""
    x = found.value
    larger = found.n.max(axis=-1)
    takes_part = found.used
    if convention == "mirt":
        # strata that are not compared take part with a difference of 0
        persons = found.n.sum(axis=(-2, -1))[..., None]
        takes_part = (found.n > 0).all(axis=-1) & (larger > SHARE * persons)
    w = np.where(takes_part, larger, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        w = w / w.sum(axis=-1, keepdims=True)
        x_mean = (w * x).sum(axis=-1)
        centred = x - x_mean[..., None]
        slope = (w * centred * found.difference).sum(axis=-1) / (w * centred**2).sum(axis=-1)
        where = x_mean - (w * found.difference).sum(axis=-1) / slope
        if convention == "mirt":
            unit = 10.0 ** np.floor(np.log10(np.abs(where)))
            where = np.round(where / unit) * unit
    return np.asarray(where)
