"""What every table of a run is computed from: scores of the audit persons."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from psyalign.pipeline.run import Run
from psyalign.pipeline.stages.data import read_persons, read_scores
from psyalign.pipeline.stages.scores import audit_scores

__all__ = ["Audit", "read_audit"]


@dataclass(frozen=True)
class Audit:
    """What every table is computed from.

    Attributes
    ----------
    human : DataFrame
        Criterion scores: person, item, score.
    arms : dict of str to DataFrame
        Scores of each arm's scorer on the same responses: person, item, modal, expected, l0 … .
    persons : DataFrame
        Audit persons with their attributes.
    """

    human: pd.DataFrame
    arms: dict[str, pd.DataFrame]
    persons: pd.DataFrame

    def expected(self, arm: str) -> pd.DataFrame:
        """Expected scores as a long table: person, item, score."""
        table = self.arms[arm][["person", "item", "expected"]]
        return table.rename(columns={"expected": "score"})

    def modal(self, arm: str) -> pd.DataFrame:
        """Modal scores as a long table: person, item, score."""
        return self.arms[arm][["person", "item", "modal"]].rename(columns={"modal": "score"})


def read_audit(run: Run) -> tuple[Audit, list[str]]:
    """Audit scores of all arms, and warnings about responses that had to be left out."""
    human = read_scores(run, "criterion", "audit")[["person", "item", "score"]]
    keys = human[["person", "item"]]
    arms: dict[str, pd.DataFrame] = {}
    scored = 0
    for arm in run.study.align.arms:
        table = audit_scores(run, arm)
        scored = int(table["primary"].sum())
        arms[arm] = table[table["primary"]].merge(keys, on=["person", "item"], validate="one_to_one")
    lost = scored - len(next(iter(arms.values())))
    warnings = [f"Audit: {lost} responses have no criterion score and are left out."] if lost else []
    human = human.merge(next(iter(arms.values()))[["person", "item"]], on=["person", "item"])
    persons = read_persons(run)
    return Audit(human, arms, persons[persons["split"] == "audit"].reset_index(drop=True)), warnings
