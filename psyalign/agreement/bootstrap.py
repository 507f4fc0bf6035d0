"""Intervals for QWK and r: persons are resampled, with all their responses."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.seeds import generator
from psyalign.foundation.tables import require_columns

__all__ = ["bootstrap_agreement"]

Array = npt.NDArray[np.float64]


def bootstrap_agreement(
    frames: Mapping[str, pd.DataFrame],
    *,
    replicates: int = 1000,
    seed: int = 0,
    baseline: str = "baseline",
    level: float = 0.95,
) -> pd.DataFrame:
    """Person-clustered percentile intervals for QWK and r, and for their change.

    Parameters
    ----------
    frames : mapping of str to pandas.DataFrame
        By arm: one row a response with person, item, human, modal, expected. The same
        persons are drawn for all arms, so that changes are paired.
    replicates : int
        Number of resamples, at least 1.
    seed : int
        The study's seed.
    baseline : str
        Arm that changes are counted from; need not be there (then NaN).
    level : float
        Coverage.

    Returns
    -------
    pandas.DataFrame
        Columns arm, metric ("qwk" of the modal, "r" of the expected score), value, low,
        high, change, change_low, change_high.
    """
    if replicates < 1:
        raise UsageError("At least one replicate is needed.", where="replicates")
    sums = {arm: _person_sums(frame, arm) for arm, frame in frames.items()}
    persons = sorted({person for table in sums.values() for person in table.index}, key=str)
    if not persons:
        raise DataError("There is no response with human, modal and expected score.", where="agreement")
    n = len(persons)
    draws = generator(seed, "agreement", "bootstrap").multinomial(n, np.full(n, 1 / n), size=replicates)
    weights = np.vstack([np.ones((1, n)), draws])  # row 0 is the sample itself
    values = {
        arm: _qwk_and_r(weights @ table.reindex(persons, fill_value=0.0).to_numpy())
        for arm, table in sums.items()
    }
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    start = values.get(baseline)
    rows = []
    for arm, by_metric in values.items():
        for metric, drawn in by_metric.items():
            change = (
                np.full_like(drawn, np.nan) if start is None or arm == baseline else drawn - start[metric]
            )
            low, high = _interval(drawn[1:], tails)
            change_low, change_high = _interval(change[1:], tails)
            rows.append({
                "arm": arm, "metric": metric, "value": drawn[0], "low": low, "high": high,
                "change": change[0], "change_low": change_low, "change_high": change_high,
            })  # fmt: skip
    return pd.DataFrame(rows)


def _person_sums(frame: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Sums over a person's responses that QWK and r are made of; scores centred on the mean human score."""
    require_columns(frame, ["person", "item", "human", "modal", "expected"], arm)
    known = frame[frame[["human", "modal", "expected"]].notna().all(axis=1)]
    h, m, e = (known[name].to_numpy(dtype=float) for name in ("human", "modal", "expected"))
    centre = h.mean() if len(h) else 0.0
    h, m, e = h - centre, m - centre, e - centre
    columns = {"n": np.ones_like(h), "h": h, "hh": h * h, "m": m, "mm": m * m, "hm": h * m}
    columns |= {"e": e, "ee": e * e, "he": h * e}
    return pd.DataFrame({"person": known["person"].to_numpy(), **columns}).groupby("person").sum()


def _qwk_and_r(sums: Array) -> dict[str, Array]:
    """QWK and r of each draw from its sums, (B + 1, 9) in the order of `_person_sums`."""
    n = np.where(sums[:, 0] > 0, sums[:, 0], np.nan)
    h, hh, m, mm, hm, e, ee, he = (sums[:, column] / n for column in range(1, 9))
    var_h, var_m, var_e = hh - h * h, mm - m * m, ee - e * e
    return {
        "qwk": _ratio(2 * (hm - h * m), var_h + var_m + (h - m) ** 2),
        "r": _ratio(he - h * e, np.sqrt(np.maximum(var_h * var_e, 0.0))),
    }


def _ratio(above: Array, below: Array) -> Array:
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 1e-14)


def _interval(draws: Array, tails: Array) -> tuple[float, float]:
    known = draws[np.isfinite(draws)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, tails)
    return float(low), float(high)
