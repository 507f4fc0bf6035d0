"""Differences in DIF between two runs, item by item and over the items, matched on the human total."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from psyalign.dif import MatchSpec, ScoreMatrix, analyse, compare, item_status, matching_strata
from psyalign.dif.counts.moments import Moments
from psyalign.dif.judgement.classes import ES_LARGE, ES_MODERATE
from psyalign.dif.whole.intervals import draw
from psyalign.dif.whole.statistics import STATISTICS, Statistic
from psyalign.foundation.seeds import derive_seed
from psyalign.report.comparison.common import Common
from psyalign.report.comparison.scored import TESTED, scores_of, tested_row, untested
from psyalign.report.comparison.sides import ArmPair, Side
from psyalign.report.facts import Estimate, estimate, one_row, summary_row
from psyalign.report.load import Group
from psyalign.report.numerals import finite
from psyalign.report.sections.drawings import item_estimate

__all__ = ["Rules", "dif_tables", "rules_of"]

Array = npt.NDArray[np.float64]

NAN = float("nan")
FLAGS = ("BB", "CC")
OWN = ["a", "a_low", "a_high", "a_class", "b", "b_low", "b_high", "b_class"]
MOVED = ["a_common", "b_common", "human", "difference", "low", "high", "se", "p", "p_adjusted", "status"]
NAMES = ["arm", "arm_a", "arm_b", "primary", "grouping"]
ITEM_COLUMNS = [*NAMES, "item", *OWN, *MOVED, "n_reference", "n_focal", "estimable", "reason"]
SUMMARY_COLUMNS = [*NAMES, "statistic", "a", "a_low", "a_high", "b", "b_low", "b_high", *TESTED]


def _unit(moments: Moments) -> dict[str, Array]:
    return {"sd": moments.sd}


SMD_AND_UNIT = {"smd": STATISTICS["smd"], "unit": Statistic(_unit, ("sd",), "moments")}


@dataclass(frozen=True)
class Rules:
    """How items are flagged; `agreed`: whether both runs have these rules (else they are the usual ones)."""

    alpha: float = 0.05
    correction: str = "holm"
    moderate: float = ES_MODERATE
    large: float = ES_LARGE
    agreed: bool = True


def rules_of(sides: tuple[Side, Side]) -> Rules:
    """The rules of [dif] if the two runs have the same; else the defaults."""
    usual = Rules()
    keys = {"alpha": "alpha", "correction": "correction", "moderate": "es_moderate", "large": "es_large"}
    told = [
        {
            name: side.tables.manifest.setting("dif", key, default=getattr(usual, name))
            for name, key in keys.items()
        }
        for side in sides
    ]
    return Rules(**told[0]) if told[0] == told[1] else Rules(agreed=False)


def dif_tables(
    sides: tuple[Side, Side],
    pairs: Sequence[ArmPair],
    groups: Sequence[Group],
    common: Common,
    rules: Rules,
    *,
    replicates: int,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Tables dif_items and dif.

    Effect sizes (ES) are focal minus reference in SDs of the human scores. a and b are each run's own, of
    all its audit persons. The difference, B minus A, is that of the persons whom both runs audited in the
    same group: by item the closed-form paired test on B − A (`psyalign.dif.compare`), over items from
    persons drawn with replacement within each group, the same for both runs. Persons are matched on the
    total of the human scores that both runs have. In "dif", statistic is mean_es; distance (|mean ES|: how
    far the items together are from no DIF); mean_square (mean ES²: how far they are one by one, also
    where they cancel out); and, not tested, mean_abs_es (mean |ES|), max_abs_es and flagged (the
    number of items of class BB or CC).
    """
    items, summaries = [], []
    for group in groups:
        basis = _basis(common, group, _least(sides)) if common.paired else None
        drawn = _draws(sides, pairs, common, basis, replicates, seed) if basis else {}
        for pair in pairs:
            names: dict[str, Any] = {
                "arm": pair.name, "arm_a": pair.a, "arm_b": pair.b, "primary": pair.primary,
                "grouping": group.attribute,
            }  # fmt: skip
            own = _own_items(sides, pair, group)
            few = f"fewer than {_least(sides)} persons of one group are in the same group in both runs"
            moved, why = None, common.reason or few
            if basis:
                moved, why = _moved(sides, pair, common, basis, rules), ""
            items.append(_item_rows(own, moved, why).assign(**names))
            over = _over_items(drawn, pair, moved, common, basis, why)
            summaries += [{**names, **row} for row in _summary_rows(sides, pair, group, own, over)]
    dif_items = pd.concat(items, ignore_index=True) if items else pd.DataFrame(columns=ITEM_COLUMNS)
    return {"dif_items": dif_items[ITEM_COLUMNS], "dif": pd.DataFrame(summaries, columns=SUMMARY_COLUMNS)}


@dataclass(frozen=True)
class _Basis:
    """Persons of one grouping: group and stratum, the human scores of their common responses, their SDs."""

    rows: pd.DataFrame
    places: pd.Index
    group: pd.Series
    stratum: pd.Series
    sd: pd.Series

    @property
    def human(self) -> pd.DataFrame:
        return self.rows.rename(columns={"human": "score"})


def _least(sides: tuple[Side, Side]) -> int:
    """Persons of a group that the studies ask for (dif.min_group; the larger of the two)."""
    return max(int(side.tables.manifest.setting("dif", "min_group", default=20)) for side in sides)


def _basis(common: Common, group: Group, least: int) -> _Basis | None:
    member = common.groups[group.attribute]
    if member.value_counts().reindex(["reference", "focal"]).fillna(0).min() < least:
        return None
    matching = matching_strata(common.human[common.human["person"].isin(member.index)], member)
    mine = common.rows[common.rows["person"].isin(member.index)]
    rows = mine[["person", "item", "human"]]
    sd = rows.groupby("item")["human"].std(ddof=1)
    return _Basis(rows.reset_index(drop=True), mine.index, member, matching.stratum, sd)


def _expected(side: Side, arm: str, common: Common, basis: _Basis) -> pd.DataFrame:
    score = scores_of(side, arm, common)["expected"].loc[basis.places].to_numpy(dtype=float)
    return basis.rows[["person", "item"]].assign(score=score)


def _moved(
    sides: tuple[Side, Side], pair: ArmPair, common: Common, basis: _Basis, rules: Rules
) -> pd.DataFrame:
    """By item: DIF of A, B and the human scores on the common persons, the paired change and the status."""
    first, second = (
        _expected(side, arm, common, basis) for side, arm in zip(sides, (pair.a, pair.b), strict=True)
    )
    found = [
        analyse(
            table, basis.group, basis.stratum, basis.sd, alpha=rules.alpha, correction=rules.correction,
            methods=("mantel", "smd"), es_moderate=rules.moderate, es_large=rules.large,
        )
        for table in (first, second, basis.human)
    ]  # fmt: skip
    change = compare(
        first, second, basis.group, basis.stratum, sd=basis.sd, alpha=rules.alpha, correction=rules.correction
    )
    status = item_status(found[2], found[0], found[1], change, alpha=rules.alpha)
    a, b, human = (table.set_index("item") for table in found)
    out = change.set_index("item").rename(columns={"change": "difference"})
    out = out.assign(a_common=a["es"], b_common=b["es"], human=human["es"], status=status)
    out = out.assign(n_reference=a["n_reference"], n_focal=a["n_focal"])
    return out.assign(estimable=out["estimable"] & a["estimable"] & b["estimable"])


def _own_items(sides: tuple[Side, Side], pair: ArmPair, group: Group) -> pd.DataFrame:
    """By item: each run's own effect size, interval and class."""
    rows = []
    for item in sides[0].tables.items["item"]:
        row: dict[str, object] = {"item": item}
        for side, letter, arm in zip(sides, "ab", (pair.a, pair.b), strict=True):
            found = one_row(side.tables.dif_items, arm=arm, grouping=group.attribute, item=item)
            es = item_estimate(side.tables, found)
            label = "" if found is None or pd.isna(found["es_class"]) else str(found["es_class"])
            row |= {letter: es.value, f"{letter}_low": es.low, f"{letter}_high": es.high}
            row[f"{letter}_class"] = label
        rows.append(row)
    return pd.DataFrame(rows).set_index("item")


def _item_rows(own: pd.DataFrame, moved: pd.DataFrame | None, why: str) -> pd.DataFrame:
    if moved is None:
        out = own.assign(**dict.fromkeys([*MOVED, "n_reference", "n_focal"], NAN))
        return out.assign(status=_flag_words(own), estimable=False, reason=why).reset_index()
    kept = moved[[*MOVED, "n_reference", "n_focal", "estimable", "reason"]]
    return own.join(kept).reset_index()


def _flag_words(own: pd.DataFrame) -> pd.Series:
    """What the two runs' flags are, where no test says whether they changed."""
    words = {(True, True): "flagged in both", (True, False): "flagged in A only",
             (False, True): "flagged in B only", (False, False): "flagged in neither"}  # fmt: skip
    pairs = zip(own["a_class"].isin(FLAGS), own["b_class"].isin(FLAGS), strict=True)
    return pd.Series([words[bool(a), bool(b)] for a, b in pairs], index=own.index)


def _draws(
    sides: tuple[Side, Side],
    pairs: Sequence[ArmPair],
    common: Common,
    basis: _Basis,
    replicates: int,
    seed: int,
) -> dict[str, Array]:
    """ES of the sample and each draw of persons, (B + 1, items), by side and arm; items as in "
    "`basis.human`."""
    scored = {
        f"{side.letter} {arm}": _expected(side, arm, common, basis)
        for pair in pairs
        for side, arm in zip(sides, (pair.a, pair.b), strict=True)
    }
    # The draws hang on the order of the sets: ordered by what is in them, A and B can change places.
    ordered = sorted(scored, key=lambda name: scored[name]["score"].to_numpy().tobytes())
    sets = {"human": basis.human, **{name: scored[name] for name in ordered}}
    matrices = {
        name: ScoreMatrix.from_long(table, basis.group, external=basis.stratum)
        for name, table in sets.items()
    }
    found = draw(
        matrices,
        SMD_AND_UNIT,
        MatchSpec("external", bins="thin"),
        replicates=replicates,
        seed=derive_seed(seed, "comparison", "dif"),
    )
    unit = found["human"]["unit", "sd"]
    unit = np.where(unit > 0, unit, np.nan)
    return {name: by_key["smd", "smd"] / unit for name, by_key in found.items() if name != "human"}


def _over_items(
    drawn: Mapping[str, Array],
    pair: ArmPair,
    moved: pd.DataFrame | None,
    common: Common,
    basis: _Basis | None,
    why: str,
) -> dict[str, dict[str, object]]:
    """The tested statistics over the items that can be estimated in both runs."""
    if moved is None or basis is None:
        return {name: untested(why) for name in STATISTICS_OVER}
    items = list(dict.fromkeys(basis.rows["item"]))
    kept = moved["estimable"].reindex(items).fillna(False).to_numpy(dtype=bool)
    if not kept.any():
        return {name: untested("no item can be estimated in both runs") for name in STATISTICS_OVER}
    es = [drawn[f"{letter} {arm}"][:, kept] for letter, arm in (("A", pair.a), ("B", pair.b))]
    return {
        name: tested_row(over(es[0]), over(es[1]), len(basis.group)) for name, over in STATISTICS_OVER.items()
    }


def _mean(es: Array) -> Array:
    known = np.isfinite(es)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, es, 0.0).sum(axis=1) / known.sum(axis=1))


# Tested are those whose percentile intervals hold. Simulated with 260 persons, 11 items and true effects of 0
# to .3, 95% intervals of the difference covered .92-.97 of the time for mean ES, .91-.99 for |mean ES| and
# .94-1.0 for mean ES², but .02-1.0 for mean |ES| (basic bootstrap .53-.93): noise enlarges |ES| most where it
# is small.
STATISTICS_OVER: Mapping[str, Callable[[Array], Array]] = {
    "mean_es": _mean,
    "distance": lambda es: np.asarray(np.abs(_mean(es))),
    "mean_square": lambda es: _mean(es**2),
}
NOISY = "noise enlarges it most where it is small, so that no interval of its difference holds"


def _summary_rows(
    sides: tuple[Side, Side],
    pair: ArmPair,
    group: Group,
    own: pd.DataFrame,
    over: Mapping[str, Mapping[str, object]],
) -> list[dict[str, object]]:
    found = [
        summary_row(side.tables, arm, group.attribute)
        for side, arm in zip(sides, (pair.a, pair.b), strict=True)
    ]
    mean = {
        letter: estimate(of, "mean_es", "mean_low", "mean_high")
        for letter, of in zip("ab", found, strict=True)
    }
    rows = [{"statistic": "mean_es", **_sides(mean), **over["mean_es"]}]
    apart = {key: Estimate(None if of.value is None else abs(of.value)) for key, of in mean.items()}
    rows.append({"statistic": "distance", **_sides(apart), **over["distance"]})
    square = {key: Estimate(finite((own[key].astype(float) ** 2).mean())) for key in "ab"}
    rows.append({"statistic": "mean_square", **_sides(square), **over["mean_square"]})
    for name, low, high in (
        ("mean_abs_es", "mean_abs_es", "mean_abs_es"),
        ("max_abs_es", "max_low", "max_high"),
    ):
        got = {key: estimate(of, name, low, high) for key, of in zip("ab", found, strict=True)}
        if low == name:
            got = {key: Estimate(of.value) for key, of in got.items()}
        rows.append({"statistic": name, **_sides(got), **untested(NOISY)})
    flags = {key: Estimate(float(own[f"{key}_class"].isin(FLAGS).sum())) for key in "ab"}
    rows.append({"statistic": "flagged", **_sides(flags), **untested("counts of flags are not tested")})
    return rows


def _sides(found: Mapping[str, Estimate]) -> dict[str, object]:
    """The six columns of the two runs' own figures."""
    out: dict[str, object] = {}
    for key, of in found.items():
        values = (NAN if value is None else value for value in of)
        out |= dict(zip((key, f"{key}_low", f"{key}_high"), values, strict=True))
    return out
