"""Logistic-regression DIF for binary items (Swaminathan & Rogers, 1990)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from psyalign.dif.counts.cells import Cells
from psyalign.dif.counts.points import ItemCounts
from psyalign.dif.methods.nested import NestedFits, nested_fits, nobody, why_no_fit, why_no_regression
from psyalign.dif.methods.ordinal import JODOIN_GIERL, ZUMBO_THOMAS, classify_r2, ordinal_statistics
from psyalign.dif.result import DifResult

__all__ = ["logistic", "logistic_kernel"]

Array = npt.NDArray[np.float64]

TESTS = {"total": 2, "uniform": 1, "nonuniform": 1}
FULL = ("intercept", "match", "group", "group_by_match")
UNIFORM = ("uniform_intercept", "uniform_match", "uniform_group")


def logistic(
    counts: Cells,
    *,
    alpha: float = 0.05,
    jodoin_gierl: tuple[float, float] = JODOIN_GIERL,
    zumbo_thomas: tuple[float, float] = ZUMBO_THOMAS,
) -> DifResult:
    """Logistic DIF of items with two score points: M1 match; M2 + group; M3 + group x match.

    logit P(upper score) = intercept + match m + group g + group_by_match g m, where m is the
    stratum as it is (not standardised) and g is 1 for the focal group: a positive group
    coefficient says that the focal group scores higher at m = 0. The models are those of
    `ordinal`, and so are the tests.

    Parameters
    ----------
    counts : Cells
        Of two groups, with numeric strata. All persons with group and match are used.
    alpha, jodoin_gierl, zumbo_thomas
        Of the classes: see `ordinal`.

    Returns
    -------
    DifResult
        Columns n_reference, n_focal, and with the prefix "logistic_": for each test of total
        (M3 against M1, 2 df; difR's "both"), uniform (M2 against M1, "udif") and nonuniform
        (M3 against M2, "nudif") lr_<test>, lr_<test>_p, wald_<test>, wald_<test>_p;
        nagelkerke_<test> and coxsnell_<test> (R^2 of the larger model minus the smaller's),
        mcfadden_total; intercept, match, group, group_by_match of M3 and uniform_intercept,
        uniform_match, uniform_group of M2, each with its _se; jodoin_gierl, zumbo_thomas (A,
        B, C of the total test). Then estimable, reason.

    Raises
    ------
    UsageError
        More than two groups: `ordinal` takes several, for binary items too.

    Notes
    -----
    difR 5.1 takes exp(-deviance / 2), which underflows to 0 where the null deviance exceeds
    some 1,490: what it prints as Nagelkerke's change is Cox and Snell's there. Here each is
    what its name says. Standard errors and Wald statistics here are those at the maximum; R's
    `glm`, and so difR, takes the covariance of the step before, and differs by up to 2e-4.

    References
    ----------
    Swaminathan, H., & Rogers, H. J. (1990). Journal of Educational Measurement 27, 361-370.
    Jodoin, M. G., & Gierl, M. J. (2001). Applied Measurement in Education 14, 329-349.
    """
    counts.need_two("Logistic DIF")
    rows = {}
    for item in counts.items:
        row = _row(counts.points(item), counts)
        change, p = float(row["logistic_nagelkerke_total"]), float(row["logistic_lr_total_p"])
        for name, limits in (("jodoin_gierl", jodoin_gierl), ("zumbo_thomas", zumbo_thomas)):
            row[f"logistic_{name}"] = classify_r2(change, p, limits, alpha)
        reason = row.pop("reason")
        rows[item] = {**row, "estimable": not reason, "reason": reason}
    return DifResult.of("logistic", rows)


def logistic_kernel(counts: ItemCounts, *, start: Sequence[Array] | None = None) -> dict[str, Array]:
    """The numbers of `logistic` for any leading axes, p values and classes apart.

    Parameters
    ----------
    counts : ItemCounts
        n (..., K, 2, 2).
    start : three arrays, optional
        `nested_fits(original).params`, as in `ordinal_kernel`.

    Returns
    -------
    dict of str to array (...)
        NaN where a model has no maximum, and with another number of score points than two.
    """
    if len(counts.score) != 2:
        nothing = np.zeros((*counts.n.shape[:-1], 2))
        counts, start = ItemCounts(nothing, counts.stratum, np.array([0.0, 1.0])), None
    return _statistics(nested_fits(counts, start=start))


def _statistics(fits: NestedFits) -> dict[str, Array]:
    shared = ordinal_statistics(fits)
    r2 = fits.r_squared
    out = {f"{kind}_{test}": shared[f"{kind}_{test}"] for kind in ("lr", "wald") for test in TESTS}
    for name in ("nagelkerke", "coxsnell"):
        first, second, third = r2[name]
        out |= {
            f"{name}_total": third - first,
            f"{name}_uniform": second - first,
            f"{name}_nonuniform": third - second,
        }
    out["mcfadden_total"] = shared["mcfadden_change"]
    for names, model in ((FULL, 3), (UNIFORM, 2)):
        for name, (value, se) in zip(names, _raw(fits, model), strict=True):
            out[name], out[f"{name}_se"] = value, se
    return {f"logistic_{name}": value for name, value in out.items()}


def _raw(fits: NestedFits, model: int) -> list[tuple[Array, Array]]:
    """Coefficients of M2 or M3 and their standard errors on the match's own scale.

    With x = (m - centre) / unit: -alpha + b x + c g + d g x
    = (-alpha - b centre/unit) + (b/unit) m + (c - d centre/unit) g + (d/unit) g m.
    """
    unit, shift = fits.patterns.unit, fits.patterns.centre / fits.patterns.unit
    change = np.array([[-1, -shift, 0, 0], [0, 1 / unit, 0, 0], [0, 0, 1, -shift], [0, 0, 0, 1 / unit]])[
        : model + 1, : model + 1
    ]
    fit = fits.models[model - 1]
    values = fit.params @ change.T
    variances = np.einsum("ij,...jk,ik->...i", change, fit.covariance, change)
    return [(values[..., i], np.sqrt(variances[..., i])) for i in range(model + 1)]


def _row(points: ItemCounts, cells: Cells) -> dict[str, float | int | str]:
    reason = why_no_regression(points, cells)
    if not reason and len(points.score) > 2:
        reason = f"the item has {len(points.score)} score points, and logistic DIF takes two: see ordinal"
    fits = nested_fits(nobody(2) if reason else points)
    reason = reason or why_no_fit(fits.models)
    found = {name: float("nan") if reason else float(value) for name, value in _statistics(fits).items()}
    n_reference, n_focal = points.n.sum(axis=(0, 2))
    row: dict[str, float | int | str] = {"n_reference": int(n_reference), "n_focal": int(n_focal)}
    for name, value in found.items():
        row[name] = value
        kind, _, test = name.removeprefix("logistic_").partition("_")
        if kind in ("lr", "wald"):
            row[f"{name}_p"] = float(chdtrc(TESTS[test], value))
    return {**row, "reason": reason}
