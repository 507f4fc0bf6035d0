"""Intervals for QWK and r: persons are resampled, with all their responses."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.agreement.resampling import resample
from psyalign.agreement.sums import PairSums, pair_kernel, pair_sums
from psyalign.foundation.draws import percentile_interval
from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.seeds import generator
from psyalign.foundation.tables import require_columns

__all__ = ["bootstrap_agreement"]

Array = npt.NDArray[np.float64]
Key = tuple[str, str]


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
        high, change, change_low, change_high. All other metrics, groups and tests:
        `evaluation_intervals`.
    """
    if replicates < 1:
        raise UsageError("At least one replicate is needed.", where="replicates")
    known = {arm: _known(frame, arm) for arm, frame in frames.items()}
    persons = sorted({person for frame in known.values() for person in frame["person"]}, key=str)
    if not persons:
        raise DataError("There is no response with human, modal and expected score.", where="agreement")
    sums = {arm: _sums(frame, persons) for arm, frame in known.items()}

    def statistic(weights: Array) -> dict[Key, Array]:
        found: dict[Key, Array] = {}
        for arm, (modal, expected) in sums.items():
            found[arm, "qwk"] = pair_kernel(modal, weights)["qwk"]
            found[arm, "r"] = pair_kernel(expected, weights)["r"]
        return found

    rng = generator(seed, "agreement", "bootstrap")
    drawn = resample(statistic, len(persons), replicates=replicates, seed=rng).values
    rows = []
    for (arm, metric), values in drawn.items():
        start = None if arm == baseline else drawn.get((baseline, metric))
        change = np.full_like(values, np.nan) if start is None else values - start
        low, high = percentile_interval(values[1:], level)
        change_low, change_high = percentile_interval(change[1:], level)
        rows.append({
            "arm": arm, "metric": metric, "value": values[0], "low": low, "high": high,
            "change": change[0], "change_low": change_low, "change_high": change_high,
        })  # fmt: skip
    return pd.DataFrame(rows)


def _known(frame: pd.DataFrame, arm: str) -> pd.DataFrame:
    require_columns(frame, ["person", "item", "human", "modal", "expected"], arm)
    return frame[frame[["human", "modal", "expected"]].notna().all(axis=1)]


def _sums(frame: pd.DataFrame, persons: list[object]) -> tuple[PairSums, PairSums]:
    """Sums of the modal and of the expected score."""
    index = pd.Index(persons, dtype=object)
    who = np.asarray(index.get_indexer(pd.Index(frame["person"])), dtype=np.int64)
    human, modal, expected = (frame[name].to_numpy(dtype=float) for name in ("human", "modal", "expected"))
    of_modal, of_expected = (
        pair_sums(human, score, who, len(persons), pointwise=False) for score in (modal, expected)
    )
    return of_modal, of_expected
