"""Agreement of a scorer with human scores, by RSMTool's definitions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from psyalign.foundation.errors import DataError

__all__ = ["METRICS", "agreement"]

Array = npt.NDArray[np.float64]

METRICS = ("qwk", "qwk_continuous", "exact", "adjacent", "r", "smd", "smd_pooled", "rmse", "sd_ratio")


def agreement(
    human: npt.ArrayLike,
    modal: npt.ArrayLike,
    expected: npt.ArrayLike,
    *,
    human_sd: float | None = None,
    expected_sd: float | None = None,
) -> dict[str, float]:
    """Agreement statistics of one set of responses.

    Parameters
    ----------
    human, modal, expected : array_like, shape (n,)
        Human score, the scorer's most probable score point, its expected score.
        Responses with a missing value in any of the three are left out.
    human_sd, expected_sd : float, optional
        SDs of the population that `smd` and `smd_pooled` are standardised by;
        default those of these responses. Groups take the whole sample's.

    Returns
    -------
    dict
        n, and floats (NaN where undefined):

        - qwk: quadratically weighted kappa of the modal score
        - qwk_continuous: 2 Cov / (Var + Var + (difference of means)^2) of the expected score, ddof 0
        - exact, adjacent: shares (0 to 1) of modal scores equal to, at most 1 from, the human score
        - r, rmse: Pearson correlation and root mean squared error of the expected score
        - smd: (mean expected - mean human) / SD of human ("unpooled"; with population SDs "johnson")
        - smd_pooled: the same over sqrt((SD_human^2 + SD_expected^2) / 2) ("pooled", "williamson")
        - sd_ratio: SD of expected / SD of human scores, of these responses

        SDs have ddof 1.

    Raises
    ------
    DataError
        Arrays of different length.

    References
    ----------
    Madnani, N., & Loukina, A. (2016). RSMTool. JOSS 1(3), 33. Williamson, D. M., Xi, X., & Breyer,
    F. J. (2012). Educational Measurement: Issues and Practice 31, 2-13. Haberman, S. J. (2019).
    ETS Research Report RR-19-46 (QWK of continuous scores).
    """
    h, m, e = (np.asarray(values, dtype=float).ravel() for values in (human, modal, expected))
    if not len(h) == len(m) == len(e):
        raise DataError(
            "Human, modal and expected scores differ in number.", where=f"{len(h)}, {len(m)}, {len(e)}"
        )
    known = np.isfinite(h) & np.isfinite(m) & np.isfinite(e)
    h, m, e = h[known], m[known], e[known]
    if not len(h):
        return {"n": 0, **dict.fromkeys(METRICS, float("nan"))}
    sd_h, sd_e = _sd(h), _sd(e)
    unit = sd_h if human_sd is None else human_sd
    pooled = np.sqrt((unit**2 + (sd_e if expected_sd is None else expected_sd) ** 2) / 2)
    bias = float(e.mean() - h.mean())
    return {
        "n": len(h),
        "qwk": _concordance(h, m),
        "qwk_continuous": _concordance(h, e),
        "exact": float((h == m).mean()),
        "adjacent": float((np.abs(h - m) <= 1).mean()),
        "r": _ratio(_covariance(h, e), float(np.sqrt(h.var() * e.var()))),
        "smd": _ratio(bias, unit),
        "smd_pooled": _ratio(bias, float(pooled)),
        "rmse": float(np.sqrt(((h - e) ** 2).mean())),
        "sd_ratio": _ratio(sd_e, sd_h),
    }


def _concordance(h: Array, m: Array) -> float:
    """QWK: for whole scores the same number as from the two-way table, without the table."""
    return _ratio(2 * _covariance(h, m), float(h.var() + m.var() + (h.mean() - m.mean()) ** 2))


def _covariance(a: Array, b: Array) -> float:
    return float(((a - a.mean()) * (b - b.mean())).mean())


def _sd(values: Array) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def _ratio(above: float, below: float) -> float:
    # rounding leaves a constant with a variance of about 1e-32
    return above / below if below > 1e-14 else float("nan")
