"""`psyalign feedback import`, and `feedback export` to other tools' formats."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from psyalign.cli.output import paint, show_table
from psyalign.cli.study import AsJson, StudyPath, study_file

if TYPE_CHECKING:
    from psyalign.feedback import Record
    from psyalign.feedback.interop import Question, StudyTexts, Transfer
    from psyalign.items import Item
    from psyalign.study import Study

__all__ = ["FormatName", "export_elsewhere", "import_feedback_file", "show_transfer"]

FormatName = Annotated[str, typer.Option("--format", help="psyalign, trl, label-studio or argilla.")]
DEFAULT_FILE = "feedback.jsonl"


def import_feedback_file(
    study: StudyPath,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The other tool's file.")],
    form: FormatName,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="JSON Lines file that the records are added to. [default: records of the study's feedback, "
            "else feedback.jsonl in its folder]",
            show_default=False,
        ),
    ] = None,
    rater: Annotated[
        str, typer.Option("--rater", help="Who said it, where the file does not tell. [default: unknown]")
    ] = "",
    source: Annotated[
        str,
        typer.Option(
            "--source", help="Where it comes from, where the file does not tell. [default: the format]"
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Add feedback from TRL, Label Studio or Argilla to the study's records."""
    from psyalign.feedback.interop import append_records, import_feedback
    from psyalign.foundation.errors import DataError
    from psyalign.study import load_study

    settings = load_study(study_file(study))
    named = settings.feedback.records
    target = out or settings.file(named or DEFAULT_FILE)
    found = import_feedback(file, form, study_texts(settings), rater=rater, source=source)
    if not found.records:
        show_transfer(found, as_json=as_json, title="No record")
        raise DataError(
            "No record came of this file.",
            where=str(file),
            mend="See the table above: is it this study's file, and of this format?",
        )
    added = append_records(target, found.records)
    there = len(found.records) - added
    title = f"{added} records added to {target}" + (f"; {there} were there before" if there else "")
    show_transfer(found, as_json=as_json, title=title)
    if out is None and named is None:
        print(
            f'To use them, set records = "{DEFAULT_FILE}" and source = "records" in [feedback].',
            file=sys.stderr,
        )


def export_elsewhere(
    settings: Study,
    out: Path,
    form: str,
    records: Sequence[Record],
    *,
    questions: Sequence[Question] = (),
    plain_ids: bool = False,
    conversational: bool = False,
) -> Transfer:
    """Write records or open questions in a format, and say on stderr if the file holds responses."""
    from psyalign.feedback.interop import FORMATS, Outgoing, export_feedback

    outgoing = Outgoing(records, study_texts(settings), plain_ids, questions, conversational)
    found = export_feedback(out, form, outgoing)
    if FORMATS[form].has_texts:
        said = f"{out} holds response texts and raters' names: personal data."
        if not plain_ids:
            said += " Responses go by codes there, which keep raters blind but make nothing anonymous."
        print(f"{paint('warning', 'yellow', sys.stderr)}: {said}", file=sys.stderr)
    return found


def show_transfer(
    found: Transfer, *, as_json: bool, title: str, counts: Sequence[dict[str, Any]] = ()
) -> None:
    """What was written or read, by kind, and what was left out and why."""
    if as_json:
        tables = {"collection": counts, "kinds": found.kinds, "left_out": found.reasons}
        show_table([{"table": name, **row} for name, rows in tables.items() for row in rows], as_json=True)
        return
    if counts:
        show_table(counts, title="In the collection; left out: cannot, anchors, unconnected")
        print()
    show_table(found.kinds, title=title)
    if found.reasons:
        print()
        show_table(found.reasons, title="Left out")


def study_texts(study: Study) -> StudyTexts:
    """The study's responses, and which of them feedback may be about: its feedback persons'."""
    import pandas as pd

    from psyalign.feedback.interop import StudyTexts
    from psyalign.pipeline.data import load_study_data
    from psyalign.responses import split_persons

    bank, dataset = load_study_data(study)
    split = split_persons(
        dataset.persons, study.split.shares, study.study.seed, stratify=list(study.split.stratify)
    )
    texts = pd.concat([dataset.responses, dataset.alternates], ignore_index=True).merge(split, on="person")
    return StudyTexts(
        bank.items,
        texts.assign(feedback=texts["split"] == "feedback"),
        seed=study.study.seed,
        scoring_prompt=scoring_prompt,
    )


def scoring_prompt(item: Item, response: str) -> str:
    """The prompt for the score of a response, as the scorer's encoder puts it together."""
    from psyalign.scorer.prompt import (
        ANSWER_CUE,
        prompt_context,
    )  # loads torch, which only TRL's prompts need

    return f"{prompt_context(item)} {' '.join(response.split())}{ANSWER_CUE}"
