"""Agreement of a scorer with human scores, by RSMTool's definitions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from psyalign.agreement.pairs import pair_metrics
from psyalign.foundation.errors import DataError

__all__ = ["METRICS", "MODAL", "agreement"]

# Of the modal score; the others are of the expected score.
MODAL = ("qwk", "kappa", "kappa_linear", "exact", "adjacent")
METRICS = (
    "qwk", "qwk_continuous", "exact", "adjacent", "r", "smd", "smd_pooled", "rmse", "sd_ratio",
    "kappa", "kappa_linear", "r2", "mse",
)  # fmt: skip


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
        Human score, the scorer's most probable score point, its expected score. (Of an engine with
        one score: the rounded and the trimmed score of `score_types`.) Responses with a missing
        value in any of the three are left out.
    human_sd, expected_sd : float, optional
        SDs of the population that `smd` and `smd_pooled` are standardised by;
        default those of these responses. Groups take the whole sample's.

    Returns
    -------
    dict
        n, and floats (NaN where undefined; formulas: `pair_metrics`):

        - qwk, kappa, kappa_linear: quadratically weighted, unweighted and linearly weighted kappa of
          the modal score
        - qwk_continuous: 2 Cov / (Var + Var + (difference of means)^2) of the expected score, ddof 0
        - exact, adjacent: shares (0 to 1) of modal scores equal to, at most 1 from, the human score
        - r, r2, rmse, mse: Pearson correlation, 1 - SSE/SST, (root) mean squared error of the expected score
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
    rounded = pair_metrics(h, m)
    expected_ = pair_metrics(h, e, human_sd=human_sd, score_sd=expected_sd)
    expected_["qwk_continuous"] = expected_["qwk"]
    found = {name: (rounded if name in MODAL else expected_)[name] for name in METRICS}
    return {"n": len(h), **found}
