"""The two runs that are compared: their tables, their scores row by row, and whether they can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from psyalign.foundation.errors import DataError, RunError
from psyalign.foundation.tables import read_table, require_columns
from psyalign.report.load import Group, RunTables, load_run

__all__ = ["ArmPair", "Rows", "Side", "arm_pairs", "check_comparable", "load_side", "shared_groups"]


@dataclass(frozen=True)
class Rows:
    """Scores of the audit responses, row by row.

    Attributes
    ----------
    responses : DataFrame
        response_id, person, item, human, text (a hash of the response's text, never the text).
    arms : dict of str to DataFrame
        By arm: modal, expected and kl (nats, against the same run's baseline), in the rows of `responses`.
    persons : DataFrame
        Audit persons with their attributes.
    """

    responses: pd.DataFrame
    arms: Mapping[str, pd.DataFrame]
    persons: pd.DataFrame


@dataclass(frozen=True)
class Side:
    """One of the two runs.

    Attributes
    ----------
    letter : {"A", "B"}
        What the report calls it.
    tables : RunTables
    rows : Rows or None
        None if the run's folder does not hold them any more.
    missing : str
        Then: which file is not there.
    """

    letter: str
    tables: RunTables
    rows: Rows | None
    missing: str = ""

    @property
    def study(self) -> str:
        """The study's name."""
        return str(self.tables.manifest.raw.get("study", {}).get("name") or "")

    @property
    def run(self) -> str:
        """The run's name: that of its folder."""
        return self.tables.run.resolve().name

    @property
    def scorer(self) -> str:
        """The arm that the run's report calls "after"; the baseline if nothing was aligned."""
        return self.tables.after or self.tables.before


@dataclass(frozen=True)
class ArmPair:
    """An arm of A and the arm of B that it is compared with; `primary`: the scorers of the first page."""

    name: str
    a: str
    b: str
    primary: bool


def load_side(run: Path, letter: str) -> Side:
    """Read a finished run.

    Raises
    ------
    RunError
        No such folder, no run, or a run that is not finished; see also `load_run`.
    """
    if not run.is_dir():
        raise RunError(
            "There is no such run.",
            where=str(run),
            mend="Give a run's folder, or STUDY:RUN for <study>/runs.",
        )
    if not (run / "manifest.json").is_file() and (run / "study.resolved.toml").is_file():
        raise RunError(
            "This run is not finished: it has no manifest.json yet.",
            where=str(run),
            mend="Run the study again: finished stages are skipped. Then compare.",
        )
    tables = load_run(run)
    needed = ["data/criterion.parquet", "data/texts.parquet", "data/persons.parquet"]
    needed += [f"scores/{arm}/scores.parquet" for arm in tables.scored_arms]
    gone = next((name for name in needed if not (run / name).is_file()), "")
    return Side(letter, tables, None if gone else _rows(run, tables.scored_arms), gone)


def _rows(run: Path, arms: list[str]) -> Rows:
    human = _part(run / "data" / "criterion.parquet", ["person", "item", "score", "split"])
    texts = _part(run / "data" / "texts.parquet", ["response_id", "person", "item", "response", "split"])
    texts = texts[texts["primary"].astype(bool)]
    hashes = pd.util.hash_array(texts["response"].astype(str).to_numpy(dtype=object), categorize=False)
    texts = texts[["response_id", "person", "item"]].assign(text=hashes)
    responses = texts.merge(
        human[["person", "item", "score"]].rename(columns={"score": "human"}), on=["person", "item"]
    )
    scores = {arm: _scores(run / "scores" / arm / "scores.parquet") for arm in arms}
    for table in scores.values():
        responses = responses[responses["response_id"].isin(table.index)]
    ids = responses["response_id"]
    before = next(iter(scores.values())) if "baseline" not in scores else scores["baseline"]
    reference = _log_probs(before.loc[ids])
    found = {}
    for arm, table in scores.items():
        own = table.loc[ids]
        kl = _kl(_log_probs(own), reference)
        found[arm] = own[["modal", "expected"]].assign(kl=kl).reset_index(drop=True)
    persons = _part(run / "data" / "persons.parquet", ["person", "split"])
    return Rows(responses.reset_index(drop=True), found, persons)


def _part(path: Path, columns: list[str]) -> pd.DataFrame:
    """The audit persons' rows of a table."""
    table = read_table(path)
    require_columns(table, columns, path)
    return table[table["split"] == "audit"].reset_index(drop=True)


def _scores(path: Path) -> pd.DataFrame:
    table = read_table(path)
    require_columns(table, ["response_id", "primary", "modal", "expected"], path)
    return table[table["primary"].astype(bool)].set_index("response_id")


def _log_probs(scores: pd.DataFrame) -> np.ndarray:
    points = sorted((name for name in scores.columns if name[:1] == "l" and name[1:].isdigit()), key=_point)
    return scores[points].to_numpy(dtype=float)


def _point(name: str) -> int:
    return int(name[1:])


def _kl(policy: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """KL(policy ‖ reference) of each row; score points that an item does not have add nothing."""
    chance = np.exp(np.where(np.isfinite(policy), policy, -np.inf))
    apart = np.where(chance > 0, policy - reference, 0.0)
    return np.asarray((chance * apart).sum(axis=1))


def check_comparable(a: Side, b: Side) -> None:
    """Raise DataError unless both runs scored the same items with the same score points."""
    items = [
        {str(item): largest for item, largest in side.tables.items.set_index("item")["max_score"].items()}
        for side in (a, b)
    ]
    if not set(items[0]) & set(items[1]):
        raise DataError(
            "The two runs have no item in common: there is nothing to compare.",
            where=f"{a.tables.run} and {b.tables.run}",
        )
    lone = [(side, sorted(set(items[place]) - set(items[1 - place]))) for place, side in enumerate((a, b))]
    for side, names in lone:
        if names:
            raise DataError(
                f"The two runs have different items: only {side.letter} has {', '.join(names)}.",
                where=f"{a.tables.run} and {b.tables.run}",
                mend="Compare runs of the same items ([items] bank and include).",
            )
    for item, largest in items[0].items():
        if largest != items[1][item]:
            raise DataError(
                f"Item '{item}' has other score points in B than in A: its largest score is "
                f"{largest} in A, {items[1][item]} in B.",
                where=f"{a.tables.run} and {b.tables.run}",
                mend="An item whose score points changed is another item; give it another id.",
            )


def arm_pairs(a: Side, b: Side) -> list[ArmPair]:
    """The arms' counterparts: first the two runs' own scorers, then the arms of the same name."""
    same = [arm for arm in a.tables.scored_arms if arm in b.tables.scored_arms]
    if a.scorer == b.scorer:
        first = [ArmPair(a.scorer, a.scorer, b.scorer, True)]
    else:
        first = [ArmPair(f"{a.scorer} | {b.scorer}", a.scorer, b.scorer, True)]
    return first + [ArmPair(arm, arm, arm, False) for arm in same if arm != first[0].name]


def shared_groups(a: Side, b: Side) -> tuple[Group, ...]:
    """Groupings that both runs have with the same reference and focal level."""
    return tuple(group for group in a.tables.manifest.groups if group in b.tables.manifest.groups)
