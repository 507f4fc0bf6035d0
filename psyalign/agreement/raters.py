"""What human raters agree on among themselves, and what is left of the machine's agreement beside it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.agreement.pairs import pair_metrics
from psyalign.agreement.sums import ratio
from psyalign.foundation.errors import DataError
from psyalign.foundation.tables import require_columns

__all__ = ["DEGRADATION", "degradation", "disattenuated_r", "human_consistency", "ratings_matrix"]

Array = npt.NDArray[np.float64]

# Metrics that degradation is reported for.
DEGRADATION = ("r", "qwk", "kappa", "kappa_linear", "exact", "adjacent", "smd")


def human_consistency(human: npt.ArrayLike, human2: npt.ArrayLike) -> dict[str, float]:
    """Agreement of two human scores of the same responses: RSMTool's block "consistency".

    Of the responses that have both. Metrics of `pair_metrics` with the second rating in the place of
    the machine; `smd` is the pooled one, as neither rating is the criterion (RSMTool's convention), and
    the metrics of prediction (r2, rmse, mse) are left out.
    """
    found = pair_metrics(human, human2)
    found["smd"] = found.pop("smd_pooled")
    return {name: value for name, value in found.items() if name not in ("r2", "rmse", "mse")}


def degradation(human: npt.ArrayLike, score: npt.ArrayLike, human2: npt.ArrayLike) -> dict[str, float]:
    """What is lost where the machine takes the second human's place: human–human minus human–machine.

    Above 0: the machine agrees less with the first human than a second human does. RSMTool prints the
    same numbers with the other sign; Williamson et al. (2012) accept up to .10 for QWK and r.

    Parameters
    ----------
    human, score, human2 : array_like, shape (n,)
        Human–machine agreement is of all responses with `human` and `score`; human–human of those with
        `human` and `human2` (RSMTool's default).

    Returns
    -------
    dict
        The metrics `DEGRADATION`; of `smd` the human–human one is pooled, the human–machine one not.
    """
    machine, humans = pair_metrics(human, score), human_consistency(human, human2)
    return {name: humans[name] - machine[name] for name in DEGRADATION}


def disattenuated_r(r_human_machine: npt.ArrayLike, r_human_human: npt.ArrayLike) -> Array:
    """Correlation of the machine with the human true score: r_HM / sqrt(r_HH); NaN where r_HH is not above 0.

    Spearman (1904), corrected for the error of one human score; the machine's own is not corrected.
    It can exceed 1.
    """
    above, below = np.broadcast_arrays(
        np.asarray(r_human_machine, dtype=float), np.asarray(r_human_human, dtype=float)
    )
    with np.errstate(invalid="ignore"):
        return np.asarray(ratio(above.astype(float), np.sqrt(np.where(below > 0, below, np.nan))))


def ratings_matrix(ratings: pd.DataFrame) -> tuple[pd.DataFrame, Array]:
    """Ratings in any number and by any raters, as a matrix: a row a response, NaN where there is no more.

    Parameters
    ----------
    ratings : pandas.DataFrame
        person, item, score; one row a rating. Who rated does not matter here: raters are taken as
        exchangeable, so a column of the matrix is no rater.

    Returns
    -------
    (pandas.DataFrame, array (n, R))
        person and item of each row (sorted), and the matrix; R is the largest number of ratings.
    """
    require_columns(ratings, ["person", "item", "score"], "ratings")
    known = ratings[ratings["score"].notna()]
    if known.empty:
        raise DataError("There is no rating.", where="ratings")
    groups = known.groupby(["person", "item"], sort=True)
    row, place = groups.ngroup().to_numpy(), groups.cumcount().to_numpy()
    matrix = np.full((groups.ngroups, int(place.max()) + 1), np.nan)
    matrix[row, place] = known["score"].to_numpy(dtype=float)
    return groups.size().reset_index()[["person", "item"]], matrix
