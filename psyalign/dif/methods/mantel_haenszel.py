"""Mantel-Haenszel (1959) for items scored in two categories."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc

from psyalign.dif.counts.cells import Array, Cells
from psyalign.dif.counts.moments import item_moments, why_not
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.judgement.classes import EtsRule, classify_ets
from psyalign.dif.result import DifResult

__all__ = ["mantel_haenszel", "mantel_haenszel_kernel", "two_by_two", "why_not_binary"]

# ETS delta scale: 4 / 1.7 = 2.35 delta points per unit of the log odds ratio (Holland & Thayer, 1985).
DELTA = -2.35
# Two probabilities that differ by less are a tie: R's and scipy's rule for exact two-sided tests.
TIE = 1 + 1e-7


def mantel_haenszel(
    counts: Cells, *, continuity: bool = True, exact: bool = False, alpha: float = 0.05, rule: EtsRule = "ets"
) -> DifResult:
    """Mantel-Haenszel test, common odds ratio and ETS delta of items with two score points.

    In stratum k, A and B are the reference group's higher and lower scores, C and D the
    focal group's, T their sum. mh_chi2 = (|sum A - sum E(A)| - 1/2)^2 / sum V(A);
    mh_alpha = sum AD/T / sum BC/T, above 1 where the item favours the reference group;
    mh_delta = -2.35 ln mh_alpha, so below 0 there. Strata with one group add nothing.

    Parameters
    ----------
    counts : Cells
        Of two groups. The lower of the item's two score points counts as wrong.
    continuity : bool
        Take 1/2 off, as Holland and Thayer, difR and statsmodels do: also where the
        difference itself is below 1/2, where R's `mantelhaen.test` takes off less.
    exact : bool
        Add mh_exact_p: two-sided, from the distribution of sum A given all margins
        (no more probable sums are counted, as in R). The class then rests on it.
    alpha : float
        Level of the test in the class.
    rule : {"ets", "size"}
        See `classify_ets`.

    Returns
    -------
    DifResult
        Columns n_reference, n_focal (persons in strata with both groups), n_strata,
        share_used, mh_chi2, mh_p, (mh_exact_p,) mh_alpha, mh_log_or, mh_se (of the log
        odds ratio: Robins, Breslow & Greenland, which equals Phillips & Holland's
        sqrt(varLambda) in difR), mh_delta, mh_delta_se, ets_class, estimable, reason.

    Raises
    ------
    UsageError
        More than two groups, or an unknown rule.

    References
    ----------
    Holland, P. W., & Thayer, D. T. (1988). In H. Wainer & H. I. Braun (eds.), Test validity.
    Robins, J., Breslow, N., & Greenland, S. (1986). Biometrics 42, 311-323.
    Phillips, A., & Holland, P. W. (1987). Biometrics 43, 425-431.
    """
    counts.need_two("The Mantel-Haenszel test")
    rows = {}
    for item, moments in item_moments(counts).items():
        points = counts.points(item)
        reason = why_not(moments, counts) or why_not_binary(points)
        row = _estimates(two_by_two(points), continuity, exact, reason)
        p = row["mh_exact_p" if exact else "mh_p"]
        delta, se = row["mh_delta"], row["mh_delta_se"]
        rows[item] = {
            "n_reference": int(moments.used[0]),
            "n_focal": int(moments.used[1]),
            "n_strata": int(moments.both.sum()),
            "share_used": moments.share_used,
            **row,
            "ets_class": classify_ets(delta, se, p, alpha=alpha, rule=rule),
            "estimable": not reason,
            "reason": reason,
        }
    return DifResult.of("Mantel-Haenszel", rows)


def two_by_two(points: ItemCounts) -> tuple[Array, Array, Array, Array]:
    """A, B (reference: higher and lower score), C, D (focal), each (..., K); 0 in strata with one group.

    NaN throughout unless there are two score points.
    """
    if len(points.score) != 2:
        nothing = np.full(points.n.shape[:-2], np.nan)
        return nothing, nothing, nothing, nothing
    both = (points.n.sum(axis=-1) > 0).all(axis=-1)
    n = np.where(both[..., None, None], points.n, 0.0)
    return n[..., 0, 1], n[..., 0, 0], n[..., 1, 1], n[..., 1, 0]


def why_not_binary(points: ItemCounts) -> str:
    """What keeps a common odds ratio from being estimated, for one item; "" if nothing."""
    if len(points.score) != 2:
        return "more than two score points: mantel and liu_agresti are for those"
    a, b, c, d = two_by_two(points)
    favours_reference, favours_focal = (a * d).sum() > 0, (b * c).sum() > 0
    if favours_reference and favours_focal:
        return ""
    return "the odds ratio is 0 or infinite: within strata one group never scores higher (mantel can be used)"


def mantel_haenszel_kernel(points: ItemCounts, *, continuity: bool = True) -> dict[str, Array]:
    """mh_chi2, mh_alpha, mh_log_or, mh_se, mh_delta, mh_delta_se for any leading axes.

    Parameters
    ----------
    points : ItemCounts
        With two score points; all is NaN with another number.
    continuity : bool
        See `mantel_haenszel`.

    Returns
    -------
    dict of str to array (...)
        NaN where scores do not vary within strata, or (all but mh_chi2) where the odds
        ratio is 0 or infinite.
    """
    a, b, c, d = two_by_two(points)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = a + b + c + d
        t = np.where(size > 0, size, 1.0)
        excess = np.abs((a - (a + b) * (a + c) / t).sum(axis=-1)) - (0.5 if continuity else 0.0)
        spread = (a + b) * (c + d) * (a + c) * (b + d) / (t**2 * np.maximum(t - 1, 1.0))
        total = spread.sum(axis=-1)
        r, s = a * d / t, b * c / t
        p, q = (a + d) / t, (b + c) / t
        above, below = r.sum(axis=-1), s.sum(axis=-1)
        above = np.where(above > 0, above, np.nan)
        below = np.where(below > 0, below, np.nan)
        # Robins, Breslow & Greenland (1986)
        variance = (p * r).sum(axis=-1) / above**2 + (q * s).sum(axis=-1) / below**2
        variance = (variance + (p * s + q * r).sum(axis=-1) / (above * below)) / 2
        log_or, se = np.log(above / below), np.sqrt(variance)
        return {
            "mh_chi2": np.asarray(excess**2 / np.where(total > 0, total, np.nan)),
            "mh_alpha": np.asarray(above / below),
            "mh_log_or": np.asarray(log_or),
            "mh_se": np.asarray(se),
            "mh_delta": np.asarray(DELTA * log_or),
            "mh_delta_se": np.asarray(-DELTA * se),
        }


def _estimates(
    table: tuple[Array, Array, Array, Array], continuity: bool, exact: bool, reason: str
) -> dict[str, float]:
    names = ["mh_chi2", "mh_p", *(["mh_exact_p"] if exact else []), "mh_alpha", "mh_log_or", "mh_se"]
    names += ["mh_delta", "mh_delta_se"]
    if reason:
        return dict.fromkeys(names, float("nan"))
    from statsmodels.stats.contingency_tables import StratifiedTable  # 1 s to import, and needed only here

    a, b, c, d = table
    kept = a + b + c + d > 0
    fitted = StratifiedTable(np.array([[a[kept], b[kept]], [c[kept], d[kept]]]))
    chi2 = float(fitted.test_null_odds(correction=continuity).statistic)
    log_or, se = float(fitted.logodds_pooled), float(fitted.logodds_pooled_se)
    found = {
        "mh_chi2": chi2,
        # its own p is 1 - cdf, which is 0 from a chi-square of 70
        "mh_p": float(chdtrc(1, chi2)),
        "mh_exact_p": _exact_p(a[kept], b[kept], c[kept], d[kept]) if exact else float("nan"),
        "mh_alpha": float(fitted.oddsratio_pooled),
        "mh_log_or": log_or,
        "mh_se": se,
        "mh_delta": DELTA * log_or,
        "mh_delta_se": -DELTA * se,
    }
    return {name: found[name] for name in names}


def _exact_p(a: Array, b: Array, c: Array, d: Array) -> float:
    """Two-sided p of sum A given the margins: the strata's hypergeometric distributions, convolved."""
    from scipy.stats import hypergeom  # takes longer to load than pandas, and needed only here

    chance = np.ones(1)
    observed = 0
    for right, wrong, focal_right, focal_wrong in zip(a, b, c, d, strict=True):
        reference, higher = right + wrong, right + focal_right
        least = max(0.0, higher - focal_right - focal_wrong)
        possible = np.arange(least, min(reference, higher) + 1)
        size = reference + focal_right + focal_wrong
        chance = np.convolve(chance, hypergeom.pmf(possible, size, higher, reference))
        observed += int(right - least)
    return float(min(1.0, chance[chance <= chance[observed] * TIE].sum()))
