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
from psyalign.study.cautions import cautions
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
    found = [*_flaws(study, dataset, bank, split), *_cautions(study)]
    flaws = sorted(found, key=lambda flaw: order.index(flaw.level))
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
        yield from _cut(study, bank)
    if dataset is not None:
        yield from _raters(study, dataset)
        yield from _attributes(study, dataset)
        yield from _groups(study, dataset, split)
        yield from _wordings(study, dataset)
        yield from _criterion_matching(study, dataset, split)


def _cautions(study: Study) -> Iterator[Flaw]:
    for caution in cautions(study):  # the run has them from the study itself, whatever it skips
        yield Flaw("warning", _at(study, *caution.key), caution.message, caution.mend)


def _files(study: Study) -> Iterator[Flaw]:
    tables = ("responses", "ratings", "persons", "wordings")
    named = [("data", key, getattr(study.data, key)) for key in tables]
    named += [("feedback", key, getattr(study.feedback, key)) for key in ("records", "times")]
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


def _cut(study: Study, bank: ItemBank) -> Iterator[Flaw]:
    names = study.items.include or tuple(bank.items)
    highest = max((bank.items[name].max_score for name in names if name in bank.items), default=0)
    cut = study.gates.cut if study.gates else None
    if cut is not None and cut > highest:
        message = f"Nobody can reach cut = {cut:g}: the mean score over the items is at most {highest}."
        yield Flaw("error", _at(study, "gates", "cut"), message, "Give the cut in score points of one item.")


def _raters(study: Study, dataset: Dataset) -> Iterator[Flaw]:
    data, feedback = study.data, study.feedback
    named = [("data", "operational", data.operational), ("data", "criterion", data.criterion)]
    if feedback.source == "panel":
        named.append(("feedback", "rater", feedback.rater))
        named += [("feedback", "exclude_raters", name) for name in feedback.exclude_raters]
    if feedback.source == "second_scoring":
        named += [("feedback", "first", feedback.first), ("feedback", "second", feedback.second)]
    named += [("gates", "raters", name) for name in (study.gates.raters if study.gates else ())]
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


def _criterion_matching(study: Study, dataset: Dataset, split: pd.DataFrame | None) -> Iterator[Flaw]:
    """The conditional-DIF penalty matches feedback persons of both groups on their criterion scores."""
    attribute, group = next(iter(study.groups.items()))
    if not study.align.dif_penalty or attribute not in dataset.attributes:
        return
    ratings, persons = dataset.ratings, dataset.persons
    criterion = study.data.criterion
    rated = persons["person"].isin(ratings.loc[ratings["rater"].eq(criterion) | (not criterion), "person"])
    if split is not None:
        rated &= persons["person"].isin(split.loc[split["split"] == "feedback", "person"])
    for value in (group.reference, group.focal):
        if not (rated & persons[attribute].eq(value)).any():
            message = f"dif_penalty matches on criterion scores, and no feedback person with {attribute} = "
            yield Flaw(
                "error",
                _at(study, "align", "dif_penalty"),
                f"{message}'{value}' has one.",
                "Give criterion ratings of the feedback persons, or set dif_penalty = 0.",
                DataError,
            )
            return


def _at(study: Study, table: str, key: str) -> str:
    return f"{study.path}, [{table}] {key}".rstrip()


def _suggest(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    return f"{guess}There are: {', '.join(names) or 'none'}."
