"""What an SMD and its error say about the size of DIF: all judgements of the room in one table."""

from __future__ import annotations

import pandas as pd
from scipy.special import ndtri

from psyalign.dif.judgement.classes import ES_LARGE, ES_MODERATE
from psyalign.dif.judgement.detectable import minimum_detectable
from psyalign.dif.judgement.equivalence import effect_sizes, equivalent
from psyalign.dif.judgement.shrinkage import shrink

__all__ = ["judge_sizes"]


def judge_sizes(
    table: pd.DataFrame, *, moderate: float = ES_MODERATE, large: float = ES_LARGE, alpha: float = 0.05
) -> pd.DataFrame:
    """Add to a table of SMDs what they show, how large DIF probably is, and what could have been seen.

    Parameters
    ----------
    table : pandas.DataFrame
        Indexed by item, one row each, with the columns of `smd`: the items of one set of
        scores and one focal group, because shrinkage borrows from the other rows.
    moderate, large : float
        Thresholds on |ES|. The first is the bound of equivalence.
    alpha : float
        Of each one-sided test, of the interval (1 - alpha) and of the smallest detectable ES.

    Returns
    -------
    pandas.DataFrame
        The table with es_se, es_low, es_high (interval of ES); p_equivalence and shown
        ("negligible", "present", "not shown", "" where not estimable; see `equivalent`);
        eb_es, eb_sd, eb_p_a, eb_p_b, eb_p_c (see `shrink`; NaN with fewer than two items); mde and
        smallest_bound at power .80 (see `minimum_detectable`).

    Raises
    ------
    DataError
        A column of `smd` is missing.
    UsageError
        Thresholds not ascending and above 0; alpha not between 0 and .5.
    """
    es, error = effect_sizes(table)
    reach = float(-ndtri(alpha / 2)) * error
    shown = equivalent(es, error, bound=moderate, alpha=alpha)
    shrunk = shrink(es, error, thresholds=(moderate, large))
    detectable = minimum_detectable(table, alpha=alpha).set_index("item")
    return table.assign(
        es_se=error,
        es_low=es - reach,
        es_high=es + reach,
        p_equivalence=shown["p_equivalence"],
        shown=shown["shown"],
        eb_es=shrunk["posterior_mean"],
        eb_sd=shrunk["posterior_sd"],
        eb_p_a=shrunk["p_a"],
        eb_p_b=shrunk["p_b"],
        eb_p_c=shrunk["p_c"],
        mde=detectable["mde"],
        smallest_bound=detectable["smallest_bound"],
    )
