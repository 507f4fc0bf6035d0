"""DIF by cumulative-logit regression: total, uniform and non-uniform, by likelihood ratio and Wald."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from psyalign.dif.counts.cells import Cells
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.nested import NestedFits, nested_fits, nobody, why_no_fit, why_no_regression
from psyalign.dif.result import DifResult

__all__ = [
    "JODOIN_GIERL",
    "ZUMBO_THOMAS",
    "classify_r2",
    "ordinal",
    "ordinal_kernel",
    "ordinal_statistics",
]

Array = npt.NDArray[np.float64]

# Negligible below the first, large from the second: change in Nagelkerke's R^2. Jodoin & Gierl
# (2001) carried SIBTEST's limits over to R^2 for binary items; Zumbo & Thomas (1997) took
# Cohen's. Neither was made for polytomous items: settings, not law.
JODOIN_GIERL = (0.035, 0.070)
ZUMBO_THOMAS = (0.13, 0.26)

TESTS = ("total", "uniform", "nonuniform")


def ordinal(
    counts: Cells,
    *,
    alpha: float = 0.05,
    jodoin_gierl: tuple[float, float] = JODOIN_GIERL,
    zumbo_thomas: tuple[float, float] = ZUMBO_THOMAS,
) -> DifResult:
    """Ordinal logistic DIF: M1 match; M2 + group; M3 + group x match.

    P(Y <= j) = F(alpha_j - x beta), so a positive group effect says that the focal group
    scores higher than the reference group at the same match. The strata are the matching
    variable, so they must be numbers: count cells with the unbinned total. All persons with
    group and match are used, also in strata of one group. Score points that nobody got are
    left out; with more than `MAX_POINTS` distinct scores they are whole numbers, halves up.

    Parameters
    ----------
    counts : Cells
        Of two or more groups, with numeric strata.
    alpha : float
        Significance for the classes, of the total test.
    jodoin_gierl, zumbo_thomas : pair of float
        Limits of the classes B and C on `nagelkerke_change`.

    Returns
    -------
    DifResult
        Columns n_reference, n_focal (with more than two groups: n_<group> of each); for
        each test of total (M3 against M1), uniform (M2 against M1) and nonuniform (M3
        against M2): lr_<test>, lr_<test>_df, lr_<test>_p, wald_<test>, wald_<test>_p (same
        df; total and nonuniform from M3, uniform from M2); nagelkerke_change,
        mcfadden_change, coxsnell_change (R^2 of M3 minus M1), nagelkerke_uniform (M2 minus
        M1), nagelkerke_nonuniform (M3 minus M2); group_effect and its _se (M2's log-odds,
        focal minus reference), group_by_match and its _se (M3's, per SD of the match); with
        more than two groups these four once a focal group, as group_effect_<group>;
        jodoin_gierl and zumbo_thomas (A, B, C; A also where not significant; "" where not
        estimable); estimable, reason.

    Notes
    -----
    df are G - 1 a step for G groups. Under impact the non-uniform test rejects too often
    (METHODS.md: .16 at 1 SD and 1,000 a group). Wald statistics use the observed
    information. R^2: Nagelkerke's divides Cox and Snell's by the most that it can be;
    McFadden's is 1 - loglik/loglik of thresholds alone. Estimates are those of R's
    `ordinal::clm`; VGAM, and so difNLR, stops iterating up to 4e-6 away.

    References
    ----------
    Zumbo, B. D. (1999). A handbook on the theory and methods of DIF. Nagelkerke, N. J. D.
    (1991). Biometrika 78, 691-692. Jodoin, M. G., & Gierl, M. J. (2001). Applied
    Measurement in Education 14, 329-349. Zumbo, B. D., & Thomas, D. R. (1997). A measure
    of effect size for a model-based approach for studying DIF. UNBC.
    """
    rows = {}
    for item in counts.items:
        points = counts.points(item)
        row = _row(points, counts)
        for name, limits in (("jodoin_gierl", jodoin_gierl), ("zumbo_thomas", zumbo_thomas)):
            row[name] = classify_r2(float(row["nagelkerke_change"]), float(row["lr_total_p"]), limits, alpha)
        reason = str(row.pop("reason"))
        rows[item] = {**row, "estimable": not reason, "reason": reason}
    return DifResult.of("ordinal logistic", rows)


def ordinal_kernel(counts: ItemCounts, *, start: Sequence[Array] | None = None) -> dict[str, Array]:
    """The statistics of `ordinal` for any leading axes, p values and classes apart.

    Parameters
    ----------
    counts : ItemCounts
        n (..., K, G, S). All strata are used, whichever groups they hold.
    start : three arrays (..., parameters), optional
        `nested_fits(original).params`, to start resamples of the same item from.

    Returns
    -------
    dict of str to array (...)
        NaN where a model has no maximum. With more than two groups the effects are called
        group_effect_1 and so on, by position in the groups.
    """
    return ordinal_statistics(nested_fits(counts, start=start))


def ordinal_statistics(fits: NestedFits) -> dict[str, Array]:
    """What `ordinal_kernel` returns, from models that have been fitted."""
    steps = fits.patterns.n_focal_groups
    _, m2, m3 = fits.models
    uniform, full = m2.slope_covariance(), m3.slope_covariance()
    groups, by_match = np.arange(1, 1 + steps), np.arange(1 + steps, 1 + 2 * steps)
    r2 = fits.r_squared
    out = {
        "lr_total": fits.ratio(1, 3),
        "lr_uniform": fits.ratio(1, 2),
        "lr_nonuniform": fits.ratio(2, 3),
        "wald_total": _wald(m3.slopes, full, np.concatenate([groups, by_match])),
        "wald_uniform": _wald(m2.slopes, uniform, groups),
        "wald_nonuniform": _wald(m3.slopes, full, by_match),
        **{f"{name}_change": values[2] - values[0] for name, values in r2.items()},
        "nagelkerke_uniform": r2["nagelkerke"][1] - r2["nagelkerke"][0],
        "nagelkerke_nonuniform": r2["nagelkerke"][2] - r2["nagelkerke"][1],
    }
    for step in range(steps):
        tag = "" if steps == 1 else f"_{step + 1}"
        effect, product = int(groups[step]), int(by_match[step])
        out[f"group_effect{tag}"] = m2.slopes[..., effect]
        out[f"group_effect{tag}_se"] = np.sqrt(uniform[..., effect, effect])
        out[f"group_by_match{tag}"] = m3.slopes[..., product] * fits.patterns.spread
        out[f"group_by_match{tag}_se"] = np.sqrt(full[..., product, product]) * fits.patterns.spread
    return out


def _wald(slopes: Array, covariance: Array, which: npt.NDArray[np.int64]) -> Array:
    """Wald chi-square of some slopes being 0."""
    value = slopes[..., which]
    block = covariance[..., which[:, None], which]
    lost = np.asarray(np.isnan(block).any(axis=(-2, -1)))
    block = np.where(lost[..., None, None], np.eye(len(which)), block)
    chi2 = (value * np.linalg.solve(block, value[..., None])[..., 0]).sum(axis=-1)
    return np.asarray(np.where(lost, np.nan, chi2))


def _row(points: ItemCounts, cells: Cells) -> dict[str, float | int | str]:
    two = len(cells.groups) == 2
    names = ("n_reference", "n_focal") if two else tuple(f"n_{name}" for name in cells.groups)
    sizes = [int(size) for size in points.n.sum(axis=(0, 2))]
    row: dict[str, float | int | str] = dict(zip(names, sizes, strict=True))
    reason = why_no_regression(points, cells)
    fits = nested_fits(nobody(len(cells.groups)) if reason else points)
    reason = reason or why_no_fit(fits.models)
    found = {
        name: float("nan") if reason else float(value) for name, value in ordinal_statistics(fits).items()
    }
    steps = len(cells.groups) - 1
    for test in TESTS:
        df = steps * (2 if test == "total" else 1)
        row[f"lr_{test}"] = found.pop(f"lr_{test}")
        row[f"lr_{test}_df"] = df
        row[f"lr_{test}_p"] = float(chdtrc(df, row[f"lr_{test}"]))
    for test in TESTS:
        row[f"wald_{test}"] = found.pop(f"wald_{test}")
        row[f"wald_{test}_p"] = float(chdtrc(row[f"lr_{test}_df"], row[f"wald_{test}"]))
    return {**row, **{_named(name, cells.groups): value for name, value in found.items()}, "reason": reason}


def _named(name: str, groups: Sequence[str]) -> str:
    """group_effect_1_se -> group_effect_<group>_se."""
    for position, group in enumerate(groups):
        for stem in ("group_effect", "group_by_match"):
            if name.removesuffix("_se") == f"{stem}_{position}":
                return name.replace(f"_{position}", f"_{group}", 1)
    return name


def classify_r2(change: float, p: float, limits: tuple[float, float], alpha: float) -> str:
    """Class of a change in Nagelkerke's R^2: A (small or not significant), B, C; "" if NaN."""
    if np.isnan(change) or np.isnan(p):
        return ""
    if p >= alpha or change < limits[0]:
        return "A"
    return "B" if change < limits[1] else "C"
