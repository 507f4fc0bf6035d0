"""What further judgements would buy a finished run: its files, as the rooms that reckon it want them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from psyalign.dif import matching_strata
from psyalign.dif.judgement.further import further_ratings
from psyalign.feedback.worth import (
    RewardPosterior,
    Worth,
    adjacent_questions,
    members_gap,
    next_questions,
    reward_posterior,
)
from psyalign.feedback.worth.posterior import LEAST_MEMBERS
from psyalign.foundation.errors import DataError, RunError
from psyalign.foundation.files import read_json
from psyalign.foundation.tables import read_table
from psyalign.items import load_bank
from psyalign.pipeline.stages.holdout import held_out
from psyalign.pipeline.stages.matrices import matrix, member_matrices

__all__ = ["ADVISED", "GapWorth", "finished_run", "gap_worth", "interval_worth"]

ADVISED = 8  # members: with fewer, which responses belong together is mostly guessed


@dataclass(frozen=True)
class GapWorth:
    """The next questions to raters of the feedback persons' responses, and the gap that they leave.

    Attributes
    ----------
    questions : DataFrame
        One row per question: order, response_id, item, pairs ("0-1 1-2"), judgements (made after it), gain,
        expected_gap (after it), gain_percent (gain, of the gap now).
    curve : DataFrame
        judgements, expected_gap, percent (of the gap now): now, and after 1, 2, 5, 10, 20, 50 …
    gap : float
        Expected optimality gap now, mean over the feedback persons' responses, in units of reward.
    members_gap : float
        The same from the members themselves, without a normal posterior.
    members, responses, askable : int
    notes : tuple of str
    """

    questions: pd.DataFrame
    curve: pd.DataFrame
    gap: float
    members_gap: float
    members: int
    responses: int
    askable: int
    notes: tuple[str, ...]


def finished_run(folder: Path) -> dict[str, Any]:
    """manifest.json of a finished run; RunError if there is none."""
    path = folder / "manifest.json"
    if not path.is_file():
        raise RunError(
            "There is no finished run.",
            where=str(folder),
            mend="Run the study first (`psyalign study run`), or name another run with --run.",
        )
    manifest: dict[str, Any] = read_json(path)
    return manifest


def gap_worth(folder: Path, number: int, *, pairs: bool = False) -> GapWorth:
    """Which score preferences to ask for next, and how the expected optimality gap falls with them.

    Candidates are the feedback persons' responses, but for those whom the reward model never learns from
    ([reward] holdout). The gap is the mean over all feedback persons' responses. Audit persons have no part.

    Parameters
    ----------
    folder : Path
        A finished run with [reward] ensemble of three or more.
    number : int
        Judgements that raters have left.
    pairs : bool
        Single pairs of score points; otherwise all neighbouring pairs of a response together.

    Raises
    ------
    RunError
        No finished run, or none with the members' rewards.
    DataError
        The feedback persons have no response that may be asked about.
    """
    settings = finished_run(folder)["settings"]
    count = int(settings["reward"].get("ensemble", 1))
    path = folder / "reward" / "members.parquet"
    if count < LEAST_MEMBERS or not path.is_file():
        raise _no_members(folder, count)
    texts = read_table(folder / "data" / "texts.parquet")
    known = set(read_table(folder / "reward" / "rewards.parquet")["response_id"])
    texts = texts[(texts["split"] == "feedback") & texts["primary"] & texts["response_id"].isin(known)]
    members = member_matrices(path, texts["response_id"])
    reference = matrix(folder / "reward" / "reference.parquet", texts["response_id"])
    held = held_out(settings["study"]["seed"], settings["reward"]["holdout"], texts["person"].unique())
    askable = ~texts["person"].map(held).to_numpy(bool)
    if not askable.any():
        raise DataError(
            "No response of a feedback person may be asked about.",
            where="[split] feedback, [reward] holdout",
            mend="Raise [split] feedback, or lower [reward] holdout.",
        )
    items = load_bank(folder / "items").items
    points = texts["item"].map({name: len(item.scores) for name, item in items.items()}).to_numpy(int)
    questions = adjacent_questions(points, askable, whole=not pairs)
    posterior = reward_posterior(members, texts["item"].to_numpy(str))
    beta = float(settings["align"]["beta"])
    worth = next_questions(posterior, reference, beta, questions, number)
    picked = texts.iloc[questions.response[worth.chosen]]
    low = questions.low[worth.chosen]
    last = low + 1 if pairs else points[questions.response[worth.chosen]] - 1
    asked = [
        " ".join(f"{step}-{step + 1}" for step in range(first, end))
        for first, end in zip(low, last, strict=True)
    ]
    found = worth.table
    found.insert(1, "response_id", picked["response_id"].to_numpy())
    found.insert(2, "item", picked["item"].to_numpy())
    found.insert(3, "pairs", asked)
    return GapWorth(
        questions=found.assign(gain_percent=100 * found["gain"] / worth.gap[0]),
        curve=_curve(worth),
        gap=float(worth.gap[0]),
        members_gap=float(members_gap(members, reference, beta).mean()),
        members=count,
        responses=len(texts),
        askable=int(askable.sum()),
        notes=_notes(settings, posterior, worth, count),
    )


def interval_worth(folder: Path, *, half_width: float, more: int) -> pd.DataFrame:
    """How fast the intervals of the human scores' effect sizes narrow with further rated audit responses.

    Parameters
    ----------
    folder : Path
        A finished run.
    half_width : float
        Wanted.
    more : int
        See `psyalign.dif.judgement.further.further_ratings`, whose columns follow grouping here; `level` is
        the group's name.

    Raises
    ------
    RunError
        No finished run.
    """
    manifest = finished_run(folder)
    dif = manifest["settings"]["dif"]
    human = read_table(folder / "data" / "criterion.parquet")
    human = human.loc[human["split"] == "audit", ["person", "item", "score"]]
    persons = read_table(folder / "data" / "persons.parquet").set_index("person")
    tables = []
    for attribute, group in manifest["groups"].items():
        names = {group["reference"]: "reference", group["focal"]: "focal"}
        side = persons.loc[persons["split"] == "audit", attribute].astype("str").map(names).dropna()
        table = further_ratings(
            human,
            side,
            matching_strata(human, side).stratum,
            half_width=half_width,
            more=more,
            alpha=dif["alpha"],
        )
        level = table["group"].map({"reference": group["reference"], "focal": group["focal"]})
        table.insert(0, "grouping", attribute)
        table.insert(3, "level", level)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _no_members(folder: Path, count: int) -> RunError:
    if not (folder / "reward" / "rewards.parquet").is_file():
        return RunError(
            "This run has no reward model: its feedback says nothing about scores.",
            where=str(folder / "reward"),
            mend="Ask for score preferences first: about which responses, a reward model can tell then.",
        )
    if count < LEAST_MEMBERS:
        said = f"This run's reward model is an ensemble of {count}: it cannot tell what it does not know."
    else:
        said = "This run was made before the members' rewards were kept."
    return RunError(
        said,
        where=str(folder / "reward"),
        mend=f"Set [reward] ensemble = {ADVISED} and run the study again (--fresh)."
        if count < ADVISED
        else "Run the study again with --fresh.",
    )


def _curve(worth: Worth) -> pd.DataFrame:
    """The expected gap at round numbers of judgements, at the question that comes to each or past it."""
    made, last = worth.judgements, int(worth.judgements[-1])
    round_ = [step * 10**power for power in range(7) for step in (1, 2, 5)]
    shown = sorted({0, last, *(int(made[made >= count].min()) for count in round_ if count <= last)})
    gap = worth.gap[np.searchsorted(made, shown)]
    return pd.DataFrame({"judgements": shown, "expected_gap": gap, "percent": 100 * gap / worth.gap[0]})


def _notes(settings: dict[str, Any], posterior: RewardPosterior, worth: Worth, count: int) -> tuple[str, ...]:
    notes = []
    if not len(worth.chosen):
        notes.append("No response can be judged whole with so few judgements: --pairs asks single pairs.")
    if count < ADVISED:
        notes.append(f"{count} reward models hardly tell what is unknown: set [reward] ensemble = {ADVISED}.")
    if settings["reward"].get("ensemble_reward") == "worst":
        notes.append("The gap is that of the members' mean; the run takes their least reward.")
    if posterior.shrinkage[0] > 0.95:
        notes.append("The members show next to nothing that responses share: each answer counts for its own.")
    return tuple(notes)
