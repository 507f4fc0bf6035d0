"""One path over a study's responses, resumable, and what it leaves on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from psyalign.feedback import Record, write_records
from psyalign.foundation.errors import UsageError
from psyalign.foundation.progress import progress_bar
from psyalign.foundation.tables import write_csv, write_parquet
from psyalign.foundation.toml import suggest
from psyalign.judge.engine import Judge
from psyalign.judge.ledger import Asker
from psyalign.judge.paths import PATHS, JudgeSettings
from psyalign.judge.subjects import Subjects
from psyalign.judge.trail import connected_only, joined, summary, trail_table

__all__ = ["Judged", "judge_path", "sidecar", "write_judged"]

TEXT_COLUMNS = {
    "wordings": ("person", "item", "wording", "response"),
    "constitution": ("response_id", "item", "principle", "what", "score", "text"),
    "contrastive": ("response_id", "item", "principle", "what", "score", "text"),
    "elaborate": ("response_id", "item", "principle", "what", "score", "text"),
}
# Paths whose score preferences must connect a response's score points.
CONNECTED = ("rlaif", "principles")


@dataclass(frozen=True)
class Judged:
    """What a path gave.

    Attributes
    ----------
    path : str
    records : list of Record
        What was kept.
    trail : DataFrame
        Every question in every order, with its margin and what became of it; ids and numbers, no text.
    texts : DataFrame
        Rationales or wordings: as sensitive as the responses. No rows for paths that make no text.
    summary : list of dict
        Questions asked, kept and dropped, by kind and principle.
    asked, remembered : int
        Questions put to the judge now, and those that it had answered before.
    """

    path: str
    records: list[Record]
    trail: pd.DataFrame
    texts: pd.DataFrame
    summary: list[dict[str, object]]
    asked: int
    remembered: int


def judge_path(
    path: str,
    judge: Judge,
    subjects: Subjects,
    settings: JudgeSettings,
    answers: Path,
    *,
    incomplete: bool = False,
) -> Judged:
    """Ask a judge all questions of a path.

    Parameters
    ----------
    path : str
        One of `PATHS`.
    judge : Judge
    subjects : Subjects
        From `choose_subjects`.
    settings : JudgeSettings
    answers : Path
        File of the judge's answers; those in it are not asked again.
    incomplete : bool
        Keep score preferences of responses of which not all neighbouring score points are compared.

    Returns
    -------
    Judged

    Raises
    ------
    UsageError
        No such path.
    ItemError
        The principles or wordings lack what the path needs.
    ModelError, Interrupted
        The judge refuses, or does not answer; what it answered is kept.
    """
    if path not in PATHS:
        raise UsageError(f"There is no path '{path}'.", where="--path", mend=suggest(path, PATHS))
    works = PATHS[path](subjects, settings)
    outcomes = []
    with Asker(judge, answers) as asker, progress_bar(len(works), path, "question") as bar:
        for work in works:
            outcomes.append(work(asker))
            bar.update()
    outcome = joined(outcomes)
    if path in CONNECTED and not incomplete:
        outcome = connected_only(outcome, {name: item.scores for name, item in subjects.items.items()})
    texts = pd.DataFrame(outcome.texts, columns=list(TEXT_COLUMNS.get(path, ())))
    if "score" in texts.columns:
        texts = texts.astype({"score": "Int64"})
    return Judged(
        path,
        outcome.records,
        trail_table(outcome.entries),
        texts,
        summary(outcome.entries),
        asker.asked,
        asker.remembered,
    )


def sidecar(out: Path, what: str) -> Path:
    """The file beside the records that holds `what`: "csv", "texts.parquet", "answers.jsonl", …"""
    return out.with_name(f"{out.stem}.{what}")


def write_judged(judged: Judged, out: Path, agreement: pd.DataFrame | None = None) -> Mapping[str, Path]:
    """Write records (JSON Lines), trail (CSV), texts (Parquet) and agreement with people (CSV).

    Returns
    -------
    mapping of str to Path
        What lies where; "texts" and "agreement" only where there are such.
    """
    paths = {"records": out, "trail": sidecar(out, "csv")}
    if agreement is not None:
        paths["agreement"] = sidecar(out, "agreement.csv")
        write_csv(paths["agreement"], agreement)
    if len(judged.texts.columns):
        paths["texts"] = sidecar(out, "texts.parquet")
        write_parquet(paths["texts"], judged.texts)
    write_csv(paths["trail"], judged.trail)
    write_records(out, judged.records)
    return paths
