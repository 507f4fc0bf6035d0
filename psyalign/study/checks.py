"""A study against its data: files, raters, attributes, groups, wordings.

`check_study` lists everything it finds; `require_study` raises the first error. Both take the
dataset as the run uses it, that is after simulation or planting.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from psyalign.foundation.errors import DataError, PsyalignError, StudyError
from psyalign.items import Finding, ItemBank
from psyalign.study.schema import Group, Study

if TYPE_CHECKING:
    import pandas as pd

    from psyalign.responses import Dataset

__all__ = ["check_study", "require_files", "require_study"]

# With three persons in a group no variance within strata can be estimated; DIF is out of the question.
LEAST_PERSONS = 4


@dataclass(frozen=True)
class Flaw:
    """A finding, and what it is raised as if it is an error."""

    level: Literal["error", "warning", "note"]
    where: str
    message: str
    mend: str
    error: type[PsyalignError] = StudyError


def require_files(study: Study) -> None:
    """Raise DataError, with the study's instructions, if a file that it names is not there."""
    for flaw in _files(study):
        raise flaw.error(flaw.message, where=flaw.where, mend=flaw.mend)


def check_study(
    study: Study,
    dataset: Dataset | None = None,
    bank: ItemBank | None = None,
    split: pd.DataFrame | None = None,
) -> list[Finding]:
    """Check a valid study file against the world.

    Parameters
    ----------
    study : Study
        From `load_study`.
    dataset : Dataset, optional
        The data as the run uses them; without it only files and items are checked.
    bank : ItemBank, optional
        The item bank that the study names.
    split : DataFrame, optional
        Columns person, split. Without it the size of the groups among the audit persons is
        expected from the audit share.

    Returns
    -------
    list of Finding
        Errors, then warnings, then notes; empty if all is well.
    """
    order = ("error", "warning", "note")
    flaws = sorted(_flaws(study, dataset, bank, split), key=lambda flaw: order.index(flaw.level))
    return [Finding(flaw.level, flaw.where, f"{flaw.message} {flaw.mend}".strip()) for flaw in flaws]


def require_study(
    study: Study, dataset: Dataset, bank: ItemBank, split: pd.DataFrame | None = None
) -> list[str]:
    """Raise the first error that `check_study` would list; return the warnings as sentences.

    Raises
    ------
    StudyError
        The study names an item, rater, attribute or wording that the data do not have.
    DataError
        A file is missing, a group has no or fewer than four audit persons.
    """
    flaws = list(_flaws(study, dataset, bank, split))
    for flaw in flaws:
        if flaw.level == "error":
            raise flaw.error(flaw.message, where=flaw.where, mend=flaw.mend)
    return [f"{flaw.where}: {flaw.message}" for flaw in flaws if flaw.level == "warning"]


def _flaws(
    study: Study, dataset: Dataset | None, bank: ItemBank | None, split: pd.DataFrame | None
) -> Iterator[Flaw]:
    yield from _files(study)
    if bank is not None:
        yield from _items(study, bank)
    if dataset is not None:
        yield from _raters(study, dataset)
        yield from _attributes(study, dataset)
        yield from _groups(study, dataset, split)
        yield from _wordings(study, dataset)


def _files(study: Study) -> Iterator[Flaw]:
    named = [("data", key, getattr(study.data, key)) for key in ("responses", "ratings", "persons")]
    named.append(("feedback", "records", study.feedback.records))
    for table, key, name in named:
        if name is not None and not study.file(name).is_file():
            mend = " ".join(study.data.instructions.split()) if table == "data" else ""
            where = f"{_at(study, table, key)}: {study.file(name)}"
            yield Flaw("error", where, f"The {key} file is not there.", mend or "Check the path.", DataError)


def _items(study: Study, bank: ItemBank) -> Iterator[Flaw]:
    for name in study.items.include:
        if name not in bank.items:
            message = f"The bank '{bank.id}' has no item '{name}'."
            yield Flaw("error", _at(study, "items", "include"), message, _suggest(name, bank.items))


def _raters(study: Study, dataset: Dataset) -> Iterator[Flaw]:
    data, feedback = study.data, study.feedback
    named = [("data", "operational", data.operational), ("data", "criterion", data.criterion)]
    if feedback.source == "panel":
        named.append(("feedback", "rater", feedback.rater))
    if feedback.source == "second_scoring":
        named += [("feedback", "first", feedback.first), ("feedback", "second", feedback.second)]
    for table, key, name in named:
        if name and name not in dataset.raters:
            message = f"No rating is by rater '{name}'."
            yield Flaw("error", _at(study, table, key), message, _suggest(name, dataset.raters))
    if data.operational == data.criterion and "ceiling" in study.align.arms:
        message = "Operational and criterion scores are the same, so the ceiling repeats the baseline."
        yield Flaw("warning", _at(study, "align", "arms"), message, "Drop the arm, or name two raters.")


def _attributes(study: Study, dataset: Dataset) -> Iterator[Flaw]:
    named = [(f"groups.{name}", "", name) for name in study.groups]
    named += [("split", "stratify", name) for name in study.split.stratify]
    for table, key, name in named:
        if name not in dataset.attributes:
            message = f"The persons have no attribute '{name}'."
            yield Flaw("error", _at(study, table, key), message, _suggest(name, dataset.attributes))


def _groups(study: Study, dataset: Dataset, split: pd.DataFrame | None) -> Iterator[Flaw]:
    """Both groups must exist, and be large enough among the persons that DIF is reported on."""
    persons = dataset.persons
    for attribute, group in study.groups.items():
        if attribute not in dataset.attributes:
            continue
        counts = persons[attribute].value_counts()
        absent = [value for value in (group.reference, group.focal) if value not in counts.index]
        if absent:
            values = [str(value) for value in counts.index if value]
            message = f"No person has {attribute} = '{absent[0]}', so there are no two groups to compare."
            where = _at(study, f"groups.{attribute}", "focal" if absent[0] == group.focal else "reference")
            yield Flaw("error", where, message, _suggest(absent[0], values), DataError)
            continue
        yield from _sizes(study, attribute, group, _audited(study, persons, attribute, split))
        others = len(persons) - int(counts[group.reference]) - int(counts[group.focal])
        if others:
            message = f"{others} persons are in neither group; they count in agreement, not in DIF."
            yield Flaw("note", _at(study, f"groups.{attribute}", ""), message, "")


def _audited(study: Study, persons: pd.DataFrame, attribute: str, split: pd.DataFrame | None) -> pd.Series:
    """Persons of each group in the audit split, or as many as its share lets expect."""
    if split is None:
        return (persons[attribute].value_counts() * study.split.audit).round().astype(int)
    audit = split.loc[split["split"] == "audit", "person"]
    return persons.loc[persons["person"].isin(audit), attribute].value_counts()


def _sizes(study: Study, attribute: str, group: Group, audited: pd.Series) -> Iterator[Flaw]:
    for key, value in (("reference", group.reference), ("focal", group.focal)):
        size = int(audited.get(value, 0))
        message = f"The {key} group '{value}' has {size} audit persons"
        where = _at(study, f"groups.{attribute}", key)
        if size < LEAST_PERSONS:
            mend = "Gather more persons, raise [split] audit, or stratify the split by this attribute."
            yield Flaw("error", where, f"{message}; DIF needs at least {LEAST_PERSONS}.", mend, DataError)
        elif size < study.dif.min_group:
            text = f"{message}, fewer than min_group = {study.dif.min_group}: DIF will be very uncertain."
            yield Flaw("warning", where, text, "")


def _wordings(study: Study, dataset: Dataset) -> Iterator[Flaw]:
    feedback = study.feedback
    if feedback.equivalence != "alternates":
        return
    if dataset.alternates.empty:
        message = "No answer is there in a second wording, so there are no alternates to judge."
        where = _at(study, "feedback", "equivalence")
        yield Flaw("error", where, message, 'Use "matched_answers", "records" or "none".')
        return
    wordings = sorted({*dataset.responses["wording"], *dataset.alternates["wording"]} - {""})
    if feedback.neutral_wording not in wordings:
        message = f"No answer is in the wording '{feedback.neutral_wording}'."
        where = _at(study, "feedback", "neutral_wording")
        yield Flaw("error", where, message, _suggest(feedback.neutral_wording, wordings))


def _at(study: Study, table: str, key: str) -> str:
    return f"{study.path}, [{table}] {key}".rstrip()


def _suggest(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    return f"{guess}There are: {', '.join(names) or 'none'}."
