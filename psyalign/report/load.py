"""The tables of a run, read and checked once, so that nothing after it meets a surprise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from psyalign.agreement import suppress_small
from psyalign.agreement.gates import MIN_DRAWS
from psyalign.foundation.errors import PsyalignError, RunError
from psyalign.foundation.files import read_text
from psyalign.foundation.hashing import hash_file
from psyalign.foundation.tables import read_table
from psyalign.report.schema import COLUMNS, OPTIONAL

__all__ = ["MIN_DRAWS", "Group", "Manifest", "RunTables", "load_run"]

RERUN = "Run the study again: finished stages are skipped. Then build the report."


@dataclass(frozen=True)
class Group:
    """A person attribute with its reference and its focal value."""

    attribute: str
    reference: str
    focal: str


@dataclass(frozen=True)
class Manifest:
    """manifest.json: what was asked, with what, when. `raw` is the whole of it."""

    title: str
    question: str
    origin: str
    notice: str
    primary_arm: str
    groups: tuple[Group, ...]
    raw: dict[str, Any]

    @property
    def real(self) -> bool:
        """Whether nothing in the data is simulated or planted."""
        return self.origin == "real"

    @property
    def intervals_hold(self) -> bool:
        """Whether the intervals come from enough draws of persons to carry a claim."""
        draws = self.setting("dif", "bootstrap", default=MIN_DRAWS)
        return not isinstance(draws, int) or draws >= MIN_DRAWS

    def setting(self, *keys: str, default: Any = None) -> Any:
        """A value of the resolved study file, for example ``setting("dif", "alpha")``."""
        value: Any = self.raw.get("settings", {})
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                return default
            value = value[key]
        return value


@dataclass(frozen=True)
class RunTables:
    """The manifest and every table of a run; a table the study had no use for is empty.

    `hashes` holds the SHA-256 of each table's file in the run, by its name.
    """

    run: Path
    manifest: Manifest
    hashes: Mapping[str, str]
    agreement: pd.DataFrame
    agreement_intervals: pd.DataFrame
    dif_items: pd.DataFrame
    dif_changes: pd.DataFrame
    dif_summary: pd.DataFrame
    wording: pd.DataFrame
    wording_items: pd.DataFrame
    distributions: pd.DataFrame
    arms: pd.DataFrame
    items: pd.DataFrame
    split: pd.DataFrame
    flow: pd.DataFrame
    rubric: pd.DataFrame
    feedback: pd.DataFrame
    reward: pd.DataFrame
    raters: pd.DataFrame
    rater_changes: pd.DataFrame
    ai_feedback: pd.DataFrame
    asked: pd.DataFrame
    denied: pd.DataFrame
    training: pd.DataFrame
    alignment_kl: pd.DataFrame
    alignment_tax: pd.DataFrame
    over_optimisation: pd.DataFrame
    beta_choice: pd.DataFrame
    choice: pd.DataFrame
    reward_hacking: pd.DataFrame
    evaluation: pd.DataFrame
    noninferiority: pd.DataFrame
    fairness: pd.DataFrame
    rater_bias: pd.DataFrame
    impact: pd.DataFrame
    decisions: pd.DataFrame
    bias_audit: pd.DataFrame
    gates: pd.DataFrame

    def named(self) -> dict[str, pd.DataFrame]:
        """Every table that has rows, by name, in the order of this class."""
        names = [entry.name for entry in fields(self) if entry.name not in ("run", "manifest", "hashes")]
        tables = {name: getattr(self, name) for name in names}
        return {name: table for name, table in tables.items() if len(table)}

    @property
    def before(self) -> str:
        """The arm called "before"."""
        return "baseline"

    @property
    def after(self) -> str | None:
        """The arm called "after"; None if the run has no aligned arm."""
        arm = self.manifest.primary_arm
        return arm if arm and arm != self.before else None

    @property
    def rewarded(self) -> bool:
        """Whether the run has a reward model; without one nothing is counted in reward."""
        return len(self.reward) > 0

    @property
    def scores_heard(self) -> bool:
        """Whether raters said anything about scores, and not only about what means the same."""
        return bool(self.feedback["kind"].isin(("score_preference", "rating")).any())

    @property
    def scored_arms(self) -> list[str]:
        """The arms in the run's order."""
        return [str(arm) for arm in self.arms["arm"] if arm != "human"]

    def label(self, arm: str) -> str:
        """The arm's name for readers."""
        if arm == "human":
            return "Human scores"
        found = self.arms.loc[self.arms["arm"] == arm, "label"]
        return str(found.iloc[0]) if len(found) and pd.notna(found.iloc[0]) else arm

    def item_title(self, item: str) -> str:
        """The item's title, or its id."""
        found = self.items.loc[self.items["item"] == item, "title"]
        return str(found.iloc[0]) if len(found) and pd.notna(found.iloc[0]) else item


def load_run(run: Path) -> RunTables:
    """Read a run directory's manifest.json and tables/*.parquet.

    Raises
    ------
    RunError
        The folder is no run, a table or column is missing, the arm called "after" is not in the
        tables, or a table's origin contradicts the manifest's.
    """
    manifest = _read_manifest(run)
    folder = run / "tables"
    frames = {name: _read(folder / f"{name}.parquet", name) for name in COLUMNS}
    # what leaves the house shows no group of a few persons; the run's own table has them all
    frames["agreement"] = suppress_small(frames["agreement"], keep=["arm"])
    if len(frames["ai_feedback"]):
        heads = ["kind", "source", "rater", "compared_with"]
        frames["ai_feedback"] = suppress_small(frames["ai_feedback"], keep=heads)
    paths = {name: folder / f"{name}.parquet" for name in COLUMNS}
    hashes = {name: hash_file(path) for name, path in paths.items() if path.is_file()}
    tables = RunTables(run=run, manifest=manifest, hashes=hashes, **frames)
    _check_origin(tables)
    _check_arms(tables)
    return tables


def _read_manifest(run: Path) -> Manifest:
    path = run / "manifest.json"
    if not path.is_file():
        raise RunError("This folder is not a run: it has no manifest.json.", where=str(run), mend=RERUN)
    try:
        raw = json.loads(read_text(path, error=RunError))
        study = raw["study"]
        groups = tuple(
            Group(str(name), str(levels["reference"]), str(levels["focal"]))
            for name, levels in raw["groups"].items()
        )
        return Manifest(
            title=str(study["title"]),
            question=str(study.get("question") or ""),
            origin=str(study["origin"]),
            notice=str(study.get("notice") or ""),
            primary_arm=str(study.get("primary_arm") or ""),
            groups=groups,
            raw=raw,
        )
    except json.JSONDecodeError as problem:
        raise RunError("The manifest is not valid JSON.", where=f"{path}, line {problem.lineno}") from None
    except (KeyError, TypeError, AttributeError) as problem:
        raise RunError(f"The manifest lacks {problem}.", where=str(path), mend=RERUN) from None


def _read(path: Path, name: str) -> pd.DataFrame:
    columns = COLUMNS[name]
    if not path.is_file():
        if name in OPTIONAL:
            return pd.DataFrame({column: [] for column in (*columns, "origin")})
        raise RunError(f"The run has no table '{name}'.", where=str(path), mend=RERUN)
    try:
        table = read_table(path)
    except PsyalignError as problem:
        raise RunError(problem.message, where=str(path), mend=RERUN) from None
    if not len(table):  # nothing to write down, not even the columns
        return table.reindex(columns=[*columns, "origin"])
    for column in (*columns, "origin"):
        if column not in table.columns:
            raise RunError(f"Column '{column}' is missing in table '{name}'.", where=str(path), mend=RERUN)
    return table


def _check_origin(tables: RunTables) -> None:
    """A simulated table must never pass for a real one."""
    for name, table in tables.named().items():
        for origin in sorted(set(table["origin"].dropna().astype(str))):
            if origin != tables.manifest.origin:
                raise RunError(
                    f"Table '{name}' is of origin '{origin}', the manifest says '{tables.manifest.origin}'.",
                    where=str(tables.run),
                    mend=RERUN,
                )


def _check_arms(tables: RunTables) -> None:
    present = set(tables.scored_arms)
    for arm in (tables.before, tables.after):
        if arm is not None and arm not in present:
            raise RunError(
                f"The arm '{arm}' is not in the run.",
                where=f"{tables.run}, table arms",
                mend=f"The run has: {', '.join(sorted(present))}.",
            )
