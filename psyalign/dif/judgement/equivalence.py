"""Two one-sided tests: DIF shown negligible, which "not significant" does not show."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri

from psyalign.dif.judgement.classes import ES_MODERATE
from psyalign.foundation.errors import UsageError
from psyalign.foundation.tables import require_columns

__all__ = ["SHOWN", "effect_sizes", "equivalent"]

SHOWN = ("negligible", "present", "not shown")


def equivalent(
    es: pd.Series, se: pd.Series, *, bound: float = ES_MODERATE, alpha: float = 0.05
) -> pd.DataFrame:
    """Test that |ES| is below a bound: two one-sided z tests (Schuirmann, 1987).

    p_equivalence is the larger p of the tests of ES <= -bound and ES >= bound. It is below
    alpha exactly if the 1 - 2 alpha interval (90%) lies inside the bounds.

    Parameters
    ----------
    es, se : pandas.Series
        Effect size by item, focal minus reference, and its standard error: see
        `effect_sizes`. Any other estimate with a normal error will do, with its own bound.
    bound : float
        Smallest ES that matters. Default .17, the bound of class AA.
    alpha : float
        Size of each one-sided test, and of the two-sided test of ES = 0.

    Returns
    -------
    pandas.DataFrame
        Indexed as `es`. Columns es, se, p (two-sided, of ES = 0), p_equivalence, low, high
        (the 1 - 2 alpha interval), shown, estimable, reason. `shown` is "negligible" if
        p_equivalence < alpha, also where the ES differs significantly from 0; else "present"
        if p < alpha (it differs from 0, and may or may not exceed the bound: see the
        interval); else "not shown": too few persons to say either.

    Raises
    ------
    UsageError
        Bound not above 0, alpha not between 0 and .5, `es` and `se` of different items.

    References
    ----------
    Schuirmann, D. J. (1987). Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680.
    Wells, C. S., Cohen, A. S., & Patton, J. (2009). A range-null hypothesis approach for
    testing DIF under the Rasch model. International Journal of Testing 9, 310-332.

    Examples
    --------
    >>> found = equivalent(pd.Series([0.02, 0.40, 0.10]), pd.Series([0.05, 0.05, 0.12]))
    >>> found["shown"].tolist()
    ['negligible', 'present', 'not shown']
    """
    if not bound > 0:
        raise UsageError("The bound must be above 0.", where="bound")
    if not 0 < alpha < 0.5:
        raise UsageError("alpha must lie between 0 and .5.", where="alpha")
    if not es.index.equals(se.index):
        raise UsageError("Effect sizes and standard errors are of different items.", where="se")
    value, error = es.to_numpy(dtype=float), se.to_numpy(dtype=float)
    known = np.isfinite(value) & np.isfinite(error) & (error > 0)
    value, error = np.where(known, value, np.nan), np.where(known, error, np.nan)
    p = 2 * ndtr(-np.abs(value) / error)
    # the larger of the two one-sided p is the one against the nearer bound
    p_equivalence = ndtr((np.abs(value) - bound) / error)
    reach = float(-ndtri(alpha)) * error
    shown = np.select([p_equivalence < alpha, p < alpha, known], SHOWN, default="")
    return pd.DataFrame(
        {
            "es": es.astype(float),
            "se": se.astype(float),
            "p": p,
            "p_equivalence": p_equivalence,
            "low": value - reach,
            "high": value + reach,
            "shown": shown,
            "estimable": known,
            "reason": np.where(known, "", "no effect size with an error above 0"),
        },
        index=es.index,
    )


def effect_sizes(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """ES and its standard error from a table of `smd`: SMD / SD and se / SD.

    The SD is taken as known. Its own sampling error adds about ES^2 / (2 n) to the
    variance: at ES = .17 and 200 persons 1% of a standard error of .1.
    """
    require_columns(table, ["es", "se", "sd"], "SMD table")
    sd = table["sd"].astype(float)
    error: npt.NDArray[np.float64] = (table["se"] / sd.where(sd > 0)).to_numpy(dtype=float)
    return table["es"].astype(float), pd.Series(error, index=table.index, name="es_se")
