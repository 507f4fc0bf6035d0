"""A comparison: what is asked of it, and everything that it found, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from psyalign.agreement import GATES
from psyalign.foundation.errors import UsageError
from psyalign.report.comparison.asked import input_table, person_table, setting_table
from psyalign.report.comparison.common import Common, common_rows
from psyalign.report.comparison.items import Rules, dif_tables, rules_of
from psyalign.report.comparison.scored import accuracy_tables, kl_table
from psyalign.report.comparison.sides import (
    ArmPair,
    Side,
    arm_pairs,
    check_comparable,
    load_side,
    shared_groups,
)
from psyalign.report.load import MIN_DRAWS, Group

__all__ = ["Compared", "Plan", "compare_runs"]


@dataclass(frozen=True)
class Plan:
    """What a comparison is to compute.

    Attributes
    ----------
    bootstrap : int
        Resamples of persons, at least 200.
    seed : int
        Of the resamples.
    margin_es : float
        A difference in mean ES that lies wholly within ± this is called shown to be small. Default: what
        `GATES` allows a group's |SMD|.
    margin_qwk : float
        The same for QWK. Default: the margin of the gate of non-inferiority.
    """

    bootstrap: int = 1000
    seed: int = 0
    margin_es: float = float(GATES["smd_group"].usual)
    margin_qwk: float = float(GATES["noninferiority"].usual)

    def __post_init__(self) -> None:
        if self.bootstrap < MIN_DRAWS:
            raise UsageError(
                f"An interval needs {MIN_DRAWS} resamples of persons or more.",
                where=f"bootstrap {self.bootstrap}",
            )
        for name, margin in (("margin for ES", self.margin_es), ("margin for QWK", self.margin_qwk)):
            if not margin > 0:
                raise UsageError(f"The {name} lies above 0.", where=str(margin))


@dataclass(frozen=True)
class Compared:
    """A comparison of two runs.

    Attributes
    ----------
    a, b : Side
    plan : Plan
    pairs : tuple of ArmPair
        The first is that of the runs' own scorers, which the first page is about.
    groups : tuple of Group
        Groupings that both runs have.
    common : Common
        What both runs scored.
    rules : Rules
        How items are flagged.
    tables : dict of str to DataFrame
        settings, inputs, persons, accuracy, groups, dif, dif_items, gates, diagnostics.
    """

    a: Side
    b: Side
    plan: Plan
    pairs: tuple[ArmPair, ...]
    groups: tuple[Group, ...]
    common: Common
    rules: Rules
    tables: dict[str, pd.DataFrame]

    @property
    def primary(self) -> ArmPair:
        """The runs' own scorers."""
        return self.pairs[0]

    def named(self) -> dict[str, pd.DataFrame]:
        """The tables that have rows, by name."""
        return {name: table for name, table in self.tables.items() if len(table)}


def compare_runs(a: Path, b: Path, plan: Plan | None = None) -> Compared:
    """Compare two finished runs of the same items.

    Parameters
    ----------
    a, b : Path
        Run directories. Differences are B minus A.
    plan : Plan, optional

    Returns
    -------
    Compared
        ``compare_runs(b, a)`` has the same figures with the opposite signs.

    Raises
    ------
    RunError
        A folder is no run, or its run is not finished.
    DataError
        The runs have different items or score points.
    """
    plan = plan or Plan()
    sides = load_side(a, "A"), load_side(b, "B")
    check_comparable(*sides)
    pairs, groups = arm_pairs(*sides), shared_groups(*sides)
    common, rules = common_rows(*sides, groups), rules_of(sides)
    draws = {"replicates": plan.bootstrap, "seed": plan.seed}
    tables = {
        "settings": setting_table(*sides),
        "inputs": input_table(*sides),
        "persons": person_table(common),
        **accuracy_tables(sides, pairs, groups, common, **draws),
        **dif_tables(sides, pairs, groups, common, rules, **draws),
        "gates": _gates(*sides),
        "diagnostics": kl_table(sides, pairs, common, **draws),
    }
    return Compared(*sides, plan, tuple(pairs), groups, common, rules, tables)


def _gates(a: Side, b: Side) -> pd.DataFrame:
    """Gates of the two runs' own scorers: gate, what, scope, then value, asked, status of each."""
    parts = []
    for side, letter in ((a, "a"), (b, "b")):
        table = side.tables.gates.reindex(
            columns=["gate", "what", "scope", "value", "asked", "status", "reason"]
        )
        table = table.rename(
            columns={name: f"{letter}_{name}" for name in ("value", "asked", "status", "reason")}
        )
        parts.append(table)
    if parts[0].empty or parts[1].empty:
        return pd.DataFrame()
    both = parts[0].merge(parts[1], on=["gate", "what", "scope"], how="outer", sort=False)
    order = {name: place for place, name in enumerate(GATES)}
    both = both.sort_values("gate", key=lambda names: names.map(order), kind="stable", ignore_index=True)
    texts = [name for name in both.columns if name.endswith(("asked", "status", "reason"))]
    return both.assign(**{name: both[name].astype(object).where(both[name].notna(), "") for name in texts})
