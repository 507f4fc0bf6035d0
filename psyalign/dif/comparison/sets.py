"""Two or more sets of scores of the same persons, matched on what none of them can move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.dif.comparison.change import change_table
from psyalign.dif.comparison.common import common_scores, matching_value, others, refuse_own_total
from psyalign.dif.comparison.status import item_status
from psyalign.dif.counts.cells import GROUPS, MIN_GROUP, Cells
from psyalign.dif.counts.matrix import ScoreMatrix
from psyalign.dif.counts.moments import item_moments
from psyalign.dif.judgement.classes import ES_LARGE, ES_MODERATE, adjust_p
from psyalign.dif.matching.spec import MatchSpec
from psyalign.dif.methods.mantel import mantel
from psyalign.dif.methods.smd import smd
from psyalign.dif.whole.intervals import draw, summary, why_none
from psyalign.dif.whole.statistics import STATISTICS, Statistic, chosen
from psyalign.foundation.draws import check_level, inverted_p

__all__ = ["SetComparison", "compare_sets"]

Array = npt.NDArray[np.float64]

HUMAN = "human"
# Paired tests in closed form exist for Mantel and the SMD only; changes of these are resampled.
RESAMPLED: Mapping[str, Statistic] = {
    "liu_agresti": STATISTICS["liu_agresti"],
    "ordinal": replace(
        STATISTICS["ordinal"], outputs=("group_effect", "group_by_match", "nagelkerke_change")
    ),
}
CHANGES = (
    "before", "after", "item", "statistic", "value_before", "value_after", "change", "se", "low", "high",
    "p", "p_adjusted", "mantel_z", "mantel_p", "test", "estimable", "reason",
)  # fmt: skip


@dataclass(frozen=True, repr=False)
class SetComparison:
    """DIF in several sets of scores of the same persons, and what changed.

    Attributes
    ----------
    items : pandas.DataFrame
        One row a set and item: set, item, n_reference, n_focal, smd, se, p, sd, es, es_own,
        es_class, mantel_z, mantel_p, the resampled statistics' values, estimable, reason.
    changes : pandas.DataFrame
        One row a pair of sets, item and statistic: before, after, item, statistic, value_before,
        value_after, change (after minus before), se, low, high, p, p_adjusted (over the items),
        mantel_z and mantel_p (of the differences), test ("paired" in closed form or "bootstrap"),
        estimable, reason. The paired statistic is "es", without human scores "smd".
    status : pandas.DataFrame
        One row a pair and item: before, after, item, status; see `item_status`.
    matching : str
        What persons are matched on, in words.
    left_out : int
        Scores that are not used, because another set has none for that person and item.
    replicates : int
    level : float
    """

    items: pd.DataFrame
    changes: pd.DataFrame
    status: pd.DataFrame
    matching: str
    left_out: int
    replicates: int
    level: float

    def __repr__(self) -> str:
        sets = list(dict.fromkeys(self.items["set"]))
        lines = [
            f"DIF in {len(sets)} sets of scores ({', '.join(sets)}), focal minus reference, matched on "
            f"{self.matching}; {self.level:.0%} intervals, {self.replicates:,} resamples of persons"
        ]
        if self.left_out:
            lines.append(f"{self.left_out} scores are not used, because another set has none")
        effect = self.items.pivot(index="item", columns="set", values="es").add_prefix("ES ")
        paired = self.changes[self.changes["test"] == "paired"]
        columns = ["item", "change", "low", "high", "p_adjusted", "status"]
        rows = paired.merge(self.status, on=["before", "after", "item"])
        for (before, after), mine in rows.groupby(["before", "after"], sort=False):
            shown = [
                f"ES {name}" for name in sets if name in (before, after) or name not in set(rows["after"])
            ]
            table = effect[shown].join(mine[columns].set_index("item"), how="right")
            lines += [f"{before} -> {after}", table.to_string(float_format=lambda value: f"{value:.3f}")]
        return "\n".join(lines)


def compare_sets(
    sets: Mapping[str, pd.DataFrame],
    group: pd.Series,
    *,
    human: str | None = HUMAN,
    before: str = "before",
    matching: pd.Series | None = None,
    spec: MatchSpec | None = None,
    statistics: Sequence[str] | Mapping[str, Statistic] | None = None,
    groups: tuple[str, ...] = GROUPS,
    min_group: int = MIN_GROUP,
    alpha: float = 0.05,
    correction: str = "holm",
    moderate: float = ES_MODERATE,
    large: float = ES_LARGE,
    replicates: int = 1000,
    seed: int = 0,
) -> SetComparison:
    """DIF in two or more sets of scores of the same persons, with tests of what changed.

    Each set but the human one and `before` is compared with `before`, on the persons and
    items that are in all sets. The change in SMD (in ES units) and Mantel's test of it are
    paired, in closed form (`compare`); other changes get percentile intervals from resampled persons,
    the same ones for all sets.

    Parameters
    ----------
    sets : mapping of str to pandas.DataFrame
        Columns person, item, score.
    group : pandas.Series
        By person: one of `groups`, or missing.
    human : str or None
        The set of human scores: its SDs are the unit of ES, and its total is what persons are
        matched on unless `matching` is given. None: there is none.
    before : str
        The set that changes are counted from.
    matching : pandas.Series, optional
        By person: a value that none of the sets but the human one can move.
    spec : MatchSpec, optional
        How that value makes strata; default thin or merged as the data allow.
    statistics : sequence of str, or mapping of str to Statistic
        What to resample; default Liu-Agresti and the effects and R-square of the ordinal model.
    groups, min_group
        See `Cells`.
    alpha : float
        Intervals cover 1 - alpha.
    correction : {"holm", "BH", "none"}
        Over the items.
    moderate, large : float
        See `classify_es`.
    replicates, seed
        See `bootstrap`.

    Returns
    -------
    SetComparison

    Raises
    ------
    UsageError
        Nothing to match on; unknown set; nothing to compare; alpha out of range; a spec that is not
        external; **matching on the total of a set that is compared**. Where a scorer was mended on
        half of the items, the others would seem to have changed (METHODS.md: SMD -.17, flagged in
        35% of samples at N = 1,000 and in all at 4,000; by human total in 4 to 6%).
    DataError
        No person and item is in all sets.

    Notes
    -----
    p of a resampled change is twice the smaller share of resamples on one side of 0, so that it cannot
    be below 2 / (replicates + 1): with Holm's correction over more than 25 items, 1,000 replicates
    cannot show a change. An R-square cannot fall below 0 and grows with noise; its change is
    biased where the two sets are not equally noisy.

    References
    ----------
    Davison, A. C., & Hinkley, D. V. (1997). Bootstrap methods and their application.
    """
    check_level(1 - alpha)
    human = human if human in sets else None
    afters = others(sets, human, before)
    spec = spec or MatchSpec("external")
    matching, words = matching_value(sets, human, matching, spec)
    full = {
        name: ScoreMatrix.from_long(table, group, external=matching, groups=groups, min_group=min_group)
        for name, table in sets.items()
    }
    refuse_own_total(full, human, (before, *afters))
    matrices, left_out = common_scores(full)
    unit = None if human is None else _sd(matrices[human].count(spec))
    tables = {
        name: _items(matrix.count(spec), unit, alpha, moderate, large) for name, matrix in matrices.items()
    }
    wanted = RESAMPLED if statistics is None else chosen(statistics)
    draws = draw(matrices, wanted, spec, replicates=replicates, seed=seed)
    changes, status = [], []
    for after in afters:
        pair = before, after
        gap = replace(matrices[after], values=matrices[after].values - matrices[before].values)
        paired = change_table(gap.count(spec), sd=unit, alpha=alpha, correction=correction)
        changes.append(_closed(paired, tables, pair, "smd" if unit is None else "es"))
        changes += _resampled(matrices, draws, wanted, pair, spec, 1 - alpha, correction)
        people = tables[human] if human else tables[before].iloc[:0]
        found = item_status(people, tables[before], tables[after], paired, alpha=alpha)
        status.append(found.reset_index().assign(before=before, after=after))
    for name, table in tables.items():
        for (_, output), values in draws[name].items():
            table[output] = values[0]
    return SetComparison(
        pd.concat([table.assign(set=name) for name, table in tables.items()], ignore_index=True)[
            ["set", *next(iter(tables.values())).columns]
        ],
        pd.concat(changes, ignore_index=True)[list(CHANGES)],
        pd.concat(status, ignore_index=True)[["before", "after", "item", "status"]],
        words,
        left_out,
        replicates,
        1 - alpha,
    )


def _sd(counts: Cells) -> pd.Series:
    return pd.Series({item: float(moments.sd) for item, moments in item_moments(counts).items()})


def _items(
    counts: Cells, unit: pd.Series | None, alpha: float, moderate: float, large: float
) -> pd.DataFrame:
    table = smd(counts, sd=unit, alpha=alpha, moderate=moderate, large=large).table
    columns = ["n_reference", "n_focal", "smd", "se", "p", "sd", "es", "es_own", "es_class"]
    found = table[columns].join(mantel(counts).table[["mantel_z", "mantel_p"]])
    return found.join(table[["estimable", "reason"]]).reset_index()


def _closed(
    paired: pd.DataFrame, tables: Mapping[str, pd.DataFrame], pair: tuple[str, str], statistic: str
) -> pd.DataFrame:
    before, after = (tables[name].set_index("item")[statistic].reindex(paired["item"]) for name in pair)
    return paired.assign(
        before=pair[0],
        after=pair[1],
        statistic=statistic,
        value_before=before.to_numpy(),
        value_after=after.to_numpy(),
        test="paired",
    )


def _resampled(
    matrices: Mapping[str, ScoreMatrix],
    draws: Mapping[str, Mapping[tuple[str, str], Array]],
    wanted: Mapping[str, Statistic],
    pair: tuple[str, str],
    spec: MatchSpec,
    level: float,
    correction: str,
) -> list[pd.DataFrame]:
    """One table a statistic: its change, with interval and p from the resamples."""
    before, after = pair
    tables = []
    failed = {
        label: [why_none(matrices[name], statistic, spec) for name in pair]
        for label, statistic in wanted.items()
    }
    for key in draws[before]:
        label, output = key
        first, second = draws[before][key], draws[after][key]
        rows = []
        for place, item in enumerate(matrices[before].items):
            reasons = [by_item[item] for by_item in failed[label]]
            change = second[:, place] - first[:, place]
            row = summary(change, level, next(filter(None, reasons), ""))
            row |= {"change": row["value"], "value_before": first[0, place], "value_after": second[0, place]}
            p = inverted_p(change[1:]) if row["estimable"] else float("nan")
            rows.append({"before": before, "after": after, "item": item, "statistic": output, "p": p, **row})
        table = pd.DataFrame(rows).assign(mantel_z=np.nan, mantel_p=np.nan, test="bootstrap")
        tables.append(table.assign(p_adjusted=adjust_p(table["p"], correction)))
    return tables
