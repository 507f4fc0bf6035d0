"""Feedback from and to other tools' files: what became a record, and what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from psyalign.feedback.interop import argilla, label_studio, trl
from psyalign.feedback.interop.claims import Claim, Left, resolve
from psyalign.feedback.interop.outgoing import KINDS, Outgoing
from psyalign.feedback.interop.texts import StudyTexts
from psyalign.feedback.jsonl import read_records, write_records
from psyalign.feedback.records import Equivalence, Rating, Record, ResponsePreference, ScorePreference
from psyalign.foundation.errors import UsageError
from psyalign.foundation.toml import suggest

__all__ = ["FORMATS", "Format", "Transfer", "append_records", "export_feedback", "import_feedback"]

MOST_ROWS = 8
UNKNOWN = "unknown"
TWICE = "the same record is in the file twice"


@dataclass(frozen=True)
class Format:
    """A format of feedback: its name, how it is read and written, and whether it holds response texts."""

    name: str
    read: Callable[[Path], Iterator[Claim | Left]]
    write: Callable[[Path, Outgoing], list[Left]]
    has_texts: bool = True


@dataclass(frozen=True)
class Transfer:
    """What an import or export did.

    Attributes
    ----------
    records : list of Record
        What was read, or written.
    left : list of Left
        What was left out.
    """

    records: list[Record]
    left: list[Left]

    @property
    def kinds(self) -> list[dict[str, Any]]:
        """Rows kind, records, raters."""
        rows = []
        for kind in KINDS:
            of_kind = [record for record in self.records if record.kind == kind]
            if of_kind:
                raters = {record.rater for record in of_kind}
                rows.append({"kind": kind, "records": len(of_kind), "raters": len(raters)})
        return rows

    @property
    def reasons(self) -> list[dict[str, Any]]:
        """Rows left_out (the reason), records, rows (where, the first eight), most frequent first."""
        counts = Counter(left.reason for left in self.left)
        made = []
        for reason, count in counts.most_common():
            places = list(dict.fromkeys(left.row for left in self.left if left.reason == reason))
            listed = ", ".join(str(place) for place in places[:MOST_ROWS])
            more = " …" if len(places) > MOST_ROWS else ""
            made.append({"left_out": reason, "records": count, "rows": listed + more})
        return made


def import_feedback(
    path: Path, form: str, texts: StudyTexts, *, rater: str = "", source: str = ""
) -> Transfer:
    """Read feedback from another tool's file and match it with a study.

    Parameters
    ----------
    path : Path
    form : str
        A name in FORMATS.
    texts : StudyTexts
    rater : str
        Who said it, where the file does not tell ("" : "unknown").
    source : str
        Where it comes from, where the file does not tell ("" : the format's name).

    Returns
    -------
    Transfer
        Only records about feedback persons' responses: those of others are left out and counted, as audit
        persons are never seen by feedback. A record that is in the file twice comes once.

    Raises
    ------
    UsageError
        An unknown format.
    DataError
        The file is not what the format says.
    """
    records: list[Record] = []
    left: list[Left] = []
    seen: set[Record] = set()
    for found in _format(form).read(path):
        if isinstance(found, Left):
            left.append(found)
            continue
        made = resolve(found, texts, rater=rater or UNKNOWN, source=source or form)
        if isinstance(made, Left):
            left.append(made)
        elif made in seen:
            left.append(Left(found.row, TWICE))
        else:
            seen.add(made)
            records.append(made)
    return Transfer(records, left)


def export_feedback(path: Path, form: str, outgoing: Outgoing) -> Transfer:
    """Write records, or open questions, in another tool's format.

    Parameters
    ----------
    path : Path
        The file (TRL: .jsonl or .parquet; psyalign), or a new folder (Label Studio, Argilla).
    form : str
        A name in FORMATS.
    outgoing : Outgoing

    Returns
    -------
    Transfer

    Raises
    ------
    UsageError
        An unknown format, or a path that does not fit it.
    """
    left = _format(form).write(path, outgoing)
    gone = {one.row for one in left}
    kept = [record for number, record in enumerate(outgoing.records, start=1) if number not in gone]
    return Transfer(kept, left)


def append_records(path: Path, records: Sequence[Record]) -> int:
    """Add records to a file of feedback records, atomically, but for those that it has; return how many.

    Raises
    ------
    DataError
        The file is there and is not one of feedback records.
    """
    there = read_records(path) if path.exists() else []
    known = set(there)
    new = [record for record in records if record not in known]
    if new or not path.exists():
        write_records(path, [*there, *new])
    return len(new)


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise UsageError(f"'{name}' is no format.", where="--format", mend=suggest(name, FORMATS))
    return FORMATS[name]


def _read_own(path: Path) -> Iterator[Claim | Left]:
    """Feedback records as claims; the row counts records."""
    for row, record in enumerate(read_records(path), start=1):
        values = asdict(record)
        about = {key: values[key] for key in ("item", "rater", "source")}
        if isinstance(record, ScorePreference):
            scores = (record.preferred, record.rejected)
            yield Claim(row, record.kind, scores, (record.response_id,), **about)
        elif isinstance(record, Rating):
            yield Claim(row, record.kind, record.score, (record.response_id,), **about)
        else:
            both = (record.response_a, record.response_b)
            yield Claim(row, record.kind, _said(record), both, **about)


def _said(record: ResponsePreference | Equivalence) -> str:
    if isinstance(record, Equivalence):
        return "same" if record.same else "different"
    return record.preferred


def _write_own(path: Path, outgoing: Outgoing) -> list[Left]:
    if outgoing.open_questions:
        raise UsageError(
            "Feedback records have no place for questions without answers.",
            where="--questions",
            mend="Export them with --format label-studio or argilla.",
        )
    write_records(path, outgoing.records)
    return []


FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format("psyalign", _read_own, _write_own, has_texts=False),
        Format("trl", trl.read, trl.write),
        Format("label-studio", label_studio.read, label_studio.write),
        Format("argilla", argilla.read, argilla.write),
    )
}
