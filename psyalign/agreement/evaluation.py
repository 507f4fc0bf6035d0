"""Every agreement figure of every arm and group with an interval, from one set of resampled persons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.agreement.metrics import METRICS, MODAL
from psyalign.agreement.raters import DEGRADATION, disattenuated_r
from psyalign.agreement.resampling import Interval, Resamples, resample
from psyalign.agreement.sums import PairSums, pair_kernel, pair_sums, ratio
from psyalign.agreement.truth import true_kernel, true_sums
from psyalign.foundation.errors import DataError, UsageError
from psyalign.foundation.seeds import generator
from psyalign.foundation.tables import require_columns

__all__ = ["Evaluation", "evaluation_intervals"]

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Key = tuple[str, str, str, str]

ALL = "all"


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Result of `evaluation_intervals`: `table`, and the draws behind it.

    Attributes
    ----------
    table : pandas.DataFrame
        Columns arm, grouping, level, metric, contrast, value, low, high, se, p, n_failed, reason. contrast
        is "" (the figure itself, no p), "difference" (level minus the grouping's reference level) or
        "change" (arm minus baseline, same level); p is two-sided, of H0: 0, by inversion of the percentile
        interval, not corrected for the number of tests.
    resamples : Resamples
        Keys (arm, grouping, level, metric).
    """

    table: pd.DataFrame
    resamples: Resamples

    def __repr__(self) -> str:
        whole = self.table[(self.table["grouping"] == ALL) & (self.table["contrast"] == "")]
        shown = whole[["arm", "metric", "value", "low", "high"]]
        return "Agreement with human scores, persons resampled\n" + shown.to_string(
            index=False, float_format=lambda value: f"{value:.3f}"
        )

    def noninferior(
        self, after: str, before: str, *, margin: float, metric: str = "qwk", level: float = 0.95
    ) -> dict[str, object]:
        """Is the arm `after` no worse than `before` by the margin? See `Resamples.noninferior`.

        `metric` is one of which more is better (qwk, r, exact, prmse, …).
        """
        keys = [(arm, ALL, ALL, metric) for arm in (after, before)]
        for arm, _, _, name in keys:
            if (arm, ALL, ALL, name) not in self.resamples.values:
                raise UsageError(f"There is no figure '{name}' of arm '{arm}'.", where="noninferior")
        found = self.resamples.noninferior(*keys, margin=margin, level=level)
        return {"after": after, "before": before, "metric": metric, **found}


def evaluation_intervals(
    frames: Mapping[str, pd.DataFrame],
    by: Mapping[str, Sequence[str]] | None = None,
    *,
    ratings: Sequence[str] = (),
    replicates: int = 1000,
    seed: int = 0,
    baseline: str = "baseline",
    level: float = 0.95,
    interval: Interval = "percentile",
) -> Evaluation:
    """Person-clustered intervals for all figures, overall and by group, their differences and changes.

    Parameters
    ----------
    frames : mapping of str to pandas.DataFrame
        By arm: one row a response with person, item, human, modal, expected, the attributes in `by` and
        the columns in `ratings`. The same persons are drawn for all arms and groups.
    by : mapping of str to sequence of str, optional
        Attribute -> levels, the reference level first.
    ratings : sequence of str
        Columns of human ratings, two or more, missing values allowed: adds human_r, human_qwk, …
        (agreement of the first two), degradation_r, … (human–human minus human–machine),
        r_disattenuated, and error_variance, true_variance, reliability, mse_true, rmse_true and
        prmse (`true_score`, of the expected score). By group, the difference in mse_true is OSA
        without the raters' error.
    replicates, seed, level
        Number of resamples, the study's seed, coverage.
    baseline : str
        Arm that changes are counted from; need not be there (then there is no "change").
    interval : {"percentile", "bca"}

    Returns
    -------
    Evaluation
        Metrics: `METRICS` (smd and smd_pooled of levels by the SDs of the whole resample), n, dsm
        (of levels), and those of `ratings`.

    Raises
    ------
    UsageError
        No replicates, one column of ratings.
    DataError
        Missing column, no complete response.
    """
    groups = {name: tuple(levels) for name, levels in (by or {}).items()}
    if len(ratings) == 1:
        raise UsageError("Two columns of ratings are needed, or none.", where="ratings")
    known = {arm: _known(frame, arm, groups, ratings) for arm, frame in frames.items()}
    persons = sorted({person for frame in known.values() for person in frame["person"]}, key=str)
    if not persons:
        raise DataError("There is no response with human, modal and expected score.", where="agreement")
    blocks = {arm: _blocks(frame, groups, ratings, persons) for arm, frame in known.items()}

    def statistic(weights: Array) -> dict[Key, Array]:
        found: dict[Key, Array] = {}
        for arm, by_level in blocks.items():
            whole: dict[str, Array] | None = None
            for (grouping, name), block in by_level.items():
                figures = block.figures(weights, whole)
                whole = whole or figures
                found |= {(arm, grouping, name, metric): figures[metric] for metric in figures}
        return found

    rng = generator(seed, "agreement", "bootstrap")  # the draws of `bootstrap_agreement`: the same intervals
    drawn = resample(statistic, len(persons), replicates=replicates, seed=rng, bca=interval == "bca")
    drawn = Resamples(
        *({k: v for k, v in part.items() if k[3][0] != "_"} for part in (drawn.values, drawn.without))
    )
    return Evaluation(_table(drawn, groups, baseline, level, interval), drawn)


@dataclass(frozen=True)
class _Block:
    """Sums of the responses of one level, by the persons that have any; of `humans`, by those rated twice."""

    who: Codes
    modal: PairSums
    expected: PairSums
    twice: Codes
    humans: PairSums | None
    true: Array | None

    @classmethod
    def of(cls, frame: pd.DataFrame, ratings: Sequence[str], persons: pd.Index) -> _Block:
        who, person = np.unique(_codes(frame, persons), return_inverse=True)
        person, size = np.asarray(person, dtype=np.int64), len(who)
        human, modal, expected = (
            frame[name].to_numpy(dtype=float) for name in ("human", "modal", "expected")
        )
        twice, humans, true = np.empty(0, dtype=np.int64), None, None
        if ratings:
            rated = frame[list(ratings)].to_numpy(dtype=float)
            whole = pair_sums(rated[:, 0], rated[:, 1], person, size)
            twice = np.flatnonzero(whole.table[:, 0])
            humans = replace(whole, table=whole.table[twice])
            true = true_sums(rated, expected, person, size)
        of_modal = pair_sums(human, modal, person, size)
        of_expected = pair_sums(human, expected, person, size, pointwise=False)
        return cls(who, of_modal, of_expected, twice, humans, true)

    def figures(self, weights: Array, whole: Mapping[str, Array] | None) -> dict[str, Array]:
        """All metrics; keys that start with "_" serve the levels' SMD and DSM and are no result."""
        mine = _weights_of(weights, self.who)
        unit = None
        if whole is not None:
            unit = {"human_sd": whole["_human_sd"], "score_sd": whole["_score_sd"]}
        modal, expected = pair_kernel(self.modal, mine), pair_kernel(self.expected, mine, unit)
        out = {"n": expected["n"]}
        for metric in METRICS:
            source = modal if metric in MODAL else expected
            out[metric] = source["qwk" if metric == "qwk_continuous" else metric]
        if whole is None:
            out |= {f"_{k}": expected[k] for k in ("human_mean", "human_sd", "score_mean", "score_sd")}
        else:
            machine = ratio(expected["score_mean"] - whole["_score_mean"], whole["_score_sd"])
            out["dsm"] = machine - ratio(expected["human_mean"] - whole["_human_mean"], whole["_human_sd"])
        if self.humans is not None and self.true is not None:
            humans = pair_kernel(self.humans, _weights_of(mine, self.twice))
            humans["smd"] = humans["smd_pooled"]
            out |= {f"human_{name}": humans[name] for name in DEGRADATION}
            out |= {f"degradation_{name}": humans[name] - out[name] for name in DEGRADATION}
            out["r_disattenuated"] = disattenuated_r(out["r"], humans["r"])
            out |= dict(true_kernel(self.true, mine))
        return out


def _weights_of(weights: Array, who: Codes) -> Array:
    """Weights of these persons; no copy if they are all that there are."""
    return weights[:, who] if len(who) < weights.shape[1] else weights


def _codes(frame: pd.DataFrame, persons: pd.Index) -> Codes:
    return np.asarray(persons.get_indexer(pd.Index(frame["person"])), dtype=np.int64)


def _known(
    frame: pd.DataFrame, arm: str, groups: Mapping[str, Sequence[str]], ratings: Sequence[str]
) -> pd.DataFrame:
    require_columns(frame, ["person", "item", "human", "modal", "expected", *groups, *ratings], arm)
    if frame.duplicated(["person", "item"]).any():
        raise DataError("A person and item is there twice.", where=arm)
    return frame[frame[["human", "modal", "expected"]].notna().all(axis=1)]


def _blocks(
    frame: pd.DataFrame,
    groups: Mapping[str, Sequence[str]],
    ratings: Sequence[str],
    persons: Sequence[object],
) -> dict[tuple[str, str], _Block]:
    """Whole first, then every level."""
    index = pd.Index(list(persons), dtype=object)
    out = {(ALL, ALL): _Block.of(frame, ratings, index)}
    for grouping, levels in groups.items():
        for name in levels:
            out[grouping, name] = _Block.of(frame[frame[grouping] == name], ratings, index)
    return out


def _table(
    drawn: Resamples, groups: Mapping[str, Sequence[str]], baseline: str, level: float, interval: Interval
) -> pd.DataFrame:
    rows = []
    for key in drawn.values:
        arm, grouping, name, metric = key
        start: dict[str, Key] = {}
        if grouping in groups and name != groups[grouping][0]:
            start["difference"] = (arm, grouping, groups[grouping][0], metric)
        if arm != baseline and (baseline, *key[1:]) in drawn.values:
            start["change"] = (baseline, *key[1:])
        figures = [
            ("", Resamples({"": drawn.values[key]}, {"": drawn.without[key]} if drawn.without else {}))
        ]
        figures += [(contrast, drawn.minus(key, other)) for contrast, other in start.items()]
        for contrast, part in figures:
            if contrast and metric == "n":
                continue
            (row,) = part.rows(level, kind=interval, null=0.0 if contrast else None)
            names = {"arm": arm, "grouping": grouping, "level": name, "metric": metric, "contrast": contrast}
            rows.append({**names, **{k: v for k, v in row.items() if k != "key"}})
    columns = ["value", "low", "high", "se", "p", "n_failed", "reason"]
    return pd.DataFrame(rows)[["arm", "grouping", "level", "metric", "contrast", *columns]]
